"""``mdm dead-letter``."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from mdm_core.cli.options import echo_json, json_option, run_argument, runs_dir_option
from mdm_core.cli.run import progress_bar, say_what_runs
from mdm_core.cli.show import show_summary
from mdm_core.dead_letters import Letter, mark_retried, read_letters, read_retried, retrying
from mdm_core.errors import UsageError
from mdm_core.plan import Plan
from mdm_core.run import Run
from mdm_core.rundir import RUN_FILE, RunLock, find_run, new_run_id, read_json
from mdm_core.values import Position
from mdm_core.wording import did_you_mean, listing

_SHOWN = 20


@click.group("dead-letter")
def command() -> None:
    """See what a run could not decide, and try it again."""


def _reason_option(function: Any) -> Any:
    return click.option("--reason", metavar="CODE", help="Only letters with this reason.")(function)


@command.command("show")
@run_argument
@_reason_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"Show this many letters, the last ones.  [default: {_SHOWN}, with --json all]",
)
@runs_dir_option
@json_option
def show(run: str, reason: str | None, limit: int | None, runs_dir: Path, as_json: bool) -> None:
    """Show the dead letters of RUN: position, reason and a redacted excerpt, and how many there are of each reason."""
    directory = find_run(run, runs_dir)
    letters: deque[Letter] = deque(maxlen=limit or (None if as_json else _SHOWN))
    counts: Counter[str] = Counter()
    for letter in read_letters(directory):
        counts[letter.reason] += 1
        if reason in (None, letter.reason):
            letters.append(letter)
    _check_reason(reason, counts)
    retried = read_retried(directory)
    if as_json:
        told = [{**msgspec.structs.asdict(x), "retried_in": retried.get(x.position)} for x in letters]
        echo_json({"run_id": directory.name, "counts": counts, "retried": len(retried), "letters": told})
    else:
        _show(letters, counts if reason is None else Counter({reason: counts[reason]}), retried)


@command.command("retry")
@run_argument
@_reason_option
@click.option(
    "--pipeline",
    metavar="PIPELINE.toml",
    type=click.Path(path_type=Path),
    help="The pipeline to decide by; by default the file that RUN was started with, as it is now.",
)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one key; VALUE is TOML.")
@click.option("--run-id", metavar="ID", help="Id of the new run; by default one that sorts by time.")
@click.option("--resume", metavar="ID", help="Go on with a retry that died, failed or was stopped.")
@runs_dir_option
@json_option
@click.pass_context
def retry(
    ctx: click.Context,
    run: str,
    reason: str | None,
    pipeline: Path | None,
    overrides: tuple[str, ...],
    run_id: str | None,
    resume: str | None,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Decide again about the dead letters of RUN, in a new run.

    Their events are read from the source of RUN, which must still be the same, and acted upon. A letter is tried
    again once.
    """
    if resume is not None and (run_id is not None or reason is not None):
        raise click.UsageError("--resume goes on with the letters of that run; take --run-id and --reason away")
    directory = find_run(run, runs_dir)
    lock = RunLock(directory)
    if not lock.acquire():
        raise UsageError(f"run {directory.name!r} is going on, or its letters are being tried again; wait for its end")
    try:
        new_id = resume or run_id or new_run_id()
        positions = _of_retry(directory, resume) if resume is not None else _not_retried(directory, reason)
        if not positions:
            click.echo(f"run {directory.name} has no dead letters that were not tried again", err=True)
            return
        plan = _plan(directory, pipeline, overrides, positions, new_id)
        new = Run(plan, run_id=new_id, runs_dir=runs_dir, resume=resume is not None)
        with progress_bar() as progress:
            summary = new.run(progress, started=lambda: _say(new, directory, positions))
    finally:
        lock.release()
    if as_json:
        echo_json(summary.to_dict())
    else:
        show_summary(summary)
    ctx.exit(summary.exit_code)


def _plan(
    directory: Path, pipeline: Path | None, overrides: tuple[str, ...], positions: list[Position], new_id: str
) -> Plan:
    run = read_json(directory / RUN_FILE)
    if run is None:
        raise UsageError(f"{directory / RUN_FILE}: cannot be read; without it the source is not known")
    path = pipeline or Path(str(run.get("pipeline")))
    plan = Plan.from_config(path, overrides)
    if pipeline is None and not overrides:
        _check_broker(run, plan, path)
    return retrying(plan, directory, run, positions, lambda: mark_retried(directory, new_id, positions))


def _check_broker(run: Mapping[str, Any], plan: Plan, path: Path) -> None:
    """Nobody shall act for real by mistake who has tried with ``--set broker.use=…`` before."""
    now = msgspec.json.decode(msgspec.json.encode(plan.resolved().get("broker"), enc_hook=str))
    if now != run.get("config", {}).get("broker"):
        raise UsageError(
            f"the broker in {path} is not that of run {run.get('run_id')!r}; "
            f"give --pipeline {path} if it is meant, or --set what was set then"
        )


def _not_retried(directory: Path, reason: str | None) -> list[Position]:
    retried = read_retried(directory)
    counts: Counter[str] = Counter()
    positions: dict[Position, None] = {}
    for letter in read_letters(directory):
        counts[letter.reason] += 1
        if letter.position not in retried and reason in (None, letter.reason):
            positions[letter.position] = None
    _check_reason(reason, counts)
    return list(positions)


def _of_retry(directory: Path, run_id: str) -> list[Position]:
    positions = [position for position, by in read_retried(directory).items() if by == run_id]
    if not positions:
        raise UsageError(f"run {run_id!r} has not tried dead letters of run {directory.name!r} again")
    return positions


def _check_reason(reason: str | None, counts: Counter[str]) -> None:
    if reason is not None and reason not in counts:
        there = f"its reasons are {listing(counts)}" if counts else "it has none"
        raise UsageError(f"no dead letter has the reason {reason!r}{did_you_mean(reason, counts)}; {there}")


def _say(new: Run, directory: Path, positions: list[Position]) -> None:
    click.echo(f"run {new.run_id}: tries {len(positions):,} dead letters of run {directory.name} again", err=True)
    say_what_runs(new)


def _show(letters: deque[Letter], counts: Counter[str], retried: Mapping[Position, str]) -> None:
    if not counts:
        click.echo("no dead letters", err=True)
        return
    rows = [(_printable(str(x.position)), _printable(x.reason), x) for x in letters]
    wide, wider = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    for position, reason, letter in rows:
        again = f"  (again in {retried[letter.position]})" if letter.position in retried else ""
        click.echo(f"{position:>{wide}}  {reason:<{wider}}  {_printable(letter.excerpt)}{again}".rstrip())
    total = counts.total()
    if len(letters) < total:
        click.echo(f"the last {len(letters):,} of {total:,}; --limit shows more", err=True)
    click.echo()
    for reason, count in counts.most_common():
        click.echo(f"{count:>{wide},}  {_printable(reason)}")


def _printable(text: str) -> str:
    """Events may hold what would move the cursor, change colours or the direction of writing."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
