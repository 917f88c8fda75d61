"""``mdm explain``."""

from __future__ import annotations

import re
from pathlib import Path

import click
from mdm_core import UsageError
from mdm_core.cli.options import echo_json, json_option, run_argument, runs_dir_option


def _number(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Read the number of a decision, for which an event's id is often taken."""
    if value is not None and not re.fullmatch("[0-9]+", value):
        raise click.BadParameter(
            f"{value!r} is no number of a decision, which count from 0; write --id {value} if it is an event's."
        )
    return None if value is None else int(value)


@click.command("explain")
@run_argument
@click.argument("step", metavar="[STEP]", required=False, callback=_number)
@click.option("--step", "step_option", metavar="STEP", callback=_number, help="The same as STEP.")
@click.option("--id", "event_id", metavar="ID", help="The decision about the event of this id, in place of STEP.")
@click.option(
    "--config",
    metavar="PIPELINE.toml",
    type=click.Path(path_type=Path),
    help="The run's pipeline file, where what the run has recorded of it is not enough.",
)
@runs_dir_option
@json_option
def explain(
    run: str,
    step: int | None,
    step_option: int | None,
    event_id: str | None,
    config: Path | None,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Explain a decision of RUN: what made the score, what each guard said, and the nearest change that flips it.

    Model and guards are asked again as they were at that moment; nothing is carried out and nothing changed.
    """
    if sum(named is not None for named in (step, step_option, event_id)) != 1:
        raise UsageError("give either the number of a decision, or --id with the id of its event")
    step = step_option if step is None else step
    from mdm_core import PastRun

    from mdm_eval.explain import explain as explain_decision
    from mdm_eval.explain_text import lines_of

    found = explain_decision(PastRun.find(run, runs_dir), step, event_id, config)
    if as_json:
        echo_json(found.to_dict())
        return
    for line in lines_of(found):
        click.echo(line)
