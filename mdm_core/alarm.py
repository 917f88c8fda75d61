"""Breaking off what runs too long, in the thread that it runs in."""

from __future__ import annotations

import ctypes
import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from mdm_core.errors import TimedOut
from mdm_core.failures import BreakOff

T = TypeVar("T")

# Code that catches everything, or cleans up for long, is broken off again.
_AGAIN_S = 0.05
# Of a longer time the operating system's timer knows nothing; it is three years.
_LONGEST_S = 1e8
# Files whose functions are called when an object goes.
_CALLBACKS = frozenset(
    {weakref.WeakSet.__init__.__code__.co_filename, weakref.WeakValueDictionary.__init__.__code__.co_filename}
)


class TimeIsUp(BreakOff):
    """Raised into a component whose time is up."""


class _Over(BreakOff):
    """Raised by a thread into itself, in place of an alarm that would come too late."""


class _SignalAlarm:
    """For the main thread: a timer of the operating system, which also breaks off a wait for input, a lock or sleep."""

    def __init__(self) -> None:
        self._deadline: float | None = None

    def call(self, seconds: float, function: Callable[..., T], *arguments: Any) -> T:
        if signal.getsignal(signal.SIGALRM) != self._ring:
            signal.signal(signal.SIGALRM, self._ring)
        outer = self._deadline
        deadline = time.monotonic() + seconds
        if outer is not None:
            deadline = min(deadline, outer)
        try:
            try:
                self._deadline = deadline
                _set_timer(deadline)
                return function(*arguments)
            finally:
                self._deadline = outer
        finally:
            # Out here because the timer may ring in the line above, and then not again for a while.
            self._deadline = outer
            _set_timer(outer)

    def _ring(self, _number: int, frame: FrameType | None) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        if not _is_unheard(frame):  # else it rings again in a moment
            raise TimeIsUp


def _is_unheard(frame: FrameType | None) -> bool:
    """Whether what is raised there breaks nothing off, but is only printed: in what is called when an object goes."""
    while frame is not None and frame.f_code is _SignalAlarm._ring.__code__:
        frame = frame.f_back  # it rang while it rang
    if frame is None:
        return False
    code = frame.f_code
    return code.co_filename in _CALLBACKS or any(getattr(call, "__code__", None) is code for call in gc.callbacks)


def _set_timer(deadline: float | None) -> None:
    if deadline is None:
        signal.setitimer(signal.ITIMER_REAL, 0)
    else:
        # Nought would mean never.
        signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 1e-6), _AGAIN_S)


class _Watch:
    """One call that is watched."""

    def __init__(self, deadline: float) -> None:
        self.thread = threading.get_ident()
        self.deadline = deadline
        self.rang = False


class _ThreadAlarm:
    """For other threads: one thread watches them all. It breaks off Python code, but no wait inside a C function."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watches: list[_Watch] = []
        self._thread: threading.Thread | None = None

    def call(self, seconds: float, function: Callable[..., T], *arguments: Any) -> T:
        watch = _Watch(time.monotonic() + seconds)
        try:
            try:
                self._add(watch)
                return function(*arguments)
            finally:
                self._remove(watch)
        finally:
            self._remove(watch)  # once more, should the time have been up in the line above

    def _add(self, watch: _Watch) -> None:
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="mdm-alarm", daemon=True)
                self._thread.start()
            self._watches.append(watch)
            self._changed.notify()

    def _remove(self, watch: _Watch) -> None:
        with self._changed:
            if watch in self._watches:
                self._watches.remove(watch)
        if watch.rang:
            # An alarm may be on its way yet. It cannot be called off: that would leave the interpreter looking for it
            # for ever, which is slow, and under a debugger endless. But another exception can take its place.
            try:
                _raise_in(watch.thread, _Over)
                while True:
                    pass
            except _Over:
                pass

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for watch in self._watches:
                    if watch.deadline <= now:
                        watch.rang = True
                        _raise_in(watch.thread, TimeIsUp)
                        watch.deadline = now + _AGAIN_S
                self._changed.wait(min((w.deadline - now for w in self._watches), default=None))


def _raise_in(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


_main, _others = _SignalAlarm(), _ThreadAlarm()


def call_within(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function and break it off when its time is up.

    Python code is broken off at its next bytecode; a C function that neither returns nor listens to signals is not.
    Calls may be nested: the nearest deadline counts, and the outer one still does when the inner call is over.

    Args:
        seconds: Its time.
        function: The function.
        arguments: Its arguments.

    Raises:
        TimeIsUp: Its time is up.
    """
    if seconds <= 0:
        raise TimeIsUp
    alarm = _main if threading.current_thread() is threading.main_thread() else _others
    return alarm.call(min(seconds, _LONGEST_S), function, *arguments)


def limited(stage: str, timeout_ms: int | None, method: Callable[..., T]) -> Callable[..., T]:
    """Put a method under a time limit; without one it is given back as it is, and costs nothing.

    Args:
        stage: For the reason code, such as ``broker``.
        timeout_ms: The limit, or None.
        method: The method.

    Returns:
        The same method; one that raises ``TimedOut`` when its time is up.
    """
    if timeout_ms is None:
        return method
    seconds = timeout_ms / 1000

    def call(*arguments: Any) -> T:
        try:
            return call_within(seconds, method, *arguments)
        except TimeIsUp:
            raise TimedOut(f"{stage}_timeout") from None

    return call
