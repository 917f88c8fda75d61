"""``mdm gate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from mdm_core import PastRun, UsageError
from mdm_core.cli.options import echo_json, json_option

from mdm_eval.asking import Question
from mdm_eval.commands.options import cost_option, periods_option, question_options

if TYPE_CHECKING:
    from mdm_eval.flipping import Flips
    from mdm_eval.report.reading import Told

_OF_FLIPS = ("flips", "flips.low", "flips.high")


@click.command("gate")
@question_options
@click.option("--min", "least", multiple=True, metavar="FIGURE=LIMIT", help="The least that is good enough.")
@click.option("--max", "most", multiple=True, metavar="FIGURE=LIMIT", help="The most that is good enough.")
@click.option("--list", "listing", is_flag=True, help="List the figures of RUN, and judge nothing.")
@click.option("--against", metavar="OTHER", help="Another run over the same events; flips are counted against it.")
@click.option(
    "--config",
    metavar="PIPELINE.toml",
    type=click.Path(path_type=Path),
    help="Another configuration; flips are the decisions that it would make differently.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="The same with one option changed."
)
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
    against: str | None,
    config: Path | None,
    overrides: tuple[str, ...],
    cost: str,
    periods: int,
    as_json: bool,
) -> None:
    """Find out whether RUN is good enough: exit code 1 if a figure is not.

    FIGURE is a name of --list. recall.low is the lower end of its 95 % interval: --min recall.low=0.8 asks for proof.
    flips is the share of decisions that differ from those of OTHER, or of another configuration.
    """
    from mdm_eval.gating import Rule, judge_rules

    rules = [*(Rule.parse(text, "min") for text in least), *(Rule.parse(text, "max") for text in most)]
    if not rules and not listing:
        raise UsageError("nothing is asked for: give --min or --max, such as --min recall=0.8, or --list")
    other = _Other(against, config, overrides)
    other.check(question, listing or any(rule.figure in _OF_FLIPS for rule in rules))
    evaluated = listing or any(rule.figure not in _OF_FLIPS for rule in rules)
    figures, flips = _figures(question, other, cost if evaluated else None, periods)
    if listing:
        _show_list(figures, as_json)
        return
    rulings = judge_rules(rules, figures)
    passed = all(ruling.passed for ruling in rulings)
    if as_json:
        echo_json({"passed": passed, "rulings": rulings, "flips": flips})
    else:
        _show_rulings(rulings)
    ctx.exit(0 if passed else 1)


@attrs.frozen
class _Other:
    """What flips are counted against."""

    against: str | None
    config: Path | None
    overrides: tuple[str, ...]

    @property
    def decides_again(self) -> bool:
        return self.config is not None or bool(self.overrides)

    def check(self, question: Question, asked: bool) -> None:
        if (self.against is not None or self.decides_again) and not asked:
            raise UsageError("--against, --config and --set are for flips: add --max flips=0.02")
        if self.against is not None and self.decides_again:
            raise UsageError("--against names a run, --config and --set a configuration: give one of them")
        if self.decides_again and (question.since or question.until):
            raise UsageError("--since and --until do not go with --config and --set, which decide the whole run again")


def _figures(
    question: Question, other: _Other, cost: str | None, periods: int
) -> tuple[dict[str, float], Flips | None]:
    """Give the figures: those of the run unless ``cost`` is None, and flips if there is something to compare with."""
    from mdm_eval.costs import Costs
    from mdm_eval.evaluation import evaluate
    from mdm_eval.report.reading import Told

    figures: dict[str, float] = {}
    told = Told.read(question, compared=True) if other.against is not None else None
    if cost is not None:
        read = question.read() if told is None else (told.run_id, told.frame, told.labels)
        figures |= evaluate(*read, Costs.parse(cost), periods).figures()
    flips = _flips(question, told, other)
    for warning in [] if flips is None else flips.warnings:
        click.echo(f"warning: {warning}", err=True)
    return figures | ({} if flips is None else flips.figures()), flips


def _flips(question: Question, told: Told | None, other: _Other) -> Flips | None:
    if told is None and not other.decides_again:
        return None
    from mdm_eval.flipping import flips_against, flips_by
    from mdm_eval.session import Wanted

    if told is not None and other.against is not None:
        return flips_against(told, question, other.against)
    return flips_by(PastRun.find(question.run, question.runs_dir), Wanted(other.config, other.overrides))


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
