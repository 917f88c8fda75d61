"""Bringing a chain and what it tells of together again after a crash.

What a ``begin``, ``seal``, ``opened``, ``packed`` or ``removed`` follows was on the disk before it was written. So a
crash can only have taken what comes after the last of these: the last lines of the trace, or the last blocks of the
chain, or half of either. Anything else was changed by somebody and is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import attrs
from mdm_core import ConfigError
from mdm_core.log import get_logger
from mdm_core.rundir import now_text

from mdm_trace_jsonl.appending import AppendFile
from mdm_trace_jsonl.chaining import Chain
from mdm_trace_jsonl.links import (
    BLOCK_LINES,
    FORMAT,
    LONGEST,
    Begin,
    Block,
    Link,
    Opened,
    Removed,
    Seal,
    read_line,
    read_lines,
)
from mdm_trace_jsonl.mending import cut_zeros, mend_tail
from mdm_trace_jsonl.unpacking import open_regular

_CHUNK = 1024 * 1024

_log = get_logger("trace-jsonl")


@attrs.define
class Tail:
    """What is known of a chain from its file.

    Attributes:
        path: The file.
        begin: Its first line.
        safe: The last line that tells of nothing that a crash could have taken.
        block: The last block up to there, or None.
        size: Bytes of the chain up to there.
        after: The blocks after it, each with the byte of the chain at which its line ends.
        first: Number of the oldest segment that is kept.
    """

    path: Path
    begin: Begin
    safe: Link
    block: Block | None
    size: int
    after: list[tuple[Block, Link, int]]
    first: int

    @property
    def offset(self) -> int:
        """Bytes of the segment that a crash cannot have taken."""
        return 0 if self.block is None else self.block.end

    @property
    def is_closed(self) -> bool:
        """Whether the writer ended orderly."""
        return isinstance(self.safe.told, Seal) and self.safe.told.closed and not self.after


def read_tail(path: Path) -> Tail | None:
    """Read a chain as far as it is whole.

    Args:
        path: Its file.

    Returns:
        None if there is no chain, or no more than half of its first line.

    Raises:
        ConfigError: It is damaged in another way than a crash does.
        OSError: It cannot be read, or is a symbolic link.
    """
    tail: Tail | None = None
    last: Block | None = None
    size = 0
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return None
    with file:
        for number, line in read_lines(file):
            if not line.endswith(b"\n") and len(line) < LONGEST:
                break
            size += len(line)
            try:
                link = read_line(line)
            except ValueError:
                raise _refused(f"{path}, line {number}: is damaged") from None
            told = link.told
            if isinstance(told, Block):
                last = told
                if tail is not None:
                    tail.after.append((told, link, size))
            elif tail is None:
                if not isinstance(told, Begin) or told.format != FORMAT:
                    break
                tail = Tail(path, told, link, None, size, [], told.first)
            else:
                tail.safe, tail.block, tail.size = link, last, size
                tail.after.clear()
                if isinstance(told, Removed):
                    tail.first = told.through + 1
    if tail is None and size:
        raise _refused(f"{path}: does not begin as a chain of format {FORMAT} does")
    return tail


def rejoin(chain: Chain, tail: Tail, data: AppendFile) -> Opened:
    """Cut off what a crash left torn, and make the chain tell of exactly what is there.

    Args:
        chain: Goes on from the tail.
        tail: What is known of the chain.
        data: The segment.

    Returns:
        What had to be done.

    Raises:
        ConfigError: Something was changed, or taken away, that a crash cannot have taken.
        OSError: A file cannot be read or written.
    """
    if data.size < tail.offset:
        raise _refused(f"{data.path}: {tail.offset - data.size} bytes at the end are gone that were on the disk")
    if tail.is_closed and data.size > tail.offset:
        raise _refused(f"{data.path}: lines were added after it was closed")
    found = data.size
    cut_zeros(data, tail.offset)
    if data.size > tail.offset:
        mend_tail(data)
    cut = max(found - data.size, 0)
    kept = _still_there(tail, data)
    block, digest, size = kept[-1] if kept else (tail.block, tail.safe.digest, tail.size)
    gone = sum(lost.lines for lost, _, _ in tail.after[len(kept) :])
    file = AppendFile(tail.path)
    file.cut(size)
    chain.go_on(file, tail.begin, digest, block)
    late = _add_late(chain, data)
    told = Opened(now_text(), late, cut, max(gone - late, 0))
    data.sync()
    chain.add(told)
    chain.flush(durable=True)
    if told.late or told.lost:
        _log.warning("%s: lines not in the chain yet: %d, lost: %d", data.path, told.late, told.lost)
    return told


def _still_there(tail: Tail, data: AppendFile) -> list[tuple[Block, bytes, int]]:
    """The blocks after the safe line whose lines are all there, with hash and end in the chain."""
    kept = []
    previous = tail.safe.digest
    for block, link, end in tail.after:
        if block.end > data.size:
            break
        if _digest(previous, data, block, link.head) != link.digest:
            last = block.line + block.lines - 1
            raise _refused(f"{data.path}, lines {block.line} to {last}: are not what was written")
        kept.append((block, link.digest, end))
        previous = link.digest
    return kept


def _digest(previous: bytes, data: AppendFile, block: Block, head: bytes) -> bytes:
    digest = sha256(previous)
    offset = block.offset
    while offset < block.end and (part := os.pread(data.fd, min(_CHUNK, block.end - offset), offset)):
        digest.update(part)
        offset += len(part)
    digest.update(head)
    return digest.digest()


def _add_late(chain: Chain, data: AppendFile) -> int:
    late = 0
    with open(os.dup(data.fd), "rb") as file:
        file.seek(chain.offset)
        for lines in _blocks(file):
            chain.update(b"".join(lines))
            chain.end_block(len(lines))
            late += len(lines)
    return late


def _blocks(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    while block := list(islice(lines, BLOCK_LINES)):
        yield block


def _refused(what: str) -> ConfigError:
    return ConfigError(
        f"{what}; `mdm trace verify` tells more: restore the files from a copy, or begin anew in another place"
    )
