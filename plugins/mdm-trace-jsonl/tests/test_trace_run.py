"""Whole runs that are killed and gone on with: one trace, whole, in order, and proven."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mdm_core import Run
from mdm_core.rundir import RunLock

from mdm_trace_jsonl import PacketSink, read_packets
from mdm_trace_jsonl.proving import Evidence
from mdm_trace_jsonl.reports import Finding
from mdm_trace_jsonl.signing import new_key

OpenSink: TypeAlias = Callable[..., PacketSink]
Verify: TypeAlias = Callable[..., Finding]

EVENTS = 20_000
PIPELINE = """
[pipeline]
key = "user"
timestamp = "at"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
window = 10

[model]
use = "reference.linear"
weights = { amount = 0.5 }

[[trace]]
use = "trace-jsonl.packets"
signing_key = "k.key"
rotate_bytes = 2_000_000

[[trace]]
use = "trace-jsonl.audit"
signing_key = "k.key"

[redaction]
use = "none"
"""


def decided(run: Path) -> list[Any]:
    """The packets, without what differs from run to run."""
    found = []
    for packet in read_packets(run / "traces.jsonl"):
        packet["external"].pop("mdm.latency_us")
        packet["external"].pop("run_id")
        found.append({name: packet[name] for name in packet if name not in ("run_id", "latency_ms")})
    return found


class TestKilledAndGoneOnWith:
    def test_is_one_trace(self, tmp_path: Path) -> None:
        """Killed twice in the middle, a run leaves the trace of one that never was, sealed to its end."""
        events = ({"user": f"u{n % 7}", "at": n, "amount": n * 37 % 11} for n in range(EVENTS))
        (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        (tmp_path / "p.toml").write_text(PIPELINE)
        public = new_key(tmp_path / "k.key", tmp_path / "k.pub")
        run = tmp_path / "runs" / "r"
        command = [str(Path(sys.executable).with_name("mdm")), "run", "p.toml", "--run-id", "r"]
        for written in (3_000_000, 9_000_000):
            with subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                while self._size(run) < written:
                    assert process.poll() is None
                    time.sleep(0.001)
                process.kill()
            assert [[], []] == [
                finding.problems for finding in Evidence.find(str(run), tmp_path).verify([public], None)
            ]
            command[3:] = ["--resume", "r"]
        subprocess.run([*command[:3], "--resume", "r"], cwd=tmp_path, check=True, capture_output=True)
        audit, packets = Evidence.find(str(run), tmp_path).verify([public], None)
        assert ([], []) == (audit.problems, packets.problems)
        assert (EVENTS, packets.seals) == (packets.lines, packets.signed)
        Run.from_config(tmp_path / "p.toml", run_id="whole", runs_dir=tmp_path / "runs").run()
        assert decided(tmp_path / "runs" / "whole") == decided(run)

    @staticmethod
    def _size(run: Path) -> int:
        """Bytes of the trace, as they are before they are compressed."""
        with suppress(FileNotFoundError):  # a segment is being closed
            return int(json.loads((run / "traces.chain.jsonl").read_text().partition("\n")[0] or "{}").get("size", 0))
        return 0


class TestGoingOn:
    def test_verifying_disturbs_nobody(self, open_sink: OpenSink, run_dir: Path, verify: Verify) -> None:
        """A run can be verified while it goes on and closes, compresses and removes segments: no false alarm."""
        lock = RunLock(run_dir)
        lock.acquire()
        sink = open_sink(rotate_bytes=20_000, keep_segments=4)

        def write() -> None:
            for step in range(3000):
                sink.write({"step": step, "text": "x" * (step % 300)})
                if step % 97 == 0:
                    sink.flush(durable=step % 5 == 0)
                    time.sleep(0.002)

        writer = threading.Thread(target=write)
        writer.start()
        found = []
        while writer.is_alive():
            found.append(verify())
        writer.join()
        sink.close()
        lock.release()
        assert [] == [finding.problems for finding in found if finding.problems]
        assert len(found) > 3
        assert verify().closed


@pytest.mark.parametrize("name", ["traces.jsonl", "security_audit.jsonl"])
def test_a_run_without_events_is_proven_too(name: str, tmp_path: Path) -> None:
    """A run that decided nothing has a trace that says so."""
    (tmp_path / "events.jsonl").write_text("")
    (tmp_path / "p.toml").write_text(PIPELINE)
    new_key(tmp_path / "k.key", tmp_path / "k.pub")
    Run.from_config(tmp_path / "p.toml", run_id="r", runs_dir=tmp_path / "runs").run()
    findings = {
        finding.file: finding for finding in Evidence.find(str(tmp_path / "runs" / "r"), tmp_path).verify([], None)
    }
    assert ([], True) == (findings[name].problems, bool(findings[name].closed))
