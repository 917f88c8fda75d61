"""What was done against what was true."""

from __future__ import annotations

import attrs
import numpy as np

from mdm_eval.bootstrap import percentile
from mdm_eval.columns import Bools, Floats
from mdm_eval.costs import Costs
from mdm_eval.intervals import NOTHING, Estimate, proportion

_REPLICATES = 999


@attrs.frozen
class Quality:
    """How right actions were.

    Attributes:
        tp: Acted, and rightly.
        fp: Acted, and there was nothing to be done.
        fn: Did not act, and there was something to be done.
        tn: Did nothing, and rightly.
        precision: Of the actions, the share that was right.
        recall: Of what was to be acted on, the share that was.
        specificity: Of what was to be left alone, the share that was.
        accuracy: The share of decisions that was right.
        f1: Harmonic mean of precision and recall.
        cost: Cost per decision.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    precision: Estimate
    recall: Estimate
    specificity: Estimate
    accuracy: Estimate
    f1: Estimate
    cost: Estimate

    @property
    def cases(self) -> int:
        """Decisions whose outcome is known."""
        return self.tp + self.fp + self.fn + self.tn


def judge_actions(acted: Bools, label: Bools, costs: Costs) -> Quality:
    """Compare actions with outcomes.

    Args:
        acted: Whether it was acted.
        label: Whether it was right to act.
        costs: What mistakes cost.
    """
    tp, fp = int((acted & label).sum()), int((acted & ~label).sum())
    fn, tn = int((~acted & label).sum()), int((~acted & ~label).sum())
    cases = tp + fp + fn + tn
    drawn = _redrawn(np.array([tp, fp, fn, tn], dtype=np.float64))
    return Quality(
        tp=tp,
        fp=fp,
        fn=fn,
        tn=tn,
        precision=proportion(tp, tp + fp),
        recall=proportion(tp, tp + fn),
        specificity=proportion(tn, tn + fp),
        accuracy=proportion(tp + tn, cases),
        f1=percentile(2 * tp / (2 * tp + fp + fn), _f1(drawn)) if tp + fp + fn else NOTHING,
        cost=percentile(float(_cost(drawn[:1], costs)[0]), _cost(drawn[1:], costs)) if cases else NOTHING,
    )


def _redrawn(cells: Floats) -> Floats:
    """The cells, and below them the cells of each replicate: drawing cases again is drawing from these four."""
    cases = int(cells.sum())
    if not cases:
        return cells[None]
    drawn = np.random.default_rng(0).multinomial(cases, cells / cases, _REPLICATES)
    return np.vstack([cells, drawn])


def _f1(cells: Floats) -> Floats:
    tp, fp, fn, _ = cells[1:].T
    whole = 2 * tp + fp + fn
    f1: Floats = np.divide(2 * tp, whole, out=np.full(len(tp), np.nan), where=whole > 0)
    return f1


def _cost(cells: Floats, costs: Costs) -> Floats:
    total: Floats = cells @ np.array([costs.tp, costs.fp, costs.fn, costs.tn])
    cases: Floats = cells.sum(axis=1)
    return total / cases
