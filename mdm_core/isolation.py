"""Components in a process of their own, for code that no time limit in this process can break off.

The component that the builder made stays in the pipeline, unopened: it holds the options and the keyed states, and is
what core asks. The methods of its contract are put in its place by calls into a process in which the same component is
built once more. What is broken off in the middle of a call is killed, and started again for the next.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from random import Random
from typing import Any

from mdm_core.channel import Answer, Blueprint, Channel, Request, Returned, Start, context_of, key_of
from mdm_core.contracts import Component
from mdm_core.errors import ContractError
from mdm_core.failures import ProcessDied
from mdm_core.kinds import KINDS
from mdm_core.lifecycle import name_of, with_children
from mdm_core.log import get_logger
from mdm_core.state import Key, KeyedState, states_of
from mdm_core.values import Build, Context

_log = get_logger("isolation")
# In a thread that no signal reaches, this is how soon a wait is broken off.
_SLICE_MS = 20
_START_S = 10.0
_CLOSE_S = 10.0
_CHILD = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from mdm_core.isolated import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


def isolate(component: Component, blueprint: Blueprint) -> None:
    """Have a component and those that it holds do their work in a process of its own.

    Args:
        component: The outermost component, not opened yet.
        blueprint: What it was built from.
    """
    isolation = Isolation(component, blueprint)
    for number, part in enumerate(with_children(component)):
        instead: dict[str, Any] = {name: partial(isolation.call, number, name) for name in _own_methods(type(part))}
        if "poll" in instead:
            instead["poll"] = partial(isolation.poll, number)
        instead["open"] = partial(isolation.open, number)
        instead["close"] = isolation.close
        for name, method in instead.items():
            object.__setattr__(part, name, method)


def _own_methods(cls: type) -> Iterator[str]:
    """The methods of a contract that a class has made its own."""
    for contract in (kind.contract for kind in KINDS if issubclass(cls, kind.contract)):
        for name in {*dir(contract), "hides"} - {"open", "close"}:
            own = getattr(cls, name, None)
            if not name.startswith("_") and callable(own) and own is not getattr(contract, name, None):
                yield name


class Isolation:
    """Asks the process of a component, starts it when there is none, and kills it when a call is broken off.

    Args:
        component: The outermost component.
        blueprint: What it was built from.
    """

    def __init__(self, component: Component, blueprint: Blueprint) -> None:
        self._component = component
        self._blueprint = blueprint
        self._parts = list(with_children(component))
        self._states: list[list[KeyedState[Any]]] = [
            [s for inner in with_children(part) for s in states_of(inner).values()] if blueprint.decides else []
            for part in self._parts
        ]
        self._build: Build | None = None
        self._opened: list[int] = []
        self._process: _Process | None = None

    def open(self, part: int, build: Build) -> None:
        """Open a part in the process; if it was open before, see to it that there is a process.

        Args:
            part: Its number.
            build: The surroundings.
        """
        if build is not self._build:
            self._end()
            self._build, self._opened = build, []
        if part in self._opened:
            self._running()
            return
        object.__setattr__(self._parts[part], "notice", self.call(part, "open", build))
        self._opened.append(part)

    def close(self) -> None:
        """Close all parts, for which there are ten seconds, and end the process; nothing more the second time."""
        process = self._process
        try:
            if process is not None and process.ready and not process.busy:
                process.patience = time.monotonic() + _CLOSE_S
                self.call(len(self._parts) - 1, "close")
        finally:
            self._end()

    def call(self, part: int, method: str, *arguments: Any) -> Any:
        """Call a method of a part.

        Args:
            part: Its number.
            method: The method's name.
            arguments: The arguments.

        Raises:
            ProcessDied: The process ended.
        """
        answer = self._ask(part, method, arguments)
        if answer.thrown is not None:
            answer.thrown.throw()
        return answer.value if answer.same is None else arguments[answer.same]

    def poll(self, part: int) -> Iterator[Any]:
        """Call ``poll`` of a part, which may have answers before it fails.

        Args:
            part: Its number.
        """
        answer = self._ask(part, "poll", ())
        yield from answer.value or ()
        if answer.thrown is not None:
            answer.thrown.throw()

    def _ask(self, part: int, method: str, arguments: tuple[Any, ...]) -> Answer:
        key, states = key_of(arguments), self._states[part]
        request = Request(part, method, arguments, key, [_lent(state, key) for state in states])
        answer = self._exchange(pickle.dumps(request, pickle.HIGHEST_PROTOCOL))
        context = context_of(arguments)
        if context is not None and answer.context is not None:
            _write_back(context, *answer.context)
        for state, returned in zip(states, answer.states, strict=False):
            _take_back(state, returned)
        return answer

    def _exchange(self, message: bytes) -> Answer:
        process = self._process
        if process is None or process.busy or not process.ready:
            with _time_to_start():
                process = self._running()
        return self._guarded(process.ask, message)

    def _running(self) -> _Process:
        """The process, started if there is none."""
        if self._process is not None and self._process.busy:  # ending it was broken off as well
            self._end()
        if self._process is None:
            self._process = _Process(Start(self._blueprint, self._build, self._opened))
        if not self._process.ready:
            self._await_start(self._process)
        return self._process

    def _await_start(self, process: _Process) -> None:
        # A start that takes longer than a time limit goes on, or it would never come to an end.
        try:
            process.wait()
        except (OSError, EOFError) as error:
            raise self._died() from error
        answer = self._guarded(process.take)
        if answer.thrown is not None:
            self._end()
            answer.thrown.throw()
        process.ready = True

    def _guarded(self, function: Callable[..., bytes], *arguments: Any) -> Answer:
        """End the process if anything goes wrong, also in this one: it may answer late, or never."""
        try:
            reply = function(*arguments)
        except (OSError, EOFError) as error:
            raise self._died() from error
        except BaseException:
            self._end()
            raise
        return _unpacked(reply)

    def _died(self) -> ProcessDied:
        process = self._process
        self._end()
        how = "" if process is None else process.how_it_ended
        _log.error("%s: its process ended: %s", name_of(self._component), how)
        return ProcessDied(how)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None


class _Process:
    """One process, from its start to its end.

    Attributes:
        ready: Whether it has said that its component is built and open.
        busy: Whether it has been asked and not answered, or is being ended.
        patience: When a wait for it ends at the latest, by ``time.monotonic``; None for never.
    """

    def __init__(self, start: Start) -> None:
        self.ready = self.busy = False
        self.patience: float | None = None
        self._number = 0
        ours, theirs = socket.socketpair()
        self._lifeline, end = socket.socketpair()
        with theirs, end:
            self._child = _spawn(theirs.fileno(), end.fileno())
        self._channel = Channel(ours, _SLICE_MS, self._check)
        with suppress(OSError):  # whoever waits for it will learn that it is gone
            self._channel.send(self._number, pickle.dumps(start, pickle.HIGHEST_PROTOCOL))

    @property
    def how_it_ended(self) -> str:
        """A signal or an exit code."""
        code = self._child.wait()
        return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"

    def ask(self, message: bytes) -> bytes:
        """Send a message and wait for the answer.

        Raises:
            OSError: It is gone.
            EOFError: It is gone.
        """
        self.busy = True
        self._number += 1
        self._channel.send(self._number, message)
        return self.take()

    def take(self) -> bytes:
        """Wait for the answer to the last message, and for nothing else that may come."""
        self.busy = True
        number, reply = self._channel.receive()
        if number != self._number:
            raise EOFError
        self.busy = False
        return reply

    def wait(self) -> None:
        """Wait until there is something to take."""
        self._channel.wait()

    def kill(self) -> None:
        """End it, with all that it has started, and leave nothing behind; may be repeated."""
        self.busy = True
        if self._child.returncode is None:
            for kill in (os.killpg, os.kill):  # it may have left its group
                with suppress(ProcessLookupError):
                    kill(self._child.pid, signal.SIGKILL)
            self._child.wait()
        self._channel.close()
        self._lifeline.close()

    def _check(self) -> None:
        # A copy that it has made of itself may keep the channel open.
        ended = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None or (self.patience is not None and time.monotonic() > self.patience):
            raise EOFError


@contextmanager
def _time_to_start() -> Iterator[None]:
    """Let a start have its own time in place of what is left of a time limit; only the main thread's can be stopped."""
    left, again = 0.0, 0.0
    if threading.current_thread() is threading.main_thread():
        left, again = signal.getitimer(signal.ITIMER_REAL)
    if left:
        signal.setitimer(signal.ITIMER_REAL, max(left, _START_S), again)
    try:
        yield
    finally:
        if left:
            signal.setitimer(signal.ITIMER_REAL, left, again)


def _spawn(end: int, lifeline: int) -> subprocess.Popen[bytes]:
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    paths = [path for path in sys.path if isinstance(path, str)]
    return subprocess.Popen(
        [sys.executable, *flags, "-c", _CHILD, str(end), str(lifeline), *paths],
        stdin=subprocess.DEVNULL,
        stdout=2,  # standard error: standard output is the run's
        pass_fds=(end, lifeline),
        start_new_session=True,
    )


def _lent(state: KeyedState[Any], key: Key) -> dict[Key, bytes]:
    return {k: state.export(k) for k in {key, None} if k in state}


def _take_back(state: KeyedState[Any], returned: Returned) -> None:
    for key, used, data in returned:
        if used:
            state[key]  # made, if it is new
        if data is not None:
            state.replace(key, data)


def _write_back(context: Context, items: dict[str, Any], generators: dict[str, Random] | None) -> None:
    for name in context.keys() - items.keys():
        del context[name]
    context.update(items)
    if generators is not None:
        context._generators = generators


def _unpacked(reply: bytes) -> Answer:
    try:
        answer: Answer = pickle.loads(reply)
    except Exception as error:
        raise ContractError("the answer cannot be brought to the run") from error
    return answer
