"""Logging under ``mdm.*``: silent until an application configures it, and without data.

A record may name components, steps and types. Mappings among its arguments go through the run's redactor, and of an
exception only the type is kept, because messages carry data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

_redact: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None

logging.getLogger("mdm").addHandler(logging.NullHandler())


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, Mapping):
            record.args = _safe(record.args)
        elif record.args:
            record.args = tuple(_safe(a) if isinstance(a, Mapping | BaseException) else a for a in record.args)
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


def redact_with(redact: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None) -> None:
    """Set what mappings in log records go through; None takes them out whole."""
    global _redact
    _redact = redact


def _safe(value: Any) -> Any:
    if isinstance(value, BaseException):
        return type(value).__name__
    if _redact is None:
        return "[REDACTED]"
    try:
        return _redact(value)
    except Exception:
        return "[REDACTED]"
