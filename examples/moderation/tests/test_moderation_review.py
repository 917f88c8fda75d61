from __future__ import annotations

import pytest
from mdm_core import Action, FinalDecision, Proposal
from mdm_core.values import Context

from mdm_content import Review

CONTEXT = Context({}, None, 0, 0, 0)


def reviewed(confidence: float) -> FinalDecision:
    proposal = Proposal(Action.ACT, confidence, ["words.score"], {"probability": confidence})
    decision = FinalDecision(Action.ACT, True, ["words.score"], None, None, None, {"probability": confidence})
    return Review(sure=0.9).modulate(proposal, decision, CONTEXT)


class TestReview:
    @pytest.mark.parametrize("confidence", [0.9, 0.95, 1.0])
    def test_what_is_sure_passes(self, confidence: float) -> None:
        """From the limit on, the action is carried out without a person."""
        assert (Action.ACT, True, None) == (reviewed(confidence).action, reviewed(confidence).allowed, None)

    @pytest.mark.parametrize("confidence", [0.0, 0.5, 0.8999])
    def test_what_is_not_waits_for_a_person(self, confidence: float) -> None:
        """Below it the message is held back from quarantine, with the reason ``review`` and the numbers."""
        found = reviewed(confidence)
        assert (Action.HOLD, False, ["review"]) == (found.action, found.allowed, found.reasons)
        assert found.mismatch is not None
        assert (["review"], ["review"]) == (found.mismatch.flags, found.mismatch.reason_codes)
        assert {"confidence": confidence, "sure": 0.9} == found.mismatch.metadata
