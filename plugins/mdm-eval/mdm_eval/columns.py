"""Columns that are filled a few thousand values at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import nan
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.int32]


class Codes:
    """Values that repeat, kept as the numbers of the distinct ones.

    Attributes:
        values: The distinct values, in the order in which they were met.
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self.values: list[Any] = []
        self._known: dict[Any, int] = {None: -1}
        self._codes = array("i")
        self.extend(list(values))

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def numbers(self) -> Numbers:
        """Positions in ``values``, or -1 where there is no value."""
        return np.frombuffer(self._codes, dtype=np.int32) if self._codes else np.empty(0, np.int32)

    def extend(self, values: Sequence[Any]) -> None:
        """Take the next values; None is absent, and what JSON nests counts by its text."""
        known = self._known
        try:
            self._codes.extend([known[value] for value in values])
        except (KeyError, TypeError):
            self._codes.extend([self._code(value) for value in values])

    def _code(self, value: Any) -> int:
        try:
            code = self._known.get(value)
        except TypeError:
            value = msgspec.json.encode(value).decode()
            code = self._known.get(value)
        if code is None:
            code = self._known[value] = len(self.values)
            self.values.append(value)
        return code


class Measures:
    """Numbers; NaN where there is none."""

    def __init__(self) -> None:
        self._parts: list[Floats] = []

    @property
    def values(self) -> Floats:
        """All of them."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts) if self._parts else np.empty(0)]
        return self._parts[0]

    def extend(self, values: Sequence[Any]) -> None:
        """Take the next values; what is no number, such as what a redactor left in its place, is none."""
        try:
            part = np.array(values, dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            part = np.array([_number(value) for value in values], dtype=np.float64)
        self._parts.append(part)


def _number(value: Any) -> float:
    return float(value) if type(value) is float or (type(value) is int and abs(value) < 1 << 1000) else nan
