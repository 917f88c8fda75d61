"""Options that redaction has hidden in run.json: they can be given again, and no other is taken for the run's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mdm_core import PastRun

Mdm = Callable[..., Any]
EVENTS = 400
MEAN = "features.stats=['mean']"


@pytest.fixture
def hiding(run_of: Any, ran_once: Any, tmp_path: Path) -> Callable[..., Path]:
    """Decide events in a run whose redactor takes these names for secrets, and give its directory."""

    def run(*names: str, folder: str = "a", hide: bool = True, options: tuple[str, ...] = ()) -> Path:
        hidden = (f"redaction.extra={list(names)}",) if hide else ()
        overrides = (MEAN, 'model.weights={"x.mean"=1.5}', *options, *hidden)
        directory: Path = run_of(tmp_path / folder, ran_once.events[:EVENTS], *overrides).runs_dir / "r"
        return directory

    return run


class TestMessage:
    def test_names_option_and_ways_out(self, hiding: Callable[..., Path], mdm: Mdm) -> None:
        """Exit code 2, with the option as it stands in the file, the file and ``--set`` as it is to be written."""
        run = hiding("name")
        for command in (("replay", run), ("whatif", run, "--set", "model.bias=0.1")):
            said = mdm(*command)
            assert 2 == said.code
            assert "has not recorded modulators #1 name" in said.err
            assert "--config PIPELINE.toml, or the value: --set modulators.1.name=VALUE" in said.err

    def test_of_the_redactor_itself(self, hiding: Callable[..., Path], mdm: Mdm) -> None:
        """A redactor that has hidden its own options cannot be asked again, and it is said which they are."""
        said = mdm("replay", hiding("extra"))
        assert 2 == said.code
        assert "has not recorded redaction.extra: the redactor has hidden its own options" in said.err


class TestGivenAgain:
    def test_the_right_value(self, hiding: Callable[..., Path], mdm: Mdm) -> None:
        """With the value of the run its hash comes out, and nothing is left open."""
        said = mdm("replay", hiding("threshold"), "--set", "model.threshold=0.4", "--json")
        assert (0, True, []) == (said.code, said.json["verified"], said.json["not_known"])

    def test_another_value(self, hiding: Callable[..., Path], mdm: Mdm) -> None:
        """With another value the hash does not come out, and it is said that this may be another option."""
        run = hiding("threshold")
        said = mdm("replay", run, "--set", "model.threshold=0.45", "--json")
        assert (1, ["model.threshold"]) == (said.code, said.json["not_known"])
        told = mdm("whatif", run, "--set", "model.threshold=0.45").out
        assert "model.threshold, of which the run has recorded a mark" in told

    def test_another_value_that_features_depend_on(self, hiding: Callable[..., Path], mdm: Mdm) -> None:
        """Recorded features do not serve for it: the flips are those of a second run."""
        run = hiding("window")
        second = hiding(folder="b", hide=False, options=("features.window=5",))
        ends = [
            [(p["final_action"]["action"], p["final_action"]["allowed"]) for p in _packets(r)] for r in (run, second)
        ]
        expected = sum(one != other for one, other in zip(*ends, strict=True))
        said = mdm("whatif", run, "--set", "features.window=5", "--json").json
        assert (expected, "source") == (said["flipped"], said["trial"]["events"])
        assert expected > 10

    def test_while_another_option_is_tried(self, hiding: Callable[..., Path], mdm: Mdm) -> None:
        """The hash confirms the hidden option whatever else is tried out beside it."""
        run = hiding("window")
        said = mdm("whatif", run, "--set", "features.window=100", "--set", "model.threshold=0.5", "--json").json
        assert ([], "recorded features") == (said["not_known"], said["trial"]["events"])


def _packets(run: Path) -> Any:
    return PastRun.find("r", run.parent).packets()
