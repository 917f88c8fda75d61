"""What is said before the first event about a core or a policy that cannot be used."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
from mdm_core import Action, Build, ConfigError, FinalDecision, MismatchInfo

from mdm_dmc import DmcModulator

Install: TypeAlias = Callable[..., None]
NewBench: TypeAlias = Callable[..., Any]

CLOCK = Build(clock="event", timestamp="at")
STANDIN = Path(__file__).parent / "standin"
NOT_INSTALLED = (
    "dmc_core is not installed; the distribution dmc-core is not on the package index, so install it from your own "
    "build: pip install PATH, the path of its checkout or wheel"
)


def modulate(proposal: Any, policy: Any, context: Any) -> Any:
    """Let everything pass, and show the policy as a reason."""
    return FinalDecision(proposal.action, True, [repr(policy)]), MismatchInfo()


@dataclass
class Thresholds:
    """A part of a policy."""

    low: float = 0.1
    high: float = 0.9


@dataclass
class Data:
    """A policy that is a dataclass."""

    limit: int
    rate: float = 0.5
    actions: list[Action] = field(default_factory=list)
    thresholds: Thresholds = field(default_factory=Thresholds)
    derived: int = field(init=False, default=3)

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError("limit must not be negative")


@attrs.define
class Attrs:
    """A policy that is an attrs class."""

    limit: int
    rate: float = attrs.field(default=0.5, validator=attrs.validators.ge(0))
    window: int = attrs.field(default=60, converter=int)
    _hidden: str = attrs.field(default="")
    derived: int = attrs.field(init=False, default=3)


class Plain:
    """A policy with a plain constructor."""

    def __init__(self, limit: int, rate: float = 0.5, untyped=None, *, name: str | None = None) -> None:  # type: ignore[no-untyped-def]
        self.values = (limit, rate, untyped, name)

    def __repr__(self) -> str:
        return f"Plain{self.values}"


class Anything:
    """A policy that takes everything."""

    def __init__(self, limit: int = 1, **rest: Any) -> None:
        self.values = (limit, rest)

    def __repr__(self) -> str:
        return f"Anything{self.values}"


class Unresolved:
    """A policy whose annotations name what is not there."""

    def __init__(self, limit: Missing = 1) -> None:  # type: ignore[name-defined] # noqa: F821
        self.values = (limit,)

    def __repr__(self) -> str:
        return f"Unresolved{self.values}"


@pytest.fixture
def own_dmc(install: Install) -> None:
    """Install a core with policies of every sort."""
    classes = (Data, Attrs, Plain, Anything, Unresolved)
    contents = {"number": 7, "short": lambda proposal, policy: None, "Builtin": dict}
    install("own_dmc", modulate=modulate, **contents, **{cls.__name__: cls for cls in classes})


def problems(build: Build = CLOCK, **options: Any) -> list[str]:
    """Give what is wrong."""
    with pytest.raises(ConfigError) as error:
        DmcModulator(**options).open(build)
    return [*error.value.problems]


def refused(name: str, **policy: Any) -> list[str]:
    """Give what is wrong with a policy."""
    return problems(function="own_dmc:modulate", policy_class=f"own_dmc:{name}", policy=policy)


class TestMissing:
    def test_not_installed(self) -> None:
        """Without a core one line says what to install, and where it does not come from."""
        assert [NOT_INSTALLED] == problems()

    def test_another_core_is_not_installed(self, install: Install) -> None:
        """A core of another name is named with the option that asks for it, and so is its policy."""
        expected = [
            f"{option}: module acme is not installed; install the distribution it is in, or correct {option}"
            for option in ("function", "policy_class")
        ]
        assert expected == problems(function="acme.core:modulate", policy_class="acme.core:Policy")

    @pytest.mark.usefixtures("standin")
    def test_no_such_module_or_name(self) -> None:
        """A module or a name that the installed core lacks is told from a core that is not installed."""
        assert [
            "function: module dmc_core.dmc.modulator has no 'modulat' (did you mean 'modulate'?); correct function",
            "policy_class: the installed dmc_core has no module dmc_core.dmc.polcy; correct policy_class",
        ] == problems(function="dmc_core.dmc.modulator:modulat", policy_class="dmc_core.dmc.polcy:GuardPolicy")

    def test_a_core_that_cannot_be_imported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A core that fails while it is imported, or lacks something itself, is not called missing."""
        (tmp_path / "broken_dmc.py").write_text("1 / 0\n")
        (tmp_path / "needy_dmc.py").write_text("import needy\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert [
            "function: module broken_dmc cannot be imported: ZeroDivisionError: division by zero; install or correct "
            "it",
            "policy_class: module needy_dmc cannot be imported: ModuleNotFoundError: No module named "
            "'needy'; install or correct it",
        ] == problems(function="broken_dmc:modulate", policy_class="needy_dmc:Policy")

    @pytest.mark.parametrize("path", ["modulate", "a:", ":b", "a.b", "a:b.c", "a..b:c", "a b:c", "1a:b", "a:b\n"])
    def test_import_path(self, path: str) -> None:
        """An import path that is written otherwise is refused with the options."""
        for option in ("function", "policy_class"):
            with pytest.raises(ConfigError, match=rf"DmcModulator\.{option}: must be written as package\.module:name"):
                DmcModulator(**dict[str, Any]({option: path}))


@pytest.mark.usefixtures("own_dmc")
class TestWrong:
    @pytest.mark.parametrize("name", ["number", "short", "Anything"])
    def test_function(self, name: str) -> None:
        """What cannot be called with a proposal, a policy and a context is refused before the first event."""
        expected = f"function: own_dmc:{name} does not take (proposal, policy, context); name one that does"
        assert [expected] == problems(function=f"own_dmc:{name}", policy_class="own_dmc:Anything")

    def test_function_without_a_signature(self) -> None:
        """What does not say what it takes, as functions written in C, is tried only when it is asked."""
        DmcModulator(function="own_dmc:Builtin", policy_class="own_dmc:Anything").open(CLOCK)

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("number", "own_dmc:number is not a class; name the class of the policy"),
            ("modulate", "own_dmc:modulate is not a class; name the class of the policy"),
            ("Builtin", "builtins.dict does not say what its fields are; name another class"),
        ],
    )
    def test_policy_class(self, name: str, problem: str) -> None:
        """What is no class with fields is refused before the first event."""
        assert [f"policy_class: {problem}"] == refused(name)

    def test_no_clock(self) -> None:
        """A pipeline without time is refused: a core's guards would take a missing time for a good one."""
        expected = "needs the time, and there is none; set timestamp, or clock = 'wall', in [pipeline]"
        options = {"function": "own_dmc:modulate", "policy_class": "own_dmc:Anything"}
        assert [expected] == problems(Build(), **options)

    def test_all_at_once(self) -> None:
        """Clock, function and policy are all told of, one line each."""
        policy = {"limit": "x", "a": 1}
        found = problems(Build(), function="own_dmc:number", policy_class="own_dmc:Data", policy=policy)
        assert ["needs the time, and there is none", "function", "policy.limit", "policy.a"] == [
            re.split(r"[:;]", problem)[0] for problem in found
        ]


@pytest.mark.usefixtures("own_dmc")
class TestPolicyFields:
    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("Data", "actions, limit, rate, thresholds"),
            ("Attrs", "hidden, limit, rate, window"),
            ("Plain", "limit, name, rate, untyped"),
        ],
    )
    def test_unknown(self, name: str, fields: str) -> None:
        """A field that the class does not have is named with the nearest and with all that it has."""
        where = f"fields of {__name__}.{name}: {fields}"
        assert [
            f"policy.limitt: unknown field (did you mean 'limit'?); {where}",
            f"policy.derived: unknown field; {where}",
        ] == refused(name, limit=1, limitt=2, derived=4)

    @pytest.mark.parametrize("name", ["Data", "Attrs", "Plain"])
    def test_missing(self, name: str) -> None:
        """A field without a default has to be given."""
        what = f"{__name__}.{name} has no default for it"
        assert [f"policy.limit: missing, and {what}; add limit = … to the table policy"] == refused(name)

    @pytest.mark.parametrize("name", ["Data", "Attrs", "Plain"])
    def test_wrong_type(self, name: str) -> None:
        """A value of the wrong type is named with the type that it has to be, all of them at once."""
        assert [
            "policy.limit: expected whole number, got text",
            "policy.rate: expected number, got true or false",
        ] == refused(name, limit="5", rate=True)

    def test_wrong_type_of_a_private_field(self) -> None:
        """A field of an attrs class that begins with an underscore is known by the name that its constructor takes."""
        assert ["policy.hidden: expected text, got whole number"] == refused("Attrs", limit=1, hidden=2)

    def test_wrong_type_inside(self) -> None:
        """What is wrong inside a value is told with its place."""
        assert [
            "policy.actions #2: must be one of 'HOLD', 'ACT', 'EXIT', 'CANCEL', 'STOP', got 'BUY'",
            "policy.thresholds: expected number, got text (at low)",
        ] == refused("Data", limit=1, actions=["ACT", "BUY"], thresholds={"low": "x"})

    @pytest.mark.parametrize(
        ("name", "policy", "reason"),
        [
            ("Data", {"limit": -1}, "ValueError: limit must not be negative"),
            ("Attrs", {"limit": 1, "rate": -1.0}, "ValueError: 'rate' must be >= 0: -1.0"),
            (
                "Attrs",
                {"limit": 1, "window": []},
                "TypeError: int() argument must be a string, a bytes-like object or a real number, not 'list'",
            ),
        ],
    )
    def test_refused_by_the_class(self, name: str, policy: dict[str, Any], reason: str) -> None:
        """A value of the right type that the class itself refuses is one line too."""
        assert [f"policy: {__name__}.{name} refuses these fields: {reason}; correct them"] == refused(name, **policy)

    @pytest.mark.parametrize(
        ("name", "given", "policy"),
        [
            ("Data", {"limit": 1, "rate": 2}, Data(1, 2.0)),
            (
                "Data",
                {"limit": 1, "actions": ["ACT", "STOP"], "thresholds": {"high": 1}},
                Data(1, 0.5, [Action.ACT, Action.STOP], Thresholds(0.1, 1.0)),
            ),
            ("Attrs", {"limit": 1, "hidden": "x", "window": "30"}, Attrs(1, 0.5, 30, "x")),
            ("Plain", {"limit": 1, "untyped": [1, "x"], "name": "n"}, Plain(1, 0.5, [1, "x"], name="n")),
            ("Anything", {"limit": 2, "more": {"a": 1}}, Anything(2, more={"a": 1})),
            ("Unresolved", {"limit": "whatever"}, Unresolved("whatever")),
        ],
    )
    def test_reach_the_core(self, bench: NewBench, name: str, given: dict[str, Any], policy: Any) -> None:
        """The core gets a policy with the fields as given, in the types of the class."""
        modulator = DmcModulator(function="own_dmc:modulate", policy_class=f"own_dmc:{name}", policy=given)
        assert [repr(policy)] == bench(modulator).ask().final.reasons


class TestOlderPolicy:
    @pytest.fixture
    def older(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standin: None) -> Path:
        """Install a core of the time before GuardPolicy: its policy is a RiskPolicy."""
        package = tmp_path / "dmc_core"
        shutil.copytree(STANDIN / "dmc_core", package)
        policy = (package / "dmc" / "policy.py").read_text().replace("GuardPolicy", "RiskPolicy")
        (package / "dmc" / "policy.py").unlink()
        (package / "dmc" / "risk_policy.py").write_text(policy)
        modulator = (package / "dmc" / "modulator.py").read_text()
        (package / "dmc" / "modulator.py").write_text(
            modulator.replace("dmc.policy", "dmc.risk_policy").replace("GuardPolicy", "RiskPolicy")
        )
        monkeypatch.syspath_prepend(tmp_path)
        return package

    @pytest.mark.parametrize("options", [{}, {"policy_class": "dmc_core.dmc.risk_policy:RiskPolicy"}])
    def test_is_found(self, bench: NewBench, older: Path, options: dict[str, str]) -> None:
        """It is taken where the default is absent, or if it is named; its guards deny by its fields."""
        b = bench(DmcModulator(policy={"staleness_ms": 10}, **options))
        assert b.ask(at=100).final.allowed
        assert ["too_old"] == b.ask(at=80).final.reasons

    def test_its_fields_are_checked(self, older: Path) -> None:
        """Its fields are checked as those of the default are."""
        [problem] = problems(policy={"staleness": 10})
        assert problem.startswith("policy.staleness: unknown field (did you mean 'staleness_ms'?); fields of dmc_core.")
        assert "dmc_core.dmc.risk_policy.RiskPolicy: " in problem

    def test_is_not_taken_for_another(self, older: Path) -> None:
        """A policy that was named by the user is not replaced by another."""
        expected = "policy_class: the installed dmc_core has no module dmc_core.dmc.mine; correct policy_class"
        assert [expected] == problems(policy_class="dmc_core.dmc.mine:Policy")

    def test_neither(self, older: Path) -> None:
        """A core that has neither is told of by the default."""
        (older / "dmc" / "risk_policy.py").unlink()
        (older / "dmc" / "modulator.py").write_text("def modulate(proposal, policy, context): ...\n")
        expected = "policy_class: the installed dmc_core has no module dmc_core.dmc.policy; correct policy_class"
        assert [expected] == problems()

    def test_the_default_comes_first(self, standin: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A core that has both is used with the default."""
        shutil.copytree(STANDIN / "dmc_core", tmp_path / "dmc_core")
        (tmp_path / "dmc_core" / "dmc" / "risk_policy.py").write_text("class RiskPolicy: ...\n")
        monkeypatch.syspath_prepend(tmp_path)
        [problem] = problems(policy={"x": 1})
        assert "fields of dmc_core.dmc.policy.GuardPolicy: " in problem
