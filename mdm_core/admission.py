"""What an event brings along: its key, its time, its id; and its outcome, which is taken out before anything looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, TypeAlias

from mdm_core.errors import InvalidEvent
from mdm_core.state import Key
from mdm_core.values import Event

Getter: TypeAlias = Callable[[Event], Any]
ABSENT = (KeyError, TypeError, IndexError)

_PER_MS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999, the last instant that ISO 8601 can write


def getter(path: str) -> Getter:
    """Make a function that reads a dotted path from an event.

    A key that is spelled with the dots (``{"user.id": 7}``) comes before nested ones.

    Args:
        path: Such as ``user.id``.

    Returns:
        A function that raises one of ``ABSENT`` when there is nothing at the path.
    """
    parts = path.split(".")
    if len(parts) == 1:
        return itemgetter(path)

    def get(event: Event) -> Any:
        if path in event:
            return event[path]
        value: Any = event
        for part in parts:
            value = value[part]
        return value

    return get


def without(event: Mapping[str, Any], path: str) -> tuple[dict[str, Any], Any]:
    """Split an event into the rest and the value at a path; the event itself is not changed.

    Args:
        event: The event.
        path: Dotted path of what is taken out.

    Returns:
        The rest, copied along the path, and the value, or None if there is none.
    """
    rest = dict(event)
    if path in rest:
        return rest, rest.pop(path)
    inner = rest
    *parents, last = path.split(".")
    for part in parents:
        if not isinstance(inner.get(part), Mapping):
            return rest, None
        inner[part] = dict(inner[part])
        inner = inner[part]
    return rest, inner.pop(last, None)


def check_key(value: Any) -> Key:
    """Give a key that is text or a whole number; anything else is refused.

    Raises:
        InvalidEvent: Reason ``invalid_key``.
    """
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InvalidEvent("invalid_key", f"the key must be text or a whole number, not {type(value).__name__}")


def check_id(value: Any) -> str | int:
    """Give an id that is text or a whole number; anything else is refused.

    Raises:
        InvalidEvent: Reason ``invalid_id``.
    """
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InvalidEvent("invalid_id", f"the id must be text or a whole number, not {type(value).__name__}")


def to_ms(unit: str) -> Callable[[Any], int]:
    """Make a function that brings timestamps to whole milliseconds since 1970.

    Args:
        unit: ``s``, ``ms``, ``us`` or ``ns`` for numbers, ``iso`` for ISO 8601 text (UTC where it names no zone).

    Returns:
        A function that raises ``InvalidEvent`` with reason ``invalid_timestamp``.
    """
    return _from_iso if unit == "iso" else _from_number(_PER_MS[unit])


def _from_number(factor: float) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if type(value) is int and 0 <= value <= _LATEST_MS and factor == 1.0:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidEvent("invalid_timestamp", f"the timestamp must be a number, not {type(value).__name__}")
        return _in_range(value * factor if isinstance(value, float) or abs(value) < 1 << 64 else float("inf"))

    return convert


def _from_iso(value: Any) -> int:
    if not isinstance(value, str):
        raise InvalidEvent("invalid_timestamp", f"the timestamp must be text, not {type(value).__name__}")
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidEvent("invalid_timestamp", "the timestamp is not ISO 8601") from None
    return _in_range((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _in_range(ms: float) -> int:
    if not 0 <= ms <= _LATEST_MS:
        raise InvalidEvent("invalid_timestamp", "the timestamp is not between the years 1970 and 9999")
    return int(ms)
