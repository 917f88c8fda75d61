"""Everything that is told of a run's decisions, against what turned out to be true."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import numpy as np
from mdm_core import UsageError

from mdm_eval.columns import Bools, Codes, Floats
from mdm_eval.confusion import Quality, judge_actions
from mdm_eval.costs import Costs
from mdm_eval.drift import Stability, judge_stability
from mdm_eval.frame import Frame
from mdm_eval.guards import Guards, judge_guards
from mdm_eval.intervals import Estimate, proportion
from mdm_eval.labels import Labels
from mdm_eval.scored import Probabilities, Scored
from mdm_eval.segments import divide

FEW = 20
_PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


@attrs.frozen
class Segment:
    """A part of the decisions, or all of them.

    Attributes:
        name: Its value of what divides them.
        decisions: How many.
        acted: The share that acted.
        decided: Final decisions against outcomes; None without any.
        probabilities: The model's probabilities against outcomes; None without any.
        small: Why nothing should be concluded from it, or an empty text.
    """

    name: str
    decisions: int
    acted: Estimate
    decided: Quality | None
    probabilities: Probabilities | None
    small: str


@attrs.frozen
class Evaluation:
    """What is told of a run.

    Attributes:
        run_id: The run.
        since_ms: Time of the first decision; None without a clock.
        until_ms: Time of the last.
        score: Where probabilities come from.
        with_outcome: Decisions whose outcome is known.
        joined: Those of them whose outcome comes from `mdm outcomes join`.
        proposed: What the model wanted: action to number.
        final: What was decided: action to number; a denial is a HOLD or STOP.
        whole: All decisions.
        wanted: What the model wanted against outcomes, as if there were no guards; None without outcomes.
        guards: What guards did.
        latency_us: Percentiles of the time that deciding took, in microseconds.
        stability: The run over time; None if it is too short.
        segments: Its parts, if it was divided.
        warnings: What to know before anything is concluded.
    """

    run_id: str
    since_ms: float | None
    until_ms: float | None
    score: str
    with_outcome: int
    joined: int
    proposed: dict[str, int]
    final: dict[str, int]
    whole: Segment
    wanted: Quality | None
    guards: Guards
    latency_us: dict[str, float]
    stability: Stability | None
    segments: list[Segment]
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        return attrs.asdict(self)

    def figures(self) -> dict[str, float]:
        """Every figure by a name of its own, such as ``recall``, ``recall.low`` and ``psi``."""
        found = dict(_figures_of(self.whole))
        found |= {"decisions": float(self.whole.decisions), "with_outcome": float(self.with_outcome)}
        found |= {**_ends("denied", self.guards.denied), **_ends("failed_closed", self.guards.failed_closed)}
        found |= {f"latency_us.{name}": value for name, value in self.latency_us.items()}
        if self.stability is not None:
            drifts = self.stability.drifts
            found |= {"psi": max((drift.largest for drift in drifts), default=0.0)}
            found |= {f"psi.{drift.name.removeprefix('feature ')}": drift.largest for drift in drifts}
        return found


def evaluate(run_id: str, frame: Frame, labels: Labels, costs: Costs, periods: int) -> Evaluation:
    """Judge a run's decisions.

    Args:
        run_id: The run.
        frame: Its decisions.
        labels: What turned out to be true of them.
        costs: What mistakes cost.
        periods: Into how many periods it is divided to see whether anything drifts.

    Raises:
        UsageError: There is no decision, or what should be a probability is none.
    """
    if not len(frame):
        raise UsageError(f"run {run_id!r} has no decisions in this time")
    _check_probabilities(frame)
    label, known = labels.values, labels.known
    whole = _judge(run_id, frame, label, np.ones(len(frame), dtype=np.bool_), costs)
    segments = [_judge(name, frame, label, rows, costs) for name, rows in _parts(frame)]
    timed = not np.isnan(frame.now_ms).any()
    return Evaluation(
        run_id=run_id,
        since_ms=float(frame.now_ms.min()) if timed else None,
        until_ms=float(frame.now_ms.max()) if timed else None,
        score=frame.score,
        with_outcome=int(known.sum()),
        joined=labels.joined,
        proposed=_counts(frame.proposed),
        final=_counts(frame.final),
        whole=whole,
        wanted=judge_actions(frame.wanted[known], label[known] == 1.0, costs) if known.any() else None,
        guards=judge_guards(frame, label, costs),
        latency_us=_latency(frame.latency_us),
        stability=judge_stability(frame, label, periods),
        segments=segments,
        warnings=list(_warnings(frame, labels, whole, segments)),
    )


def _judge(name: str, frame: Frame, label: Floats, rows: Bools, costs: Costs) -> Segment:
    acted, probability, label = frame.acted[rows], frame.probability[rows], label[rows]
    known = ~np.isnan(label)
    truth = label[known] == 1.0
    scored = known & ~np.isnan(probability)
    return Segment(
        name=name,
        decisions=len(acted),
        acted=proportion(int(acted.sum()), len(acted)),
        decided=judge_actions(acted[known], truth, costs) if known.any() else None,
        probabilities=Scored(probability[scored], label[scored] == 1.0).judge() if scored.any() else None,
        small=_small(int(truth.sum()), int((~truth).sum())),
    )


def _small(positives: int, negatives: int) -> str:
    """Below some twenty cases of either class, intervals of recall or AUC span most of what is possible."""
    for cases, what in ((positives, "where it was right to act"), (negatives, "where it was not")):
        if cases < FEW:
            return f"only {cases} decisions {what}"
    return ""


def _parts(frame: Frame) -> list[tuple[str, Bools]]:
    return list(divide(frame.segment)) if frame.segment.values else []


def _check_probabilities(frame: Frame) -> None:
    off = np.flatnonzero((frame.probability < 0) | (frame.probability > 1))
    if len(off):
        value, step = frame.probability[off[0]], frame.step[off[0]]
        raise UsageError(
            f"{frame.score} is {value:g} at step {step}, which is no probability; name the parameter that is one with "
            "--probability"
        )


def _counts(actions: Codes) -> dict[str, int]:
    times = np.bincount(actions.numbers, minlength=len(actions.values))
    return dict(Counter({name: int(n) for name, n in zip(actions.values, times, strict=True)}).most_common())


def _latency(latency_us: Floats) -> dict[str, float]:
    known = latency_us[~np.isnan(latency_us)]
    if not len(known):
        return {}
    found = np.percentile(known, list(_PERCENTILES.values()))
    return {name: float(value) for name, value in zip(_PERCENTILES, found, strict=True)}


def _warnings(frame: Frame, labels: Labels, whole: Segment, segments: list[Segment]) -> list[str]:
    known = int(labels.known.sum())
    found = []
    if not known:
        found.append(
            "no outcome is known, so nothing is said about right or wrong: set outcome in [pipeline], or use "
            "`mdm outcomes join`"
        )
    elif known < len(frame):
        found.append(
            f"{len(frame) - known:,} of {len(frame):,} decisions have no outcome and are left out of what follows from "
            "outcomes; if outcomes are missing for a reason that has to do with them, the figures are off"
        )
    if known and whole.small:
        found.append(f"too few outcomes to conclude anything: {whole.small}")
    small = [part for part in segments if known and part.small]
    found += [f"segment {part.name}: {part.small}; do not conclude anything from it" for part in small]
    unscored = int((labels.known & np.isnan(frame.probability)).sum())
    if unscored:
        found.append(f"{unscored:,} decisions with an outcome have no {frame.score}, and are left out of its figures")
    return found


def _figures_of(segment: Segment) -> dict[str, float]:
    found = _ends("acted", segment.acted)
    for judged in (segment.decided, segment.probabilities):
        if judged is not None:
            for name, value in attrs.asdict(judged, recurse=False).items():
                if isinstance(value, Estimate):
                    found |= _ends(name, value)
                elif isinstance(value, int | float):
                    found[name] = float(value)
    return found


def _ends(name: str, estimate: Estimate) -> dict[str, float]:
    named = {name: estimate.value, f"{name}.low": estimate.low, f"{name}.high": estimate.high}
    return {key: value for key, value in named.items() if value is not None}
