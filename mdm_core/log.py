"""Logging under ``mdm.*``: silent until an application configures it, and without data.

A record may name components, steps and types. Mappings among its arguments go through the run's redactor, inside lists
too; of an exception or any other object only the type is kept, because messages and representations carry data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from os import PathLike
from typing import Any, TypeAlias

Redact: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]

# Each run has its own, also when several go on at once in different threads.
_redact: ContextVar[Redact | None] = ContextVar("mdm_redact", default=None)
_MASK = "[REDACTED]"

logging.getLogger("mdm").addHandler(logging.NullHandler())


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not isinstance(record.msg, str):
            record.msg = str(_safe(record.msg)).replace("%", "%%") if record.args else str(_safe(record.msg))
        if isinstance(record.args, Mapping):
            record.args = _safe(record.args)
        elif record.args:
            record.args = tuple(map(_safe, record.args))
        if record.exc_info and record.exc_info[0] is not None:
            record.msg = f"{record.msg} ({record.exc_info[0].__name__})"
            record.exc_info = record.exc_text = None
        return True


_filter = _Redacting()


def get_logger(name: str) -> logging.Logger:
    """Give the logger ``mdm.<name>``, whose records are redacted.

    Args:
        name: Such as the plugin's name.
    """
    logger = logging.getLogger(f"mdm.{name}")
    if _filter not in logger.filters:
        logger.addFilter(_filter)
    return logger


def redact_with(redact: Redact | None) -> None:
    """Set what mappings in the log records of this thread go through; None takes them out whole."""
    _redact.set(redact)


def redacted_text(text: str) -> str:
    """Give a text as the redactor of the run that this thread is at would have it; unchanged outside a run.

    Args:
        text: Such as the message of an exception.
    """
    return text if _redact.get() is None else str(_redacted({"message": text})["message"])


class _Hidden(dict[str, str]):
    """Stands for a mapping that must not be shown, whether it is formatted whole or by its keys."""

    def __missing__(self, key: str) -> str:
        return _MASK

    def __repr__(self) -> str:
        return _MASK


def _safe(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | PathLike):
        return value
    if isinstance(value, Mapping):
        return _redacted(value)
    if isinstance(value, list | tuple):
        return [_safe(item) for item in value]
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _redacted(value: Mapping[str, Any]) -> Mapping[str, Any]:
    hidden = _Hidden(hidden=_MASK)
    redact = _redact.get()
    if redact is None:
        return hidden
    try:
        return redact(value)
    except Exception:
        return hidden
