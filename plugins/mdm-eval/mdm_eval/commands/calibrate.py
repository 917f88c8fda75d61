"""``mdm calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from mdm_core.cli.options import echo_json, json_option

from mdm_eval.asking import Question
from mdm_eval.commands.options import cost_option, question_options

if TYPE_CHECKING:
    from mdm_eval.calibration import Method


@click.command("calibrate")
@question_options
@click.option(
    "--method",
    type=click.Choice(["platt", "isotonic", "beta"]),
    default="beta",
    show_default=True,
    help="How to fit; isotonic needs some thousand outcomes.",
)
@cost_option
@click.option(
    "--split",
    metavar="SHARE|TIME",
    default="0.5",
    show_default=True,
    help="Fit on this share of the run, or until this time; show on the rest.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="calibration.json",
    show_default=True,
    help="The file for reference.calibrated.",
)
@json_option
def calibrate(question: Question, method: Method, cost: str, split: str, out: Path, as_json: bool) -> None:
    """Fit what the probabilities of RUN are worth, on its earlier part, and show that on its later part.

    The file that is written is read by the model reference.calibrated, which wraps the model of the run.
    """
    from mdm_eval.calibrating import calibrate as fit
    from mdm_eval.costs import Costs
    from mdm_eval.show_calibration import show_calibration

    costs = Costs.parse(cost)
    found = fit(*question.read(), method, costs, split)
    found.write(out)
    if as_json:
        echo_json(found.to_dict())
    else:
        show_calibration(found)
    click.echo(f"written to {out}", err=True)
