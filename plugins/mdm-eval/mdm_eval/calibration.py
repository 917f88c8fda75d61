"""Calibration: from the probabilities that a model gives to those that hold."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from mdm_core import UsageError
from scipy.linalg import LinAlgWarning  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from mdm_eval.columns import Bools, Floats

Method: TypeAlias = Literal["platt", "isotonic", "beta"]

CLIP = 1e-9


class Logistic(msgspec.Struct, frozen=True, tag_field="kind", tag="logistic"):
    """``1 / (1 + exp(-(a ln p - b ln(1 - p) + c)))``, with p not nearer to 0 or 1 than ``clip``."""

    a: float
    b: float
    c: float
    clip: float = CLIP

    def apply(self, p: Floats) -> Floats:
        """Calibrate probabilities."""
        p = np.clip(p, self.clip, 1 - self.clip)
        z = self.a * np.log(p) - self.b * np.log1p(-p) + self.c
        return np.asarray(1 / (1 + np.exp(-z)), dtype=np.float64)


class Steps(msgspec.Struct, frozen=True, tag_field="kind", tag="steps"):
    """Straight lines between points, and level before the first and after the last."""

    x: list[float]
    y: list[float]

    def apply(self, p: Floats) -> Floats:
        """Calibrate probabilities."""
        return np.asarray(np.interp(p, self.x, self.y), dtype=np.float64)


Map: TypeAlias = Logistic | Steps


def fit(method: Method, p: Floats, label: Bools) -> Map:
    """Fit a calibration.

    Args:
        method: ``platt``, ``isotonic`` or ``beta``.
        p: Probabilities.
        label: What happened.

    Raises:
        UsageError: There are no positive or no negative cases, or probabilities do not rise where they should.
    """
    if label.all() or not label.any():
        raise UsageError("the part that is fitted on has outcomes of one kind only; give another --split")
    if np.ptp(p) == 0.0:
        raise UsageError(
            "every probability is the same, so there is nothing to calibrate; is it the right --probability?"
        )
    return _FITS[method](p, label)


def fit_platt(p: Floats, label: Bools) -> Logistic:
    """Fit a logistic curve over the log odds.

    J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with his targets ``(n1 + 1) / (n1 + 2)`` and
    ``1 / (n0 + 2)`` in place of 1 and 0, against overfitting.
    """
    positives, negatives = int(label.sum()), int((~label).sum())
    target = np.where(label, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    log_odds = np.log(_clipped(p)) - np.log1p(-_clipped(p))
    (slope,), c = _logistic(log_odds[:, None], target)
    if slope <= 0:
        raise UsageError(
            "outcomes become rarer as the probability rises, so there is nothing to calibrate; is it the right "
            "--probability, and the right --positive?"
        )
    return Logistic(slope, slope, c)


def fit_beta(p: Floats, label: Bools) -> Logistic:
    """Fit a beta calibration.

    M. Kull, T. Silva Filho and P. Flach, "Beta Calibration: a Well-founded and Easily Implemented Improvement on
    Logistic Calibration for Binary Classifiers", AISTATS 2017: a logistic regression on ``ln p`` and ``-ln(1 - p)``;
    where one of the two coefficients would be negative, on the other alone.
    """
    parts = np.column_stack([np.log(_clipped(p)), -np.log1p(-_clipped(p))])
    target = label.astype(np.float64)
    (a, b), c = _logistic(parts, target)
    if a < 0:
        (b,), c = _logistic(parts[:, 1:], target)
        a = 0.0
    elif b < 0:
        (a,), c = _logistic(parts[:, :1], target)
        b = 0.0
    if max(a, b) <= 0:
        raise UsageError("outcomes do not become more frequent as the probability rises; there is nothing to calibrate")
    return Logistic(a, b, c)


def fit_isotonic(p: Floats, label: Bools) -> Steps:
    """Fit a rising curve of any form.

    B. Zadrozny and C. Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002.
    """
    found = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, label.astype(np.float64))
    return Steps(found.X_thresholds_.tolist(), found.y_thresholds_.tolist())


_FITS: dict[str, Callable[[Floats, Bools], Map]] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
    "beta": fit_beta,
}


def _clipped(p: Floats) -> Floats:
    return np.clip(p, CLIP, 1 - CLIP)


def _logistic(parts: Floats, target: Floats) -> tuple[list[float], float]:
    """Coefficients and intercept of largest likelihood; a target between 0 and 1 counts as that share of a case."""
    cases = len(target)
    doubled, label = np.vstack([parts, parts]), np.repeat([1, 0], cases)
    weight = np.concatenate([target, 1 - target])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("ignore", LinAlgWarning)  # another solver goes on
        try:
            model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
            model.fit(doubled[weight > 0], label[weight > 0], weight[weight > 0])
        except ConvergenceWarning:
            raise UsageError("the fit does not converge; try --method isotonic") from None
    return [float(x) for x in model.coef_[0]], float(model.intercept_[0])
