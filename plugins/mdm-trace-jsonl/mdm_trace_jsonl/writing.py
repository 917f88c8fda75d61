"""Writing a trace: segment after segment, with a chain beside it."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from mdm_core import ConfigError

from mdm_trace_jsonl.appending import AppendFile, sync_directory
from mdm_trace_jsonl.chaining import Chain
from mdm_trace_jsonl.links import BLOCK_LINES, Opened, Packed, Removed
from mdm_trace_jsonl.mending import mend_tail
from mdm_trace_jsonl.packing import Packer
from mdm_trace_jsonl.rejoining import Tail, read_tail, rejoin
from mdm_trace_jsonl.segments import MissingPart, Segments
from mdm_trace_jsonl.telling import counted

BUFFER_BYTES = 256 * 1024
_CHECKPOINTS_KEPT = 2


@attrs.frozen
class Limits:
    """When a segment is closed, and how many are kept.

    Attributes:
        rotate_bytes: Bytes that a segment can have, unless its only line has more.
        rotate_s: Seconds after which a segment is closed if it has a line.
        keep_segments: Closed segments that are kept.
        keep_bytes: Bytes of closed segments that are kept, as they are on the disk.
    """

    rotate_bytes: int | None = None
    rotate_s: float | None = None
    keep_segments: int | None = None
    keep_bytes: int | None = None

    @property
    def rotates(self) -> bool:
        """Whether segments are closed at all."""
        return self.rotate_bytes is not None or self.rotate_s is not None

    @property
    def keeps(self) -> bool:
        """Whether old segments are removed."""
        return self.keep_segments is not None or self.keep_bytes is not None


class Writer:
    """Writes lines to a trace.

    Args:
        segments: The files.
        limits: When a segment is closed, and how many are kept.
        chain: Hashes the lines, or None.

    Raises:
        ConfigError: What is there cannot be gone on with.
        OSError: A file cannot be written.

    Attributes:
        found: What had to be done to go on with what was there, for people.
    """

    def __init__(self, segments: Segments, limits: Limits, chain: Chain | None) -> None:
        self._segments = segments
        self._limits = limits
        self._rotates = limits.rotates
        self._chain = chain
        self._packer = Packer()
        self._marked: deque[int] = deque(maxlen=_CHECKPOINTS_KEPT)
        self._lines = 0
        self._first = 1
        self._is_open = True
        self.found = ""
        tail = self._finish_rotation()
        self._file = AppendFile(segments.path)
        try:
            self._go_on(tail)
        except BaseException:
            self._close_files()
            raise
        self._began = time.monotonic()
        self._end_tidying()

    def append(self, line: bytes) -> None:
        """Take a line, whole or, if this raises, not at all.

        Args:
            line: The line with its end.

        Raises:
            OSError: The buffer was full, or a segment had to be closed, and that failed.
        """
        if self._rotates and self._is_full(len(line)):
            self._rotate()
        waiting = self._file.waiting
        if len(waiting) > BUFFER_BYTES:
            self.flush()
        if not self._lines:
            self._begin_chain()
        waiting += line
        self._lines += 1
        if self._lines == BLOCK_LINES:
            self._end_block()

    def flush(self, durable: bool = False) -> None:
        """Hand what is buffered to the operating system.

        Args:
            durable: Also wait until it is on the disk, with a chain that tells of all of it.

        Raises:
            OSError: It could not be written.
        """
        if durable:
            self._settle()
            if self._chain is not None and self._chain.begun and self._chain.is_due():
                self._chain.seal()
                self._chain.flush(durable=True)
            self._tidy()
        else:
            self._write_out()
        if self._rotates and self._is_full(0):
            self._rotate()

    def mark(self) -> dict[str, Any]:
        """Say where the next line will stand; what follows is kept until two more marks were asked for."""
        self._marked.append(self._number)
        return {"segment": self._number, "offset": self._file.size + len(self._file.waiting)}

    def keep_from(self, segment: int) -> None:
        """Keep a segment and all after it, however many these are.

        Args:
            segment: Its number.

        Raises:
            MissingPart: It is not there any more.
        """
        oldest = min(self._segments.closed(), default=self._number)
        if not oldest <= segment <= self._number:
            raise MissingPart(
                f"{self._segments.path}: segment {segment} is not there, only {oldest} to {self._number} are; restore "
                "it from a copy, and raise keep_segments or keep_bytes if it was not kept for long enough"
            )
        self._marked.append(segment)

    def close(self) -> None:
        """Write everything out, seal it and close.

        Raises:
            OSError: It could not be written; the next one to open the trace finds it as after a crash.
        """
        if not self._is_open:
            return
        try:
            self._settle()
            self._tidy(wait=True)
            if self._chain is not None:
                self._begin_chain()
                self._chain.seal(closed=True)
                self._chain.flush(durable=True)
        finally:
            self._close_files()

    def _close_files(self) -> None:
        self._is_open = False
        self._packer.close()
        self._file.close()
        if self._chain is not None:
            self._chain.close()

    # Blocks

    def _end_block(self) -> None:
        if self._lines and self._chain is not None:
            self._hash()
            self._chain.end_block(self._lines)
        self._lines = 0

    def _hash(self) -> None:
        """Hash what was not hashed yet; all of it is still waiting to be written."""
        assert self._chain is not None
        begin = self._chain.hashed - self._file.size
        try:
            with memoryview(self._file.waiting) as waiting, waiting[begin:] as rest:
                self._chain.update(rest)
        except BaseException:
            # Broken off from outside: nobody knows how much of it was hashed.
            self._file.give_up()
            raise

    def _write_out(self) -> None:
        if self._chain is None:
            self._file.write_out()
            return
        self._hash()
        self._file.write_out()
        if self._chain.begun:
            self._chain.flush(durable=False)

    def _settle(self) -> None:
        """Bring everything to the disk: the lines, and then what the chain tells of them."""
        self._end_block()
        self._file.write_out()
        self._file.sync()
        if self._chain is not None and self._chain.begun:
            self._chain.flush(durable=True)

    def _begin_chain(self) -> None:
        # Not when the trace is opened: a new run writes its run.json after that.
        if self._chain is not None and not self._chain.begun:
            self._chain.begin(self._segments.chain(), self._segments.path.name, self._number, self._first)

    # Segments

    def _is_full(self, more: int) -> bool:
        size = self._file.size + len(self._file.waiting)
        if not size:
            return False
        limits = self._limits
        if limits.rotate_bytes is not None and size + more > limits.rotate_bytes:
            return True
        return limits.rotate_s is not None and time.monotonic() - self._began >= limits.rotate_s

    def _rotate(self) -> None:
        self._settle()
        if self._chain is not None:
            self._chain.seal()
            self._chain.flush(durable=True)
        closed = self._number
        try:
            self._next_segment()
        except BaseException:
            # Between two segments there is nothing that can be written to.
            self._file.give_up()
            raise
        self._packer.add(closed, self._segments.plain(closed))
        self._tidy()

    def _next_segment(self) -> None:
        segments = self._segments
        if self._chain is not None:
            self._chain.end_segment()
            os.rename(segments.chain(), segments.chain(self._number))
        os.rename(segments.path, segments.plain(self._number))
        self._file.close()
        self._number += 1
        self._file = AppendFile(segments.path)
        sync_directory(segments.path.parent)
        self._begin_chain()
        self._began = time.monotonic()

    def _tidy(self, wait: bool = False) -> None:
        """Put compressed segments in their places, and remove those that need not be kept."""
        while (pack := self._packer.next_done(wait)) is not None:
            self._tell(Packed(pack.segment, pack.size, pack.sha256))
            pack.temporary.replace(self._segments.packed(pack.segment))
            sync_directory(pack.temporary.parent)
            self._segments.plain(pack.segment).unlink()
            self._remove_old(pack.segment)

    def _remove_old(self, through: int) -> None:
        numbers = self._segments.closed()
        last = min([*self._marked, self._number - 1, through + 1])
        too_old = [number for number in numbers[: self._too_many(numbers)] if number < last]
        if too_old:
            self._first = too_old[-1] + 1
            self._tell(Removed(too_old[-1]))
            self._unlink(too_old)

    def _unlink(self, numbers: list[int]) -> None:
        for number in numbers:
            # The chain first: what is without one is known to be on its way out.
            for path in (self._segments.chain(number), self._segments.plain(number), self._segments.packed(number)):
                path.unlink(missing_ok=True)

    def _too_many(self, numbers: list[int]) -> int:
        limits = self._limits
        many = 0 if limits.keep_segments is None else max(len(numbers) - limits.keep_segments, 0)
        if limits.keep_bytes is not None:
            sizes = [self._segments.data(number).stat().st_size for number in numbers]
            while many < len(sizes) and sum(sizes[many:]) > limits.keep_bytes:
                many += 1
        return many

    def _tell(self, told: Packed | Removed) -> None:
        self._settle()
        if self._chain is not None:
            self._begin_chain()
            self._chain.add(told)
            self._chain.flush(durable=True)

    # Opening

    def _finish_rotation(self) -> Tail | None:
        """End what a crash broke off between two segments, and read the chain that is there."""
        segments = self._segments
        closed, chained = segments.closed(), segments.chained()
        self._number = max(closed, default=0) + 1
        if self._number in chained:
            if not segments.path.exists():
                raise MissingPart(f"{segments.path}: is missing, and its chain is there; restore it from a copy")
            os.rename(segments.path, segments.plain(self._number))
            self._number += 1
        return read_tail(segments.chain())

    def _go_on(self, tail: Tail | None) -> None:
        path = self._segments.path
        if self._chain is None:
            if tail is not None:
                raise ConfigError(f"{path}: has a chain; leave out chain = false to go on with it")
            mend_tail(self._file)
        elif tail is not None:
            self._chain.must_fit(tail.begin, path.name, self._number)
            self._first = tail.first
            self.found = _found(path, rejoin(self._chain, tail, self._file))
        elif self._file.size:
            raise ConfigError(
                f"{path}: is there without its chain {self._segments.chain().name}; restore that from a copy, "
                "or set chain = false if it never had one"
            )
        else:
            self._follow()

    def _follow(self) -> None:
        """Begin after the last closed segment, if there is one; half a first line of a chain may be in the way."""
        with suppress(FileNotFoundError):
            self._segments.chain().unlink()
        if self._number > 1 and self._chain is not None:
            before = read_tail(self._segments.chain(self._number - 1))
            if before is None:
                raise MissingPart(f"{self._segments.chain(self._number - 1)}: is missing; restore it from a copy")
            self._chain.follow(before.safe)
            self._first = before.first

    def _end_tidying(self) -> None:
        """Compress what an earlier process has closed, and remove what it meant to."""
        if self._chain is not None:
            there = sorted({*self._segments.closed(), *self._segments.chained()})
            self._unlink([number for number in there if number < self._first])
        for number in self._segments.closed():
            plain = self._segments.plain(number)
            if plain.exists():
                self._packer.add(number, plain)


def _found(path: Path, opened: Opened) -> str:
    what = {
        "half a line was cut off": (opened.cut, "byte"),
        "not in the chain yet": (opened.late, "line"),
        "in the chain and lost": (opened.lost, "line"),
    }
    told = [f"{text}: {counted(number, unit)}" for text, (number, unit) in what.items() if number]
    return f"{path}: gone on with; {', '.join(told)}" if told else ""
