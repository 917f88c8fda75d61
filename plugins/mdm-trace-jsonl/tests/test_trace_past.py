"""A run's own sinks give back what they have kept, to whoever asks about the run."""

import json
from pathlib import Path

import pytest
from mdm_core import PastRun, Run, UsageError

PIPELINE = """\
[source]
use = "reference.memory"
events = [{ x = 1 }, { x = 2 }, { x = 3 }]
[features]
use = "reference.rolling"
[model]
use = "reference.logistic"
[redaction]
use = "none"
[[trace]]
use = "trace-jsonl.audit"
"""
PACKETS = '[[trace]]\nuse = "trace-jsonl.packets"\nrotate_bytes = 900\n'


def run(folder: Path, text: str) -> PastRun:
    """Run a pipeline, and find the run again."""
    path = folder / "pipeline.toml"
    path.write_text(text)
    assert Run.from_config(path, run_id="r", runs_dir=folder / "runs").run().status == "done"
    return PastRun.find("r", folder / "runs")


class TestPastRun:
    def test_packets_across_segments(self, tmp_path: Path) -> None:
        """All of them, in the order of the steps, whatever file they are in."""
        past = run(tmp_path, PIPELINE + PACKETS)
        assert len(list(past.directory.glob("traces*.gz"))) > 0
        assert [(0, {"x": 1}), (1, {"x": 2}), (2, {"x": 3})] == [(p["step"], p["input"]) for p in past.packets()]

    def test_audit_events(self, tmp_path: Path) -> None:
        """The same for the audit log."""
        past = run(tmp_path, PIPELINE)
        assert ["run_started", "run_ended"] == [record["event"] for record in past.audit()]

    def test_a_line_that_was_never_finished(self, tmp_path: Path) -> None:
        """Of a run that goes on, or that died, what is whole is given; nothing is touched."""
        past = run(tmp_path, PIPELINE + PACKETS)
        trace = past.directory / "traces.jsonl"
        torn = trace.read_bytes() + json.dumps({"step": 3}).encode()[:5]
        trace.write_bytes(torn)
        assert [0, 1, 2] == [packet["step"] for packet in past.packets()]
        assert torn == trace.read_bytes()

    def test_a_run_without_a_trace(self, tmp_path: Path) -> None:
        """The message says what to add."""
        with pytest.raises(UsageError, match="run 'r' has kept no packets that can be read again; add a sink such as"):
            run(tmp_path, PIPELINE).packets()

    def test_no_such_run(self, tmp_path: Path) -> None:
        """It is looked for by id and by path."""
        with pytest.raises(UsageError, match="no run 'x' in"):
            PastRun.find("x", tmp_path)

    def test_a_trace_that_is_gone(self, tmp_path: Path) -> None:
        """Then there is nothing to give."""
        past = run(tmp_path, PIPELINE + PACKETS.replace("rotate_bytes = 900\n", ""))
        (past.directory / "traces.jsonl").unlink()
        assert [] == list(past.packets())
