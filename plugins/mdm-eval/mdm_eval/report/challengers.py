"""Champion against challenger: what shadows said to the same events, and how the arms of a canary fared."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from math import nan, sqrt
from typing import Any

import attrs
import numpy as np

from mdm_eval.columns import Bools, Codes, Floats
from mdm_eval.confusion import Quality, judge_actions
from mdm_eval.costs import Costs
from mdm_eval.delong import areas
from mdm_eval.effects import Effects
from mdm_eval.frame import Frame, Packet, is_action
from mdm_eval.intervals import NOTHING, Estimate, Z, paired_difference, proportion
from mdm_eval.report.pairing import Kind, Names, kinds, paired_effects

_PREFIX = "mdm.shadow."
_MAIN = "main"
_MOST_KEYS = 1000


@attrs.frozen
class Challenger:
    """What a shadow would have done, next to what was done about the same events.

    Attributes:
        name: The shadow's.
        decisions: Events that it has decided.
        skipped: Events that it was not asked about, because it owed time or had been given up.
        failed: Events about which it failed closed, or has said nothing for that reason.
        differs: The share of its decisions that are not those of the champion.
        kinds: From what to what, the most frequent first.
        acted: Decisions of the champion and of the shadow that acted.
        denied: Decisions of the champion and of the shadow that a guard denied.
        acts_more: How much larger the share of its decisions is that acted.
        effects: What having followed it would have done to precision, recall and cost; None without outcomes.
        roc_auc: How much larger its area under the ROC curve is than the champion's.
    """

    name: str
    decisions: int
    skipped: int
    failed: int
    differs: Estimate
    kinds: list[Kind]
    acted: tuple[int, int]
    denied: tuple[int, int]
    acts_more: Estimate
    effects: Effects | None
    roc_auc: Estimate


@attrs.frozen
class Arm:
    """The events that one of several pipelines has decided.

    Attributes:
        name: ``main``, ``canary``.
        decisions: How many.
        acted: The share that acted.
        denied: The share that a guard denied.
        failed_closed: The share that failed closed.
        decided: Decisions against outcomes; None without any.
        latency_p50_us: Median time that deciding took, in microseconds.
        latency_p99_us: What 99 of 100 decisions took less than.
        differences: How much higher figures are than those of ``main``; none for ``main`` itself.
    """

    name: str
    decisions: int
    acted: Estimate
    denied: Estimate
    failed_closed: Estimate
    decided: Quality | None
    latency_p50_us: float | None
    latency_p99_us: float | None
    differences: dict[str, Estimate]


class Shadows:
    """Columns of what challengers said, and of which arm has decided."""

    def __init__(self) -> None:
        self.arms = Codes()
        self._columns: dict[str, _Column] = {}
        self._others: set[str] = set()
        self._rows = 0

    def watch(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """Look at packets on their way."""
        for packet in packets:
            external = packet["external"]
            self.arms.extend((external.get("mdm.arm"),))
            if not external.keys() <= self._others:
                self._look(external)
            self._rows += 1
            yield packet

    def challengers(self, frame: Frame, label: Floats, costs: Costs) -> list[Challenger]:
        """Set each shadow against what was done.

        Args:
            frame: The decisions.
            label: What was true of each; NaN where it is not known.
            costs: What mistakes cost.
        """
        return [column.judge(name, frame, label, costs) for name, column in sorted(self._columns.items())]

    def _look(self, external: Mapping[str, Any]) -> None:
        for key in external.keys() - self._others:
            if key.startswith(_PREFIX):
                name, _, field = key[len(_PREFIX) :].partition(".")
                self._take(name, field, external)
            elif len(self._others) < _MOST_KEYS:
                self._others.add(key)

    def _take(self, name: str, field: str, external: Mapping[str, Any]) -> None:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _Column()
        if field == "action":
            column.take(self._rows, external, f"{_PREFIX}{name}")
        elif field == "skipped":
            column.skipped += 1
        elif field == "fail_closed":
            column.failed += 1


class _Column:
    """What one shadow said; only of the events that it has decided."""

    def __init__(self) -> None:
        self._rows, self._allowed, self._failed, self._confidence = array("q"), array("b"), array("b"), array("d")
        self._proposed, self._actions = Codes(), Codes()
        self.skipped = self.failed = 0

    def take(self, row: int, external: Mapping[str, Any], prefix: str) -> None:
        action, confidence = external[f"{prefix}.action"], external.get(f"{prefix}.confidence")
        if isinstance(action, str):
            self._rows.append(row)
            self._proposed.extend((external.get(f"{prefix}.proposed", action),))
            self._actions.extend((action,))
            self._failed.append(bool(external.get(f"{prefix}.fail_closed")))
            self._allowed.append(bool(external.get(f"{prefix}.allowed", True)))
            self._confidence.append(confidence if isinstance(confidence, int | float) else nan)

    def judge(self, name: str, frame: Frame, label: Floats, costs: Costs) -> Challenger:
        rows, allowed = np.array(self._rows), np.array(self._allowed) == 1
        names = Names([*frame.final.values, *self._actions.values])
        was = names.number(frame.final, frame.allowed)[rows]
        is_ = names.number(self._actions, allowed)
        truth, differs = label[rows], was != is_
        failed = np.array(self._failed) == 1
        acted = frame.acted[rows], is_action(self._actions, frame.action) & allowed
        denied = ~frame.allowed[rows] & ~frame.failed_closed[rows], ~allowed & ~failed
        wanted, confidence = is_action(self._proposed, frame.action), np.where(failed, nan, np.array(self._confidence))
        return Challenger(
            name=name,
            decisions=len(rows),
            skipped=self.skipped,
            failed=self.failed,
            differs=proportion(int(differs.sum()), len(rows)),
            kinds=list(kinds(names, was[differs], is_[differs], truth[differs])),
            acted=(int(acted[0].sum()), int(acted[1].sum())),
            denied=(int(denied[0].sum()), int(denied[1].sum())),
            acts_more=paired_difference(
                int((acted[0] & ~acted[1]).sum()), int((acted[1] & ~acted[0]).sum()), len(rows)
            ),
            effects=paired_effects(*acted, truth, costs),
            roc_auc=_area_gained(frame.probability[rows], np.where(wanted, confidence, 1.0 - confidence), truth),
        )


def judge_arms(arms: Codes, frame: Frame, label: Floats, costs: Costs) -> list[Arm]:
    """Set the arms of a canary side by side; each event is decided by one of them.

    Args:
        arms: The arm of each decision.
        frame: The decisions.
        label: What was true of each; NaN where it is not known.
        costs: What mistakes cost.

    Returns:
        One per arm, ``main`` first; none if there is but one.
    """
    names = sorted(map(str, arms.values), key=lambda name: (name != _MAIN, name))
    if len(names) < 2:
        return []
    rows = {name: arms.numbers == number for number, name in enumerate(map(str, arms.values))}
    judged = [_arm(name, rows[name], frame, label, costs) for name in names]
    return [judged[0], *(attrs.evolve(arm, differences=_gained(judged[0], arm, costs)) for arm in judged[1:])]


def difference(before: Estimate, after: Estimate) -> Estimate:
    """Estimate the difference of two proportions of different cases.

    The interval is made of both proportions' Wilson intervals (R. G. Newcombe, "Interval Estimation for the Difference
    Between Independent Proportions", Statistics in Medicine 17, 1998, method 10).

    Args:
        before: A proportion.
        after: The other.
    """
    if before.value is None or after.value is None:
        return NOTHING
    assert before.low is not None
    assert before.high is not None
    assert after.low is not None
    assert after.high is not None
    gain = after.value - before.value
    down = sqrt((after.value - after.low) ** 2 + (before.high - before.value) ** 2)
    up = sqrt((after.high - after.value) ** 2 + (before.value - before.low) ** 2)
    return Estimate(gain, gain - down, gain + up, "newcombe")


def _arm(name: str, rows: Bools, frame: Frame, label: Floats, costs: Costs) -> Arm:
    decisions, failed = int(rows.sum()), frame.failed_closed[rows]
    known = rows & ~np.isnan(label)
    denied = ~frame.allowed[rows] & ~failed
    latency = frame.latency_us[rows & ~np.isnan(frame.latency_us)]
    p50, p99 = map(float, np.percentile(latency, (50, 99))) if len(latency) else (None, None)
    return Arm(
        name=name,
        decisions=decisions,
        acted=proportion(int(frame.acted[rows].sum()), decisions),
        denied=proportion(int(denied.sum()), decisions),
        failed_closed=proportion(int(failed.sum()), decisions),
        decided=judge_actions(frame.acted[known], label[known] == 1.0, costs) if known.any() else None,
        latency_p50_us=p50,
        latency_p99_us=p99,
        differences={},
    )


def _gained(main: Arm, arm: Arm, costs: Costs) -> dict[str, Estimate]:
    found = {name: difference(getattr(main, name), getattr(arm, name)) for name in ("acted", "denied", "failed_closed")}
    if main.decided is not None and arm.decided is not None:
        for name in ("precision", "recall"):
            found[name] = difference(getattr(main.decided, name), getattr(arm.decided, name))
        found["cost"] = _cost_gained(main.decided, arm.decided, costs)
    return found


def _cost_gained(before: Quality, after: Quality, costs: Costs) -> Estimate:
    """The difference of two means of different cases; by the central limit theorem."""
    (old, old_variance), (new, new_variance) = (_mean_cost(quality, costs) for quality in (before, after))
    half = Z * sqrt(old_variance + new_variance)
    return Estimate(new - old, new - old - half, new - old + half, "normal")


def _mean_cost(quality: Quality, costs: Costs) -> tuple[float, float]:
    """Cost per decision, and the variance of that mean."""
    names = ("tp", "fp", "fn", "tn")
    shares = [getattr(quality, name) / quality.cases for name in names]
    prices = [getattr(costs, name) for name in names]
    mean = sum(share * price for share, price in zip(shares, prices, strict=True))
    variance = sum(share * (price - mean) ** 2 for share, price in zip(shares, prices, strict=True))
    return mean, variance / quality.cases


def _area_gained(before: Floats, after: Floats, truth: Floats) -> Estimate:
    known = ~np.isnan(truth) & ~np.isnan(before) & ~np.isnan(after)
    found = areas(truth[known] == 1.0, before[known], after[known])
    return NOTHING if found is None else found.difference()
