"""What the chains of a trace say on the whole, before anything of it is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from mdm_trace_jsonl.links import AnyTold, Begin, Block, Packed, Removed, read_line, read_lines
from mdm_trace_jsonl.segments import Segments
from mdm_trace_jsonl.unpacking import open_regular


@attrs.define
class Outline:
    """What the chains of a trace say.

    Attributes:
        ends: Segment to the byte at which its last block ends.
        packed: Segment to its compressed file.
        first: Number of the oldest segment that is kept.
        active: Number of the segment that is written.
        size: Bytes of the chain of the segment that is written; it may have grown since.
    """

    ends: dict[int, int] = attrs.field(factory=dict)
    packed: dict[int, Packed] = attrs.field(factory=dict)
    first: int = 1
    active: int = 0
    size: int = 0

    @classmethod
    def of(cls, segments: Segments) -> Outline:
        """Read the chains of a trace.

        Args:
            segments: The files.
        """
        outline = cls()
        for number in segments.chained():
            outline._read(number, segments.chain(number))
        outline._read(None, segments.chain())
        outline.active = outline.active or max([*segments.closed(), *segments.chained(), 0]) + 1
        return outline

    def _read(self, number: int | None, path: Path) -> None:
        for size, told in _tolds(path):
            if number is None:
                self.size = size
            if isinstance(told, Begin):
                self.first = max(self.first, told.first)
                self.active = told.segment if number is None else self.active
            elif isinstance(told, Block):
                self.ends[number or self.active] = told.end
            elif isinstance(told, Packed):
                self.packed[told.segment] = told
            elif isinstance(told, Removed):
                self.first = max(self.first, told.through + 1)


def _tolds(path: Path) -> Iterator[tuple[int, AnyTold | None]]:
    try:
        file = open_regular(path)
    except OSError:
        return
    with file:
        size = 0
        for _, line in read_lines(file):
            size += len(line)
            try:
                yield size, read_line(line).told
            except ValueError:
                yield size, None
