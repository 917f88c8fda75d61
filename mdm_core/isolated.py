"""The process of an isolated component, from inside."""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from mdm_core.building import Builder
from mdm_core.channel import Answer, Channel, Lent, Request, Returned, Start, Thrown, context_of
from mdm_core.config import Config
from mdm_core.contracts import Component
from mdm_core.errors import ContractError
from mdm_core.lifecycle import with_children
from mdm_core.plugins import Registry
from mdm_core.state import Key, KeyedState, states_of

_LARGEST = 64 << 20


def main(end: int, lifeline: int) -> None:
    """Build a component and answer calls of its methods until the other side is gone.

    Args:
        end: File descriptor of this side's end of the channel.
        lifeline: File descriptor of a socket that hangs up when the other side ends.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave_it_to_the_run)
    for descriptor in (end, lifeline):
        os.set_inheritable(descriptor, False)
    _end_with(lifeline)
    sys.stdout = sys.stderr  # as the file descriptors are: standard output is the run's
    channel = Channel(socket.socket(fileno=end))
    with suppress(EOFError, ConnectionError):
        _serve(channel)


def _serve(channel: Channel) -> None:
    number, message = channel.receive()
    try:
        host = Host(pickle.loads(message))
    except BaseException as error:
        channel.send(number, _packed(Answer(thrown=Thrown.of(error, str(error)))))
        return
    channel.send(number, _packed(Answer()))
    while True:
        number, message = channel.receive()
        channel.send(number, _packed(host.answer(message)))


def _leave_it_to_the_run(_number: int, _frame: object) -> None:
    """Handle a signal that the run decides about; to ignore it would make programs started from here ignore it too."""


def _end_with(lifeline: int) -> None:
    """Have the operating system end this process, whatever it is doing, when a socket hangs up."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):  # it hung up before
        sys.exit()


class Host:
    """Holds the component and calls its methods.

    Args:
        start: What to build, and which of its parts to open.
    """

    def __init__(self, start: Start) -> None:
        plan = start.blueprint
        builder = Builder(Config(plan.path, {plan.section: plan.table}, {}), Registry())
        built = builder.all_of(plan.section)
        builder.finish()
        self._parts = list(with_children(built[0].component))
        self._states = _borrowing(self._parts) if plan.decides else [[] for _ in self._parts]
        self._opened: list[Component] = []
        for part in start.opened:
            self._open(self._parts[part], start.build)

    def answer(self, message: bytes) -> Answer:
        """Do what is asked.

        Args:
            message: A pickled ``Request``.
        """
        try:
            request: Request = pickle.loads(message)
            states = self._states[request.part]
            for state, lent in zip(states, request.lent, strict=True):
                state.lend(lent)
            answer = self._call(request)
            context = context_of(request.arguments)
            if context is not None:
                answer = answer._replace(context=(dict(context), getattr(context, "_generators", None)))
            return answer._replace(states=[state.give_back(request.key) for state in states])
        except BaseException as error:
            return Answer(thrown=Thrown.of(error))

    def _call(self, request: Request) -> Answer:
        part, arguments = self._parts[request.part], request.arguments
        value: Any = None
        try:
            if request.method == "open":
                value = self._open(part, *arguments)
            elif request.method == "close":
                self._close()
            elif request.method == "poll":
                value = []
                value.extend(getattr(part, request.method)())  # so that those before an error are not lost
            else:
                value = getattr(part, request.method)(*arguments)
        except BaseException as error:
            return Answer(value, thrown=Thrown.of(error, str(error) if request.method == "open" else ""))
        same = next((number for number, argument in enumerate(arguments) if argument is value), None)
        return Answer(value) if same is None else Answer(same=same)

    def _open(self, part: Component, build: Any) -> str:
        self._opened.append(part)
        part.open(build)
        return part.notice

    def _close(self) -> None:
        first: BaseException | None = None
        while self._opened:
            try:
                self._opened.pop().close()
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first


class Borrowed(KeyedState[Any]):
    """Holds, for one call, the states of its key and of global scope, and notes which of them it used."""

    __slots__ = ("_lent", "_seen", "_used")

    @classmethod
    def of(cls, state: KeyedState[Any]) -> Borrowed:
        """Make one of the same type of state."""
        return cls(state._factory, state.max_keys)  # type: ignore[arg-type] # the type that it was made from

    def __init__(self, factory: type[Any], max_keys: int) -> None:
        super().__init__(factory, max_keys)
        self.lend({})

    def __getitem__(self, key: Key) -> Any:
        self._used.add(key)
        self._seen.add(key)
        return super().__getitem__(key)

    def peek(self, key: Key) -> Any:
        """Look at a key's state without making it and without counting as a use."""
        self._seen.add(key)
        return super().peek(key)

    def lend(self, lent: Lent) -> None:
        """Forget everything, and hold this instead.

        Args:
            lent: Key to state.
        """
        self._lent = lent
        self._seen: set[Key] = set()
        self._used: set[Key] = set()
        self._states.clear()
        for key, data in lent.items():
            self.load(key, data)

    def give_back(self, key: Key) -> Returned:
        """Say what became of what was lent.

        Args:
            key: The call's key.

        Raises:
            ContractError: The component used the state of another key.
        """
        if not self._used <= {key, None}:
            raise ContractError("an isolated component has the state of its event's key and that of None")
        return [(k, k in self._used, self._changed(k)) for k in self if k in self._seen]

    def _changed(self, key: Key) -> bytes | None:
        data = self.export(key)
        return None if data == self._lent.get(key) else data


def _borrowing(parts: list[Component]) -> list[list[Borrowed]]:
    """Let components hold borrowed states; for each, its own and those of what it holds."""
    of: dict[int, list[Borrowed]] = {}
    for part in parts:
        of[id(part)] = []
        for name, state in states_of(part).items():
            borrowed = Borrowed.of(state)
            object.__setattr__(part, name, borrowed)
            of[id(part)].append(borrowed)
    return [[state for inner in with_children(part) for state in of[id(inner)]] for part in parts]


def _packed(answer: Answer) -> bytes:
    try:
        packed = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except BaseException:
        packed = b""
    if packed and len(packed) <= _LARGEST:
        return packed
    refused = Thrown.of(ContractError("the answer cannot be brought to the run, or is larger than 64 MiB"))
    return pickle.dumps(Answer(thrown=refused, states=answer.states), pickle.HIGHEST_PROTOCOL)
