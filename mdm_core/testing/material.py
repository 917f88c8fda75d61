"""What components are asked about: ordinary events, and those that real inputs bring sooner or later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

import attrs

from mdm_core.admission import ABSENT, check_key, getter
from mdm_core.checks import FeatureCheck, Sizes
from mdm_core.errors import InvalidEvent
from mdm_core.state import Key
from mdm_core.values import Event, Features

Change: TypeAlias = Callable[[Any], Any]

START_MS: Final = 1_700_000_000_000
SIZES: Final = Sizes(10_000, 65_536)
"""The default limits of a pipeline."""
MARKER: Final = "mdmMarkerText"
"""Stands in every text of the ordinary events, so that it can be found where texts do not belong."""
UNICODE: Final = "naïve Ω 🤖 \u202etxt\u0000 \ud800"
SECRETS: Final = {
    "password": "hunter2",
    "user": {"api_key": "k-123", "Email": "ada@example.org", "name": "Ada", "tokens": ["t-1", {"secret": "s"}]},
    "note": "card 4111 1111 1111 1111, mail ada@example.org",
    "authorization": "Bearer abc.def",
    "n": 7,
}
"""What a redactor is there for."""
_as_core_has_them: Final = FeatureCheck(SIZES).check
_KEYS: Final = ("ada", "bo", "cy")


@attrs.frozen(slots=False)
class Step:
    """One event on its way.

    Attributes:
        event: The event.
        key: Its key.
        now_ms: Its time.
        number: Its number, from 0; also its id.
    """

    event: Event
    key: Key
    now_ms: int
    number: int

    @cached_property
    def features(self) -> Features:
        """The event as features, as core gives them: numbers are finite, types are builtin."""
        return _as_core_has_them(features_of(self.event))


def ordinary_events(count: int = 60) -> list[dict[str, Any]]:
    """Make events with numbers, a truth, a text and something nested, of three keys, one a second.

    Args:
        count: How many.
    """
    return [
        {
            "key": _KEYS[(n * n + n // 5) % 3],
            "timestamp_ms": START_MS + n * 1000,
            "id": f"event-{n}",
            "n": n,
            "x": round(((n * 37) % 101 - 50) / 10, 1),
            "price": 100.0 + (n * 29) % 17,
            "amount": 1.5 + n % 7,
            "flag": n % 3 == 0,
            "text": f"{MARKER} number {n}",
            "nested": {"x": n / 4, "side": "long" if n % 2 else "short"},
        }
        for n in range(count)
    ]


def steps_of(events: Sequence[Event], key: str, timestamp: str) -> list[Step]:
    """Number events, and find their keys and times; those without get some.

    Args:
        events: The events.
        key: Dotted path of the key.
        timestamp: Dotted path of the time in milliseconds.
    """
    get_key, get_time = getter(key), getter(timestamp)
    steps: list[Step] = []
    now = START_MS
    for number, event in enumerate(events):
        at = _found(get_time, event)
        now = max(now, at) if type(at) is int else now + 1000 * bool(number)
        steps.append(Step(event, _key_of(_found(get_key, event), number), now, number))
    return steps


def _found(get: Callable[[Event], Any], event: Event) -> Any:
    try:
        return get(event)
    except ABSENT:
        return None


def _key_of(found: Any, number: int) -> Key:
    try:
        return check_key(found)
    except InvalidEvent:
        return _KEYS[number % 3]


def features_of(event: Event, prefix: str = "") -> Features:
    """Flatten an event to features: dotted names; lists and whatever else is no feature are left out.

    Args:
        event: The event.
        prefix: Put before every name.
    """
    features: Features = {}
    for name, value in event.items():
        if isinstance(value, Mapping):
            features |= features_of(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, bool | int | float | str):
            features[f"{prefix}{name}"] = value
    return features


def without_each(event: Event, spared: frozenset[str]) -> Iterator[dict[str, Any]]:
    """The event without each of its fields in turn, and then without any.

    Args:
        event: The event.
        spared: Fields that always stay, for a pipeline refuses an event without them.
    """
    names = [name for name in event if name not in spared]
    yield from ({k: v for k, v in event.items() if k != name} for name in names)
    yield {k: v for k, v in event.items() if k in spared}


def with_each(event: Event, spared: frozenset[str], *changes: Change) -> Iterator[dict[str, Any]]:
    """The event with each of its fields changed in turn, nested ones too, and then with all of them.

    Args:
        event: The event.
        spared: Fields that stay as they are.
        changes: Each gives a new value for an old one, or ``...`` to leave it.
    """
    for change in changes:
        changed: dict[str, Any] = {}
        for name, value in event.items():
            new = value if name in spared else _changed(value, change)
            changed[name] = new
            if new is not value:
                yield {**event, name: new}
        yield changed


def _changed(value: Any, change: Change) -> Any:
    if isinstance(value, Mapping):
        return {name: _changed(inner, change) for name, inner in value.items()}
    new = change(value)
    return value if new is ... else new


def to_none(_: Any) -> Any:
    """None in the place of anything."""
    return None


def to_empty(value: Any) -> Any:
    """The empty value of the same type."""
    return "" if isinstance(value, str) else ...


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_huge(value: Any) -> Any:
    """The same, far too large."""
    return "long " * 12_000 if isinstance(value, str) else 1e308 if _is_number(value) else ...


def to_hugely_negative(value: Any) -> Any:
    """A number far below all others."""
    return -1e308 if _is_number(value) else ...


def to_unicode(value: Any) -> Any:
    """Text of all kinds, half a surrogate pair included."""
    return UNICODE if isinstance(value, str) else ...


def to_other_type(value: Any) -> Any:
    """A text where a number was, and a number where a text was."""
    return 7 if isinstance(value, str) else "seven"
