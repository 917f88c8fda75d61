"""Compressing closed segments in a thread, for the run shall not wait for it."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import attrs
from mdm_core.log import get_logger
from mdm_core.rundir import open_private

_LEVEL = 1
_GZIP = 31
_CHUNK = 64 * 1024
_MOST_WAITING = 4

_log = get_logger("trace-jsonl")


@attrs.frozen
class Pack:
    """A compressed file that still has a temporary name.

    Attributes:
        segment: Number of the segment.
        temporary: The file, which is on the disk.
        size: Its length in bytes.
        sha256: Its SHA-256 in hexadecimal.
    """

    segment: int
    temporary: Path
    size: int
    sha256: str


class Packer:
    """Compresses one segment after the other; there is at most one thread."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[tuple[int, Future[Pack]]] = deque()

    def add(self, segment: int, plain: Path) -> None:
        """Have a segment compressed.

        Args:
            segment: Its number.
            plain: Its file.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "mdm-trace-pack")
        self._waiting.append((segment, self._thread.submit(pack, segment, plain)))

    def next_done(self, wait: bool = False) -> Pack | None:
        """Give the next one that is done, in order.

        Args:
            wait: Wait for it; too many are waited for at any time.

        Returns:
            None if there is none. One that could not be compressed is told of in the log and passed over.
        """
        while self._waiting:
            segment, future = self._waiting[0]
            if not (wait or future.done() or len(self._waiting) > _MOST_WAITING):
                return None
            error = future.exception()
            self._waiting.popleft()
            if error is None:
                return future.result()
            _log.warning("segment %d could not be compressed and stays as it is: %s", segment, type(error).__name__)
        return None

    def close(self) -> None:
        """Let go of the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
            self._waiting.clear()


def pack(segment: int, plain: Path) -> Pack:
    """Compress a file; equal files give equal bytes.

    Args:
        segment: Number of the segment.
        plain: The file.

    Raises:
        OSError: It cannot be read, or the compressed one cannot be written.
    """
    temporary = plain.with_name(f".{plain.name}.new")
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    digest, size = hashlib.sha256(), 0
    source = os.open(plain, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    # One buffer for all: chunks that come and go leave holes in the thread's heap, a megabyte in a million packets.
    chunk = memoryview(bytearray(_CHUNK))
    with open(source, "rb", buffering=0) as file, open(_new(temporary), "wb") as packed:
        more = True
        while more:
            filled = file.readinto(chunk)
            more = filled > 0
            out = squeeze.compress(chunk[:filled]) if more else squeeze.flush()
            packed.write(out)
            digest.update(out)
            size += len(out)
        packed.flush()
        os.fsync(packed.fileno())
    return Pack(segment, temporary, size, digest.hexdigest())


def _new(path: Path) -> int:
    return open_private(path, os.O_WRONLY | os.O_TRUNC)
