"""``mdm trace``."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path
from typing import Any

import click
from mdm_core import UsageError
from mdm_core.cli.options import json_option, runs_dir_option

from mdm_trace_jsonl.finding import Trace
from mdm_trace_jsonl.reading import CorruptLine, LineReader

_SHOWN = 20


@click.group("trace")
def trace() -> None:
    """Read the trace of a run."""


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


def _show_step(found: Trace, step: int, as_json: bool) -> None:
    lines = found.numbered_lines()
    lowest, highest = None, None
    for number, line in lines:
        if number == step:
            _print(line) if as_json else _show_whole(found.packet(lines.line, line))
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
    last: deque[tuple[int, bytes]] = deque(maxlen=limit)
    total, corrupt = 0, None
    try:
        for _, line in lines:
            last.append((lines.line, line))
            total += 1
    except CorruptLine as error:
        corrupt = error
    if as_json:
        for _, line in last:
            _print(line)
    else:
        _show_lines(found, last, total)
    _tell_torn(lines)
    if corrupt is not None:
        raise corrupt


def _show_lines(found: Trace, lines: deque[tuple[int, bytes]], total: int) -> None:
    from mdm_trace_jsonl.showing import table

    for row in table([found.packet(number, line) for number, line in lines], found.key, found.id):
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
