"""Every message that a user can meet before a run begins: its whole text, exit code 2, nothing on standard output."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

Install: TypeAlias = Callable[..., Path]
CommandLine: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Refuse: TypeAlias = Callable[..., list[str]]

SECTIONS = {
    "source": '[source]\nuse = "toy.numbers"\n',
    "features": '[features]\nuse = "toy.fields"\n',
    "model": '[model]\nuse = "toy.threshold"\n',
    "redaction": '[redaction]\nuse = "none"\n',
}

ODD = """\
from enum import Enum
from typing import Literal

import attrs
from mdm_core import ConfigError, ProposalModel, component, hookimpl, option


class Mixed(Enum):
    ONE = 1
    TWO = "two"


@attrs.define
class Layers(ProposalModel):
    "Has options of every type."
    given: int = option(help="how many")
    layers: list[dict[str, int]] = option([], help="the layers", ge=0)
    names: list[str] = option([], help="names", choices=["a", "b"])
    weights: dict[str, float] | str = option({}, help="weights, or the file that has them")
    window: int | str | None = option(None, help="a number of events, or a duration")
    on: bool = option(True, help="a switch")
    pair: tuple[float, float] = option((0.0, 1.0), help="two numbers")
    many: tuple[float, ...] = option((), help="numbers")
    size: Literal["s", "m"] | None = option(None, help="a size")
    mixed: Mixed = option(Mixed.ONE, help="an enumeration of text and numbers")

    def propose(self, features, context): ...


@attrs.define
class Rest(ProposalModel):
    "Takes any key that is a number."
    others: dict[str, float] = option(rest=True, help="numbers by name", ge=0)

    def propose(self, features, context): ...


@attrs.define
class Raises(ProposalModel):
    "Cannot be made."
    token: str = option(secret=True, help="the token")
    low: int = option(0, help="low")
    high: int = option(10, help="high")

    def __attrs_post_init__(self):
        if self.low > self.high:
            raise ConfigError(f"low must not be above high, got {self.low} and {self.high}")
        raise RuntimeError(f"the token\\n{self.token} is no good")

    def propose(self, features, context): ...


@attrs.define
class Abstract(ProposalModel):
    "Lacks propose."


@attrs.define
class Child(ProposalModel):
    "Has a child that need not be given."
    model: ProposalModel = component("toy.threshold", help="the model inside")

    def propose(self, features, context): ...


@hookimpl
def mdm_register_proposal_models(register):
    for cls in (Layers, Rest, Raises, Abstract, Child):
        register(cls.__name__.lower(), cls)
    register("gone", "odd_plugin:Gone")
    register("needs", "odd_needs:Model")
    register("exits", "odd_exits:Model")
    register("text", "odd_plugin:__doc__")
    register("wrong", "toy_components:Vip")
"""


@pytest.fixture
def refuse(toy: Path, mdm: CommandLine, write_pipeline: Callable[[str], Path]) -> Refuse:
    """Check a pipeline that begins with this text, followed by the sections that it lacks; give the refusal's lines."""

    assert toy.is_dir()

    def check(text: str, *args: str, without: str = "") -> list[str]:
        lacking = [s for name, s in SECTIONS.items() if name != without and f"[{name}" not in text]
        write_pipeline("".join([text, *lacking]))
        return refusal(mdm("run", "pipeline.toml", *args))

    return check


def refusal(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of a refusal, each of which is from mdm."""
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert all(line.startswith("mdm: ") for line in lines), lines
    return [line.removeprefix("mdm: ") for line in lines]


class TestFile:
    """A file that cannot be read as TOML."""

    def test_not_found(self, mdm: CommandLine) -> None:
        """A file that does not exist is named."""
        assert refusal(mdm("check", "pipelin.toml")) == [
            "pipelin.toml: no such file; give the path of a pipeline's TOML file"
        ]

    def test_directory(self, mdm: CommandLine, tmp_path: Path) -> None:
        """A directory is named as one."""
        (tmp_path / "runs").mkdir()
        assert refusal(mdm("check", "runs")) == ["runs: is a directory; give the path of a pipeline's TOML file"]

    def test_unreadable(self, mdm: CommandLine, write_pipeline: Callable[[], Path]) -> None:
        """What the operating system says is passed on."""
        write_pipeline()
        assert refusal(mdm("check", "pipeline.toml/x.toml")) == [
            "pipeline.toml/x.toml: cannot be read: Not a directory; give the path of a pipeline's TOML file"
        ]

    def test_not_utf8(self, mdm: CommandLine, tmp_path: Path) -> None:
        """Bytes that are no UTF-8 are told with their position."""
        (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
        assert refusal(mdm("check", "latin.toml")) == ["latin.toml: not UTF-8 text at byte 5; save the file as UTF-8"]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("[model]\nuse = toy.threshold\n", "at line 2, column 7: invalid value; text needs quotes"),
            ("[model]\nuse = [1\n", "at line 3, column 1 (end of the file): unclosed array"),
            ("[model]\nuse =", "at line 2, column 6 (end of the file): invalid value"),
            ("[model]\nmodel.use = 1\n[model]\n", "at line 3, column 7: cannot declare [model] twice"),
            ("[model.model]\n[model.model]\n", "at line 2, column 13: cannot declare [model.model] twice"),
            ('[model]\nuse = "a"\nuse = "b"\n', "at line 3, column 10: cannot overwrite a value"),
            ("[model\n", "at line 1, column 7: expected ']' at the end of a table declaration"),
        ],
    )
    def test_invalid_toml(
        self, mdm: CommandLine, write_pipeline: Callable[[str], Path], text: str, problem: str
    ) -> None:
        """A mistake in the TOML is told with its line and column, also at the end of the file."""
        write_pipeline(text)
        [line] = refusal(mdm("check", "pipeline.toml"))
        assert line.replace('"', "'") == f"pipeline.toml: not valid TOML {problem}"


class TestSections:
    """Sections that are not what a pipeline has."""

    def test_unknown(self, refuse: Refuse) -> None:
        """An unknown section is told with the one that may be meant."""
        assert refuse('[modulator]\nuse = "toy.vip"\n') == [
            "pipeline.toml:1 [modulator]: unknown section (did you mean 'modulators'?); sections: "
            "broker, canary, durability, execution, features, model, modulators, observers, pipeline, redaction, "
            "shadow, source, trace"
        ]

    def test_key_above_all_sections(self, refuse: Refuse) -> None:
        """A key that belongs to no section is told so."""
        assert refuse("window = 100\n") == [
            "pipeline.toml:1 window: stands above all sections; move it below the one it belongs to"
        ]

    def test_only_one(self, refuse: Refuse) -> None:
        """Two tables where one is possible are refused."""
        assert refuse('[[model]]\nuse = "toy.threshold"\n[[model]]\nuse = "toy.threshold"\n') == [
            "pipeline.toml:1 [model]: only one is possible; write [model] once, with single brackets"
        ]

    @pytest.mark.parametrize("text", ['trace = "traces.jsonl"\n', 'trace = [1, { use = "toy.lines" }]\n'])
    def test_no_table(self, refuse: Refuse, text: str) -> None:
        """A section that is no table is told how to be one."""
        assert refuse(text) == ["pipeline.toml:1 [trace]: must be a table; write [trace] and its keys below"]

    @pytest.mark.parametrize(
        ("section", "kinds"),
        [("source", "data sources"), ("features", "feature extractors"), ("model", "proposal models")],
    )
    def test_missing(self, refuse: Refuse, section: str, kinds: str) -> None:
        """A section that every pipeline needs is asked for."""
        assert refuse("", without=section) == [
            f'pipeline.toml: section [{section}] is missing; add it with use = "…" (`mdm plugins` lists the {kinds})'
        ]

    def test_empty_list(self, refuse: Refuse) -> None:
        """A list of no feature extractors is as good as none."""
        assert refuse("features = []\n", without="features") == [
            'pipeline.toml: section [features] is missing; add it with use = "…" '
            "(`mdm plugins` lists the feature extractors)"
        ]

    def test_missing_redaction(self, refuse: Refuse) -> None:
        """A run writes, so how it redacts must be said."""
        assert refuse("", without="redaction") == [
            "pipeline.toml: section [redaction] is missing, and a run writes; add [redaction] with "
            'use = "redaction.keys", or use = "none" to write everything as it is'
        ]

    def test_no_redaction_has_no_options(self, refuse: Refuse) -> None:
        """Whoever gives options expects a redactor, and must not go without one unnoticed."""
        assert refuse('[redaction]\nuse = "none"\nmode = "mask"\n') == [
            'pipeline.toml:3 [redaction] mode: use = "none" has no options; take it away, or use = "redaction.keys"'
        ]


class TestUse:
    """`use` that names nothing that can be used."""

    def test_missing(self, refuse: Refuse) -> None:
        """A table without `use` is told what to name."""
        assert refuse("[model]\nthreshold = 0.5\n") == [
            'pipeline.toml:1 [model]: `use` is missing; name a proposal model that `mdm plugins` lists: use = "…"'
        ]

    def test_wrong_type(self, refuse: Refuse) -> None:
        """`use` is text."""
        assert refuse("[model]\nuse = 3\n") == ["pipeline.toml:2 [model] use: expected text, got whole number"]

    def test_unknown_plugin(self, refuse: Refuse) -> None:
        """A plugin that is not installed is told with what is, and with what may be meant."""
        assert refuse('[model]\nuse = "tay.threshold"\n') == [
            "pipeline.toml:2 [model] use: no plugin 'tay' is installed (did you mean 'toy'?); installed: toy; "
            "correct the name, or install its distribution (by convention mdm-tay)"
        ]

    def test_nothing_installed(self, mdm: CommandLine, write_pipeline: Callable[[str], Path]) -> None:
        """Without any plugin the message says so."""
        write_pipeline("".join(SECTIONS.values()))
        assert refusal(mdm("check", "pipeline.toml")) == [
            f"pipeline.toml:{line} [{section}] use: no plugin 'toy' is installed; installed: none; "
            f"correct the name, or install its distribution (by convention mdm-toy)"
            for section, line in [("source", 2), ("features", 4), ("model", 6)]
        ]

    def test_unknown_component(self, refuse: Refuse) -> None:
        """A component that the plugin lacks is told with those of the kind, and with what may be meant."""
        assert refuse('[model]\nuse = "toy.treshold"\n') == [
            "pipeline.toml:2 [model] use: plugin 'toy' has no proposal model 'toy.treshold' "
            "(did you mean 'toy.threshold'?); its proposal models: toy.threshold, toy.wrapper"
        ]

    def test_wrong_kind(self, refuse: Refuse) -> None:
        """A component of another kind is told what it is."""
        assert refuse('[model]\nuse = "toy.done"\n') == [
            "pipeline.toml:2 [model] use: 'toy.done' is a broker, not a proposal model; "
            "proposal models of plugin 'toy': toy.threshold, toy.wrapper"
        ]

    def test_plugin_without_component(self, refuse: Refuse) -> None:
        """A plugin's name alone is told the components to choose from."""
        assert refuse('[model]\nuse = "toy"\n') == [
            "pipeline.toml:2 [model] use: 'toy' is a plugin, not a component; "
            "its proposal models: toy.threshold, toy.wrapper"
        ]

    @pytest.mark.parametrize("use", ["threshold", "toy.", ".threshold", ""])
    def test_no_id(self, refuse: Refuse, use: str) -> None:
        """Text that is no id is told what one looks like."""
        assert refuse(f'[model]\nuse = "{use}"\n') == [
            f"pipeline.toml:2 [model] use: {use!r} is not a component id; "
            f'write "plugin.component", such as "reference.logistic"'
        ]


class TestPlugins:
    """Plugins that are installed and cannot be used."""

    def test_two_distributions(self, refuse: Refuse, install: Install) -> None:
        """Two distributions that claim one name are both named; neither wins."""
        install("toy", {"other": ""}, distribution="toys-unlimited", version="2.1")
        assert refuse("", without="source")[1:] == [
            f"pipeline.toml:{line} [{section}] use: plugin 'toy' is claimed by mdm-toy 1.0.0 and toys-unlimited 2.1; "
            f"uninstall all but one of them"
            for section, line in [("features", 2), ("model", 4)]
        ]

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("1 / 0\n", "ZeroDivisionError: division by zero"),
            ("import sys\nsys.exit(7)\n", "SystemExit: 7"),
            ("import sklearn_of_the_future\n", "ModuleNotFoundError: No module named 'sklearn_of_the_future'"),
            ("x = (\n", "SyntaxError: '(' was never closed (bad_plugin.py, line 1)"),
        ],
    )
    def test_raises_on_import(self, refuse: Refuse, install: Install, source: str, problem: str) -> None:
        """A plugin that cannot be imported is told with its distribution, its version and its error."""
        install("bad", {"bad_plugin": source}, version="0.3")
        assert refuse('[model]\nuse = "bad.model"\n') == [
            f"pipeline.toml:2 [model] use: plugin 'bad' (mdm-bad 0.3) cannot be imported: {problem}; "
            f"install what it needs, or reinstall it"
        ]

    def test_module_is_gone(self, refuse: Refuse, install: Install) -> None:
        """An entry point that names a module that is not there is told like any other import."""
        install("bad", {}, value="bad_plugin")
        assert refuse('[model]\nuse = "bad.model"\n') == [
            "pipeline.toml:2 [model] use: plugin 'bad' (mdm-bad 1.0.0) cannot be imported: "
            "ModuleNotFoundError: No module named 'bad_plugin'; install what it needs, or reinstall it"
        ]

    def test_blocked(self, refuse: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
        """A blocked plugin is told with the variable that blocks it."""
        monkeypatch.setenv("MDM_BLOCK_PLUGINS", "other, toy")
        assert refuse('[model]\nuse = "toy.threshold"\n', without="source")[1] == (
            "pipeline.toml:2 [model] use: plugin 'toy' is blocked by MDM_BLOCK_PLUGINS; "
            "take it out of that variable to use it"
        )

    @pytest.mark.parametrize(
        ("requirement", "problem"),
        [
            ("mdm-core>=2,<3", "needs mdm-core<3,>=2, but this is mdm-core 1.0.0"),
            ("Mdm_Core (<1)", "needs mdm-core<1, but this is mdm-core 1.0.0"),
            ("decision-schema>=7", "needs decision-schema>=7, but this is decision-schema 0.1.3"),
        ],
    )
    def test_contract_too_old(self, refuse: Refuse, install: Install, requirement: str, problem: str) -> None:
        """A plugin made for another version is refused before it is imported, also if it was installed by path."""
        install("bad", {"bad_plugin": "1 / 0"}, requires=[requirement])
        assert refuse('[model]\nuse = "bad.model"\n') == [
            f"pipeline.toml:2 [model] use: plugin 'bad' (mdm-bad 1.0.0) {problem}; install another version of mdm-bad"
        ]

    @pytest.mark.parametrize(
        ("hook", "problem"),
        [
            ("mdm_register_foo(register)", "unknown hook 'mdm_register_foo'"),
            (
                "mdm_register_brokers(add)",
                "Plugin 'bad' for hook 'mdm_register_brokers' hookimpl definition: mdm_register_brokers(add) "
                "Argument(s) {'add'} are declared in the hookimpl but can not be found in the hookspec",
            ),
        ],
    )
    def test_unknown_hook(self, refuse: Refuse, install: Install, hook: str, problem: str) -> None:
        """A hook that this version does not have is named."""
        install("bad", {"bad_plugin": f"from mdm_core import hookimpl\n@hookimpl\ndef {hook}: ...\n"})
        assert refuse('[model]\nuse = "bad.model"\n') == [
            f"pipeline.toml:2 [model] use: plugin 'bad' (mdm-bad 1.0.0) does not fit mdm-core 1.0.0: {problem}; "
            f"upgrade one of them, or tell the plugin's author"
        ]

    def test_registers_nothing(self, refuse: Refuse, install: Install) -> None:
        """A module without hook implementations is told what it lacks."""
        install("bad", {"bad_plugin": "def mdm_register_brokers(register): ..."})
        assert refuse('[model]\nuse = "bad.model"\n') == [
            "pipeline.toml:2 [model] use: plugin 'bad' (mdm-bad 1.0.0) registers nothing: its entry point must name a "
            "module that has @hookimpl functions such as mdm_register_proposal_models; tell its author"
        ]

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ("register('a', 'x:A'); register('a', 'x:B')", "ValueError: the broker 'a' is registered twice"),
            ("register(1, 'x:A')", "ValueError: 1 cannot be a component's name; use letters, digits, '-' and '_'"),
            (
                "register('a b', 'x:A')",
                "ValueError: 'a b' cannot be a component's name; use letters, digits, '-' and '_'",
            ),
            ("register('a', None)", "ValueError: the broker 'a' must be a class or \"package.module:Class\", got None"),
            (
                "register('a', 'x.A')",
                "ValueError: the broker 'a' must be a class or \"package.module:Class\", got 'x.A'",
            ),
            ("raise SystemExit", "SystemExit"),
        ],
    )
    def test_hook_fails(self, refuse: Refuse, install: Install, body: str, problem: str) -> None:
        """A hook that fails is named, with what it did."""
        source = f"from mdm_core import hookimpl\n@hookimpl\ndef mdm_register_brokers(register): {body}\n"
        install("bad", {"bad_plugin": source})
        assert refuse('[model]\nuse = "bad.model"\n') == [
            f"pipeline.toml:2 [model] use: plugin 'bad' (mdm-bad 1.0.0) failed in mdm_register_brokers: {problem}; "
            f"tell its author"
        ]


class TestComponents:
    """Components that a plugin registers and that cannot be made."""

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            (
                "gone",
                "component 'odd.gone' (mdm-odd 1.0.0) cannot be imported: AttributeError: module 'odd_plugin' has no "
                "attribute 'Gone'; install what it needs, or reinstall mdm-odd",
            ),
            (
                "needs",
                "component 'odd.needs' (mdm-odd 1.0.0) cannot be imported: ModuleNotFoundError: No module named "
                "'onnx_of_the_future'; install what it needs, or reinstall mdm-odd",
            ),
            (
                "exits",
                "component 'odd.exits' (mdm-odd 1.0.0) cannot be imported: SystemExit: no licence; "
                "install what it needs, or reinstall mdm-odd",
            ),
            (
                "text",
                "component 'odd.text' (mdm-odd 1.0.0) is registered as a proposal model but is not a subclass of "
                "mdm_core.ProposalModel; tell its author",
            ),
            (
                "wrong",
                "component 'odd.wrong' (mdm-odd 1.0.0) is registered as a proposal model but is not a subclass of "
                "mdm_core.ProposalModel; tell its author",
            ),
        ],
    )
    def test_cannot_be_loaded(self, refuse: Refuse, install: Install, name: str, problem: str) -> None:
        """A class that cannot be imported, or is of another kind, is told with its distribution."""
        needs, exits = "import onnx_of_the_future\n", "raise SystemExit('no licence')\n"
        install("odd", {"odd_plugin": ODD, "odd_needs": needs, "odd_exits": exits})
        assert refuse(f'[model]\nuse = "odd.{name}"\n') == [f"pipeline.toml:2 [model] use: {problem}"]

    def test_abstract(self, refuse: Refuse, install: Install) -> None:
        """A class that lacks a method of its contract is told so."""
        install("odd", {"odd_plugin": ODD})
        [line] = refuse('[model]\nuse = "odd.abstract"\n')
        assert line.startswith("pipeline.toml:1 [model]: odd.abstract cannot be made: TypeError: Can't instantiate")
        assert "propose" in line

    def test_own_check(self, refuse: Refuse, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a component finds wrong itself is told at its table."""
        monkeypatch.setenv("ODD_TOKEN", "s3cret")
        install("odd", {"odd_plugin": ODD})
        text = '[model]\nuse = "odd.raises"\nlow = 20\ntoken = { env = "ODD_TOKEN" }\n'
        assert refuse(text) == ["pipeline.toml:1 [model]: low must not be above high, got 20 and 10"]


class TestOptions:
    """Options that are not what the component takes."""

    def test_unknown(self, refuse: Refuse) -> None:
        """An unknown option is told with those that there are, and with what may be meant."""
        assert refuse('[model]\nuse = "toy.threshold"\ntreshold = 1\n') == [
            "pipeline.toml:3 [model] treshold: unknown option (did you mean 'threshold'?); "
            "options: action, feature, scale, threshold, weights"
        ]

    def test_unknown_where_there_are_none(self, refuse: Refuse) -> None:
        """A component without options says so."""
        assert refuse('[[observers]]\nuse = "toy.counter"\nsize = 1\n') == [
            "pipeline.toml:3 [[observers]] #1 size: unknown option; options: none"
        ]

    def test_unknown_in_pipeline(self, refuse: Refuse) -> None:
        """The section [pipeline] is checked like a component."""
        assert refuse('[pipeline]\nkeys = "who"\n') == [
            "pipeline.toml:2 [pipeline] keys: unknown option (did you mean 'key'?); "
            "options: clock, group, id, key, max_features, max_text, outcome, seed, switch_off_after, switch_off_for, "
            "timeout_ms, timestamp, timestamp_unit"
        ]

    @pytest.mark.parametrize(
        ("option", "problem"),
        [
            ('threshold = "0.5"', "threshold: expected number, got text"),
            ("threshold = true", "threshold: expected number, got true or false"),
            ("threshold = 1979-05-27", "threshold: expected number, got date"),
            ("feature = 3", "feature: expected text, got whole number"),
            ("action = 3", "action: expected text, got whole number"),
            ("weights = [1]", "weights: expected table of numbers, got list"),
            ("threshold = 1.5", "threshold: must be at most 1, got 1.5"),
            ("threshold = -1", "threshold: must be at least 0, got -1.0"),
            ("scale = 0", "scale: must be greater than 0, got 0.0"),
            ("scale = nan", "scale: must be a finite number, got nan"),
            ('action = "BUY"', "action: must be one of 'HOLD', 'ACT', 'EXIT', 'CANCEL', 'STOP', got 'BUY'"),
            ("weights = { a = inf }", "weights.a: must be a finite number, got inf"),
        ],
    )
    def test_wrong_value(self, refuse: Refuse, option: str, problem: str) -> None:
        """A value of the wrong type or out of range is told with what is wanted and what is there."""
        assert refuse(f'[model]\nuse = "toy.threshold"\n\n{option}\n') == [f"pipeline.toml:4 [model] {problem}"]

    @pytest.mark.parametrize(
        ("option", "problem"),
        [
            ("layers = [{ a = 1 },\n { b = 1.5 }]", "5 [model] layers #2 b: expected whole number, got number"),
            ("layers = [{ a = 1 },\n 3]", "5 [model] layers #2: expected table of whole numbers, got whole number"),
            ('names = ["a",\n "c"]', "5 [model] names #2: must be one of 'a', 'b', got 'c'"),
            ("names = 1", "4 [model] names: expected list of text, got whole number"),
            ("weights = 1", "4 [model] weights: expected table of numbers or text, got whole number"),
            ('[model.weights]\n"a.b" = "1"', '5 [model] weights."a.b": expected number, got text'),
            ("window = 1.5", "4 [model] window: expected whole number or text, got number"),
            ("on = 1", "4 [model] on: expected true or false, got whole number"),
            ("pair = [1]", "4 [model] pair: expected list of length 2, got 1"),
            ('pair = [1, "x"]', "4 [model] pair: expected number, got text (at [1])"),
            ('many = [1,\n"x"]', "5 [model] many #2: expected number, got text"),
            ('size = "l"', "4 [model] size: must be one of 's', 'm', got 'l'"),
            (
                "mixed = 1",
                "4 [model] mixed: the option's own type cannot be used: TypeError: Enums must contain either all "
                "str or all int values - type `<enum 'Mixed'>` is not supported; tell its author",
            ),
        ],
    )
    def test_wrong_item(self, refuse: Refuse, install: Install, option: str, problem: str) -> None:
        """An item of a list or table is told with its own place."""
        install("odd", {"odd_plugin": ODD})
        assert refuse(f'[model]\nuse = "odd.layers"\ngiven = 1\n{option}\n') == [f"pipeline.toml:{problem}"]

    def test_required(self, refuse: Refuse, install: Install) -> None:
        """An option without a default is asked for, with its help."""
        install("odd", {"odd_plugin": ODD})
        assert refuse('[model]\nuse = "odd.layers"\n') == [
            "pipeline.toml:1 [model]: option 'given' is missing; add given = … (how many)"
        ]

    def test_keys_that_are_left_over(self, refuse: Refuse, install: Install) -> None:
        """Where a component takes any key, the values are checked all the same."""
        install("odd", {"odd_plugin": ODD})
        assert refuse('[model]\nuse = "odd.rest"\na = "1"\n"b c" = 2\n') == [
            "pipeline.toml:3 [model] a: expected number, got text"
        ]
        assert refuse('[model]\nuse = "odd.rest"\na = 1\n"b c" = -2\n') == [
            'pipeline.toml:4 [model] "b c": must be at least 0, got -2.0'
        ]

    @pytest.mark.parametrize(
        ("option", "problem"),
        [
            ('key = "a..b"', "key: must be a dotted path such as 'user.id', got 'a..b'"),
            ("group = 0", "group: must be at least 1, got 0"),
            ("seed = 1.0", "seed: expected whole number, got number"),
            ("key = 7", "key: expected text, got whole number"),
            ('clock = "sun"', "clock: must be one of 'event', 'wall', got 'sun'"),
            ('timestamp_unit = "h"', "timestamp_unit: must be one of 's', 'ms', 'us', 'ns', 'iso', got 'h'"),
        ],
    )
    def test_pipeline(self, refuse: Refuse, option: str, problem: str) -> None:
        """The options of [pipeline] are told like those of components."""
        assert refuse(f"[pipeline]\n{option}\n") == [f"pipeline.toml:2 [pipeline] {problem}"]


class TestSecrets:
    """Options whose value must be in no file and no message."""

    @pytest.mark.parametrize("value", ['"s3cret"', '{ env = "X", value = "s3cret" }', '["s3cret"]', "{ env = 3 }"])
    def test_in_clear(self, refuse: Refuse, value: str) -> None:
        """A secret that stands in the file is refused without being repeated."""
        assert refuse(f'[broker]\nuse = "toy.done"\ntoken = {value}\n') == [
            'pipeline.toml:3 [broker] token: a secret must not stand here; write { env = "NAME" } and set that variable'
        ]

    @pytest.mark.parametrize("environment", [{}, {"TOY_TOKEN": ""}])
    def test_not_set(self, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
        """A variable that is not set, or empty, is named."""
        monkeypatch.delenv("TOY_TOKEN", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert refuse('[broker]\nuse = "toy.done"\ntoken = { env = "TOY_TOKEN" }\n') == [
            "pipeline.toml:3 [broker] token: the environment variable TOY_TOKEN is not set; set it to the secret"
        ]

    def test_required(self, refuse: Refuse, install: Install) -> None:
        """A secret that is missing is asked for in the way in which it may be given."""
        install("odd", {"odd_plugin": ODD})
        assert refuse('[model]\nuse = "odd.raises"\n') == [
            "pipeline.toml:1 [model]: option 'token' is missing; add token = { env = \"NAME\" } (the token)"
        ]

    def test_in_an_exception(self, refuse: Refuse, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        """A secret in the message of a component's own exception is taken out."""
        monkeypatch.setenv("ODD_TOKEN", "s3cret")
        install("odd", {"odd_plugin": ODD})
        assert refuse('[model]\nuse = "odd.raises"\ntoken = { env = "ODD_TOKEN" }\n') == [
            "pipeline.toml:1 [model]: odd.raises cannot be made: RuntimeError: the token [REDACTED] is no good"
        ]

    @pytest.mark.parametrize(
        ("override", "problem"),
        [
            (
                'broker.token="s3cret"',
                '--set [broker] token: a secret must not stand here; write { env = "NAME" } and set that variable',
            ),
            (
                "broker.token=s3cret",
                "--set broker.token: the value is not TOML; text needs quotes: --set 'broker.token=\"…\"'",
            ),
        ],
    )
    def test_on_the_command_line(self, refuse: Refuse, override: str, problem: str) -> None:
        """A secret given with --set is refused without being repeated, TOML or not."""
        assert refuse('[broker]\nuse = "toy.done"\n', "--set", override) == [problem]


class TestChildren:
    """Components inside components."""

    def test_missing(self, refuse: Refuse) -> None:
        """A child that is required is asked for by its table's header."""
        assert refuse('[model]\nuse = "toy.wrapper"\n') == [
            "pipeline.toml:1 [model]: table 'model' is missing; add [model.model] with use = \"…\" (the model inside)"
        ]

    def test_no_table(self, refuse: Refuse) -> None:
        """A child is a table."""
        assert refuse('[model]\nuse = "toy.wrapper"\nmodel = "toy.threshold"\n') == [
            'pipeline.toml:3 [model] model: expected a table with use = "…", got text'
        ]

    def test_without_use(self, refuse: Refuse) -> None:
        """A child's table needs `use` where there is no default."""
        assert refuse('[model]\nuse = "toy.wrapper"\n[model.model]\nthreshold = 1\n') == [
            'pipeline.toml:3 [model] model: `use` is missing; name a proposal model that `mdm plugins` lists: use = "…"'
        ]

    def test_wrong_kind(self, refuse: Refuse) -> None:
        """A child of another kind is told what it is."""
        assert refuse('[model]\nuse = "toy.wrapper"\nmodel.use = "toy.done"\n') == [
            "pipeline.toml:3 [model] model.use: 'toy.done' is a broker, not a proposal model; "
            "proposal models of plugin 'toy': toy.threshold, toy.wrapper"
        ]

    def test_option(self, refuse: Refuse) -> None:
        """A child's options are told with their place, however deep."""
        text = (
            '[model]\nuse = "toy.wrapper"\n[model.model]\nuse = "toy.wrapper"\n\n'
            '[model.model.model]\nuse = "toy.threshold"\nthreshold = 2\n'
        )
        assert refuse(text) == ["pipeline.toml:8 [model] model.model.threshold: must be at most 1, got 2.0"]

    def test_option_inline(self, refuse: Refuse) -> None:
        """An inline table has its place too."""
        assert refuse('[model]\nuse = "toy.wrapper"\nmodel = { use = "toy.threshold", threshold = 2 }\n') == [
            "pipeline.toml:3 [model] model.threshold: must be at most 1, got 2.0"
        ]

    def test_option_of_the_default(self, refuse: Refuse, install: Install) -> None:
        """A child that is used by default is configured without naming it."""
        install("odd", {"odd_plugin": ODD})
        assert refuse('[model]\nuse = "odd.child"\n[model.model]\nthreshold = 2\n') == [
            "pipeline.toml:4 [model] model.threshold: must be at most 1, got 2.0"
        ]


class TestPlaces:
    """Places in lists of tables."""

    def test_second_of_several(self, refuse: Refuse) -> None:
        """Tables of a list are counted from 1, and have their own lines."""
        text = '[[modulators]]\nuse = "toy.vip"\nkeys = []\n[[modulators]]\nuse = "toy.vip"\nkeys = [1]\n'
        assert refuse(text) == ["pipeline.toml:6 [[modulators]] #2 keys #1: expected text, got whole number"]

    def test_list_of_inline_tables(self, refuse: Refuse) -> None:
        """Inline tables are counted in the same way."""
        text = 'modulators = [\n  { use = "toy.vip", keys = [] },\n  { use = "toy.vip" },\n]\n'
        assert refuse(text) == [
            "pipeline.toml:3 [[modulators]] #2: option 'keys' is missing; add keys = … (keys that are denied)"
        ]


class TestOverrides:
    """`--set`."""

    @pytest.mark.parametrize(
        ("override", "problem"),
        [
            ("model", "--set model: write section.key=value, such as --set model.threshold=0.7"),
            ("model=3", "--set model: write section.key=value, such as --set model.threshold=0.7"),
            ("model.threshold", "--set model.threshold: write section.key=value, such as --set model.threshold=0.7"),
            ("model..x=1", "--set model..x: write section.key=value, such as --set model.threshold=0.7"),
            (
                "model.feature=n",
                "--set model.feature: the value is not TOML; text needs quotes: --set 'model.feature=\"…\"'",
            ),
            (
                "model.scale=1\nmodel = 3",
                "--set model.scale: the value is not TOML; text needs quotes: --set 'model.scale=\"…\"'",
            ),
            ("model.threshold=7", "--set [model] threshold: must be at most 1, got 7.0"),
            (
                "modle.threshold=0.7",
                "--set [modle]: unknown section (did you mean 'model'?); sections: "
                "broker, canary, durability, execution, features, model, modulators, observers, pipeline, redaction, "
                "shadow, source, trace",
            ),
            (
                "broker.idempotent=true",
                '--set [broker]: `use` is missing; name a broker that `mdm plugins` lists: use = "…"',
            ),
            (
                "modulators.3.keys=[]",
                "--set modulators.3.keys: [modulators] has 2 items, numbered from 1; there is no '3'",
            ),
            (
                "modulators.0.keys=[]",
                "--set modulators.0.keys: [modulators] has 2 items, numbered from 1; there is no '0'",
            ),
            (
                "modulators.keys=[]",
                "--set modulators.keys: [modulators] has 2 items, numbered from 1; there is no 'keys'",
            ),
            ("modulators.2.keys=3", "--set [[modulators]] #2 keys: expected list of text, got whole number"),
            ("modulators.2.keys.1=3", "--set [[modulators]] #2 keys #1: expected text, got whole number"),
            (
                "model.feature.name=3",
                "--set model.feature.name: [model] feature is a value and holds no keys; set it as a whole",
            ),
            (
                "modulators.2.keys.1.x=3",
                "--set modulators.2.keys.1.x: [[modulators]] #2 keys #1 is a value and holds no keys; "
                "set it as a whole",
            ),
            ('model.weights."a.b"="x"', '--set [model] weights."a.b": expected number, got text'),
        ],
    )
    def test_refused(self, refuse: Refuse, override: str, problem: str) -> None:
        """An override that is no override, or that sets what is wrong, is told by its own name."""
        text = (
            '[model]\nuse = "toy.threshold"\nfeature = "n"\nthreshold = 0.5\n'
            '[[modulators]]\nuse = "toy.vip"\nkeys = []\n[[modulators]]\nuse = "toy.vip"\nkeys = ["k9"]\n'
        )
        assert refuse(text, "--set", override) == [problem]

    def test_replaced_table(self, refuse: Refuse) -> None:
        """Where an override replaces a table, no line of the old one is shown."""
        text = '[model]\nuse = "toy.wrapper"\n[model.model]\nuse = "toy.threshold"\nthreshold = 0.5\n'
        assert refuse(text, "--set", 'model.model={use="toy.threshold", threshold=2}') == [
            "--set [model] model.threshold: must be at most 1, got 2.0"
        ]


class TestAllAtOnce:
    """A file with several mistakes."""

    def test_several_problems(self, refuse: Refuse) -> None:
        """All that is wrong is told in one go, each problem on its line."""
        text = """\
[pipline]
key = "who"

[source]
use = "toy.numbers"
count = -1
keys = "2"
color = "red"

[features]
use = "toy.field"

[model]
use = "toy.wrapper"
[model.model]
use = "toy.threshold"
threshold = 3
weights = { a = "1", b = 2, c = [] }

[[modulators]]
use = "tay.vip"
[[modulators]]
use = "toy.vip"

[broker]
token = "s3cret"

[redaction]
use = "toy.mask"
key = 7
"""
        assert refuse(text) == [
            "pipeline.toml:1 [pipline]: unknown section (did you mean 'pipeline'?); sections: "
            "broker, canary, durability, execution, features, model, modulators, observers, pipeline, redaction, "
            "shadow, source, trace",
            "pipeline.toml:6 [source] count: must be at least 0, got -1",
            "pipeline.toml:7 [source] keys: expected whole number, got text",
            "pipeline.toml:8 [source] color: unknown option; options: count, keys",
            "pipeline.toml:11 [features] use: plugin 'toy' has no feature extractor 'toy.field' "
            "(did you mean 'toy.fields'?); its feature extractors: toy.fields",
            "pipeline.toml:17 [model] model.threshold: must be at most 1, got 3.0",
            "pipeline.toml:18 [model] model.weights.a: expected number, got text",
            "pipeline.toml:18 [model] model.weights.c: expected number, got list",
            "pipeline.toml:21 [[modulators]] #1 use: no plugin 'tay' is installed (did you mean 'toy'?); "
            "installed: toy; correct the name, or install its distribution (by convention mdm-tay)",
            "pipeline.toml:22 [[modulators]] #2: option 'keys' is missing; add keys = … (keys that are denied)",
            'pipeline.toml:25 [broker]: `use` is missing; name a broker that `mdm plugins` lists: use = "…"',
            "pipeline.toml:30 [redaction] key: expected text, got whole number",
        ]


class TestRuns:
    """Runs that cannot begin."""

    @pytest.mark.parametrize("run_id", ["a/b", "../x", ".hidden", "-x", "a b", "ü", "x" * 81])
    def test_invalid_id(
        self, toy: Path, mdm: CommandLine, write_pipeline: Callable[[], Path], tmp_path: Path, run_id: str
    ) -> None:
        """An id that cannot be a directory's name is refused, and nothing is made."""
        ended = mdm("run", write_pipeline().name, f"--run-id={run_id}")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            f"mdm: run id {run_id!r}: use up to 80 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit\n"
        )
        assert not (tmp_path / "runs").exists()

    def test_existing_id(self, toy: Path, mdm: CommandLine, write_pipeline: Callable[[], Path], tmp_path: Path) -> None:
        """The id of a run that exists is refused, and the run is left as it is."""
        assert mdm("run", write_pipeline().name, "--run-id", "one").returncode == 0
        before = (tmp_path / "runs/one/summary.json").read_bytes()
        ended = mdm("run", "pipeline.toml", "--run-id", "one")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == ("mdm: run 'one' exists already in runs: choose another --run-id, or leave it out\n")
        assert (tmp_path / "runs/one/summary.json").read_bytes() == before

    def test_runs_dir_that_cannot_be(self, toy: Path, mdm: CommandLine, write_pipeline: Callable[[], Path]) -> None:
        """A directory that cannot be made is named with the operating system's reason."""
        ended = mdm("run", write_pipeline().name, "--run-id", "one", "--runs-dir", "pipeline.toml/runs")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            "mdm: pipeline.toml/runs/one: cannot be made: Not a directory; choose another --runs-dir\n"
        )


class TestCommandLine:
    """Arguments that the commands do not take."""

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ("nope", "No such command 'nope'. `mdm --help` tells more."),
            ("run", "Missing argument 'PIPELINE.toml'. `mdm run --help` tells more."),
            ("run x.toml y.toml", "Got unexpected extra argument (y.toml) `mdm run --help` tells more."),
            ("check --nope x.toml", "No such option '--nope'. `mdm check --help` tells more."),
            (
                "run x.toml --limit -1",
                "Invalid value for '--limit': -1 is not in the range x>=0. `mdm run --help` tells more.",
            ),
            ("plugins toy.nope", "plugin 'toy' has no component 'toy.nope'; `mdm plugins toy` lists them"),
            (
                "plugins tay",
                "no plugin 'tay' is installed (did you mean 'toy'?); installed: toy; "
                "correct the name, or install its distribution (by convention mdm-tay)",
            ),
        ],
    )
    def test_refused(self, toy: Path, mdm: CommandLine, arguments: str, problem: str) -> None:
        """A mistake on the command line is one line that says where help is."""
        [line] = refusal(mdm(*arguments.split()))
        assert line.replace("No such option: --nope", "No such option '--nope'.") == problem


class TestSchema:
    """A `decision-schema` that mdm cannot work with."""

    NEXT = "install a decision-schema>=0.1,<0.3 from its path or wheel"

    @pytest.fixture
    def foreign(self, plugin_dir: Path) -> Path:
        """Another implementation of decision-schema, first on the path."""
        package = plugin_dir / "decision_schema"
        package.mkdir()
        for path in (Path(__file__).parent / "standin" / "decision_schema").glob("*.py"):
            (package / path.name).write_bytes(path.read_bytes())
        return package

    def test_works_if_it_fits(
        self, toy: Path, foreign: Path, mdm_process: CommandLine, write_pipeline: Callable[[], Path]
    ) -> None:
        """The stand-in itself, a foreign implementation of version 0.2, is accepted."""
        ended = mdm_process("check", write_pipeline().name)
        assert (ended.returncode, ended.stderr) == (0, "")

    @pytest.mark.parametrize("version", ["0.3.0", "1.0.0", "0.0.9"])
    def test_version(self, foreign: Path, mdm_process: CommandLine, version: str) -> None:
        """A version outside the range is named, with the range."""
        (foreign / "version.py").write_text(f'__version__ = "{version}"\n')
        assert refusal(mdm_process("check", "pipeline.toml")) == [
            f"decision-schema {version} is installed, but mdm-core needs decision-schema>=0.1,<0.3; "
            f"install such a version from its path or wheel"
        ]

    def test_lacks_a_name(self, foreign: Path, mdm_process: CommandLine) -> None:
        """A contract that lacks a name is refused at once, not when the name is needed."""
        (foreign / "packet_v2.py").write_text("class Packet: ...\n")
        assert refusal(mdm_process("check", "pipeline.toml")) == [
            "decision-schema cannot be used: cannot import name 'PacketV2' from 'decision_schema.packet_v2' "
            f"({foreign / 'packet_v2.py'}); {self.NEXT}"
        ]

    def test_is_missing(self, plugin_dir: Path, mdm_process: CommandLine) -> None:
        """Without a contract nothing works, and the message says what to install."""
        (plugin_dir / "decision_schema.py").write_text(
            "raise ModuleNotFoundError(\"No module named 'decision_schema'\")"
        )
        assert refusal(mdm_process("check", "pipeline.toml")) == [
            f"decision-schema cannot be used: No module named 'decision_schema'; {self.NEXT}"
        ]
