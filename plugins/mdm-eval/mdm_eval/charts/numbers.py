"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite

from mdm_eval.intervals import Estimate

_LONGEST, _LARGE = 60, 100

NOTHING = "\N{EN DASH}"
"""What stands where there is no figure."""


def count(value: float) -> str:
    """A count, in groups of three digits."""
    return f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share in percent: one digit after the point, more where that would say nothing."""
    if value is None:
        return NOTHING
    shown = f"{value:.1%}"
    return shown if shown not in ("0.0%", "100.0%") or value in (0.0, 1.0) else f"{value:.2%}"


def figure(value: float | None, digits: int = 4) -> str:
    """A figure; of large ones the digits after the point say nothing."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{value:,.{digits if abs(value) < _LARGE else 0}f}"


def signed(value: float | None, digits: int = 4) -> str:
    """A difference, with its sign."""
    return figure(value, digits) if value is None or value < 0 else f"+{figure(value, digits)}"


def interval(estimate: Estimate, as_share: bool = False) -> str:
    """The interval of a figure."""
    return _between(estimate, (lambda value, _: share(value)) if as_share else figure)


def signed_interval(estimate: Estimate) -> str:
    """The interval of a difference."""
    return _between(estimate, signed)


def short(value: float) -> str:
    """A number for an axis: few digits, ``k`` for thousands and ``M`` for millions."""
    for least, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / size:g}{unit}"
    return f"{value:,.6g}"


def duration(us: float | None) -> str:
    """A time that something took, in its own unit."""
    if us is None:
        return NOTHING
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us:.3g} µs"


def instant(ms: float) -> str:
    """An instant of UTC, to the minute; to the second where that differs."""
    try:
        told = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{ms:.0f} ms"
    return f"{told:%Y-%m-%d %H:%M}" if not told.second else f"{told:%Y-%m-%d %H:%M:%S}"


def day(ms: float) -> str:
    """A day of UTC."""
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%d %b %Y}".lstrip("0")
    except (OverflowError, ValueError, OSError):
        return instant(ms)


def named(value: object) -> str:
    """A name that comes from a run, cut to what fits."""
    told = value if isinstance(value, str) else str(value)
    return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"


def _between(estimate: Estimate, shown: Callable[[float | None, int], str]) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    digits = 4 if max(abs(estimate.low), abs(estimate.high)) < _LARGE else 0
    return f"{shown(estimate.low, digits)} to {shown(estimate.high, digits)}"
