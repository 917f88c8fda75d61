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
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

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
