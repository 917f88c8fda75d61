"""Replay and sweep on the first 5,000 real flights, guarded, against runs of their own."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import mdm_flights
import pytest
from mdm_core import PastRun, Run
from mdm_core.values import Build

from mdm_eval.costs import Costs
from mdm_eval.replaying import replay
from mdm_eval.session import Wanted
from mdm_eval.sweep import Axis, sweep
from mdm_eval.whatif import Question

EVENTS = 5_000
AXIS = "model.threshold=0.1:0.9:0.05"
EXAMPLE = Path(mdm_flights.__file__).parent.parent
GUARD = """\
[[modulators]]
use = "guards.rate_limit"
rate = 1
per = "30m"
burst = 2
"""

Told: TypeAlias = tuple[str, bool, float, str, bool | None]


@attrs.define
class Flights:
    """The first flights of 2013 in a file, and runs over it, made when they are first wanted."""

    folder: Path
    seconds: dict[str, float] = attrs.field(factory=dict)

    def run(self, threshold: str = "0.41") -> PastRun:
        """The run with a threshold."""
        runs = self.folder / "runs"
        if not (runs / threshold).exists():
            started = time.process_time()
            override = f"model.threshold={threshold}"
            made = Run.from_config(self.folder / "pipeline.toml", [override], run_id=threshold, runs_dir=runs)
            assert EVENTS == made.run().decided
            self.seconds[threshold] = time.process_time() - started
        return PastRun.find(threshold, runs)

    def told(self, threshold: str = "0.41") -> list[Told]:
        """What was decided: action, allowed, confidence, flags, and whether the flight came late."""
        return [_told(packet) for packet in self.run(threshold).packets()]


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    """Write the flights as JSON lines, and the example's pipeline with a guard."""
    folder = tmp_path_factory.mktemp("flights")
    source = mdm_flights.FlightsSource()
    source.open(Build())
    with (folder / "flights.jsonl").open("w") as file:
        file.writelines(json.dumps(record.event) + "\n" for record in islice(source.records(), EVENTS))
    source.close()
    (folder / "weights.json").write_bytes((EXAMPLE / "weights.json").read_bytes())
    text = (EXAMPLE / "pipeline.toml").read_text()
    text = text.replace('use = "flights.departures"', 'use = "reference.jsonl"\npath = "flights.jsonl"')
    text = text[: text.index("[[observers]]")] + GUARD
    (folder / "pipeline.toml").write_text(text)
    return Flights(folder)


class TestReplay:
    def test_every_decision(self, flights: Flights) -> None:
        """All of them are the same, each from the source, each order with its recorded answer."""
        past = flights.run()
        acting = sum(action == "ACT" for action, *_ in flights.told())
        denied = sum(not allowed for _, allowed, *_ in flights.told())
        assert min(acting, denied) > 100
        report = replay(past)
        assert (EVENTS, EVENTS, 0) == (report.same, report.from_source, report.different)
        assert {"recorded": acting, "assumed": 0, "unused": 0} == report.orders

    def test_after_one_option_is_changed(self, flights: Flights) -> None:
        """The replay lists exactly the flips that a second run shows."""
        past = flights.run()
        pairs = enumerate(zip(flights.told(), flights.told("0.45"), strict=True))
        expected = {step: (_label(a), _label(b)) for step, (a, b) in pairs if a[:2] != b[:2]}
        report = replay(past, Wanted(None, ("model.threshold=0.45",)))
        flips = {d["step"]: (d["recorded"], d["now"]) for d in report.differences if d["recorded"] != d["now"]}
        assert expected == flips
        assert len(flips) > 50

    def test_from_the_trace_alone(self, flights: Flights, tmp_path: Path) -> None:
        """With the file away, the recorded inputs give the same features and decisions, to the last bit."""
        past = flights.run()
        path = flights.folder / "flights.jsonl"
        path.rename(tmp_path / "flights.jsonl")
        try:
            report = replay(past)
        finally:
            (tmp_path / "flights.jsonl").rename(path)
        assert (EVENTS, 0, EVENTS) == (report.same, report.from_source, report.from_inputs)


class TestSweep:
    def test_what_a_series_of_runs_finds(self, flights: Flights) -> None:
        """All 17 points are those of 17 runs, the best is the same, and it takes less time than replays of them."""
        past, costs = flights.run(), Costs(fp=1.0, fn=5.0)
        started = time.process_time()
        found = sweep(past, Wanted(), [Axis.parse(AXIS)], Question(costs))
        seconds = time.process_time() - started
        assert (17, EVENTS, EVENTS) == (len(found.points), found.trial.decisions, found.trial.reproduced)
        recorded, costs_of_runs = flights.told(), {}
        for value, point in zip(Axis.parse(AXIS).values, found.points, strict=True):
            told = flights.told(value)
            cells = Counter((action == "ACT", late) for action, _, _, _, late in told if late is not None)
            costs_of_runs[float(value)] = cells[True, False] + 5.0 * cells[False, True]
            assert cells == {
                (True, True): point.tp,
                (True, False): point.fp,
                (False, True): point.fn,
                (False, False): point.tn,
            }
            assert sum(not allowed for _, allowed, *_ in told) == point.denied
            assert sum(_label(a) != _label(b) for a, b in zip(recorded, told, strict=True)) == point.flipped
            assert costs_of_runs[float(value)] == point.cost
        assert found.best is not None
        assert min(costs_of_runs, key=lambda value: costs_of_runs[value]) == found.best.values["model.threshold"]
        started = time.process_time()
        assert replay(past).verified
        assert seconds < 17 * (time.process_time() - started)


def _told(packet: Mapping[str, Any]) -> Told:
    final, mismatch = packet["final_action"], packet["mismatch"] or {"flags": []}
    confidence, late = packet["mdm"]["confidence"], packet["external"]["eval.outcome"]
    return final["action"], final["allowed"], confidence, ",".join(mismatch["flags"]), late


def _label(told: Told) -> str:
    return told[0] if told[1] else "denied"
