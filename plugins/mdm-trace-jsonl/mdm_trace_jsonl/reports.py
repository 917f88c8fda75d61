"""What a trace is held against, and what came of it."""

from __future__ import annotations

import attrs
import msgspec


class Position(msgspec.Struct, frozen=True):
    """A place in a chain, to be kept elsewhere.

    Attributes:
        file: Name of the trace's file, relative to the run's directory.
        segment: Number of the segment.
        link: Number of the line in its chain.
        lines: Lines of the trace up to there.
        size: Bytes of the trace up to there.
        hash: The hash there, in hexadecimal.
    """

    file: str
    segment: int
    link: int
    lines: int
    size: int
    hash: str


@attrs.frozen
class Expected:
    """What a chain must agree with besides the lines.

    Attributes:
        run_id: Id of the run, or None if it is not known.
        run_sha256: SHA-256 of ``run.json``, or None if there is none.
        ended: Whether the run says that it ended orderly.
        running: Whether a process has the run at this moment.
        keys: Public keys, in hexadecimal, one of which must have signed each seal; without any none is checked.
        checkpoint: An earlier place in the chain, or None.
    """

    run_id: str | None = None
    run_sha256: str | None = None
    ended: bool = False
    running: bool = False
    keys: tuple[str, ...] = ()
    checkpoint: Position | None = None


@attrs.define
class Finding:
    """What came of holding a trace against its chain; all is well if there are no problems.

    Attributes:
        file: Name of the trace's file, relative to the run's directory.
        lines: Lines that are as they were written.
        segments: How many segments are there.
        removed: How many segments were removed because they need not be kept.
        seals: How many seals there are.
        signed: How many of them are signed by a key that was given.
        keys: The keys that the seals name, in hexadecimal.
        unsealed: Lines after the last seal, or after the last one that is signed by a key that was given.
        loose: Lines that no block tells of yet.
        closed: When the writer ended orderly, or an empty text.
        position: The last place that was surely on the disk, or None.
        problems: What is wrong, each with its place.
        remarks: What should be known although nothing is wrong.
    """

    file: str
    lines: int = 0
    segments: int = 0
    removed: int = 0
    seals: int = 0
    signed: int = 0
    keys: list[str] = attrs.field(factory=list)
    unsealed: int = 0
    loose: int = 0
    closed: str = ""
    position: Position | None = None
    problems: list[str] = attrs.field(factory=list)
    remarks: list[str] = attrs.field(factory=list)
