"""Everything that is told of a run, in one document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from mdm_eval.asking import Question
from mdm_eval.columns import Floats
from mdm_eval.costs import Costs
from mdm_eval.evaluation import Evaluation, evaluate
from mdm_eval.frame import Frame
from mdm_eval.report.challengers import Arm, Challenger, judge_arms
from mdm_eval.report.comparison import Comparison, compare
from mdm_eval.report.curves import Curves, curves
from mdm_eval.report.masks import Masks
from mdm_eval.report.provenance import Provenance, Verifying, provenance_of
from mdm_eval.report.reading import Told
from mdm_eval.report.timeline import Timeline, timeline

_DECADES = 10


@attrs.frozen
class Report:
    """Everything that is told of a run.

    Attributes:
        evaluation: Its decisions against outcomes, latency and drift.
        costs: What mistakes cost.
        asked: Options of the question that limit or divide the decisions.
        denied: Guard, or what failed, to the number of its denials.
        timeline: What was decided over time.
        curves: What other thresholds would have given; None without outcomes of both kinds.
        latencies: Microseconds to the number of decisions that took from there to the next; ten parts to a decade.
        masks: What was redacted.
        challengers: What shadows would have done.
        arms: How the arms of a canary fared.
        comparison: The run against another; None if none is named.
        provenance: Where the run comes from.
    """

    evaluation: Evaluation
    costs: Costs
    asked: dict[str, str]
    denied: dict[str, int]
    timeline: Timeline
    curves: Curves | None
    latencies: list[tuple[float, int]]
    masks: Masks
    challengers: list[Challenger]
    arms: list[Arm]
    comparison: Comparison | None
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        return attrs.asdict(self)


def report(
    question: Question, against: str | None, costs: Costs, periods: int, public_keys: Sequence[Path] = ()
) -> Report:
    """Find out everything that is told of a run.

    Args:
        question: The run, and which of its decisions are judged by what.
        against: Another run over the same events, or None.
        costs: What mistakes cost.
        periods: Into how many periods it is divided to see whether anything drifts.
        public_keys: Files of the public keys that must have signed the trace.

    Raises:
        UsageError: A run cannot be found or read, an option does not fit it, or the two cannot be compared.
    """
    directory = question.directory()
    with Verifying(directory, public_keys) as verifying:
        told = Told.read(question, compared=against is not None)
        evaluation = evaluate(told.run_id, told.frame, told.labels, costs, periods)
        comparison = None
        if against is not None:
            comparison = compare(Told.read(attrs.evolve(question, run=against, by=None), True), told, costs)
        frame, label = told.frame, told.labels.values
        scored = ~np.isnan(label) & ~np.isnan(frame.probability)
        return Report(
            evaluation=evaluation,
            costs=costs,
            asked=_asked(question),
            denied=_denied(frame),
            timeline=timeline(frame, label),
            curves=curves(frame.probability[scored], label[scored] == 1.0, costs),
            latencies=_latencies(frame.latency_us),
            masks=told.masks.masks(),
            challengers=told.shadows.challengers(frame, label, costs),
            arms=judge_arms(told.shadows.arms, frame, label, costs, told.shadows.keys()),
            comparison=comparison,
            provenance=provenance_of(told.past, verifying.result()),
        )


def _asked(question: Question) -> dict[str, str]:
    names = ("since", "until", "action", "positive", "probability", "by")
    return {name: str(value) for name in names if (value := getattr(question, name)) is not None}


def _denied(frame: Frame) -> dict[str, int]:
    counts: Counter[str] = Counter()
    denied = frame.mismatch.numbers[~frame.allowed]
    times = np.bincount(denied[denied >= 0], minlength=len(frame.mismatch.values))
    for (flags, _), number in zip(frame.mismatch.values, times, strict=True):
        counts.update(dict.fromkeys(flags, int(number)))
    return {flag: number for flag, number in counts.most_common() if number}


def _latencies(latency_us: Floats) -> list[tuple[float, int]]:
    known = latency_us[~np.isnan(latency_us)]
    parts = np.floor(np.log10(np.maximum(known, 1.0)) * _DECADES).astype(np.int64)
    if not len(parts):
        return []
    times = np.bincount(parts)
    return [(10 ** (n / _DECADES), int(times[n])) for n in range(int(parts.min()), len(times))]
