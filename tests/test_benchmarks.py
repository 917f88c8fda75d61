"""The short form of the benchmark: that it compares like with like, and that nothing has become much slower."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import msgspec
import pytest

from benchmarks import job, loop
from benchmarks.__main__ import checkpoints, guards, memory, speed
from mdm_core import Run


class TestJob:
    def test_both_sides_decide_alike(self, tmp_path: Path) -> None:
        """The hand-written loop and mdm come to the same action and confidence for every event, and hide the same."""
        events = tmp_path / "events.jsonl"
        job.write_events(events, 3000)
        job.write_pipeline(tmp_path / "pipeline.toml", events)
        loop.run(events, tmp_path / "loop.jsonl")
        Run.from_config(tmp_path / "pipeline.toml", run_id="r", runs_dir=tmp_path).run()
        written = (tmp_path / "loop.jsonl", tmp_path / "r" / "traces.jsonl")
        by_both = (map(msgspec.json.decode, path.read_bytes().splitlines()) for path in written)
        for by_hand, by_mdm in zip(*by_both, strict=True):
            assert by_hand["input"] == by_mdm["input"]
            assert by_hand["mdm"]["action"] == by_mdm["mdm"]["action"]
            assert by_hand["mdm"]["confidence"] == pytest.approx(by_mdm["mdm"]["confidence"], abs=1e-9)


class TestFigures:
    """In one run, by the process's own clock: neighbours and the disk do not count. `./dev bench` uses the wall's."""

    def test_speed(self, tmp_path: Path) -> None:
        """mdm keeps at least a quarter of the loop's speed."""
        assert speed(tmp_path, events=5000, rounds=5, clock=time.process_time) > 0.25

    def test_guards(self, tmp_path: Path) -> None:
        """The standard guards do not take half as much again."""
        assert guards(tmp_path, events=5000, rounds=5, clock=time.process_time) < 1.5

    def test_durability(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The disk is waited for once for the intents of a group of 64 events, of which one acts almost always."""
        syncs: list[int] = []
        monkeypatch.setattr(os, "fdatasync", syncs.append)
        job.write_events(tmp_path / "events.jsonl", 5000)
        job.write_pipeline(tmp_path / "acting.toml", tmp_path / "events.jsonl", job.BROKER)
        acted = {}
        for mode in ("fast", "group", "strict"):
            settings = [job.FEW_ACT, f"durability.mode='{mode}'"]
            before = len(syncs)
            carried_out = Run.from_config(tmp_path / "acting.toml", settings, runs_dir=tmp_path).run().carried_out
            acted[mode] = sum(carried_out.values()), len(syncs) - before
        groups = math.ceil(5000 / 64)
        assert acted["fast"][1] < 10
        assert groups * 0.9 < acted["group"][1] < groups + 10
        assert acted["strict"][1] >= 2 * acted["strict"][0] > 400

    def test_checkpoints(self, tmp_path: Path) -> None:
        """As many checkpoints as there may be leave half of the speed."""
        assert checkpoints(tmp_path, events=5000, rounds=5, clock=time.process_time) > 0.5

    def test_memory(self, tmp_path: Path) -> None:
        """Memory does not grow with the number of events."""
        assert memory(tmp_path, events=60_000, after=20_000) < 5
