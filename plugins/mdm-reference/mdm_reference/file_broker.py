"""A broker whose actions are lines in a file."""

from __future__ import annotations

import os
import stat
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


@attrs.define
class FileBroker(Broker):
    """Carries an order out by appending one JSON line to a file: idempotency key, action, key and params.

    A line is written whole, by one call to the operating system, before ``execute`` returns, so it survives the death
    of the process, though not of the machine. An order whose key the file holds already is not written again. The
    params are what the model gave: core does not redact what a broker needs to act, so the file, which only its owner
    can read, may hold secrets. The keys of all orders are kept in memory, about 125 bytes each.
    """

    idempotent: ClassVar[bool] = True

    path: str = option(
        "actions.jsonl",
        help="file inside the run's directory, or outside a run next to the pipeline file",
        check=_check_inside,
    )
    _fd: int = attrs.field(init=False, default=-1, repr=False)
    _keys: set[str] = attrs.field(init=False, factory=set, repr=False)

    def open(self, build: Build) -> None:
        """Open the file, read the keys that it holds and cut a last line that was not written whole.

        Args:
            build: The surroundings.

        Raises:
            ConfigError: The file cannot be written, leads out of the directory, or holds something else than actions.
        """
        root = build.base_dir if build.run_dir is None else build.run_dir
        path = root / self.path
        try:
            self._open(root, path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}; choose another path") from None

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
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, _FLAGS, 0o600)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise ConfigError(f"{path} is no plain file; choose another path")
        self._keys = self._read(path)
        os.fchmod(self._fd, 0o600)

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
        if line[: len(_BEGINNING)] != _BEGINNING[: len(line)]:
            raise _foreign(path, number)
        os.ftruncate(self._fd, size)
        _log.warning("%s: cut line %d, which was not written whole", path, number)


def _foreign(path: Path, number: int) -> ConfigError:
    return ConfigError(f"line {number} of {path} is no action; move the file away or choose another path")
