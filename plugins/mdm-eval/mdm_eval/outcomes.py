"""Joining decisions with what became of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec
from mdm_core import UsageError
from mdm_core.admission import ABSENT, getter
from mdm_core.rundir import open_private

from mdm_eval.reports import Outcome, Report, Reports

OUTCOMES_FILE = "outcomes.jsonl"
HOLD = "HOLD"
_MARKS = ("[REDACTED", "[HMAC:")


class Joined(msgspec.Struct, omit_defaults=True):
    """One line of the file of joined outcomes.

    Attributes:
        step: The decision.
        outcome: What turned out to be true of it.
        absent: Whether nothing was told of it in time, and the outcome is what absence means.
    """

    step: int
    outcome: Outcome
    absent: bool = False


@attrs.frozen
class Window:
    """How long outcomes are waited for.

    Attributes:
        length_ms: An outcome that comes later is late; None takes all.
        absent: What it means that none has come when the window is over; None: it is not known.
        now_ms: The latest time that anything is known of.
    """

    length_ms: float | None = None
    absent: Outcome | None = None
    now_ms: float = float("-inf")


@attrs.define
class Counts:
    """What came of a join.

    Attributes:
        decisions: Decisions of the run.
        joined: Decisions whose outcome was told, in time.
        late: Decisions of which only something came too late.
        absent: Decisions of which nothing came within the window, which is over.
        waiting: Decisions of which nothing came, and the window is not over.
        missing: Decisions of which nothing came, if there is no window.
        disputed: Decisions of which as many reviewers say one thing as the other, or none is sure.
        superseded: Reports in whose place came a later one.
        unknown: Reports of events that the run has not decided.
        redacted: Decisions whose event id is redacted, so that nothing can be joined.
        invalid: Reason to number of lines that tell nothing.
    """

    decisions: int = 0
    joined: int = 0
    late: int = 0
    absent: int = 0
    waiting: int = 0
    missing: int = 0
    disputed: int = 0
    superseded: int = 0
    unknown: int = 0
    redacted: int = 0
    invalid: dict[str, int] = attrs.field(factory=dict)


class Join:
    """Finds the outcome of each decision.

    Args:
        reports: What is told.
        id_path: Dotted path of the id in the event, or None.
        window: How long outcomes are waited for.

    Raises:
        UsageError: Events are named by an id, and the pipeline has none.

    Attributes:
        counts: What came of it, when ``outcomes`` has ended.
    """

    def __init__(self, reports: Reports, id_path: str | None, window: Window) -> None:
        if reports.by_event and id_path is None:
            raise UsageError(
                "the run's pipeline names no id, so no event_id can be found again: name decisions by their step, or "
                "set id in [pipeline] and run again"
            )
        self.counts = Counts(invalid=dict(reports.invalid))
        self._reports = reports
        self._get_id = None if id_path is None else getter(id_path)
        self._window = window
        self._seen: set[str] = set()

    def outcomes(self, packets: Iterable[Mapping[str, Any]]) -> Iterator[Joined]:
        """Give the outcome of each decision that has one.

        Args:
            packets: In the order of their steps.

        Raises:
            UsageError: All event ids are redacted, or a window is given and the run has no clock.
        """
        for packet in packets:
            self.counts.decisions += 1
            reports = self._reports_of(packet)
            outcome = self._settle(packet, reports) if reports else self._without(packet)
            if outcome is not None:
                yield outcome
        self._finish()

    def _reports_of(self, packet: Mapping[str, Any]) -> list[Report]:
        found = self._reports.by_step.get(str(packet["step"]), [])
        event_id = self._event_id(packet)
        if event_id is not None and event_id in self._reports.by_event:
            self._seen.add(event_id)
            found = [*found, *self._reports.by_event[event_id]]
        return found

    def _event_id(self, packet: Mapping[str, Any]) -> str | None:
        if self._get_id is None or not self._reports.by_event:
            return None
        try:
            value = str(self._get_id(packet["input"]))
        except ABSENT:
            value = _MARKS[0]
        if value.startswith(_MARKS):
            self.counts.redacted += 1
            return None
        return value

    def _settle(self, packet: Mapping[str, Any], reports: list[Report]) -> Joined | None:
        ends = self._ends(packet)
        in_time = [report for report in reports if ends is None or (report.time_ms or 0.0) <= ends]
        if not in_time:
            self.counts.late += 1
            return self._absent(packet)
        outcome = _settled(in_time, packet)
        self.counts.superseded += len(in_time) - len({report.reviewer for report in in_time})
        if outcome is None:
            self.counts.disputed += 1
            return None
        self.counts.joined += 1
        return Joined(packet["step"], outcome)

    def _without(self, packet: Mapping[str, Any]) -> Joined | None:
        ends = self._ends(packet)
        if ends is None:
            self.counts.missing += 1
        elif ends > self._window.now_ms:
            self.counts.waiting += 1
        else:
            self.counts.absent += 1
            return self._absent(packet)
        return None

    def _absent(self, packet: Mapping[str, Any]) -> Joined | None:
        absent = self._window.absent
        return None if absent is None else Joined(packet["step"], absent, True)

    def _ends(self, packet: Mapping[str, Any]) -> float | None:
        if self._window.length_ms is None:
            return None
        now_ms = packet["external"].get("now_ms")
        if now_ms is None:
            raise UsageError("the run has no clock, so no window can be over: leave out --window")
        return float(now_ms) + self._window.length_ms

    def _finish(self) -> None:
        counts, reports = self.counts, self._reports
        if counts.redacted and counts.redacted == counts.decisions:
            raise UsageError("the event ids are redacted in the trace: name decisions by their step")
        counts.unknown = sum(len(told) for event, told in reports.by_event.items() if event not in self._seen)
        counts.unknown += sum(len(told) for step, told in reports.by_step.items() if not _is_below(step, counts))


def write_outcomes(directory: Path, outcomes: Iterable[Joined]) -> None:
    """Write the joined outcomes of a run, in the place of those that were joined before; all of them or none.

    Args:
        directory: Directory of the run.
        outcomes: In the order of their steps.
    """
    path = directory / OUTCOMES_FILE
    temporary = path.with_name(f".{OUTCOMES_FILE}.new")
    try:
        with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            encode = msgspec.json.Encoder().encode
            file.writelines(encode(outcome) + b"\n" for outcome in outcomes)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_outcomes(directory: Path) -> Iterator[Joined]:
    """Give the joined outcomes of a run, in the order of their steps; none if nothing was joined.

    Args:
        directory: Directory of the run.

    Raises:
        UsageError: The file is damaged.
    """
    path = directory / OUTCOMES_FILE
    if not path.exists():
        return
    decode = msgspec.json.Decoder(Joined).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decode(line)
            except msgspec.DecodeError as error:
                raise UsageError(f"{path}, line {number}: {error}; join the outcomes again") from None


def _settled(reports: list[Report], packet: Mapping[str, Any]) -> Outcome | None:
    """The latest report counts; of verdicts the latest of each reviewer, and what most of them say."""
    latest = sorted(reports, key=lambda report: report.time_ms or 0.0)
    if latest[-1].verdict is None:
        return latest[-1].outcome
    says = Counter({report.reviewer: report.verdict for report in latest}.values())
    if says["right"] == says["wrong"]:
        return None
    final = packet["final_action"]
    acted = bool(final["allowed"]) and final["action"] != HOLD
    return acted if says["right"] > says["wrong"] else not acted


def _is_below(step: str, counts: Counts) -> bool:
    return step.isdecimal() and int(step) < counts.decisions
