"""``mdm trace``."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import attrs
import click
from mdm_core import UsageError
from mdm_core.cli.options import echo_json, json_option, run_argument, runs_dir_option

from mdm_trace_jsonl.finding import Trace
from mdm_trace_jsonl.reading import CorruptLine, LineReader

_F = TypeVar("_F", bound=Callable[..., Any])
_Place: TypeAlias = tuple[bytes, Path, int]
_SHOWN = 20


@click.group("trace")
def trace() -> None:
    """Read the trace of a run, and find out whether it is what was written."""


@trace.command("show")
@click.argument("run", metavar="RUN")
@click.option("--step", type=click.IntRange(min=0), help="Show only this packet, whole.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"Show this many packets, the last ones.  [default: {_SHOWN}, with --json all]",
)
@runs_dir_option
@json_option
def show(run: str, step: int | None, limit: int | None, runs_dir: Path, as_json: bool) -> None:
    """Show the decisions of RUN: its id, its directory, or a trace.

    One line each for people; the packets as they are with --json.
    """
    if step is not None and limit is not None:
        raise UsageError("--step shows one packet; leave out --limit")
    found = Trace.find(run, runs_dir)
    if step is not None:
        _show_step(found, step, as_json)
    elif as_json and limit is None:
        _print_all(found)
    else:
        _show_last(found, limit or _SHOWN, as_json)


def _public_key_option(function: _F) -> _F:
    return click.option(
        "--public-key",
        "public_keys",
        multiple=True,
        type=click.Path(path_type=Path),
        help="File of the public key that must have signed; may be given several times.",
    )(function)


@trace.command("verify")
@run_argument
@_public_key_option
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="File that `mdm trace checkpoint` has written before: everything up to there must still be there.",
)
@runs_dir_option
@json_option
def verify(run: str, public_keys: tuple[Path, ...], checkpoint: Path | None, runs_dir: Path, as_json: bool) -> None:
    """Find out whether packets and audit log of RUN are what was written.

    RUN is an id, a directory or a trace. Exit code 1: something was changed, taken out, added or put in another order.
    """
    from mdm_trace_jsonl.proving import Evidence, read_checkpoint
    from mdm_trace_jsonl.signing import read_public_key
    from mdm_trace_jsonl.telling import cannot_show, told

    keys = [read_public_key(path) for path in public_keys]
    evidence = Evidence.find(run, runs_dir)
    findings = evidence.verify(keys, None if checkpoint is None else read_checkpoint(checkpoint))
    wrong = any(finding.problems for finding in findings)
    limits = cannot_show(bool(keys), checkpoint is not None, evidence.unchained)
    if as_json:
        files = [attrs.asdict(finding, recurse=False) for finding in findings]
        echo_json({"run_id": evidence.expected.run_id, "ok": not wrong, "files": files, "cannot_show": limits})
    else:
        for line in told(findings, bool(keys)):
            click.echo(line)
        for line in limits:
            click.echo(f"not shown: {line}", err=True)
    click.get_current_context().exit(1 if wrong else 0)


@trace.command("checkpoint")
@run_argument
@_public_key_option
@runs_dir_option
def checkpoint(run: str, public_keys: tuple[Path, ...], runs_dir: Path) -> None:
    """Print where the chains of RUN stand, to be kept where nobody can change it who can change the run.

    What it speaks for is verified first; exit code 1 and no checkpoint if something is wrong.
    """
    from mdm_trace_jsonl.proving import Evidence
    from mdm_trace_jsonl.showing import printable
    from mdm_trace_jsonl.signing import read_public_key

    keys = [read_public_key(path) for path in public_keys]
    evidence = Evidence.find(run, runs_dir)
    findings = evidence.verify(keys, None)
    problems = [problem for finding in findings for problem in finding.problems]
    for problem in problems:
        click.echo(f"mdm: {printable(problem)}", err=True)
    if problems:
        click.get_current_context().exit(1)
    echo_json(evidence.checkpoint(findings))


def _show_step(found: Trace, step: int, as_json: bool) -> None:
    lines = found.numbered_lines()
    lowest, highest = None, None
    for number, line in lines:
        if number == step:
            _print(line) if as_json else _show_whole(found.packet(line, lines.path, lines.line))
            return
        lowest = number if lowest is None else min(lowest, number)
        highest = number if highest is None else max(highest, number)
    _tell_torn(lines)
    there = "it has no packets" if lowest is None else f"its steps are {lowest} to {highest}"
    raise UsageError(f"{found.path} has no step {step}; {there}")


def _print_all(found: Trace) -> None:
    lines = found.numbered_lines()
    for _, line in lines:
        _print(line)
    _tell_torn(lines)


def _show_last(found: Trace, limit: int, as_json: bool) -> None:
    lines = found.numbered_lines()
    last: deque[_Place] = deque(maxlen=limit)
    total, corrupt = 0, None
    try:
        for _, line in lines:
            last.append((line, lines.path, lines.line))
            total += 1
    except CorruptLine as error:
        corrupt = error
    if as_json:
        for line, _, _ in last:
            _print(line)
    else:
        _show_lines(found, last, total)
    _tell_torn(lines)
    if corrupt is not None:
        raise corrupt


def _show_lines(found: Trace, lines: deque[_Place], total: int) -> None:
    from mdm_trace_jsonl.showing import table

    for row in table([found.packet(*place) for place in lines], found.key, found.id):
        click.echo(row)
    if len(lines) < total:
        click.echo(f"the last {len(lines):,} of {total:,} packets; --limit shows more, --step one whole", err=True)
    elif not total:
        click.echo(f"{found.path} has no packets", err=True)


def _show_whole(packet: dict[str, Any]) -> None:
    from rich.console import Console

    from mdm_trace_jsonl.detail import whole

    plain = click.get_current_context().color is False
    console = Console(no_color=plain or None, highlight=False, soft_wrap=True)
    for part in whole(packet):
        console.print(part)


def _print(line: bytes) -> None:
    # Unlike click.echo this does not flush after every line, which would triple the time that a large trace takes.
    sys.stdout.buffer.write(line if line.endswith(b"\n") else line + b"\n")


def _tell_torn(lines: LineReader[tuple[int, bytes]]) -> None:
    if lines.torn_tail is not None:
        click.echo(f"mdm: {lines.torn_tail}", err=True)
