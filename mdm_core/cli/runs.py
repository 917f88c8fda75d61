"""``mdm runs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mdm_core.cli.options import echo_json, json_option, runs_dir_option
from mdm_core.rundir import RUN_FILE, SUMMARY_FILE, is_running, list_runs, read_json


@click.command("runs")
@runs_dir_option
@json_option
def command(runs_dir: Path, as_json: bool) -> None:
    """List what has run, when, and how it ended."""
    runs = [_describe(directory) for directory in list_runs(runs_dir)]
    if as_json:
        echo_json(runs)
        return
    if not runs:
        click.echo(f"no runs in {runs_dir}; --runs-dir names another place", err=True)
    for run in runs:
        events = "" if run["events"] is None else f"{run['events']:,} events"
        click.echo(f"{run['run_id']:<24} {run['started_at']:<26} {run['status']:<8} {events:>16}  {run['pipeline']}")


def _describe(directory: Path) -> dict[str, Any]:
    run = read_json(directory / RUN_FILE) or {}
    summary = read_json(directory / SUMMARY_FILE)
    if summary is not None:
        status, events = summary.get("status"), summary.get("events")
    else:
        status, events = ("running" if is_running(directory) else "died"), None
    return {
        "run_id": directory.name,
        "started_at": run.get("started_at", ""),
        "ended_at": (summary or {}).get("ended_at"),
        "status": status,
        "reason": (summary or {}).get("reason", ""),
        "events": events,
        "pipeline": run.get("pipeline", ""),
    }
