"""Reading a trace."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from mdm_core import PacketV2

from mdm_trace_jsonl import CorruptLine, TornTail, read_packets, read_packets_v2
from mdm_trace_jsonl.reading import MAX_LINE


def packet(step: int, **changes: Any) -> dict[str, Any]:
    return {
        "run_id": "r",
        "step": step,
        "input": {},
        "external": {},
        "mdm": {},
        "final_action": {},
        "latency_ms": 1,
        "mismatch": None,
        "schema_version": "0.1.0",
    } | changes


def line(step: int, **changes: Any) -> bytes:
    return json.dumps(packet(step, **changes)).encode() + b"\n"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


class TestReadPackets:
    def test_yields_packets_in_order(self, trace: Path) -> None:
        """Every packet comes back as it was written."""
        trace.write_bytes(b"".join(line(step) for step in range(5)))
        packets = read_packets(trace)
        assert [packet(step) for step in range(5)] == list(packets)
        assert (None, 5) == (packets.torn_tail, packets.line)

    def test_an_empty_file_has_none(self, trace: Path) -> None:
        """A file without a line is no error."""
        trace.write_bytes(b"")
        assert [] == list(read_packets(trace))

    def test_keeps_further_keys(self, trace: Path) -> None:
        """What another writer added is not lost."""
        trace.write_bytes(line(0, extra=1))
        assert [packet(0, extra=1)] == list(read_packets(str(trace)))

    def test_gives_objects_of_the_contract(self, trace: Path) -> None:
        """The same as ``PacketV2``, with keys that it does not know left out."""
        trace.write_bytes(line(0, extra=1) + line(1))
        assert [PacketV2(**packet(0)), PacketV2(**packet(1))] == list(read_packets_v2(trace))

    def test_a_missing_file(self, trace: Path) -> None:
        """A file that is not there is said to be so."""
        with pytest.raises(FileNotFoundError):
            next(read_packets(trace))

    def test_memory_does_not_grow_with_the_file(self, trace: Path) -> None:
        """A trace of 30 MB is read in a few."""
        with trace.open("wb") as file:
            for step in range(3000):
                file.write(line(step, input={"x": "y" * 10_000}))
        tracemalloc.start()
        try:
            count = sum(1 for _ in read_packets(trace))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert 3000 == count
        assert peak < 5_000_000


class TestTornTail:
    @pytest.mark.parametrize(
        "tail", [b"{", line(2)[:-2], line(2)[:40], line(2)[:40] + b"\n", b"\0\0\0", b'{"a": "\xc3', b"x" * 100]
    )
    def test_a_last_line_that_was_never_finished(self, tail: bytes, trace: Path) -> None:
        """What is before it is given, and it is told where it stands."""
        whole = line(0) + line(1)
        trace.write_bytes(whole + tail)
        packets = read_packets(trace)
        assert [packet(0), packet(1)] == list(packets)
        assert TornTail(trace, 3, len(whole), len(tail)) == packets.torn_tail

    def test_says_so_in_words(self, trace: Path) -> None:
        """People read file, line and size."""
        expected = f"{trace}, line 3: torn (7 bytes without an end), its record was never finished"
        assert expected == str(TornTail(trace, 3, 500, 7))

    def test_a_whole_packet_without_newline_is_given(self, trace: Path) -> None:
        """A packet that is complete is a packet, newline or not."""
        trace.write_bytes(line(0) + line(1).rstrip())
        packets = read_packets(trace)
        assert ([packet(0), packet(1)], None) == (list(packets), packets.torn_tail)


class TestCorruptLine:
    @pytest.mark.parametrize(
        ("bad", "problem"),
        [
            (b"{\n", "Input data was truncated"),
            (b"\n", "Input data was truncated"),
            (b"no json\n", "JSON is malformed: invalid character (byte 4)"),
            (b'{"a":NaN}\n', "JSON is malformed: invalid character (byte 5)"),
            (b"[1]\n", "Expected `object`, got `array`"),
            (b'{"a":"\xff"}\n', "no UTF-8"),
            (
                b'{"step":1,"run_id":"r","input":{},"external":{}}\n',
                "no packet, it lacks mdm, final_action, latency_ms, mismatch, schema_version",
            ),
            (line(1, mdm=None), "no packet, mdm must be an object"),
            (line(1, mismatch=[]), "no packet, mismatch must be an object"),
            (b'{"a":' + b"[" * 100_000 + b"\n", "nested too deep"),
        ],
    )
    def test_a_damaged_line_in_the_middle(self, bad: bytes, problem: str, trace: Path) -> None:
        """Reading stops at the line, which is named with what is wrong and what to do."""
        trace.write_bytes(line(0) + bad + line(2))
        packets = read_packets(trace)
        assert packet(0) == next(packets)
        with pytest.raises(CorruptLine) as raised:
            next(packets)
        advice = "restore the file from a copy, or use only the lines before this one"
        assert f"{trace}, line 2: {problem}; {advice}" == str(raised.value)
        assert (trace, 2, 1) == (raised.value.path, raised.value.line, raised.value.exit_code)

    @pytest.mark.parametrize("bad", [b"no json\n", b"[1]\n", line(1, mdm=None)])
    def test_a_damaged_last_line_that_is_complete(self, bad: bytes, trace: Path) -> None:
        """A last line that ends, and is not merely cut short, is damaged and not torn."""
        trace.write_bytes(line(0) + bad)
        with pytest.raises(CorruptLine, match="line 2"):
            list(read_packets(trace))

    @pytest.mark.parametrize("end", [b"", b"\n", b"\n" + line(2)])
    def test_a_line_too_long_to_be_one(self, end: bytes, trace: Path) -> None:
        """A line beyond the limit is refused without being read whole, wherever it stands."""
        with trace.open("wb") as file:
            file.write(line(0) + b'{"x":"')
            for _ in range(100):
                file.write(b"y" * 1024**2)
            file.write(end)
        packets = read_packets(trace)
        next(packets)
        tracemalloc.start()
        try:
            with pytest.raises(CorruptLine, match="line 2: longer than 16 MiB"):
                next(packets)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3 * MAX_LINE

    def test_a_line_at_the_limit_is_read(self, trace: Path) -> None:
        """The limit is not below what it says."""
        empty = len(line(0, input={"x": ""}))
        trace.write_bytes(line(0, input={"x": "y" * (MAX_LINE - empty)}) + line(1))
        assert [0, 1] == [p["step"] for p in read_packets(trace)]
