"""Turning an exception into what may be told of it: type and place, never its message."""

from __future__ import annotations

from pathlib import Path

from mdm_core.errors import StageError
from mdm_core.values import Failure


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
