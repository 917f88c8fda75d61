"""What every guard promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from mdm_core import Action, Build, ConfigError, Context, FinalDecision, MismatchInfo, Modulator, Proposal

from mdm_guards import (
    Budget,
    CircuitBreaker,
    Clamp,
    Confidence,
    Cooldown,
    ErrorRate,
    OpsHealth,
    Policy,
    RateLimit,
    Staleness,
)

NewBench: TypeAlias = Callable[..., Any]
NewGuard: TypeAlias = Callable[..., Modulator]

COUNTS = {"steps_in_window": 100, "errors_in_window": 0}
ENOUGH = {"context": COUNTS, "params": {"amount": 6}}


def fail_often(bench: Any) -> None:
    """Make every guard that learns from receipts deny at time 10."""
    for _ in range(6):
        bench.answer(10, "failed", "rate_limited")
        bench.answer(10, "unknown", "disconnected")


def spend(bench: Any) -> None:
    """Make every guard that counts decisions deny at time 10."""
    assert bench.allows(10, **ENOUGH)


REMEMBERING: dict[str, tuple[NewGuard, Callable[[Any], None], str]] = {
    "rate_limit": (lambda **o: RateLimit(rate=1, burst=1, **o), spend, "rate_limit:exceeded"),
    "cooldown": (lambda **o: Cooldown(duration="1s", **o), spend, "cooldown:active"),
    "budget": (lambda **o: Budget(param="amount", limit=10, window="1s", **o), spend, "budget:exceeded"),
    "circuit_breaker": (lambda **o: CircuitBreaker(open_for="1s", **o), fail_often, "circuit_breaker:open"),
    "ops_health": (lambda **o: OpsHealth(window="1s", max_rate_limits=3, **o), fail_often, "ops_health:red"),
}
REFUSED: dict[str, tuple[NewGuard, dict[str, Any], str]] = {
    "staleness": (Staleness, {"context": {"last_event_ts_ms": 0}}, "staleness:too_old"),
    "confidence": (Confidence, {"confidence": 0.1}, "confidence:low"),
    "error_rate": (ErrorRate, {"context": {"steps_in_window": 50, "errors_in_window": 50}}, "error_rate:high"),
    "clamp": (lambda **o: Clamp(max={"amount": 5}, **o), {"params": {"amount": "much"}}, "clamp:amount:not_a_number"),
    "policy": (lambda **o: Policy(deny_if="amount > 5", **o), {"params": {"amount": 6}}, "policy:denied"),
}
TIMED = [
    Staleness,
    ErrorRate,
    RateLimit,
    CircuitBreaker,
    Cooldown,
    OpsHealth,
    lambda: Budget(param="amount", limit=10),
]

remembering = pytest.mark.parametrize(("make", "provoke", "code"), REMEMBERING.values(), ids=REMEMBERING)
refusing = pytest.mark.parametrize(("make", "details", "code"), REFUSED.values(), ids=REFUSED)


class TestDenial:
    @remembering
    def test_of_what_is_remembered(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """A denial is HOLD with the guard's flag, a stable code as reason, numbers it went by, and the parameters."""
        b = bench(make())
        provoke(b)
        final = b.ask(10, **ENOUGH).final
        assert (Action.HOLD, False, [code]) == (final.action, final.allowed, final.reasons)
        assert ([code.split(":")[0]], [code]) == (final.mismatch.flags, final.mismatch.reason_codes)
        assert final.mismatch.metadata
        assert all(type(value) in (int, float) for value in final.mismatch.metadata.values())
        assert {"amount": 6} == final.params

    @refusing
    def test_of_what_is_seen(self, bench: NewBench, make: NewGuard, details: dict[str, Any], code: str) -> None:
        """The same holds for guards that remember nothing."""
        final = bench(make()).ask(10, **details).final
        assert (Action.HOLD, False, [code]) == (final.action, final.allowed, final.reasons)
        assert ([code.split(":")[0]], [code]) == (final.mismatch.flags, final.mismatch.reason_codes)
        assert all(type(value) in (int, float) for value in final.mismatch.metadata.values())

    def test_tells_how_long_to_wait(self, bench: NewBench) -> None:
        """Rate limit says how long to hold back, the others how long to rest; both are in the mismatch."""
        slow, tired = bench(RateLimit(rate=1, burst=1)), bench(Cooldown(duration="1s"))
        for b in (slow, tired):
            assert b.allows(0)
        held, rested = slow.ask(400).final, tired.ask(400).final
        assert (600, None, 600) == (held.throttle_ms, held.cooldown_ms, held.mismatch.throttle_refresh_ms)
        assert (None, 600, 600) == (rested.throttle_ms, rested.cooldown_ms, rested.mismatch.throttle_refresh_ms)

    def test_keeps_why_the_decision_was_changed_before(self, bench: NewBench) -> None:
        """A denial after a clamp tells of both."""
        b = bench(Clamp(max={"amount": 10}), Policy(deny_if="amount >= 10"))
        final = b.ask(params={"amount": 50}).final
        assert ["policy"] == final.mismatch.flags
        assert ["clamp:amount:max", "policy:denied"] == final.mismatch.reason_codes
        assert {"amount": 10} == final.params

    def test_the_first_ends_the_chain(self, bench: NewBench) -> None:
        """Of two guards that would deny, the first in the list is the one that is told of."""
        low, strict = Confidence(floor=1.0), Policy(deny_if="proposal.confidence < 1")
        assert ["confidence:low"] == bench(low, strict).codes()
        assert ["policy:denied"] == bench(strict, low).codes()


class TestActions:
    @pytest.mark.parametrize("action", ["ACT", "EXIT", "CANCEL", "STOP"])
    @refusing
    def test_all_but_hold_are_looked_at(
        self, bench: NewBench, make: NewGuard, details: dict[str, Any], code: str, action: str
    ) -> None:
        """Without `actions` a guard looks at every action that is carried out."""
        assert [code] == bench(make()).codes(10, action, **details)

    @refusing
    def test_others_pass(self, bench: NewBench, make: NewGuard, details: dict[str, Any], code: str) -> None:
        """An action that `actions` does not name passes, one that it names is denied."""
        b = bench(make(actions=["ACT"]))
        assert ([code], []) == (b.codes(10, "ACT", **details), b.codes(10, "EXIT", **details))

    @remembering
    def test_others_pass_while_blocked(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """So does it for a guard that remembers."""
        b = bench(make(actions=["ACT"]))
        provoke(b)
        assert ([code], []) == (b.codes(10, "ACT", **ENOUGH), b.codes(10, "EXIT", **ENOUGH))

    def test_others_do_not_count(self, bench: NewBench) -> None:
        """What a guard does not look at uses nothing up."""
        b = bench(RateLimit(rate=1, burst=1, actions=["ACT"]), Budget(param="amount", limit=6, actions=["ACT"]))
        assert [True, True, True, False] == [
            b.allows(0, action, **ENOUGH) for action in ("EXIT", "CANCEL", "ACT", "ACT")
        ]

    @refusing
    def test_the_action_that_would_be_carried_out_counts(
        self, bench: NewBench, make: NewGuard, details: dict[str, Any], code: str
    ) -> None:
        """A decision that a modulator before has turned into HOLD passes."""

        class Calm(Modulator):
            def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
                return FinalDecision(Action.HOLD, True, ["calm"], MismatchInfo([], ["calm"]), params=decision.params)

        assert ["calm"] == bench(Calm(), make()).codes(10, **details)

    @pytest.mark.parametrize(("actions", "problem"), [([], "at least one"), (["HOLD"], "'HOLD'"), (["act"], "'act'")])
    def test_must_be_some_of_four(self, actions: list[str], problem: str) -> None:
        """No action, HOLD and what is no action are refused."""
        with pytest.raises(ConfigError, match=problem):
            Confidence(actions=actions)


class TestLooking:
    @remembering
    def test_changes_nothing(self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str) -> None:
        """Whatever is asked, and however often: only what is allowed in the end leaves a mark."""
        b = bench(make(max_keys=2))
        provoke(b)
        b.allows(10, key="b", **ENOUGH)
        before = b.snapshot()
        b.gate.shut = True
        for at in range(10, 4000, 150):
            for key in ("a", "b", "c"):
                assert not b.allows(at, key=key, **ENOUGH)
        assert before == b.snapshot()

    @remembering
    def test_denied_by_a_later_guard_costs_nothing(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """A decision that a guard lets pass and a later one denies is not counted."""
        b = bench(make())
        b.gate.shut = True
        for _ in range(50):
            assert ["gate:shut"] == b.codes(10, **ENOUGH)
        b.gate.shut = False
        assert b.allows(10, **ENOUGH)

    @remembering
    def test_a_denial_that_stops_costs_nothing(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """STOP that is not allowed is a denial like any other."""

        class Halt(Modulator):
            def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
                return FinalDecision(Action.STOP, False, ["halt"], MismatchInfo(["halt"], ["halt"]), None, None, {})

        b = bench(make(), Halt())
        before = b.snapshot()
        assert ["halt"] == b.codes(10, **ENOUGH)
        assert before == b.snapshot()

    @remembering
    def test_hold_costs_nothing(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """HOLD is allowed, whatever the guard would say, and not counted."""
        b = bench(make())
        provoke(b)
        before = b.snapshot()
        assert all(b.allows(10, "HOLD", **ENOUGH) for _ in range(10))
        assert before == b.snapshot()


class TestScope:
    @remembering
    def test_keys_do_not_leak(self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str) -> None:
        """With scope key, what one key did is nothing to another."""
        b = bench(make(scope="key"))
        provoke(b)
        assert ([code], []) == (b.codes(10, key="a", **ENOUGH), b.codes(10, key="b", **ENOUGH))

    @remembering
    def test_global_holds_for_all_keys(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """With scope global, what one key did holds for all, and only one state is kept."""
        b = bench(make(scope="global"))
        provoke(b)
        assert ([code], [code]) == (b.codes(10, key="a", **ENOUGH), b.codes(10, key="b", **ENOUGH))
        assert [[None]] == [list(state) for _, state in b.pipeline.states()]

    @remembering
    def test_a_pipeline_without_key(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """Without a key all events share one state, for receipts too."""
        b = bench(make(scope="global"), key=None)
        provoke(b)
        assert [code] == b.codes(10, **ENOUGH)

    @remembering
    def test_keys_are_bounded(self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str) -> None:
        """At most `max_keys` keys are remembered, and those forgotten are counted."""
        b = bench(make(scope="key", max_keys=5))
        for number in range(12):
            b.allows(number, key=f"k{number}", **ENOUGH)
            for _ in range(6):
                b.answer(number, "failed", key=f"k{number}")
        [(_, state)] = b.pipeline.states()
        assert (5, 7) == (len(state), state.evicted)


class TestSnapshot:
    @remembering
    def test_goes_on_as_if_nothing_had_happened(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """A guard restored in the middle of a stream decides as the one that was never interrupted."""

        def some(b: Any, numbers: range) -> list[list[str]]:
            answers = []
            for n in numbers:
                answers.append(b.codes(n * 90, key=f"k{n % 3}", **ENOUGH))
                if not answers[-1]:
                    kind = "rate_limited" if n % 2 else "disconnected"
                    b.answer(n * 90, "done" if n % 9 == 0 else "failed", kind, key=f"k{n % 3}")
            return answers

        first = bench(make())
        some(first, range(200))
        second = bench(make())
        second.restore(first.snapshot())
        expected = some(first, range(200, 400))
        assert any(expected)
        assert expected == some(second, range(200, 400))
        assert first.snapshot() == second.snapshot()


class TestTime:
    @pytest.mark.parametrize("make", TIMED)
    def test_is_asked_for_before_the_first_event(self, bench: NewBench, make: NewGuard) -> None:
        """Without a clock the pipeline is not built, and the message says what to set."""
        with pytest.raises(ConfigError, match=r"set timestamp.* in \[pipeline\]") as caught:
            bench(make(), timestamp=None)
        assert 1 == len(caught.value.problems)

    def test_staleness_asks_for_the_time_of_events(self) -> None:
        """The wall clock alone does not tell how old an event is."""
        with pytest.raises(ConfigError, match=r"set timestamp in \[pipeline\]"):
            Staleness().open(Build(clock="wall"))
        Staleness().open(Build(clock="wall", timestamp="at"))

    @pytest.mark.parametrize("now", [None, "1700000000000", True, float("nan"), -1, 10**15, 10**400, [1]])
    @remembering
    def test_that_is_none_is_denied(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str, now: Any
    ) -> None:
        """A `now_ms` that is no time is denied with a code of its own, and leaves no mark."""
        b = bench(make())
        provoke(b)
        before = b.snapshot()
        codes = b.codes(10, params={"amount": 1}, context={**COUNTS, "now_ms": now})
        assert [f"{code.split(':')[0]}:no_time"] == codes
        assert before == b.snapshot()

    @remembering
    def test_that_goes_back_stands_still(
        self, bench: NewBench, make: NewGuard, provoke: Callable[[Any], None], code: str
    ) -> None:
        """A caller's earlier `now_ms` neither sets free what is blocked nor blocks for longer."""
        b = bench(make())
        provoke(b)
        past = {**COUNTS, "now_ms": 1_600_000_000_000}
        assert [code] == b.codes(10, **{**ENOUGH, "context": past})
        assert b.allows(100_000, **ENOUGH)

    def test_counting_without_time_is_denied_by_core(self, bench: NewBench) -> None:
        """An action that starts a rest but is not looked at is not carried out if it cannot be counted."""
        b = bench(Cooldown(after=["EXIT"], actions=["ACT"]))
        assert ["observe_error:ContractError"] == b.codes(0, "EXIT", context={"now_ms": "soon"})
