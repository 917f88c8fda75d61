"""``mdm gate``."""

from __future__ import annotations

from typing import Any

import click
from mdm_core import UsageError
from mdm_core.cli.options import echo_json, json_option

from mdm_eval.asking import Question
from mdm_eval.commands.options import cost_option, periods_option, question_options


@click.command("gate")
@question_options
@click.option("--min", "least", multiple=True, metavar="FIGURE=LIMIT", help="The least that is good enough.")
@click.option("--max", "most", multiple=True, metavar="FIGURE=LIMIT", help="The most that is good enough.")
@click.option("--list", "listing", is_flag=True, help="List the figures of RUN, and judge nothing.")
@cost_option
@periods_option
@json_option
@click.pass_context
def gate(
    ctx: click.Context,
    question: Question,
    least: tuple[str, ...],
    most: tuple[str, ...],
    listing: bool,
    cost: str,
    periods: int,
    as_json: bool,
) -> None:
    """Find out whether RUN is good enough: exit code 1 if a figure is not.

    FIGURE is a name of --list. recall.low is the lower end of its 95 % interval: --min recall.low=0.8 asks for proof.
    """
    from mdm_eval.costs import Costs
    from mdm_eval.evaluation import evaluate
    from mdm_eval.gating import Rule, judge_rules

    rules = [*(Rule.parse(text, "min") for text in least), *(Rule.parse(text, "max") for text in most)]
    if not rules and not listing:
        raise UsageError("nothing is asked for: give --min or --max, such as --min recall=0.8, or --list")
    figures = evaluate(*question.read(), Costs.parse(cost), periods).figures()
    if listing:
        _show_list(figures, as_json)
        return
    rulings = judge_rules(rules, figures)
    passed = all(ruling.passed for ruling in rulings)
    if as_json:
        echo_json({"passed": passed, "rulings": rulings})
    else:
        _show_rulings(rulings)
    ctx.exit(0 if passed else 1)


def _show_list(figures: dict[str, float], as_json: bool) -> None:
    if as_json:
        echo_json(figures)
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        click.echo(f"{name:<{width}}  {value:.6g}")


def _show_rulings(rulings: list[Any]) -> None:
    from mdm_eval.showing import table

    rows = [
        ("passed" if r.passed else "FAILED", r.rule.figure, f"{r.value:.6g}", r.rule.bound, f"{r.rule.limit:g}")
        for r in rulings
    ]
    for line, ruling in zip(table(("", "figure", "value", "", "limit"), rows), [None, *rulings], strict=True):
        failed = ruling is not None and not ruling.passed
        click.secho(line, fg="red" if failed else None)
