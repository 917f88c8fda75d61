"""Events of a given shape, made by hypothesis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from mdm_core.testing.material import START_MS, UNICODE

Shape: TypeAlias = Mapping[str, Any]

_OF_TYPE: Final[dict[Any, st.SearchStrategy[Any]]] = {
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False, width=32),
    str: st.text(max_size=40),
    bool: st.booleans(),
    None: st.none(),
}
_ODD: Final[st.SearchStrategy[Any]] = st.sampled_from(
    (None, "", UNICODE, 1e308, -1e308, 10**30, float("nan"), float("inf"), [], {}, True)
)


def events(shape: Shape, *, odd: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Make events of a shape.

    Args:
        shape: Field to its type (``int``, ``float``, ``str``, ``bool`` or ``None``), to a strategy, to another shape,
            or to a list with one of these for a list of any length.
        odd: Whether fields may also be missing, None, empty, huge, no numbers or of another type.

    Returns:
        The strategy.
    """
    fields = {name: _odd_or(_field(inner, odd)) if odd else _field(inner, odd) for name, inner in shape.items()}
    return st.fixed_dictionaries({}, optional=fields) if odd else st.fixed_dictionaries(fields)


def event_streams(
    shape: Shape,
    *,
    key: str = "key",
    timestamp: str = "timestamp_ms",
    keys: int = 3,
    min_size: int = 1,
    max_size: int = 30,
    odd: bool = False,
) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Make streams of events of a shape, each with a key and with a time that does not fall.

    Args:
        shape: As for ``events``.
        key: The field of the key.
        timestamp: The field of the time, in milliseconds.
        keys: How many different keys there are.
        min_size: Fewest events.
        max_size: Most events.
        odd: As for ``events``.

    Returns:
        The strategy.
    """
    names = st.sampled_from([f"key-{n}" for n in range(keys)])
    one = st.tuples(events(shape, odd=odd), names, st.integers(0, 3_600_000))
    return st.lists(one, min_size=min_size, max_size=max_size).map(lambda items: _in_time(items, key, timestamp))


def _in_time(items: list[tuple[dict[str, Any], str, int]], key: str, timestamp: str) -> list[dict[str, Any]]:
    now, stream = START_MS, []
    for event, name, wait_ms in items:
        now += wait_ms
        stream.append({**event, key: name, timestamp: now})
    return stream


def _field(shape: Any, odd: bool) -> st.SearchStrategy[Any]:
    if isinstance(shape, st.SearchStrategy):
        return shape
    if isinstance(shape, Mapping):
        return events(shape, odd=odd)
    if isinstance(shape, list):
        return st.lists(_field(shape[0], odd), max_size=5)
    try:
        return _OF_TYPE[shape]
    except (KeyError, TypeError):
        known = ", ".join(kind.__name__ for kind in _OF_TYPE if kind is not None)
        raise TypeError(
            f"a shape holds {known}, None, strategies, shapes and lists of one of these, not {shape!r}"
        ) from None


def _odd_or(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(strategy, _ODD)
