"""Showing how far something has come, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mdm_core import PastRun
from mdm_core.rundir import SUMMARY_FILE, read_json


@contextmanager
def progress_bar(past: PastRun, what: str) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal, and nothing elsewhere.

    Args:
        past: The run whose decisions are gone through.
        what: What is done, for people.

    Yields:
        To be called with the number of decisions; None where nothing is shown.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(f"{what} {{task.completed:,.0f}}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=(read_json(past.directory / SUMMARY_FILE) or {}).get("decided"))
        yield lambda done: bar.update(task, completed=done)
