"""What ``mdm calibrate`` does: fit on the earlier part of a run, show on the later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import msgspec
import numpy as np
from mdm_core import UsageError

from mdm_eval.calibration import Map, Method, fit
from mdm_eval.columns import Bools, Floats
from mdm_eval.confusion import Quality, judge_actions
from mdm_eval.costs import Costs
from mdm_eval.frame import Frame
from mdm_eval.intervals import Estimate, normal
from mdm_eval.labels import Labels
from mdm_eval.scored import Probabilities, Scored
from mdm_eval.times import instant_ms


@attrs.frozen
class Part:
    """Decisions that were fitted on, or shown on.

    Attributes:
        cases: How many; only those with outcome and probability count.
        positives: Those where it was right to act.
        first_step: The first of them.
        last_step: The last.
    """

    cases: int
    positives: int
    first_step: int
    last_step: int


@attrs.frozen
class Shown:
    """A model before and after calibration, on decisions that were not fitted on.

    Attributes:
        before: The probabilities as they were.
        after: The calibrated ones.
        brier_change: Change of the Brier score; below zero is better.
        log_loss_change: Change of the log loss.
        decided: What was decided then.
        retuned: What the calibrated probability would decide at the new threshold, without guards.
    """

    before: Probabilities
    after: Probabilities
    brier_change: Estimate
    log_loss_change: Estimate
    decided: Quality
    retuned: Quality


@attrs.frozen
class Calibrated:
    """A calibration and what it is worth.

    Attributes:
        run_id: The run.
        method: How it was fitted.
        map: From probability to calibrated probability.
        threshold: From this calibrated probability on acting costs least, on the part that was fitted on.
        expected_threshold: The same if calibrated probabilities were exactly right; None if it never or always pays.
        costs: What mistakes cost.
        fitted: The part that was fitted on.
        shown: The part that it is shown on.
        quality: Before and after.
    """

    run_id: str
    method: Method
    map: Map
    threshold: float
    expected_threshold: float | None
    costs: Costs
    fitted: Part
    shown: Part
    quality: Shown

    def file(self) -> dict[str, Any]:
        """What ``reference.calibrated`` reads, and what people need to know where it comes from."""
        return {
            "method": self.method,
            "map": msgspec.to_builtins(self.map),
            "threshold": self.threshold,
            "costs": attrs.asdict(self.costs),
            "run_id": self.run_id,
            "fitted": attrs.asdict(self.fitted),
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        return {**attrs.asdict(self), "map": msgspec.to_builtins(self.map)}

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            UsageError: It cannot be written.
        """
        try:
            path.write_bytes(msgspec.json.format(msgspec.json.encode(self.file()), indent=2) + b"\n")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}; choose another --out") from None


def calibrate(run_id: str, frame: Frame, labels: Labels, method: Method, costs: Costs, split: str) -> Calibrated:
    """Fit a calibration on the earlier decisions, choose a threshold there, and show both on the later ones.

    Args:
        run_id: The run.
        frame: Its decisions.
        labels: What turned out to be true of them.
        method: How to fit.
        costs: What mistakes cost.
        split: The share of the cases that is fitted on, or the instant until which.

    Raises:
        UsageError: A part has too few cases, or ``split`` is neither.
    """
    cases = np.flatnonzero(labels.known & ~np.isnan(frame.probability))
    p, label = frame.probability[cases], labels.values[cases] == 1.0
    early = _early(frame, cases, split)
    for part, name in ((early, "fitted on"), (~early, "shown on")):
        if not part.any():
            raise UsageError(f"--split {split}: no case is left to be {name}; a case has an outcome and a probability")
    fitted = fit(method, p[early], label[early])
    threshold = best_threshold(fitted.apply(p[early]), label[early], costs)
    late = ~early
    return Calibrated(
        run_id=run_id,
        method=method,
        map=fitted,
        threshold=threshold,
        expected_threshold=costs.threshold,
        costs=costs,
        fitted=_part(frame, cases[early], label[early]),
        shown=_part(frame, cases[late], label[late]),
        quality=_show(p[late], fitted.apply(p[late]), label[late], frame.acted[cases[late]], threshold, costs),
    )


def best_threshold(p: Floats, label: Bools, costs: Costs) -> float:
    """Find the threshold at which deciding costs least.

    Between two probabilities it is their middle, and of equally good ones the highest.

    Args:
        p: Probabilities.
        label: What happened.
        costs: What mistakes cost.
    """
    order = np.argsort(-p, kind="stable")
    p, y = p[order], label[order]
    change = np.where(y, costs.tp - costs.fn, costs.fp - costs.tn)
    total = np.append(0.0, np.cumsum(change))
    possible = np.append(np.append(p[0] < 1.0, p[1:] < p[:-1]), True)
    best = int(np.flatnonzero(possible)[np.argmin(total[possible])])
    if best in (0, len(p)):
        return 1.0 if best == 0 else 0.0
    above, below = float(p[best - 1]), float(p[best])
    middle = (above + below) / 2
    return middle if middle > below else above


def _early(frame: Frame, cases: np.ndarray[tuple[int], np.dtype[np.intp]], split: str) -> Bools:
    try:
        share = float(split)
    except ValueError:
        try:
            return np.asarray(frame.now_ms[cases] < instant_ms(split), dtype=np.bool_)
        except ValueError:
            raise UsageError(
                f"--split {split}: write a share such as 0.5, or an instant such as 2013-07-01T00:00:00-04:00"
            ) from None
    if not 0 < share < 1:
        raise UsageError(f"--split {split}: a share lies between 0 and 1")
    return np.arange(len(cases)) < round(share * len(cases))


def _part(frame: Frame, cases: np.ndarray[tuple[int], np.dtype[np.intp]], label: Bools) -> Part:
    return Part(len(cases), int(label.sum()), int(frame.step[cases[0]]), int(frame.step[cases[-1]]))


def _show(before: Floats, after: Floats, label: Bools, acted: Bools, threshold: float, costs: Costs) -> Shown:
    old, new = Scored(before, label), Scored(after, label)
    return Shown(
        before=old.judge(),
        after=new.judge(),
        brier_change=_change((before - label) ** 2, (after - label) ** 2),
        log_loss_change=_change(_log_loss(before, label), _log_loss(after, label)),
        decided=judge_actions(acted, label, costs),
        retuned=judge_actions(after >= threshold, label, costs),
    )


def _log_loss(p: Floats, label: Bools) -> Floats:
    eps = float(np.finfo(np.float64).eps)
    loss: Floats = -np.log(np.clip(np.where(label, p, 1 - p), eps, 1 - eps))
    return loss


def _change(before: Floats, after: Floats) -> Estimate:
    """The mean difference of pairs, by the central limit theorem."""
    difference = after - before
    return normal(float(difference.mean()), float(difference.var() / len(difference)), "normal", -np.inf, np.inf)
