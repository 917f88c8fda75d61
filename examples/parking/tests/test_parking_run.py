from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import Any

import attrs
import pytest
from mdm_core import Pipeline

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PAGE = Path(__file__).parents[3] / "docs" / "domains" / "parking.md"
RUN = "mdm run examples/parking/pipeline.toml --run-id parking"
EVALUATE = "mdm evaluate parking --since 2016-11-21T00:00:00+00:00 --cost fp=1,fn=3"
JUDGED = 1_479_686_400_000
PART = 4000


@attrs.frozen
class Done:
    """What a command has left and said."""

    folder: Path
    said: str
    packets: list[dict[str, Any]]


def mdm(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mdm_core", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def done(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("parking")
    said = mdm(folder, "run", str(example / "pipeline.toml"), "--run-id", "parking")
    with (folder / "runs" / "parking" / "traces.jsonl").open(encoding="utf-8") as lines:
        return Done(folder, said, [json.loads(line) for line in lines])


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
    def test_readme_shows_the_run(self, done: Done) -> None:
        """What the README shows of the run is what the command prints."""
        shown = shown_after(RUN)
        assert len(shown) > 40
        assert [] == missing(shown, done.said)

    def test_readme_shows_the_judgement(self, done: Done) -> None:
        """What the README shows of quality, calibration, cost and guards is what the command prints."""
        shown = shown_after(EVALUATE)
        assert len(shown) > 40
        assert [] == missing(shown, mdm(done.folder, *EVALUATE.split()[1:]))

    def test_readme_counts_what_the_trace_holds(self, done: Done) -> None:
        """The counts that the README tells in words are those of the trace."""
        told = " ".join(README.split())
        judged = [p for p in done.packets if p["external"]["now_ms"] >= JUDGED]
        known = [p for p in judged if p["external"]["eval.outcome"] is not None]
        filling = [p for p in known if p["external"]["eval.outcome"] and p["mdm"]["features"]["lot.share"] < 0.95]
        caught, needless = sum(map(acted, filling)), sum(acted(p) and not p["external"]["eval.outcome"] for p in known)
        assert f"of {len(filling)} times that a car park filled up within the hour, {caught} were foreseen" in told
        assert f"of {len(known):,} redirects and admissions {needless} were needless" in told
        denied = [p for p in judged if p["mismatch"]]
        right = sum(p["external"]["eval.outcome"] is True for p in denied)
        assert f"They denied {len(denied)} redirects, of which {right} were right" in told
        before = [p for p in done.packets[: -len(judged)] if p["mdm"]["action"] == "ACT"]
        assert f"hold back {sum(p['mismatch'] is not None for p in before)} of {len(before):,} redirects" in told

    def test_readme_names_who_bears_most(self, done: Done) -> None:
        """The car park that the README names is the one with most redirects, and its share is about a fifth."""
        judged = [p for p in done.packets if p["external"]["now_ms"] >= JUDGED]
        wanted = Counter(p["input"]["lot"] for p in judged if p["mdm"]["action"] == "ACT")
        borne = Counter(p["input"]["lot"] for p in judged if acted(p))
        ((lot, most),) = wanted.most_common(1)
        assert f"{lot} would have been closed at {most} of 483 readings and was at {borne[lot]}" in " ".join(
            README.split()
        )
        assert 0.19 < borne[lot] / borne.total() < 0.22

    def test_page_shows_the_figures_of_the_readme(self) -> None:
        """Every figure on the page of the domain stands in the README, which is held against the run."""
        figures = re.compile(r"\d\.\d{4}|\d+,\d{3}")
        found = set(figures.findall(PAGE.read_text(encoding="utf-8")))
        assert len(found) > 8
        assert set() == found - set(figures.findall(README))


class TestLimits:
    def test_no_car_park_loses_the_day(self, done: Done) -> None:
        """On no day is a car park closed at more than 12 readings, as the README promises."""
        days = Counter((p["input"]["lot"], p["external"]["now_ms"] // 86_400_000) for p in done.packets if acted(p))
        assert 8 < max(days.values()) <= 12

    def test_closed_places_stay_within_the_budget(self, done: Done) -> None:
        """At no moment more than 4,000 places are closed, and the budget was needed to keep it so."""
        wanted: Counter[int] = Counter()
        closed: Counter[int] = Counter()
        for packet in done.packets:
            if packet["mdm"]["action"] == "ACT":
                wanted[packet["external"]["now_ms"]] += packet["mdm"]["params"]["places"]
            if acted(packet):
                closed[packet["external"]["now_ms"]] += packet["mdm"]["params"]["places"]
        assert max(closed.values()) <= 4000 < max(wanted.values())

    def test_budget_falls_on_all(self, done: Done) -> None:
        """No car park has a fifth of what the budget denied, for the order at one moment is not always the same."""
        denied = Counter(
            p["input"]["lot"] for p in done.packets if p["mismatch"] and p["mismatch"]["flags"] == ["budget"]
        )
        assert len(denied) > 8
        assert max(denied.values()) < 0.2 * denied.total()


class TestLabel:
    def test_shuffled_labels_change_nothing(self, example: Path, events: list[dict[str, Any]]) -> None:
        """With the labels dealt out anew, every decision stays what it was."""
        labels = [event["full"] for event in events[:PART]]
        random.Random(7).shuffle(labels)
        with (
            Pipeline.from_config(example / "pipeline.toml") as one,
            Pipeline.from_config(example / "pipeline.toml") as other,
        ):
            for event, label in zip(events[:PART], labels, strict=True):
                expected, found = one.decide(event), other.decide({**event, "full": label})
                assert (expected.final, expected.features) == (found.final, found.features)

    def test_plain_loop_decides_as_the_run(self, example: Path, done: Done, events: list[dict[str, Any]]) -> None:
        """Calling ``decide`` in a loop gives the decisions that the run traced."""
        with Pipeline.from_config(example / "pipeline.toml") as pipeline:
            for event, packet in zip(events[:PART], done.packets, strict=False):
                decision = pipeline.decide(event)
                assert packet["mdm"]["features"] == decision.features
                assert packet["final_action"]["allowed"] == decision.final.allowed


def acted(packet: dict[str, Any]) -> bool:
    return bool(packet["final_action"]["action"] == "ACT")
