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
from collections.abc import Callable, Iterator
from io import BufferedReader, UnsupportedOperation
from pathlib import Path
from typing import Any, cast

import attrs
from mdm_core import Build, ConfigError

_CHUNK = 1 << 16
_COUNT_CHUNK = 1 << 20
_IDLE_MS = 200
STDIN = "-"


@attrs.frozen
class Input:
    """Bytes to read.

    Attributes:
        stream: The open file; of a ``.gz`` file, what was compressed.
        path: Where it is, or None for standard input.
        regular: Whether it is a file on a disk, and not a pipe, a terminal or standard input.
    """

    stream: BufferedReader | gzip.GzipFile
    path: Path | None
    regular: bool

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
            return cls(_standard_input(), None, regular=False)
        full = Path(os.path.abspath(build.base_dir / path))
        try:
            stream = gzip.GzipFile(full) if full.suffix == ".gz" else full.open("rb")
        except FileNotFoundError:
            raise ConfigError(
                f"there is no file {full}; correct path, which is relative to the pipeline file"
            ) from None
        except IsADirectoryError:
            raise ConfigError(f"{full} is a directory; give the path of a file in it") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{str(full)!r} cannot be read: {reason}; correct path or the file's permissions"
            ) from None
        return cls(stream, full, stat.S_ISREG(os.fstat(stream.fileno()).st_mode))

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self.path is not None:
            self.stream.close()

    def lines(self, limit: int) -> Iterator[list[bytes]]:
        """Read the lines, without their newlines, in batches as they arrive.

        Args:
            limit: Length in bytes up to which a line is given whole. A longer line keeps more than ``limit`` bytes
                of its beginning, by which it can be told; so it takes no more memory, however long it is.

        Yields:
            Lines; an empty list when a pipe has nothing at the moment.

        Raises:
            OSError: Reading failed, or a ``.gz`` file is damaged or cut off.
        """
        read = self._reader()
        keep = limit + 1 + len(BOM_UTF8)
        mark = BOM_UTF8
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
                yield lines
        if pending:
            yield [bytes(pending).removeprefix(mark)]

    def count_lines(self) -> int | None:
        """Count the lines without disturbing the reading; None unless it is a plain file."""
        if not self.regular or isinstance(self.stream, gzip.GzipFile):
            return None
        fd, offset, newlines, end = self.stream.fileno(), 0, 0, b"\n"
        while chunk := os.pread(fd, _COUNT_CHUNK, offset):
            offset += len(chunk)
            newlines += chunk.count(b"\n")
            end = chunk[-1:]
        return newlines + (end != b"\n")

    def identity(self) -> dict[str, Any] | None:
        """Give path, size and SHA-256 of the first 64 KiB, as they are on the disk; None unless it is a file."""
        if not self.regular:
            return None
        fd = self.stream.fileno()
        head = hashlib.sha256(os.pread(fd, _CHUNK, 0)).hexdigest()
        return {"path": str(self.path), "size": os.fstat(fd).st_size, "sha256_64k": head}

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
