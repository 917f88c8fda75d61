"""Two runs over the same events: which decisions differ, from what to what, and whether that was better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import attrs
import numpy as np
from mdm_core import UsageError

from mdm_eval.columns import Codes, Ints
from mdm_eval.costs import Costs
from mdm_eval.effects import Effects
from mdm_eval.frame import Frame
from mdm_eval.intervals import Estimate, proportion
from mdm_eval.report.details import Details
from mdm_eval.report.pairing import Kind, Names, kinds, paired_effects
from mdm_eval.report.provenance import flat
from mdm_eval.report.reading import Told

MOST_EXAMPLES = 300
_LEAST_OF_A_KIND = 10
_MIX = np.int64(-7046029254386353131)  # the golden ratio of 2^64, so that the n-th of equal events gets its own number


@attrs.frozen
class Side:
    """One of two decisions about the same event.

    Attributes:
        step: Its number in its run.
        proposed: What the model wanted.
        decided: What came of it: an action, ``denied``, or ``denied STOP``.
        confidence: The proposal's.
        probability: The model's, or what stands for it.
        reasons: The final decision's.
        flags: Guards that denied or changed it.
    """

    step: int
    proposed: str
    decided: str
    confidence: float | None
    probability: float | None
    reasons: list[str]
    flags: list[str]


@attrs.frozen
class Example:
    """An event that was decided differently.

    Attributes:
        id: The event's.
        key: Whom it is about.
        at_ms: The pipeline's time; None without a clock.
        outcome: Whether it was right to act, or None if that is not known.
        before: The decision of the run that is compared with.
        after: That of the run that is told of.
    """

    id: str
    key: Any
    at_ms: float | None
    outcome: bool | None
    before: Side
    after: Side


@attrs.frozen
class Comparison:
    """Two runs over the same events.

    Attributes:
        against: The run that is compared with.
        by: What events are known by: their ``id``, or their ``step``.
        pairs: Events that both have decided.
        only_here: Decisions of the run that is told of about other events.
        only_there: Decisions of the other run about other events.
        flips: The share of the pairs that came out differently.
        kinds: From what to what, the most frequent first.
        actions: What came of decisions, to their numbers before and after.
        effects: On precision, recall and cost; None without outcomes.
        configuration: Options that differ: where, before, after.
        distributions: Versions that differ: what, before, after.
        examples: Some of the flips, taken evenly from each kind.
        warnings: What to know before anything is concluded.
    """

    against: str
    by: Literal["id", "step"]
    pairs: int
    only_here: int
    only_there: int
    flips: Estimate
    kinds: list[Kind]
    actions: dict[str, tuple[int, int]]
    effects: Effects | None
    configuration: list[tuple[str, Any, Any]]
    distributions: list[tuple[str, Any, Any]]
    examples: list[Example]
    warnings: list[str]

    def figures(self) -> dict[str, float]:
        """The figures that a gate can ask for."""
        ends = {"flips": self.flips.value, "flips.low": self.flips.low, "flips.high": self.flips.high}
        return {name: value for name, value in ends.items() if value is not None}


def compare(before: Told, after: Told, costs: Costs) -> Comparison:
    """Compare two runs over the same events.

    Outcomes are those of the run that is told of; each event counts once on each side, so the effects are paired.

    Args:
        before: The run that is compared with.
        after: The run that is told of.
        costs: What mistakes cost.

    Raises:
        UsageError: They have no event in common.
    """
    assert before.details is not None
    assert after.details is not None
    by_id = before.details.by_id and after.details.by_id
    old, new = match(
        before.details.identities(by_id, before.frame.step), after.details.identities(by_id, after.frame.step)
    )
    if not len(old):
        raise UsageError(
            f"runs {after.run_id!r} and {before.run_id!r} have no event in common, so nothing can be compared"
        )
    names = Names([*before.frame.final.values, *after.frame.final.values])
    was = names.number(before.frame.final, before.frame.allowed)[old]
    is_ = names.number(after.frame.final, after.frame.allowed)[new]
    truth = after.labels.values[new]
    flipped = np.flatnonzero(was != is_)
    examples = [
        Example(
            id=after.details.ids[new[row]],
            key=_at(after.details.keys, new[row]),
            at_ms=_known(after.frame.now_ms[new[row]]),
            outcome=None if np.isnan(truth[row]) else bool(truth[row]),
            before=_side(before.frame, before.details, old[row], names.names[was[row]]),
            after=_side(after.frame, after.details, new[row], names.names[is_[row]]),
        )
        for row in _chosen(flipped, was, is_)
    ]
    return Comparison(
        against=before.run_id,
        by="id" if by_id else "step",
        pairs=len(old),
        only_here=len(after.frame) - len(new),
        only_there=len(before.frame) - len(old),
        flips=proportion(len(flipped), len(old)),
        kinds=list(kinds(names, was[flipped], is_[flipped], truth[flipped])),
        actions=_actions(names.names, was, is_),
        effects=paired_effects(before.frame.acted[old], after.frame.acted[new], truth, costs),
        configuration=list(_differences(before.past.run["config"], after.past.run["config"])),
        distributions=list(_differences(before.past.run["distributions"], after.past.run["distributions"])),
        examples=examples,
        warnings=list(_warnings(before, after, by_id)),
    )


def match(before: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Pair the decisions about the same events; where an event comes several times, the n-th with the n-th.

    Args:
        before: Numbers that stand for events.
        after: The same of the other run.

    Returns:
        The rows of each, in the order of ``after``.
    """
    _, old, new = np.intersect1d(_numbered(before), _numbered(after), assume_unique=True, return_indices=True)
    order = np.argsort(new)
    return old[order], new[order]


def _numbered(events: Ints) -> Ints:
    order = np.argsort(events, kind="stable")
    ordered = events[order]
    occurrence = np.empty(len(events), dtype=np.int64)
    occurrence[order] = np.arange(len(events)) - np.searchsorted(ordered, ordered, "left")
    numbered: Ints = events ^ (occurrence * _MIX)
    return numbered


def _actions(names: list[str], was: Ints, is_: Ints) -> dict[str, tuple[int, int]]:
    old, new = (np.bincount(labels, minlength=len(names)) for labels in (was, is_))
    pairs = {name: (int(b), int(a)) for name, b, a in zip(names, old, new, strict=True) if b or a}
    return dict(sorted(pairs.items(), key=lambda pair: -max(pair[1])))


def _chosen(flipped: Ints, was: Ints, is_: Ints) -> list[int]:
    """Rows of each kind in proportion, ten at least if there are not many kinds, evenly over the run."""
    if not len(flipped):
        return []
    _, kind, times = np.unique(np.stack([was[flipped], is_[flipped]]), axis=1, return_inverse=True, return_counts=True)
    least = min(_LEAST_OF_A_KIND, MOST_EXAMPLES // len(times))
    chosen: list[int] = []
    for n, number in enumerate(times):
        rows = flipped[kind.ravel() == n]
        wanted = min(int(number), max(least, int(MOST_EXAMPLES * number / len(flipped))))
        chosen += rows[np.linspace(0, number - 1, wanted).round().astype(np.int64)].tolist()
    return sorted(chosen)


def _side(frame: Frame, details: Details, row: int, decided: str) -> Side:
    marks = _at(frame.mismatch, row)
    return Side(
        step=int(frame.step[row]),
        proposed=str(_at(frame.proposed, row)),
        decided=decided,
        confidence=_known(frame.confidence[row]),
        probability=_known(frame.probability[row]),
        reasons=list(_at(details.reasons, row) or ()),
        flags=[] if marks is None else list(marks[0] or marks[1]),
    )


def _at(codes: Codes, row: int) -> Any:
    number = codes.numbers[row]
    return None if number < 0 else codes.values[number]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _differences(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    old, new = dict(flat(before)), dict(flat(after))
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) != new.get(path):
            yield path, old.get(path), new.get(path)


def _source(told: Told) -> dict[str, Any]:
    """What was read, wherever it lay."""
    identity = told.past.run.get("source") or {}
    return {name: value for name, value in identity.items() if name != "path"}


def _warnings(before: Told, after: Told, by_id: bool) -> Iterator[str]:
    if _source(before) != _source(after):
        yield "the two runs did not read the same source" + ("" if by_id else ", and are compared step by step")
    if not by_id:
        yield "events have no ids, or these are masked, so the n-th decisions of both runs are compared"
    if before.past.run.get("files") != after.past.run.get("files"):
        yield "files of the two runs, such as weights, differ"
