"""Noticing what code does to the world while it runs: files that are written, processes, connections."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_HARMLESS: Final = ("/dev/null",)
_EVENTS: Final = frozenset(
    (
        *("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty"),
        *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"),
        *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"),
        *("socket.__new__", "urllib.Request", "shutil.copyfile", "shutil.move", "shutil.rmtree"),
    )
)
_watches: list[list[str]] = []
_hooked = False


@contextmanager
def watching() -> Iterator[list[str]]:
    """Note what is done to the world; an audit hook cannot be removed, so it stays, and does nothing.

    Yields:
        What was done, in words; it grows.
    """
    global _hooked
    if not _hooked:
        sys.addaudithook(_note)
        _hooked = True
    seen: list[str] = []
    _watches.append(seen)
    try:
        yield seen
    finally:
        _watches.remove(seen)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watches:
        return
    if event == "open":
        path, mode, flags = arguments
        if _writes(mode, flags) and str(path) not in _HARMLESS and not str(path).endswith(".pyc"):
            _watches[-1].append(f"opened {str(path)!r} for writing")
    elif event in _EVENTS:
        _watches[-1].append(f"{event} {' '.join(ascii(a) for a in arguments[:2])}"[:120])


def _writes(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & _WRITING)
