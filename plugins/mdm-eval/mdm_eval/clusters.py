"""Intervals by key: decisions about one user, robot or carrier are alike, and count as one cluster."""

from __future__ import annotations

from math import sqrt

import attrs
import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]

from mdm_eval.columns import Bools, Floats, Ints
from mdm_eval.intervals import LEVEL, NOTHING, Estimate, Z, paired_difference, proportion

BY_KEY = "by key"
_STUDENT = f"student {BY_KEY}"


@attrs.frozen(eq=False)
class Ratio:
    """A sum over another sum, such as a precision or a mean.

    Attributes:
        value: The ratio.
        influence: Of each case: what it adds to the ratio, to first order. They sum to 0.
    """

    value: float
    influence: Floats


def ratio_of(part: Floats | Bools, whole: Floats | Bools) -> Ratio | None:
    """Divide one sum by another, with the influence of each case (linearisation: D. A. Binder, "On the Variances of
    Asymptotically Normal Estimators from Complex Surveys", International Statistical Review 51, 1983).

    Args:
        part: What each case adds to the numerator.
        whole: What it adds to the denominator.

    Returns:
        The ratio; None if the denominator is 0.
    """
    total = float(np.sum(whole))
    if not total:
        return None
    value = float(np.sum(part)) / total
    return Ratio(value, (np.asarray(part, np.float64) - value * np.asarray(whole, np.float64)) / total)


def by_key(value: float, influence: Floats, keys: Ints) -> Estimate:
    """Estimate a figure from cases of which those of one key may depend on each other in any way.

    The variance is that of the keys' sums, with Student's quantile for as many keys (K.-Y. Liang and S. L. Zeger,
    "Longitudinal Data Analysis Using Generalized Linear Models", Biometrika 73, 1986; M. Bell and D. McCaffrey, "Bias
    Reduction in Standard Errors for Linear Regression with Multi-Stage Samples", Survey Methodology 28, 2002).

    Args:
        value: The figure.
        influence: Of each case.
        keys: Number of the key of each case.

    Returns:
        The figure; without an interval if there are fewer than two keys.
    """
    variance, freedom = _variance(influence, keys)
    return _student(value, variance, freedom)


def difference_by_key(before: tuple[Ratio | None, Ints], after: tuple[Ratio | None, Ints]) -> Estimate:
    """Estimate how much larger one ratio is than another of other keys.

    The degrees of freedom are those of Welch and Satterthwaite (B. L. Welch, "The Generalization of Student's Problem
    when Several Different Population Variances are Involved", Biometrika 34, 1947).

    Args:
        before: The one, with the number of the key of each case.
        after: The other.
    """
    (one, keys), (other, other_keys) = before, after
    if one is None or other is None:
        return NOTHING
    parts = [_variance(one.influence, keys), _variance(other.influence, other_keys)]
    if not all(freedom for _, freedom in parts):
        return Estimate(other.value - one.value)
    variance = sum(part for part, _ in parts)
    squares = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / squares if squares else min(freedom for _, freedom in parts)
    return _student(other.value - one.value, variance, freedom)


def share_by_key(having: Bools, keys: Ints) -> Estimate:
    """Estimate a proportion: Wilson's interval for the effective number of cases, which holds its level best of those
    that were compared (N. Dean and M. Pagano, "Evaluating Confidence Interval Methods for Binomial Proportions in
    Clustered Surveys", Journal of Survey Statistics and Methodology 3, 2015).

    Args:
        having: Whether each case has the property.
        keys: Number of the key of each case.
    """
    effective = effective_cases(having.astype(np.float64), keys)
    found = proportion(int(having.sum()), len(having), effective)
    return _marked(found, effective)


def paired_by_key(before: Bools, after: Bools, keys: Ints) -> Estimate:
    """Estimate how much larger one proportion is than another of the same cases, by their effective number.

    Args:
        before: Whether each case has the first property.
        after: Whether it has the second.
        keys: Number of the key of each case.
    """
    effective = effective_cases(after.astype(np.float64) - before, keys)
    found = paired_difference(int((before & ~after).sum()), int((after & ~before).sum()), len(keys), effective)
    return _marked(found, effective)


def effective_cases(values: Floats, keys: Ints) -> float | None:
    """Work out as how many independent cases the cases of some keys count.

    Their number over the design effect, and less for few keys, by which that is not known well (E. L. Korn and B. I.
    Graubard, "Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from Survey
    Data", Survey Methodology 24, 1998). Where all values are the same nothing tells how alike those of one key are;
    then each key counts once.

    Args:
        values: One per case.
        keys: Number of the key of each case.

    Returns:
        The number, not above that of the cases; None with fewer than two keys.
    """
    cases, spread = len(values), float(values.var()) if len(values) else 0.0
    variance, freedom = _variance((values - values.mean()) / cases if cases else values, keys)
    if not freedom:
        return None
    effective = spread / max(variance, spread / cases) if spread else freedom + 1.0
    return float(effective * (Z / _quantile(freedom)) ** 2)


def _variance(influence: Floats, keys: Ints) -> tuple[float, float]:
    """The variance of a sum of which each key's part is drawn by itself, and its degrees of freedom."""
    _, numbers = np.unique(keys, return_inverse=True)
    sums = np.bincount(numbers, influence)
    count = len(sums)
    return (count / (count - 1) * float(np.sum(sums**2)), count - 1.0) if count > 1 else (0.0, 0.0)


def _student(value: float, variance: float, freedom: float) -> Estimate:
    if not freedom:
        return Estimate(value)
    half = _quantile(freedom) * sqrt(variance)
    return Estimate(value, value - half, value + half, _STUDENT)


def _quantile(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def _marked(found: Estimate, effective: float | None) -> Estimate:
    if effective is None:
        return Estimate(found.value)
    return attrs.evolve(found, method=f"{found.method} {BY_KEY}") if found.method else found
