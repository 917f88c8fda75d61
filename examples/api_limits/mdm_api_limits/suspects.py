"""The modulator that is stricter with those of whom little good is known."""

from __future__ import annotations

import attrs
from mdm_core import Context, FinalDecision, Modulator, Proposal, component, option


@attrs.define
class Suspects(Modulator):
    """Asks a guard about requests that are doubtful; others pass unseen."""

    below: float = option(0.75, ge=0, le=1, help="confidence below which a request is doubtful")
    guard: Modulator = component(help="the guard that is asked, such as guards.rate_limit")

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Let pass what is not doubtful, and else ask the guard."""
        if proposal.confidence >= self.below:
            return decision
        return self.guard.modulate(proposal, decision, context)
