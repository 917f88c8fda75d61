"""Segments: closed by size or time, compressed, kept for as long as wanted, and read as one trace."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner
from mdm_core import OptionError

from mdm_trace_jsonl import CorruptLine, MissingPart, PacketSink, read_packets
from mdm_trace_jsonl.commands import trace
from mdm_trace_jsonl.reading import PACKET_KEYS
from mdm_trace_jsonl.reports import Finding

OpenSink: TypeAlias = Callable[..., PacketSink]
Verify: TypeAlias = Callable[..., Finding]


def packet(step: int) -> dict[str, Any]:
    values: dict[str, Any] = {key: {} for key in PACKET_KEYS} | {
        "step": step,
        "run_id": "r1",
        "mismatch": None,
        "latency_ms": 1,
    }
    return values | {"schema_version": "0.1.0"}


LINE = len(json.dumps(packet(100), separators=(",", ":"))) + 1


def fill(sink: PacketSink, lines: int, first: int = 100) -> None:
    for step in range(first, first + lines):
        sink.write(packet(step))


def steps(path: Path) -> list[int]:
    return [found["step"] for found in read_packets(path)]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith("traces"))


@pytest.mark.usefixtures("quick_disk")
class TestSize:
    @pytest.mark.parametrize("limit", [1, 2, *(k * LINE + more for k in (1, 2, 3, 6, 11, 12) for more in (-1, 0, 1))])
    def test_every_boundary(self, limit: int, open_sink: OpenSink, run_dir: Path, verify: Verify) -> None:
        """No file has more bytes than the limit unless its only line has; no line is lost, torn or moved."""
        sink = open_sink(rotate_bytes=limit)
        fill(sink, 12)
        sink.close()
        per_segment = max(limit // LINE, 1)
        segments = -(-12 // per_segment)
        assert list(range(100, 112)) == steps(run_dir / "traces.jsonl")
        sizes = [len(gzip.decompress(path.read_bytes())) for path in sorted(run_dir.glob("*.gz"))]
        assert [per_segment * LINE] * (segments - 1) == sizes
        finding = verify()
        assert (12, segments, []) == (finding.lines, finding.segments, finding.problems)

    def test_a_line_is_never_split(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A line longer than the limit has a file to itself."""
        sink = open_sink(rotate_bytes=1000)
        for size in (10, 5000, 10):
            sink.write({"text": "x" * size})
        sink.close()
        assert ["traces.000001.jsonl.gz", "traces.000002.jsonl.gz"] == [p.name for p in sorted(run_dir.glob("*.gz"))]

    def test_is_off_by_default(self, open_sink: OpenSink, run_dir: Path) -> None:
        """Without a limit there is one file, whatever its size."""
        sink = open_sink()
        for _ in range(100):
            sink.write({"text": "x" * 100_000})
        sink.close()
        assert ["traces.chain.jsonl", "traces.jsonl"] == names(run_dir)

    def test_without_a_chain(self, open_sink: OpenSink, run_dir: Path) -> None:
        """Segments need no chain, and numbers go on when the trace is opened again."""
        for first in (100, 110):
            sink = open_sink(chain=False, rotate_bytes=3 * LINE)
            fill(sink, 10, first)
            sink.close()
        assert list(range(100, 120)) == steps(run_dir / "traces.jsonl")
        assert not list(run_dir.glob("*chain*"))


class TestTime:
    def test_a_segment_is_closed_when_it_is_old(
        self, open_sink: OpenSink, run_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next line after so many seconds begins a new file."""
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        sink = open_sink(rotate_s=0.5)
        fill(sink, 2)
        now += 0.49
        fill(sink, 1, 102)
        now += 0.02
        fill(sink, 2, 103)
        sink.close()
        assert [100, 101, 102] == steps(run_dir / "traces.000001.jsonl.gz")
        assert [103, 104] == steps(run_dir / "traces.jsonl")[3:]

    def test_also_while_nothing_happens(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A flush closes what is old; a segment without a line is never closed."""
        sink = open_sink(rotate_s=0.01)
        fill(sink, 1)
        time.sleep(0.02)
        for _ in range(3):
            sink.flush()
            time.sleep(0.02)
        sink.close()
        assert ["traces.000001.jsonl.gz"] == [path.name for path in run_dir.glob("*.gz")]


class TestCompression:
    def test_a_closed_file_is_compressed_and_private(self, open_sink: OpenSink, run_dir: Path) -> None:
        """Closed segments are gzip files that only the owner may read, and the plain ones are gone."""
        sink = open_sink(rotate_bytes=4 * LINE)
        fill(sink, 10)
        sink.close()
        expected = [
            "traces.000001.chain.jsonl",
            "traces.000001.jsonl.gz",
            "traces.000002.chain.jsonl",
            "traces.000002.jsonl.gz",
            "traces.chain.jsonl",
            "traces.jsonl",
        ]
        assert expected == names(run_dir)
        assert {0o600} == {stat.S_IMODE((run_dir / name).stat().st_mode) for name in expected}

    def test_is_made_up_for(self, open_sink: OpenSink, run_dir: Path, verify: Verify) -> None:
        """What an earlier process has closed and not compressed is compressed by the next one."""
        sink = open_sink(rotate_bytes=4 * LINE)
        fill(sink, 10)
        sink.close()
        packed = run_dir / "traces.000001.jsonl.gz"
        (run_dir / "traces.000001.jsonl").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
        open_sink(rotate_bytes=4 * LINE).close()
        assert (True, False) == (packed.exists(), (run_dir / "traces.000001.jsonl").exists())
        assert [] == verify().problems

    def test_a_disk_that_has_no_room_for_it(
        self, open_sink: OpenSink, run_dir: Path, verify: Verify, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A segment that cannot be compressed stays as it is, the log says so, and the trace is whole."""
        (run_dir / ".traces.000001.jsonl.new").mkdir()
        sink = open_sink(rotate_bytes=4 * LINE)
        fill(sink, 10)
        sink.close()
        assert "traces.000001.jsonl" in names(run_dir)
        assert "segment 1 could not be compressed and stays as it is: IsADirectoryError" in caplog.messages
        assert list(range(100, 110)) == steps(run_dir / "traces.jsonl")
        assert [] == verify().problems


class TestRetention:
    def test_by_number(self, open_sink: OpenSink, run_dir: Path, verify: Verify) -> None:
        """The newest closed segments stay, and what is left is verifiable: it says what is gone and why."""
        sink = open_sink(rotate_bytes=2 * LINE, keep_segments=3)
        fill(sink, 21)
        sink.close()
        assert list(range(114, 121)) == steps(run_dir / "traces.jsonl")
        finding = verify()
        assert (7, 7, []) == (finding.removed, finding.lines, finding.problems)
        assert finding.position is not None
        assert 21 == finding.position.lines

    def test_by_size(self, open_sink: OpenSink, run_dir: Path, verify: Verify) -> None:
        """So many segments stay as fit into the bytes, the newest one always."""
        sink = open_sink(rotate_bytes=2 * LINE, keep_bytes=1)
        fill(sink, 21)
        sink.close()
        assert list(range(118, 121)) == steps(run_dir / "traces.jsonl")
        assert (9, []) == (verify().removed, verify().problems)

    def test_what_somebody_else_removes_is_missed(self, open_sink: OpenSink, run_dir: Path, verify: Verify) -> None:
        """A segment that is gone with its chain and that the chain does not call removed is a problem."""
        sink = open_sink(rotate_bytes=2 * LINE, keep_segments=3)
        fill(sink, 21)
        sink.close()
        (run_dir / "traces.000008.jsonl.gz").unlink()
        (run_dir / "traces.000008.chain.jsonl").unlink()
        assert "traces.000008.jsonl.gz: is missing, and its chain too" in verify().problems

    def test_a_removal_that_a_crash_broke_off_is_ended(
        self, open_sink: OpenSink, run_dir: Path, verify: Verify
    ) -> None:
        """What the chain calls removed and is still there goes when the trace is opened again."""
        sink = open_sink(rotate_bytes=2 * LINE)
        fill(sink, 7)
        sink.close()
        old = ("000001", "000002")
        kept = {name: (run_dir / name).read_bytes() for name in names(run_dir) if name.split(".")[1] in old}
        sink = open_sink(rotate_bytes=2 * LINE, keep_segments=2)
        fill(sink, 3, 107)
        sink.close()
        for name, content in kept.items():
            (run_dir / name).write_bytes(content)
        assert (0, []) == (verify().removed, verify().problems)
        open_sink(rotate_bytes=2 * LINE, keep_segments=2).close()
        assert not set(kept) & set(names(run_dir))
        assert (2, []) == (verify().removed, verify().problems)

    def test_keeps_what_a_resume_needs(self, open_sink: OpenSink) -> None:
        """What follows the last two marks stays, however little is to be kept."""
        sink = open_sink(rotate_bytes=2 * LINE, keep_segments=1)
        fill(sink, 10)
        first = sink.mark()
        fill(sink, 10, 110)
        second = sink.mark()
        fill(sink, 10, 120)
        assert list(range(110, 130)) == [record["step"] for record in sink.since(first)]
        assert list(range(120, 130)) == [record["step"] for record in sink.since(second)]
        for _ in range(3):
            sink.mark()
        fill(sink, 10, 130)
        with pytest.raises(MissingPart, match="segment 5 is not there, only"):
            sink.since(first)
        assert [138, 139] == [record["step"] for record in sink.since(None)][-2:]
        sink.close()

    @pytest.mark.parametrize("options", [{"keep_segments": 1}, {"keep_bytes": 1}])
    def test_needs_rotation(self, options: dict[str, Any]) -> None:
        """Keeping little of what is never closed is a mistake, and said to be one."""
        with pytest.raises(OptionError, match="none is closed; set rotate_bytes too"):
            PacketSink(**options)


@pytest.mark.usefixtures("quick_disk")
class TestReading:
    @pytest.fixture
    def rotated(self, open_sink: OpenSink, run_dir: Path) -> Path:
        sink = open_sink(rotate_bytes=10 * LINE)
        fill(sink, 45)
        sink.close()
        return run_dir / "traces.jsonl"

    def test_one_segment_by_itself(self, rotated: Path) -> None:
        """The name of a closed segment means that one."""
        assert list(range(110, 120)) == steps(rotated.with_name("traces.000002.jsonl.gz"))

    def test_show_sees_one_trace(self, rotated: Path) -> None:
        """The command shows the last decisions across files, and finds a step in a closed one."""
        shown = CliRunner().invoke(trace, ["show", str(rotated.parent), "--limit", "12"], catch_exceptions=False)
        assert [str(step) for step in range(133, 145)] == [row.split()[0] for row in shown.stdout.splitlines()[1:]]
        one = CliRunner().invoke(trace, ["show", str(rotated), "--step", "107", "--json"], catch_exceptions=False)
        assert 107 == json.loads(one.stdout)["step"]

    def test_a_gap_is_no_trace(self, rotated: Path) -> None:
        """A segment missing in the middle is told, not passed over."""
        rotated.with_name("traces.000002.jsonl.gz").unlink()
        with pytest.raises(MissingPart, match=r"traces\.000002\.jsonl: is missing, and later segments are there"):
            steps(rotated)

    def test_a_damaged_file_is_named(self, rotated: Path) -> None:
        """A segment that cannot be unpacked is told by its name and the line before which it ends."""
        packed = rotated.with_name("traces.000002.jsonl.gz")
        packed.write_bytes(packed.read_bytes()[:-10])
        with pytest.raises(CorruptLine, match=r"traces\.000002\.jsonl\.gz, line \d+: cannot be unpacked"):
            steps(rotated)

    def test_half_a_line_in_a_closed_segment_is_damage(self, rotated: Path) -> None:
        """Only the file that is still written may end in half a line."""
        packed = rotated.with_name("traces.000002.jsonl.gz")
        packed.write_bytes(gzip.compress(gzip.decompress(packed.read_bytes())[:-5]))
        with pytest.raises(CorruptLine, match=r"traces\.000002\.jsonl\.gz, line 10"):
            steps(rotated)

    def test_while_it_is_written(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A reader beside a writer that closes files sees every line once, in order, and none that is done missing."""
        sink = open_sink(rotate_bytes=3 * LINE)
        done = 0

        def write() -> None:
            nonlocal done
            for step in range(120):
                fill(sink, 1, 100 + step)
                sink.flush()
                done = step + 1

        writer = threading.Thread(target=write)
        writer.start()
        reads = 0
        while writer.is_alive():
            before = done
            seen = steps(run_dir / "traces.jsonl")
            assert list(range(100, 100 + len(seen))) == seen
            assert before <= len(seen)
            reads += 1
        writer.join()
        sink.close()
        assert list(range(100, 220)) == steps(run_dir / "traces.jsonl")
        assert reads > 1


@pytest.mark.usefixtures("quick_disk")
class TestFlat:
    def test_files_threads_and_memory(self, open_sink: OpenSink, run_dir: Path) -> None:
        """After hundreds of segments there are as many open files and threads as after a few, and no more memory."""
        sink = open_sink(rotate_bytes=20 * LINE, keep_segments=3)

        def measured() -> tuple[int, int, int]:
            while list(run_dir.glob(".traces*")):  # until what is being compressed has been, and is in its place
                sink.flush(durable=True)
            files = []
            for _ in range(50):  # a file may be open for a moment after it is in its place
                files.append(len(os.listdir("/proc/self/fd")))
                time.sleep(0.001)
            return min(files), threading.active_count(), tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        fill(sink, 1000)
        files, threads, memory = measured()
        fill(sink, 9000)
        after = measured()
        tracemalloc.stop()
        sink.close()
        assert (files, threads) == after[:2]
        assert after[2] - memory < 100_000
        assert len(names(run_dir)) <= 2 * 4 + 2 * 6
