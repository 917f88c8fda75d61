"""How many decisions of a run come out differently: in another run, or by another configuration."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from mdm_core import PastRun, UsageError

from mdm_eval.asking import Question
from mdm_eval.costs import Costs
from mdm_eval.intervals import Estimate, proportion
from mdm_eval.report.comparison import compare
from mdm_eval.report.reading import Told
from mdm_eval.session import Wanted
from mdm_eval.whatif import Question as WhatIfQuestion
from mdm_eval.whatif import what_if

FLIPS = ("flips", "flips.low", "flips.high")


@attrs.frozen
class Flips:
    """How many decisions come out differently.

    Attributes:
        share: The share of those that were compared.
        compared: How many those are.
        warnings: What could not be compared, and what else to know.
    """

    share: Estimate
    compared: int
    warnings: list[str]

    def figures(self) -> dict[str, float]:
        """The figures that a gate can ask for, with the ends of the 95 % interval."""
        values = (self.share.value, self.share.low, self.share.high)
        return {name: value for name, value in zip(FLIPS, values, strict=True) if value is not None}


def flips_against(told: Told, question: Question, against: str) -> Flips:
    """Count the decisions that came out differently in another run over the same events.

    Args:
        told: The run.
        question: How it was read; the other is read alike.
        against: The other run.

    Raises:
        UsageError: There is no such run, or the two have no event in common.
    """
    found = compare(Told.read(attrs.evolve(question, run=against, by=None), True), told, Costs())
    alone = found.only_here + found.only_there
    missing = [f"{alone:,} decisions are about events that only one of the runs has, and do not count"] if alone else []
    return Flips(found.flips, found.pairs, [*missing, *found.warnings])


def flips_by(past: PastRun, wanted: Wanted) -> Flips:
    """Count the decisions that another configuration would make differently; nothing is carried out.

    Args:
        past: The run.
        wanted: The other configuration.

    Raises:
        ConfigError: It cannot be built or opened.
        UsageError: The run has not recorded enough.
    """
    found = what_if(past, wanted, WhatIfQuestion())
    trial = found.trial
    if not trial.decisions:
        raise UsageError(f"run {found.run_id!r}: not one decision could be made again, so nothing can be compared")

    def warnings() -> Iterator[str]:
        if trial.left_out:
            yield f"{trial.left_out:,} decisions do not count, because what they were made from was redacted"
        if trial.ended:
            yield f"the comparison ended early: {trial.ended}"
        if trial.reproduced is not None and trial.reproduced < trial.decisions:
            yield f"{trial.decisions - trial.reproduced:,} decisions differ without the change too"

    return Flips(proportion(found.flipped, trial.decisions), trial.decisions, list(warnings()))
