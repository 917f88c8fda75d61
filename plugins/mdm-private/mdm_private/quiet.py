"""Keeping what a thread says away from standard output and standard error, and what others say not."""

from __future__ import annotations

import io
import sys
from threading import Lock, get_ident
from typing import Any, TextIO, cast

_lock = Lock()
_quiet: set[int] = set()
_loud: list[TextIO] = []


class _Nothing(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return len(data)


_NOWHERE = io.TextIOWrapper(cast(Any, _Nothing()), encoding="utf-8", errors="replace", write_through=True)


class _Stream:
    """Leads nowhere for the threads that are quiet, and to the stream whose place it takes for all others."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(_NOWHERE if get_ident() in _quiet else self._stream, name)


def begin_quiet() -> None:
    """Take the calling thread's words away: prints, warnings, and log records that nobody else handles."""
    with _lock:
        if not _quiet:
            _loud[:] = sys.stdout, sys.stderr
            sys.stdout, sys.stderr = (cast(TextIO, _Stream(stream)) for stream in _loud)
        _quiet.add(get_ident())


def end_quiet() -> None:
    """Give the calling thread its words back; once no thread is quiet, the streams are what they were."""
    with _lock:
        _quiet.discard(get_ident())
        if not _quiet and _loud:
            sys.stdout, sys.stderr = _loud
            _loud.clear()
