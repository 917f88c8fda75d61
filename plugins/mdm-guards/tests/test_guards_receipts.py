"""Guards that learn from receipts: circuit breaker and operations health, each against a straightforward model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil
from typing import Any, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Action, Context, FinalDecision, Modulator, Proposal

from mdm_guards import CircuitBreaker, OpsHealth
from mdm_guards.health import count_penalty, latency_penalty, level, p95, score

NewBench: TypeAlias = Callable[..., Any]


@attrs.define
class Circuit:
    """A circuit as a drawing has it: three states and what leads from one to the next."""

    failures_allowed: int
    open_for: int
    probes_wanted: int
    state: str = "closed"
    failures: int = 0
    since: int = 0
    probes: list[int] = attrs.field(factory=list)
    successes: int = 0

    def passes(self, at: int) -> bool:
        if self.state == "open" and at >= self.since + self.open_for:
            self.state, self.probes, self.successes = "half open", [], 0
        if self.state == "half open":
            lost = len(self.probes) >= self.probes_wanted and at >= self.probes[-1] + self.open_for
            return lost or len(self.probes) < self.probes_wanted
        return self.state == "closed"

    def carried_out(self, at: int) -> None:
        if self.state == "half open":
            if len(self.probes) >= self.probes_wanted:
                self.probes, self.successes = [], 0
            self.probes.append(at)

    def answered(self, decided_at: int, success: bool) -> None:
        if self.state == "closed":
            self.failures = 0 if success else self.failures + 1
            if self.failures == self.failures_allowed:
                self.trip(decided_at)
        elif self.probes and decided_at >= self.since + self.open_for:
            self.successes += success
            if not success:
                self.trip(decided_at)
            elif self.successes == self.probes_wanted:
                self.state, self.failures = "closed", 0

    def trip(self, at: int) -> None:
        self.state, self.since, self.probes, self.successes = "open", at, [], 0


class TestCircuitBreaker:
    @given(data=st.data(), failures=st.integers(1, 3), probes=st.integers(1, 3))
    def test_goes_through_its_three_states(
        self, bench: NewBench, data: st.DataObject, failures: int, probes: int
    ) -> None:
        """Whatever comes when, late answers included, it denies exactly where the drawing says so."""
        b = bench(CircuitBreaker(failures=failures, probes=probes, open_for="1s"))
        model = Circuit(failures, 1000, probes)
        waiting: list[int] = []
        at = 0
        for _ in range(data.draw(st.integers(0, 50))):
            comes: bool = data.draw(st.booleans())
            if waiting and comes:
                decided_at = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
                status = data.draw(st.sampled_from(["done", "failed", "unknown", "retry", "pending"]))
                b.answer(decided_at, status)
                if status != "pending":
                    model.answered(decided_at, status == "done")
                continue
            at += data.draw(st.sampled_from([0, 1, 400, 999, 1000, 2500]))
            b.gate.shut = data.draw(st.integers(0, 4)) == 0
            passes = model.passes(at)
            codes = b.codes(at)
            if not passes:
                assert [f"circuit_breaker:{model.state.replace(' ', '_')}"] == codes
            else:
                assert (["gate:shut"] if b.gate.shut else []) == codes
            if not codes:
                model.carried_out(at)
                waiting.append(at)

    def trip(self, b: Any, at: int = 0, failures: int = 5) -> None:
        """Let the broker fail often enough."""
        for _ in range(failures):
            b.answer(at, "failed")

    def test_opens_after_failures_in_a_row(self, bench: NewBench) -> None:
        """Four failures are borne, a success ends the row, five in a row open it."""
        b = bench(CircuitBreaker())
        self.trip(b, failures=4)
        b.answer(0, "done")
        self.trip(b, failures=4)
        assert b.allows(0)
        b.answer(0, "failed")
        final = b.ask(0).final
        assert ["circuit_breaker:open"] == final.reasons
        assert {"failures": 5, "wait_ms": 30_000} == final.mismatch.metadata
        assert 30_000 == final.cooldown_ms

    def test_a_probe_that_succeeds_closes_it(self, bench: NewBench) -> None:
        """Half open lets one action through; after its success all pass again."""
        b = bench(CircuitBreaker())
        self.trip(b)
        assert [False, True, False] == [b.allows(at) for at in (29_999, 30_000, 30_000)]
        b.answer(30_000, "done")
        assert all(b.allows(30_001) for _ in range(10))

    def test_a_probe_that_fails_opens_it_again(self, bench: NewBench) -> None:
        """The whole time starts anew, from the probe."""
        b = bench(CircuitBreaker())
        self.trip(b)
        assert b.allows(40_000)
        b.answer(40_000, "unknown")
        assert [False, True] == [b.allows(at) for at in (69_999, 70_000)]

    def test_a_probe_that_was_denied_later_is_none(self, bench: NewBench) -> None:
        """Only a probe that is carried out takes the place."""
        b = bench(CircuitBreaker())
        self.trip(b)
        b.gate.shut = True
        assert [["gate:shut"], ["gate:shut"]] == [b.codes(30_000), b.codes(30_001)]
        b.gate.shut = False
        assert b.allows(30_002)

    def test_a_probe_that_nobody_answers_is_given_up(self, bench: NewBench) -> None:
        """A lost probe cannot keep the circuit half open for ever."""
        b = bench(CircuitBreaker())
        self.trip(b)
        assert [True, False, True] == [b.allows(at) for at in (30_000, 59_999, 60_000)]

    def test_late_receipts_change_nothing(self, bench: NewBench) -> None:
        """What was decided before the circuit was half open neither closes it nor opens it for longer."""
        b = bench(CircuitBreaker())
        self.trip(b)
        b.answer(1, "done")
        self.trip(b, at=29_000)
        assert [False, True] == [b.allows(at) for at in (29_999, 30_000)]

    def test_what_passes_unseen_is_no_probe(self, bench: NewBench) -> None:
        """An action that is made of another one behind the breaker, while it is open, takes no probe's place."""

        class Turn(Modulator):
            def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
                return FinalDecision(Action.ACT, True, decision.reasons, None, None, None, {})

        b = bench(CircuitBreaker(actions=["ACT"]), Turn())
        self.trip(b)
        assert b.allows(29_000, "EXIT")
        assert b.allows(30_000)

    def test_keys_that_work_take_no_memory(self, bench: NewBench) -> None:
        """A success of a key that never failed leaves no state."""
        b = bench(CircuitBreaker(scope="key"))
        b.answer(0, "done")
        assert b.allows(0)
        assert [0] == [len(state) for _, state in b.pipeline.states()]


class TestHealth:
    @pytest.mark.parametrize(
        ("value", "name"),
        [(1.0, "GREEN"), (0.6, "GREEN"), (0.599, "YELLOW"), (0.3, "YELLOW"), (0.299, "RED"), (0.0, "RED")],
    )
    def test_levels(self, value: float, name: str) -> None:
        """GREEN is from 0.6 on, YELLOW from 0.3 on."""
        assert name == level(value)

    @pytest.mark.parametrize(
        ("penalties", "expected"),
        [
            ([0, 0, 0, 0], 1.0),
            ([1, 0, 0, 0], 0.6),
            ([0, 1, 0, 0], 0.7),
            ([0, 0, 1, 0], 0.8),
            ([0, 0, 0, 1], 0.9),
            ([1, 1, 0, 0], 0.3),
            ([1, 0, 1, 1], 0.3),
            ([0.5, 1, 1, 0], 0.3),
            ([1, 1, 1, 1], 0.0),
        ],
    )
    def test_score(self, penalties: list[float], expected: float) -> None:
        """Each penalty has its weight, and a sum that is exactly at a limit is so in floats too."""
        assert expected == score(penalties)

    def test_penalty_of_a_count(self) -> None:
        """A count costs in proportion, and from its maximum on everything."""
        assert [0.0, 0.3, 1.0, 1.0] == [count_penalty(count, 10) for count in (0, 3, 10, 99)]

    def test_penalty_of_latency(self) -> None:
        """Latency costs nothing up to its maximum, and from twice that on everything."""
        assert [0.0, 0.0, 0.5, 1.0, 1.0] == [latency_penalty(ms, 200.0) for ms in (0, 200, 300, 400, 9000)]

    @given(values=st.lists(st.floats(0, 1e6), max_size=300))
    def test_percentile(self, values: list[float]) -> None:
        """At least 95 % of the values do not exceed it, and of the next smaller one that is not so."""
        found = p95(values)
        assert 100 * sum(v <= found for v in values) >= 95 * len(values)
        assert not values or 100 * sum(v < found for v in values) < 95 * len(values)


@attrs.define
class History:
    """All receipts ever, and the formula written out over them."""

    maxima: tuple[int, int, int, float]
    window: int
    cooldown: int
    receipts: list[tuple[int, str, str, float]] = attrs.field(factory=list)
    rest_until: int = 0

    def score(self, at: int) -> float:
        inside = [r for r in self.receipts if at - r[0] < self.window]
        kinds = Counter(kind for _, _, kind, _ in inside)
        errors = sum(
            status in ("failed", "unknown") or (status == "retry" and kind not in ("rate_limited", "disconnected"))
            for _, status, kind, _ in inside
        )
        latencies = sorted(ms for t, _, _, ms in self.receipts[-256:] if at - t < self.window)
        slow = latencies[ceil(round(0.95 * len(latencies), 9)) - 1] if latencies else 0.0
        max_errors, max_limits, max_reconnects, max_p95 = self.maxima
        penalty = (
            0.4 * min(1, errors / max_errors)
            + 0.3 * min(1, kinds["rate_limited"] / max_limits)
            + 0.2 * min(1, kinds["disconnected"] / max_reconnects)
            + 0.1 * min(1, max(0, (slow - max_p95) / max_p95))
        )
        return 1 - penalty

    def add(self, at: int, status: str, kind: str, latency_ms: float) -> None:
        self.receipts.append((at, status, kind, latency_ms))
        if self.score(at) < 0.3 - 1e-9:
            self.rest_until = at + self.cooldown


RECEIPT = st.tuples(
    st.sampled_from(["done", "failed", "retry", "unknown", "pending"]),
    st.sampled_from(["ok", "rate_limited", "disconnected", "timeout", "rejected", "error"]),
    st.sampled_from([1.0, 90.0, 100.0, 130.0, 250.0]),
)


class TestOpsHealth:
    @given(
        steps=st.lists(st.tuples(st.sampled_from([0, 1, 50, 300, 999, 1000, 1500]), st.none() | RECEIPT), max_size=80),
        maxima=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.just(100.0)),
        cooldown=st.sampled_from([300, 1000, 2500]),
    )
    def test_follows_the_formula(
        self,
        bench: NewBench,
        steps: list[tuple[int, tuple[str, str, float] | None]],
        maxima: tuple[int, int, int, float],
        cooldown: int,
    ) -> None:
        """It denies exactly where the formula over all receipts is RED, and while the cooldown lasts."""
        errors, limits, reconnects, slow = maxima
        b = bench(
            OpsHealth(
                window="1s",
                cooldown=f"{cooldown}ms",
                max_errors=errors,
                max_rate_limits=limits,
                max_reconnects=reconnects,
                max_p95_ms=slow,
            )
        )
        history = History(maxima, 1000, cooldown)
        at = 0
        for wait, receipt in steps:
            at += wait
            if receipt is not None:
                b.answer(at, receipt[0], receipt[1], latency_ms=receipt[2])
                history.add(at, *receipt)
            final = b.ask(at).final
            if history.score(at) < 0.3 - 1e-9:
                assert ["ops_health:red"] == final.reasons
                assert pytest.approx(history.score(at), abs=1e-8) == final.mismatch.metadata["score"]
            elif at < history.rest_until:
                assert ["ops_health:cooldown"] == final.reasons
                assert history.rest_until - at == final.cooldown_ms
            else:
                assert final.allowed

    def flood(self, b: Any, at: int = 0) -> None:
        """Make operations RED: errors, rate limits and reconnects at their maxima."""
        for _ in range(10):
            b.answer(at, "failed", "rate_limited")
            b.answer(at, "retry", "disconnected")

    def test_yellow_passes_and_red_does_not(self, bench: NewBench) -> None:
        """At exactly 0.3 it allows; one reconnect more and it denies, and tells what it saw."""
        b = bench(OpsHealth())
        for _ in range(10):
            b.answer(0, "failed", "rate_limited")
        assert b.allows(0)
        b.answer(0, "retry", "disconnected", latency_ms=1500.0)
        final = b.ask(0).final
        assert ["ops_health:red"] == final.reasons
        seen = {"score": 0.21, "errors": 10, "rate_limits": 10, "reconnects": 1, "p95_ms": 1500.0}
        assert seen == final.mismatch.metadata
        assert 30_000 == final.cooldown_ms

    @pytest.mark.parametrize(
        ("status", "kind", "counts"),
        [
            ("done", "ok", (0, 0, 0)),
            ("pending", "ok", (0, 0, 0)),
            ("failed", "rejected", (1, 0, 0)),
            ("unknown", "timeout", (1, 0, 0)),
            ("retry", "error", (1, 0, 0)),
            ("retry", "rate_limited", (0, 1, 0)),
            ("retry", "disconnected", (0, 0, 1)),
            ("failed", "rate_limited", (1, 1, 0)),
            ("unknown", "disconnected", (1, 0, 1)),
        ],
    )
    def test_what_a_receipt_counts_as(
        self, bench: NewBench, status: str, kind: str, counts: tuple[int, int, int]
    ) -> None:
        """Rate limits and reconnects go by the kind, errors by the status, and a retry is one of the three."""
        b = bench(OpsHealth())
        b.answer(0, status, kind)
        [(_, states)] = b.pipeline.states()
        health = states[None]
        assert counts == (len(health.errors), len(health.rate_limits), len(health.reconnects))

    def test_latency_decides_at_the_limit(self, bench: NewBench) -> None:
        """With everything else at 0.3, slow answers alone make it RED."""
        b = bench(OpsHealth(max_p95_ms=100))
        for _ in range(10):
            b.answer(0, "failed", "rate_limited", latency_ms=101)
        assert 0.299 == b.ask(0).final.mismatch.metadata["score"]

    def test_cooldown_follows_red(self, bench: NewBench) -> None:
        """When the window is over the cooldown still counts, from the last receipt that found it RED."""
        b = bench(OpsHealth(window="1s", cooldown="5s"))
        self.flood(b)
        assert [["ops_health:red"], ["ops_health:cooldown"], ["ops_health:cooldown"], []] == [
            b.codes(at) for at in (999, 1000, 4999, 5000)
        ]

    def test_denials_do_not_prolong_it(self, bench: NewBench) -> None:
        """However often it is asked, it is over when it is over."""
        b = bench(OpsHealth(window="1s", cooldown="1s"))
        self.flood(b)
        assert not any(b.allows(at) for at in range(0, 1000, 10))
        assert b.allows(1000)

    def test_a_receipt_counts_when_it_comes(self, bench: NewBench) -> None:
        """A late answer to an old order enters at the time of the newest receipt, and is not lost in the past."""
        b = bench(OpsHealth(window="1s"))
        b.answer(5000)
        self.flood(b, at=10)
        assert ["ops_health:red"] == b.codes(5000)

    def test_state_is_bounded(self, bench: NewBench) -> None:
        """However many receipts there are, no more are remembered than matter."""
        b = bench(OpsHealth(window="366d", max_errors=3, max_rate_limits=4, max_reconnects=5))
        for at in range(1000):
            b.answer(at, "failed", "rate_limited" if at % 2 else "disconnected")
        [(_, states)] = b.pipeline.states()
        health = states[None]
        kept = (health.errors, health.rate_limits, health.reconnects, health.timed_ms, health.latencies)
        assert (3, 4, 5, 256, 256) == tuple(map(len, kept))

    def test_healthy_operations_are_not_looked_at(self, bench: NewBench) -> None:
        """Once the window is clean again, nothing of the trouble is kept."""
        b = bench(OpsHealth(window="1s", cooldown="1s"))
        self.flood(b)
        b.answer(2000)
        [(_, states)] = b.pipeline.states()
        health = states[None]
        assert ([], [], []) == (health.errors, health.rate_limits, health.reconnects)
        assert b.allows(2000)
