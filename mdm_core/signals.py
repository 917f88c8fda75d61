"""Ending a run cleanly when the operating system asks for it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from mdm_core.failures import BreakOff


class Interrupted(BreakOff):
    """Raised out of a source that waits for input, or a retry that waits for its time, when the run is to end."""


class StopSignals:
    """While it is entered, the first SIGINT or SIGTERM asks a run to end; the second ends the process at once.

    SIGURG, which the operating system ignores by itself, is how another thread breaks off the wait of a retry.

    Attributes:
        asked: Why the run is to end, or an empty text.
        reading: True while the source is being read: only then may reading be broken off.
        waiting: True while a retry waits, which may be broken off as well.
    """

    def __init__(self) -> None:
        self.asked = ""
        self.reading = False
        self.waiting = False
        self._heard = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
            self._before[signal.SIGURG] = signal.signal(signal.SIGURG, self._break_off_waiting)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # None is what a library in C has set, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def wake(self) -> None:
        """Break off the wait of a retry, from any thread; a run outside the main thread waits until its time."""
        if self.waiting and self._before:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)

    def _break_off_waiting(self, _number: int, _frame: FrameType | None) -> None:
        if self.waiting:
            self.waiting = False
            raise Interrupted

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._heard:
            # Whatever keeps the run from ending, the operator will not wait for it.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._heard = True
        self.asked = f"{signal.Signals(number).name} received"
        if self.reading or self.waiting:
            self.reading = self.waiting = False
            raise Interrupted
