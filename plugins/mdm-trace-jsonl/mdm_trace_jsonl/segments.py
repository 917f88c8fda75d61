"""The files of one trace: the one that is written, those that were closed before it, and the chains of all."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import attrs
from mdm_core import MdmError

_READ_AHEAD = 1024 * 1024
PACKED = ".gz"


class MissingPart(MdmError):
    """A part of a trace that must be there is not."""

    exit_code = 1


@attrs.frozen
class Segments:
    """Names and finds the files of a trace.

    ``traces.jsonl`` is written; ``traces.000001.jsonl.gz`` was closed first. The chain of a segment is in
    ``traces.chain.jsonl`` and ``traces.000001.chain.jsonl``.

    Attributes:
        path: The file that is written.
    """

    path: Path

    def plain(self, number: int) -> Path:
        """The name of a closed segment before it is compressed.

        Args:
            number: Its number, from 1.
        """
        return self.path.with_name(f"{self.path.stem}.{number:06d}{self.path.suffix}")

    def packed(self, number: int) -> Path:
        """The name of a closed segment once it is compressed.

        Args:
            number: Its number, from 1.
        """
        plain = self.plain(number)
        return plain.with_name(plain.name + PACKED)

    def chain(self, number: int | None = None) -> Path:
        """The name of a segment's chain.

        Args:
            number: Number of a closed segment, or None for the one that is written.
        """
        part = "" if number is None else f".{number:06d}"
        return self.path.with_name(f"{self.path.stem}{part}.chain{self.path.suffix}")

    def closed(self) -> list[int]:
        """The numbers of the closed segments that are there, in order."""
        return self._numbers("", f"(?:{re.escape(PACKED)})?")

    def chained(self) -> list[int]:
        """The numbers of the closed segments whose chains are there, in order."""
        return self._numbers(re.escape(".chain"), "")

    def data(self, number: int) -> Path:
        """The file of a closed segment, compressed or not.

        Args:
            number: Its number, from 1.
        """
        plain = self.plain(number)
        return plain if plain.exists() else self.packed(number)

    def files(self) -> set[tuple[str, int]]:
        """Name and inode of each file of the trace; others once a segment was closed, compressed or removed."""
        try:
            with os.scandir(self.path.parent) as entries:
                return {(entry.name, entry.inode()) for entry in entries if entry.name.startswith(f"{self.path.stem}.")}
        except FileNotFoundError:
            return set()

    def exist(self) -> bool:
        """Whether there is anything of the trace."""
        return self.path.is_file() or bool(self.closed())

    def opened(self, first: int | None = None) -> Iterator[tuple[int, Path, BinaryIO]]:
        """Open the segments one after the other, also while a writer closes some and begins others.

        Args:
            first: The number to begin with; the oldest that is there by default.

        Yields:
            Number, file and the file opened to be read unpacked; it is closed when the next one is asked for.

        Raises:
            MissingPart: One in the middle is not there.
            OSError: A file cannot be read.
        """
        closed = self.closed()
        number = first if first is not None else min(closed, default=1)
        missing = sorted(set(range(number, max(closed, default=0))) - set(closed))
        if missing:
            raise MissingPart(
                f"{self.plain(missing[0])}: is missing, and later segments are there; restore it from a copy"
            )
        while (found := self._open_closed(number)) is not None:
            with found[1] as file:
                yield number, found[0], file
            number += 1
        try:
            active = open_unpacked(self.path)
        except FileNotFoundError:
            again = self._open_closed(number)  # it may have been closed a moment ago, for the first time
            if again is not None:
                again[1].close()
                yield from self.opened(number)
            elif not closed:
                raise
            return
        with active:
            # What was opened may be the next one, if this one was closed a moment ago.
            again = self._open_closed(number)
            if again is None:
                yield number, self.path, active
                return
            again[1].close()
        yield from self.opened(number)

    def _open_closed(self, number: int) -> tuple[Path, BinaryIO] | None:
        # In this order, for the packed file is there before the plain one is removed.
        for path in (self.plain(number), self.packed(number)):
            try:
                return path, open_unpacked(path)
            except FileNotFoundError:
                continue
        return None

    def _numbers(self, before: str, after: str) -> list[int]:
        name = re.compile(rf"{re.escape(self.path.stem)}\.(\d{{6,}}){before}{re.escape(self.path.suffix)}{after}")
        try:
            found = [name.fullmatch(entry) for entry in os.listdir(self.path.parent)]
        except FileNotFoundError:
            return []
        return sorted({int(match[1]) for match in found if match is not None})


def open_unpacked(path: Path) -> BinaryIO:
    """Open a segment to be read, unpacked if it is compressed.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """
    if path.name.endswith(PACKED):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb", buffering=_READ_AHEAD)
