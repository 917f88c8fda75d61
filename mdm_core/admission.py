"""What an event brings along: its key, its time, its id; and its outcome, which is taken out before anything looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, TypeAlias

from mdm_core.errors import InvalidEvent
from mdm_core.state import Key
from mdm_core.values import Event

Getter: TypeAlias = Callable[[Event], Any]
ABSENT = (KeyError, TypeError, IndexError)

_PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_LATEST_MS = 253_402_300_799_999  # the end of the year 9999, the last instant that ISO 8601 can write
_HALF, _WHOLE = 1 << 63, 1 << 64


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
    """Split an event into the rest and the value at a path, however it is spelled; the event itself is not changed.

    Args:
        event: The event.
        path: Dotted path of what is taken out.

    Returns:
        The rest, copied along the path, and the value, or None if there is none.
    """
    rest = dict(event)
    found = list(_taken(rest, path.split(".")))
    return rest, found[0] if found else None


def _taken(inner: dict[str, Any], parts: list[str]) -> Iterator[Any]:
    """Take out every value that flattening would give the name, the one that ``getter`` finds first."""
    for n in range(len(parts), 0, -1):
        name = ".".join(parts[:n])
        if name not in inner:
            continue
        if n == len(parts):
            yield inner.pop(name)
        elif isinstance(inner[name], Mapping):
            inner[name] = dict(inner[name])
            yield from _taken(inner[name], parts[n:])


def check_key(value: Any) -> Key:
    """Give a key that is text or a whole number of at most 64 bits; anything else is refused.

    Raises:
        InvalidEvent: Reason ``invalid_key``.
    """
    return _name(value, "key")


def check_id(value: Any) -> str | int:
    """Give an id that is text or a whole number of at most 64 bits; anything else is refused.

    Raises:
        InvalidEvent: Reason ``invalid_id``.
    """
    return _name(value, "id")


def _name(value: Any, what: str) -> str | int:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and -_HALF <= value < _WHOLE):
        return value
    kind = "a larger one" if type(value) is int else type(value).__name__
    raise InvalidEvent(f"invalid_{what}", f"the {what} must be text or a whole number of at most 64 bits, not {kind}")


def to_ms(unit: str) -> Callable[[Any], int]:
    """Make a function that brings timestamps to whole milliseconds since 1970.

    Args:
        unit: ``s``, ``ms``, ``us`` or ``ns`` for numbers, ``iso`` for ISO 8601 text (UTC where it names no zone).

    Returns:
        A function that raises ``InvalidEvent`` with reason ``invalid_timestamp``.
    """
    return _from_iso if unit == "iso" else _from_number(_PER_SECOND[unit])


def _from_number(per_second: int) -> Callable[[Any], int]:
    factor = 1000 / per_second

    def convert(value: Any) -> int:
        if type(value) is int and 0 <= (ms := value * 1000 // per_second) <= _LATEST_MS:
            return ms
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidEvent("invalid_timestamp", f"the timestamp must be a number, not {type(value).__name__}")
        if isinstance(value, int):
            return _in_range(value * 1000 // per_second)
        # Seconds such as 1700000000.129 are stored a hair below it, and the millisecond must not be lost to that.
        return _in_range(round(value * factor, 3))

    return convert


def _from_iso(value: Any) -> int:
    if not isinstance(value, str):
        raise InvalidEvent("invalid_timestamp", f"the timestamp must be text, not {type(value).__name__}")
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidEvent("invalid_timestamp", "the timestamp is not ISO 8601") from None
    return _in_range(((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // _MS)


def _in_range(ms: float) -> int:
    if not 0 <= ms <= _LATEST_MS:
        raise InvalidEvent("invalid_timestamp", "the timestamp is not between the years 1970 and 9999")
    return int(ms)
