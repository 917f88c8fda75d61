"""Whether a run has tried what another policy would do often enough to tell what would have come of it."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import attrs
import numpy as np

from mdm_eval.columns import Bools
from mdm_eval.ope_estimators import effective_sample_size, importance_weights
from mdm_eval.ope_logged import ACTIONS, Logged

ENOUGH = 100
_FAR = 4.0
_ROUNDING = 1e-9


@attrs.frozen
class ActionOverlap:
    """One action in the run and in the other policy.

    Attributes:
        taken: Decisions of the run in which it was taken.
        wanted: Decisions in which the other policy takes it; of those left to chance, their probability counts.
        least: The smallest probability that it had in the run where the other policy may take it, or None.
        untried: Decisions in which the other policy may take it and the run could not have.
        unknown: Decisions in which it was taken and of which no outcome is known.
    """

    taken: int
    wanted: float
    least: float | None
    untried: int
    unknown: int


@attrs.frozen
class Overlap:
    """How far a run tells of another policy.

    Attributes:
        decisions: Decisions whose outcome is known.
        untried: Decisions in which the other policy may do what the run could not have done.
        effective: How many decisions of equal weight would tell as much (Kish).
        largest: The largest weight.
        mean: The mean weight, which is 1 but for chance.
        spread: Standard error of the mean weight.
        actions: By name, those that were taken or would be.
    """

    decisions: int
    untried: int
    effective: float
    largest: float
    mean: float
    spread: float
    actions: dict[str, ActionOverlap]

    def problems(self) -> Iterator[str]:
        """Say why nothing can be told, and what to do."""
        for name, action in self.actions.items():
            if action.untried:
                yield (
                    f"in {action.untried:,} decisions the new policy may take {name}, which the run could not have "
                    f"taken: forbid it there as the run did, or let a run explore it"
                )
            if action.unknown == action.taken and action.taken and action.wanted:
                yield (
                    f"no outcome of {name} is known, so nothing tells what it is worth: join outcomes of it too, or "
                    f"say with `mdm outcomes join --absent` what none means"
                )
        if not self.untried:
            yield from self._problems_of_weights()

    def _problems_of_weights(self) -> Iterator[str]:
        if self.effective < ENOUGH:
            yield (
                f"the run tells as much of the new policy as {self.effective:,.1f} decisions would, and {ENOUGH} are "
                f"needed: explore more, decide more, or try a policy that is nearer to the run's"
            )
        elif abs(self.mean - 1.0) > _FAR * self.spread + _ROUNDING:
            yield (
                f"the weights are {self.mean:,.4f} on average and not 1, further off than chance explains: the "
                f"propensities are not those of the decisions, or whether an outcome is known depends on what was done"
            )


def overlap_of(log: Logged, known: Bools) -> Overlap:
    """Compare what a run has tried with what another policy does.

    Args:
        log: The decisions.
        known: Of which an outcome is known; the weights are theirs.
    """
    weights = importance_weights(log.wanted, log.logged, log.taken)[known]
    untried = (log.wanted > 0.0) & (log.logged == 0.0)
    cases = len(weights)
    return Overlap(
        cases,
        int(untried.any(axis=1).sum()),
        effective_sample_size(weights),
        float(weights.max(initial=0.0)),
        float(weights.mean()) if cases else 0.0,
        float(weights.std(ddof=1)) / sqrt(cases) if cases > 1 else 0.0,
        {name: action for number, name in enumerate(ACTIONS) if (action := _action(log, number, untried, known))},
    )


def _action(log: Logged, number: int, untried: Bools, known: Bools) -> ActionOverlap | None:
    taken, wanted, logged = log.taken == number, log.wanted[:, number], log.logged[:, number]
    if not taken.any() and not wanted.any():
        return None
    tried = logged[(wanted > 0.0) & (logged > 0.0)]
    return ActionOverlap(
        int(taken.sum()),
        float(wanted.sum()),
        float(tried.min()) if len(tried) else None,
        int(np.count_nonzero(untried[:, number])),
        int((taken & ~known).sum()),
    )
