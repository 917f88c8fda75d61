"""What guards did, and whether it was worth it."""

from __future__ import annotations

from collections import Counter

import attrs
import numpy as np

from mdm_eval.columns import Bools, Floats, Ints
from mdm_eval.costs import Costs
from mdm_eval.frame import Frame
from mdm_eval.intervals import Estimate, Z, proportion


@attrs.frozen
class Guard:
    """What one flag stands for.

    Attributes:
        flag: The guard's flag.
        denied: Proposals of the judged action that it denied.
        rate: The share of these proposals that it denied.
        missed: Those where it would have been right to act.
        averted: Those where it would have been wrong.
        unknown: Those whose outcome is not known.
        cost: What the missed ones cost.
        saved: What the averted ones would have cost.
        net: Saved less cost; below zero the guard did harm.
    """

    flag: str
    denied: int
    rate: Estimate
    missed: int
    averted: int
    unknown: int
    cost: float
    saved: float
    net: Estimate


@attrs.frozen
class Guards:
    """What all guards did together.

    Attributes:
        proposals: Proposals of the judged action.
        denied: The share of them that was denied, failures apart.
        failed_closed: The share of all decisions that failed closed.
        guards: One per flag, the one that denied most first.
        reason_codes: How often each reason code was given, also by what only changed a decision or failed.
    """

    proposals: int
    denied: Estimate
    failed_closed: Estimate
    guards: list[Guard]
    reason_codes: dict[str, int]


def judge_guards(frame: Frame, label: Floats, costs: Costs) -> Guards:
    """Count denials, and weigh them by what turned out to be true.

    Args:
        frame: The decisions.
        label: What was true of each: 1, 0, or NaN where it is not known.
        costs: What mistakes cost.
    """
    wanted = frame.wanted
    denied = wanted & ~frame.allowed & ~frame.failed_closed
    numbers = frame.mismatch.numbers.astype(np.int64)
    proposals = int(wanted.sum())
    flags = {flag for marks in frame.mismatch.values for flag in marks[0]}
    guards = [_judge(flag, denied & _has_flag(frame, numbers, flag), label, proposals, costs) for flag in sorted(flags)]
    return Guards(
        proposals=proposals,
        denied=proportion(int(denied.sum()), proposals),
        failed_closed=proportion(int(frame.failed_closed.sum()), len(frame)),
        guards=sorted((guard for guard in guards if guard.denied), key=lambda guard: -guard.denied),
        reason_codes=_reason_codes(frame, numbers),
    )


def _has_flag(frame: Frame, numbers: Ints, flag: str) -> Bools:
    has = [flag in marks[0] for marks in frame.mismatch.values]
    return np.array([*has, False], dtype=np.bool_)[numbers]


def _judge(flag: str, denied: Bools, label: Floats, proposals: int, costs: Costs) -> Guard:
    truth = label[denied]
    missed, averted = int((truth == 1.0).sum()), int((truth == 0.0).sum())
    loss, gain = costs.fn - costs.tp, costs.fp - costs.tn
    return Guard(
        flag=flag,
        denied=len(truth),
        rate=proportion(len(truth), proposals),
        missed=missed,
        averted=averted,
        unknown=len(truth) - missed - averted,
        cost=missed * loss,
        saved=averted * gain,
        net=_net(missed, averted, loss, gain),
    )


def _net(missed: int, averted: int, loss: float, gain: float) -> Estimate:
    """The sum over denials with an outcome, each worth ``gain`` or ``-loss``; by the central limit theorem."""
    cases, net = missed + averted, averted * gain - missed * loss
    if not cases:
        return Estimate(None)
    variance = (missed * loss**2 + averted * gain**2) / cases - (net / cases) ** 2
    half = Z * np.sqrt(cases * max(variance, 0.0))
    return Estimate(net, float(net - half), float(net + half), "normal")


def _reason_codes(frame: Frame, numbers: Ints) -> dict[str, int]:
    counts: Counter[str] = Counter()
    times = np.bincount(numbers[numbers >= 0], minlength=len(frame.mismatch.values))
    for (_, codes), n in zip(frame.mismatch.values, times, strict=True):
        for code in codes:
            counts[code] += int(n)
    return dict(counts.most_common())
