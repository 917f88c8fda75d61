"""What probabilities mean: of the cases that got 30 %, in how many did it happen?"""

from __future__ import annotations

import attrs
import numpy as np

from mdm_eval.columns import Floats, Ints
from mdm_eval.intervals import Estimate, proportion

BINS = 15  # C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017


@attrs.frozen
class Bin:
    """Cases with similar probabilities.

    Attributes:
        low: Their smallest probability.
        high: Their largest.
        cases: How many they are.
        mean: Their mean probability.
        share: The share in which it happened.
    """

    low: float
    high: float
    cases: int
    mean: float
    share: Estimate


@attrs.frozen
class Decomposition:
    """The parts of the Brier score: ``reliability - resolution + uncertainty + within_variance - within_covariance``.

    A. H. Murphy, "A New Vector Partition of the Probability Score", Journal of Applied Meteorology 12, 1973; with the
    two parts by which probabilities differ inside a bin, so that the sum is the score (D. B. Stephenson,
    C. A. S. Coelho and I. T. Jolliffe, "Two Extra Components in the Brier Score Decomposition", Weather and Forecasting
    23, 2008).

    Attributes:
        reliability: How far the bins' mean probability is from the share in which it happened; 0 is best.
        resolution: How far the bins' shares are from the overall share; the more the better.
        uncertainty: What the overall share alone would score.
        within_variance: Variance of probabilities inside bins.
        within_covariance: Twice the covariance of probability and outcome inside bins.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float


def equal_width(p: Floats) -> Ints:
    """Cut sorted probabilities into bins of equal width; an edge belongs to the bin below it, as in scikit-learn.

    Returns:
        Where each bin that is not empty begins.
    """
    return _starts(p, np.linspace(0.0, 1.0, BINS + 1))


def equal_mass(p: Floats) -> Ints:
    """Cut sorted probabilities into bins of about equal size; equal probabilities stay together.

    Returns:
        Where each bin that is not empty begins.
    """
    return _starts(p, np.percentile(p, np.linspace(0.0, 1.0, BINS + 1) * 100))


def _starts(p: Floats, edges: Floats) -> Ints:
    starts = np.unique(np.append(0, np.searchsorted(p, edges[1:-1], "right")))
    return starts[starts < len(p)]


def curve(p: Floats, y: Floats, starts: Ints) -> list[Bin]:
    """Give the reliability curve.

    Args:
        p: Probabilities, sorted.
        y: Outcomes, 0 or 1.
        starts: Where bins begin.
    """
    ends = np.append(starts[1:], len(p))
    cases, happened, summed = ends - starts, np.add.reduceat(y, starts), np.add.reduceat(p, starts)
    return [
        Bin(float(p[start]), float(p[end - 1]), int(n), float(total / n), proportion(int(k), int(n)))
        for start, end, n, total, k in zip(starts, ends, cases, summed, happened, strict=True)
    ]


def decompose(p: Floats, y: Floats, starts: Ints) -> Decomposition:
    """Take the Brier score apart.

    Args:
        p: Probabilities, sorted.
        y: Outcomes, 0 or 1.
        starts: Where bins begin.
    """
    n = len(p)
    cases = np.diff(np.append(starts, n))
    mean, share, overall = np.add.reduceat(p, starts) / cases, np.add.reduceat(y, starts) / cases, y.mean()
    off_mean, off_share = p - np.repeat(mean, cases), y - np.repeat(share, cases)
    return Decomposition(
        reliability=float(cases @ (mean - share) ** 2 / n),
        resolution=float(cases @ (share - overall) ** 2 / n),
        uncertainty=float(overall * (1 - overall)),
        within_variance=float(off_mean @ off_mean / n),
        within_covariance=float(2 * (off_mean @ off_share) / n),
    )
