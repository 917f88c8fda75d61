"""What counts as a number, and as a time, in what others hand over."""

from __future__ import annotations

from math import isfinite
from numbers import Real
from typing import Any, Final

LATEST_MS: Final = 253_402_300_799_999  # the end of the year 9999, as in core


def finite(value: Any) -> int | float | None:
    """Give a finite number of builtin type.

    Args:
        value: Anything.

    Returns:
        The number, or None if it is none, or too large for a float; a truth value is none.
    """
    kind = type(value)
    if kind is not float and kind is not int:
        if kind is bool or not isinstance(value, Real):
            return None
        value = float(value)
    try:
        return value if isfinite(value) else None
    except OverflowError:
        return None


def time_ms(value: Any) -> int | None:
    """Give a time of a clock.

    Args:
        value: Anything.

    Returns:
        Whole milliseconds since 1970, or None if it is no time between the years 1970 and 9999.
    """
    if type(value) is int and 0 <= value <= LATEST_MS:
        return value
    number = finite(value)
    return int(number) if number is not None and 0 <= number <= LATEST_MS else None
