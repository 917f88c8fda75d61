"""What a core is asked, and what comes of its guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from mdm_core import Action, FinalDecision, MismatchInfo, Proposal

from mdm_dmc import DmcModulator

NewBench: TypeAlias = Callable[..., Any]
Scripted: TypeAlias = Callable[[Callable[..., Any]], Any]

T0 = 1_700_000_000_000
PARAMS = {"amount": 10, "to": {"account": "a1", "notes": ["x"]}}
TRIPPED: dict[str, Any] = {
    "last_event_ts_ms": T0 - 60_000,
    "errors_in_window": 90,
    "steps_in_window": 100,
    "rate_limit_events": 99,
    "recent_failures": 99,
    "cooldown_until_ms": T0 + 1,
}
GUARDS = [
    ("staleness", "too_old", "last_event_ts_ms"),
    ("error_rate", "too_many_errors", "errors_in_window"),
    ("rate_limit", "rate_limited", "rate_limit_events"),
    ("circuit_breaker", "broken", "recent_failures"),
    ("cooldown", "resting", "cooldown_until_ms"),
]


@pytest.mark.usefixtures("standin")
class TestStandIn:
    def test_lets_pass_what_is_in_order(self, bench: NewBench) -> None:
        """What no guard denies is carried out as proposed, with its parameters, and without a mismatch."""
        final = bench(DmcModulator()).ask(params=PARAMS).final
        assert FinalDecision(Action.ACT, True, ["wish"], None, None, None, PARAMS) == final

    @pytest.mark.parametrize("number", range(len(GUARDS)))
    def test_denies_in_its_order(self, bench: NewBench, number: int) -> None:
        """Of all guards that would deny, the first one does; the parameters survive although the core drops them."""
        flag, code, _ = GUARDS[number]
        healed = {key: 0 if key == "errors_in_window" else None for *_, key in GUARDS[:number]}
        calm = {"last_event_ts_ms": T0, "rate_limit_events": 0, "recent_failures": 0}
        context = {**TRIPPED, **{key: calm.get(key, value) for key, value in healed.items()}}
        final = bench(DmcModulator()).ask(params=PARAMS, context=context).final
        expected = FinalDecision(Action.HOLD, False, [code], MismatchInfo([flag], [code]), None, None, PARAMS)
        assert expected == final

    def test_denies_with_stop(self, bench: NewBench) -> None:
        """What the policy says about a denial is done: STOP instead of HOLD."""
        final = bench(DmcModulator(policy={"fail_closed_action": "STOP"})).ask(context=TRIPPED).final
        assert (Action.STOP, False, ["staleness"]) == (final.action, final.allowed, final.mismatch.flags)

    def test_obeys_the_policy(self, bench: NewBench) -> None:
        """The thresholds are those of the pipeline file."""
        b = bench(DmcModulator(policy={"staleness_ms": 100_000, "max_error_rate": 1}))
        assert ["rate_limit"] == b.ask(context=TRIPPED).final.mismatch.flags

    def test_learns_of_late_events_from_core(self, bench: NewBench) -> None:
        """The keys that guards need are there without a caller who gives them."""
        b = bench(DmcModulator())
        assert b.ask(at=10_000).final.allowed
        assert ["too_old"] == b.ask(at=1_000).final.mismatch.reason_codes
        assert b.ask(at=5_000).final.allowed


class TestQuestion:
    def test_context(self, scripted: Scripted) -> None:
        """The core sees a plain dict of everything that is recorded, and what the caller gave."""
        seen: list[Any] = []

        def modulate(proposal: Any, policy: Any, context: dict[str, Any]) -> Any:
            seen.append((type(context), dict(context)))
            return FinalDecision(proposal.action), MismatchInfo()

        scripted(modulate).ask(context={"ops_state": "GREEN", "site": {"name": "north"}})
        counts = dict.fromkeys(["steps_in_window", "errors_in_window", "rate_limit_events", "recent_failures"], 0)
        given = {"ops_state": "GREEN", "site": {"name": "north"}}
        expected = {"run_id": "local", "now_ms": T0, "last_event_ts_ms": T0, **counts, **given}
        assert [(dict, expected)] == seen

    def test_proposal(self, scripted: Scripted) -> None:
        """The core sees the model's proposal, as the installed decision-schema makes it."""
        seen: list[Any] = []

        def modulate(proposal: Any, policy: Any, context: Any) -> Any:
            seen.append(proposal)
            return FinalDecision(proposal.action), MismatchInfo()

        scripted(modulate).ask("EXIT", params=PARAMS)
        assert [Proposal(Action.EXIT, 0.9, ["wish"], PARAMS, "r", {"weight": 0.5})] == seen

    def test_what_is_about_to_be_allowed(self, scripted: Scripted) -> None:
        """After a modulator that changed the decision, the core judges the change and not the model's wish."""

        def modulate(proposal: Any, policy: Any, context: Any) -> Any:
            if proposal.action is Action.EXIT or proposal.params["amount"] > 100:
                return FinalDecision(Action.HOLD, False), MismatchInfo(["size"], ["size:big"])
            return FinalDecision(proposal.action, True, proposal.reasons), MismatchInfo()

        b = scripted(modulate)
        clamped = MismatchInfo([], ["clamp:amount:max"])
        b.before.change = lambda d: FinalDecision(d.action, True, ["clamped"], clamped, None, None, {"amount": 100})
        final = b.ask(params={"amount": 500}).final
        assert FinalDecision(Action.ACT, True, ["clamped"], clamped, None, None, {"amount": 100}) == final
        b.before.change = lambda d: FinalDecision(Action.EXIT, True, [], clamped, None, None, {"amount": 50})
        final = b.ask(params={"amount": 1}).final
        mismatch = MismatchInfo(["size"], ["clamp:amount:max", "size:big"])
        expected = FinalDecision(Action.HOLD, False, ["size:big"], mismatch, None, None, {"amount": 50})
        assert expected == final

    def test_hold_is_no_question(self, scripted: Scripted) -> None:
        """HOLD, the model's or an earlier modulator's, is final: the core is not asked."""

        def modulate(proposal: Any, policy: Any, context: Any) -> Any:
            raise AssertionError("asked")

        b = scripted(modulate)
        assert b.ask("HOLD").final.allowed
        b.before.change = lambda d: FinalDecision(Action.HOLD, False, [], MismatchInfo(["gate"], ["gate:shut"]))
        assert ["gate"] == b.ask().final.mismatch.flags

    def test_nothing_handed_out_can_be_changed(self, scripted: Scripted) -> None:
        """A core that changes all it is given changes neither the packet, nor what the caller gave, nor the order."""

        def modulate(proposal: Any, policy: Any, context: Any) -> Any:
            proposal.params["amount"] = 10**6
            proposal.params["to"]["account"] = "elsewhere"
            proposal.params["to"]["notes"][0].append("y")
            proposal.params["pair"][0].append(2)
            proposal.reasons.append("forged")
            proposal.features_summary.clear()
            context["site"]["names"].append("south")
            context.clear()
            return FinalDecision(Action.ACT), MismatchInfo()

        b = scripted(modulate)
        site = {"names": ["north"]}
        wanted, expected = [
            {"amount": 10, "to": {"account": "a1", "notes": [["x"]]}, "pair": ([1],)} for _ in ("wanted", "expected")
        ]
        decision = b.ask(params=wanted, context={"site": site})
        assert Proposal(Action.ACT, 0.9, ["wish"], expected, "r", {"weight": 0.5}) == decision.proposal
        assert FinalDecision(Action.ACT, True, ["wish"], None, None, None, expected) == decision.final
        assert ({"names": ["north"]}, T0) == (decision.context["site"], decision.context["now_ms"])
        assert {"names": ["north"]} == site

    def test_asks_the_same_twice(self, scripted: Scripted) -> None:
        """The same decision is asked about in the same words each time: the adapter keeps no state."""
        seen: list[Any] = []

        def modulate(proposal: Any, policy: Any, context: Any) -> Any:
            seen.append((proposal, context))
            return FinalDecision(proposal.action), MismatchInfo()

        b = scripted(modulate)
        for _ in range(2):
            b.ask(params=PARAMS, context=TRIPPED)
        assert seen[0] == seen[1]
        assert [] == [*b.pipeline.states()]
