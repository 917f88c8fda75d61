"""Tests of what core obeys by itself, whether guards are configured or not."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from mdm_core import (
    Action,
    Context,
    Decision,
    Event,
    FeatureExtractor,
    Features,
    FinalDecision,
    Modulator,
    Pipeline,
    Proposal,
    ProposalModel,
)


@attrs.define
class Nothing(FeatureExtractor):
    def extract(self, event: Event, context: Context) -> Features:
        return {}


@attrs.define
class Wants(ProposalModel):
    action: Action = Action.ACT

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(self.action, 0.75, ["because"], {"size": 2})


@attrs.define
class Asked(Modulator):
    times: int = 0

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        self.times += 1
        return decision


def decide(action: Action = Action.ACT, guard: Asked | None = None, **context: Any) -> Decision:
    pipeline = Pipeline(features=Nothing(), model=Wants(action), modulators=[guard] if guard else [], timestamp="t")
    return pipeline.decide({"t": 1000}, context)


class TestDenial:
    @pytest.mark.parametrize(
        ("context", "code"),
        [
            ({"ops_deny_actions": True}, "ops_health:deny_actions"),
            ({"ops_deny_actions": "yes"}, "ops_health:deny_actions"),
            ({"ops_state": "RED"}, "ops_health:red"),
            ({"ops_cooldown_until_ms": 1001}, "ops_health:cooldown"),
            ({"ops_cooldown_until_ms": "soon"}, "ops_health:cooldown"),
            ({"ops_cooldown_until_ms": math.nan}, "ops_health:cooldown"),
            ({"ops_cooldown_until_ms": 5, "now_ms": "late"}, "ops_health:cooldown"),
        ],
    )
    @pytest.mark.parametrize("action", [Action.ACT, Action.EXIT, Action.CANCEL, Action.STOP])
    def test_every_action_is_denied(self, action: Action, context: dict[str, Any], code: str) -> None:
        """Whatever the model wants, and also when what operations say cannot be read."""
        final = decide(action, **context).final
        assert final.mismatch is not None
        assert (Action.HOLD, False, [code]) == (final.action, final.allowed, final.reasons)
        assert (["ops_health"], [code]) == (final.mismatch.flags, final.mismatch.reason_codes)

    @pytest.mark.parametrize(
        "context",
        [
            {},
            {"ops_deny_actions": False},
            {"ops_deny_actions": None},
            {"ops_state": "YELLOW"},
            {"ops_cooldown_until_ms": 1000},
            {"ops_cooldown_until_ms": None},
        ],
    )
    def test_otherwise_it_passes(self, context: dict[str, Any]) -> None:
        """Operations that say nothing, or that all is well, deny nothing."""
        assert decide(**context).final.allowed is True

    def test_hold_stays_what_it_is(self) -> None:
        """There is nothing to deny about HOLD."""
        final = decide(Action.HOLD, ops_deny_actions=True).final
        assert (Action.HOLD, True, None) == (final.action, final.allowed, final.mismatch)

    def test_guards_are_not_asked(self) -> None:
        """The first denial ends the chain, and this one comes before all guards."""
        guard = Asked()
        decide(guard=guard, ops_state="RED")
        assert 0 == guard.times
