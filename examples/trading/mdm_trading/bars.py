"""The data source: hourly bars of EURUSD, with whether the price was higher some hours later."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import attrs
from mdm_core import Build, DataSource, Position, Record, option

from mdm_trading.packages import BARS

FILE = Path("data", BARS.file)
TABLE = "gym_anytrading/datasets/data/FOREX_EURUSD_1H_ASK.csv"
HOUR_MS = 3_600_000


@attrs.define
class Bars(DataSource):
    """Streams 6,225 hourly bars of EURUSD, ask prices of 2017, in the order of time; an event comes when its bar ends.

    The label is ``rises``: whether the close ``horizon`` bars later is higher; None for the last bars.
    """

    path: Path = option(FILE, help="the package with the bars, as fetched by python -m mdm_trading.fetch")
    horizon: int = option(24, ge=1, help="bars after which the label looks")
    _events: list[dict[str, Any]] = attrs.field(init=False, factory=list, repr=False, eq=False)
    _after: int = attrs.field(init=False, default=0, repr=False)

    def open(self, build: Build) -> None:
        """Read all bars.

        Raises:
            ConfigError: The package is not there, or another version.
        """
        self._events = read(BARS.check(build.base_dir / self.path))
        add_labels(self._events, self.horizon)

    def close(self) -> None:
        """Let go of the bars."""
        self._events = []

    def records(self) -> Iterator[Record]:
        """Yield the bars; positions count from 1."""
        for position in range(self._after + 1, len(self._events) + 1):
            yield Record(dict(self._events[position - 1]), position)

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a bar.

        Args:
            position: The number of a bar, from 1; 0 for the beginning.
        """
        self._after = int(position)

    @property
    def length(self) -> int | None:
        """How many bars there are, once they are read."""
        return len(self._events) or None

    def identity(self) -> dict[str, Any]:
        """Say which data these are: package, version and hash of the file."""
        return {"package": BARS.name, "version": BARS.version, "sha256": BARS.sha256}


def read(wheel: Path) -> list[dict[str, Any]]:
    """Read the table of the package.

    Args:
        wheel: The package as it came from the registry.

    Returns:
        Events without labels, in the order of time; the table's times are when bars begin, in UTC.
    """
    with ZipFile(wheel) as files, files.open(TABLE) as raw:
        return [_event(row) for row in islice(csv.reader(TextIOWrapper(raw)), 1, None)]


def add_labels(events: list[dict[str, Any]], horizon: int) -> None:
    """Add to each bar whether the price was higher some bars later.

    Args:
        events: The bars; ``rises`` is added to each.
        horizon: How many bars later.
    """
    for number, event in enumerate(events):
        then = events[number + horizon]["close"] if number + horizon < len(events) else None
        event["rises"] = None if then is None else then > event["close"]


def _event(row: list[str]) -> dict[str, Any]:
    time = datetime.strptime(row[0], "%d.%m.%Y %H:%M:%S.000").replace(tzinfo=UTC)
    ends = int(time.timestamp()) * 1000 + HOUR_MS
    names = ("open", "high", "low", "close", "volume")
    numbers = dict(zip(names, map(float, row[1:]), strict=True))
    return {"id": f"EURUSD-{ends // HOUR_MS}", "timestamp_ms": ends, "symbol": "EURUSD", **numbers}
