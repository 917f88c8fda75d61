"""Open files and standard input, read as lines of bounded length."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import select
import stat
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader, UnsupportedOperation
from pathlib import Path
from typing import Any, cast

import attrs
from mdm_core import Build, ConfigError

_CHUNK = 1 << 16
_LARGE_CHUNK = 1 << 20
_IDLE_MS = 50  # a run that is stopped has to cancel what is pending within 100 ms
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
STDIN = "-"
_IDENTITY = {"size", "sha256_64k", "read", "sha256_read", "open_line"}


@attrs.define
class Input:
    """Bytes to read.

    Attributes:
        stream: What lines are read from; of a ``.gz`` file, what was compressed.
        file: The open file, or standard input.
        path: Where it is, or None for standard input.
        regular: Whether it is a file on a disk, and not a pipe, a terminal or standard input.
        open_line: Number of the last line if it was given without a newline at its end; else 0.
    """

    stream: BufferedReader | gzip.GzipFile
    file: BufferedReader
    path: Path | None
    regular: bool
    open_line: int = 0
    _hashed: int = 0
    _digest: Any = attrs.field(factory=hashlib.sha256)

    @classmethod
    def open(cls, path: str, build: Build) -> Input:
        """Open a file for reading.

        Args:
            path: Path relative to ``build.base_dir``, or ``-`` for standard input.
            build: The surroundings.

        Returns:
            The open input.

        Raises:
            ConfigError: It cannot be read.
        """
        if path == STDIN:
            standard = _standard_input()
            return cls(standard, standard, None, regular=False)
        full = Path(os.path.abspath(build.base_dir / path))
        try:
            file = _open(full)
        except FileNotFoundError:
            raise ConfigError(
                f"there is no file {full}; correct path, which is relative to the pipeline file"
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{str(full)!r} cannot be read: {reason}; correct path or the file's permissions"
            ) from None
        regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        if full.suffix != ".gz":
            return cls(file, file, full, regular)
        if not regular:
            file.close()
            raise ConfigError(f"{full} is no file on a disk, so it cannot be unpacked; pipe in what zcat gives")
        return cls(gzip.GzipFile(fileobj=file), file, full, regular)

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self.path is not None:
            self.stream.close()
            self.file.close()

    def lines(self, limit: int, after: int = 0) -> Iterator[list[bytes]]:
        """Read the lines, without their newlines, in batches as they arrive.

        Args:
            limit: Length in bytes up to which a line is given whole. A longer line keeps more than ``limit`` bytes
                of its beginning, by which it can be told; so it takes no more memory, however long it is.
            after: Number of lines at the beginning that are passed over; 0 for anything but a file.

        Yields:
            Lines; an empty list when a pipe has nothing at the moment.

        Raises:
            OSError: Reading failed, a ``.gz`` file is damaged or cut off, or there are fewer lines than ``after``.
        """
        number = self._go_behind(after) if self.regular else 0
        for batch in self._batches(limit, number):
            passed = min(after - number, len(batch)) if number < after else 0
            if passed:
                number += passed
                del batch[:passed]
            if batch or not passed:
                yield batch
        if number < after:
            raise self.too_short(after, number)

    def count_lines(self) -> int | None:
        """Count the lines without disturbing the reading; None unless it is a plain file."""
        if not self.regular or self.stream is not self.file:
            return None
        newlines, end = 0, b"\n"
        for chunk in self._raw():
            newlines += chunk.count(b"\n")
            end = chunk[-1:]
        return newlines + (end != b"\n")

    def identity(self) -> dict[str, Any] | None:
        """Tell path and size, the hash of the first 64 KiB, and that of all bytes that were read so far.

        All of it is as on the disk, so of a ``.gz`` file it is of the compressed bytes; None unless it is a file.
        """
        if not self.regular:
            return None
        self._hash(self.file.tell())
        return {
            "path": str(self.path),
            "size": os.fstat(self.file.fileno()).st_size,
            "sha256_64k": self._head_hash(_CHUNK),
            "read": self._hashed,
            "sha256_read": self._digest.hexdigest(),
            "open_line": self.open_line,
        }

    def check_same(self, identity: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Make sure that what ``identity`` told of in an earlier process is still there; a file may have grown.

        Args:
            identity: What ``identity`` told.

        Returns:
            The same.

        Raises:
            ConfigError: It is not, or it is no file.
        """
        if not self.regular:
            raise ConfigError(f"{self.shown()} cannot be read again; start a new run, or one that reads a file")
        before = identity or {}
        if not before.keys() >= _IDENTITY:
            raise self._changed("it has read something else")
        now = os.fstat(self.file.fileno()).st_size
        if now < before["size"]:
            raise self._changed(f"it had {before['size']:,} bytes and has {now:,}")
        self._hash(before["read"])
        head = self._head_hash(min(before["size"], _CHUNK))
        if (head, self._digest.hexdigest()) != (before["sha256_64k"], before["sha256_read"]):
            raise self._changed("what was read of it has changed since")
        return before

    def goes_on_after(self, end: int) -> bool:
        """Whether the last line of a file that had so many bytes has been written on since.

        Args:
            end: How many bytes the file had; its last line had no newline.
        """
        more = os.pread(self.file.fileno(), 2, end)
        packed = self.stream is not self.file
        return bool(more) and (packed or not (more.startswith(b"\n") or more == b"\r\n"))

    def too_short(self, after: int, number: int) -> OSError:
        """What to raise where there is nothing to go on after.

        Args:
            after: Number of the line that was looked for.
            number: Number of the last line.
        """
        reason = f"cannot go on after line {after} of a file that ends at line {number}"
        return OSError(errno.EINVAL, reason, str(self.path))

    def shown(self) -> str:
        """How people call it."""
        return str(self.path or "standard input")

    def _changed(self, why: str) -> ConfigError:
        return ConfigError(f"{self.shown()} is no longer the file that the run has read: {why}; start a new run")

    def _hash(self, end: int) -> None:
        for chunk in self._raw(self._hashed, end):
            self._digest.update(chunk)
            self._hashed += len(chunk)

    def _head_hash(self, length: int) -> str:
        return hashlib.sha256(os.pread(self.file.fileno(), length, 0)).hexdigest()

    def _raw(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes on the disk, without disturbing the reading."""
        fd, offset = self.file.fileno(), start
        while chunk := os.pread(fd, _LARGE_CHUNK if end is None else min(_LARGE_CHUNK, end - offset), offset):
            offset += len(chunk)
            yield chunk

    def _go_behind(self, after: int) -> int:
        """Go behind so many lines of a plain file, or to the beginning of a packed one, and tell behind how many."""
        number = offset = 0
        end = b"\n"
        for chunk in self._raw() if after and self.stream is self.file else ():
            newlines = chunk.count(b"\n")
            if number + newlines >= after:
                offset += _behind(chunk, after - number)
                number, end = after, b"\n"
                break
            number += newlines
            offset += len(chunk)
            end = chunk[-1:]
        self.stream.seek(offset)
        return number + (end != b"\n")

    def _batches(self, limit: int, number: int) -> Iterator[list[bytes]]:
        read = self._reader()
        keep = limit + 1 + len(BOM_UTF8)
        mark = b"" if number else BOM_UTF8
        pending = bytearray()
        while (chunk := read()) != b"":
            if chunk is None:
                yield []
                continue
            head, newline, rest = chunk.partition(b"\n")
            pending += head
            del pending[keep:]
            if newline:
                lines = rest.split(b"\n")
                last = lines.pop()
                lines.insert(0, bytes(pending).removeprefix(mark))
                mark = b""
                pending = bytearray(last)
                number += len(lines)
                yield lines
        if pending:
            self.open_line = number + 1
            yield [bytes(pending).removeprefix(mark)]

    def _reader(self) -> Callable[[], bytes | None]:
        read1 = self.stream.read1
        if isinstance(self.stream, gzip.GzipFile):
            return self._read_gzip
        ready = None if self.regular else _poll(self.stream)
        if ready is None:
            return lambda: read1(_CHUNK)
        return lambda: read1(_CHUNK) if ready() else None

    def _read_gzip(self) -> bytes:
        try:
            return self.stream.read1(_CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(errno.EIO, "the .gz file is damaged or cut off", str(self.path)) from error


def _open(path: Path) -> BufferedReader:
    # Without waiting: a named pipe that nobody writes to must not hold up a check.
    fd = os.open(path, _FLAGS)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{path} is a directory; give the path of a file in it")
        if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd)):
            raise ConfigError(f"{path} is a device, which may have no end; give the path of a file or of a pipe")
        os.set_blocking(fd, True)
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _behind(chunk: bytes, number: int) -> int:
    """Where the line after so many newlines begins."""
    place = 0
    for _ in range(number):
        place = chunk.index(b"\n", place) + 1
    return place


def _standard_input() -> BufferedReader:
    if sys.stdin is None:
        raise ConfigError("standard input is closed; pipe the events in, or give the path of a file")
    return cast(BufferedReader, sys.stdin.buffer)


def _poll(stream: BufferedReader) -> Callable[[], object] | None:
    # Nothing is ever left in the stream's own buffer: read1 is asked for more than that holds.
    try:
        fd = stream.fileno()
    except UnsupportedOperation:
        return None
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return lambda: poll.poll(_IDLE_MS)
