"""Turning an exception into what may be told of it: type and place, never its message."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from mdm_core.errors import MdmError, StageError
from mdm_core.values import Failure


class BreakOff(BaseException):
    """Base of what core raises into a component to break it off. It passes through every component."""


class ProcessDied(MdmError):
    """The process of an isolated component ended in the middle of a call."""


def not_of_ours(error: BaseException) -> None:
    """Raise again what is not a component's own failure: core breaking something off, or the operator's Ctrl-C.

    Args:
        error: What came out of a component. A KeyboardInterrupt that it raised itself is its failure; outside a run,
            where nothing else takes Ctrl-C, the two cannot be told apart.
    """
    if isinstance(error, BreakOff):
        raise error
    if (
        isinstance(error, KeyboardInterrupt)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and threading.current_thread() is threading.main_thread()
    ):
        raise error


def describe(stage: str, component: str, error: BaseException, step: int | None = None) -> Failure:
    """Describe a failure without its message: messages carry data.

    Args:
        stage: Where in the run it happened.
        component: Id of the component.
        error: The exception.
        step: The decision's number.

    Returns:
        What observers, the audit log and the packet may hold.
    """
    if isinstance(error, StageError):
        return Failure(stage, component, error.error, error.reason_code, step)
    name = type(error).__name__
    return Failure(stage, component, name, f"{stage}_error:{name}", step, _place(error))


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
