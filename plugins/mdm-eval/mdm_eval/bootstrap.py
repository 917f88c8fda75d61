"""Bootstrap: how much a figure varies when the decisions are drawn again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np

from mdm_eval.columns import Floats
from mdm_eval.intervals import LEVEL, Estimate

Statistic: TypeAlias = Callable[[Floats], Sequence[float]]

_FEW = 10_000
_MOST, _LEAST = 999, 199


def replicates_for(rows: int) -> int:
    """How often is drawn: 999 times, and 199 times from more than 10,000 rows.

    One more is a multiple of 40, so that the ends of the interval are replicates (A. C. Davison and D. V. Hinkley,
    "Bootstrap Methods and their Application", 1997, section 5.2).
    """
    return _MOST if rows <= _FEW else _LEAST


def each_drawn(draw: Callable[[np.random.Generator], Sequence[float]], times: int) -> Floats:
    """Draw several times, on all processors; the same whatever their number.

    Args:
        draw: Gives the figures of one replicate, from a generator of its own.
        times: How many replicates.

    Returns:
        One row per replicate.
    """
    seeds = np.random.SeedSequence(0).spawn(times)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.array(list(pool.map(lambda seed: draw(np.random.default_rng(seed)), seeds)), dtype=np.float64)


def bootstrap(statistic: Statistic, rows: int) -> Floats:
    """Draw rows with replacement and work the figures out again.

    Args:
        statistic: Gives the figures when each row counts so many times.
        rows: Number of rows.

    Returns:
        One row per replicate, one column per figure.
    """

    def draw(random: np.random.Generator) -> Sequence[float]:
        drawn = random.integers(0, rows, rows, dtype=np.uint32)
        return statistic(np.bincount(drawn, minlength=rows).astype(np.float64))

    return each_drawn(draw, replicates_for(rows))


def percentile(value: float | None, replicates: Floats) -> Estimate:
    """Take the interval between two quantiles of the replicates (B. Efron, 1979).

    Args:
        value: The figure.
        replicates: The same figure of each replicate; one that has none is left out.
    """
    low, high = _ends(replicates)
    if low is None or high is None:
        return Estimate(value)
    return Estimate(value, low, high, "bootstrap")


def reflected(value: float, replicates: Floats, least: float = 0.0) -> Estimate:
    """Take the basic bootstrap interval: the replicates' deviation from the figure, turned round.

    For a figure that sampling makes too large, such as a calibration error: the replicates are too large once more, by
    about as much, and turning them round takes that away (Davison and Hinkley, equation 5.6).

    Args:
        value: The figure.
        replicates: The same figure of each replicate.
        least: The smallest value that it can have.
    """
    low, high = _ends(replicates)
    if low is None or high is None:
        return Estimate(value)
    return Estimate(value, max(least, 2 * value - high), max(least, 2 * value - low), "bootstrap")


def _ends(replicates: Floats) -> tuple[float | None, float | None]:
    usable = np.sort(replicates[~np.isnan(replicates)])
    if 2 * len(usable) < len(replicates):
        return None, None
    rank = round((len(usable) + 1) * (1 - LEVEL) / 2)
    return (float(usable[rank - 1]), float(usable[-rank])) if rank else (None, None)
