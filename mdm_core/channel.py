"""What passes between a run and the process of an isolated component: numbered messages, calls, answers, exceptions.

Messages are pickled: both sides are the same installation, and neither is a stranger to the other.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import FunctionType
from typing import Any, NamedTuple, NoReturn, TypeAlias

import attrs

from mdm_core.errors import ConfigError, StageError
from mdm_core.state import Key
from mdm_core.values import Build, Context, Decided, Executed, Settled

_HEADER = struct.Struct("<QQ")
_CHUNK = 1 << 16

Lent: TypeAlias = Mapping[Key, bytes]
"""What a keyed state holds of the keys of one call."""
Returned: TypeAlias = list[tuple[Key, bool, bytes | None]]
"""Key, whether it was used, and its state if that has changed."""


@attrs.frozen
class Blueprint:
    """What a component is built from.

    Attributes:
        path: The pipeline file.
        section: Such as ``model``.
        table: The component's table.
    """

    path: Path
    section: str
    table: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def decides(self) -> bool:
        """Whether it takes part in deciding, so that its keyed state belongs to the pipeline."""
        return self.section in ("features", "model", "modulators")


class Start(NamedTuple):
    """The first message: what to build, and which of its parts to open in which surroundings."""

    blueprint: Blueprint
    build: Build | None
    opened: list[int]


class Request(NamedTuple):
    """A call of a method. Parts are numbered, children before those that hold them."""

    part: int
    method: str
    arguments: tuple[Any, ...]
    key: Key
    lent: list[Lent]


class Answer(NamedTuple):
    """What came of a call.

    Attributes:
        value: What the method returned.
        same: The number of the argument that it returned, in place of the value.
        thrown: What it raised.
        context: The items of the context and the generators that have drawn, both as they are now.
        states: What became of what was lent.
    """

    value: Any = None
    same: int | None = None
    thrown: Thrown | None = None
    context: tuple[dict[str, Any], dict[str, Random] | None] | None = None
    states: list[Returned] = []


def context_of(arguments: tuple[Any, ...]) -> Context | None:
    """Find the context among the arguments of a method: it stands last, or in the fact that does."""
    last = arguments[-1] if arguments else None
    if isinstance(last, Decided):
        last = last.context
    return last if isinstance(last, Context) else None


def key_of(arguments: tuple[Any, ...]) -> Key:
    """Find the key that a call is about, or None."""
    context = context_of(arguments)
    if context is not None:
        return context.key
    last = arguments[-1] if arguments else None
    return last.order.key if isinstance(last, Executed | Settled) else None


class Channel:
    """Numbered messages over a socket.

    Args:
        end: This side's end.
        slice_ms: How often ``waiting`` is called during a wait, or None for never.
        waiting: May raise.
    """

    def __init__(
        self, end: socket.socket, slice_ms: int | None = None, waiting: Callable[[], object] = lambda: None
    ) -> None:
        self._end = end
        self._slice_ms = slice_ms
        self._waiting = waiting
        self._poll = {event: select.poll() for event in (select.POLLIN, select.POLLOUT)}
        for event, poll in self._poll.items():
            poll.register(end, event)
        self._received = bytearray()

    def send(self, number: int, message: bytes) -> None:
        """Send a message.

        Args:
            number: Its number.
            message: The message.

        Raises:
            OSError: The other side is gone.
        """
        rest = memoryview(_HEADER.pack(number, len(message)) + message)
        while rest:
            try:
                rest = rest[self._end.send(rest, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                self.wait(select.POLLOUT)

    def receive(self) -> tuple[int, bytes]:
        """Wait for a message.

        Returns:
            Its number, and the message.

        Raises:
            EOFError: The other side is gone.
        """
        begin = _HEADER.size
        self._fill(begin)
        number, length = _HEADER.unpack_from(self._received)
        self._fill(begin + length)
        message = bytes(self._received[begin : begin + length])
        del self._received[: begin + length]
        return number, message

    def wait(self, event: int = select.POLLIN) -> None:
        """Wait until there is something to receive, or room to send."""
        poll = self._poll[event].poll
        while not poll(self._slice_ms):
            self._waiting()

    def close(self) -> None:
        """Close this side's end."""
        self._end.close()

    def _fill(self, size: int) -> None:
        while len(self._received) < size:
            self.wait()
            chunk = self._end.recv(_CHUNK)
            if not chunk:
                raise EOFError
            self._received += chunk


# Those that core tells apart; of every other exception its name is enough. The first that fits counts.
_BASES: tuple[type[Exception], ...] = (
    *(StageError, ConfigError, OSError, NotImplementedError, RecursionError),
    Exception,
)
_TOLD: dict[type[Exception], tuple[str, ...]] = {
    StageError: ("reason_code", "error"),
    ConfigError: ("problems",),
    OSError: ("errno", "strerror"),
}


@attrs.frozen
class Thrown:
    """An exception on its way to the other side: what core may tell of it.

    Attributes:
        name: Its type's name.
        base: The type that core knows it by.
        told: Those of its attributes that core tells.
        file: File of the innermost frame.
        line: Line there.
        text: Its message, if that may be told.
    """

    name: str
    base: type[Exception]
    told: Mapping[str, Any]
    file: str
    line: int
    text: str = ""

    @classmethod
    def of(cls, error: BaseException, text: str = "") -> Thrown:
        """Pack an exception.

        Args:
            error: The exception.
            text: Its message, if that may be told: messages carry data.
        """
        base = next((base for base in _BASES if isinstance(error, base)), Exception)
        told = {name: getattr(error, name) for name in _TOLD.get(base, ())}
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        file, line = ("", 1) if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        return cls(type(error).__name__, base, told, file, line, text)

    def throw(self) -> NoReturn:
        """Raise an exception of that name and base, which looks as if it came from the same place."""
        known = self.base.__name__ == self.name
        kind: type[Exception] = self.base if known else type(self.name, (self.base,), {})
        error = kind.__new__(kind)
        error.args = (self.text,) if self.text else ()
        for name, value in self.told.items():
            setattr(error, name, value)
        # The line after that of its `def`.
        code = _throw.__code__.replace(co_filename=self.file, co_firstlineno=self.line - 1)
        FunctionType(code, {})(error)
        raise AssertionError("never reached")


def _throw(error: BaseException) -> NoReturn:
    raise error
