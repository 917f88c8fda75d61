"""Showing plans and summaries to people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

import click

from mdm_core.plan import Plan
from mdm_core.summary import Summary
from mdm_core.wording import KeyPath, spelled, toml_key

_COLOURS = {"done": "green", "stopped": "yellow", "failed": "red"}


def show_plan(plan: Plan) -> None:
    """Print the resolved pipeline as TOML, with the distribution that each component comes from."""
    origins = {plugin.name: str(plugin) for _, built in plan.built() for plugin in built.plugins}
    for section, value in plan.resolved().items():
        several = isinstance(value, list)
        for table in value if several else [value]:
            for line in _table((section,), table, several, origins):
                click.echo(line)


def _table(path: KeyPath, table: Mapping[str, Any], several: bool, origins: Mapping[str, str]) -> Iterator[str]:
    name = spelled(path)
    origin = origins.get(str(table.get("use", "")).partition(".")[0])
    yield (f"[[{name}]]" if several else f"[{name}]") + (f"  # {origin}" if origin else "")
    children = {key: value for key, value in table.items() if isinstance(value, Mapping) and "use" in value}
    for key, value in table.items():
        if key not in children:
            yield f"# {key} is not set" if value is None else f"{toml_key(key)} = {toml_value(value)}"
    yield ""
    for key, child in children.items():
        yield from _table((*path, key), child, False, origins)


def toml_value(value: Any) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(str(k))} = {toml_value(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return repr(value)


def show_summary(summary: Summary) -> None:
    """Print how a run ended."""
    click.echo(f"run {summary.run_id}: ", nl=False)
    click.secho(summary.status, fg=_COLOURS[summary.status], bold=True, nl=False)
    click.echo(f" ({summary.reason})" if summary.reason else "")
    for name, value in _rows(summary):
        click.echo(f"  {name:<15} {value}")
    if summary.events and not summary.decided:
        click.echo(
            "nothing could be decided: dead_letter.jsonl says why; do key, timestamp and id in [pipeline] name fields "
            "that the events have?",
            err=True,
        )
    for observer, figures in summary.findings.items():
        click.echo(f"\n{observer}")
        for line in _figures(figures, indent=2):
            click.echo(line)


def _rows(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "events", f"{summary.events:,}"
    yield "proposed", _counts(summary.proposed)
    yield "allowed", _counts(summary.allowed)
    yield "carried out", _counts(summary.carried_out)
    unfinished = {status: n for status, n in summary.executions.items() if status != "done"}
    if unfinished:
        yield "not carried out", _counts(unfinished)
    yield "denied", _counts(summary.denied)
    yield "failed closed", f"{summary.failed_closed:,}"
    yield "dead letters", _counts(summary.dead_letters)
    if summary.errors:
        yield "errors", _counts(summary.errors)
    if summary.redaction_failures:
        yield "redaction", f"failed {summary.redaction_failures:,} times; those payloads were replaced"
    if summary.evicted_keys:
        yield "keys forgotten", _counts(summary.evicted_keys)
    for component, counts in summary.counts.items():
        yield component, _counts(counts).partition("(")[2].rstrip(")")
    yield "latency", f"p50 {summary.latency_us['p50']:,} µs, p99 {summary.latency_us['p99']:,} µs"
    yield "speed", f"{summary.events_per_s:,.0f} events/s, {summary.seconds:,.1f} s"
    yield "written to", _written(summary)


def _counts(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    if not total:
        return "0"
    parts = ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return f"{total:,} ({parts})"


def _written(summary: Summary) -> str:
    files = sorted(p.name for p in Path(summary.run_dir).iterdir() if p.suffix == ".jsonl")
    return f"{summary.run_dir}/{{{','.join([*files, 'run.json', 'summary.json'])}}}"


def _figures(figures: Mapping[str, Any], indent: int) -> Iterator[str]:
    width = max((len(str(name)) for name in figures), default=0) + 2
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield f"{'':<{indent}}{name}"
            yield from _figures(value, indent + 2)
        else:
            yield f"{'':<{indent}}{name:<{width}}{_figure(value)}"


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1e4:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) >= 1e-3 or not value else f"{value:.4g}"
