"""What is remembered of one key, and the statistics that are made of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import attrs

from mdm_reference.windows import MAX_HELD, Average, CountWindow, Lowest, Moments, SpanWindow

Window: TypeAlias = CountWindow | SpanWindow


@attrs.define
class KeyHistory:
    """What is remembered of one key; the dicts go by the field's dotted name.

    Attributes:
        counts: Windows of so many values.
        spans: Windows of so much time.
        lows: For ``min``.
        highs: For ``max``, of the values with their sign changed.
        previous: For ``delta``, the values before.
        averages: For ``ewma``.
        arrivals: For ``event.count`` and ``event.rate``, the times of the events in the window.
        latest_ms: The highest time seen.
    """

    counts: dict[str, CountWindow] = attrs.field(factory=dict)
    spans: dict[str, SpanWindow] = attrs.field(factory=dict)
    lows: dict[str, Lowest] = attrs.field(factory=dict)
    highs: dict[str, Lowest] = attrs.field(factory=dict)
    previous: dict[str, float] = attrs.field(factory=dict)
    averages: dict[str, Average] = attrs.field(factory=dict)
    arrivals: deque[int] | None = None
    latest_ms: int | None = None

    def __len__(self) -> int:
        """How many numbers have a window."""
        return len(self.counts) + len(self.spans)

    def arrive(self, at_ms: int, window: int, span_ms: int) -> Arrival:
        """Take note of an event.

        Args:
            at_ms: The event's own time, or 0 if there is no time.
            window: How many events are looked back on, if ``span_ms`` is 0.
            span_ms: How many milliseconds are looked back on, or 0.

        Returns:
            What the features of number and time are made of.
        """
        before_ms = self.latest_ms
        now_ms = self.latest_ms = at_ms if before_ms is None else max(at_ms, before_ms)
        arrivals = self.arrivals
        if arrivals is None:
            arrivals = self.arrivals = deque()
        arrivals.append(now_ms)
        most = MAX_HELD if span_ms else window
        while len(arrivals) > most or (span_ms and arrivals[0] <= now_ms - span_ms):
            arrivals.popleft()
        return Arrival(at_ms, now_ms, before_ms, arrivals, span_ms)


@attrs.define
class Tally:
    """What is counted over all keys.

    Attributes:
        fields_over: How many times a number got no statistics because its key has as many as it may.
    """

    fields_over: int = 0


@attrs.define
class Arrival:
    """An event that has just come.

    Attributes:
        at_ms: Its own time.
        now_ms: The highest time seen for its key.
        before_ms: The same before it came, or None if it is the first.
        arrivals: The times of the events in the window, this one included.
        span_ms: The length of the window in milliseconds, or 0 if it is one of so many events.
    """

    at_ms: int
    now_ms: int
    before_ms: int | None
    arrivals: deque[int]
    span_ms: int


@attrs.define
class Value:
    """A number that has just entered its window.

    Attributes:
        x: The number.
        name: Dotted name of the field.
        moments: Mean, standard deviation and z.
        window: The window.
        history: All that is remembered of the key.
        now_ms: The highest time seen for the key, or 0 if there is no time.
    """

    x: float
    name: str
    moments: Moments
    window: Window
    history: KeyHistory
    now_ms: int


Statistic: TypeAlias = Callable[[Value], float | None]


def ewma(alpha: float | None, window: int, span_ms: int) -> Statistic:
    """Make the exponentially weighted average.

    Args:
        alpha: Weight of the newest value; None for ``2 / (window + 1)``, or ``1 - exp(-dt / span_ms)`` over time.
        window: Number of values in the window, if ``span_ms`` is 0.
        span_ms: Length of the window in milliseconds, or 0.

    Returns:
        The statistic.
    """
    if alpha is None and span_ms:
        return lambda value: _average(value).push_at(value.x, value.now_ms, span_ms)
    share = 2 / (window + 1) if alpha is None else alpha
    return lambda value: _average(value).push(value.x, share)


def _average(value: Value) -> Average:
    return value.history.averages.setdefault(value.name, Average())


def _lowest(value: Value) -> float:
    return value.history.lows.setdefault(value.name, Lowest()).push(value.x, len(value.window))


def _highest(value: Value) -> float:
    return -value.history.highs.setdefault(value.name, Lowest()).push(-value.x, len(value.window))


def _delta(value: Value) -> float | None:
    before = value.history.previous.get(value.name)
    value.history.previous[value.name] = value.x
    return None if before is None else value.x - before


def _rate(event: Arrival) -> float | None:
    n = len(event.arrivals)
    if event.span_ms:
        return n * 1000.0 / event.span_ms
    elapsed = event.now_ms - event.arrivals[0]
    return (n - 1) * 1000.0 / elapsed if elapsed else None


def _weekday(event: Arrival) -> int:
    return datetime.fromtimestamp(event.at_ms // 1000, UTC).weekday()


def _gap(event: Arrival) -> int | None:
    return None if event.before_ms is None else event.now_ms - event.before_ms


STATISTICS: Final[dict[str, Statistic]] = {
    "mean": lambda value: value.moments[0],
    "std": lambda value: value.moments[1],
    "min": _lowest,
    "max": _highest,
    "z": lambda value: value.moments[2],
    "delta": _delta,
    "sum": lambda value: value.window.sum(),
}

ARRIVALS: Final[dict[str, Callable[[Arrival], float | int | None]]] = {
    "event.count": lambda event: len(event.arrivals),
    "event.rate": _rate,
    "time.hour": lambda event: event.at_ms // 3_600_000 % 24,
    "time.weekday": _weekday,
    "time.gap_ms": _gap,
}
