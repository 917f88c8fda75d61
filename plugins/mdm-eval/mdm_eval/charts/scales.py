"""From values to places in a chart, and values that are worth a mark on an axis."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil, floor, log10

import attrs

from mdm_eval.charts.numbers import duration, instant, short

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_STEPS = [
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 4, 7, 14)),
]
_MONTHS = (1, 2, 3, 4, 6, 12, 24, 60, 120, 600)


@attrs.frozen
class Scale:
    """A line of values that is drawn from one place to another.

    Attributes:
        low: Value at the start.
        high: Value at the end.
        start: Place of the lowest value.
        end: Place of the highest.
        ticks: Values that get a mark, with their texts.
        log: Whether equal ratios have equal distances.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Give the place of a value; one beyond the ends is drawn at the end."""
        low, high, value = (
            (log10(self.low), log10(self.high), log10(max(value, self.low)))
            if self.log
            else (
                self.low,
                self.high,
                value,
            )
        )
        along = (value - low) / (high - low) if high > low else 0.5
        return self.start + (self.end - self.start) * min(max(along, 0.0), 1.0)


def linear(low: float, high: float, start: float, end: float, wanted: int = 5) -> Scale:
    """A scale of numbers that ends at a round value.

    Args:
        low: Lowest value.
        high: Highest.
        start: Place of the lowest value.
        end: Place of the highest.
        wanted: About how many marks.
    """
    step = _round_step((high - low) / wanted if high > low else 1.0)
    first, last = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
    last = last if last > first else first + step
    values = [first + n * step for n in range(round((last - first) / step) + 1)]
    return Scale(first, last, start, end, [(value, short(round(value, 12))) for value in values])


def shares(high: float, start: float, end: float, low: float = 0.0) -> Scale:
    """A scale of shares in percent, from 0 by default.

    Args:
        high: Highest share.
        start: Place of the lowest.
        end: Place of the highest.
        low: Lowest share.
    """
    scale = linear(low, min(high, 1.0) if high > 0 else 0.01, start, end)
    ticks = [(value, f"{round(value * 100, 6):g}%") for value, _ in scale.ticks]
    return attrs.evolve(scale, ticks=ticks)


def times(low_us: float, high_us: float, start: float, end: float) -> Scale:
    """A scale of times that something took, by powers of ten.

    Args:
        low_us: Lowest, in microseconds.
        high_us: Highest.
        start: Place of the lowest.
        end: Place of the highest.
    """
    first, last = floor(log10(max(low_us, 1.0))), ceil(log10(max(high_us, 10.0)))
    values = [10.0**n for n in range(first, max(last, first + 1) + 1)]
    return Scale(values[0], values[-1], start, end, [(value, duration(value)) for value in values], log=True)


def instants(low: float, high: float, start: float, end: float, wanted: int = 5) -> Scale:
    """A scale of instants, marked at full minutes, hours, days or months of UTC.

    Args:
        low: First, in milliseconds since 1970.
        high: Last.
        start: Place of the first.
        end: Place of the last.
        wanted: At most so many marks.
    """
    step = next((step for step in _STEPS if (high - low) / step <= wanted), None)
    try:
        ticks = _months(low, high, wanted) if step is None else _regular(low, high, step)
    except (OverflowError, ValueError, OSError):
        ticks = [(low, instant(low)), (high, instant(high))]
    return Scale(low, high, start, end, ticks)


def steps(low: float, high: float, start: float, end: float) -> Scale:
    """A scale of the numbers of decisions, for a run without a clock.

    Args:
        low: First.
        high: Last.
        start: Place of the first.
        end: Place of the last.
    """
    scale = linear(low, high, start, end, 4)
    return attrs.evolve(scale, low=low, high=high, ticks=[tick for tick in scale.ticks if low <= tick[0] <= high])


def _round_step(step: float) -> float:
    size = 10.0 ** floor(log10(step))
    return next(size * n for n in (1, 2, 2.5, 5, 10) if step <= size * n * 1.000001)


def _regular(low: float, high: float, step: float) -> list[tuple[float, str]]:
    first = ceil(low / step) * step
    values = [first + n * step for n in range(int((high - first) // step) + 1)]
    form = "%d %b" if step >= _DAY else "%H:%M" if step >= _MINUTE else "%H:%M:%S"
    if step < _DAY and high - low > _DAY:
        form = "%d %b %H:%M"
    return [(value, f"{datetime.fromtimestamp(value / 1000, UTC):{form}}".lstrip("0")) for value in values]


def _months(low: float, high: float, wanted: int) -> list[tuple[float, str]]:
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (low, high))
    length = (end.year - begin.year) * 12 + end.month - begin.month
    step = next(step for step in _MONTHS if length / step <= wanted)
    found: list[tuple[float, str]] = []
    for month in range(begin.year * 12 + begin.month - 1, end.year * 12 + end.month):
        at = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if month % step == 0 and low <= at.timestamp() * 1000 <= high:
            form = "%Y" if step >= 12 else "%b %Y" if at.month <= step or not found else "%b"
            found.append((at.timestamp() * 1000, f"{at:{form}}"))
    return found or [(low, instant(low))]
