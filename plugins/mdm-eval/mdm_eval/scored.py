"""Probabilities against what happened."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import attrs
import numpy as np

from mdm_eval.bootstrap import bootstrap, each_drawn, percentile, reflected, replicates_for
from mdm_eval.columns import Bools, Floats, Ints
from mdm_eval.delong import roc_auc
from mdm_eval.intervals import NOTHING, Estimate
from mdm_eval.reliability import Bin, Decomposition, curve, decompose, equal_mass, equal_width

_EPS = float(np.finfo(np.float64).eps)


@attrs.frozen
class ByChance:
    """What a calibration error would be if every probability were right: it is never 0, for cases are finitely many.

    Outcomes are drawn with the given probabilities (J. Bröcker and L. A. Smith, "Increasing the Reliability of
    Reliability Diagrams", Weather and Forecasting 22, 2007).

    Attributes:
        mean: On average.
        p95: In 95 of 100 cases not more than this.
    """

    mean: float
    p95: float


@attrs.frozen
class Probabilities:
    """How good probabilities are.

    Attributes:
        cases: Decisions with an outcome and a probability.
        positives: Those where it happened.
        roc_auc: Area under the ROC curve.
        average_precision: Precision averaged over recall.
        brier: Mean squared difference between probability and outcome.
        brier_skill: By how much that is better than giving always the overall share, which has 0; 1 is best.
        decomposition: The parts of the Brier score, by the bins of equal width.
        log_loss: Mean logarithmic loss, in nats.
        ece: Expected calibration error, bins of equal width.
        ece_equal_mass: The same, bins of equal size.
        mce: Largest difference between mean probability and share of any bin of equal width.
        by_chance: What the three errors would be if every probability were right.
        curve: The reliability curve, bins of equal width.
    """

    cases: int
    positives: int
    roc_auc: Estimate
    average_precision: Estimate
    brier: Estimate
    brier_skill: float | None
    decomposition: Decomposition
    log_loss: Estimate
    ece: Estimate
    ece_equal_mass: Estimate
    mce: float
    by_chance: dict[str, ByChance]
    curve: list[Bin]


class Scored:
    """Probabilities and outcomes, sorted by probability, and figures in which each case can count several times.

    scikit-learn has these figures too, but sorts anew each time, for which a bootstrap over many cases cannot wait.

    Args:
        probability: Between 0 and 1; at least one.
        label: What happened.
    """

    def __init__(self, probability: Floats, label: Bools) -> None:
        order = np.argsort(probability, kind="stable")
        self.p = p = probability[order]
        self.y = y = label[order].astype(np.float64)
        self.squared = (p - y) ** 2
        clipped = np.clip(p, _EPS, 1 - _EPS)
        self.logarithmic = -np.log(np.where(y == 1.0, clipped, 1 - clipped))
        self.gap = p - y
        self.width, self.mass = equal_width(p), equal_mass(p)
        self.ones = np.ones(len(p))
        self._positive = np.flatnonzero(y == 1.0)
        self._below = np.searchsorted(p, p[self._positive], "left")
        self._positive_below = np.searchsorted(p[self._positive], p[self._positive], "left")

    def average_precision(self, weight: Floats) -> float:
        """Precision at each distinct probability, weighed by the gain in recall there, as scikit-learn does.

        That is the mean over positive cases of the share of positives among all with at least the case's probability.
        """
        of_positives = weight[self._positive]
        if not of_positives.any():
            return nan
        caught = _from(of_positives, self._positive_below)
        taken = _from(weight, self._below)
        precision = np.divide(caught, taken, out=np.zeros_like(caught), where=taken > 0)
        return _dot(of_positives, precision) / float(of_positives.sum())

    def largest_error(self, gap: Floats) -> float:
        """The largest of the bins' differences, of bins of equal width (the same source).

        Args:
            gap: Probability less outcome.
        """
        cases = np.diff(np.append(self.width, len(gap)))
        return float(np.max(np.abs(np.add.reduceat(gap, self.width)) / cases))

    def figures(self, weight: Floats) -> Sequence[float]:
        """Average precision, Brier score, log loss, calibration error by bins of equal width and of equal size."""
        total, gap = float(weight.sum()), weight * self.gap
        return (
            self.average_precision(weight),
            _dot(weight, self.squared) / total,
            _dot(weight, self.logarithmic) / total,
            calibration_error(gap, self.width) / total,
            calibration_error(gap, self.mass) / total,
        )

    def by_chance(self) -> dict[str, ByChance]:
        """Draw what the calibration errors would be if every probability were right."""

        def draw(random: np.random.Generator) -> Sequence[float]:
            gap = self.p - (random.random(len(self.p)) < self.p)
            errors = [calibration_error(gap, starts) / len(gap) for starts in (self.width, self.mass)]
            return *errors, self.largest_error(gap)

        drawn = each_drawn(draw, replicates_for(len(self.p)))
        names = ("ece", "ece_equal_mass", "mce")
        return {
            name: ByChance(float(column.mean()), float(np.quantile(column, 0.95)))
            for name, column in zip(names, drawn.T, strict=True)
        }

    def judge(self) -> Probabilities:
        """Work out all figures with their intervals."""
        precision, brier, log_loss, ece, ece_equal_mass = self.figures(self.ones)
        drawn = bootstrap(self.figures, len(self.p)).T
        parts = decompose(self.p, self.y, self.width)
        return Probabilities(
            cases=len(self.p),
            positives=int(self.y.sum()),
            roc_auc=roc_auc(self.y == 1.0, self.p),
            average_precision=percentile(precision, drawn[0]) if self.y.any() else NOTHING,
            brier=percentile(brier, drawn[1]),
            brier_skill=1 - brier / parts.uncertainty if parts.uncertainty else None,
            decomposition=parts,
            log_loss=percentile(log_loss, drawn[2]),
            ece=reflected(ece, drawn[3]),
            ece_equal_mass=reflected(ece_equal_mass, drawn[4]),
            mce=self.largest_error(self.gap),
            by_chance=self.by_chance(),
            curve=curve(self.p, self.y, self.width),
        )


def calibration_error(gap: Floats, starts: Ints) -> float:
    """The expected calibration error, times the cases: how far bins' probabilities are from what happened in them.

    M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    AAAI 2015.

    Args:
        gap: Probability less outcome of each case, sorted by probability.
        starts: Where bins begin.
    """
    return float(np.abs(np.add.reduceat(gap, starts)).sum())


def _dot(weight: Floats, values: Floats) -> float:
    # Without BLAS, which would start threads of its own in each of ours, and these would wait for each other.
    return float(np.einsum("i,i->", weight, values))


def _from(weight: Floats, places: Ints) -> Floats:
    """What the weights sum up to from each place on."""
    before = np.empty(len(weight) + 1)
    before[0] = 0.0
    np.cumsum(weight, out=before[1:])
    total: Floats = before[-1] - before[places]
    return total
