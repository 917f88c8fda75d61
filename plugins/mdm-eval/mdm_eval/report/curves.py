"""What other thresholds would have given: the ROC curve and the cost curve."""

from __future__ import annotations

import attrs
import numpy as np

from mdm_eval.columns import Bools, Floats, Ints
from mdm_eval.costs import Costs

_POINTS = 200
_BINS = 40


@attrs.frozen
class Cut:
    """What would come of acting from a probability on, with no guards.

    Attributes:
        threshold: That probability; above 1 where nothing is acted on.
        acted: The share of decisions that would act.
        recall: Of what was to be acted on, the share that would be.
        fallout: Of what was to be left alone, the share that would be acted on.
        precision: Of the actions, the share that would be right; None without any.
        cost: Cost per decision.
    """

    threshold: float
    acted: float
    recall: float
    fallout: float
    precision: float | None
    cost: float


@attrs.frozen
class Curves:
    """What other thresholds would have given.

    Attributes:
        cases: Decisions with an outcome and a probability.
        distinct: How many different thresholds there are.
        roc: About two hundred of them, evenly along the ROC curve; its ends are always among them.
        costs: About two hundred of them, evenly from 0 to 1.
        best: The one that costs least.
        histogram: How many cases have a probability in each of forty equal parts: where it happened, and where not.
    """

    cases: int
    distinct: int
    roc: list[Cut]
    costs: list[Cut]
    best: Cut
    histogram: list[tuple[int, int]]


def curves(probability: Floats, truth: Bools, costs: Costs) -> Curves | None:
    """Work out both curves.

    Args:
        probability: Of each case.
        truth: Whether it was right to act.
        costs: What mistakes cost.

    Returns:
        The curves; None unless there are cases of both kinds.
    """
    if not truth.any() or truth.all():
        return None
    order = np.argsort(-probability, kind="stable")
    p, y = probability[order], truth[order]
    last = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    tp = np.concatenate([[0], np.cumsum(y)[last]])
    acted = np.concatenate([[0], last + 1])
    cuts = _Cuts(np.concatenate([[np.inf], p[last]]), tp, acted - tp, costs)
    grid = np.arange(_POINTS + 1) / _POINTS
    by_threshold = np.searchsorted(-cuts.threshold, -grid, "right") - 1
    return Curves(
        cases=len(p),
        distinct=len(last),
        roc=[cuts.at(int(n)) for n in _along(cuts)],
        costs=[attrs.evolve(cuts.at(int(n)), threshold=float(at)) for at, n in zip(grid, by_threshold, strict=True)],
        best=cuts.at(int(np.argmin(cuts.cost))),
        histogram=_histogram(probability, truth),
    )


class _Cuts:
    def __init__(self, threshold: Floats, tp: Ints, fp: Ints, costs: Costs) -> None:
        self.threshold, self.tp, self.fp = threshold, tp, fp
        self.positives, self.negatives = int(tp[-1]), int(fp[-1])
        fn, tn = self.positives - tp, self.negatives - fp
        self.cases = self.positives + self.negatives
        self.cost = (costs.tp * tp + costs.fp * fp + costs.fn * fn + costs.tn * tn) / self.cases

    def at(self, n: int) -> Cut:
        tp, fp = int(self.tp[n]), int(self.fp[n])
        return Cut(
            threshold=min(float(self.threshold[n]), 2.0),
            acted=(tp + fp) / self.cases,
            recall=tp / self.positives,
            fallout=fp / self.negatives,
            precision=tp / (tp + fp) if tp + fp else None,
            cost=float(self.cost[n]),
        )


def _along(cuts: _Cuts) -> Ints:
    """Points at equal distances along the curve."""
    way = cuts.tp / cuts.positives + cuts.fp / cuts.negatives
    places = np.searchsorted(way, np.linspace(0.0, 2.0, _POINTS + 1))
    return np.unique(np.append(np.minimum(places, len(way) - 1), [0, len(way) - 1]))


def _histogram(probability: Floats, truth: Bools) -> list[tuple[int, int]]:
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    happened, not_ = (np.histogram(probability[rows], edges)[0].tolist() for rows in (truth, ~truth))
    return list(zip(happened, not_, strict=True))
