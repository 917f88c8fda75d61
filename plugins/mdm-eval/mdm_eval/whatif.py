"""What-if: what another model, guard or threshold would have decided, and whether that would have been better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from mdm_core import Decision, PastRun, UsageError
from mdm_core.decision import packet_dict

from mdm_eval.columns import Codes
from mdm_eval.comparing import Packet
from mdm_eval.costs import Costs
from mdm_eval.effects import Effects, effects_of
from mdm_eval.flips import DENIED, REFUSED, acts, label_of, recorded_label
from mdm_eval.frame import segment_getter
from mdm_eval.labels import to_labels
from mdm_eval.outcomes import read_outcomes
from mdm_eval.rebuilding import changed_files, changed_options, changed_versions, not_known
from mdm_eval.segments import divide
from mdm_eval.session import Session, Wanted
from mdm_eval.trying import Progress, Trial, Trying, Visit

_EXAMPLES = 3
_MOST_REASONS = 10_000

Cells = Counter[tuple[str, str, Any]]
Redact = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Outcomes:
    """Gives the outcome of each packet in turn: what was joined, or else what came with the event.

    Args:
        past: The run.
    """

    def __init__(self, past: PastRun) -> None:
        self._joined = read_outcomes(past.directory)
        self._next = next(self._joined, None)

    def of(self, packet: Packet) -> Any:
        """Give the outcome of a packet, None if it is not known.

        Args:
            packet: The packet; each comes after the ones before.
        """
        step = packet["step"]
        while self._next is not None and self._next.step < step:
            self._next = next(self._joined, None)
        if self._next is not None and self._next.step == step:
            return self._next.outcome
        return packet["external"].get("eval.outcome")


def truths(cells: Cells, positive: str | None) -> dict[Any, bool | None]:
    """Say of each outcome whether it was right to act.

    Args:
        cells: What was counted.
        positive: The outcome, as text, that counts as right to act on; None takes true and false as they are.

    Raises:
        UsageError: An outcome is neither.
    """
    outcomes = list(dict.fromkeys(outcome for _, _, outcome in cells if outcome is not None))
    labels = to_labels(Codes(outcomes), positive)
    return {None: None, **{outcome: bool(label) for outcome, label in zip(outcomes, labels, strict=True)}}


@attrs.define
class Flip:
    """Decisions that would come out differently in one way.

    Attributes:
        before: What came of them.
        after: What would have.
        decisions: How many.
        reasons: The other configuration's reasons, to the number of decisions.
        examples: The first few: step, id, key, and reasons and confidence of both.
    """

    before: str
    after: str
    decisions: int = 0
    reasons: Counter[str] = attrs.field(factory=Counter)
    examples: list[dict[str, Any]] = attrs.field(factory=list)


@attrs.define
class WhatIf:
    """What a change would have done.

    Attributes:
        run_id: Id of the run.
        trial: How it was tried out.
        changed: Options that are not those of the run: where, before, now.
        not_known: Options of which the run has recorded a mark, so that what is tried out may be another.
        files: Files that have changed since the run.
        versions: Distributions of which another version is installed: what the run had, and what is there.
        flips: Decisions that would come out differently, the most frequent kind first.
        actions: What comes of decisions, to their numbers before and after.
        denied: Flag to number of denials before and after.
        effects: On precision, recall and cost; None without outcomes.
        unknown: Decisions without an outcome.
        segments: The same for parts of the decisions, if they were divided: their figures by name.
    """

    run_id: str
    trial: Trial
    changed: list[tuple[str, Any, Any]]
    not_known: list[str]
    files: list[str]
    versions: dict[str, tuple[str, str | None]]
    flips: list[Flip]
    actions: dict[str, tuple[int, int]]
    denied: dict[str, tuple[int, int]]
    effects: Effects | None
    unknown: int
    segments: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    @property
    def flipped(self) -> int:
        """How many decisions would come out differently."""
        return sum(flip.decisions for flip in self.flips)

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        told = attrs.asdict(self)
        told["orders"] = told["trial"].pop("orders")[0]
        told["other_params"] = told["trial"].pop("other_params")[0]
        told["changed"] = [{"option": where, "before": old, "now": new} for where, old, new in self.changed]
        told["versions"] = {name: {"run": old, "installed": new} for name, (old, new) in self.versions.items()}
        for name in ("actions", "denied"):
            told[name] = {key: {"before": b, "after": a} for key, (b, a) in getattr(self, name).items()}
        return {**told, "flipped": self.flipped}


@attrs.frozen
class Question:
    """What is asked of a run.

    Attributes:
        costs: What mistakes cost.
        positive: The outcome, as text, that counts as right to act on.
        by: What divides decisions: ``key``, the name of a feature, or a dotted path in the event or context.
        needs_outcomes: Whether an answer without them is none.
    """

    costs: Costs = attrs.field(factory=Costs)
    positive: str | None = None
    by: str | None = None
    needs_outcomes: bool = False


def what_if(past: PastRun, wanted: Wanted, question: Question, progress: Progress | None = None) -> WhatIf:
    """Find out what another configuration would have decided about a run's events; nothing is carried out.

    Args:
        past: The run.
        wanted: The other configuration.
        question: What is asked.
        progress: Called now and then with the number of decisions.

    Raises:
        ConfigError: The configuration cannot be built or opened.
        UsageError: The run has not recorded enough, has no outcomes though they are needed, or nothing to divide by.
    """
    rebuilt = wanted.rebuild(past)
    counting: list[_Counting] = []

    def visitor(session: Session) -> Visit:
        counting.append(_Counting(past, question, session.redaction.mapping))
        return counting[-1].visit

    trial = Trying(past, [wanted], visitor, progress).run()
    counted = counting[-1]
    truth = truths(counted.cells, question.positive)
    effects = counted.effects(counted.cells, truth)
    if effects is None and question.needs_outcomes:
        raise UsageError(f"run {past.directory.name!r} has no outcomes; `mdm outcomes join` adds them")
    return WhatIf(
        past.directory.name,
        trial,
        changed_options(past, rebuilt),
        not_known(past, rebuilt),
        changed_files(past, rebuilt),
        changed_versions(past),
        counted.told_flips(),
        _paired(_by_label(counted.cells, 0), _by_label(counted.cells, 1)),
        _paired(counted.denied_before, counted.denied_after),
        effects,
        sum(number for (_, _, outcome), number in counted.cells.items() if truth[outcome] is None),
        dict(counted.segments(truth)) if question.by is not None else {},
    )


class _Counting:
    """Counts what comes of decisions, before and after."""

    def __init__(self, past: PastRun, question: Question, redact: Redact) -> None:
        pipeline = past.run["config"]["pipeline"]
        self._past, self._question, self._redact = past, question, redact
        self._outcomes = Outcomes(past)
        self._key, self._id = (segment_getter(pipeline.get(name)) for name in ("key", "id"))
        self._by = self._key if question.by == "key" else segment_getter(question.by)
        self.cells: Cells = Counter()
        self.denied_before: Counter[str] = Counter()
        self.denied_after: Counter[str] = Counter()
        self._flips: dict[tuple[str, str], Flip] = {}
        self._rows, self._divided = Codes(), Codes()

    def visit(self, packet: Packet, decisions: Sequence[Decision | None]) -> None:
        [decision] = decisions
        before, outcome = recorded_label(packet), self._outcomes.of(packet)
        after = REFUSED if decision is None else label_of(decision)
        cell = (before, after, outcome)
        self.cells[cell] += 1
        if packet["mismatch"] is not None:
            self.denied_before.update(packet["mismatch"]["flags"])
        if decision is not None and decision.final.mismatch is not None:
            self.denied_after.update(decision.final.mismatch.flags)
        if before != after and decision is not None:
            self._note(before, after, packet, decision)
        if self._question.by is not None:
            self._rows.extend([cell])
            self._divided.extend([self._by(packet)])

    def told_flips(self) -> list[Flip]:
        for flip in self._flips.values():
            reasons = [reason for reason, _ in flip.reasons.most_common(_EXAMPLES + 2)]
            shown = self._redact({"reasons": reasons}).get("reasons", [])
            flip.reasons = Counter(dict(zip(shown, (flip.reasons[r] for r in reasons), strict=False)))
        return sorted(self._flips.values(), key=lambda flip: -flip.decisions)

    def effects(self, cells: Mapping[tuple[str, str, Any], int], truth: Mapping[Any, bool | None]) -> Effects | None:
        known: Counter[tuple[bool, bool, bool]] = Counter()
        for (before, after, outcome), number in cells.items():
            right = truth[outcome]
            if right is not None and after != REFUSED:
                known[acts(before), acts(after), right] += number
        return effects_of(known, self._question.costs) if known else None

    def segments(self, truth: Mapping[Any, bool | None]) -> Iterator[tuple[str, dict[str, Any]]]:
        if not self._divided.values:
            raise UsageError(
                f"--by {self._question.by}: no decision has such a feature, field of the event or context; write "
                f"--by key for the key"
            )
        for name, rows in divide(self._divided):
            numbers = Counter(self._rows.numbers[rows].tolist())
            cells = {self._rows.values[code]: number for code, number in numbers.items()}
            effects = self.effects(cells, truth)
            yield name, {**_figures(cells), "effects": None if effects is None else effects.to_dict()}

    def _note(self, before: str, after: str, packet: Packet, decision: Decision) -> None:
        flip = self._flips.get((before, after))
        if flip is None:
            flip = self._flips[before, after] = Flip(before, after)
        flip.decisions += 1
        if len(flip.reasons) < _MOST_REASONS:  # a reason may hold a number
            flip.reasons.update(decision.final.reasons)
        if len(flip.examples) < _EXAMPLES:
            flip.examples.append(self._example(packet, decision))

    def _example(self, packet: Packet, decision: Decision) -> dict[str, Any]:
        now = self._redact(packet_dict(decision, packet["run_id"]))
        return {
            "step": packet["step"],
            "id": self._id(packet),
            "key": self._key(packet),
            "before": _told(packet),
            "after": _told(now),
        }


def _told(packet: Mapping[str, Any]) -> dict[str, Any]:
    mdm, final = packet.get("mdm", {}), packet.get("final_action", {})
    return {
        "proposed": mdm.get("action"),
        "confidence": mdm.get("confidence"),
        "action": final.get("action"),
        "reasons": final.get("reasons"),
    }


def _by_label(cells: Cells, which: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for cell, number in cells.items():
        counts[cell[which]] += number
    return counts


def _paired(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    names = sorted({*before, *after}, key=lambda name: (-max(before.get(name, 0), after.get(name, 0)), name))
    return {name: (before.get(name, 0), after.get(name, 0)) for name in names}


def _figures(cells: Mapping[tuple[str, str, Any], int]) -> dict[str, int]:
    counts = dict.fromkeys(("decisions", "acted_before", "acted_after", "denied_before", "denied_after", "flipped"), 0)
    for (before, after, _), number in cells.items():
        counts["decisions"] += number
        counts["acted_before"] += number * acts(before)
        counts["acted_after"] += number * acts(after)
        counts["denied_before"] += number * before.startswith(DENIED)
        counts["denied_after"] += number * after.startswith(DENIED)
        counts["flipped"] += number * (before != after)
    return counts
