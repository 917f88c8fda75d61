"""Guards that count what was allowed: rate limit, cooldown, budget, each against the simplest model of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import ConfigError, Context, FinalDecision, Modulator, Proposal

from mdm_guards import Budget, Cooldown, RateLimit
from mdm_guards.budget import SLICES

NewBench: TypeAlias = Callable[..., Any]

STEPS = st.lists(st.tuples(st.integers(0, 700), st.sampled_from("ab"), st.booleans()), max_size=60)
"""Milliseconds since the step before, key, and whether a later guard denies."""


@attrs.define
class TokenBucket:
    """The textbook's: exact tokens that flow in and are taken out."""

    rate: Fraction
    burst: int
    tokens: Fraction
    at: int = 0

    def tokens_at(self, at: int) -> Fraction:
        return min(Fraction(self.burst), self.tokens + (at - self.at) * self.rate)

    def take(self, at: int) -> None:
        self.tokens, self.at = self.tokens_at(at) - 1, at


class TestRateLimit:
    @given(rate=st.integers(1, 20), per=st.integers(1, 3000), burst=st.integers(1, 5), steps=STEPS)
    def test_is_a_token_bucket(
        self, bench: NewBench, rate: int, per: int, burst: int, steps: list[tuple[int, str, bool]]
    ) -> None:
        """It allows exactly what a token bucket in exact arithmetic allows."""
        b = bench(RateLimit(rate=rate, per=f"{per}ms", burst=burst))
        buckets = {key: TokenBucket(Fraction(rate, per), burst, Fraction(burst)) for key in "ab"}
        at = 0
        for wait, key, b.gate.shut in steps:
            at += wait
            if buckets[key].tokens_at(at) < 1:
                assert ["rate_limit:exceeded"] == b.codes(at, key=key)
            elif b.gate.shut:
                assert ["gate:shut"] == b.codes(at, key=key)
            else:
                assert b.allows(at, key=key)
                buckets[key].take(at)

    @given(rate=st.integers(1, 20), per=st.integers(1, 3000), burst=st.integers(1, 5), later=st.integers(0, 100))
    def test_tells_the_first_time_that_is_allowed(
        self, bench: NewBench, rate: int, per: int, burst: int, later: int
    ) -> None:
        """After the time it says to wait it allows, and a millisecond earlier it does not."""
        b = bench(RateLimit(rate=rate, per=f"{per}ms", burst=burst))
        while b.allows(0):
            pass
        wait = b.ask(0).final.throttle_ms
        assert not b.allows(wait - 1)
        assert b.allows(wait)

    def test_never_drifts(self, bench: NewBench) -> None:
        """After thousands of thirds of a second each token is still there to the millisecond."""
        b = bench(RateLimit(rate=3, per="1s", burst=2))
        assert [True, True] == [b.allows(0), b.allows(0)]
        for number in range(1, 3000):
            at = ceil(Fraction(number * 1000, 3))
            assert [False, True] == [b.allows(at - 1), b.allows(at)]

    def test_tells_its_numbers(self, bench: NewBench) -> None:
        """The denial tells the limit and the wait."""
        b = bench(RateLimit(rate=2, per="1s", burst=1))
        b.allows(0)
        assert {"rate": 2, "per_ms": 1000, "burst": 1, "wait_ms": 400} == b.ask(100).final.mismatch.metadata

    @pytest.mark.parametrize("per", ["", "1", "0s", "1.5s", "-1s", "1 week", "367d", "1S"])
    def test_durations_are_checked(self, per: str) -> None:
        """What is no duration is refused, and the message shows what one looks like."""
        with pytest.raises(ConfigError, match=r"per: must be a duration such as '500ms'"):
            RateLimit(per=per)


class TestCooldown:
    @given(steps=STEPS, actions=st.lists(st.sampled_from(["ACT", "EXIT", "CANCEL"]), min_size=60, max_size=60))
    def test_denies_until_the_rest_is_over(
        self, bench: NewBench, steps: list[tuple[int, str, bool]], actions: list[str]
    ) -> None:
        """ACT is denied for a second after an EXIT or CANCEL of its key that was allowed, and nothing else is."""
        b = bench(Cooldown(after=["EXIT", "CANCEL"], actions=["ACT"], duration="1s"))
        last = {"a": -1000, "b": -1000}
        at = 0
        for (wait, key, b.gate.shut), action in zip(steps, actions, strict=False):
            at += wait
            if action == "ACT" and at - last[key] < 1000:
                final = b.ask(at, key=key).final
                assert ["cooldown:active"] == final.reasons
                assert 1000 - (at - last[key]) == final.cooldown_ms
            elif b.gate.shut:
                assert ["gate:shut"] == b.codes(at, action, key=key)
            else:
                assert b.allows(at, action, key=key)
                last[key] = at if action != "ACT" else last[key]

    def test_is_over_to_the_millisecond(self, bench: NewBench) -> None:
        """At the end of the duration the next action passes, and starts another rest."""
        b = bench(Cooldown(duration="1m"))
        assert [True, False, True, False] == [b.allows(at) for at in (0, 59_999, 60_000, 60_001)]

    def test_time_that_goes_back_does_not_shorten_it(self, bench: NewBench) -> None:
        """An action at an earlier time of a caller's clock leaves the rest as long as it was."""
        b = bench(Cooldown(after=["ACT", "EXIT"], actions=["ACT"], duration="1m"))
        assert b.allows(50_000)
        assert b.allows(0, "EXIT", context={"now_ms": 1_700_000_000_000})
        assert [False, True] == [b.allows(109_999), b.allows(110_000)]


class TestBudget:
    @given(
        steps=STEPS,
        amounts=st.lists(st.integers(-50, 50), min_size=60, max_size=60),
        window=st.sampled_from([7, 60, 61, 1000, 5000]),
    )
    def test_keeps_the_sum_within_the_limit(
        self, bench: NewBench, steps: list[tuple[int, str, bool]], amounts: list[int], window: int
    ) -> None:
        """What is in the window always counts, and what has left it for more than a slice never does."""
        b = bench(Budget(param="amount", limit=100, window=f"{window}ms"))
        slice_ms = -(-window // SLICES)
        spent: dict[str, list[tuple[int, int]]] = defaultdict(list)
        at = 0
        for (wait, key, b.gate.shut), amount in zip(steps, amounts, strict=False):
            at += wait
            certain = sum(abs(x) for t, x in spent[key] if at - t < window)
            possible = sum(abs(x) for t, x in spent[key] if at - t < window + slice_ms)
            codes = b.codes(at, key=key, params={"amount": amount})
            if certain + abs(amount) > 100:
                assert ["budget:exceeded"] == codes
            elif possible + abs(amount) <= 100:
                assert (["gate:shut"] if b.gate.shut else []) == codes
            if not codes:
                spent[key].append((at, amount))

    @given(steps=STEPS)
    def test_is_exact_in_small_windows(self, bench: NewBench, steps: list[tuple[int, str, bool]]) -> None:
        """With slices of one millisecond an amount leaves exactly with the window."""
        b = bench(Budget(param="n", limit=3, window="60ms"))
        spent: dict[str, list[int]] = defaultdict(list)
        at = 0
        for wait, key, _ in steps:
            at += wait // 20
            allowed = sum(at - t <= 60 for t in spent[key]) < 3
            assert allowed == b.allows(at, key=key, params={"n": 1})
            if allowed:
                spent[key].append(at)

    def test_limit_may_be_reached(self, bench: NewBench) -> None:
        """The sum may reach the limit and not exceed it; the denial tells the three numbers."""
        b = bench(Budget(param="amount", limit=10))
        assert b.allows(params={"amount": -7.5})
        final = b.ask(params={"amount": 2.75}).final
        assert ["budget:exceeded"] == final.reasons
        assert {"amount": 2.75, "spent": 7.5, "limit": 10} == final.mismatch.metadata
        assert b.allows(params={"amount": 2.5})
        assert b.allows(params={"amount": 0})

    @pytest.mark.parametrize("params", [{}, *({"amount": x} for x in (None, "5", True, float("nan"), 10**400))])
    def test_fails_closed(self, bench: NewBench, params: dict[str, Any]) -> None:
        """An amount that is missing or no finite number is denied."""
        assert ["budget:no_amount"] == bench(Budget(param="amount", limit=10)).codes(params=params)

    def test_sums_beyond_all_numbers_are_denied(self, bench: NewBench) -> None:
        """Amounts whose sum no float can hold are over any limit."""
        b = bench(Budget(param="amount", limit=1.7e308))
        assert b.allows(params={"amount": 1e308})
        assert ["budget:exceeded"] == b.codes(params={"amount": 1e308})

    def test_counts_what_is_carried_out(self, bench: NewBench) -> None:
        """What a modulator behind it makes of the parameter counts; if it takes it away, nothing is carried out."""

        class Change(Modulator):
            def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
                params = {"amount": 1} if decision.params != {"amount": 7} else {}
                return FinalDecision(decision.action, True, decision.reasons, None, None, None, params)

        b = bench(Budget(param="amount", limit=10), Change())
        assert b.allows(params={"amount": 10})
        assert b.allows(params={"amount": 9})
        assert ["observe_error:ContractError"] == b.codes(params={"amount": 7})

    @pytest.mark.parametrize("window", [10_000, 119])
    def test_state_is_bounded(self, bench: NewBench, window: int) -> None:
        """However many amounts there are, no more slices than the window has are kept."""
        b = bench(Budget(param="amount", limit=1e9, window=f"{window}ms"))
        for at in range(0, 5 * window, max(1, window // 1000)):
            b.allows(at, params={"amount": 1})
        [(_, states)] = b.pipeline.states()
        assert SLICES <= len(states["a"].slices) <= SLICES + 1
        assert len(states["a"].slices) == len(states["a"].sums)
