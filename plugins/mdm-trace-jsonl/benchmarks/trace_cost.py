"""What chain, rotation and verifying cost, on the packets of a trace: ``python trace_cost.py runs/RUN/traces.jsonl``.

Told in µs of processor time per packet, the least of several rounds, because other work on the machine spoils times by
the clock. Packets are decoded first and written again in a temporary directory.
"""

from __future__ import annotations

import hashlib
import math
import sys
import tempfile
import time
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import click
from mdm_core import Build
from orjson import dumps

from mdm_trace_jsonl import PacketSink, read_packets
from mdm_trace_jsonl.links import BLOCK_LINES
from mdm_trace_jsonl.reports import Expected
from mdm_trace_jsonl.segments import Segments
from mdm_trace_jsonl.verifying import verify

PACKETS = 20_000
ROUNDS = 8
SEGMENT = 16 * 1024 * 1024
CASES: dict[str, dict[str, Any]] = {
    "encode and write": {"chain": False},
    "with chain": {},
    "with rotation": {"chain": False, "rotate_bytes": SEGMENT},
    "with both": {"rotate_bytes": SEGMENT},
}


def write(packets: list[dict[str, Any]], directory: Path, options: dict[str, Any]) -> float:
    """Write packets to a new trace.

    Args:
        packets: The packets.
        directory: Where to; must be empty.
        options: Of the sink.

    Returns:
        Seconds of processor time in this thread, without opening and closing.
    """
    sink = PacketSink(**options)
    sink.open(Build(run_dir=directory))
    begin = time.thread_time()
    for packet in packets:
        sink.write(packet)
    sink.flush()
    seconds = time.thread_time() - begin
    sink.close()
    return seconds


def check(directory: Path) -> float:
    """Verify what was written.

    Args:
        directory: Where it is.

    Returns:
        Seconds of processor time.
    """
    begin = time.process_time()
    verify(Segments(directory / "traces.jsonl"), "traces.jsonl", Expected())
    return time.process_time() - begin


def hashing(size: int) -> float:
    """Hash a block, and nothing else.

    Args:
        size: Its bytes.

    Returns:
        Seconds of processor time.
    """
    block = bytes(size)
    begin = time.thread_time()
    for _ in range(100):
        hashlib.sha256(block).digest()
    return (time.thread_time() - begin) / 100


def main(path: str) -> None:
    """Measure and print.

    Args:
        path: The trace that the packets are taken from.
    """
    packets = list(islice(read_packets(path), PACKETS))
    size = sum(len(dumps(packet)) + 1 for packet in packets) // len(packets)
    least: defaultdict[str, float] = defaultdict(lambda: math.inf)
    for _ in range(ROUNDS):
        for name, options in CASES.items():
            with tempfile.TemporaryDirectory() as directory:
                least[name] = min(least[name], write(packets, Path(directory), options))
                if options.get("chain", True):
                    least[f"verify {name}"] = min(least[f"verify {name}"], check(Path(directory)))
        least["SHA-256 alone"] = min(least["SHA-256 alone"], hashing(size * BLOCK_LINES) / BLOCK_LINES * len(packets))
    click.echo(f"{len(packets):,} packets of {size:,} bytes")
    for name, seconds in least.items():
        click.echo(f"{seconds / len(packets) * 1e6:6.2f} µs a packet  {name}")


if __name__ == "__main__":
    main(sys.argv[1])
