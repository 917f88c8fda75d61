"""The modulator that leaves the doubtful to people."""

from __future__ import annotations

from typing import Final

import attrs
from mdm_core import Action, Context, FinalDecision, MismatchInfo, Modulator, Proposal, option

REASON: Final = "review"


@attrs.define
class Review(Modulator):
    """Denies an action of which the model is not sure, with the reason ``review``: a person has to look."""

    sure: float = option(0.9, ge=0, le=1, help="confidence from which the action needs no person")

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Let pass what is sure."""
        if proposal.confidence >= self.sure:
            return decision
        seen = {"confidence": proposal.confidence, "sure": self.sure}
        mismatch = MismatchInfo([REASON], [REASON], None, seen)
        return FinalDecision(Action.HOLD, False, [REASON], mismatch, None, None, decision.params)
