"""The data source of requests with a label: mail servers that handed messages over."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from mdm_core import Build, DataSource, Position, Record, option

from mdm_api_limits.ledger import Ledger
from mdm_api_limits.packages import MAIL
from mdm_api_limits.received import Request, request

FILE = Path("data", MAIL.file)
DAY_MS = 86_400_000


@attrs.define
class RelayRequests(DataSource):
    """Streams 5,261 requests of 631 mail servers, in order of time, each with what was known of the client.

    A request is a message of the SpamAssassin public mail corpus that a server handed over. The label is ``good``:
    whether the message was wanted. How a request turned out is known a day later. A server's address is in no event:
    each has a number, in the order in which they first came.
    """

    path: Path = option(FILE, help="the package with the mail, as fetched by python -m mdm_api_limits.fetch")
    _requests: list[Request] = attrs.field(init=False, factory=list, repr=False, eq=False)
    _skipped: int = attrs.field(init=False, default=0, repr=False, eq=False)
    _after: int = attrs.field(init=False, default=0, repr=False)

    def open(self, build: Build) -> None:
        """Read all requests and put them in order.

        Raises:
            ConfigError: The package is not there, or another version.
        """
        found = list(read_requests(MAIL.check(build.base_dir / self.path)))
        self._requests = sorted((one for one in found if one), key=lambda one: (one.now_ms, one.name))
        self._skipped = found.count(None)

    def close(self) -> None:
        """Let go of the requests."""
        self._requests = []

    def records(self) -> Iterator[Record]:
        """Yield the requests; positions count from 1."""
        ledger = Ledger()
        numbers: dict[str, int] = {}
        for position, one in enumerate(self._requests, 1):
            known = ledger.known(one.address, one.now_ms)
            ledger.report(one.address, one.good, one.now_ms + DAY_MS)
            number = numbers.setdefault(one.address, len(numbers) + 1)
            if position > self._after:
                yield Record(_event(one, number, known), position)

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a request.

        Args:
            position: The number of a request, from 1; 0 for the beginning.
        """
        self._after = int(position)

    @property
    def length(self) -> int | None:
        """How many requests there are, once they are read."""
        return len(self._requests) or None

    def identity(self) -> dict[str, Any]:
        """Say which data these are: package, version and hash of the file."""
        return {"package": MAIL.name, "version": MAIL.version, "sha256": MAIL.sha256}

    def counts(self) -> dict[str, int]:
        """Give how many messages were left out, because they do not tell who handed them over and when."""
        return {"without a client": self._skipped}


def _event(one: Request, number: int, known: dict[str, Any]) -> dict[str, Any]:
    return {"id": one.name, "timestamp_ms": one.now_ms, "client": f"relay-{number}", "known": known, "good": one.good}


def read_requests(path: Path) -> Iterator[Request | None]:
    """Read the requests.

    Args:
        path: The package as it came from the registry.

    Yields:
        A request for each message, in the order of the archive; None for one that tells no client.
    """
    with tarfile.open(path) as archive:
        for member in archive:
            folder, _, file = member.name.removeprefix("package/data/").partition("/")
            data = archive.extractfile(member) if file.endswith(".txt") else None
            if data is not None:
                yield request(data.read(), file.split(".")[1][:12], "spam" not in folder)
