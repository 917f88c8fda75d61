"""Figures with the interval that holds the truth in 95 of 100 cases."""

from __future__ import annotations

from math import sqrt

import attrs

LEVEL = 0.95
Z = 1.959963984540054  # the normal distribution's quantile at (1 + LEVEL) / 2


@attrs.frozen
class Estimate:
    """A figure, and how surely it is known.

    Attributes:
        value: The figure, or None if there is nothing to work it out from.
        low: Lower end of the 95 % interval, or None if there is none.
        high: Upper end.
        method: How the interval was worked out: ``wilson``, ``delong``, ``bootstrap``, ``normal``,
            ``bonett-price``, ``newcombe``, ``student``, or an empty text; with ``by key`` behind it where decisions
            about one key count as one cluster.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str = ""


NOTHING = Estimate(None)


def proportion(part: int, whole: int, effective: float | None = None) -> Estimate:
    """Estimate a proportion.

    The interval is Wilson's score interval, which holds its level also near 0 and 1 and with few cases (E. B. Wilson,
    "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927; L. D. Brown, T. T. Cai and
    A. DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science 16, 2001).

    Args:
        part: Cases that have the property.
        whole: All cases.
        effective: As how many independent cases they count; None: they are independent.
    """
    if not whole:
        return NOTHING
    share, cases = part / whole, whole if effective is None else effective
    centre = (share + Z * Z / (2 * cases)) / (1 + Z * Z / cases)
    half = Z * sqrt(share * (1 - share) / cases + Z * Z / (4 * cases * cases)) / (1 + Z * Z / cases)
    low = centre - half if part else 0.0
    high = centre + half if part < whole else 1.0
    return Estimate(share, low, high, "wilson")


def paired_difference(before: int, after: int, cases: int, effective: float | None = None) -> Estimate:
    """Estimate how much larger one proportion is than another of the same cases.

    The interval is Wald's with one case added to each kind that differs, which holds its level with few cases too
    (D. G. Bonett and R. M. Price, "Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on
    Paired Data", Journal of Educational and Behavioral Statistics 37, 2012).

    Args:
        before: Cases that only the first has.
        after: Cases that only the second has.
        cases: All cases.
        effective: As how many independent cases they count; None: they are independent.
    """
    if not cases:
        return NOTHING
    count = cases if effective is None else effective
    lost, won = (before / cases * count + 1) / (count + 2), (after / cases * count + 1) / (count + 2)
    half = Z * sqrt((lost + won - (won - lost) ** 2) / (count + 2))
    low, high = max(-1.0, won - lost - half), min(1.0, won - lost + half)
    return Estimate((after - before) / cases, low, high, "bonett-price")


def normal(value: float, variance: float, method: str, least: float, most: float) -> Estimate:
    """Estimate a figure whose variance is known, by the normal distribution.

    Args:
        value: The figure.
        variance: Its variance.
        method: Where the variance comes from.
        least: The smallest value that the figure can have; the interval ends there.
        most: The largest.
    """
    half = Z * sqrt(variance)
    return Estimate(value, max(least, value - half), min(most, value + half), method)
