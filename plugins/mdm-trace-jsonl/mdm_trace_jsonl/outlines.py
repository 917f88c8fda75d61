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
        chain: The chain of that segment; it has its later name already if a crash came in the middle of closing it.
        size: Bytes of that chain; it may have grown since.
    """

    chain: Path
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
        outline = cls(segments.chain())
        closed, chained = segments.closed(), segments.chained()
        last = max(closed, default=0)
        if not outline.chain.exists() and last + 1 in chained:
            outline.chain = segments.chain(last + 1)
        for path in [*map(segments.chain, chained), segments.chain()]:
            outline._read(path)
        outline.active = outline.active or max([*closed, *chained, 0]) + 1
        return outline

    def _read(self, path: Path) -> None:
        segment = 0
        for size, told in _tolds(path):
            if path == self.chain:
                self.size = size
            if isinstance(told, Begin):
                segment = told.segment
                self.first = max(self.first, told.first)
                self.active = segment if path == self.chain else self.active
            elif isinstance(told, Block):
                self.ends[segment] = told.end
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
