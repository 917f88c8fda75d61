"""The area under the ROC curve, and how surely it is known."""

from __future__ import annotations

import attrs
import numpy as np

from mdm_eval.clusters import by_key
from mdm_eval.columns import Bools, Floats, Ints
from mdm_eval.intervals import NOTHING, Estimate, normal


@attrs.frozen(eq=False)
class Areas:
    """Areas under ROC curves over the same cases.

    Attributes:
        values: One per score.
        covariance: Their estimated covariance.
        influence: Of each case on each area, one row per score: by how much the area would be off without it.
    """

    values: Floats
    covariance: Floats
    influence: Floats

    def estimate(self) -> Estimate:
        """The area of the only score; without an interval where all cases are told apart, for then nothing varies."""
        if self.covariance[0, 0] <= 0.0:
            return Estimate(float(self.values[0]))
        return normal(float(self.values[0]), float(self.covariance[0, 0]), "delong", 0.0, 1.0)

    def difference(self, keys: Ints | None = None) -> Estimate:
        """How much larger the area of the second score is than that of the first.

        By key, the influences of all cases of a key are summed (N. A. Obuchowski, "Nonparametric Analysis of Clustered
        ROC Curve Data", Biometrics 53, 1997).

        Args:
            keys: Number of the key of each case; None takes cases to be independent.
        """
        first, second = self.values
        if keys is not None:
            return by_key(float(second - first), self.influence[1] - self.influence[0], keys)
        variance = self.covariance[0, 0] + self.covariance[1, 1] - 2 * self.covariance[0, 1]
        return normal(float(second - first), max(float(variance), 0.0), "delong", -1.0, 1.0)


def areas(label: Bools, *scores: Floats) -> Areas | None:
    """Work out areas under ROC curves with the covariance that DeLong found.

    The area is the share of pairs of a positive and a negative case that the score puts in the right order, ties
    counting half. The covariance is that of the cases' placements among the other class, over their number, summed over
    both classes (E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, "Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves: A Nonparametric Approach", Biometrics 44, 1988), here by sorting rather
    than pair by pair (X. Sun and W. Xu, "Fast Implementation of DeLong's Algorithm", IEEE SPL 21, 2014).

    Args:
        label: Which cases are positive.
        scores: One or several scores of the same cases, higher for more likely positive.

    Returns:
        The areas; None with fewer than two positive or two negative cases.
    """
    positives, negatives = int(label.sum()), int((~label).sum())
    if min(positives, negatives) < 2:
        return None
    of_positives = np.array([_placements(score[label], score[~label]) for score in scores])
    of_negatives = np.array([1.0 - _placements(score[~label], score[label]) for score in scores])
    covariance = np.cov(of_positives).reshape(len(scores), -1) / positives
    covariance = covariance + np.cov(of_negatives).reshape(len(scores), -1) / negatives
    values = of_positives.mean(axis=1)
    influence = np.empty((len(scores), len(label)))
    influence[:, label] = (of_positives - values[:, None]) / positives
    influence[:, ~label] = (of_negatives - values[:, None]) / negatives
    return Areas(values, covariance, influence)


def roc_auc(label: Bools, score: Floats) -> Estimate:
    """Estimate the area under the ROC curve; nothing with fewer than two positive or negative cases.

    Args:
        label: Which cases are positive.
        score: Higher for more likely positive.
    """
    found = areas(label, score)
    return NOTHING if found is None else found.estimate()


def _placements(these: Floats, others: Floats) -> Floats:
    """The share of the others that is below each of these, ties counting half."""
    others = np.sort(others)
    order = np.argsort(these)  # looking up in order is several times faster
    below = np.searchsorted(others, these[order], "left") + np.searchsorted(others, these[order], "right")
    placements = np.empty(len(these))
    placements[order] = below / (2.0 * len(others))
    return placements
