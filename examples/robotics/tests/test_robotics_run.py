from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import attrs
import pytest
from mdm_core import Action, Pipeline, ProposalModel

from mdm_robotics import Motion, Supervisor
from mdm_robotics.sessions import SAMPLE_MS, Sessions

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PAGE = Path(__file__).parents[3] / "docs" / "domains" / "robotics.md"
SLOWLY = "mdm run examples/robotics/pipeline.toml --set pipeline.timeout_ms=1000"
ALL = f"{SLOWLY} --run-id arms"
ONE = f"{SLOWLY} --set source.subjects=[8] --run-id one"
EVALUATE = "mdm evaluate arms --action ACT --cost fp=5,fn=1"
FULL = pytest.mark.skipif("MDM_FULL" not in os.environ, reason="takes half a minute; set MDM_FULL=1")


@attrs.frozen
class Done:
    """What a command has left and said."""

    folder: Path
    said: str
    packets: list[dict[str, Any]]


def mdm(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mdm_core", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def run(example: Path, folder: Path, command: str) -> Done:
    arguments = [str(example / "pipeline.toml") if part.endswith(".toml") else part for part in command.split()[1:]]
    said = mdm(folder, *arguments)
    with (folder / "runs" / arguments[-1] / "traces.jsonl").open(encoding="utf-8") as lines:
        return Done(folder, said, [json.loads(line) for line in lines])


@pytest.fixture(scope="module")
def one(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    return run(example, tmp_path_factory.mktemp("one"), ONE)


@pytest.fixture(scope="module")
def arms(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    return run(example, tmp_path_factory.mktemp("arms"), ALL)


def shown_after(command: str) -> list[str]:
    """The lines that the README shows behind a command."""
    _, _, after = README.partition(f"    {command}\n")
    block = takewhile(lambda line: not line or line.startswith("    "), after.splitlines())
    return [line for line in (" ".join(line.split()) for line in block) if line]


def missing(shown: list[str], said: str) -> list[str]:
    """Lines that are shown and were not printed."""
    printed = [" ".join(line.split()) for line in said.splitlines()]
    return [line for line in shown if line not in printed]


class TestFigures:
    def test_readme_shows_the_run_of_one_person(self, one: Done) -> None:
        """What the README shows of the run of one person is what the command prints."""
        shown = shown_after(ONE)
        assert len(shown) > 15
        assert [] == missing(shown, one.said)

    @FULL
    def test_readme_shows_the_run(self, arms: Done) -> None:
        """What the README shows of the run of three people is what the command prints."""
        shown = shown_after(ALL)
        assert len(shown) > 15
        assert [] == missing(shown, arms.said)

    @FULL
    def test_readme_shows_the_judgement(self, arms: Done) -> None:
        """What the README shows of quality, calibration, cost and guards is what the command prints."""
        shown = shown_after(EVALUATE)
        assert len(shown) > 40
        assert [] == missing(shown, mdm(arms.folder, *EVALUATE.split()[1:]))

    def test_words_repeat_the_figures(self) -> None:
        """The counts that the README tells in words are those of the blocks above, which are held against the run."""
        told, block = " ".join(README.split()), shown_after(ALL) + shown_after(EVALUATE)
        assert {"stopped 19", "left_the_plan 21", "stopped_for_nothing 2", "longest 6,020"} <= set(block)
        assert "of 21 wearers who left the plan 19 were stopped" in told
        assert "driven_otherwise 1,207" in block
        assert "driven wrongly for 1,207 samples" in told
        assert "decided 42,999 1,207 14,751 18,068" in block
        assert "14,751 samples of planned movement" in told

    def test_page_shows_the_figures_of_the_readme(self) -> None:
        """Every figure on the page of the domain stands in the README, which is held against the run."""
        figures = re.compile(r"\d\.\d{4}|\d+,\d{3}")
        found = set(figures.findall(PAGE.read_text(encoding="utf-8")))
        assert len(found) > 8
        assert set() == found - set(figures.findall(README))


class TestStops:
    def test_one_order_to_stop_and_nothing_after(self, one: Done) -> None:
        """Each arm gets one STOP at most, which is carried out, and no ACT after it."""
        stopped: set[str] = set()
        for packet in one.packets:
            session, action = packet["input"]["session"], packet["final_action"]["action"]
            assert session not in stopped or action == "HOLD"
            if action == "STOP":
                assert "done" == packet["external"]["exec.status"]
                stopped.add(session)
        assert len(stopped) == 8

    def test_stale_samples_drive_nothing(self, one: Done) -> None:
        """No arm is driven by a sample that is more than 100 ms behind the newest, and there were such samples."""
        ages = [
            (p["external"]["now_ms"] - p["external"]["last_event_ts_ms"], p["final_action"]["action"])
            for p in one.packets
        ]
        assert max(age for age, _ in ages) >= 900
        assert max(age for age, action in ages if action == "ACT") <= 100


@attrs.define
class Slow(ProposalModel):
    """Takes longer than a sample, as a machine does that is busy with something else."""

    model: Supervisor = attrs.field(factory=Supervisor)

    def propose(self, features: Any, context: Any) -> Any:
        """Count to a large number, and then do what the supervisor does."""
        sum(range(20_000_000))
        return self.model.propose(features, context)


class TestTime:
    def test_what_is_late_does_nothing(self, example: Path, source: Sessions) -> None:
        """A decision that takes longer than 20 ms, the time of a sample, fails closed."""
        limit = tomllib.loads((example / "pipeline.toml").read_text())["pipeline"]["timeout_ms"]
        assert SAMPLE_MS == limit
        event = next(iter(source.records())).event
        with Pipeline(features=Motion(), model=Slow(), key="session", timeout_ms=limit, base_dir=example) as slow:
            decision = slow.decide(event)
        assert (Action.HOLD, False) == (decision.final.action, decision.final.allowed)
        assert decision.context["mdm.fail_closed"] is True


class TestLabel:
    def test_other_labels_change_nothing(self, example: Path, source: Sessions) -> None:
        """With every label turned round, every decision stays what it was."""
        toml, patient = example / "pipeline.toml", ["pipeline.timeout_ms=1000"]
        with Pipeline.from_config(toml, patient) as straight, Pipeline.from_config(toml, patient) as turned:
            for record in islice(source.records(), 3000):
                expected = straight.decide(record.event)
                found = turned.decide({**record.event, "as_planned": not record.event["as_planned"]})
                assert (expected.final, expected.features) == (found.final, found.features)
