"""The data source: mail in the order in which it came, with its label."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from mdm_core import Build, DataSource, Position, Record, option

from mdm_content.message import event
from mdm_content.packages import MAIL

FILE = Path("data", MAIL.file)


@attrs.define
class MailSource(DataSource):
    """Streams 6,046 messages of the SpamAssassin public mail corpus in the order in which they were received.

    The label is ``spam``. An id is the beginning of the message's MD5, as the corpus gives it, for the names of its
    folders tell the label.
    """

    path: Path = option(FILE, help="the package with the mail, as fetched by python -m mdm_content.fetch")
    _messages: list[dict[str, Any]] = attrs.field(init=False, factory=list, repr=False, eq=False)
    _after: int = attrs.field(init=False, default=0, repr=False)

    def open(self, build: Build) -> None:
        """Read all messages and put them in order.

        Raises:
            ConfigError: The package is not there, or another version.
        """
        messages = read_mail(MAIL.check(build.base_dir / self.path))
        self._messages = sorted(messages, key=lambda message: (message["timestamp_ms"], message["id"]))

    def close(self) -> None:
        """Let go of the messages."""
        self._messages = []

    def records(self) -> Iterator[Record]:
        """Yield the messages; positions count from 1."""
        for position in range(self._after + 1, len(self._messages) + 1):
            yield Record(dict(self._messages[position - 1]), position)

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a message.

        Args:
            position: The number of a message, from 1; 0 for the beginning.
        """
        self._after = int(position)

    @property
    def length(self) -> int | None:
        """How many messages there are, once they are read."""
        return len(self._messages) or None

    def identity(self) -> dict[str, Any]:
        """Say which data these are: package, version and hash of the file."""
        return {"package": MAIL.name, "version": MAIL.version, "sha256": MAIL.sha256}


def read_mail(path: Path) -> Iterator[dict[str, Any]]:
    """Read the messages of the package.

    Args:
        path: The package as it came from the registry.

    Yields:
        Events, in the order of the archive. All messages of version 0.2.3 say when they were received.
    """
    with tarfile.open(path) as archive:
        for member in archive:
            folder, _, file = member.name.removeprefix("package/data/").partition("/")
            data = archive.extractfile(member) if file.endswith(".txt") else None
            if data is not None and (message := event(data.read(), file.split(".")[1][:12], "spam" in folder)):
                yield message
