"""Checks for models that randomise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from mdm_core.contracts import ProposalModel
from mdm_core.schema import Proposal
from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import Inapplicable, check
from mdm_core.testing.material import Step
from mdm_core.testing.plain import plain
from mdm_core.testing.player import Answer, Player, out_of_contract


@check("alternatives-agree", "What a model says of its own chances is what evaluation reckons with.", "model")
def alternatives_agree(case: Case) -> None:
    with case.opened() as component:
        model = cast(ProposalModel, component)
        player = Player(component, case.subject)
        found = False
        for step in case.steps:
            answer, context = player.ask_in_context(step)
            again = player.context_of(step)
            again.features = dict(step.features)
            pairs = model.alternatives(again.features, again)
            found = found or bool(pairs)
            if pairs:
                _check_pairs(pairs, answer, step)
            player.tell(step, answer, context)
    if not found:
        raise Inapplicable("it says that nothing depends on chance")


def _check_pairs(pairs: Sequence[tuple[float, Proposal]], answer: Answer, step: Step) -> None:
    total = sum(share for share, _ in pairs)
    need(abs(total - 1) < 1e-9, f"event {step.number}: the probabilities of its alternatives sum to {total}")
    problems = [problem for _, proposal in pairs if (problem := out_of_contract("model", proposal))]
    need(not problems, f"event {step.number}: an alternative is no proposal: {problems[:1]}")
    need(answer.plain in map(plain, (p for _, p in pairs)), f"event {step.number}: its proposal is not among them")
