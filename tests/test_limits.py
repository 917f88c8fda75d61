"""Time limits of decisions: what took too long leaves no mark, is made anew, or is left out for a while."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import pytest

from mdm_core import (
    Action,
    Build,
    Component,
    Context,
    Decided,
    Decision,
    Event,
    Executed,
    Fact,
    FeatureExtractor,
    Features,
    FinalDecision,
    KeyedState,
    Modulator,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
    Settled,
    component,
    keyed_state,
    option,
)
from mdm_core.journal import TimedOut
from mdm_core.replay import RecordedInputs, Replay, ReplayFailed

pytestmark = pytest.mark.usefixtures("own_time")

LIMIT_MS = 20


@attrs.define
class Count:
    """How often something was seen."""

    n: int = 0


@attrs.define(slots=False)
class Slow(Component):
    """Hangs at the steps it is told to; remembers how often it was made and opened."""

    hangs: tuple[int, ...] = option((), help="steps at which it hangs")
    opened: int = attrs.field(init=False, default=0)
    half_done: bool = attrs.field(init=False, default=False)
    opens: ClassVar[int] = 0

    def open(self, build: Build) -> None:
        self.opened += 1
        type(self).opens += 1

    def work(self, step: int) -> None:
        self.half_done = True
        while step in self.hangs:
            pass
        self.half_done = False


@attrs.define(slots=False)
class Counts(Slow, FeatureExtractor):
    """Counts events per key, and then works."""

    states: KeyedState[Count] = keyed_state(Count, max_keys=2)

    def extract(self, event: Event, context: Context) -> Features:
        state = self.states[context.key]
        state.n += 1
        self.work(context.step)
        return {"n": state.n}


@attrs.define(slots=False)
class Acts(Slow, ProposalModel):
    """Proposes to act."""

    def propose(self, features: Features, context: Context) -> Proposal:
        self.work(context.step)
        return Proposal(Action.ACT, 0.5, ["r"], {"half_done": self.half_done})


@attrs.define(slots=False)
class Wraps(Acts):
    """The same around a model that learns."""

    model: ProposalModel = component()


@attrs.define(slots=False)
class Learns(Slow, Modulator):
    """Counts what was decided and carried out, and then works."""

    slow_facts: tuple[int, ...] = option((), help="numbers of receipts at which it hangs")
    states: KeyedState[Count] = keyed_state(Count)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return decision

    def observe(self, fact: Fact) -> None:
        if isinstance(fact, Settled) or (isinstance(fact, Decided) and not fact.final.allowed):
            return
        self.states[None].n += 1
        if isinstance(fact, Decided):
            self.work(fact.context.step)
        while fact.seq in self.slow_facts if isinstance(fact, Executed) else False:
            pass


def limit(part: Any, timeout_ms: int = LIMIT_MS) -> Any:
    """Give a component a time limit."""
    part.timeout_ms = timeout_ms
    return part


def codes(decisions: list[Decision]) -> list[str]:
    """The reason code of each decision that failed closed, else the action."""
    return [d.final.action.value if d.failure is None else d.failure.reason_code for d in decisions]


def decide(pipeline: Pipeline, keys: str) -> list[Decision]:
    """Decide one event for each letter, which is its key."""
    return [pipeline.decide({"k": key}) for key in keys]


class TestNothingConfigured:
    def test_nothing_is_in_between(self) -> None:
        """Without a limit the pipeline calls the bound methods themselves."""
        features, model, guard = Counts(), Acts(), Learns()
        pipeline = Pipeline(features=features, model=model, modulators=[guard])
        assert pipeline.limits is None
        assert features.extract == pipeline.main._extract[0][0]
        assert model.propose == pipeline.main._propose
        assert [(guard.modulate, "Learns")] == pipeline.main._modulate
        assert [("Learns", guard.observe)] == pipeline.main._learners


class TestTooLong:
    @pytest.mark.parametrize(
        ("features", "model", "modulators", "code"),
        [
            (limit(Counts((1,))), Acts(), [], "features_timeout"),
            (Counts(), limit(Acts((1,))), [], "model_timeout"),
            (Counts(), Acts(), [limit(Learns((1,)))], "observe_timeout"),
        ],
        ids=["features", "model", "observe"],
    )
    def test_it_fails_closed_and_leaves_no_mark(
        self, features: Any, model: Any, modulators: list[Any], code: str
    ) -> None:
        """HOLD with a stable code; to the key it is as if the event had not come; the next is decided as ever."""
        pipeline = Pipeline(features=features, model=model, modulators=modulators, key="k")
        decisions = decide(pipeline, "aaa")
        assert ["ACT", code, "ACT"] == codes(decisions)
        assert decisions[1].context["mdm.fail_closed"] is True
        assert [{"n": 1}, {"n": 2}] == [decisions[0].features, decisions[2].features]

    def test_a_whole_decision(self) -> None:
        """Whatever stage uses the time up, the decision's limit breaks it off."""
        for part in ("features", "model", "guard"):
            parts: dict[str, Any] = {"features": Counts(), "model": Acts(), "guard": Learns()}
            parts[part].hangs = (1,)
            guard = parts.pop("guard")
            pipeline = Pipeline(**parts, modulators=[guard], key="k", timeout_ms=LIMIT_MS)
            assert ["ACT", "decision_timeout", "ACT"] == codes(decide(pipeline, "aaa"))

    def test_the_shorter_limit_counts(self) -> None:
        """The code says which it was."""
        pipeline = Pipeline(features=Counts(), model=limit(Acts((0,)), 10_000), key="k", timeout_ms=LIMIT_MS)
        assert ["decision_timeout"] == codes(decide(pipeline, "a"))
        pipeline = Pipeline(features=Counts(), model=limit(Acts((0,))), key="k", timeout_ms=10_000)
        assert ["model_timeout"] == codes(decide(pipeline, "a"))

    def test_a_receipt_that_takes_too_long_to_learn_from(self) -> None:
        """It is reported, and forgotten as far as this component is concerned."""
        guard = limit(Learns(slow_facts=(2,)))
        pipeline = Pipeline(features=Counts(), model=Acts(), modulators=[guard])
        order = Order(Action.ACT, {}, None, {}, "key")
        facts = [Executed(seq, Receipt("done"), order, 1, 1.0, None) for seq in (1, 2, 3)]
        reported = [[failure.reason_code for failure in pipeline.observe(fact)] for fact in facts]
        assert [[], ["observe_timeout"], []] == reported
        assert 2 == guard.states[None].n

    def test_an_evicted_key(self) -> None:
        """Which keys are forgotten does not depend on how far a component came before it was broken off."""
        pipelines = [
            Pipeline(features=limit(Counts((2,))), model=Acts(), key="k"),
            Pipeline(features=Counts(), model=limit(Acts((2,))), key="k"),
        ]
        for pipeline in pipelines:
            decide(pipeline, "abc")
        kept = [list(pipeline.features[0].states) for pipeline in pipelines]  # type: ignore[attr-defined]
        assert [["b", "c"]] * 2 == kept


class TestMadeAnew:
    def test_from_its_options_and_keyed_state(self) -> None:
        """What it was in the middle of is gone, its options and counts are there, and it was opened again."""
        features = limit(Counts((1,)))
        pipeline = Pipeline(features=features, model=Acts(), key="k")
        decide(pipeline, "aa")
        assert features.half_done
        opens = Counts.opens
        decision = pipeline.decide({"k": "a"})
        assert (False, (1,), {"n": 2}) == (features.half_done, features.hangs, decision.features)
        assert (1, opens + 1) == (features.opened, Counts.opens)
        assert LIMIT_MS == features.timeout_ms
        assert [features] == list(pipeline.features)

    def test_it_costs_the_next_decision_no_time(self) -> None:
        """However long it takes to open, the limit is for deciding."""

        @attrs.define(slots=False)
        class Heavy(Acts):
            def open(self, build: Build) -> None:
                opened = time.process_time()
                while time.process_time() < opened + 0.05:
                    pass

        pipeline = Pipeline(features=Counts(), model=Heavy((0,)), key="k", timeout_ms=LIMIT_MS)
        assert ["decision_timeout", "ACT"] == codes(decide(pipeline, "aa"))

    def test_children_too(self) -> None:
        """They may have been what hung."""
        inner = Acts()
        pipeline = Pipeline(features=Counts(), model=limit(Wraps((0,), model=inner)), key="k")
        opens = Acts.opens
        decide(pipeline, "aa")
        assert (opens + 1, inner) == (Acts.opens, pipeline.model.model)  # type: ignore[attr-defined]

    def test_one_that_cannot_be_opened_again(self) -> None:
        """The decision fails closed, and it is tried again at the next."""

        @attrs.define(slots=False)
        class Once(Acts):
            broken: ClassVar[bool] = False

            def open(self, build: Build) -> None:
                if self.broken:
                    raise OSError

        pipeline = Pipeline(features=Counts(), model=limit(Once((0,))), key="k")
        Once.broken = True
        assert ["model_timeout", "model_error:OSError"] == codes(decide(pipeline, "aa"))
        Once.broken = False
        assert ["ACT"] == codes(decide(pipeline, "a"))


class TestSwitchedOff:
    def test_after_several_time_outs_in_a_row(self) -> None:
        """For so many decisions it is not asked, and then it is again."""
        model = limit(Acts((1, 2, 4, 5, 6)))
        pipeline = Pipeline(features=Counts(), model=model, key="k", switch_off_after=3, switch_off_for=2)
        off, late = "model_switched_off", "model_timeout"
        assert ["ACT", late, late, "ACT", late, late, late, off, off, "ACT"] == codes(decide(pipeline, "a" * 10))
        assert pipeline.limits is not None
        assert [0, 0, 0, 0, 2] == [overrun.off_for for overrun in pipeline.limits.overruns]

    def test_another_component_is_asked_all_the_while(self) -> None:
        """Only what took too long is left out."""
        first, second = limit(Acts((0,))), limit(Counts())
        pipeline = Pipeline(features=second, model=first, key="k", switch_off_after=1, switch_off_for=2)
        decide(pipeline, "aaaa")
        assert 3 == second.states["a"].n


@pytest.fixture
def pipeline() -> Callable[[], Pipeline]:
    """A pipeline in which everything hangs now and then; its features do at the first event of a key, too."""

    def make() -> Pipeline:
        parts: dict[str, Any] = {"features": limit(Counts((2, 3, 9))), "model": limit(Acts((4, 9, 10, 11)))}
        guard = limit(Learns((6, 7), slow_facts=(1, 3)))
        return Pipeline(**parts, modulators=[guard], key="k", switch_off_after=2, switch_off_for=2)

    return make


class TestReplay:
    KEYS = "abcabcaabbccab"

    def test_time_outs_come_from_the_record(self, pipeline: Callable[[], Pipeline]) -> None:
        """The same decisions, and the same state, without waiting for anything."""
        first, recorded = pipeline(), []
        order = Order(Action.ACT, {}, "a", {}, "key")
        for step, key in enumerate(self.KEYS):
            recorded.append(first.decide({"k": key}))
            if step % 4 == 0:
                first.observe(Executed(step // 4, Receipt("done"), order, 1, 1.0, None))
        assert first.limits is not None
        overruns = first.limits.overruns
        entries = [TimedOut(n, o.step, o.stage, o.component, o.code, o.seq) for n, o in enumerate(overruns, 1)]
        assert {"features", "model", "observe"} == {entry.stage for entry in entries}
        assert any(entry.step is None for entry in entries)

        again = pipeline()
        started = time.process_time()
        replay = Replay(again, RecordedInputs(entries), "r")
        replayed = []
        for step, key in enumerate(self.KEYS):
            replayed.append(replay.decide({"k": key}))
            if step % 4 == 0:
                again.observe(Executed(step // 4, Receipt("done"), order, 1, 1.0, None))
        assert codes(recorded) == codes(replayed)
        assert [d.features for d in recorded] == [d.features for d in replayed]
        snapshots = [{name: state.snapshot() for name, state in p.states()} for p in (first, again)]
        assert snapshots[0] == snapshots[1]
        assert time.process_time() - started < len(entries) * LIMIT_MS / 1000

    def test_a_pipeline_without_limits(self) -> None:
        """A record of time-outs does not fit it."""
        made = Pipeline(features=Counts(), model=Acts())
        with pytest.raises(ReplayFailed, match="time-outs or deaths, and nothing in the pipeline is limited or"):
            Replay(made, RecordedInputs([TimedOut(1, 0, "model", "Acts", "model_timeout")]), "r")
