"""``mdm evaluate``."""

from __future__ import annotations

import click
from mdm_core.cli.options import echo_json, json_option

from mdm_eval.asking import Question
from mdm_eval.commands.options import by_option, cost_option, periods_option, question_options


@click.command("evaluate")
@question_options
@by_option
@cost_option
@periods_option
@json_option
def evaluate(question: Question, cost: str, periods: int, as_json: bool) -> None:
    """Tell how right the decisions of RUN were, how surely that is known, for whom, and whether it has drifted."""
    from mdm_eval.costs import Costs
    from mdm_eval.evaluation import evaluate as judge
    from mdm_eval.show import show_evaluation

    costs = Costs.parse(cost)
    found = judge(*question.read(), costs, periods)
    if as_json:
        echo_json(found.to_dict())
    else:
        show_evaluation(found, question.by)
