"""Holding the lines of one segment against the blocks of its chain."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import attrs

from mdm_trace_jsonl.links import Block, Link
from mdm_trace_jsonl.unpacking import Unpacked


@attrs.define
class Bad:
    """Blocks one after the other whose lines are not to be found.

    Attributes:
        first: Number of the first line.
        last: Number of the last line.
        link: Number of the first block's line in the chain.
        missing: Whether the file ends before them.
    """

    first: int
    last: int
    link: int
    missing: bool


@attrs.frozen
class Extra:
    """What stands behind the last block.

    Attributes:
        lines: How many lines.
        torn: Whether half a line follows.
    """

    lines: int
    torn: bool


class Blocks:
    """Finds the lines of blocks, also behind lines that were added or taken out.

    Args:
        data: The segment.
        end: Byte at which its last block should end.

    Attributes:
        lines: Lines that are as they were written.
        bad: The others.
        moves: Line to how many bytes more stand before it than should, where nothing else is wrong.
        line: Number of the last line that a block told of.
        end: Byte at which it should end.
    """

    def __init__(self, data: Unpacked, end: int) -> None:
        self._data = data
        self._moved = data.size - end
        self._shift = 0
        self.lines = self.line = self.end = 0
        self.bad: list[Bad] = []
        self.moves: dict[int, int] = {}

    def find(self, number: int, link: Link, told: Block, previous: list[bytes]) -> bytes | None:
        """Look for the lines of a block.

        Args:
            number: Number of the block's line in the chain.
            link: The line.
            told: What it tells.
            previous: What may be the hash before it.

        Returns:
            The hash before it, or None if its lines are not to be found.
        """
        self.line, self.end = told.line + told.lines - 1, told.end
        shifts = dict.fromkeys((self._shift, 0, self._moved))
        for shift, before in ((shift, before) for shift in shifts for before in previous):
            if self._digest(told, link.head, before, shift) == link.digest:
                self._move(told, shift)
                self.lines += told.lines
                return before
        self._note(number, told)
        return None

    def hashes(self, link: Link, told: Block, previous: list[bytes]) -> list[bytes]:
        """The hashes that the block should have, going by what stands in its place.

        Args:
            link: The block's line in the chain.
            told: What it tells.
            previous: What may be the hash before it.
        """
        found = [self._digest(told, link.head, before, self._shift) for before in previous]
        return [digest for digest in found if digest is not None]

    def forgive(self, told: Block) -> None:
        """Take back that a block is bad, the last one: not its lines were changed, but its hash.

        Args:
            told: What it tells.
        """
        bad = self.bad[-1]
        self.lines += told.lines
        bad.last -= told.lines
        if bad.last < bad.first:
            self.bad.pop()

    def problems(self, name: str, chain: str) -> Iterator[str]:
        """Say which lines are not as they were written.

        Args:
            name: The file.
            chain: The file of its chain.

        Yields:
            A sentence each.
        """
        for line, moved in self.moves.items():
            what = "were added" if moved > 0 else "are missing"
            yield f"{name}, just before what was line {line}: {abs(moved)} bytes {what}"
        for bad in self.bad:
            one = bad.first == bad.last
            where = f"{name}, line {bad.first}: is" if one else f"{name}, lines {bad.first} to {bad.last}: are"
            if bad.missing:
                yield f"{where} missing"
            else:
                yield (
                    f"{where} not what was written (changed, added, taken out or in another order), "
                    f"unless {chain} was changed in or before line {bad.link}"
                )

    def extra(self) -> Extra:
        """Look at what stands behind the last block; nothing if that was not found."""
        if self.bad and self.bad[-1].last == self.line:
            return Extra(0, False)
        lines, last = 0, b"\n"
        begin = self.end + self._shift
        for part in self._data.parts(begin, self._data.size - begin):
            lines += part.count(b"\n")
            last = part
        return Extra(lines, not last.endswith(b"\n"))

    def _digest(self, told: Block, head: bytes, before: bytes, shift: int) -> bytes | None:
        begin = told.offset + shift
        if begin < 0 or begin + told.size > self._data.size:
            return None
        digest = sha256(before)
        for part in self._data.parts(begin, told.size):
            digest.update(part)
        digest.update(head)
        return digest.digest()

    def _move(self, told: Block, shift: int) -> None:
        if shift != self._shift and not (self.bad and self.bad[-1].last + 1 == told.line):
            self.moves[told.line] = shift - self._shift
        self._shift = shift

    def _note(self, number: int, told: Block) -> None:
        missing = told.offset + self._shift >= self._data.size
        last = self.bad[-1] if self.bad else None
        if last is not None and last.last + 1 == told.line and last.missing == missing:
            last.last = self.line
        else:
            self.bad.append(Bad(told.line, self.line, number, missing))
