"""The exit policy in real pipelines and runs: what it lets in, when it leaves, and that it leaves once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import (
    Action,
    ConfigError,
    Context,
    Decision,
    Executed,
    Fact,
    Features,
    FinalDecision,
    KeyedState,
    MismatchInfo,
    Modulator,
    OptionError,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
    Run,
    Settled,
)

from mdm_reference import ExitPolicy, RollingFeatures

Status: TypeAlias = Literal["done", "pending", "failed", "retry", "unknown", "denied", "skipped", "given up"]
ENDS: dict[Status, Literal["denied", "skipped", "failed"]] = {
    "denied": "denied",
    "skipped": "skipped",
    "given up": "failed",
}
ENDED: list[tuple[Status, ...]] = [
    ("failed",),
    ("denied",),
    ("skipped",),
    ("retry", "given up"),
    ("retry", "denied"),
    ("retry", "failed"),
    ("pending", "failed"),
    ("unknown", "failed"),
]
Told: TypeAlias = tuple[str, list[str]]

T0 = 1_700_000_000_000
LIMITS: dict[str, Any] = {"value": "price", "take_profit": 0.1, "stop_loss": 0.05}
HOLD = ("HOLD", ["wish"])


@attrs.define
class Wish(ProposalModel):
    """Proposes what stands in the event."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(Action(features["wish"]), 0.9, ["wish"], {"way": features.get("way")}, None, {"seen": 1})


@attrs.define
class Gate(Modulator):
    """Denies everything while it is shut; forgets the parameters if it is told to."""

    shut: bool = False
    forgets: bool = False

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if self.shut:
            return FinalDecision(Action.HOLD, False, ["gate"], MismatchInfo(["gate"], ["gate:shut"]))
        return FinalDecision(decision.action, True, decision.reasons) if self.forgets else decision


class Desk:
    """A pipeline around an exit policy; its broker answers when the test says so."""

    def __init__(self, pipeline: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.gate = Gate()
        self.policy = ExitPolicy(model=Wish(), **(options or LIMITS))
        self.pipeline = Pipeline(
            features=RollingFeatures(stats=[], categories=["wish", "way", "price"]),
            model=self.policy,
            modulators=[self.gate],
            **({"key": "key", "timestamp": "at"} if pipeline is None else pipeline),
        )
        self.seq = 0

    def decide(
        self, price: Any = None, wish: str = "HOLD", *, at: int = 0, key: str = "a", way: str | None = None
    ) -> Decision:
        """Decide about one event; ``at`` is in milliseconds since the beginning of the test."""
        return self.pipeline.decide({"key": key, "at": T0 + at, "price": price, "wish": wish, "way": way})

    def tell(self, *arguments: Any, **details: Any) -> Told:
        """Decide, and give what the policy proposed and why."""
        return told(self.decide(*arguments, **details))

    def answer(self, decision: Decision, *statuses: Status) -> None:
        """Let the broker answer, once per attempt, or the order end without an answer."""
        final, context = decision.final, decision.context
        order = Order(final.action, dict(final.params or {}), context.key, dict(decision.features), f"{decision.step}")
        for attempt, status in enumerate(statuses, 1):
            self.seq += 1
            now_ms = context.get("now_ms")
            fact: Fact
            if status in ENDS:
                fact = Settled(self.seq, order, ENDS[status], now_ms)
            else:
                fact = Executed(self.seq, Receipt(cast(Any, status)), order, attempt, 1.0, now_ms)
            assert [] == self.pipeline.observe(fact)

    def enter(self, price: Any, **details: Any) -> None:
        """Carry an ACT out."""
        decision = self.decide(price, "ACT", **details)
        assert (Action.ACT, True) == (decision.final.action, decision.final.allowed)
        self.answer(decision, "done")

    def snapshot(self) -> dict[str, bytes]:
        """Give the bytes of everything that the components remember."""
        return {name: state.snapshot() for name, state in self._states()}

    def restored(self) -> Desk:
        """Make another that goes on from here."""
        other = Desk()
        saved = self.snapshot()
        for name, state in other._states():
            state.restore(saved[name])
        other.seq = self.seq
        return other

    def _states(self) -> list[tuple[str, KeyedState[Any]]]:
        return [(name, state) for name, state in self.pipeline.states() if not name.startswith("engine.")]


def told(decision: Decision) -> Told:
    """Give what was proposed and why."""
    assert decision.failure is None
    return decision.proposal.action.value, decision.proposal.reasons


class TestEntering:
    def test_the_wrapped_model_decides_without_a_position(self) -> None:
        """What it proposes is passed on as it is."""
        decision = Desk().decide(100, "ACT")
        assert Proposal(Action.ACT, 0.9, ["wish"], {"way": None}, None, {"seen": 1}) == decision.proposal

    def test_the_entry_is_that_of_the_decision(self) -> None:
        """Gains are told from the value that ACT was decided at, however late the receipt comes."""
        desk = Desk()
        act = desk.decide(100, "ACT")
        assert ("HOLD", ["entry_pending", "wish"]) == desk.tell(200)
        desk.answer(act, "done")
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(109)
        assert ("EXIT", ["exit:take_profit"]) == desk.tell(110)

    def test_no_second_entry_while_the_first_is_under_way(self) -> None:
        """Between the decision and its receipt the wrapped model's ACT and EXIT become HOLD."""
        desk = Desk()
        desk.decide(100, "ACT")
        assert [("HOLD", ["entry_pending", "wish"])] * 2 == [desk.tell(100, wish) for wish in ("ACT", "EXIT")]

    def test_pending_is_no_entry_yet(self) -> None:
        """A pending ACT is an entry when it is done, and not before."""
        desk = Desk()
        act = desk.decide(100, "ACT")
        desk.answer(act, "pending")
        assert ("HOLD", ["entry_pending", "wish"]) == desk.tell(50, "EXIT")
        desk.answer(act, "done")
        assert ("EXIT", ["exit:stop_loss"]) == desk.tell(50)

    @pytest.mark.parametrize("statuses", ENDED)
    def test_what_was_not_carried_out_is_no_entry(self, statuses: tuple[Status, ...]) -> None:
        """After an ACT that did not happen nothing is exited, and the wrapped model may act again."""
        desk = Desk()
        desk.answer(desk.decide(100, "ACT"), *statuses)
        assert [HOLD, ("ACT", ["wish"])] == [desk.tell(50), desk.tell(100, "ACT")]

    @pytest.mark.parametrize("statuses", [("retry", "done"), ("unknown", "done"), ("unknown", "pending", "done")])
    def test_entered_in_the_end(self, statuses: tuple[Status, ...]) -> None:
        """An ACT that is done at a later attempt is an entry."""
        desk = Desk()
        desk.answer(desk.decide(100, "ACT"), *statuses)
        assert ("EXIT", ["exit:stop_loss"]) == desk.tell(95)

    def test_an_unknown_entry(self) -> None:
        """While it is not known whether an ACT happened there is neither an EXIT nor another ACT."""
        desk = Desk()
        act = desk.decide(100, "ACT")
        desk.answer(act, "unknown")
        held = [desk.tell(price, wish) for price, wish in ((50, "HOLD"), (100, "ACT"), (100, "EXIT"))]
        assert [("HOLD", ["entry_unknown", "wish"])] * 3 == held
        desk.answer(act, "done")
        assert ("EXIT", ["exit:stop_loss"]) == desk.tell(50)

    def test_a_denied_act_is_no_entry(self) -> None:
        """An ACT that a guard denied is not under way."""
        desk = Desk()
        desk.gate.shut = True
        assert Action.ACT is desk.decide(100, "ACT").proposal.action
        desk.gate.shut = False
        assert ("ACT", ["wish"]) == desk.tell(100, "ACT")

    @pytest.mark.parametrize("price", [None, "high", True, 0, 0.0])
    def test_no_entry_without_a_value(self, price: Any) -> None:
        """An ACT at a value that no gain can be told from becomes HOLD."""
        assert ("HOLD", ["entry:no_value", "wish"]) == Desk().tell(price, "ACT")

    def test_no_entry_without_a_side(self) -> None:
        """An ACT whose parameter names no known side becomes HOLD."""
        desk = Desk(**LIMITS, side_param="way")
        assert [("HOLD", ["entry:no_side", "wish"])] * 2 == [desk.tell(100, "ACT", way=way) for way in (None, "up")]

    def test_no_exit_of_what_was_not_entered(self) -> None:
        """The wrapped model's EXIT becomes HOLD where there is no position."""
        assert ("HOLD", ["no_position", "wish"]) == Desk().tell(100, "EXIT")

    def test_a_hold_is_certain(self) -> None:
        """What the policy holds back keeps the wrapped model's parameters and summary, and has confidence 1."""
        held = Desk().decide(100, "EXIT").proposal
        assert Proposal(Action.HOLD, 1.0, ["no_position", "wish"], {"way": None}, None, {"seen": 1}) == held

    @pytest.mark.parametrize("action", ["CANCEL", "STOP"])
    def test_cancel_and_stop_always_pass(self, action: str) -> None:
        """The wrapped model can always cancel and stop, and no position comes or goes by it."""
        desk = Desk()
        desk.answer(desk.decide(100, action), "done")
        act = desk.decide(100, "ACT")
        assert (action, ["wish"]) == desk.tell(100, action)
        desk.answer(act, "done")
        desk.answer(desk.decide(100, action), "done")
        exit_ = desk.decide(110)
        assert ("EXIT", ["exit:take_profit"]) == told(exit_)
        assert (action, ["wish"]) == desk.tell(110, action)
        desk.answer(exit_, "unknown")
        assert (action, ["wish"]) == desk.tell(110, action)


class TestLeaving:
    @pytest.mark.parametrize(
        ("side", "entry", "inside", "limit", "reason"),
        [
            ("long", 100, 109.999, 110, "take_profit"),
            ("long", 100, 95.001, 95, "stop_loss"),
            ("short", 100, 90.001, 90, "take_profit"),
            ("short", 100, 104.999, 105, "stop_loss"),
            ("long", 3, 3.2999, 3.3, "take_profit"),
            ("long", -10, -9.001, -9, "take_profit"),
            ("long", -10, -10.499, -10.5, "stop_loss"),
            ("short", -10, -10.999, -11, "take_profit"),
            ("short", 2**63, 2**62 + 2**62 * 0.9, 0, "take_profit"),
        ],
    )
    def test_at_the_limit(self, side: str, entry: float, inside: float, limit: float, reason: str) -> None:
        """A gain or loss that reaches its fraction of the entry's size is enough, and none that does not."""
        desk = Desk(**LIMITS, side=side)
        desk.enter(entry)
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(inside)
        assert ("EXIT", [f"exit:{reason}"]) == desk.tell(limit)

    @given(
        entry=st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6),
        fraction=st.floats(0.001, 10.0),
        sign=st.sampled_from([1, -1]),
        profit=st.booleans(),
    )
    def test_any_limit(self, entry: float, fraction: float, sign: int, profit: bool) -> None:
        """Whatever the entry and the fraction, rounding does not decide whether the limit is reached."""
        name = "take_profit" if profit else "stop_loss"
        limit: dict[str, Any] = {name: fraction}
        desk = Desk(value="price", side="long" if sign > 0 else "short", **limit)
        desk.enter(entry)
        way = (sign if profit else -sign) * abs(entry)
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(entry + way * (fraction - 1e-8))
        assert ("EXIT", [f"exit:{name}"]) == desk.tell(entry + way * fraction)

    def test_time_stop(self) -> None:
        """The time stop counts from the time of the entry, to the millisecond."""
        desk = Desk(time_stop_ms=60_000)
        desk.enter(None, at=5)
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(at=60_004)
        assert ("EXIT", ["exit:time_stop"]) == desk.tell(at=60_005)

    def test_the_value_goes_before_the_time(self) -> None:
        """Where both are due, the reason is the value."""
        desk = Desk(**LIMITS, time_stop_ms=10)
        desk.enter(100)
        assert ("EXIT", ["exit:stop_loss"]) == desk.tell(90, at=10)

    def test_an_exit_explains_itself(self) -> None:
        """EXIT has confidence 1, and what it was decided from in its parameters."""
        desk = Desk(**LIMITS, side="short")
        desk.enter(100, at=7)
        expected = {"position": "short", "entry": 100.0, "value": 75.0, "gain": 0.25, "held_ms": 1000}
        exit_ = desk.decide(75.0, at=1007).proposal
        assert Proposal(Action.EXIT, 1.0, ["exit:take_profit"], expected, None, {"price": 75.0}) == exit_

    def test_once(self) -> None:
        """From the decision EXIT on, and after it was carried out, it is not proposed again."""
        desk = Desk()
        desk.enter(100)
        exit_ = desk.decide(110)
        assert ("EXIT", ["exit:take_profit"]) == told(exit_)
        assert [("HOLD", ["exit_pending", "wish"])] * 3 == [desk.tell(120, wish) for wish in ("HOLD", "ACT", "EXIT")]
        desk.answer(exit_, "pending")
        assert ("HOLD", ["exit_pending", "wish"]) == desk.tell(120)
        desk.answer(exit_, "done")
        assert [HOLD, ("HOLD", ["no_position", "wish"])] == [desk.tell(120), desk.tell(120, "EXIT")]

    def test_denied(self) -> None:
        """An EXIT that a guard denies is proposed again until it passes."""
        desk = Desk()
        desk.enter(100)
        desk.gate.shut = True
        assert [("EXIT", ["exit:take_profit"])] * 2 == [desk.tell(110), desk.tell(111)]
        desk.gate.shut = False
        exit_ = desk.decide(112)
        assert (Action.EXIT, True) == (exit_.final.action, exit_.final.allowed)
        assert ("HOLD", ["exit_pending", "wish"]) == desk.tell(113)

    @pytest.mark.parametrize("statuses", ENDED)
    def test_not_carried_out(self, statuses: tuple[Status, ...]) -> None:
        """An EXIT that did not happen is proposed again, while it is still due."""
        desk = Desk()
        desk.enter(100)
        desk.answer(desk.decide(110), *statuses)
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(109)
        assert ("EXIT", ["exit:take_profit"]) == desk.tell(110)

    def test_while_it_is_tried_again(self) -> None:
        """An EXIT that the broker will be asked for again is under way."""
        desk = Desk()
        desk.enter(100)
        desk.answer(desk.decide(110), "retry")
        assert ("HOLD", ["exit_pending", "wish"]) == desk.tell(110)

    def test_an_unknown_exit(self) -> None:
        """While it is not known whether an EXIT happened there is no other, and no ACT either."""
        desk = Desk()
        desk.enter(100)
        exit_ = desk.decide(110)
        desk.answer(exit_, "unknown")
        assert [("HOLD", ["exit_unknown", "wish"])] * 2 == [desk.tell(111), desk.tell(111, "ACT")]
        desk.answer(exit_, "done")
        assert ("ACT", ["wish"]) == desk.tell(111, "ACT")

    def test_enters_again(self) -> None:
        """After an exit the wrapped model may act again, and the new entry counts."""
        desk = Desk()
        desk.enter(100)
        desk.answer(desk.decide(110), "done")
        desk.enter(200)
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(219)
        assert ("EXIT", ["exit:take_profit"]) == desk.tell(220)

    def test_no_second_entry(self) -> None:
        """While a position is open the wrapped model's ACT becomes HOLD."""
        desk = Desk()
        desk.enter(100)
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(101, "ACT")

    def test_the_wrapped_model_may_leave_earlier(self) -> None:
        """Its EXIT passes while a position is open, and counts as the one EXIT."""
        desk = Desk()
        desk.enter(100)
        exit_ = desk.decide(101, "EXIT")
        assert ("EXIT", ["wish"]) == told(exit_)
        assert ("HOLD", ["exit_pending", "wish"]) == desk.tell(110)
        desk.answer(exit_, "done")
        assert HOLD == desk.tell(110)

    def test_receipts_that_fit_no_position(self) -> None:
        """Receipts of an ACT while a position is open, or of an EXIT without one, change nothing."""
        desk = Desk()
        act = desk.decide(100, "ACT")
        desk.answer(act, "done", "done", "failed", "unknown")
        exit_ = desk.decide(110)
        assert ("EXIT", ["exit:take_profit"]) == told(exit_)
        desk.answer(exit_, "done", "done", "failed", "unknown")
        assert ("ACT", ["wish"]) == desk.tell(110, "ACT")

    def test_a_failing_model_does_not_keep_a_position_open(self) -> None:
        """The wrapped model is not asked when an exit is due; otherwise its failure fails closed as ever."""
        desk = Desk()
        desk.enter(100)
        failed = desk.decide(100, "NONSENSE")
        assert ["model_error:ValueError"] == failed.final.reasons
        assert ("EXIT", ["exit:take_profit"]) == desk.tell(110, "NONSENSE")


class TestBlind:
    @pytest.mark.parametrize("price", [None, "high", True])
    def test_without_a_value(self, price: Any) -> None:
        """While the value is missing or no number the position stays open and says so; the next value counts."""
        desk = Desk()
        desk.enter(100)
        assert [("HOLD", ["position_open:no_value", "wish"])] * 2 == [desk.tell(price), desk.tell(price, "ACT")]
        assert ("EXIT", ["exit:stop_loss"]) == desk.tell(95)

    def test_the_time_stop_needs_no_value(self) -> None:
        """Without a value the time stop still works, and so does the wrapped model's EXIT."""
        desk = Desk(**LIMITS, time_stop_ms=1000)
        desk.enter(100)
        desk.gate.shut = True
        assert ("EXIT", ["wish"]) == desk.tell(None, "EXIT", at=999)
        exit_ = desk.decide(None, at=1000).proposal
        expected = {"position": "long", "entry": 100.0, "value": None, "gain": None, "held_ms": 1000}
        assert Proposal(Action.EXIT, 1.0, ["exit:time_stop"], expected, None, {"price": None}) == exit_

    def test_a_side_that_a_modulator_took_away(self) -> None:
        """A position of which the side is not known in the end is open, and left by the time stop alone."""
        desk = Desk(**LIMITS, side_param="way", time_stop_ms=1000)
        desk.gate.forgets = True
        desk.enter(100, way="long")
        assert ("HOLD", ["position_open:no_value", "wish"]) == desk.tell(200, at=999)
        exit_ = desk.decide(200, at=1000).proposal
        expected = {"position": None, "entry": None, "value": 200, "gain": None, "held_ms": 1000}
        assert Proposal(Action.EXIT, 1.0, ["exit:time_stop"], expected, None, {"price": 200}) == exit_

    @pytest.mark.parametrize("now_ms", ["late", None, True, inf])
    def test_a_time_that_a_caller_spoilt(self, now_ms: Any) -> None:
        """A time that is no number makes the time stop wait; nothing fails."""
        desk = Desk(time_stop_ms=1000)
        desk.enter(None)
        event = {"key": "a", "at": T0 + 5000, "wish": "HOLD"}
        assert ("HOLD", ["position_open", "wish"]) == told(desk.pipeline.decide(event, {"now_ms": now_ms}))
        assert ("EXIT", ["exit:time_stop"]) == told(desk.pipeline.decide(event))

    def test_a_time_of_another_type(self) -> None:
        """Any finite number is a time."""
        desk = Desk(time_stop_ms=1000)
        desk.enter(None)
        event = {"key": "a", "at": T0, "wish": "HOLD"}
        assert ("EXIT", ["exit:time_stop"]) == told(desk.pipeline.decide(event, {"now_ms": Fraction(T0 + 1000)}))


class TestSides:
    @pytest.mark.parametrize(
        ("long", "short", "way", "price"),
        [("long", "short", "long", 110), ("long", "short", "short", 90), ("B", "S", "B", 110), ("B", "S", "S", 90)],
    )
    def test_from_a_parameter(self, long: str, short: str, way: str, price: float) -> None:
        """The parameter of ACT tells the side, in the words that the options name, and wins over side."""
        desk = Desk(**LIMITS, side="short", side_param="way", long_value=long, short_value=short)
        desk.enter(100, way=way)
        assert ("EXIT", ["exit:take_profit"]) == desk.tell(price)


class TestKeys:
    def test_do_not_leak(self) -> None:
        """What happens to one key is nothing to another."""
        desk = Desk()
        desk.enter(100, key="a")
        desk.enter(1000, key="b")
        assert HOLD == desk.tell(10, key="c")
        assert ("HOLD", ["position_open", "wish"]) == desk.tell(1010, key="b")
        exit_ = desk.decide(110, key="a")
        desk.answer(exit_, "done")
        assert [HOLD, ("EXIT", ["exit:stop_loss"])] == [desk.tell(90, key="a"), desk.tell(900, key="b")]

    def test_none(self) -> None:
        """A pipeline without a key has one position."""
        desk = Desk({"timestamp": "at"})
        desk.enter(100, key="a")
        assert ("EXIT", ["exit:take_profit"]) == desk.tell(110, key="b")

    def test_only_keys_that_act_are_remembered(self) -> None:
        """A key costs memory from its first ACT on."""
        desk = Desk()
        for n in range(100):
            desk.decide(100, key=f"k{n}")
        desk.enter(100)
        assert ["a"] == list(desk.policy.states)

    def test_bounded(self) -> None:
        """No more than max_keys are remembered; a position that sees events stays, and a forgotten one is not left."""
        desk = Desk(**LIMITS, max_keys=2)
        for key in ("a", "b", "c"):
            desk.enter(100, key=key)
            desk.decide(100, key="a")
        assert [HOLD, ("EXIT", ["exit:stop_loss"])] == [desk.tell(50, key="b"), desk.tell(50, key="a")]
        assert (2, 1) == (len(desk.policy.states), desk.policy.states.evicted)

    def test_an_entry_under_way_stays(self) -> None:
        """A key that waits for the receipt of its ACT, and sees events, is not the first to be forgotten."""
        desk = Desk(**LIMITS, max_keys=2)
        act = desk.decide(100, "ACT", key="waiting")
        desk.enter(100, key="open")
        desk.decide(100, key="waiting")
        desk.enter(100, key="new")
        assert ["waiting", "new"] == list(desk.policy.states)
        desk.answer(act, "done")
        assert ("EXIT", ["exit:stop_loss"]) == desk.tell(95, key="waiting")

    def test_the_closed_are_forgotten_first(self) -> None:
        """A key that has no position any more makes room for those that have one."""
        desk = Desk(**LIMITS, max_keys=2)
        desk.enter(100, key="open")
        desk.enter(100, key="closed")
        desk.answer(desk.decide(110, key="closed"), "done")
        for key in ("open", "closed"):
            desk.decide(100, key=key)
        desk.enter(100, key="new")
        assert ["open", "new"] == list(desk.policy.states)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "nothing would ever exit"),
            ({"take_profit": 0.1}, "set value"),
            ({"value": "price", "time_stop_ms": 1}, "watched for nothing"),
            ({**LIMITS, "side_param": "way", "long_value": 1, "short_value": 1.0}, "must differ"),
            ({**LIMITS, "take_profit": 0.0}, "take_profit: must be greater than 0"),
            ({"time_stop_ms": 0}, "time_stop_ms: must be at least 1"),
            ({**LIMITS, "side": "up"}, "side: must be one of 'long', 'short'"),
        ],
    )
    def test_refused(self, options: dict[str, Any], message: str) -> None:
        """Options that cannot be meant are refused with what to do."""
        with pytest.raises(OptionError, match=message):
            ExitPolicy(model=Wish(), **options)

    def test_a_time_stop_needs_a_clock(self) -> None:
        """Without a clock a time stop is refused when the pipeline is built, and the rest works."""
        with pytest.raises(ConfigError, match="time_stop_ms needs the time"):
            Desk({"key": "key"}, time_stop_ms=1000)
        desk = Desk({"key": "key"}, **LIMITS)
        desk.enter(100)
        exit_ = desk.decide(110).proposal
        assert (Action.EXIT, None) == (exit_.action, (exit_.params or {})["held_ms"])


@attrs.define
class Tick:
    """An event, and whether the gate is shut and an answer comes before it."""

    key: str
    price: int
    wish: str
    shut: bool
    answer: bool


# Answers of a broker to one order, in bursts between which other events may come; retries are within one.
BURSTS: list[list[tuple[Status, ...]]] = [
    [("done",)],
    [("failed",)],
    [("retry", "retry", "done")],
    [("retry", "retry")],
    [("pending",), ("done",)],
    [("pending",), ("failed",)],
    [("unknown",), ("done",)],
    [("unknown", "pending"), ("failed",)],
    [("unknown",)],
    [],
]
TICKS = st.builds(
    Tick,
    key=st.sampled_from("ab"),
    price=st.sampled_from([90, 100, 111]),
    wish=st.sampled_from(["ACT", "ACT", "HOLD", "EXIT", "STOP"]),
    shut=st.integers(0, 4).map(lambda n: n == 0),
    answer=st.booleans(),
)


class Market:
    """A desk and the answers that are still to come."""

    def __init__(self, answers: list[list[tuple[Status, ...]]]) -> None:
        self.desk = Desk()
        self.answers = answers
        self.coming: list[tuple[Decision, list[tuple[Status, ...]]]] = []
        self.proposals: list[Proposal] = []
        self.done: dict[str, list[str]] = {"a": [], "b": []}

    def take(self, number: int, tick: Tick) -> None:
        """Let an event come, and before it perhaps an answer."""
        if tick.answer and self.coming:
            self.hear()
        self.desk.gate.shut = tick.shut
        decision = self.desk.decide(tick.price, tick.wish, at=number, key=tick.key)
        self.proposals.append(decision.proposal)
        if decision.final.allowed and decision.final.action in (Action.ACT, Action.EXIT):
            self.coming.append((decision, list(self.answers[decision.step % len(self.answers)])))

    def hear(self) -> None:
        decision, bursts = self.coming.pop(0)
        if not bursts:
            return
        burst = bursts.pop(0)
        self.desk.answer(decision, *burst)
        if "done" in burst:
            self.done[str(decision.key)].append(decision.final.action.value)
        if bursts:
            self.coming.append((decision, bursts))


class TestWhatever:
    @given(st.lists(TICKS, max_size=60), st.lists(st.sampled_from(BURSTS), min_size=1, max_size=5))
    def test_one_exit_for_one_entry(self, ticks: list[Tick], answers: list[list[tuple[Status, ...]]]) -> None:
        """Whatever comes and however brokers answer, of each key an ACT and an EXIT are carried out in turn."""
        market = Market(answers)
        for number, tick in enumerate(ticks):
            market.take(number, tick)
            for done in market.done.values():
                assert (["ACT", "EXIT"] * len(done))[: len(done)] == done

    @given(
        st.lists(TICKS, min_size=1, max_size=60),
        st.lists(st.sampled_from(BURSTS), min_size=1, max_size=5),
        st.data(),
    )
    def test_going_on(self, ticks: list[Tick], answers: list[list[tuple[Status, ...]]], data: st.DataObject) -> None:
        """Restored anywhere, it proposes what it would have proposed, and ends in the same bytes."""
        split = data.draw(st.integers(0, len(ticks)))
        whole, halves = Market(answers), Market(answers)
        for number, tick in enumerate(ticks):
            whole.take(number, tick)
            if number == split:
                step = halves.desk.pipeline.step
                halves.desk = halves.desk.restored()
                halves.desk.pipeline.step = step
            halves.take(number, tick)
        assert whole.proposals == halves.proposals
        assert whole.desk.snapshot() == halves.desk.snapshot()

    @given(st.lists(TICKS, max_size=30), TICKS)
    def test_looking_changes_nothing(self, ticks: list[Tick], last: Tick) -> None:
        """Proposing leaves the state as it is, to the byte."""
        market = Market([[("done",)]])
        for number, tick in enumerate(ticks):
            market.take(number, tick)
        policy = market.desk.policy
        before = policy.states.snapshot()
        context = Context({"now_ms": T0 + 100}, last.key, "1", 0, 0)
        policy.propose({"price": last.price, "wish": last.wish}, context)
        assert before == policy.states.snapshot()


SINK = '''\
import attrs
from mdm_core import TraceSink, hookimpl

PACKETS = []


@attrs.define
class Keep(TraceSink):
    """Keeps packets."""

    def write(self, record):
        PACKETS.append(dict(record))


@hookimpl
def mdm_register_trace_sinks(register):
    register("packets", Keep)
'''

PIPELINE = """\
[pipeline]
key = "lot"
timestamp = "at"
group = GROUP

[source]
use = "reference.jsonl"
path = "prices.jsonl"

[features]
use = "reference.rolling"
stats = []

[model]
use = "reference.exit_policy"
value = "price"
take_profit = 0.1
stop_loss = 0.05
time_stop_ms = 60000
side_param = "score"
long_value = 1
short_value = 2

[model.model]
use = "reference.linear"
weights = { signal = 1.0 }

[broker]
use = "reference.paper"

[[trace]]
use = "keep.packets"

[redaction]
use = "none"
"""

# Signal 1 wants to be long, 2 short; B falls and falls, and is never entered.
SERIES: list[tuple[str, int, float, int, str, str]] = [
    ("A", 0, 100, 1, "ACT", "signal"),
    ("B", 1, 100, 0, "HOLD", "low_signal"),
    ("A", 1000, 109.99, 1, "HOLD", "position_open"),
    ("B", 1001, 50, 0, "HOLD", "low_signal"),
    ("A", 2000, 110, 0, "EXIT", "exit:take_profit"),
    ("A", 3000, 150, 0, "HOLD", "low_signal"),
    ("A", 4000, 200, 2, "ACT", "signal"),
    ("A", 5000, 209.99, 0, "HOLD", "position_open"),
    ("A", 6000, 210, 0, "EXIT", "exit:stop_loss"),
    ("B", 6001, 1, 0, "HOLD", "low_signal"),
    ("A", 7000, 40, 2, "ACT", "signal"),
    ("A", 8000, 36, 1, "EXIT", "exit:take_profit"),
    ("A", 9000, 50, 1, "ACT", "signal"),
    ("A", 68_999, 51, 0, "HOLD", "position_open"),
    ("A", 69_000, 51, 0, "EXIT", "exit:time_stop"),
    ("A", 70_000, 51, 0, "HOLD", "low_signal"),
]

Series: TypeAlias = Callable[[int], tuple[Run, list[dict[str, Any]]]]


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Series:
    """Make a run over the series, and the list that its packets will be in."""
    (tmp_path / "exit_policy_sink.py").write_text(SINK)
    for name, module in (("keep", "exit_policy_sink"), ("reference", "mdm_reference.plugin")):
        info = tmp_path / f"mdm_{name}-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mdm-{name}\nVersion: 1.0.0\n")
        (info / "entry_points.txt").write_text(f"[mdm]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(tmp_path)
    lines = [json.dumps({"lot": lot, "at": T0 + at, "price": p, "signal": s}) for lot, at, p, s, _, _ in SERIES]
    (tmp_path / "prices.jsonl").write_text("\n".join(lines))

    def make(group: int) -> tuple[Run, list[dict[str, Any]]]:
        path = tmp_path / "pipeline.toml"
        path.write_text(PIPELINE.replace("GROUP", str(group)))
        run = Run.from_config(path, runs_dir=tmp_path / "runs")
        packets: list[dict[str, Any]] = import_module("exit_policy_sink").PACKETS
        packets.clear()
        return run, packets

    return make


class TestRun:
    def test_enters_leaves_once_and_enters_again(self, series: Series) -> None:
        """A run from a file with the paper broker enters, long and short, leaves each position once, and goes on."""
        run, packets = series(1)
        summary = run.run()
        assert ("done", {"ACT": 4, "EXIT": 4}) == (summary.status, summary.carried_out)
        expected = [(lot, action, reason) for lot, _, _, _, action, reason in SERIES]
        assert expected == [(p["input"]["lot"], p["mdm"]["action"], p["mdm"]["reasons"][0]) for p in packets]

    def test_receipts_in_groups(self, series: Series) -> None:
        """What is not known yet is waited for: no second order of a key goes out before the first is answered."""
        run, packets = series(8)
        summary = run.run()
        assert {"ACT": 1, "EXIT": 1} == summary.carried_out
        codes = [p["mdm"]["reasons"][0] for p in packets if p["input"]["lot"] == "A"]
        first, second = ["signal", *["entry_pending"] * 5], ["exit:take_profit", *["exit_pending"] * 6]
        assert (first, second) == (codes[:6], codes[6:])
