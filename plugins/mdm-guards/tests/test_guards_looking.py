"""Guards that remember nothing: staleness, confidence, error rate, clamp, policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Action, ConfigError

from mdm_guards import Clamp, Confidence, ErrorRate, Policy, Staleness

NewBench: TypeAlias = Callable[..., Any]


class TestStaleness:
    def test_compares_with_the_highest_time_seen(self, bench: NewBench) -> None:
        """An event is as old as it is behind the newest one, and the oldest allowed is let pass."""
        b = bench(Staleness(max_age_ms=1000))
        assert b.allows(5000)
        assert b.allows(4000)
        final = b.ask(3999).final
        assert ["staleness:too_old"] == final.reasons
        assert {"age_ms": 1001, "max_age_ms": 1000} == final.mismatch.metadata

    def test_denies_the_future(self, bench: NewBench) -> None:
        """An event may be ahead of a caller's clock by so much and no more."""
        b = bench(Staleness(max_future_ms=50))
        assert b.allows(50, context={"now_ms": 1_700_000_000_000})
        final = b.ask(51, context={"now_ms": 1_700_000_000_000}).final
        assert ["staleness:future"] == final.reasons
        assert {"ahead_ms": 51, "max_future_ms": 50} == final.mismatch.metadata

    @pytest.mark.parametrize("name", ["now_ms", "last_event_ts_ms"])
    @pytest.mark.parametrize("value", [None, "now", True, float("inf"), [0]])
    def test_denies_what_is_no_time(self, bench: NewBench, name: str, value: Any) -> None:
        """If it cannot be told how old an event is, it is too old."""
        assert ["staleness:no_time"] == bench(Staleness()).codes(context={name: value})

    def test_takes_fractions(self, bench: NewBench) -> None:
        """A caller's time in fractions of milliseconds is a time."""
        assert bench(Staleness()).allows(context={"now_ms": 1_700_000_000_000.75})


class TestConfidence:
    def test_floor(self, bench: NewBench) -> None:
        """Confidence at the floor passes, below it is denied, and both numbers are told."""
        b = bench(Confidence(floor=0.6))
        assert b.allows(confidence=0.6)
        final = b.ask(confidence=0.5999).final
        assert ["confidence:low"] == final.reasons
        assert {"confidence": 0.5999, "floor": 0.6} == final.mismatch.metadata

    def test_floor_of_an_action(self, bench: NewBench) -> None:
        """An action may have a floor of its own; the others keep the general one."""
        b = bench(Confidence(floor=0.6, floors={"EXIT": 0.3, "STOP": 0.0}))
        assert [False, True, False, True] == [
            b.allows(0, action, confidence=confidence)
            for action, confidence in (("ACT", 0.5), ("EXIT", 0.3), ("EXIT", 0.2), ("STOP", 0.0))
        ]

    @pytest.mark.parametrize("floors", [{"exit": 0.3}, {"HOLD": 0.3}, {"EXIT": 1.2}])
    def test_floors_are_checked(self, floors: dict[str, float]) -> None:
        """A floor is for an action that is carried out, and between 0 and 1."""
        with pytest.raises(ConfigError, match=next(iter(floors))):
            Confidence(floors=floors)


class TestErrorRate:
    def ask(self, bench: NewBench, steps: Any, errors: Any, **options: Any) -> list[str]:
        """Decide with these counts."""
        context = {"steps_in_window": steps, "errors_in_window": errors}
        codes: list[str] = bench(ErrorRate(**options)).codes(context=context)
        return codes

    def test_largest_rate_passes(self, bench: NewBench) -> None:
        """The rate may be reached, and not exceeded."""
        assert [] == self.ask(bench, 100, 10, max_rate=0.1)
        assert ["error_rate:high"] == self.ask(bench, 100, 11, max_rate=0.1)

    def test_too_few_steps_prove_nothing(self, bench: NewBench) -> None:
        """Below `min_steps` nothing is concluded; from there on it is."""
        assert [] == self.ask(bench, 19, 19, min_steps=20)
        assert ["error_rate:high"] == self.ask(bench, 20, 20, min_steps=20)

    @pytest.mark.parametrize("wrong", [None, "3", 3.5, True, -1, float("nan")])
    def test_wrong_counts_are_denied(self, bench: NewBench, wrong: Any) -> None:
        """A count that is none is no reason to act."""
        assert ["error_rate:no_counts"] == self.ask(bench, wrong, 0)
        assert ["error_rate:no_counts"] == self.ask(bench, 100, wrong)

    def test_tells_the_counts(self, bench: NewBench) -> None:
        """The denial tells both counts and the limit."""
        final = bench(ErrorRate()).ask(context={"steps_in_window": 50, "errors_in_window": 20}).final
        assert {"errors": 20, "steps": 50, "max_rate": 0.1} == final.mismatch.metadata


class TestClamp:
    def test_brings_parameters_inside(self, bench: NewBench) -> None:
        """Values outside are moved to the limit; it is allowed, told, and the proposal stays as it was."""
        decision = bench(Clamp(min={"price": 1}, max={"amount": 1000, "price": 5})).ask(
            params={"amount": 5000, "price": 0.5, "note": "x"}
        )
        final = decision.final
        assert (Action.ACT, True, ["wish"]) == (final.action, final.allowed, final.reasons)
        assert {"amount": 1000, "price": 1, "note": "x"} == final.params
        assert ([], ["clamp:price:min", "clamp:amount:max"]) == (final.mismatch.flags, final.mismatch.reason_codes)
        assert {"price": [0.5, 1], "amount": [5000, 1000]} == final.mismatch.metadata
        assert {"amount": 5000, "price": 0.5, "note": "x"} == decision.proposal.params

    def test_leaves_what_is_inside(self, bench: NewBench) -> None:
        """At the limits nothing is changed and nothing told."""
        b = bench(Clamp(min={"amount": 1}, max={"amount": 10}))
        for amount in (1, 5.5, 10):
            final = b.ask(params={"amount": amount}).final
            assert (True, None, {"amount": amount}) == (final.allowed, final.mismatch, final.params)

    def test_two_in_a_row_tell_of_both(self, bench: NewBench) -> None:
        """A clamp after a clamp adds to what was told."""
        final = bench(Clamp(max={"a": 1}), Clamp(max={"b": 1})).ask(params={"a": 2, "b": 3}).final
        assert ["clamp:a:max", "clamp:b:max"] == final.mismatch.reason_codes
        assert {"a": [2, 1], "b": [3, 1]} == final.mismatch.metadata

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({}, "clamp:amount:missing"),
            *[
                ({"amount": wrong}, "clamp:amount:not_a_number")
                for wrong in (None, "5", True, float("nan"), float("-inf"), [5], 10**400)
            ],
        ],
    )
    def test_fails_closed(self, bench: NewBench, params: dict[str, Any], code: str) -> None:
        """A parameter that is missing or no finite number cannot be brought inside, and is denied."""
        final = bench(Clamp(max={"amount": 5})).ask(params=params).final
        assert (False, ["clamp"], [code]) == (final.allowed, final.mismatch.flags, final.mismatch.reason_codes)

    @pytest.mark.parametrize(
        ("limits", "problem"),
        [
            ({}, "both empty"),
            ({"min": {"a": 2}, "max": {"a": 1}}, "greater than max"),
            ({"max": {"a": float("inf")}}, "finite"),
        ],
    )
    def test_limits_are_checked(self, limits: dict[str, Any], problem: str) -> None:
        """A clamp that does nothing, or cannot be met, is refused."""
        with pytest.raises(ConfigError, match=problem):
            Clamp(**limits)

    @given(value=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
    def test_result_is_the_nearest_value_inside(self, bench: NewBench, value: float) -> None:
        """Whatever the value, what comes out is the nearest one inside."""
        final = bench(Clamp(min={"x": -5}, max={"x": 7.5})).ask(params={"x": value}).final
        assert min(max(value, -5), 7.5) == final.params["x"]


class TestPolicy:
    RULE = "amount > 1000 and user.age_days < 7"

    def test_over_parameters_and_features(self, bench: NewBench) -> None:
        """The condition reads parameters and features, and tells the numbers it saw."""
        b = bench(Policy(deny_if=self.RULE))
        assert b.allows(params={"amount": 1000}, features={"user.age_days": 3})
        assert b.allows(params={"amount": 1001}, features={"user.age_days": 7})
        final = b.ask(params={"amount": 1001}, features={"user.age_days": 3}).final
        assert ["policy:denied"] == final.reasons
        assert {"amount": 1001, "user.age_days": 3} == final.mismatch.metadata

    def test_first_place_that_has_a_name_counts(self, bench: NewBench) -> None:
        """Parameters come before features, and features before the context."""
        b = bench(Policy(deny_if="x == 1"))
        assert not b.allows(params={"x": 1}, features={"x": 2}, context={"x": 3})
        assert not b.allows(features={"x": 1}, context={"x": 3})
        assert not b.allows(context={"x": 1})
        assert b.allows(params={"x": 2}, features={"x": 1}, context={"x": 1})

    def test_over_the_proposal(self, bench: NewBench) -> None:
        """What the model wants and how sure it is can be asked, and nothing can pretend to be it."""
        b = bench(Policy(deny_if="proposal.action == 'EXIT' and proposal.confidence < 0.5"))
        lie = {"proposal.confidence": 0.9}
        assert [True, False, True] == [
            b.allows(0, action, confidence=confidence, params=lie)
            for action, confidence in (("ACT", 0.4), ("EXIT", 0.4), ("EXIT", 0.5))
        ]

    def test_sees_what_guards_before_have_made_of_the_parameters(self, bench: NewBench) -> None:
        """After a clamp the clamped value counts."""
        assert bench(Clamp(max={"amount": 10}), Policy(deny_if="amount > 10")).allows(params={"amount": 99})

    @pytest.mark.parametrize("amount", [None, "much", float("nan"), [1]])
    def test_what_has_no_value_is_denied(self, bench: NewBench, amount: Any) -> None:
        """Not to know is to deny, with a code of its own."""
        b = bench(Policy(deny_if="amount > 1000"))
        assert ["policy:error"] == b.codes(params={"amount": amount})
        assert ["policy:error"] == b.codes()
        assert ["policy:error"] == bench(Policy(deny_if="1 / amount > 2")).codes(params={"amount": 0})

    def test_a_name_that_may_be_missing(self, bench: NewBench) -> None:
        """`is None` can be asked of a name that nothing has."""
        b = bench(Policy(deny_if="amount is None"))
        assert ([], ["policy:denied"]) == (b.codes(params={"amount": 1}), b.codes())

    def test_texts_are_never_told(self, bench: NewBench) -> None:
        """Texts that the condition read are not in the denial."""
        final = bench(Policy(deny_if="country == 'XX' and n > 1")).ask(features={"country": "XX", "n": 2}).final
        assert {"n": 2} == final.mismatch.metadata

    def test_names_tell_policies_apart(self, bench: NewBench) -> None:
        """A name goes into the reason codes; the flag stays."""
        b = bench(Policy(deny_if="amount > 5", name="large"))
        assert (["policy:large"], ["policy:large:error"]) == (b.codes(params={"amount": 6}), b.codes())

    @pytest.mark.parametrize("name", ["", "Large", "a:b", "error", "a b"])
    def test_names_are_checked(self, name: str) -> None:
        """A name is one lower-case word, and not the one that stands for a failure."""
        with pytest.raises(ConfigError, match="name"):
            Policy(deny_if="a > 1", name=name)

    @pytest.mark.parametrize("text", ["amount >", "__import__('os')", "a.b()", ""])
    def test_expressions_are_checked(self, text: str) -> None:
        """What is no expression is refused before the first event."""
        with pytest.raises(ConfigError, match="deny_if"):
            Policy(deny_if=text)
