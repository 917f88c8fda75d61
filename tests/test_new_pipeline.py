"""`mdm new pipeline`: what it writes is accepted, shows every option, and means what was asked for."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdm_core.cli.draft import draft
from mdm_core.options import option_fields
from mdm_core.plan import Plan
from mdm_core.plugins import Registry

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]

NEEDED = ("--source", "toy.numbers", "--features", "toy.fields", "--model", "toy.threshold", "--redaction", "toy.mask")
ALL = (
    *("--source", "toy.numbers", "--features", "toy.fields", "--features", "toy.fields", "--model", "toy.wrapper"),
    *("--modulator", "toy.vip", "--broker", "toy.done", "--trace", "toy.lines", "--trace", "toy.audit"),
    *("--observer", "toy.counter", "--redaction", "none", "--set", 'features.2.prefix="x."'),
    *("--set", 'model.model.use="toy.threshold"', "--set", 'model.model.weights={ "a.b" = 2 }'),
    *("--set", 'modulators.1.keys=["k0"]', "--set", 'broker.token={ env = "TOY_TOKEN" }'),
    *("--set", 'pipeline.key="who"', "--set", "execution.attempts=5", "--set", "model.timeout_ms=50"),
)


def uncommented(text: str) -> str:
    """What stands there when every default is uncommented."""
    return re.sub(r"^#(?=\w)(?!.*… *$)", "", text, flags=re.MULTILINE)


@pytest.mark.usefixtures("toy")
class TestWritten:
    """What is written."""

    @pytest.mark.parametrize("asked", [NEEDED, ALL], ids=["needed", "all"])
    def test_is_accepted(
        self, mdm: CommandLine, asked: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`mdm check` accepts it, printed or in a file."""
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        printed, written = mdm("new", "pipeline", *asked), mdm("new", "pipeline", *asked, "-o", "made.toml")
        assert (0, "", 0, "") == (printed.returncode, printed.stderr, written.returncode, written.stdout)
        assert "made.toml: written; next: mdm check made.toml\n" == written.stderr
        assert printed.stdout == (tmp_path / "made.toml").read_text()
        assert "s3cret" not in printed.stdout
        assert 0 == mdm("check", "made.toml").returncode

    def test_is_what_was_asked_for(self, mdm: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only what was asked for is set, in the order that was asked for."""
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        assert {
            "pipeline": {"key": "who"},
            "source": {"use": "toy.numbers"},
            "features": [{"use": "toy.fields"}, {"use": "toy.fields", "prefix": "x."}],
            "model": {
                "use": "toy.wrapper",
                "timeout_ms": 50,
                "model": {"use": "toy.threshold", "weights": {"a.b": 2}},
            },
            "modulators": [{"use": "toy.vip", "keys": ["k0"]}],
            "broker": {"use": "toy.done", "token": {"env": "TOY_TOKEN"}},
            "execution": {"attempts": 5},
            "trace": [{"use": "toy.lines"}, {"use": "toy.audit"}],
            "observers": [{"use": "toy.counter"}],
            "redaction": {"use": "none"},
        } == tomllib.loads(mdm("new", "pipeline", *ALL).stdout)

    def test_what_is_commented_out_is_the_default(
        self, mdm: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Uncommenting all of it changes nothing."""
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        text = mdm("new", "pipeline", *ALL).stdout
        (tmp_path / "made.toml").write_text(text)
        (tmp_path / "whole.toml").write_text(uncommented(text))
        assert text != uncommented(text)
        assert _resolved(tmp_path / "made.toml") == _resolved(tmp_path / "whole.toml")

    def test_every_option_is_there_with_its_help(self, mdm: CommandLine) -> None:
        """Name, default, rules and help of each option stand in the file."""
        text = mdm("new", "pipeline", *NEEDED).stdout
        assert "# share of `scale` from which the action is proposed (number, at least 0, at most 1)\n" in text
        assert "\n#threshold = 0.5\n" in text
        options = option_fields(Registry().components("toy")["model:threshold"].load())
        assert [] == [o.name for o in options if f"\n#{o.name} = " not in text or f"# {o.info.help} (" not in text]
        assert "# Proposes an action from a threshold on.\nuse = " in text


class TestComponents:
    """Components with unusual options."""

    PLUGIN = """\
import attrs
from mdm_core import FeatureExtractor, ProposalModel, component, hookimpl, option


@attrs.define
class Inner(ProposalModel):
    step: int = option(1, help="a step")
    def propose(self, features, context): ...


@attrs.define
class Outer(ProposalModel):
    token: str = option("", secret=True, help="a secret")
    hidden: str = option("do not show", private=True, help="private")
    model: ProposalModel = component("odd.inner", help="a model inside")
    def propose(self, features, context): ...


@attrs.define
class Rest(FeatureExtractor):
    named: int = option(0, help="an option by name")
    others: dict[str, float] = option(rest=True, help="all other keys")
    def extract(self, event, context): ...


@hookimpl
def mdm_register_proposal_models(register):
    register("inner", Inner)
    register("outer", Outer)


@hookimpl
def mdm_register_feature_extractors(register):
    register("rest", Rest)
"""

    def test_secrets_children_and_the_rest(self, toy: Path, install: Install) -> None:
        """No private default is shown, a secret is named by its variable, a child that is not set is its default."""
        assert toy.is_dir()
        install("odd", {"odd_plugin": self.PLUGIN})
        chosen = {"source": ["toy.numbers"], "features": ["odd.rest"], "model": ["odd.outer"], "redaction": ["none"]}
        text = draft(chosen, ['features.1."a.b"=0.5'])
        assert '\n#token = { env = "NAME" }\n' in text
        assert "\n#hidden = …\n" in text
        assert '\n#model = { use = "odd.inner" }\n' in text
        assert "do not show" not in text
        assert [{"use": "odd.rest", "a.b": 0.5}] == tomllib.loads(text)["features"]

    def test_a_child_without_its_name(self, toy: Path, install: Install) -> None:
        """Options of a default child are written under its name."""
        assert toy.is_dir()
        install("odd", {"odd_plugin": self.PLUGIN})
        chosen = {"source": ["toy.numbers"], "features": ["toy.fields"], "model": ["odd.outer"], "redaction": ["none"]}
        text = draft(chosen, ["model.model.step=3"])
        assert {"use": "odd.inner", "step": 3} == tomllib.loads(text)["model"]["model"]


@pytest.mark.usefixtures("toy")
class TestRefused:
    """What cannot be written."""

    @pytest.mark.parametrize(
        ("missing", "installed"),
        [
            ("source", "data sources that are installed: toy.events, toy.numbers"),
            ("features", "feature extractors that are installed: toy.fields"),
            ("model", "proposal models that are installed: toy.threshold, toy.wrapper"),
        ],
    )
    def test_what_every_pipeline_needs(self, mdm: CommandLine, missing: str, installed: str) -> None:
        """What is missing is told with what there is."""
        asked = list(NEEDED)
        at = asked.index(f"--{missing}")
        ended = mdm("new", "pipeline", *asked[:at], *asked[at + 2 :])
        assert (2, "", f"mdm: --{missing} is missing; {installed}\n") == (ended.returncode, ended.stdout, ended.stderr)

    def test_a_broken_plugin_hides_no_other(self, install: Install, mdm: CommandLine) -> None:
        """The list of what is installed leaves it out."""
        install("worse", {"worse_plugin": "import no_such_module"})
        assert "mdm: --source is missing; data sources that are installed: toy.events, toy.numbers\n" == (
            mdm("new", "pipeline").stderr
        )

    def test_everything_that_is_wrong(self, mdm: CommandLine, tmp_path: Path) -> None:
        """All problems are told at once, as `mdm check` tells them, and nothing is written."""
        asked = (*NEEDED, "--modulator", "toy.vip", "--broker", "toy.dun", "--set", "model.threshold=2", "-o", "p.toml")
        ended = mdm("new", "pipeline", *asked)
        assert (2, "") == (ended.returncode, ended.stdout)
        assert {
            "mdm: --set [model] threshold: must be at most 1, got 2.0",
            "mdm: [[modulators]] #1: option 'keys' is missing; add keys = … (keys that are denied)",
            "mdm: [broker] use: plugin 'toy' has no broker 'toy.dun' (did you mean 'toy.done'?); its brokers: toy.done",
            "mdm: nothing is written; --set SECTION.KEY=VALUE gives and changes options",
        } == set(ended.stderr.splitlines())
        assert not (tmp_path / "p.toml").exists()

    def test_a_secret_in_the_open(self, mdm: CommandLine) -> None:
        """It is refused, and not repeated."""
        ended = mdm("new", "pipeline", *NEEDED, "--broker", "toy.done", "--set", 'broker.token="s3cret"')
        assert 2 == ended.returncode
        assert "a secret must not stand here" in ended.stderr
        assert "s3cret" not in ended.stderr

    def test_what_it_does_not_write(self, mdm: CommandLine) -> None:
        """What would be lost is refused."""
        canary = ("canary.share=0.5", 'canary.features.use="toy.fields"', 'canary.model.use="toy.threshold"')
        asked = [word for override in ('pipeline.key="who"', *canary) for word in ("--set", override)]
        ended = mdm("new", "pipeline", *NEEDED, *asked)
        assert (2, "") == (ended.returncode, ended.stdout)
        assert "mdm: [canary]: is not written by this command; add it to the file by hand\n" == ended.stderr

    def test_a_file_that_is_there(self, mdm: CommandLine, tmp_path: Path) -> None:
        """It is left as it is."""
        (tmp_path / "p.toml").write_text("mine")
        ended = mdm("new", "pipeline", *NEEDED, "-o", "p.toml")
        assert (2, "mdm: p.toml: is there already; choose another file\n") == (ended.returncode, ended.stderr)
        assert "mine" == (tmp_path / "p.toml").read_text()

    def test_a_file_that_cannot_be_written(self, mdm: CommandLine) -> None:
        """It is told in one line."""
        ended = mdm("new", "pipeline", *NEEDED, "-o", "no/p.toml")
        assert "mdm: no/p.toml: cannot be written: No such file or directory; choose another file\n" == ended.stderr


def _resolved(path: Path) -> dict[str, Any]:
    return Plan.from_config(path).resolved()
