"""Making a file whole again that a crash left with half a line at its end."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from mdm_core.log import get_logger

from mdm_trace_jsonl.appending import AppendFile
from mdm_trace_jsonl.reading import MAX_LINE

_BLOCK = 64 * 1024

_log = get_logger("trace-jsonl")


def mend_tail(file: AppendFile) -> None:
    """End the last line of a file, or cut it off if it is only half a record.

    Otherwise the next line would be glued to it, and a loss that is known would become a corrupt line.

    Args:
        file: The file.

    Raises:
        OSError: The file does not end as JSON lines do.
    """
    start = _start_of_line(file.fd, file.size)
    if start == file.size:
        return
    tail = os.pread(file.fd, min(file.size - start, MAX_LINE), start)
    if _is_whole(tail):
        file.waiting += b"\n"
        file.write_out()
        return
    # A power cut may leave zeros where the record would have been.
    if file.size - start > MAX_LINE or (tail[:1] != b"{" and tail.strip(b"\0")):
        raise OSError(0, "it exists and does not hold JSON lines")
    _cut(file, start)


def cut_zeros(file: AppendFile, offset: int) -> None:
    """Cut a file off before a line with a zero byte in it: a power cut leaves these, JSON has none.

    Args:
        file: The file.
        offset: Where to begin to look.
    """
    while offset < file.size:
        part = os.pread(file.fd, _BLOCK, offset)
        zero = part.find(b"\0")
        if zero >= 0:
            _cut(file, _start_of_line(file.fd, offset + zero))
            return
        offset += len(part)


def _cut(file: AppendFile, size: int) -> None:
    _log.warning("%s: half a line of %d bytes at the end was cut off", file.path, file.size - size)
    file.cut(size)


def _start_of_line(fd: int, end: int) -> int:
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
