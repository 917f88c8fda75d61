"""Rolling windows over the last N values or the last so many milliseconds, in O(1) per value and without drift.

Nothing is ever subtracted when a value leaves. A window is two stacks (Tangwongsan, Hirzel, Schneider, "General
Incremental Sliding-Window Aggregation", VLDB 2015): the new values have running sums, the old ones have suffix sums,
and a query adds one of each. When the old ones are used up, the new ones become old and their suffix sums are made from
the values themselves, so that no rounding error lives longer than a window.

Sums are of deviations from a shift near the mean (Chan, Golub, LeVeque, "Algorithms for Computing the Sample
Variance", 1983). Where the mean has moved so far from the shift that digits would cancel, the shift is moved and the
sums are made anew. Once done it is not due again before the spread has fallen to a tenth or nearly the whole window has
been replaced, so that it stays O(1) on the average whatever the values are.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import expm1, fsum, sqrt
from operator import mul
from struct import pack
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

if TYPE_CHECKING:
    Reals: TypeAlias = array[float]
    Wholes: TypeAlias = array[int]
else:
    Reals = Wholes = array  # Python 3.11 takes no type in brackets here, and the annotations are read at run time

LARGEST: Final = 1e150  # the squares of larger numbers, or the sum of a million of them, are not finite
SMALLEST: Final = 1e-150  # the squares of smaller spreads are zero; such a spread counts as none
MAX_HELD: Final = 100_000  # values that a window of time holds at most; then the oldest leave early

Moments: TypeAlias = tuple[float, float, float]

CANCELLED: Final = 100.0  # squared distance of mean and shift, in variances, from which the shift is moved


def _reals() -> Reals:
    return array("d")


def _wholes() -> Wholes:
    return array("q")


@attrs.define
class _Sums:
    """Values of a window, and their sums relative to a shift.

    Attributes:
        values: The values held.
        shift: What is subtracted from each value before it is summed.
        total: Sum of the new values' deviations.
        squares: Sum of their squares.
        old_totals: Sums of the deviations of the old values, from each on to the last, and 0 at the end.
        old_squares: The same for their squares.
    """

    values: Reals = attrs.field(factory=_reals)
    shift: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    old_totals: Reals = attrs.field(factory=_reals)
    old_squares: Reals = attrs.field(factory=_reals)

    def _sum_up(self, shift: float, old: Sequence[float], new: Sequence[float]) -> None:
        self.shift = shift
        self.old_totals, self.old_squares = _suffix_sums(old, shift)
        deviations = [x - shift for x in new]
        self.total = fsum(deviations)
        self.squares = fsum(map(mul, deviations, deviations))

    def _next_shift(self, new: int) -> float:
        centre = self.total / new
        return _rounded(self.shift + centre, self.squares / new - centre * centre)

    def _move_shift(self) -> None:
        raise NotImplementedError

    def _moments(self, x: float, n: int, total: float, squares: float) -> Moments:
        centre = total / n
        square = centre * centre
        variance = squares / n - square
        if square >= CANCELLED * variance:
            return self.doubtful(x, n, centre)
        std = sqrt(variance)
        return self.shift + centre, std, (x - self.shift - centre) / std

    def doubtful(self, x: float, n: int, centre: float) -> Moments:
        # Mean and shift coincide, or the spread is too small for their distance: a constant window, or cancellation.
        if -SMALLEST <= centre <= SMALLEST:
            return self.shift + centre, 0.0, 0.0
        self._move_shift()
        centre = (self.total + self.old_totals[0]) / n
        variance = (self.squares + self.old_squares[0]) / n - centre * centre
        if variance <= 0.0:
            return self.shift + centre, 0.0, 0.0
        std = sqrt(variance)
        return self.shift + centre, std, (x - self.shift - centre) / std


@attrs.define
class CountWindow(_Sums):
    """The last values of a field.

    Args:
        size: How many values, at least 1.

    Attributes:
        place: Where in the ring of values the next one goes, counted from its end (``-size`` to -1); 0 while the
            ring grows and when no old value is left.
    """

    size: int = attrs.field(kw_only=True)
    place: int = 0

    def __len__(self) -> int:
        return len(self.values)

    def push(self, x: float, now_ms: int = 0) -> Moments:
        """Take a value; the oldest leaves when there are more than ``size``.

        Args:
            x: A number between ``-LARGEST`` and ``LARGEST``.
            now_ms: Of no meaning here.

        Returns:
            Mean, population standard deviation, and the distance of ``x`` from the mean in standard deviations (0.0
            when there is no spread).
        """
        place = self.place or self._turn()
        if not place:
            return self._grow(x)
        self.values[place] = x
        self.place = place + 1
        deviation = x - self.shift
        total = self.total = self.total + deviation
        squares = self.squares = self.squares + deviation * deviation
        size = self.size
        centre = (total + self.old_totals[place]) / size
        square = centre * centre
        variance = (squares + self.old_squares[place]) / size - square
        if square >= CANCELLED * variance:
            return self.doubtful(x, size, centre)
        std = sqrt(variance)
        return self.shift + centre, std, (deviation - centre) / std

    def sum(self) -> float:
        """Add up the values held: exact for whole numbers, as long as the sum is below 2 to the 53rd."""
        place = self.place
        total = self.total + self.old_totals[place - 1] if place else self.total
        return self.shift * len(self.values) + total

    def _grow(self, x: float) -> Moments:
        values = self.values
        values.append(x)
        if len(values) == 1:
            self.shift = values[0]
        deviation = x - self.shift
        self.total += deviation
        self.squares += deviation * deviation
        return self._moments(x, len(values), self.total, self.squares)

    def _turn(self) -> int:
        if len(self.values) == self.size:
            self._sum_up(self._next_shift(self.size), self.values, ())
            self.place = -self.size
        return self.place

    def _move_shift(self) -> None:
        values = self.values
        split = len(values) + self.place
        self._sum_up(_shift_for(values), values[split:], values[:split])


@attrs.define
class SpanWindow(_Sums):
    """The values of the last so many milliseconds: those later than ``now - span_ms``, and at most ``MAX_HELD``.

    Args:
        span_ms: How many milliseconds, at least 1.

    Attributes:
        times: When each value came; never falls.
        start: Index of the oldest value that is still in.
        split: Index of the first new value.
    """

    span_ms: int = attrs.field(kw_only=True)
    times: Wholes = attrs.field(factory=_wholes)
    start: int = 0
    split: int = 0

    def __len__(self) -> int:
        return len(self.values) - self.start

    def push(self, x: float, now_ms: int) -> Moments:
        """Take a value, after those that are too old have left.

        Args:
            x: A number between ``-LARGEST`` and ``LARGEST``.
            now_ms: The time, no earlier than that of the value before.

        Returns:
            As ``CountWindow.push``.
        """
        values = self.values
        self._expire(now_ms)
        if not values:
            self._sum_up(x, (), ())
        values.append(x)
        self.times.append(now_ms)
        deviation = x - self.shift
        self.total += deviation
        self.squares += deviation * deviation
        start = self.start
        total, squares = self.total + self.old_totals[start], self.squares + self.old_squares[start]
        return self._moments(x, len(values) - start, total, squares)

    def sum(self) -> float:
        """Add up the values held; see ``CountWindow.sum``."""
        return self.shift * len(self) + (self.total + self.old_totals[self.start])

    def _expire(self, now_ms: int) -> None:
        times, split, limit = self.times, self.split, now_ms - self.span_ms
        gone = max(self.start, len(times) - MAX_HELD + 1)
        while gone < split and times[gone] <= limit:
            gone += 1
        if gone >= split:
            gone = bisect_right(times, limit, gone)
        if gone > split:
            self._turn(gone)
        else:
            self.start = gone

    def _turn(self, gone: int) -> None:
        shift = self._next_shift(len(self.values) - self.split)
        self._cut(gone)
        self.split = len(self.values)
        self._sum_up(shift, self.values, ())

    def _move_shift(self) -> None:
        self.split -= self.start
        self._cut(self.start)
        values, split = self.values, self.split
        self._sum_up(_shift_for(values), values[:split], values[split:])

    def _cut(self, gone: int) -> None:
        del self.values[:gone], self.times[:gone]
        self.start = 0


@attrs.define
class Lowest:
    """The lowest of the last values, by a monotonic queue: a value is forgotten once a later one is no higher.

    Attributes:
        count: How many values have come.
        numbers: The numbers, counted from 1, of the values that may still become the lowest.
        values: These values; they rise.
    """

    count: int = 0
    numbers: deque[int] = attrs.field(factory=deque)
    values: deque[float] = attrs.field(factory=deque)

    def push(self, x: float, n: int) -> float:
        """Take a value.

        Args:
            x: The value.
            n: How many values the window holds, ``x`` included.

        Returns:
            The lowest of the last ``n``.
        """
        numbers, values = self.numbers, self.values
        while values and values[-1] >= x:
            values.pop()
            numbers.pop()
        self.count += 1
        values.append(x)
        numbers.append(self.count)
        while numbers[0] <= self.count - n:
            values.popleft()
            numbers.popleft()
        return values[0]


@attrs.define
class Average:
    """An exponentially weighted average: each value moves it by a share of its distance.

    Attributes:
        value: The average, or None before the first value.
        at_ms: Time of the last value.
    """

    value: float | None = None
    at_ms: int = 0

    def push(self, x: float, share: float) -> float:
        """Take a value.

        Args:
            x: The value; the first is the average.
            share: From 0 (no effect) to 1 (the value replaces the average).

        Returns:
            The average.
        """
        value = self.value
        self.value = average = x if value is None else value + share * (x - value)
        return average

    def push_at(self, x: float, now_ms: int, span_ms: int) -> float:
        """Take a value that counts the more, the longer ago the one before it is: ``1 - exp(-dt / span)``.

        The exponential moving average of an irregular series with next-point interpolation (Eckner, "Algorithms for
        Unevenly Spaced Time Series", 2019). Of values at the same instant the first alone counts.

        Args:
            x: The value.
            now_ms: The time, no earlier than that of the value before.
            span_ms: The time after which the old average has a weight of 1/e.

        Returns:
            The average.
        """
        share = -expm1((self.at_ms - now_ms) / span_ms)
        self.at_ms = now_ms
        return self.push(x, share)


def _suffix_sums(values: Sequence[float], shift: float) -> tuple[Reals, Reals]:
    deviations = [x - shift for x in reversed(values)]
    return _reversed_sums(deviations), _reversed_sums(map(mul, deviations, deviations))


def _reversed_sums(terms: Iterable[float]) -> Reals:
    sums = list(accumulate(terms, initial=0.0))
    # Packing first takes half the time of array("d", sums).
    packed = array("d", pack(f"{len(sums)}d", *sums))
    packed.reverse()
    return packed


def _shift_for(values: Sequence[float]) -> float:
    n = len(values)
    if min(values) == max(values):
        return values[0]
    mean = fsum(values) / n
    return _rounded(mean, fsum([(x - mean) ** 2 for x in values]) / n)


def _rounded(mean: float, variance: float) -> float:
    # From a whole shift the sums of whole numbers are exact; within a standard deviation of the mean it costs no digit.
    whole = float(round(mean))
    return whole if (whole - mean) ** 2 <= variance else mean
