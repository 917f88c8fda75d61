"""The model ``reference.explore``: another model, and now and then something else, by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any, TypeAlias

import attrs
from mdm_core import Action, Context, Features, OptionError, Proposal, ProposalModel, component, option
from mdm_core.lifecycle import with_children

from mdm_reference.exit_policy import ExitPolicy

Weighed: TypeAlias = Sequence[tuple[float, Proposal]]


@attrs.define(kw_only=True)
class ExploreModel(ProposalModel):
    """Draws an action, so that a run can tell what another policy would have earned.

    The wrapped model's proposal has its confidence as score, and each other of the K actions has its share of the rest,
    ``(1 - confidence) / (K - 1)``: of ACT and HOLD, one minus it. With

    - ``epsilon``, one of the actions is drawn with that probability, each as likely, and else the proposal stands
      (R. S. Sutton and A. G. Barto, "Reinforcement Learning", 2nd edition, 2018, section 2.2);
    - ``temperature``, each action has a probability that is proportional to ``exp(score / temperature)`` (softmax, the
      same book, equation 2.11). A threshold of the wrapped model has no say in it.

    ``propensity``, the probability of the proposal, is put into its parameters, besides those of the wrapped model.
    Where another action is drawn, its score is the confidence, and ``explored`` comes before the reasons. A proposal of
    an action that is not among the actions passes as it is.
    """

    model: ProposalModel = component(help="the model that is asked first")
    epsilon: float | None = option(None, ge=0, le=1, help="how often one of the actions is drawn, each as likely")
    temperature: float | None = option(
        None, gt=0, help="draw by softmax of the scores: towards 0 the highest always, the higher the more even"
    )
    actions: list[str] = option(["HOLD", "ACT"], choices=[a.value for a in Action], help="what is drawn from")
    _actions: tuple[Action, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if (self.epsilon is None) == (self.temperature is None):
            raise OptionError("set epsilon, or temperature for softmax, and not both")
        self._actions = tuple(Action(name) for name in dict.fromkeys(self.actions))
        if len(self._actions) < 2:
            raise OptionError("actions: name two different ones at least, or there is nothing to draw")
        if any(isinstance(part, ExitPolicy) for part in with_children(self.model)):
            raise OptionError(
                "around reference.exit_policy it would enter a second time where that holds because a position is "
                "open; put reference.explore inside it"
            )

    def propose(self, features: Features, context: Context) -> Proposal:
        """Draw one of the alternatives."""
        alternatives = self.alternatives(features, context)
        drawn = context.random.random()
        for probability, proposal in alternatives:
            drawn -= probability
            if drawn < 0.0:
                return proposal
        return alternatives[-1][1]

    def alternatives(self, features: Features, context: Context) -> Weighed:
        """Give what may be drawn, each with its probability."""
        inner = self.model.alternatives(features, context) or [(1.0, self.model.propose(features, context))]
        return [
            (share * probability, _with(proposal, share * probability))
            for share, wanted in inner
            for probability, proposal in self._around(wanted)
        ]

    def _around(self, wanted: Proposal) -> Weighed:
        if wanted.action not in self._actions:
            return [(1.0, wanted)]
        rest = (1.0 - wanted.confidence) / (len(self._actions) - 1)
        scores = {action: wanted.confidence if action is wanted.action else rest for action in self._actions}
        probabilities = self._probabilities(scores, wanted.action)
        return [
            (probability, wanted if action is wanted.action else _instead(wanted, action, rest))
            for action, probability in probabilities.items()
            if probability
        ]

    def _probabilities(self, scores: Mapping[Action, float], wanted: Action) -> dict[Action, float]:
        if self.epsilon is not None:
            even = self.epsilon / len(scores)
            return {action: even + (1.0 - self.epsilon) * (action is wanted) for action in scores}
        assert self.temperature is not None
        highest = max(scores.values())
        odds = {action: exp((score - highest) / self.temperature) for action, score in scores.items()}
        whole = sum(odds.values())
        return {action: odd / whole for action, odd in odds.items()}


def _instead(wanted: Proposal, action: Action, confidence: float) -> Proposal:
    return Proposal(action, confidence, ["explored", *wanted.reasons], wanted.params, None, wanted.features_summary)


def _with(proposal: Proposal, propensity: float) -> Proposal:
    params: dict[str, Any] = {**(proposal.params or {}), "propensity": propensity}
    return Proposal(proposal.action, proposal.confidence, proposal.reasons, params, None, proposal.features_summary)
