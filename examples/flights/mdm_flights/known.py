"""What had happened to other flights by the time one leaves. Here it is decided that nothing is known too early."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from mdm_flights.data import Minutes


@attrs.frozen(eq=False)
class Past:
    """What happened within groups of flights, and how much of it each flight may know. Make it with ``of``.

    Attributes:
        order: Indices of the flights to which it happened: group by group, in each in order of time.
        first: For each flight, where its group begins in ``order``.
        end: For each flight, where what it may know ends in ``order``.
    """

    order: NDArray[np.int64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]

    @classmethod
    def of(cls, group: NDArray[np.int64], happened: Minutes, now: Minutes) -> Past:
        """Find out which flight may know what.

        Args:
            group: A number per flight; flights of the same group know of each other.
            happened: When it happened to each flight, in minutes; negative if it never does.
            now: When each flight asks. It is told what happened before that minute: of two things in the same minute
                nobody knows which came first.

        Returns:
            The past of each flight.
        """
        order = np.flatnonzero(happened >= 0)
        order = order[np.lexsort((order, happened[order], group[order]))]
        span = int(max(happened.max(), now.max())) + 1
        times = group[order] * span + happened[order]
        first = np.searchsorted(times, group * span)
        return cls(order, first, np.searchsorted(times, group * span + now))

    @property
    def count(self) -> NDArray[np.int64]:
        """How often it had happened."""
        return self.end - self.first

    def mean(self, values: NDArray[np.int64], size: int) -> NDArray[np.float64]:
        """Average a whole number over the latest flights to which it had happened.

        Args:
            values: One per flight.
            size: How many flights at most.

        Returns:
            An average per flight, NaN where nothing is known.
        """
        sums: NDArray[Any] = np.concatenate([[0], np.cumsum(values[self.order])])
        start = np.maximum(self.first, self.end - size)
        count = self.end - start
        return np.where(count > 0, (sums[self.end] - sums[start]) / np.maximum(count, 1), np.nan)
