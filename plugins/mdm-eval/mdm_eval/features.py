"""Features of some of the decisions of a run, so many that distributions can be told from them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH = 50_000


class Column:
    """The values of one feature; a text is kept as a number that stands for it.

    Attributes:
        texts: The distinct texts and the numbers that stand for them; None for a feature that is a number.
    """

    def __init__(self, absent: int) -> None:
        self.texts: dict[str, int] | None = None
        self._values = array("d", [nan]) * absent
        self._typed = False

    def __len__(self) -> int:
        return len(self._values)

    @property
    def values(self) -> NDArray[np.float64]:
        """The values; NaN where there is none."""
        return np.array(self._values)

    def append(self, value: Any) -> None:
        """Take the next value; one that does not fit those before it counts as none."""
        if value is None:
            self._values.append(nan)
            return
        if not self._typed:
            self._typed = True
            self.texts = {} if isinstance(value, str) else None
        if self.texts is not None:
            self._values.append(self.texts.setdefault(str(value), len(self.texts)))
        else:
            self._values.append(nan if isinstance(value, str) else value)

    def every_second(self) -> None:
        """Forget every second value."""
        self._values = self._values[::2]


class FeatureSample:
    """The features of every n-th decision, where n doubles whenever there are more than enough.

    Attributes:
        stride: n.
        columns: Feature to its values.
    """

    def __init__(self) -> None:
        self.stride = 1
        self.columns: dict[str, Column] = {}
        self._offered = self._rows = 0

    def offer(self, features: Mapping[str, Any]) -> None:
        """Look at the features of the next decision, and keep them if its position is a multiple of ``stride``."""
        if not self._offered % self.stride:
            self._add(features)
        self._offered += 1

    def positions(self) -> NDArray[np.int64]:
        """Where the rows stand among the decisions."""
        return np.arange(self._rows, dtype=np.int64) * self.stride

    def _add(self, features: Mapping[str, Any]) -> None:
        columns = self.columns
        for name, value in features.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = Column(self._rows)
            column.append(value)
        self._rows += 1
        if len(features) < len(columns):
            self._fill()
        if self._rows == 2 * ENOUGH:
            self._thin()

    def _fill(self) -> None:
        for column in self.columns.values():
            if len(column) < self._rows:
                column.append(None)

    def _thin(self) -> None:
        for column in self.columns.values():
            column.every_second()
        self._rows = (self._rows + 1) // 2
        self.stride *= 2
