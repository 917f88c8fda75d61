"""``mdm ope``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mdm_core.cli.options import echo_json, json_option, run_argument, runs_dir_option

from mdm_eval.show_trial import change_rows, lines, trial_rows

if TYPE_CHECKING:
    from mdm_eval.intervals import Estimate
    from mdm_eval.ope import OffPolicy
    from mdm_eval.ope_overlap import ActionOverlap, Overlap

_METHODS = {
    "ips": "inverse propensities",
    "snips": "the same, self-normalised",
    "direct": "direct method",
    "doubly_robust": "doubly robust",
}


@click.command("ope")
@run_argument
@click.option(
    "--config",
    metavar="PIPELINE.toml",
    type=click.Path(path_type=Path),
    help="The pipeline that is evaluated, in place of what the run has recorded.",
)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one key; VALUE is TOML.")
@click.option("--cost", metavar="fp=1,fn=5", help="What mistakes cost; a gain is negative.  [default: fp=1,fn=1]")
@click.option("--positive", metavar="OUTCOME", help="The outcome that is right to act on, if it is not true or 1.")
@click.option("--value", is_flag=True, help="The outcome is a number, and is itself what was earned.")
@runs_dir_option
@json_option
@click.pass_context
def ope(
    ctx: click.Context,
    run: str,
    config: Path | None,
    overrides: tuple[str, ...],
    cost: str | None,
    positive: str | None,
    value: bool,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Estimate what RUN would have cost or earned with another model or guard, from what it left to chance.

    Exit code 1 if the run has not tried enough of what the other one does. Nothing is carried out.
    """
    from mdm_core import PastRun, UsageError

    from mdm_eval.costs import Costs
    from mdm_eval.ope import Worth, off_policy
    from mdm_eval.progress import progress_bar
    from mdm_eval.session import Wanted

    if value and (cost is not None or positive is not None):
        raise UsageError("--value: the outcome is itself what was earned; leave out --cost and --positive")
    past = PastRun.find(run, runs_dir)
    costs = None if value else Costs() if cost is None else Costs.parse(cost)
    with progress_bar(past, "decided") as progress:
        found = off_policy(past, Wanted(config, overrides), Worth(costs, positive), progress)
    if as_json:
        echo_json(found.to_dict())
    else:
        for line in _lines(found):
            click.echo(line)
    ctx.exit(1 if found.problems else 0)


def _lines(found: OffPolicy) -> Iterator[str]:
    overlap = found.overlap
    yield f"off-policy evaluation, {found.run_id}: {overlap.decisions:,} decisions with an outcome"
    yield from lines(chain(change_rows(found), trial_rows(found.trial)))
    yield f"  left to chance       {found.randomised:,} decisions of the run"
    if found.unknown:
        yield f"  outcome not known    {found.unknown:,} decisions, which are left out"
    if found.refused:
        yield f"  refused              {found.refused:,} decisions, because the event lacks a key, time or id"
    yield f"  effective            {overlap.effective:,.1f} decisions"
    yield f"  weights              {overlap.mean:.4f} on average, at most {overlap.largest:,.2f}"
    yield ""
    yield from _overlap(overlap)
    yield ""
    if found.problems:
        yield "nothing can be told:"
        yield from (f"  {problem}" for problem in found.problems)
    else:
        yield from _estimates(found)


def _overlap(overlap: Overlap) -> Iterator[str]:
    from mdm_eval.showing import table

    heads = ["", "taken", "would be", "least propensity", "never tried", "outcome not known"]
    yield from table(heads, [(name, *_action(action)) for name, action in overlap.actions.items()])


def _action(action: ActionOverlap) -> tuple[str, ...]:
    least = "-" if action.least is None else f"{action.least:.4g}"
    return f"{action.taken:,}", f"{action.wanted:,.1f}", least, f"{action.untried:,}", f"{action.unknown:,}"


def _estimates(found: OffPolicy) -> Iterator[str]:
    from mdm_eval.showing import table

    rows = [("as it was", *_figure(found.recorded, ""), "", "")]
    for name, told in _METHODS.items():
        compared = found.estimates[name]
        rows.append((told, *_figure(compared.value, ""), *_figure(compared.change, "+")))
    yield from table([f"{found.unit} per decision", "", "95 % interval", "change", "95 % interval"], rows)


def _figure(estimate: Estimate, sign: str) -> tuple[str, str]:
    value = "-" if estimate.value is None else f"{estimate.value:{sign}.5f}"
    if estimate.low is None or estimate.high is None:
        return value, "-"
    return value, f"{estimate.low:{sign}.5f} to {estimate.high:{sign}.5f}"
