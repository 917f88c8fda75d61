"""Champion against challenger: what shadows said to the same events, and how the arms of a canary fared.

Decisions about one key are not independent of each other, and the canary has keys and not events to itself. So
intervals go by the key, wherever keys can be told apart.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import nan, sqrt
from typing import Any

import attrs
import numpy as np
from mdm_core.admission import ABSENT, getter

from mdm_eval.clusters import (
    BY_KEY,
    Ratio,
    by_key,
    difference_by_key,
    paired_by_key,
    ratio_of,
    share_by_key,
)
from mdm_eval.columns import Bools, Codes, Floats, Ints
from mdm_eval.confusion import Quality, judge_actions
from mdm_eval.costs import Costs
from mdm_eval.delong import areas
from mdm_eval.effects import Change, Effects
from mdm_eval.frame import Frame, Packet, is_action
from mdm_eval.intervals import NOTHING, Estimate, Z, paired_difference, proportion
from mdm_eval.marks import MASKS, is_marked
from mdm_eval.report.pairing import Kind, Names, kinds, paired_effects

_PREFIX = "mdm.shadow."
_MAIN = "main"
_MOST_KEYS = 1000
FEW_KEYS = 20
"""Below some twenty keys a few of them make most of the difference, and intervals by key can be too narrow."""


@attrs.frozen
class Challenger:
    """What a shadow would have done, next to what was done about the same events.

    Attributes:
        name: The shadow's.
        decisions: Events that it has decided.
        keys: How many keys they are about, by which intervals go; None: they take decisions to be independent.
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
    keys: int | None
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
        keys: How many keys they are about, by which intervals go; None: they take decisions to be independent.
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
    keys: int | None
    acted: Estimate
    denied: Estimate
    failed_closed: Estimate
    decided: Quality | None
    latency_p50_us: float | None
    latency_p99_us: float | None
    differences: dict[str, Estimate]


class Shadows:
    """Columns of what challengers said, of which arm has decided, and about which key.

    Args:
        config: The run's configuration; without shadows and canary nothing is kept.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        path = config["pipeline"].get("key") if "shadow" in config or "canary" in config else None
        self._key = None if path is None or is_marked(path) else getter(path)
        self._keys = Codes()
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
            if self._key is not None:
                self._keys.extend((self._key_of(packet),))
            self._rows += 1
            yield packet

    def challengers(self, frame: Frame, label: Floats, costs: Costs) -> list[Challenger]:
        """Set each shadow against what was done.

        Args:
            frame: The decisions.
            label: What was true of each; NaN where it is not known.
            costs: What mistakes cost.
        """
        keys = self.keys()
        return [column.judge(name, frame, label, costs, keys) for name, column in sorted(self._columns.items())]

    def keys(self) -> Ints | None:
        """Number the keys: one number per decision; None if they cannot be told apart in what was recorded."""
        numbers = self._keys.numbers
        hidden = any(isinstance(key, str) and any(mark in key for mark in MASKS) for key in self._keys.values)
        return None if self._key is None or hidden or (numbers < 0).any() else numbers.astype(np.int64)

    def _key_of(self, packet: Packet) -> Any:
        assert self._key is not None
        try:
            return self._key(packet["input"])
        except ABSENT:
            return None

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

    def judge(self, name: str, frame: Frame, label: Floats, costs: Costs, keys: Ints | None) -> Challenger:
        rows, allowed = np.array(self._rows), np.array(self._allowed) == 1
        keys = None if keys is None else keys[rows]
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
            keys=_count(keys),
            skipped=self.skipped,
            failed=self.failed,
            differs=_share(differs, keys),
            kinds=list(kinds(names, was[differs], is_[differs], truth[differs])),
            acted=(int(acted[0].sum()), int(acted[1].sum())),
            denied=(int(denied[0].sum()), int(denied[1].sum())),
            acts_more=_acts_more(*acted, keys),
            effects=_effects(*acted, truth, costs, keys),
            roc_auc=_area_gained(frame.probability[rows], np.where(wanted, confidence, 1.0 - confidence), truth, keys),
        )


def judge_arms(arms: Codes, frame: Frame, label: Floats, costs: Costs, keys: Ints | None = None) -> list[Arm]:
    """Set the arms of a canary side by side; each event is decided by one of them.

    Args:
        arms: The arm of each decision.
        frame: The decisions.
        label: What was true of each; NaN where it is not known.
        costs: What mistakes cost.
        keys: Number of the key of each decision; None takes decisions to be independent.

    Returns:
        One per arm, ``main`` first; none if there is but one.
    """
    names = sorted(map(str, arms.values), key=lambda name: (name != _MAIN, name))
    if len(names) < 2:
        return []
    rows = {name: arms.numbers == number for number, name in enumerate(map(str, arms.values))}
    judged = [_arm(name, rows[name], frame, label, costs, keys) for name in names]
    if keys is None:
        return [judged[0], *(attrs.evolve(arm, differences=_gained(judged[0], arm, costs)) for arm in judged[1:])]
    parts = {name: _Part.of(rows[name], frame, label, costs, keys) for name in names}
    main = parts[names[0]]
    return [judged[0], *(attrs.evolve(arm, differences=_gained_by_key(main, parts[arm.name])) for arm in judged[1:])]


def told_keys(keys: int | None) -> str:
    """Say what the intervals of a comparison go by.

    Args:
        keys: Of how many keys each side has decisions, of the side that has fewer; None if intervals go by decisions.
    """
    if keys is None:
        return "Intervals take decisions to be independent, for keys cannot be told apart."
    told = f"Intervals go by the key ({keys:,} of them), for decisions about one key are alike."
    if keys < 2:
        return f"{told} With one key there is none."
    return told if keys >= FEW_KEYS else f"{told} So few may not be like the others."


def fewest_keys(arms: Sequence[Arm]) -> int | None:
    """Give the number of keys of the arm that has the fewest; None if intervals do not go by them.

    Args:
        arms: The arms.
    """
    return min((arm.keys for arm in arms if arm.keys is not None), default=None)


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
    gain = after.value - before.value
    if before.low is None or after.low is None:
        return Estimate(gain)
    assert before.high is not None
    assert after.high is not None
    down = sqrt((after.value - after.low) ** 2 + (before.high - before.value) ** 2)
    up = sqrt((after.high - after.value) ** 2 + (before.value - before.low) ** 2)
    method = f"newcombe {BY_KEY}" if before.method.endswith(BY_KEY) else "newcombe"
    return Estimate(gain, gain - down, gain + up, method)


def _arm(name: str, rows: Bools, frame: Frame, label: Floats, costs: Costs, keys: Ints | None) -> Arm:
    failed = frame.failed_closed[rows]
    known = rows & ~np.isnan(label)
    denied = ~frame.allowed[rows] & ~failed
    latency = frame.latency_us[rows & ~np.isnan(frame.latency_us)]
    keys = None if keys is None else keys[rows]
    p50, p99 = map(float, np.percentile(latency, (50, 99))) if len(latency) else (None, None)
    return Arm(
        name=name,
        decisions=int(rows.sum()),
        keys=_count(keys),
        acted=_share(frame.acted[rows], keys),
        denied=_share(denied, keys),
        failed_closed=_share(failed, keys),
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


@attrs.frozen(eq=False)
class _Part:
    """The decisions of one arm, as the difference to another arm's needs them.

    Attributes:
        shares: Whether each decision has something, with the keys of the decisions in question.
        cost: Cost per decision.
        keys: The keys of the decisions that have a cost.
    """

    shares: dict[str, tuple[Bools, Ints]]
    cost: Ratio | None
    keys: Ints

    @classmethod
    def of(cls, rows: Bools, frame: Frame, label: Floats, costs: Costs, keys: Ints) -> _Part:
        acted, failed, here = frame.acted[rows], frame.failed_closed[rows], keys[rows]
        truth = label[rows]
        known, right = ~np.isnan(truth), truth == 1.0
        shares = {
            "acted": (acted, here),
            "denied": (~frame.allowed[rows] & ~failed, here),
            "failed_closed": (failed, here),
            "precision": (right[known & acted], here[known & acted]),
            "recall": (acted[right], here[right]),
        }
        prices = _prices(acted, truth, costs)[known]
        return cls(shares, ratio_of(prices, np.ones(len(prices))), here[known])


def _gained_by_key(main: _Part, arm: _Part) -> dict[str, Estimate]:
    found = {name: _more(main.shares[name], arm.shares[name]) for name in arm.shares}
    if main.cost is None or arm.cost is None:
        return {name: found[name] for name in ("acted", "denied", "failed_closed")}
    return found | {"cost": difference_by_key((main.cost, main.keys), (arm.cost, arm.keys))}


def _more(main: tuple[Bools, Ints], arm: tuple[Bools, Ints]) -> Estimate:
    found = difference(share_by_key(*main), share_by_key(*arm))
    # Of what was never seen, or always, on both sides, nothing tells how much it varies from key to key.
    return Estimate(found.value) if len(np.unique(np.concatenate([main[0], arm[0]]))) == 1 else found


def _prices(acted: Bools, truth: Floats, costs: Costs) -> Floats:
    prices: Floats = np.where(
        acted, np.where(truth == 1.0, costs.tp, costs.fp), np.where(truth == 1.0, costs.fn, costs.tn)
    )
    return prices


def _count(keys: Ints | None) -> int | None:
    return None if keys is None else len(np.unique(keys))


def _share(having: Bools, keys: Ints | None) -> Estimate:
    return proportion(int(having.sum()), len(having)) if keys is None else share_by_key(having, keys)


def _acts_more(before: Bools, after: Bools, keys: Ints | None) -> Estimate:
    if keys is not None:
        return paired_by_key(before, after, keys)
    return paired_difference(int((before & ~after).sum()), int((after & ~before).sum()), len(before))


def _effects(before: Bools, after: Bools, truth: Floats, costs: Costs, keys: Ints | None) -> Effects | None:
    found = paired_effects(before, after, truth, costs)
    if found is None or keys is None:
        return found
    known = ~np.isnan(truth)
    keys, right, were, would = keys[known], truth[known] == 1.0, before[known], after[known]
    ones = np.ones(len(keys))
    old, new = (_prices(acted, truth[known], costs) for acted in (were, would))
    return attrs.evolve(
        found,
        precision=_changed(found.precision, ratio_of(were & right, were), ratio_of(would & right, would), keys),
        recall=_changed(found.recall, ratio_of(were & right, right), ratio_of(would & right, right), keys),
        cost=_changed(found.cost, Ratio(0.0, old - old.mean()), Ratio(0.0, new - new.mean()), keys),
        per_decision=_changed(found.per_decision, ratio_of(old, ones), ratio_of(new, ones), keys),
    )


def _changed(found: Change, before: Ratio | None, after: Ratio | None, keys: Ints) -> Change:
    """The same change, with an interval by key."""
    if found.change.value is None or before is None or after is None:
        return found
    return attrs.evolve(found, change=by_key(found.change.value, after.influence - before.influence, keys))


def _area_gained(before: Floats, after: Floats, truth: Floats, keys: Ints | None) -> Estimate:
    known = ~np.isnan(truth) & ~np.isnan(before) & ~np.isnan(after)
    found = areas(truth[known] == 1.0, before[known], after[known])
    return NOTHING if found is None else found.difference(None if keys is None else keys[known])
