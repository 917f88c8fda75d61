"""Files that tell what became of events: one line each, as JSON or CSV."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs
import msgspec
from mdm_core import UsageError

from mdm_eval.times import instant_ms

Outcome: TypeAlias = bool | int | float | str
Verdict: TypeAlias = Literal["right", "wrong", "unsure"]

VERDICTS = ("right", "wrong", "unsure")
_LONGEST = 64
_FORM = (
    "each line needs event_id (or step) and outcome (or verdict), and can have time and reviewer, such as "
    '{"event_id": "A17", "outcome": true, "time": "2026-01-31T12:00:00Z"}'
)


@attrs.frozen
class Report:
    """What one line tells.

    Attributes:
        outcome: What turned out to be true; None if the line is a verdict.
        verdict: What a person thinks of the decision; None if the line is an outcome.
        time_ms: When it was known, or None.
        reviewer: Who says so; empty if the line does not tell.
    """

    outcome: Outcome | None
    verdict: Verdict | None
    time_ms: float | None
    reviewer: str = ""


@attrs.define
class Reports:
    """What files tell.

    Attributes:
        by_event: Event id to reports of it, in the order of the files.
        by_step: Step to reports of it.
        lines: Lines read.
        invalid: Reason to number of lines that tell nothing.
    """

    by_event: dict[str, list[Report]] = attrs.field(factory=dict)
    by_step: dict[str, list[Report]] = attrs.field(factory=dict)
    lines: int = 0
    invalid: Counter[str] = attrs.field(factory=Counter)

    def read(self, path: Path, needs_time: bool) -> None:
        """Read a file: CSV with a header if its name ends in ``.csv``, else JSON lines.

        Args:
            path: The file.
            needs_time: Whether a line without a time tells nothing.

        Raises:
            UsageError: It cannot be read, or no line tells anything.
        """
        told = 0
        try:
            for row in _rows(path):
                told += self._take(row, needs_time)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(f"{path}: cannot be read: {error}; check the file") from None
        if not told:
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in self.invalid.most_common())
            raise UsageError(f"{path}: tells no outcome ({reasons or 'it is empty'}); {_FORM}")

    def _take(self, row: Mapping[str, Any] | None, needs_time: bool) -> bool:
        self.lines += 1
        try:
            if row is None:
                raise ValueError("invalid_json")
            report = _report(row)
            if needs_time and report.time_ms is None:
                raise ValueError("no_time")
            place = self._place(row)
        except ValueError as error:
            self.invalid[str(error)] += 1
            return False
        place.append(report)
        return True

    def _place(self, row: Mapping[str, Any]) -> list[Report]:
        for name, reports in (("event_id", self.by_event), ("step", self.by_step)):
            value = row.get(name)
            if isinstance(value, str | int) and value != "":
                return reports.setdefault(str(value), [])
        raise ValueError("no_event_id")


def _rows(path: Path) -> Iterator[Mapping[str, Any] | None]:
    if path.suffix.lower() == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from ({name: _typed(name, text) for name, text in row.items()} for row in csv.DictReader(file))
        return
    with path.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield _object(line)


def _object(line: bytes) -> Mapping[str, Any] | None:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None


def _typed(name: str | None, text: Any) -> Any:
    """A CSV field as JSON would have it."""
    if name not in ("outcome", "time") or not isinstance(text, str):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


def _report(row: Mapping[str, Any]) -> Report:
    outcome, verdict = row.get("outcome"), row.get("verdict")
    if verdict is not None and verdict not in VERDICTS:
        raise ValueError("unknown_verdict")
    if verdict is None:
        _check_outcome(outcome)
    return Report(
        outcome if verdict is None else None, verdict, _time_ms(row.get("time")), str(row.get("reviewer", ""))
    )


def _check_outcome(outcome: Any) -> None:
    if outcome is None:
        raise ValueError("no_outcome")
    if not isinstance(outcome, bool | int | float | str):
        raise ValueError("invalid_outcome")
    if isinstance(outcome, str) and len(outcome) > _LONGEST:
        raise ValueError("outcome_too_long")


def _time_ms(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return instant_ms(value)
    except (TypeError, ValueError):
        raise ValueError("invalid_time") from None
