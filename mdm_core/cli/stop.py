"""``mdm stop``."""

from __future__ import annotations

from pathlib import Path

import click

from mdm_core.cli.options import run_argument, runs_dir_option
from mdm_core.control import LONGEST_REASON, Request, send
from mdm_core.rundir import find_run


@click.command("stop")
@run_argument
@click.option("--reason", metavar="TEXT", default="", help="Why, for the audit log.")
@runs_dir_option
def command(run: str, reason: str, runs_dir: Path) -> None:
    """Keep a run that is going on from carrying anything out.

    It goes on deciding and recording, and denies every action, until `mdm release`. When this returns, no further
    action is begun, and the command is on the disk.
    """
    if len(reason) > LONGEST_REASON:
        raise click.BadParameter(f"at most {LONGEST_REASON} characters", param_hint="'--reason'")
    directory = find_run(run, runs_dir)
    send(directory, Request("stop", reason))
    click.echo(f"run {directory.name}: stopped; it denies every action until `mdm release {run}`", err=True)
