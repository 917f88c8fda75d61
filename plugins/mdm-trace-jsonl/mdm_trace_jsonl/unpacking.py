"""A segment that can be read from anywhere, compressed or not."""

from __future__ import annotations

import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mdm_trace_jsonl.segments import PACKED

_CHUNK = 1024 * 1024
_GZIP = 31
# When unpacking fails, what came out of the last piece is lost.
_PIECE = 4096


def open_regular(path: Path) -> BinaryIO:
    """Open a file to be read, never through a symbolic link.

    Args:
        path: The file.

    Raises:
        OSError: It is a link, no regular file, or cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "it is no regular file")
    return open(fd, "rb")


class Unpacked:
    """The bytes of a segment; a compressed one is unpacked into a file without a name.

    Args:
        path: The segment; without one there are no bytes.
        most: Bytes after which unpacking ends, for a changed file may have no end.

    Raises:
        OSError: It cannot be read, is a symbolic link or no regular file.

    Attributes:
        size: How many bytes there are.
        problem: Why not all of it could be unpacked, or an empty text.
    """

    def __init__(self, path: Path | None = None, most: int = 0) -> None:
        self.problem = ""
        self._file = _nameless() if path is None else open_regular(path)
        if path is not None and path.name.endswith(PACKED):
            with self._file as packed:
                self._file = _nameless()
                self._unpack(packed, most)
        self.size = os.fstat(self._file.fileno()).st_size

    def parts(self, offset: int, size: int) -> Iterator[bytes]:
        """Read bit by bit; less than asked for comes only if there is not more.

        Args:
            offset: Where.
            size: How much.

        Yields:
            The bytes.
        """
        while size > 0 and (part := os.pread(self._file.fileno(), min(size, _CHUNK), offset)):
            yield part
            offset += len(part)
            size -= len(part)

    def close(self) -> None:
        """Close; what was unpacked is gone."""
        self._file.close()

    def _unpack(self, packed: BinaryIO, most: int) -> None:
        expand, size = zlib.decompressobj(_GZIP), 0
        try:
            while size < most and not expand.eof and (part := expand.unconsumed_tail or packed.read(_PIECE)):
                size += self._file.write(expand.decompress(part, _CHUNK))
        except zlib.error:
            self.problem = "cannot be unpacked to its end"
        else:
            if not expand.eof:
                self.problem = "does not end where it should"
        self._file.flush()


def _nameless() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile())
