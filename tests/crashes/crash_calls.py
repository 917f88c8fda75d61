"""What stands between a run and its disk: every call that changes what the disk holds goes by here.

Installed in a process that was forked for it, and never taken out again.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import attrs

DEAD = 9

_BY_FD = ("write", "fdatasync", "fsync", "ftruncate")
_BY_PATH = ("open", "replace", "rename", "unlink", "mkdir")
_REAL: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in (*_BY_FD, *_BY_PATH)}


def die() -> NoReturn:
    """End the process as SIGKILL would: nothing is cleaned up, and no buffer written out."""
    os._exit(DEAD)


@attrs.frozen
class Call:
    """A call to the operating system.

    Attributes:
        name: Such as ``write``.
        path: The file or directory that it changes.
        arguments: All of them.
    """

    name: str
    path: Path
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.path.name}"

    def by_half(self) -> None:
        """Make it, but only half of it, if it is a write."""
        if self.name == "write":
            fd, data = self.arguments
            _REAL["write"](fd, bytes(data)[: len(data) // 2])


class Layer:
    """Sees each call that changes a disk.

    Args:
        disk: The directory that is the disk; calls for other places are none of its business.

    Attributes:
        calls: What was called.
        report: What whoever started the process may want to know.
    """

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.calls: list[Call] = []
        self.report: dict[str, Any] = {}

    def install(self) -> None:
        """See all calls of this process from now on."""
        for name in _BY_FD:
            setattr(os, name, self._seen(name, lambda fd, *_: Path(os.readlink(f"/proc/self/fd/{fd}"))))
        for name in _BY_PATH:
            setattr(os, name, self._seen(name, lambda path, *_: Path(path)))
        # Its files write by os.write, which those of io do not.
        vars(os)["fdopen"] = import_module("_pyio").open

    def before(self, call: Call) -> None:
        """See a call that is about to be made; raise, and it is not.

        Args:
            call: The call.
        """

    def after(self, call: Call) -> None:
        """See a call that was made.

        Args:
            call: The call.
        """

    def _seen(self, name: str, path_of: Callable[..., Path]) -> Callable[..., Any]:
        real = _REAL[name]

        def call(*arguments: Any, **named: Any) -> Any:
            path = path_of(*arguments)
            only_reads = name == "open" and not arguments[1] & os.O_CREAT
            if only_reads or self.disk not in (path, *path.parents):
                return real(*arguments, **named)
            seen = Call(name, path, arguments)
            self.calls.append(seen)
            self.before(seen)
            answer = real(*arguments, **named)
            self.after(seen)
            return answer

        return call


class Death(Layer):
    """Ends the process at a call.

    Args:
        disk: The directory that is the disk.
        at: Number of the call, from 1.
        torn: Whether a write at which it dies is half done; else it is not done at all.
    """

    def __init__(self, disk: Path, at: int, torn: bool = False) -> None:
        super().__init__(disk)
        self._at = at
        self._torn = torn

    def before(self, call: Call) -> None:
        """Die when it is time."""
        if len(self.calls) == self._at:
            if self._torn:
                call.by_half()
            die()


class Fault(Layer):
    """Lets a call fail.

    Args:
        disk: The directory that is the disk.
        at: Number of the call, from 1.
        error: What it fails with.
        for_ever: Whether all that come after it fail, too.
        count: Counts what has happened in the world.
    """

    def __init__(self, disk: Path, at: int, error: int, for_ever: bool, count: Callable[[], int]) -> None:
        super().__init__(disk)
        self._at = at
        self._error = error
        self._for_ever = for_ever
        self._count = count

    def before(self, call: Call) -> None:
        """Fail when it is time."""
        number = len(self.calls)
        if number == self._at:
            self.report = {"failed": str(call), "attempts": self._count()}
        if number == self._at or (number > self._at and self._for_ever):
            raise OSError(self._error, os.strerror(self._error), str(call.path))


class PowerLoss(Layer):
    """Ends the process at a call, and the disk forgets what was not synced: contents of files, names in directories.

    Args:
        disk: The directory that is the disk; what is there now is safe.
        at: Number of the call, from 1.
        chance: Draws what is left of what was not synced: any part of each file's end, any of the changed names.
            Without it, nothing is.
    """

    def __init__(self, disk: Path, at: int, chance: Random | None = None) -> None:
        super().__init__(disk)
        self._at = at
        self._chance = chance
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._take_in(disk)

    def before(self, call: Call) -> None:
        """Lose the power when it is time."""
        if len(self.calls) == self._at:
            if self._chance is not None and self._chance.random() < 0.5:
                call.by_half()
            self._lose()
            die()

    def after(self, call: Call) -> None:
        """Remember what is safe."""
        if call.name in ("fsync", "fdatasync"):
            self._sync(call.path)

    def _sync(self, path: Path) -> None:
        inode = _held(path)
        if path.is_dir():
            self._names[inode] = {child.name: _held(child) for child in path.iterdir()}
        else:
            self._contents[inode] = path.read_bytes()

    def _take_in(self, path: Path) -> None:
        if path.is_dir() or path.is_file():
            self._sync(path)
        for child in path.iterdir() if path.is_dir() else ():
            self._take_in(child)

    def _lose(self) -> None:
        for name, real in _REAL.items():
            setattr(os, name, real)
        left = self._left_of_directory(_held(self.disk), self.disk)
        shutil.rmtree(self.disk)
        _write(self.disk, left)

    def _left_of_directory(self, inode: int, now: Path | None) -> dict[str, Any]:
        safe = self._names.get(inode, {})
        present = {} if now is None else {child.name: _held(child) for child in now.iterdir()}
        left: dict[str, Any] = {}
        for name in sorted({*safe, *present}):
            of_now = self._chance is not None and self._chance.random() < 0.5
            child = (present if of_now else safe).get(name)
            if child is not None:
                left[name] = self._left(child)
        return {name: what for name, what in left.items() if what is not None}

    def _left(self, inode: int) -> dict[str, Any] | bytes | None:
        now = Path(f"/proc/self/fd/{_HELD[inode]}")
        mode = now.stat().st_mode
        if stat.S_ISDIR(mode):
            return self._left_of_directory(inode, now)
        if not stat.S_ISREG(mode):
            return None
        safe, present = self._contents.get(inode, b""), now.read_bytes()
        if self._chance is None:
            return safe
        if present.startswith(safe):
            return present[: self._chance.randint(len(safe), len(present))]
        return self._chance.choice([safe, present])


_HELD: dict[int, int] = {}


def _held(path: Path) -> int:
    """The file's number, which no other file can get while this process lives."""
    fd = _REAL["open"](path, os.O_PATH | os.O_CLOEXEC)
    inode = os.fstat(fd).st_ino
    if inode in _HELD:
        os.close(fd)
    else:
        _HELD[inode] = fd
    return inode


def _write(path: Path, left: dict[str, Any] | bytes) -> None:
    if isinstance(left, bytes):
        path.write_bytes(left)
        path.chmod(0o600)
        return
    path.mkdir(mode=0o700)
    for name, what in left.items():
        _write(path / name, what)
