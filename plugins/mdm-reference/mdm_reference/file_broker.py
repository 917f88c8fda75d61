"""A broker whose actions are lines in a file."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from pathlib import Path, PurePath
from typing import Any, ClassVar

import attrs
import msgspec
from mdm_core import Broker, Build, ConfigError, Order, Receipt, option
from mdm_core.log import get_logger
from mdm_core.state import Key

_log = get_logger("reference")
_DONE = Receipt("done")
_BEGINNING = b'{"idempotency_key":'
_OF_THE_RUN = re.compile(
    r"(run|summary|journal|checkpoints|dead_letter|retried|traces|security_audit|lock|control)\b|\."
)
_PATIENCE_S = 5.0
_NAP_S = 0.02
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class _Line(msgspec.Struct):
    idempotency_key: str
    action: str
    key: Key
    params: dict[str, Any]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def _check_inside(value: str) -> None:
    path = PurePath(value)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in value:
        raise ValueError(f"must be the path of a file inside the run's directory, got {value!r}")
    if _OF_THE_RUN.match(path.parts[0]):
        raise ValueError(f"must not be a name that the run itself may use, got {value!r}")


@attrs.define
class FileBroker(Broker):
    """Carries an order out by appending one JSON line to a file: idempotency key, action, key and params.

    A line is written whole, by one call to the operating system, before ``execute`` returns, so it survives the death
    of the process, though not of the machine. An order whose key the file holds already is not written again. The
    params are what the model gave: core does not redact what a broker needs to act, so the file, which only its owner
    can read, may hold secrets. The keys of all orders are kept in memory, about 125 bytes each. One process at a time
    has the file; another waits for up to five seconds, for one that was killed may take a moment to be gone.

    Attributes:
        repeats: How many orders came again under a key that the file holds.
    """

    idempotent: ClassVar[bool] = True

    path: str = option(
        "actions.jsonl",
        help="file inside the run's directory, or outside a run next to the pipeline file",
        check=_check_inside,
    )
    repeats: int = attrs.field(init=False, default=0)
    _fd: int = attrs.field(init=False, default=-1, repr=False)
    _keys: set[str] = attrs.field(init=False, factory=set, repr=False)

    def open(self, build: Build) -> None:
        """Open the file, read the keys that it holds and cut a last line that was not written whole.

        Args:
            build: The surroundings.

        Raises:
            ConfigError: The file cannot be written, leads out of the directory, holds something else than actions, or
                another process has it.
        """
        root = build.base_dir if build.run_dir is None else build.run_dir
        path = root / self.path
        try:
            self._open(root, path)
        except OSError as error:
            reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
            raise ConfigError(f"{path} cannot be written: {reason}; choose another path") from None

    def counts(self) -> dict[str, int]:
        """Tell how many orders came again."""
        return {"repeats": self.repeats}

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def execute(self, order: Order) -> Receipt:
        """Append an order, unless the file holds its idempotency key.

        Args:
            order: What to carry out.

        Returns:
            ``done``; ``failed`` with kind ``rejected`` if the params cannot be written as JSON, or with kind ``error``
            if the file cannot be written; ``unknown`` if a part of the line could not be taken back.
        """
        if order.idempotency_key in self._keys:
            self.repeats += 1
            return _DONE
        line = _Line(order.idempotency_key, order.action.value, order.key, order.params)
        try:
            data = _encode(line) + b"\n"
        except (TypeError, ValueError, OverflowError, RecursionError):
            return Receipt("failed", "rejected")
        return self._append(order.idempotency_key, data)

    def resolve(self, idempotency_key: str) -> Receipt:
        """Find out whether an order is in the file.

        Args:
            idempotency_key: The order's key.

        Returns:
            ``done`` or ``failed``.
        """
        return _DONE if idempotency_key in self._keys else Receipt("failed", "error")

    def _append(self, key: str, data: bytes) -> Receipt:
        written = 0
        try:
            written = os.write(self._fd, data)
            if written == len(data):
                self._keys.add(key)
                return _DONE
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
        except OSError:
            if written:
                # Nothing may follow a part of a line; the next open cuts it.
                self.close()
                return Receipt("unknown", "error")
        return Receipt("failed", "error")

    def _open(self, root: Path, path: Path) -> None:
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"{path} leads out of {root} by a link; choose another path")
        _make_directories(root, path.parent)
        self._fd = os.open(path, _FLAGS, 0o600)
        made = os.fstat(self._fd)
        if not stat.S_ISREG(made.st_mode):
            raise ConfigError(f"{path} is no plain file; choose another path")
        if made.st_nlink > 1:
            raise ConfigError(f"{path} is also a file under another name; choose another path")
        self._wait_for_turn(path)
        self._keys = self._read(path)
        os.fchmod(self._fd, 0o600)

    def _wait_for_turn(self, path: Path) -> None:
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise ConfigError(f"another process writes {path}; wait until it has ended") from None
                time.sleep(_NAP_S)
            else:
                return

    def _read(self, path: Path) -> set[str]:
        keys: set[str] = set()
        size = 0
        with open(self._fd, "rb", closefd=False) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    self._cut(path, number, line, size)
                    break
                keys.add(self._key_of(path, number, line))
                size += len(line)
        return keys

    def _key_of(self, path: Path, number: int, line: bytes) -> str:
        try:
            return _decode(line).idempotency_key
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _foreign(path, number) from None

    def _cut(self, path: Path, number: int, line: bytes, size: int) -> None:
        # After a power failure there may be zeros where the file system had no time to write.
        start = line.rstrip(b"\0")[: len(_BEGINNING)]
        if start != _BEGINNING[: len(start)]:
            raise _foreign(path, number)
        os.ftruncate(self._fd, size)
        _log.warning("%s: cut line %d, which was not written whole", path, number)


def _make_directories(root: Path, directory: Path) -> None:
    missing = [directory, *directory.parents]
    for path in reversed(missing[: missing.index(root)]):
        path.mkdir(mode=0o700, exist_ok=True)


def _foreign(path: Path, number: int) -> ConfigError:
    return ConfigError(f"line {number} of {path} is no action; move the file away or choose another path")
