"""``mdm release``."""

from __future__ import annotations

from pathlib import Path

import click

from mdm_core.cli.options import run_argument, runs_dir_option
from mdm_core.control import Request, send
from mdm_core.rundir import find_run


@click.command("release")
@run_argument
@runs_dir_option
def command(run: str, runs_dir: Path) -> None:
    """Let a run that was stopped act again, from its next decision on."""
    directory = find_run(run, runs_dir)
    send(directory, Request("release"))
    click.echo(f"run {directory.name}: released; it acts again", err=True)
