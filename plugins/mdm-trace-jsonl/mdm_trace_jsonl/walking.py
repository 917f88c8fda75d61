"""Going along the chain of one segment, and holding each hash against what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import attrs

from mdm_trace_jsonl.blocks import Blocks
from mdm_trace_jsonl.links import Begin, Block, Link, digest_of, read_line, read_lines


@attrs.frozen
class Seen:
    """A line of a chain that was held against what it tells of.

    Attributes:
        number: Its number in the file, from 1.
        link: The line.
        before: The hash before it, or None if it does not agree with what it tells of.
    """

    number: int
    link: Link
    before: bytes | None


class Walk:
    """Goes along the chain of one segment.

    Args:
        path: The chain's file.
        blocks: Finds the lines of the segment.
        previous: What may be the hash before; nothing if it is not known.

    Attributes:
        name: Name of the chain's file.
        previous: What may be the hash before the next line: what the file says and, where that is wrong, what it
            should say.
        last: The last line, or None.
        problems: What is wrong with the chain.
        torn: Whether its last line is half a line.
    """

    def __init__(self, path: Path, blocks: Blocks, previous: list[bytes]) -> None:
        self.name = path.name
        self._blocks = blocks
        self.previous = previous
        self.last: Link | None = None
        self.problems: list[str] = []
        self.torn = False

    def links(self, file: BinaryIO) -> Iterator[Seen]:
        """Go along.

        Args:
            file: The chain's file, opened for reading.

        Yields:
            Its lines, but for those that are none of a chain.
        """
        strange = 0
        for number, line in read_lines(file):
            self.torn = not line.endswith(b"\n")
            try:
                link = read_line(line)
            except ValueError:
                strange = strange or number
                self.previous, self.last = [], None
                continue
            self._pass_over(strange, number)
            strange = 0
            yield self._see(number, link)
        self._pass_over(strange, number + (not self.torn) if strange else 0)

    def _pass_over(self, first: int, end: int) -> None:
        if first and end - first > 1:
            self.problems.append(f"{self.name}, lines {first} to {end - 1}: are no lines of a chain")
        elif first and end > first:
            self._wrong(first, "is not a line of a chain")

    def _see(self, number: int, link: Link) -> Seen:
        told = link.told
        if (number == 1) != isinstance(told, Begin):
            self._wrong(number, "does not begin a segment" if number == 1 else "begins a segment where none does")
        before = self._block(number, link, told) if isinstance(told, Block) else self._other(number, link)
        if before is not None and self.previous and before != self.previous[0]:
            self._forgive(number)
        # After a mistake the next line tells whether it was in the hash alone.
        wanted = [] if before is not None else self._wanted(link)
        self.previous = [link.digest, *wanted]
        self.last = link
        return Seen(number, link, before)

    def _block(self, number: int, link: Link, told: Block) -> bytes | None:
        return self._blocks.find(number, link, told, self.previous)

    def _other(self, number: int, link: Link) -> bytes | None:
        for before in self.previous:
            if digest_of(before, link.head) == link.digest:
                return before
        told = link.told
        if isinstance(told, Begin) and digest_of(bytes.fromhex(told.previous), link.head) == link.digest:
            if self.previous:
                self._wrong(number, "does not follow on from the segment before")
            self.previous = []
            return bytes.fromhex(told.previous)
        self._wrong(number, "was changed, or lines before it were")
        return None

    def _wanted(self, link: Link) -> list[bytes]:
        if isinstance(link.told, Block):
            return self._blocks.hashes(link, link.told, self.previous)
        return [digest_of(before, link.head) for before in self.previous]

    def _forgive(self, number: int) -> None:
        if self.last is not None and isinstance(self.last.told, Block):
            self._blocks.forgive(self.last.told)
            self._wrong(number - 1, "its hash was changed")

    def _wrong(self, number: int, what: str) -> None:
        self.problems.append(f"{self.name}, line {number}: {what}")
