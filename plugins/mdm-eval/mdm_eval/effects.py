"""What a change would have done to precision, recall and cost, with intervals for the difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from mdm_eval.bootstrap import percentile
from mdm_eval.columns import Floats
from mdm_eval.costs import Costs
from mdm_eval.intervals import NOTHING, Estimate

_REPLICATES = 999
_MEASURES = ("precision", "recall", "cost")


@attrs.frozen
class Change:
    """One measure, before and after a change.

    Attributes:
        before: As it was; None if there is nothing to work it out from.
        after: As it would have been.
        change: The difference.
    """

    before: float | None
    after: float | None
    change: Estimate


@attrs.frozen
class Effects:
    """What a change would have done.

    Attributes:
        known: Decisions whose outcome is known.
        precision: Of the actions, the share that was right.
        recall: Of what was to be acted on, the share that was.
        cost: Cost of all these decisions together.
        per_decision: Cost per decision.
    """

    known: int
    precision: Change
    recall: Change
    cost: Change
    per_decision: Change

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        return attrs.asdict(self)


def effects_of(cells: Mapping[tuple[bool, bool, bool], int], costs: Costs) -> Effects:
    """Compare what was done and what would have been done with what was true.

    The two go by the same events, so the difference is what varies when events are drawn again: a paired bootstrap.
    Every figure depends on events only through the eight cells, and drawing events with replacement is drawing the
    cells from a multinomial distribution, which is done 999 times from a fixed seed. The interval is between two
    quantiles (B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).

    Args:
        cells: Whether it was acted, whether it would have been acted, and whether it was right to act, to the number of
            decisions.
        costs: What mistakes cost.
    """
    counts = np.zeros((2, 2, 2))
    for (before, after, right), number in cells.items():
        counts[int(before), int(after), int(right)] += number
    known = int(counts.sum())
    drawn = np.random.default_rng(0).multinomial(known, counts.ravel() / known, _REPLICATES) if known else counts[:0]
    every: Floats = np.vstack([counts.reshape(1, 8), drawn.reshape(-1, 8)]).astype(np.float64).reshape(-1, 2, 2, 2)
    found = {name: _change(*pair) for name, pair in _measures(every, costs).items()}
    per_decision = {name: value / known if known else value for name, value in _costs(every, costs).items()}
    return Effects(known, **found, per_decision=_change(per_decision["before"], per_decision["after"]))


def cost_of(cells: Mapping[tuple[bool, bool], int], costs: Costs) -> float:
    """Add up what decisions cost.

    Args:
        cells: Whether it was acted, and whether it was right to act, to the number of decisions.
        costs: What mistakes cost.
    """
    each = {(True, True): costs.tp, (True, False): costs.fp, (False, True): costs.fn, (False, False): costs.tn}
    return sum(each[cell] * number for cell, number in sorted(cells.items()))


def _measures(every: Floats, costs: Costs) -> dict[str, tuple[Floats, Floats]]:
    """Measure to its values before and after: first those of the run, then those of the replicates."""
    before, after = every.sum(axis=2), every.sum(axis=1)
    sums = _costs(every, costs)
    return {
        "precision": (
            _share(before[:, 1, 1], before[:, 1].sum(axis=1)),
            _share(after[:, 1, 1], after[:, 1].sum(axis=1)),
        ),
        "recall": (
            _share(before[:, 1, 1], before[:, :, 1].sum(axis=1)),
            _share(after[:, 1, 1], after[:, :, 1].sum(axis=1)),
        ),
        "cost": (sums["before"], sums["after"]),
    }


def _costs(every: Floats, costs: Costs) -> dict[str, Floats]:
    each = np.array([[costs.tn, costs.fn], [costs.fp, costs.tp]])
    return {
        "before": (every.sum(axis=2) * each).sum(axis=(1, 2)),
        "after": (every.sum(axis=1) * each).sum(axis=(1, 2)),
    }


def _share(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return share


def _change(before: Floats, after: Floats) -> Change:
    old, new = _figure(before[0]), _figure(after[0])
    if old is None or new is None or len(before) == 1:
        return Change(old, new, NOTHING)
    return Change(old, new, percentile(new - old, after[1:] - before[1:]))


def _figure(value: NDArray[np.float64] | float) -> float | None:
    return None if np.isnan(value) else float(value)
