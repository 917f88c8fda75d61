"""Making a file whole again that a crash left with half a line at its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
from mdm_core.log import get_logger

from mdm_trace_jsonl.reading import MAX_LINE

_BLOCK = 64 * 1024

_log = get_logger("trace-jsonl")


def mend_tail(fd: int, path: Path) -> None:
    """End the last line of a file, or cut it off if it is only half a record.

    Otherwise the next line would be glued to it, and a loss that is known would become a corrupt line.

    Args:
        fd: The file, open for reading and appending.
        path: Its name, for the log.

    Raises:
        OSError: The file does not end as JSON lines do.
    """
    size = os.fstat(fd).st_size
    start = _start_of_last_line(fd, size)
    if start == size:
        return
    tail = os.pread(fd, min(size - start, MAX_LINE), start)
    if _is_whole(tail):
        os.write(fd, b"\n")
        return
    # A power cut may leave zeros where the record would have been.
    if size - start > MAX_LINE or (tail[:1] != b"{" and tail.strip(b"\0")):
        raise OSError(0, "it exists and does not hold JSON lines")
    os.ftruncate(fd, start)
    _log.warning("%s: half a line of %d bytes at the end was cut off", path, len(tail))


def _start_of_last_line(fd: int, size: int) -> int:
    end = size
    while end:
        begin = max(end - _BLOCK, 0)
        newline = os.pread(fd, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def _is_whole(tail: bytes) -> bool:
    try:
        msgspec.json.decode(tail, type=dict[str, Any])
    except (ValueError, RecursionError):
        return False
    return True
