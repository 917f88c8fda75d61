"""The one place where a decision is made: what it promises when all is well, and when anything goes wrong."""

# ruff: noqa: ARG001, ARG005 - functions stand in for methods of the contract and have their parameters

import io
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm_core import (
    Action,
    Build,
    Commanded,
    ConfigError,
    Context,
    Decided,
    Decision,
    Event,
    Executed,
    Fact,
    FeatureExtractor,
    Features,
    FinalDecision,
    InvalidEvent,
    MismatchInfo,
    Modulator,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
    Settled,
    component,
    keyed_state,
)

CANARY = "canary-4111111111111111"
NOW = 1_700_000_000_000


@attrs.define
class Take(FeatureExtractor):
    """Computes what it is told to."""

    answer: Callable[[Event, Context], Any]

    def extract(self, event: Event, context: Context) -> Features:
        found: Features = self.answer(event, context)
        return found


@attrs.define
class Says(ProposalModel):
    """Proposes what it is told to."""

    answer: Callable[[Features, Context], Any]

    def propose(self, features: Features, context: Context) -> Proposal:
        proposal: Proposal = self.answer(features, context)
        return proposal


@attrs.define
class Guard(Modulator):
    """Answers what it is told to."""

    answer: Callable[[Proposal, FinalDecision, Context], Any]

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        final: FinalDecision = self.answer(proposal, decision, context)
        return final


@attrs.define
class Tally:
    n: int = 0
    total: float = 0.0


@attrs.define
class Counting(FeatureExtractor):
    """Counts the events of each key and sums their `x`."""

    states = keyed_state(Tally)

    def extract(self, event: Event, context: Context) -> Features:
        state = self.states[context.key]
        state.n += 1
        state.total += event.get("x", 0.0)
        return {"n": state.n, "total": state.total}


@attrs.define
class Ledger(Modulator):
    """Lets everything pass and writes down every fact."""

    facts: list[Fact] = attrs.field(factory=list)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return decision

    def observe(self, fact: Fact) -> None:
        self.facts.append(fact)


@attrs.define
class Broken(Modulator):
    """Lets everything pass and cannot learn."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return decision

    def observe(self, fact: Fact) -> None:
        raise RuntimeError(CANARY)


class Notes(list[Any]):
    """What functions write down on the way to their answer."""

    def add(self, note: object, answer: Any) -> Any:
        """Write down, and answer."""
        self.append(note)
        return answer


class PlainFloat(float):
    """A float that is not exactly a float, such as numpy's."""


def act(features: Features, context: Context) -> Proposal:
    """Propose to act, quite sure of it."""
    return Proposal(Action.ACT, 0.75, ["because"], {"size": 2}, None, {"x": 1.5})


def hold(features: Features, context: Context) -> Proposal:
    """Propose to do nothing."""
    return Proposal(Action.HOLD, 0.5, ["quiet"])


@attrs.define
class Opening(FeatureExtractor):
    """Passes its surroundings on when it opens, and tells when it closes."""

    opened: Callable[[Build], Any]
    closed: Callable[[], Any] = lambda: None

    def open(self, build: Build) -> None:
        self.opened(build)

    def close(self) -> None:
        self.closed()

    def extract(self, event: Event, context: Context) -> Features:
        return {}


@attrs.define
class Leaf(ProposalModel):
    """Tells when it opens and closes."""

    order: list[str]
    fails: bool = False

    def open(self, build: Build) -> None:
        self.order.append("open leaf")
        if self.fails:
            raise ConfigError("the leaf cannot open")

    def close(self) -> None:
        self.order.append("close leaf")

    def propose(self, features: Features, context: Context) -> Proposal:
        return hold(features, context)


@attrs.define
class Nested(ProposalModel):
    """Passes on what the model inside says, and tells when it opens and closes."""

    name: str
    order: list[str]
    model: ProposalModel = component()

    def open(self, build: Build) -> None:
        self.order.append(f"open {self.name}")

    def close(self) -> None:
        self.order.append(f"close {self.name}")

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.model.propose(features, context)


class Clingy(ProposalModel):
    """Cannot close."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return hold(features, context)

    def close(self) -> None:
        raise RuntimeError(CANARY)


@attrs.define
class Remembering(ProposalModel):
    """Counts how often it was asked, and asks the model inside."""

    model: ProposalModel = component()
    memory = keyed_state(Tally)

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.model.propose(features, context)


@attrs.define
class LearningFeatures(FeatureExtractor):
    order: list[str]

    def extract(self, event: Event, context: Context) -> Features:
        return {}

    def observe(self, fact: Fact) -> None:
        self.order.append("features")


@attrs.define
class LearningModel(ProposalModel):
    order: list[str]
    name: str
    model: ProposalModel = component()

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.model.propose(features, context)

    def observe(self, fact: Fact) -> None:
        self.order.append(self.name)


@attrs.define
class LearningGuard(Modulator):
    order: list[str]

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return decision

    def observe(self, fact: Fact) -> None:
        self.order.append("guard")


@attrs.define
class Met:
    """Every key and every value that some components have met, at any depth."""

    keys: set[str] = attrs.field(factory=set)
    values: list[object] = attrs.field(factory=list)

    def note(self, *mappings: Mapping[str, Any]) -> None:
        for mapping in mappings:
            for key, value in mapping.items():
                self.keys.add(key)
                self.values.append(value)
                if isinstance(value, Mapping):
                    self.note(value)


@attrs.define
class SpyingFeatures(FeatureExtractor):
    """Writes down every key and value that it meets."""

    met: Met

    def extract(self, event: Event, context: Context) -> Features:
        self.met.note(event, context)
        return {"x": 1.0}

    def observe(self, fact: Fact) -> None:
        assert isinstance(fact, Decided)
        self.met.note(fact.context, fact.context.features)


@attrs.define
class SpyingModel(ProposalModel):
    met: Met

    def propose(self, features: Features, context: Context) -> Proposal:
        self.met.note(features, context)
        return act(features, context)


@attrs.define
class SpyingGuard(Modulator):
    met: Met

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        self.met.note(context, context.features, decision.params or {})
        return decision


def passes(proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
    """Change nothing."""
    return decision


def denies(proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
    """Deny, as the contract says."""
    return FinalDecision(Action.HOLD, False, ["too_eager"], MismatchInfo(["eager"], ["eager:rate"]))


def must_not_be_asked(*_: object) -> Any:
    """Fail the test."""
    raise AssertionError("asked although it must not be")


def number_x(event: Event, context: Context) -> Features:
    """Give the event's `x`."""
    return {"x": event.get("x", 0.0)}


def pipeline(
    features: Any = None,
    model: Callable[[Features, Context], Any] = act,
    modulators: tuple[Any, ...] = (),
    **options: Any,
) -> Pipeline:
    """A pipeline of functions; components are taken as they are."""
    chosen = Take(number_x) if features is None else features if isinstance(features, list) else Take(features)
    guards = [m if isinstance(m, Modulator) else Guard(m) for m in modulators]
    return Pipeline(features=chosen, model=Says(model), modulators=guards, **options)


def telling(order: list[str]) -> Opening:
    """A feature extractor that tells when it opens and closes."""
    return Opening(lambda build: order.append("open features"), lambda: order.append("close features"))


def forged(made: Any, **changes: object) -> Any:
    """Change a value that cannot be changed, as a foreign implementation of the contract might let pass."""
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    return made


def outline(decision: Decision) -> dict[str, Any]:
    """A decision's packet without what may differ between two runs."""
    packet = decision.packet().to_dict()
    external = {k: v for k, v in packet["external"].items() if k != "mdm.latency_us"}
    return {**packet, "external": external, "latency_ms": None}


def assert_failed_closed(decision: Decision, flag: str, code: str) -> None:
    """Check everything that a decision that failed closed has to be."""
    assert Action.HOLD is decision.final.action
    assert decision.final.allowed is False
    assert [code] == decision.final.reasons
    assert decision.final.mismatch is not None
    assert [flag] == decision.final.mismatch.flags
    assert [code] == decision.final.mismatch.reason_codes
    assert decision.context["mdm.fail_closed"] is True
    assert decision.failure is not None
    assert code == decision.failure.reason_code
    assert code.partition(":")[2] == decision.failure.error
    assert decision.step == decision.failure.step


class TestDeciding:
    def test_all_is_well(self) -> None:
        """What the model proposes is what is decided, allowed and without mismatch, and with its params."""
        decision = pipeline().decide({"x": 1.0})
        assert FinalDecision(Action.ACT, True, ["because"], None, None, None, {"size": 2}) == decision.final
        assert Proposal(Action.ACT, 0.75, ["because"], {"size": 2}, None, {"x": 1.5}) == decision.proposal
        assert decision.features == {"x": 1.0}
        assert decision.failure is None
        assert "mdm.fail_closed" not in decision.context

    def test_the_same_events_give_the_same_decisions(self) -> None:
        """Two pipelines made alike answer alike, draws, states and all."""

        def draws(features: Features, context: Context) -> Proposal:
            return Proposal(Action.ACT, context.random.random(), [str(features["n"])], {"total": features["total"]})

        def decide_all() -> list[dict[str, Any]]:
            made = pipeline([Counting()], draws, (passes,), key="k", timestamp="t", seed=3)
            return [outline(made.decide({"k": f"k{i % 3}", "t": NOW - i, "x": i / 7})) for i in range(50)]

        first = decide_all()
        assert first == decide_all()
        assert len({packet["mdm"]["confidence"] for packet in first}) == 50

    def test_steps_are_numbered_from_zero(self) -> None:
        """Every decision has the next number, failed ones too; an invalid event has none."""

        def sometimes(features: Features, context: Context) -> Proposal:
            if not features["x"]:
                raise ValueError
            return act(features, context)

        made = pipeline(model=sometimes, key="k")
        steps = [made.decide({"k": "a", "x": 1}).step, made.decide({"k": "a", "x": 0}).step]
        with pytest.raises(InvalidEvent):
            made.decide({"x": 1})
        steps.append(made.decide({"k": "b", "x": 1}).step)
        assert steps == [0, 1, 2]
        assert made.step == 3

    def test_the_event_is_given_as_it_is(self) -> None:
        """Components get the caller's event, and the decision keeps it."""
        seen = Notes()
        event = {"x": 1.0}
        decision = pipeline(lambda e, c: seen.add(e, {})).decide(event)
        assert event is seen[0]
        assert event is decision.event

    def test_any_mapping_is_an_event(self) -> None:
        """An event need not be a dict; its packet is the same."""
        expected = outline(pipeline(key="k").decide({"k": "a", "x": 1.0}))
        assert expected == outline(pipeline(key="k").decide(MappingProxyType({"k": "a", "x": 1.0})))

    def test_the_id_is_the_events_or_its_position_or_its_step(self) -> None:
        """In this order, as text."""
        assert pipeline(id="r.id").decide({"r": {"id": "r-7"}}, position=3).event_id == "r-7"
        assert pipeline(id="r").decide({"r": 7}, position=3).event_id == "7"
        assert pipeline().decide({}, position=3).event_id == "3"
        assert pipeline().decide({}, position="line 3").event_id == "line 3"
        assert pipeline().decide({}).event_id == "0"
        assert pipeline().decide({}, position=0).event_id == "0"

    def test_the_key_is_read_along_its_path(self) -> None:
        """A nested key, the flat spelling first; without a key all events share None."""
        made = pipeline(key="user.id")
        assert made.decide({"user": {"id": "u"}}).key == "u"
        assert made.decide({"user.id": 7, "user": {"id": "u"}}).key == 7
        assert pipeline().decide({"user": {"id": "u"}}).key is None


BAD_TIMES: list[Any] = [True, "5", None, [], math.nan, math.inf, -math.inf, -1, 1e400, 10**400, 253_402_300_800_000]
BAD_IDS: list[Any] = [True, 1.0, None, [1], 10**5000]


class TestInvalidEvents:
    """Each is refused before anything changes."""

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            (None, "not_an_object"),
            ("text", "not_an_object"),
            ([("k", "a")], "not_an_object"),
            (7, "not_an_object"),
            ({}, "missing_key"),
            ({"u": {}}, "missing_key"),
            ({"u": "text"}, "missing_key"),
            ({"u": [1]}, "missing_key"),
            ({"u": {"k": 1.0}}, "invalid_key"),
            ({"u": {"k": True}}, "invalid_key"),
            ({"u": {"k": None}}, "invalid_key"),
            ({"u": {"k": ["a"]}}, "invalid_key"),
            ({"u": {"k": {"a": 1}}}, "invalid_key"),
            ({"u": {"k": 2**64}}, "invalid_key"),
            ({"u": {"k": "a"}}, "missing_timestamp"),
            *(({"u": {"k": "a"}, "t": bad}, "invalid_timestamp") for bad in BAD_TIMES),
            ({"u": {"k": "a"}, "t": NOW + 9}, "missing_id"),
            *(({"u": {"k": "a"}, "t": NOW + 9, "i": bad}, "invalid_id") for bad in BAD_IDS),
        ],
    )
    def test_nothing_changes(self, event: Any, reason: str) -> None:
        """State, step and clock stay as they were, no component is asked, and the next event is decided as ever."""
        asked = Notes()
        counting = Counting()
        ledger = Ledger()
        made = pipeline(
            [Take(lambda e, c: asked.add(e, {})), counting], modulators=(ledger,), key="u.k", timestamp="t", id="i"
        )
        made.decide({"u": {"k": "a"}, "t": NOW, "i": 1, "x": 2.0})
        before = counting.states.snapshot()
        with pytest.raises(InvalidEvent) as error:
            made.decide(event)
        assert reason == error.value.reason
        assert before == counting.states.snapshot()
        assert (made.step, len(asked), len(ledger.facts)) == (1, 1, 1)
        after = made.decide({"u": {"k": "a"}, "t": NOW - 5, "i": 2, "x": 3.0})
        assert (after.step, after.context["now_ms"]) == (1, NOW)
        assert after.features == {"n": 2, "total": 5.0}

    def test_the_message_holds_nothing_of_the_event(self) -> None:
        """An event may be secret; its refusal is not."""
        for event in ({"k": [CANARY]}, {"k": "a", "t": CANARY}, {"k": "a", "t": 1, "i": {CANARY: 1}}):
            with pytest.raises(InvalidEvent) as error:
                pipeline(key="k", timestamp="t", id="i").decide(event)
            assert CANARY not in str(error.value)
            assert error.value.__cause__ is None

    @settings(max_examples=200)
    @given(
        st.lists(
            st.one_of(
                st.fixed_dictionaries(
                    {}, optional={"k": st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans())}
                ).map(lambda event: {**event, "x": 1.0}),
                st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner), max_leaves=5),
            ),
            max_size=8,
        )
    )
    def test_any_event_is_decided_or_refused(self, events: list[Any]) -> None:
        """There is no third way, and exactly the decided events are counted."""
        counting = Counting()
        made = pipeline([counting], key="k")
        decided = 0
        for event in events:
            try:
                decision = made.decide(event)
            except InvalidEvent:
                continue
            assert decision.failure is None
            decided += 1
        tallies = [counting.states[key].n for key in list(counting.states)]
        assert decided == made.step == sum(tallies)


class TestTime:
    def test_now_is_the_highest_time_seen(self) -> None:
        """A late event does not turn the clock back; its own time stays its own."""
        made = pipeline(timestamp="t")
        contexts = [made.decide({"t": NOW + at}).context for at in (0, 5, 3, 9)]
        assert [c["now_ms"] for c in contexts] == [NOW, NOW + 5, NOW + 5, NOW + 9]
        assert [c["last_event_ts_ms"] for c in contexts] == [NOW, NOW + 5, NOW + 3, NOW + 9]

    def test_units(self) -> None:
        """The unit says what the timestamp is; the clock always counts milliseconds."""
        made = pipeline(timestamp="t", timestamp_unit="iso")
        assert made.decide({"t": "2024-02-29T11:00:00.129Z"}).context["now_ms"] == 1_709_204_400_129
        assert pipeline(timestamp="t", timestamp_unit="s").decide({"t": NOW / 1000}).context["now_ms"] == NOW

    def test_an_unknown_unit_is_refused(self) -> None:
        """The error names the unit's option and what is allowed."""
        with pytest.raises(ConfigError, match=r"timestamp_unit: must be one of 's', 'ms', 'us', 'ns', 'iso'"):
            pipeline(timestamp="t", timestamp_unit="min")

    def test_without_a_clock_there_is_no_time(self) -> None:
        """Neither timestamp nor wall clock: no time in the context, and the components are told so."""
        opened: list[Build] = []
        made = pipeline([Opening(opened.append)])
        context = made.decide({"t": NOW}).context
        assert "now_ms" not in context
        assert "last_event_ts_ms" not in context
        assert opened[0].clock is None

    def test_the_wall_clock(self) -> None:
        """With the wall clock `now_ms` is the time at which it is decided, whatever the event says."""
        opened: list[Build] = []
        made = pipeline([Opening(opened.append)], clock="wall", timestamp="t")
        before = time.time_ns() // 1_000_000
        context = made.decide({"t": 5}).context
        assert before <= context["now_ms"] <= time.time_ns() // 1_000_000
        assert context["last_event_ts_ms"] == 5
        assert opened[0].clock == "wall"

    def test_the_wall_clock_needs_no_timestamp(self) -> None:
        """It is a clock of its own."""
        assert abs(pipeline(clock="wall").decide({}).context["now_ms"] - time.time() * 1000) < 60_000


class TestContext:
    def test_what_the_caller_gives_wins_and_is_recorded(self) -> None:
        """The caller's values stand in the context that components see and in the packet's `external`."""
        seen = Notes()
        made = pipeline(lambda e, c: seen.add(dict(c), {}), timestamp="t", clock="wall", run_id="r")
        given = {"now_ms": 17, "run_id": "mine", "errors_in_window": 3, "ops_deny_actions": True}
        external = made.decide({"t": NOW}, given).packet().external
        for known in (seen[0], external):
            assert given == {k: known[k] for k in given}
            assert known["last_event_ts_ms"] == NOW

    def test_the_callers_context_is_not_changed(self) -> None:
        """The mapping stays the caller's, and a component that writes into its context does not reach it."""
        given = {"note": 1}

        def writes(event: Event, context: Context) -> Features:
            context["note"] = 2
            return {}

        assert pipeline(writes).decide({}, given).context["note"] == 2
        assert given == {"note": 1}

    def test_what_is_known_besides_is_not_recorded(self) -> None:
        """Key, id, step, features and generator are attributes: at hand, and in no packet."""
        seen = Notes()
        made = pipeline(model=lambda f, c: seen.add(c, act(f, c)), key="k", run_id="r-1")
        external = made.decide({"k": "a", "x": 4.0}, position=9).packet().external
        context = seen[0]
        assert (
            context.key,
            context.event_id,
            context.step,
            context.features,
            context.component,
        ) == ("a", "9", 0, {"x": 4.0}, "Says")
        assert {"run_id", "mdm.latency_us"} == set(external)
        assert external["run_id"] == "r-1"

    def test_extractors_see_no_features_yet(self) -> None:
        """While features are computed there are none."""
        seen = Notes()
        pipeline(lambda e, c: seen.add(c.features, {"x": 1.0})).decide({})
        assert seen == [{}]

    def test_every_decision_has_its_own(self) -> None:
        """Nothing that one decision's context was given appears in the next one's."""
        made = pipeline(lambda e, c: c.update(e) or {})
        made.decide({"mark": 1})
        assert "mark" not in made.decide({}).context

    def test_the_component_that_is_asked_is_named(self) -> None:
        """Each component finds its own name."""
        named = Notes()
        made = Pipeline(
            features=[Take(lambda e, c: named.add(c.component, {})), Counting()],
            model=Says(lambda f, c: named.add(c.component, act(f, c))),
            modulators=[Guard(lambda p, d, c: named.add(c.component, d))],
        )
        made.decide({})
        assert named == ["Take", "Says", "Guard"]


class TestRandom:
    def draws(self, seed: int = 0, others: int = 0, event_ids: tuple[str, ...] = ("a", "b")) -> dict[str, list[float]]:
        """What one model draws for each event, while a guard draws from its own generator first."""
        drawn: dict[str, list[float]] = {}

        def extract(event: Event, context: Context) -> Features:
            for _ in range(others):
                context.random.random()
            return {}

        def propose(features: Features, context: Context) -> Proposal:
            drawn[context.event_id] = [context.random.random(), context.random.random()]
            return hold(features, context)

        made = pipeline(extract, propose, id="i", seed=seed)
        for event_id in event_ids:
            made.decide({"i": event_id})
        return drawn

    def test_the_same_seed_and_event_draw_the_same(self) -> None:
        """In whatever order events come, and however much other components draw."""
        expected = self.draws()
        actual = self.draws(event_ids=("b", "c", "a"), others=3)
        assert expected == {event_id: actual[event_id] for event_id in ("a", "b")}

    def test_another_seed_event_or_draw_differs(self) -> None:
        """No two of them share numbers."""
        one, other = self.draws(seed=0), self.draws(seed=1)
        numbers = [*one["a"], *one["b"], *other["a"], *other["b"]]
        assert len(set(numbers)) == 8

    def test_two_components_draw_differently(self) -> None:
        """Each has a generator of its own for the same event."""
        drawn = Notes()
        made = pipeline(
            lambda e, c: drawn.add(c.random.random(), {}),
            lambda f, c: drawn.add(c.random.random(), act(f, c)),
            (lambda p, d, c: drawn.add(c.random.random(), d),),
        )
        made.decide({})
        assert len(set(drawn)) == 3

    def test_the_numbers_are_the_same_in_every_process(self) -> None:
        """The draw depends on text alone, not on a hash that changes from run to run."""
        assert self.draws()["a"][:1] == [random.Random("0\0a\0Says").random()]


class TestPacket:
    def test_exactly_the_nine_keys(self) -> None:
        """The packet holds what other tools read, and all features under `mdm`."""
        made = pipeline(key="k", timestamp="t", run_id="r-1", modulators=(denies,))
        packet = made.decide({"k": "a", "t": NOW, "x": 1.5}, {"note": 5}).packet().to_dict()
        external = packet.pop("external")
        latency_ms = packet.pop("latency_ms")
        assert packet == {
            "run_id": "r-1",
            "step": 0,
            "input": {"k": "a", "t": NOW, "x": 1.5},
            "mdm": {
                "action": "ACT",
                "confidence": 0.75,
                "reasons": ["because"],
                "params": {"size": 2},
                "features_summary": {"x": 1.5},
                "features": {"x": 1.5},
            },
            "final_action": {"action": "HOLD", "allowed": False, "reasons": ["too_eager"], "params": {}},
            "mismatch": {
                "flags": ["eager"],
                "reason_codes": ["eager:rate"],
                "throttle_refresh_ms": None,
                "metadata": None,
            },
            "schema_version": "0.1.3",
        }
        latency_us = external.pop("mdm.latency_us")
        assert external == {
            "run_id": "r-1",
            "now_ms": NOW,
            "last_event_ts_ms": NOW,
            "steps_in_window": 0,
            "errors_in_window": 0,
            "rate_limit_events": 0,
            "recent_failures": 0,
            "note": 5,
        }
        assert float is type(latency_us)
        assert int is type(latency_ms)

    def test_actions_are_plain_text(self) -> None:
        """A packet holds names of actions, not members of an enumeration."""
        packet = pipeline().decide({}).packet()
        assert str is type(packet.mdm["action"])
        assert str is type(packet.final_action["action"])

    def test_latency_is_rounded_up(self) -> None:
        """Whole milliseconds, never fewer than were spent."""
        decision = pipeline().decide({})
        for ns, expected in ((1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (0, 0)):
            decision.latency_ns = ns
            assert expected == decision.packet().latency_ms

    def test_the_time_that_deciding_took_is_told_in_microseconds(self) -> None:
        """`mdm.latency_us` is what the decision says in nanoseconds, and covers the model's time."""

        def sleeps(features: Features, context: Context) -> Proposal:
            time.sleep(0.003)
            return act(features, context)

        decision = pipeline(model=sleeps).decide({})
        assert decision.latency_ns / 1000 == decision.context["mdm.latency_us"]
        assert decision.context["mdm.latency_us"] >= 3000
        assert decision.packet().latency_ms >= 4

    def test_external_is_a_plain_dict(self) -> None:
        """It carries none of the context's attributes."""
        assert dict is type(pipeline().decide({}).packet().external)


class TestOutcome:
    def test_nobody_sees_it_and_the_packet_keeps_it(self) -> None:
        """A component that records every key it ever meets never meets the outcome; `eval.outcome` holds it."""
        met = Met()
        spies = (SpyingFeatures(met), SpyingModel(met), SpyingGuard(met))
        made = Pipeline(features=spies[0], model=spies[1], modulators=spies[2:], outcome="result.bad", key="k")
        packet = made.decide({"k": "a", "result": {"bad": CANARY, "x": 1}, "x": 2}, {"note": 1}).packet()
        assert {"k", "result", "x", "note", "run_id", "size"} == met.keys
        assert CANARY not in met.values
        assert packet.external["eval.outcome"] == CANARY
        assert packet.input == {"k": "a", "result": {"x": 1}, "x": 2}

    def test_the_callers_event_keeps_it(self) -> None:
        """What was passed is not changed."""
        event = {"y": 1, "deep": {"y": 2}}
        pipeline(outcome="y").decide(event)
        pipeline(outcome="deep.y").decide(event)
        assert event == {"y": 1, "deep": {"y": 2}}

    def test_an_event_without_one_has_none(self) -> None:
        """The packet says so, and so can tell it from a pipeline that has no outcome."""
        assert pipeline(outcome="y").decide({}).context["eval.outcome"] is None
        assert "eval.outcome" not in pipeline().decide({"y": 1}).context

    def test_it_decides_nothing(self) -> None:
        """With the outcomes shuffled, every decision is the same."""

        def decide_all(outcomes: list[int]) -> list[dict[str, Any]]:
            made = pipeline([Counting()], lambda f, c: Proposal(Action.ACT, 0.5, [], dict(f)), outcome="y")
            packets = [outline(made.decide({"x": i, "y": y})) for i, y in enumerate(outcomes)]
            return [{**p, "external": {**p["external"], "eval.outcome": 0}} for p in packets]

        assert decide_all([0, 1, 1, 0, 1]) == decide_all([1, 0, 1, 1, 0])


class TestModulators:
    def test_hold_is_final(self) -> None:
        """About a HOLD proposal no modulator is asked; it is allowed, without mismatch."""
        final = pipeline(model=hold, modulators=(must_not_be_asked,)).decide({}).final
        assert FinalDecision(Action.HOLD, True, ["quiet"], None, None, None, None) == final

    def test_the_first_denial_ends_the_chain(self) -> None:
        """Later modulators are not asked, and the denial stands as it was given."""
        decision = pipeline(modulators=(passes, denies, must_not_be_asked)).decide({})
        assert (
            FinalDecision(Action.HOLD, False, ["too_eager"], MismatchInfo(["eager"], ["eager:rate"])) == decision.final
        )
        assert decision.failure is None
        assert "mdm.fail_closed" not in decision.context

    def test_a_denial_may_say_stop(self) -> None:
        """STOP is the other action that a denial may have."""
        stop = FinalDecision(Action.STOP, False, [], MismatchInfo(["ops"], ["ops:red"]))
        assert stop is pipeline(modulators=(lambda p, d, c: stop,)).decide({}).final

    def test_each_sees_what_those_before_made_of_it(self) -> None:
        """A changed decision is passed on; the proposal stays what the model wanted."""
        seen: list[tuple[Action, dict[str, Any] | None]] = []

        def changes(proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
            seen.append((proposal.action, decision.params))
            return FinalDecision(
                Action.EXIT, True, ["less"], MismatchInfo([], ["size:halved"]), None, None, {"size": 1}
            )

        decision = pipeline(modulators=(changes, changes)).decide({})
        assert seen == [(Action.ACT, {"size": 2}), (Action.ACT, {"size": 1})]
        packet = decision.packet()
        assert packet.mdm["action"] == "ACT"
        assert packet.final_action == {"action": "EXIT", "allowed": True, "reasons": ["less"], "params": {"size": 1}}
        assert packet.mismatch is not None
        assert (packet.mismatch["flags"], packet.mismatch["reason_codes"]) == ([], ["size:halved"])

    def test_they_are_asked_in_order(self) -> None:
        """The order given is the order of asking."""
        asked = Notes()
        guards = tuple((lambda p, d, c, n=n: asked.add(n, d)) for n in range(4))
        pipeline(modulators=guards).decide({})
        assert asked == [0, 1, 2, 3]


def raises(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def fail(*_: object) -> Any:
        raise error

    return fail


def recurses(*args: object) -> Any:
    """Call itself until Python refuses."""
    return recurses(*args)


PROPOSAL = Proposal(Action.ACT, 0.5)


class TestFailingClosed:
    @pytest.mark.parametrize(
        "error", [ZeroDivisionError(CANARY), KeyError(CANARY), MemoryError(), StopIteration(CANARY)]
    )
    def test_whoever_raises(self, error: Exception) -> None:
        """Features, model or modulator: the flag names the stage, the code the type, and HOLD is not allowed."""
        name = type(error).__name__
        stages = {
            "features": pipeline(features=raises(error)),
            "model": pipeline(model=raises(error)),
            "modulator": pipeline(modulators=(raises(error),)),
        }
        for stage, made in stages.items():
            assert_failed_closed(made.decide({"x": 1}), f"{stage}_error", f"{stage}_error:{name}")

    def test_endless_recursion(self) -> None:
        """A component that calls itself without end fails like any other."""
        assert_failed_closed(pipeline(model=recurses).decide({}), "model_error", "model_error:RecursionError")

    @pytest.mark.parametrize(
        "answer",
        [
            None,
            "ACT",
            Action.ACT,
            {"action": "ACT"},
            FinalDecision(Action.ACT),
            Proposal,
            *(
                forged(Proposal(Action.ACT, 0.5), confidence=bad)
                for bad in (math.nan, math.inf, -math.inf, 1.5, -0.1, 1.0000000000000002, None, "0.5", 1j, [0.5])
            ),
            *(forged(Proposal(Action.ACT, 0.5), action=bad) for bad in ("ACT", "HOLD", None, 1)),
        ],
        ids=repr,
    )
    def test_a_proposal_that_breaks_the_contract(self, answer: Any) -> None:
        """Wrong type, confidence that is no number in [0, 1], or an action that is none of the five."""
        decision = pipeline(model=lambda f, c: answer, modulators=(must_not_be_asked,)).decide({"x": 1})
        assert_failed_closed(decision, "model_error", "model_error:ContractError")
        assert Proposal(Action.HOLD, 0.0, ["model_error:ContractError"], {}) == decision.proposal
        assert decision.features == {"x": 1}

    @pytest.mark.parametrize("confidence", [0.0, -0.0, 1.0, 0, 1, 5e-324])
    def test_the_ends_of_the_range_are_fine(self, confidence: float) -> None:
        """0 and 1 are confidences."""
        assert pipeline(model=lambda f, c: Proposal(Action.ACT, confidence)).decide({}).failure is None

    @pytest.mark.parametrize(
        "answer",
        [
            None,
            True,
            "HOLD",
            PROPOSAL,
            FinalDecision,
            forged(FinalDecision(Action.ACT), action="ACT"),
            forged(FinalDecision(Action.ACT), action=None),
            FinalDecision(Action.ACT, True, [], MismatchInfo(["late"], ["late:1"])),
            FinalDecision(Action.HOLD, False, []),
            FinalDecision(Action.HOLD, False, [], MismatchInfo([], ["late:1"])),
            FinalDecision(Action.HOLD, False, [], MismatchInfo(["late"], [])),
            *(
                FinalDecision(action, False, [], MismatchInfo(["late"], ["late:1"]))
                for action in (Action.ACT, Action.EXIT, Action.CANCEL)
            ),
        ],
        ids=repr,
    )
    def test_an_answer_of_a_modulator_that_breaks_the_contract(self, answer: Any) -> None:
        """Wrong type, allowed with flags, or a denial that acts or does not say why."""
        decision = pipeline(modulators=(lambda p, d, c: answer, must_not_be_asked)).decide({})
        assert_failed_closed(decision, "modulator_error", "modulator_error:ContractError")
        assert Action.ACT is decision.proposal.action

    @pytest.mark.parametrize("answer", [None, [], "x", [("x", 1.0)], 5, MappingProxyType({"x": 1.0})], ids=repr)
    def test_features_that_are_no_dict(self, answer: Any) -> None:
        """Anything but a dict, also where it would count as empty."""
        decision = pipeline(lambda e, c: answer, must_not_be_asked).decide({})
        assert_failed_closed(decision, "features_error", "features_error:ContractError")

    @pytest.mark.parametrize("value", [[1.0], {"y": 1.0}, Decimal(1), b"x", ..., 1j, {1}, Action], ids=repr)
    @pytest.mark.parametrize("beside", [{}, {"ok": 1.0}, {"text": "t"}, {"bad": math.nan}], ids=repr)
    def test_a_feature_of_a_type_that_is_not_allowed(self, value: Any, beside: Features) -> None:
        """A number, bool, text or None is a feature, and nothing else, whatever stands beside it."""
        decision = pipeline(lambda e, c: {**beside, "x": value}, must_not_be_asked).decide({})
        assert_failed_closed(decision, "features_error", "features_error:ContractError")

    def test_the_failing_component_is_named(self) -> None:
        """Of several components of a stage, the failure names the one that failed, and the line."""
        failure = pipeline(modulators=(Ledger(), raises(ValueError()))).decide({}).failure
        assert failure is not None
        assert (failure.stage, failure.component) == ("modulator", "Guard")
        assert failure.place.startswith("test_pipeline.py:")

    def test_the_next_event_is_decided_as_if_nothing_had_been(self) -> None:
        """A failure leaves no mark on what comes after it."""

        def sometimes(features: Features, context: Context) -> Proposal:
            if features["total"] == 2:
                raise ValueError
            return act(features, context)

        made = pipeline([Counting()], sometimes)
        decisions = [made.decide({"x": x}) for x in (1, 1, 1)]
        assert [d.failure and d.failure.error for d in decisions] == [None, "ValueError", None]
        assert "mdm.fail_closed" not in decisions[2].context
        assert Action.ACT is decisions[2].final.action

    def test_no_message_leaves(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The text of an exception, which may quote the event, is in no packet, no failure, no log, no output."""
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        logger = logging.getLogger("mdm")
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            made = [
                pipeline(features=raises(ValueError(CANARY))),
                pipeline(model=raises(KeyError(CANARY))),
                pipeline(modulators=(raises(RuntimeError(CANARY)), passes)),
                pipeline(modulators=(Broken(),)),
            ]
            decisions = [m.decide({}) for m in made]
        finally:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
        out, err = capfd.readouterr()
        told = [repr(d.packet().to_dict()) + repr(d.failure) + repr(d.final) for d in decisions]
        assert [text for text in (*told, log.getvalue(), out, err) if CANARY in text] == []
        assert log.getvalue().count("step 0: ") == 4


class TestFeatures:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (math.nan, None),
            (math.inf, None),
            (-math.inf, None),
            (PlainFloat("nan"), None),
            (1.5, 1.5),
            (-0.0, -0.0),
            (0, 0),
            (True, True),
            ("text", "text"),
            (None, None),
        ],
    )
    @pytest.mark.parametrize(
        "beside", [{}, {"text": "t"}, {"none": None}, {"bad": math.nan}, {"huge": 1e308}], ids=repr
    )
    def test_numbers_that_are_not_finite_are_none(self, value: Any, expected: object, beside: Features) -> None:
        """Everything else stays what it is, type and all, whatever stands beside it."""
        seen = Notes()
        made = pipeline(lambda e, c: {**beside, "x": value, "y": 1.0}, lambda f, c: seen.add(f, act(f, c)))
        decision = made.decide({})
        assert decision.failure is None
        assert repr(expected) == repr(seen[0]["x"])
        assert seen[0] is decision.features is decision.context.features

    def test_sums_that_overflow_change_nothing(self) -> None:
        """Large finite numbers stay, though their sum is not finite; infinities that cancel do not."""
        made = pipeline(lambda e, c: dict(e))
        assert made.decide({"a": 1e308, "b": 1e308}).features == {"a": 1e308, "b": 1e308}
        assert made.decide({"a": math.inf, "b": -math.inf}).features == {"a": None, "b": None}

    def test_several_extractors_are_merged(self) -> None:
        """All features reach the model, in the order of the extractors."""
        extractors = [Take(lambda e, c: {"a": 1.0}), Take(lambda e, c: {}), Take(lambda e, c: {"b": 2.0, "c": 3.0})]
        decision = pipeline(extractors).decide({})
        assert list(decision.features.items()) == [("a", 1.0), ("b", 2.0), ("c", 3.0)]

    def test_a_name_given_twice_fails_closed(self) -> None:
        """Two extractors that give the same name cannot both be right."""
        decision = pipeline([Take(lambda e, c: {"a": 1.0}), Take(lambda e, c: {"b": 1, "a": 1.0})]).decide({})
        assert_failed_closed(decision, "features_error", "features_error:DuplicateFeature")

    def test_what_an_extractor_keeps_is_not_changed(self) -> None:
        """Merging and mending make new dicts; the extractor's own stays as it gave it."""
        kept: Features = {"a": 1.0, "b": "t"}
        pipeline([Take(lambda e, c: kept), Take(lambda e, c: {"c": 2.0})]).decide({})
        pipeline([Take(lambda e, c: kept)], timestamp=None).decide({})
        assert kept == {"a": 1.0, "b": "t"}


def executed(seq: int, status: Any = "done") -> Executed:
    """A receipt, as a run would report it."""
    return Executed(seq, Receipt(status), Order(Action.ACT, {}, "k", {}, f"key-{seq}"), 1, 0.5, NOW)


class TestFacts:
    def test_what_was_decided_is_learned_before_decide_returns(self) -> None:
        """Every learner gets the final decision and its context, whatever the decision is."""
        ledger = Ledger()
        made = pipeline(modulators=(ledger,), key="k")
        decision = made.decide({"k": "a"})
        (fact,) = ledger.facts
        assert isinstance(fact, Decided)
        assert (decision.final, decision.context) == (fact.final, fact.context)
        assert fact.context.key == "a"

    def test_a_failed_decision_is_learned_too(self) -> None:
        """Guards that count failures have something to count, and see that it failed closed."""
        ledger = Ledger()
        pipeline(features=raises(ValueError()), modulators=(ledger,)).decide({})
        pipeline(model=hold, modulators=(ledger,)).decide({})
        pipeline(modulators=(denies, ledger)).decide({})
        facts = [fact for fact in ledger.facts if isinstance(fact, Decided)]
        assert [fact.final.allowed for fact in facts] == [False, True, False]
        assert [fact.context.get("mdm.fail_closed", False) for fact in facts] == [True, False, False]

    def test_a_learner_that_raises_fails_the_decision_closed(self) -> None:
        """A guard that could not count the decision must not see it carried out; the others still learn."""
        ledger = Ledger()
        decision = pipeline(modulators=(Broken(), ledger)).decide({})
        assert_failed_closed(decision, "observe_error", "observe_error:RuntimeError")
        assert Action.ACT is decision.proposal.action
        assert decision.failure is not None
        assert decision.failure.component == "Broken"
        decided, taken_back = ledger.facts
        assert isinstance(decided, Decided)
        assert isinstance(taken_back, Settled)
        assert (Action.ACT, "denied") == (taken_back.order.action, taken_back.outcome)

    def test_every_kind_of_component_may_learn(self) -> None:
        """Extractors, models, children and modulators learn in the order of the pipeline, children first."""
        order: list[str] = []
        made = Pipeline(
            features=LearningFeatures(order),
            model=LearningModel(order, "outer", model=LearningModel(order, "inner", model=Says(act))),
            modulators=[LearningGuard(order)],
        )
        made.decide({})
        made.observe(executed(1))
        assert order == ["features", "inner", "outer", "guard"] * 2

    def test_receipts_come_in_through_observe(self) -> None:
        """They are passed on as they are, in the order in which they come."""
        ledger = Ledger()
        made = pipeline(modulators=(ledger,))
        facts: list[Fact] = [executed(1), executed(2, "failed"), Commanded(3, "stop", "why", "me", NOW)]
        for fact in facts:
            made.observe(fact)
        assert facts == ledger.facts

    def test_the_last_receipt_is_recorded(self) -> None:
        """`mdm.feedback_seq` says which recorded inputs a decision knew of."""
        made = pipeline()
        assert "mdm.feedback_seq" not in made.decide({}).context
        made.observe(executed(1))
        made.observe(executed(2))
        assert made.decide({}).packet().external["mdm.feedback_seq"] == 2
        assert made.feedback_seq == 2

    def test_without_learners_nothing_is_made_for_them(self) -> None:
        """A pipeline whose components do not learn makes no facts."""
        made = pipeline(modulators=(passes,))
        made.observe(executed(1))
        assert made.decide({}).failure is None


class TestLifeCycle:
    def test_children_are_opened_first_and_closed_last(self) -> None:
        """A parent may use its child while it opens and while it closes."""
        order: list[str] = []
        model = Nested("outer", order, model=Nested("inner", order, model=Leaf(order)))
        with Pipeline(features=Opening(lambda b: order.append("open features")), model=model) as made:
            assert order == ["open features", "open leaf", "open inner", "open outer"]
            assert Action.HOLD is made.decide({}).proposal.action
        assert order[4:] == ["close outer", "close inner", "close leaf"]

    def test_components_learn_their_surroundings(self) -> None:
        """What a component may know is what the pipeline was made with."""
        builds: list[Build] = []
        pipeline(
            [Opening(builds.append)],
            key="k",
            timestamp="t",
            id="i",
            seed=9,
            run_id="r-1",
            base_dir="/some/where",
        )
        assert (
            builds[0].key,
            builds[0].timestamp,
            builds[0].id,
            builds[0].clock,
            builds[0].seed,
            builds[0].run_id,
            str(builds[0].base_dir),
            builds[0].run_dir,
        ) == ("k", "t", "i", "event", 9, "r-1", "/some/where", None)

    def test_what_cannot_open_closes_what_was_opened(self) -> None:
        """The error names the component, and nothing stays open."""
        order: list[str] = []
        model = Nested("outer", order, model=Leaf(order, fails=True))
        with pytest.raises(ConfigError, match=r"^Leaf: the leaf cannot open$"):
            Pipeline(features=[telling(order)], model=model)
        assert order == ["open features", "open leaf", "close leaf", "close features"]

    def test_any_other_error_while_opening_closes_too(self) -> None:
        """Not only what a component says on purpose; the message names it and says why."""
        order: list[str] = []
        with pytest.raises(ConfigError) as caught:
            Pipeline(features=[telling(order), Opening(raises(OSError("disk")))], model=Says(act))
        assert str(caught.value) == "Opening: cannot be opened: OSError: disk; install or correct what it needs"
        assert order == ["open features", "close features"]

    def test_what_cannot_close_does_not_keep_the_others_open(self, caplog: pytest.LogCaptureFixture) -> None:
        """The failure is logged without its message, and the rest is closed."""
        order: list[str] = []
        made = Pipeline(features=[telling(order)], model=Clingy())
        with caplog.at_level(logging.DEBUG, "mdm"):
            made.close()
        assert order == ["open features", "close features"]
        assert caplog.messages == ["Clingy could not be closed: RuntimeError"]

    def test_it_closes_when_the_block_raises(self) -> None:
        """A pipeline used with `with` is closed in any case."""
        order: list[str] = []
        with (
            pytest.raises(KeyError),
            Pipeline(features=[telling(order)], model=Says(act)),
        ):
            raise KeyError
        assert order[-1] == "close features"


class TestStates:
    def test_every_keyed_state_has_a_name_of_its_own(self) -> None:
        """Those of children are listed too, and two components of one class are told apart."""
        made = Pipeline(
            features=[Counting(), Counting()],
            model=Remembering(model=Remembering(model=Says(act))),
        )
        names = [name for name, _ in made.states()]
        assert names == ["0.Counting.states", "1.Counting.states", "3.Remembering.memory", "4.Remembering.memory"]

    def test_restored_states_decide_alike(self) -> None:
        """A pipeline restored from another's snapshots goes on exactly as the other does."""
        first = pipeline([Counting()], key="k")
        for i in range(20):
            first.decide({"k": i % 3, "x": i / 7})
        second = pipeline([Counting()], key="k")
        saved = {name: state.snapshot() for name, state in first.states()}
        for name, state in second.states():
            state.restore(saved[name])
        events = [{"k": i % 4, "x": i / 11} for i in range(20)]
        assert [first.decide(e).features for e in events] == [second.decide(e).features for e in events]

    def test_two_pipelines_do_not_touch_each_other(self) -> None:
        """Several in one process, also of the same classes, count for themselves."""
        one, other = pipeline([Counting()], timestamp="t"), pipeline([Counting()], timestamp="t")
        for _ in range(3):
            one.decide({"t": NOW})
        decision = other.decide({"t": 5})
        assert (decision.step, decision.context["now_ms"], decision.features["n"]) == (0, 5, 1)

    def test_several_pipelines_in_several_threads(self) -> None:
        """One pipeline a thread: each decides as it would alone."""
        events = [{"k": i % 5, "x": i / 3, "t": NOW + i} for i in range(300)]

        def decide_all() -> list[dict[str, Any]]:
            made = pipeline([Counting()], lambda f, c: Proposal(Action.ACT, c.random.random()), key="k", timestamp="t")
            return [outline(made.decide(event)) for event in events]

        results: list[list[dict[str, Any]]] = []
        threads = [threading.Thread(target=lambda: results.append(decide_all())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [decide_all()] * 4 == results


class Numbered(IntEnum):
    ONE = 1


class TestBreaches:
    @pytest.mark.parametrize("first", [None, [], "", 0, ()], ids=repr)
    def test_a_first_extractor_that_gives_no_dict_is_noticed(self, first: Any) -> None:
        """Also when another one comes after it and what it gave counts as empty."""
        decision = pipeline([Take(lambda e, c: first), Take(lambda e, c: {"x": 1.0})]).decide({})
        assert_failed_closed(decision, "features_error", "features_error:ContractError")

    @pytest.mark.parametrize("answer", [None, "x", [1], {"x": ...}, {"x": math.nan}, {"x": [1]}], ids=repr)
    def test_features_that_were_refused_are_not_recorded(self, answer: Any) -> None:
        """What broke the contract is in no packet, where it could not be written or would be shown to readers."""
        assert {} == pipeline(lambda e, c: answer, raises(ValueError())).decide({}).features or answer == {
            "x": math.nan
        }

    def test_features_of_an_extractor_before_the_failing_one_are_finite(self) -> None:
        """A later extractor that raises leaves no NaN in the packet."""
        decision = pipeline([Take(lambda e, c: {"x": math.nan, "y": object()}), Take(raises(ValueError()))]).decide({})
        assert {} == decision.features

    @pytest.mark.parametrize("value", [PlainFloat(1.5), Fraction(1, 2), Numbered.ONE], ids=repr)
    @pytest.mark.parametrize("beside", [{}, {"y": 1.0}], ids=repr)
    def test_numbers_of_other_types_become_plain(self, value: Any, beside: Features) -> None:
        """JSON knows float, int, bool and text; what only counts like a number is not taken for one."""
        features = pipeline(lambda e, c: {**beside, "x": value}).decide({}).features
        assert {float} == set(map(type, features.values()))

    def test_what_only_adds_up_like_a_number_is_refused(self) -> None:
        """An object may carry anything, and what it adds up to says nothing of it."""

        class Sly:
            def __radd__(self, other: float) -> float:
                return float(other)

        decision = pipeline(lambda e, c: {"y": 1.0, "x": Sly()}).decide({})
        assert_failed_closed(decision, "features_error", "features_error:ContractError")
        assert {} == decision.features

    @pytest.mark.parametrize("name", [1, None, ("a", "b"), b"x"], ids=repr)
    def test_a_feature_name_is_text(self, name: Any) -> None:
        """Another key could not be written."""
        decision = pipeline(lambda e, c: {name: 1.0}).decide({})
        assert_failed_closed(decision, "features_error", "features_error:ContractError")

    def test_a_bool_is_no_confidence(self) -> None:
        """Not even True, which counts as 1."""
        decision = pipeline(model=lambda f, c: forged(Proposal(Action.ACT, 0.5), confidence=True)).decide({})
        assert_failed_closed(decision, "model_error", "model_error:ContractError")

    @pytest.mark.parametrize("allowed", ["no", 1, None, 0], ids=repr)
    def test_allowed_is_true_or_false(self, allowed: Any) -> None:
        """Anything else is a breach of contract, not a permission."""
        final = forged(FinalDecision(Action.ACT), allowed=allowed)
        assert_failed_closed(
            pipeline(modulators=(lambda p, d, c: final,)).decide({}), "modulator_error", "modulator_error:ContractError"
        )

    def test_flags_are_a_list(self) -> None:
        """A text would be counted letter by letter."""
        final = FinalDecision(Action.HOLD, False, [], MismatchInfo("late", "late:1"))  # type: ignore[arg-type]
        assert_failed_closed(
            pipeline(modulators=(lambda p, d, c: final,)).decide({}), "modulator_error", "modulator_error:ContractError"
        )

    @pytest.mark.parametrize("flag", ["", "Too late", "mail of ada@example.org", "AKIAIOSFODNN7EXAMPLE", "x" * 65, "9"])
    def test_a_flag_is_a_stable_code(self, flag: str) -> None:
        """A flag is counted and shown by its name, which no redactor sees, so it must not hold data."""
        final = FinalDecision(Action.HOLD, False, [], MismatchInfo([flag], ["why"]))
        assert_failed_closed(
            pipeline(modulators=(lambda p, d, c: final,)).decide({}), "modulator_error", "modulator_error:ContractError"
        )

    def test_modulators_are_not_asked_about_a_hold_of_another(self) -> None:
        """HOLD is final, also when a modulator made it of something else."""
        final = FinalDecision(Action.HOLD, True, ["rather_not"])
        assert final is pipeline(modulators=(lambda p, d, c: final, must_not_be_asked)).decide({}).final

    def test_a_component_that_exits(self) -> None:
        """`sys.exit` in a component ends the decision, not the process."""
        assert_failed_closed(
            pipeline(model=raises(SystemExit(CANARY))).decide({}), "model_error", "model_error:SystemExit"
        )

    def test_the_first_failure_is_kept(self) -> None:
        """A learner that fails after the model has failed does not hide why."""
        failure = pipeline(model=raises(KeyError()), modulators=(Broken(),)).decide({}).failure
        assert failure is not None
        assert "model_error:KeyError" == failure.reason_code

    def test_commands_are_counted_as_recorded_inputs(self) -> None:
        """`mdm.feedback_seq` is the last recorded input applied, receipt or command."""
        made = pipeline()
        made.observe(executed(1))
        made.observe(Commanded(2, "stop", "why", "me", NOW))
        assert 2 == made.decide({}).context["mdm.feedback_seq"]

    def test_a_learner_that_raises_keeps_no_receipt_from_the_others(self) -> None:
        """The circuit breaker must learn of a failure although the guard before it cannot."""
        ledger = Ledger()
        failures = pipeline(modulators=(Broken(), ledger)).observe(executed(1))
        assert ["observe_error:RuntimeError"] == [failure.reason_code for failure in failures]
        assert 1 == len(ledger.facts)

    def test_learners_draw_from_their_own_generator(self) -> None:
        """While it learns, the context names the learner."""
        named: list[str] = []

        class Learner(Ledger):
            def observe(self, fact: Fact) -> None:
                assert isinstance(fact, Decided)
                named.append(fact.context.component)

        pipeline(modulators=(Learner(), passes)).decide({})
        assert ["Learner"] == named

    def test_two_components_of_one_class_draw_differently(self) -> None:
        """What one draws does not change what the other gets."""
        drawn = Notes()
        guard = lambda p, d, c: drawn.add(c.random.random(), d)  # noqa: E731
        pipeline(modulators=(guard, guard)).decide({})
        pipeline(modulators=(passes, guard)).decide({})
        assert drawn[1] == drawn[2]

    def test_the_wall_clock_never_goes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """`now_ms` is the highest time seen also when the machine's clock is set back."""
        made = pipeline(clock="wall")
        first = made.decide({}).context["now_ms"]
        monkeypatch.setattr(time, "time_ns", lambda: 5_000_000)
        assert first <= made.decide({}).context["now_ms"]

    def test_closing_twice_closes_once(self) -> None:
        """`close` of a component is called once, also if the pipeline is closed inside its own block."""
        order: list[str] = []
        with Pipeline(features=telling(order), model=Says(act)) as made:
            made.close()
        assert ["open features", "close features"] == order

    def test_a_child_of_two_parents_is_opened_once(self) -> None:
        """A component that two others hold is one component."""
        order: list[str] = []
        leaf = Leaf(order)
        Pipeline(features=telling([]), model=Both(a=leaf, b=leaf)).close()
        assert ["open leaf", "close leaf"] == order

    def test_a_kept_context_does_not_tell_the_outcome(self) -> None:
        """A component that keeps contexts finds no outcome in them at the next event."""
        kept = Notes()
        found: list[object] = []

        def extract(event: Event, context: Context) -> Features:
            found.extend(c.get("eval.outcome") for c in kept)
            return kept.add(context, {})  # type: ignore[no-any-return]

        made = pipeline(extract, outcome="y")
        made.decide({"y": CANARY})
        made.decide({"y": CANARY})
        assert [None] == found


@attrs.define
class Both(ProposalModel):
    a: ProposalModel = component()
    b: ProposalModel = component()

    def propose(self, features: Features, context: Context) -> Proposal:
        return hold(features, context)
