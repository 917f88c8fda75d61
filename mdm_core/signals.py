"""Ending a run cleanly when the operating system asks for it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(BaseException):
    """Raised out of a source that waits for input when the run is asked to end."""


class StopSignals:
    """While it is entered, SIGINT and SIGTERM ask a run to end instead of killing the process.

    Attributes:
        asked: The name of the signal that asked, or an empty text.
        reading: True while the source is being read: only then may reading be broken off.
    """

    def __init__(self) -> None:
        self.asked = ""
        self.reading = False
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

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.asked = signal.Signals(number).name
        if self.reading:
            self.reading = False
            raise Interrupted
