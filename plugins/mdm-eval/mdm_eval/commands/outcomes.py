"""``mdm outcomes``."""

from __future__ import annotations

from pathlib import Path

import click
from mdm_core.cli.options import echo_json, json_option, run_argument, runs_dir_option


@click.group("outcomes")
def outcomes() -> None:
    """Tell a run what turned out to be true of its decisions."""


@outcomes.command("join")
@run_argument
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--window", metavar="DURATION", help="Outcomes count if they come within this time, such as 30d or 12h.")
@click.option("--absent", metavar="VALUE", help="What it means if none has come in time, such as false.")
@runs_dir_option
@json_option
def join(
    run: str, files: tuple[Path, ...], window: str | None, absent: str | None, runs_dir: Path, as_json: bool
) -> None:
    """Join the decisions of RUN with outcomes or human verdicts from FILE, JSON lines or CSV.

    A line has event_id (or step), outcome (or verdict: right, wrong or unsure), and can have time and reviewer.
    What was joined before is replaced; an outcome that came with its event counts where no line tells of it.
    """
    from mdm_eval.joining import join as join_run
    from mdm_eval.show import show_join

    counts = join_run(run, runs_dir, files, window, absent)
    if as_json:
        echo_json(counts)
    else:
        show_join(counts)
