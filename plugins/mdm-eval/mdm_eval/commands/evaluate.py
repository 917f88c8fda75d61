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
    from attrs import asdict
    from mdm_core import PastRun

    from mdm_eval.costs import Costs
    from mdm_eval.evaluation import evaluate as judge
    from mdm_eval.report.challengers import Shadows, judge_arms
    from mdm_eval.show import show_evaluation
    from mdm_eval.show_challengers import show_challengers

    costs = Costs.parse(cost)
    shadows = Shadows(PastRun.find(question.run, question.runs_dir).run["config"])
    run_id, frame, labels = question.read(shadows.watch)
    found = judge(run_id, frame, labels, costs, periods)
    challengers = shadows.challengers(frame, labels.values, costs)
    arms = judge_arms(shadows.arms, frame, labels.values, costs, shadows.keys())
    if as_json:
        others = {"challengers": [*map(asdict, challengers)], "arms": [*map(asdict, arms)]}
        echo_json(found.to_dict() | others)
    else:
        show_evaluation(found, question.by)
        show_challengers(challengers, arms)
