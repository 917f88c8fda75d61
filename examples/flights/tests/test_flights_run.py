from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from mdm_core import Build, Pipeline, Run
from mdm_core.summary import Summary
from sklearn.metrics import confusion_matrix, precision_score, recall_score, roc_auc_score  # type: ignore[import-untyped]

from mdm_flights import FlightsSource

EXAMPLE = Path(__file__).parent.parent
PIPELINE = EXAMPLE / "pipeline.toml"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")
JULY = 1_372_651_200_000


def packets(summary: Summary) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with Path(summary.run_dir, "traces.jsonl").open("rb") as lines:
        yield from map(decode, lines)


def answer(packet: dict[str, Any]) -> dict[str, Any]:
    return {key: packet[key] for key in ("input", "mdm", "final_action", "mismatch")}


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Summary]:
    runs_dir = tmp_path_factory.mktemp("runs")
    yield Run.from_config(PIPELINE, run_id="year", runs_dir=runs_dir).run()
    # A year of packets takes hundreds of megabytes, which pytest would keep for three sessions.
    shutil.rmtree(runs_dir)


@pytest.fixture(scope="module")
def first() -> list[dict[str, Any]]:
    source = FlightsSource()
    source.open(Build())
    return [record.event for record in islice(source.records(), 20_000)]


class TestYear:
    def test_decides_all(self, year: Summary) -> None:
        """Every flight is decided, and nothing fails."""
        assert ("done", 336_776, 336_776) == (year.status, year.events, year.decided)
        assert (0, {}, {}) == (year.failed_closed, dict(year.dead_letters), dict(year.errors))
        assert year.carried_out == year.allowed == year.proposed

    def test_figures_are_those_of_the_trace(self, year: Summary) -> None:
        """The figures are those that scikit-learn finds in the trace, for the second half of the year."""
        rows = [
            (p["external"]["eval.outcome"], p["mdm"]["params"]["probability"], p["final_action"]["action"] == "ACT")
            for p in packets(year)
            if p["external"]["now_ms"] >= JULY
        ]
        known = [row for row in rows if row[0] is not None]
        late, scores, acted = (np.array(column) for column in zip(*known, strict=True))
        found = year.findings["flights.figures"]
        matrix = ["true_negative", "false_positive", "false_negative", "true_positive"]
        assert (len(known), len(rows) - len(known)) == (found["flights"], found["without_outcome"])
        assert confusion_matrix(late, acted).ravel().tolist() == [found["confusion"][name] for name in matrix]
        assert precision_score(late, acted) == pytest.approx(found["precision"], rel=1e-12)
        assert recall_score(late, acted) == pytest.approx(found["recall"], rel=1e-12)
        assert roc_auc_score(late, scores) == pytest.approx(found["roc_auc"], rel=1e-12)

    def test_readme_shows_the_figures(self, year: Summary) -> None:
        """The figures in the README are those of the run."""
        shown = dict(
            line.split() for line in README.splitlines() if line.startswith("      ") and len(line.split()) == 2
        )
        figures = dict(year.findings["flights.figures"])
        for name, count in figures.pop("confusion").items():
            assert shown[name] == f"{count:,}"
        for name in ("flights", "without_outcome"):
            assert shown[name] == f"{figures[name]:,}"
        for name in ("precision", "recall", "roc_auc"):
            assert shown[name] == f"{figures[name]:.4f}"

    def test_is_better_than_the_departure_delay(self, year: Summary) -> None:
        """The model ranks flights better than their delay at departure alone does."""
        rows = [
            (p["external"]["eval.outcome"], p["input"]["delay"]["dep"])
            for p in packets(year)
            if p["external"]["now_ms"] >= JULY and p["external"]["eval.outcome"] is not None
        ]
        late, delay = (np.array(column) for column in zip(*rows, strict=True))
        alone = roc_auc_score(late, delay)
        assert f"ROC AUC of {alone:.4f}" in README
        assert year.findings["flights.figures"]["roc_auc"] > alone + 0.03

    def test_label_is_only_where_it_belongs(self, year: Summary) -> None:
        """In a packet the label is ``eval.outcome`` and nothing else."""
        for packet in islice(packets(year), 1000):
            assert "eval.outcome" in packet["external"]
            assert "late" not in packet["input"]
            assert "late" not in packet["mdm"]["features"]


class TestDecide:
    def test_plain_loop_decides_as_the_run(self, year: Summary, first: list[dict[str, Any]]) -> None:
        """Calling ``decide`` in a loop gives the decisions that the run traced."""
        with Pipeline.from_config(PIPELINE) as pipeline:
            for event, packet in zip(first, packets(year), strict=False):
                assert answer(packet) == answer(pipeline.decide(event).packet().to_dict())

    def test_shuffled_outcomes_change_nothing(self, first: list[dict[str, Any]]) -> None:
        """With the outcomes dealt out anew, every decision stays what it was."""
        outcomes = [event["late"] for event in first]
        random.Random(7).shuffle(outcomes)
        shuffled = [{**event, "late": late} for event, late in zip(first, outcomes, strict=True)]
        assert shuffled != first
        with Pipeline.from_config(PIPELINE) as one, Pipeline.from_config(PIPELINE) as other:
            for event, same in zip(first, shuffled, strict=True):
                expected = answer(one.decide(event).packet().to_dict())
                assert expected == answer(other.decide(same).packet().to_dict())
