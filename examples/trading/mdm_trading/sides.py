"""The model that makes a position of a probability: long if the price will rise, short if it will fall."""

from __future__ import annotations

import attrs
from mdm_core import Action, Context, Features, Proposal, ProposalModel, component, option


@attrs.define
class Sides(ProposalModel):
    """Proposes to enter, long or short, where the wrapped model is sure enough of either.

    The wrapped model's ``probability`` parameter is that the price rises. From ``threshold`` on the proposal is ACT
    with the parameter ``direction`` long, down from one minus it short, and between them HOLD; ``amount`` is how much.
    """

    model: ProposalModel = component(help="the model whose parameter probability is that the price rises")
    threshold: float = option(0.541, ge=0.5, le=1, help="probability of the one or the other from which to enter")
    amount: float = option(10_000.0, gt=0, help="units to trade")

    def propose(self, features: Features, context: Context) -> Proposal:
        """Choose a side."""
        wanted = self.model.propose(features, context)
        rises = (wanted.params or {}).get("probability")
        if not isinstance(rises, float):
            return wanted if wanted.action is Action.HOLD else Proposal(Action.HOLD, 0.0, ["no_probability"])
        sure = max(rises, 1 - rises)
        params = {"probability": rises, "amount": self.amount, "direction": "long" if rises >= 0.5 else "short"}
        action = Action.ACT if sure >= self.threshold else Action.HOLD
        confidence = sure if action is Action.ACT else 1 - sure
        return Proposal(action, confidence, wanted.reasons, params, None, wanted.features_summary)
