"""Sweeping one option or two: each value decides about the same events, side by side, and the features are shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Any

import attrs
from mdm_core import Decision, PastRun, UsageError

from mdm_eval.comparing import Packet
from mdm_eval.costs import Costs
from mdm_eval.effects import cost_of
from mdm_eval.flips import DENIED, REFUSED, acts, label_of, recorded_label
from mdm_eval.session import Session, Wanted
from mdm_eval.trying import Progress, Trial, Trying, Visit
from mdm_eval.whatif import Cells, Outcomes, Question, truths

_MOST_POINTS = 2000
_FORM = "write SECTION.KEY=FROM:TO:STEP, such as --sweep model.threshold=0.1:0.9:0.05"


@attrs.frozen
class Axis:
    """An option, and the values that it takes.

    Attributes:
        option: Such as ``model.threshold``.
        values: The values, as they would be written in TOML.
    """

    option: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Read an axis such as ``model.threshold=0.1:0.9:0.05``; both ends belong to it.

        Args:
            text: What the user wrote. Values are worked out in decimal, so that 0.1 and twice 0.05 is 0.2.

        Raises:
            UsageError: It is not written so.
        """
        option, _, values = text.partition("=")
        try:
            first, last, step = map(Decimal, values.split(":"))
            if not option or not (last - first) * step >= 0 or not step:
                raise ValueError
            number = int((last - first) / step) + 1
        except (InvalidOperation, ValueError, OverflowError):
            raise UsageError(f"--sweep {text}: {_FORM}") from None
        if number > _MOST_POINTS:
            raise UsageError(f"--sweep {text}: these are {number:,} values; take a larger step")
        return cls(option, tuple(f"{first + step * n:f}" for n in range(number)))


@attrs.frozen
class Point:
    """What one value, or one pair of values, would have decided.

    Attributes:
        values: Option to its value.
        acted: Decisions that would act.
        denied: Decisions that guards would deny.
        flipped: Decisions that would come out differently.
        refused: Events that would be refused.
        tp: Those of which the outcome is known: acted, and rightly.
        fp: Acted, and there was nothing to be done.
        fn: Did not act, and there was something to be done.
        tn: Did nothing, and rightly.
        cost: What all these would have cost; None without outcomes.
        orders: Orders for which recorded answers served, and so on.
    """

    values: dict[str, float]
    acted: int
    denied: int
    flipped: int
    refused: int
    tp: int
    fp: int
    fn: int
    tn: int
    cost: float | None
    orders: dict[str, int]

    @property
    def precision(self) -> float | None:
        """Of the actions, the share that was right."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        """Of what was to be acted on, the share that was."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        return {**attrs.asdict(self), "precision": self.precision, "recall": self.recall}


@attrs.frozen
class Sweep:
    """What came of a sweep.

    Attributes:
        run_id: Id of the run.
        trial: How it was tried out.
        points: In the order of the values, the first option outermost.
        recorded: What the run itself decided, as a point without values.
        best: The point that costs least; of several the one that flips least, then the first. None without outcomes.
    """

    run_id: str
    trial: Trial
    points: list[Point]
    recorded: Point
    best: Point | None

    def to_dict(self) -> dict[str, Any]:
        """All of it in builtin types."""
        trial = attrs.asdict(self.trial, filter=attrs.filters.exclude("orders", "other_params"))
        return {
            "run_id": self.run_id,
            "trial": trial,
            "recorded": self.recorded.to_dict(),
            "points": [point.to_dict() for point in self.points],
            "best": None if self.best is None else self.best.to_dict(),
        }


def sweep(
    past: PastRun, wanted: Wanted, axes: Sequence[Axis], question: Question, progress: Progress | None = None
) -> Sweep:
    """Find out what each value of an option would have decided about a run's events; nothing is carried out.

    Args:
        past: The run.
        wanted: The configuration in which the option is varied.
        axes: One option, or two, of which all pairs of values are tried.
        question: What is asked.
        progress: Called now and then with the number of decisions.

    Raises:
        ConfigError: A value is refused.
        UsageError: There are too many points, or the run has not recorded enough.
    """
    pairs = list(product(*(axis.values for axis in axes)))
    if len(pairs) > _MOST_POINTS:
        raise UsageError(f"--sweep: these are {len(pairs):,} points; take larger steps")
    names = [axis.option for axis in axes]
    settings = [dict(zip(names, values, strict=True)) for values in pairs]
    cases = [
        attrs.evolve(wanted, overrides=(*wanted.overrides, *(f"{name}={value}" for name, value in setting.items())))
        for setting in settings
    ]
    counting: list[_Counting] = []

    def visitor(_session: Session) -> Visit:
        counting.append(_Counting(past, len(cases)))
        return counting[-1].visit

    trial = Trying(past, cases, visitor, progress).run()
    counted = counting[-1]
    values = [{name: float(value) for name, value in setting.items()} for setting in settings]
    points = [
        _point(each, cells, orders, question)
        for each, cells, orders in zip(values, counted.cells, trial.orders, strict=True)
    ]
    recorded = _point({}, _unchanged(counted.cells[0]), {}, question)
    if recorded.cost is None and question.needs_outcomes:
        raise UsageError(f"run {past.directory.name!r} has no outcomes; `mdm outcomes join` adds them")
    return Sweep(past.directory.name, trial, points, recorded, _best(points))


class _Counting:
    def __init__(self, past: PastRun, points: int) -> None:
        self._outcomes = Outcomes(past)
        self.cells: list[Cells] = [Counter() for _ in range(points)]

    def visit(self, packet: Packet, decisions: Sequence[Decision | None]) -> None:
        before, outcome = recorded_label(packet), self._outcomes.of(packet)
        for cells, decision in zip(self.cells, decisions, strict=True):
            cells[before, REFUSED if decision is None else label_of(decision), outcome] += 1


def _unchanged(cells: Cells) -> Cells:
    counts: Cells = Counter()
    for (before, _, outcome), number in cells.items():
        counts[before, before, outcome] += number
    return counts


def _point(values: dict[str, float], cells: Cells, orders: dict[str, int], question: Question) -> Point:
    truth = truths(cells, question.positive)
    known: Counter[tuple[bool, bool]] = Counter()
    counts: Counter[str] = Counter()
    for (before, after, outcome), number in cells.items():
        counts["refused"] += number * (after == REFUSED)
        counts["denied"] += number * after.startswith(DENIED)
        counts["flipped"] += number * (before != after)
        if after == REFUSED:
            continue
        counts["acted"] += number * acts(after)
        right = truth[outcome]
        if right is not None:
            known[acts(after), right] += number
    return Point(
        values,
        counts["acted"],
        counts["denied"],
        counts["flipped"],
        counts["refused"],
        tp=known[True, True],
        fp=known[True, False],
        fn=known[False, True],
        tn=known[False, False],
        cost=_cost(known, question.costs),
        orders=orders,
    )


def _cost(known: Counter[tuple[bool, bool]], costs: Costs) -> float | None:
    return cost_of(known, costs) if known.total() else None


def _best(points: Sequence[Point]) -> Point | None:
    priced = [(point.cost, point.flipped, number) for number, point in enumerate(points) if point.cost is not None]
    return points[min(priced)[2]] if priced else None
