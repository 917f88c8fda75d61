"""The chain for a newcomer, and the guards as a pipeline file names them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from mdm_core import ConfigError, Pipeline
from mdm_core.options import option_fields

from mdm_guards import CircuitBreaker, ErrorRate, OpsHealth, RateLimit, Staleness, StandardGuards, plugin, standard

NewBench: TypeAlias = Callable[..., Any]
FromToml: TypeAlias = Callable[[str], Pipeline]

COUNTS = {"steps_in_window": 100, "errors_in_window": 0}
ONE_LINE = '[[modulators]]\nuse = "guards.standard"\n'


def events(pipeline: Pipeline) -> list[list[str]]:
    """Decide two hundred events, some of them old, and give the reasons."""
    return [
        pipeline.decide({"key": f"k{n % 3}", "at": 10**12 + n * 50 - 70_000 * (n % 50 == 49)}, COUNTS).final.reasons
        for n in range(200)
    ]


class TestStandard:
    def test_is_five_guards(self) -> None:
        """In Python it is a list of five guards with their defaults, made anew each time."""
        expected = [OpsHealth(), Staleness(), ErrorRate(), RateLimit(), CircuitBreaker()]
        assert expected == standard()
        assert standard()[3] is not standard()[3]

    def test_lets_pass_what_is_in_order(self, bench: NewBench) -> None:
        """A newcomer's pipeline acts."""
        b = bench(*standard())
        for at in range(0, 5000, 100):
            assert b.allows(at, context=COUNTS)
            b.answer(at)

    @pytest.mark.parametrize(
        ("provoke", "context", "code"),
        [
            (lambda b: [b.answer(0, "failed", k) for k in ("rate_limited", "disconnected") * 10], {}, "ops_health:red"),
            (lambda b: b.ask(100_000, "HOLD"), {}, "staleness:too_old"),
            (lambda b: b.gate, {"errors_in_window": 50}, "error_rate:high"),
            (lambda b: [b.ask(0, context=COUNTS) for _ in range(20)], {}, "rate_limit:exceeded"),
            (lambda b: [b.answer(0, "failed") for _ in range(5)], {}, "circuit_breaker:open"),
        ],
    )
    def test_each_denies(
        self, bench: NewBench, provoke: Callable[[Any], object], context: dict[str, int], code: str
    ) -> None:
        """Each of the five does its part, in a list as in the chain."""
        names = [field.name for field in option_fields(StandardGuards)]
        for guards in (standard(), [StandardGuards(**dict(zip(names, standard(), strict=True)))]):
            b = bench(*guards)
            provoke(b)
            assert [code] == b.codes(0, context={**COUNTS, **context})

    def test_one_line_does_the_same(self, from_toml: FromToml, bench: NewBench) -> None:
        """The line in a file and the list in Python decide alike."""
        in_python = Pipeline(
            features=from_toml("").features, model=from_toml("").model, modulators=standard(), key="key", timestamp="at"
        )
        expected = events(in_python)
        assert {"always", "staleness:too_old"} <= {reason for reasons in expected for reason in reasons}
        assert expected == events(from_toml(ONE_LINE))

    def test_nested_tables_change_one_guard(self, from_toml: FromToml) -> None:
        """An option of one of the five is set in its own table; the others keep their defaults."""
        pipeline = from_toml(ONE_LINE + "[modulators.rate_limit]\nburst = 1\n")
        chain = pipeline.modulators[0]
        assert isinstance(chain, StandardGuards)
        assert (RateLimit(burst=1), CircuitBreaker()) == (chain.rate_limit, chain.circuit_breaker)
        assert [True, False] == [pipeline.decide({"key": "k", "at": 1}, COUNTS).final.allowed for _ in range(2)]

    def test_states_of_all_guards_are_saved(self, from_toml: FromToml) -> None:
        """The guards inside the chain have their states in snapshots, each under its own name."""
        names = [name.split(".", 1)[1] for name, _ in from_toml(ONE_LINE).states()]
        assert ["guards.ops_health.states", "guards.rate_limit.states", "guards.circuit_breaker.states"] == names

    def test_says_which_guard_cannot_work(self, bench: NewBench) -> None:
        """Without time the message names a guard and what to set."""
        with pytest.raises(ConfigError, match=r"OpsHealth: needs the time.*set timestamp"):
            bench(*standard(), timestamp=None)


class TestFile:
    def test_all_problems_are_told_with_their_place(self, from_toml: FromToml) -> None:
        """Wrong options of guards are told all at once."""
        text = (
            '[[modulators]]\nuse = "guards.rate_limit"\nper = "soon"\nburst = 0\n'
            '[[modulators]]\nuse = "guards.policy"\ndeny_if = "a >"\n'
            '[[modulators]]\nuse = "guards.clamp"\n'
            '[[modulators]]\nuse = "guards.budget"\nlimit = 3\nscope = "user"\n'
        )
        with pytest.raises(ConfigError) as caught:
            from_toml(text)
        problems = "\n".join(caught.value.problems)
        parts = ["per: must be a duration", "burst: must be at least 1", "deny_if: ", "min and max", "'param'", "scope"]
        assert parts == [part for part in parts if part in problems]

    def test_importing_the_plugin_is_light(self) -> None:
        """Selecting the plugin imports nothing but the standard library, attrs and mdm_core."""
        code = (
            "import sys, mdm_core.hookspecs, mdm_core.pipeline; before = set(sys.modules);"
            "import mdm_guards.plugin;"
            "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}"
            " - sys.stdlib_module_names - {'mdm_core', 'mdm_guards', 'attr', 'attrs', 'decision_schema'}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "[]\n" == done.stdout

    def test_every_guard_is_registered_under_its_flag(self) -> None:
        """The id of a guard ends in its flag, which is how people find the one that denied."""
        found: dict[str, Any] = {}
        plugin.mdm_register_modulators(found.__setitem__)
        for name, target in found.items():
            module, _, cls = target.partition(":")
            loaded = getattr(sys.modules[module], cls)
            assert name == getattr(loaded, "flag", "standard")
