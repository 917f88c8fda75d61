"""What ``mdm outcomes join`` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import msgspec
from mdm_core import PastRun, UsageError

from mdm_eval.outcomes import Counts, Join, Window, write_outcomes
from mdm_eval.packets import packets_of
from mdm_eval.reports import Outcome, Report, Reports
from mdm_eval.times import parse_duration


def join(run: str, runs_dir: Path, files: Sequence[Path], window: str | None, absent: str | None) -> Counts:
    """Join a run with what files tell, and write that next to its trace.

    Args:
        run: Its id, or the path of its directory.
        runs_dir: Where runs are kept.
        files: What became of events; of two that tell of the same event the later time counts, or else the later file.
        window: How long outcomes are waited for, such as ``30d``.
        absent: What it means that none has come.

    Returns:
        What came of it.

    Raises:
        UsageError: There is no such run, a file cannot be used, or the options do not go together.
    """
    if absent is not None and window is None:
        raise UsageError("--absent says what it means if nothing has come in time: give --window too")
    length_ms = parse_duration(window, "--window")
    past = PastRun.find(run, runs_dir)
    reports = Reports()
    for path in files:
        reports.read(path, needs_time=length_ms is not None)
    waiting = Window(length_ms, _value(absent), _latest(reports))
    joining = Join(reports, past.run["config"]["pipeline"].get("id"), waiting)
    write_outcomes(past.directory, joining.outcomes(packets_of(past)))
    return joining.counts


def _value(text: str | None) -> Outcome | None:
    """A value as JSON would have it; what is no JSON is text."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=bool | int | float | str)
    except msgspec.DecodeError:
        return text


def _latest(reports: Reports) -> float:
    """Up to when the files tell: what has not come by then may still come."""
    told: Iterator[Report] = chain.from_iterable(chain(reports.by_event.values(), reports.by_step.values()))
    return max((report.time_ms for report in told if report.time_ms is not None), default=float("-inf"))
