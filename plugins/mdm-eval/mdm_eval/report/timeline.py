"""What was decided over time."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import attrs
import numpy as np

from mdm_eval.columns import Floats, Ints
from mdm_eval.frame import Frame

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_MONDAY = 4 * _DAY  # 1 January 1970 was a Thursday
_WIDTHS = [
    *(n * 1000 for n in (1, 5, 15, 30)),
    *(n * _MINUTE for n in (1, 5, 15, 30)),
    *(n * _HOUR for n in (1, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 28, 91, 364)),
]
_MOST = 60


@attrs.frozen
class Span:
    """A stretch of a run.

    Attributes:
        since: Milliseconds since 1970 at which it begins, or a step.
        until: Where the next one begins.
        decisions: How many.
        acted: How many acted.
        denied: How many a guard denied.
        failed_closed: How many failed closed.
        known: How many have an outcome.
        positives: In how many of these it was right to act.
        latency_p50_us: Median time that deciding took, in microseconds; None if there is no decision.
        latency_p99_us: What 99 of 100 decisions took less than.
    """

    since: float
    until: float
    decisions: int
    acted: int
    denied: int
    failed_closed: int
    known: int
    positives: int
    latency_p50_us: float | None
    latency_p99_us: float | None


@attrs.frozen
class Timeline:
    """A run over time.

    Attributes:
        unit: ``ms`` for a run with a clock, else ``steps``.
        width: Length of each span.
        spans: In order; at most sixty or so, of equal length, beginning at full hours, days or weeks of UTC.
        flags: Guard to the number of its denials in each span.
    """

    unit: Literal["ms", "steps"]
    width: float
    spans: list[Span]
    flags: dict[str, list[int]]


def timeline(frame: Frame, label: Floats) -> Timeline:
    """Divide a run into stretches of equal length.

    Args:
        frame: The decisions; at least one.
        label: What was true of each; NaN where it is not known.
    """
    timed = not np.isnan(frame.now_ms).any()
    at = frame.now_ms if timed else frame.step.astype(np.float64)
    width, first = _grid(float(at.min()), float(at.max()), timed)
    place = np.maximum.accumulate(((at - first) // width).astype(np.int64))
    number = int(place.max()) + 1
    denied = ~frame.allowed & ~frame.failed_closed
    names = ("decisions", "acted", "denied", "failed_closed", "known", "positives")
    rows = (np.ones(len(at), np.bool_), frame.acted, denied, frame.failed_closed, ~np.isnan(label), label == 1.0)
    counts = [np.bincount(place[kept], minlength=number).tolist() for kept in rows]
    latency = _latency(frame.latency_us, place, number)
    spans = [
        Span(
            since=first + n * width,
            until=first + (n + 1) * width,
            **{name: column[n] for name, column in zip(names, counts, strict=True)},
            latency_p50_us=latency[n][0],
            latency_p99_us=latency[n][1],
        )
        for n in range(number)
    ]
    return Timeline("ms" if timed else "steps", width, spans, _flags(frame, place, number))


def _grid(low: float, high: float, timed: bool) -> tuple[float, float]:
    """Choose how long the stretches are, and where the first begins."""
    length = max(high - low, 1.0)
    if not timed:
        width = float(max(1, -(-int(length + 1) // _MOST)))
        return width, low
    width = next((width for width in _WIDTHS if length / width <= _MOST), length / _MOST)
    zero = _MONDAY if width >= 7 * _DAY else 0
    return width, (low - zero) // width * width + zero


def _latency(latency_us: Floats, place: Ints, number: int) -> list[tuple[float | None, float | None]]:
    starts = np.searchsorted(place, np.arange(number + 1))
    parts = (latency_us[low:high] for low, high in pairwise(starts))
    return [_percentiles(part[~np.isnan(part)]) for part in parts]


def _percentiles(latency_us: Floats) -> tuple[float | None, float | None]:
    if not len(latency_us):
        return None, None
    p50, p99 = np.percentile(latency_us, (50, 99))
    return float(p50), float(p99)


def _flags(frame: Frame, place: Ints, number: int) -> dict[str, list[int]]:
    denied = ~frame.allowed & ~frame.failed_closed
    found = {}
    for flag in sorted({flag for marks in frame.mismatch.values for flag in marks[0]}):
        has = np.array([*(flag in marks[0] for marks in frame.mismatch.values), False])[frame.mismatch.numbers]
        rows = denied & has
        if rows.any():
            found[flag] = np.bincount(place[rows], minlength=number).tolist()
    return dict(sorted(found.items(), key=lambda pair: -sum(pair[1])))
