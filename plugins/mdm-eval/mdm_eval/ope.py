"""Off-policy evaluation: what another configuration would have earned, from a run that left something to chance."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import numpy as np
from mdm_core import PastRun, UsageError

from mdm_eval.columns import Bools, Codes, Floats, Ints, Measures
from mdm_eval.costs import Costs
from mdm_eval.intervals import NOTHING, Estimate
from mdm_eval.labels import to_labels
from mdm_eval.ope_estimators import (
    Valued,
    direct_method,
    doubly_robust,
    importance_weights,
    inverse_propensity,
    on_policy,
    self_normalized,
)
from mdm_eval.ope_logged import ACTIONS, HOLD, Logged, Logging
from mdm_eval.ope_overlap import Overlap, overlap_of
from mdm_eval.ope_regression import MakeModel, boosted, cross_fitted
from mdm_eval.rebuilding import changed_files, changed_options, changed_versions, not_known
from mdm_eval.session import Session, Wanted
from mdm_eval.trying import Progress, Trial, Trying, Visit


@attrs.frozen
class Worth:
    """What a decision is worth, by what was done and what turned out to be true.

    Attributes:
        costs: What mistakes cost; None: the outcome is a number, and is itself what was earned.
        positive: The outcome, as text, that counts as right to act on.
    """

    costs: Costs | None = attrs.field(factory=Costs)
    positive: str | None = None

    @property
    def unit(self) -> Literal["cost", "value"]:
        """What is estimated: what decisions cost, or what they earn."""
        return "value" if self.costs is None else "cost"

    def of(self, taken: Ints, outcome: Codes) -> Floats:
        """Give what each decision of a run was worth; NaN where the outcome is not known.

        Args:
            taken: Column of the action that was taken.
            outcome: What turned out to be true.

        Raises:
            UsageError: Outcomes are not what they have to be.
        """
        if self.costs is None:
            return _numbers(outcome)
        right = to_labels(outcome, self.positive)
        acted = taken != HOLD
        by_label = [np.where(acted, self.costs.fp, self.costs.tn), np.where(acted, self.costs.tp, self.costs.fn)]
        return np.where(np.isnan(right), np.nan, np.where(right == 1.0, by_label[1], by_label[0]))


@attrs.frozen
class Compared:
    """An estimate of the other configuration, per decision.

    Attributes:
        value: What it would have cost or earned.
        change: How much that differs from the run.
    """

    value: Estimate
    change: Estimate


@attrs.frozen
class OffPolicy:
    """What another configuration would have cost or earned.

    Attributes:
        run_id: Id of the run.
        trial: How it was tried out.
        changed: Options that are not those of the run: where, before, now.
        not_known: Options of which the run has recorded a mark, so that what is tried out may be another.
        files: Files that have changed since the run.
        versions: Distributions of which another version is installed: what the run had, and what is there.
        unit: ``cost`` or ``value``, of which all figures are, per decision.
        randomised: Decisions of the run that were left to chance.
        unknown: Decisions without an outcome, which are left out.
        refused: Decisions that are left out because the configuration refuses the event.
        overlap: How far the run tells of the configuration.
        problems: Why nothing is estimated; empty if something is.
        recorded: What the run itself cost or earned.
        estimates: By method: ``ips``, ``snips``, ``direct``, ``doubly_robust``.
    """

    run_id: str
    trial: Trial
    changed: list[tuple[str, Any, Any]]
    not_known: list[str]
    files: list[str]
    versions: dict[str, tuple[str, str | None]]
    unit: str
    randomised: int
    unknown: int
    refused: int
    overlap: Overlap
    problems: list[str]
    recorded: Estimate
    estimates: dict[str, Compared]

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        told = attrs.asdict(self)
        told["orders"] = told["trial"].pop("orders")[0]
        told["changed"] = [{"option": where, "before": old, "now": new} for where, old, new in self.changed]
        told["versions"] = {name: {"run": old, "installed": new} for name, (old, new) in self.versions.items()}
        return told


def off_policy(past: PastRun, wanted: Wanted, worth: Worth, progress: Progress | None = None) -> OffPolicy:
    """Estimate what another configuration would have cost or earned; nothing is carried out.

    Args:
        past: The run.
        wanted: The other configuration.
        worth: What a decision is worth.
        progress: Called now and then with the number of decisions.

    Raises:
        ConfigError: The configuration cannot be built or opened.
        UsageError: The run left nothing to chance, has no outcomes, or has not recorded enough.
    """
    rebuilt = wanted.rebuild(past)
    logging: list[Logging] = []

    def visitor(_: Session) -> Visit:
        logging.append(Logging(past))
        return logging[-1].visit

    trial = Trying(past, [wanted], visitor, progress).run()
    kept, log = logging[-1], logging[-1].logged()
    rewards = worth.of(log.taken, kept.outcome)
    known = ~np.isnan(rewards)
    _check_usable(past.directory.name, kept, known)
    overlap = overlap_of(log, known)
    problems = list(overlap.problems())
    used, rewards = log.where(known), rewards[known]
    return OffPolicy(
        past.directory.name,
        trial,
        changed_options(past, rebuilt),
        not_known(past, rebuilt),
        changed_files(past, rebuilt),
        changed_versions(past),
        worth.unit,
        kept.randomised,
        int((~known).sum()),
        kept.refused,
        overlap,
        problems,
        on_policy(rewards).estimate(),
        {} if problems else _estimates_alone(used, rewards),
    )


def estimates_of(log: Logged, rewards: Floats, make_model: MakeModel) -> dict[str, Compared]:
    """Estimate by every method.

    Args:
        log: The decisions.
        rewards: What each was worth.
        make_model: Makes models of the rewards.
    """
    weights = importance_weights(log.wanted, log.logged, log.taken)
    predicted = cross_fitted(log.features, log.taken, rewards, len(ACTIONS), make_model)
    before = on_policy(rewards)
    direct = direct_method(predicted, log.wanted)
    found = {
        "ips": inverse_propensity(rewards, weights),
        "snips": self_normalized(rewards, weights),
        "doubly_robust": doubly_robust(rewards, weights, predicted, log.wanted, log.taken),
    }
    compared = {name: _compare(valued, before) for name, valued in found.items()}
    change = NOTHING if direct.value is None else Estimate(direct.value - before.value)
    return {**compared, "direct": Compared(direct, change)}


def _estimates_alone(log: Logged, rewards: Floats) -> dict[str, Compared]:
    """With one thread: several wait for each other by spinning, which takes ten times as long on a busy machine."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    make_model = boosted(log.categorical)  # which loads what is limited
    with threadpool_limits(1):
        return estimates_of(log, rewards, make_model)


def _compare(valued: Valued, before: Valued) -> Compared:
    return Compared(valued.estimate(), valued.less(before).estimate())


def _numbers(outcomes: Codes) -> Floats:
    texts = [value for value in outcomes.values if not isinstance(value, bool | int | float)]
    if texts:
        raise UsageError(f"--value: the outcome {str(texts[0])[:48]!r} is no number; give --cost in its place")
    numbers = Measures()
    numbers.extend(outcomes.values)
    return np.append(numbers.values, np.nan)[outcomes.numbers]


def _check_usable(run_id: str, kept: Logging, known: Bools) -> None:
    if not len(known):
        raise UsageError(
            f"run {run_id!r}: there is no decision to compare: the configuration refuses {kept.refused:,} events for "
            f"lack of a key, time or id"
        )
    if not kept.randomised:
        raise UsageError(
            f"run {run_id!r} left nothing to chance, so it does not tell what would have come of other actions: wrap "
            f"its model in reference.explore and start a new run; `mdm whatif` compares where outcomes do not depend "
            f"on what is done"
        )
    if not known.any():
        raise UsageError(f"run {run_id!r} has no outcomes; `mdm outcomes join` adds them")
