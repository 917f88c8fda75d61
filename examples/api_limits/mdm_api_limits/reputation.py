"""The model: how probable it is that a request is good, from what became of earlier ones."""

from __future__ import annotations

import attrs
from mdm_core import Action, Context, Features, Proposal, ProposalModel, option


@attrs.define
class Reputation(ProposalModel):
    """Proposes to serve a client unless its record says that it is abusive: ACT serves, HOLD turns away.

    Of a client whose n requests were good g times, the next is good with the probability (g + s m) / (n + s): the mean
    of a beta distribution whose prior has the mean m and is worth s requests. m itself is such a mean, over the
    client's neighbours in its network, with a prior of ``good`` that is worth ``network_worth`` requests.
    """

    good: float = option(0.5, ge=0, le=1, help="how probable it is that a request of somebody quite unknown is good")
    client_worth: float = option(1.0, gt=0, help="how many requests of a client its network is worth")
    network_worth: float = option(1.0, gt=0, help="how many requests of a network `good` is worth")
    threshold: float = option(0.1, ge=0, le=1, help="probability from which a request is served")

    def propose(self, features: Features, context: Context) -> Proposal:
        """Weigh what is known; what is missing counts as nothing known."""
        probability, reason = self._probability(features)
        params = {"probability": probability, "threshold": self.threshold}
        if probability >= self.threshold:
            return Proposal(Action.ACT, probability, [reason], params)
        return Proposal(Action.HOLD, 1.0 - probability, [reason], params)

    def _probability(self, features: Features) -> tuple[float, str]:
        good, seen = _counts(features, "known")
        around_good, around = _counts(features, "known.network")
        mean = (around_good + self.network_worth * self.good) / (around + self.network_worth)
        probability = (good + self.client_worth * mean) / (seen + self.client_worth)
        return probability, "known_client" if seen else "known_network" if around else "unknown_client"


def _counts(features: Features, where: str) -> tuple[float, float]:
    good, abuse = features.get(f"{where}.good") or 0, features.get(f"{where}.abuse") or 0
    if isinstance(good, str) or isinstance(abuse, str):
        raise TypeError(f"{where}.good and {where}.abuse must be counts")
    return good, good + abuse
