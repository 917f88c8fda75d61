"""The short form of the benchmark: that it compares like with like, and that nothing has become much slower."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks import job, loop
from benchmarks.__main__ import checkpoints, durability, guards, memory, speed
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
    def test_speed(self, tmp_path: Path) -> None:
        """In one run, mdm keeps at least a quarter of the loop's speed; `./dev bench` measures it with care."""
        assert speed(tmp_path, events=5000, rounds=3) > 0.25

    def test_guards(self, tmp_path: Path) -> None:
        """In one run, the standard guards do not take half as much again; `./dev bench` measures it with care."""
        assert guards(tmp_path, events=5000, rounds=3) < 1.5

    def test_durability(self, tmp_path: Path) -> None:
        """In one run, syncing leaves a fifth of the speed on a busy disk; `./dev bench` measures it with care."""
        assert durability(tmp_path, events=5000, rounds=3) > 0.2

    def test_checkpoints(self, tmp_path: Path) -> None:
        """In one run, as many checkpoints as there may be leave half of the speed; `./dev bench` measures with care."""
        assert checkpoints(tmp_path, events=5000, rounds=3) > 0.5

    def test_memory(self, tmp_path: Path) -> None:
        """Memory does not grow with the number of events."""
        assert memory(tmp_path, events=60_000, after=20_000) < 5
