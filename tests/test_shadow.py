"""Shadows: challengers that see every event, decide for themselves, and change nothing."""

# ruff: noqa: ARG001, ARG005 - functions stand in for methods of the contract and have their parameters

from __future__ import annotations

import json
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from crash_machine import IDEMPOTENT, Machine, moments
from jsonschema import Draft202012Validator

from mdm_core import (
    Action,
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
    KeyedState,
    MismatchInfo,
    Modulator,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
    Settled,
    keyed_state,
)
from mdm_core.building import Builder
from mdm_core.canary import Canary
from mdm_core.config import Config
from mdm_core.json_schema import pipeline_schema
from mdm_core.orders import make_order
from mdm_core.pipeline import PipelineParts
from mdm_core.plan import Plan
from mdm_core.plugins import Registry
from mdm_core.replay import RecordedInputs, Replay
from mdm_core.shadow import SAVED_UP, Shadow
from mdm_core.state import veil_by

ACT, HOLD, EXIT = Action.ACT, Action.HOLD, Action.EXIT
OPTIONS: dict[str, Any] = {"key": "who", "timestamp": "at", "id": "id"}
EVENTS: list[dict[str, Any]] = [
    {"id": f"e{n}", "who": f"k{n % 7}", "at": 1000 * n, "x": n % 10 / 10, "deep": {"list": [n]}} for n in range(200)
]
AMPLE = 10**9


@attrs.define
class Seen:
    n: int = 0


@attrs.define
class Counts(FeatureExtractor):
    """Counts the events of each key, and gives their x."""

    states: KeyedState[Seen] = keyed_state(Seen)

    def extract(self, event: Event, context: Context) -> Features:
        if event["x"] == 0.9:
            raise LookupError
        self.states[context.key].n += 1
        return {"n": self.states[context.key].n, "x": event["x"]}


@attrs.define
class From(ProposalModel):
    """Acts from a threshold on, by and by more cautiously, and a little by chance."""

    threshold: float = 0.5
    params: dict[str, Any] = attrs.field(factory=dict)

    def propose(self, features: Features, context: Context) -> Proposal:
        if features["x"] == 0.7:
            raise ZeroDivisionError
        x = float(features["x"] or 0.0) + context.random.random() / 10
        return Proposal(ACT if x > self.threshold else HOLD, min(x, 1.0), ["x"], dict(self.params))


@attrs.define
class Every(Modulator):
    """Allows an action for a key only if it was not the last to act; remembers facts; denies while much goes wrong."""

    errors: int = 1000
    facts: list[Fact] = attrs.field(factory=list)
    states: KeyedState[Seen] = keyed_state(Seen)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if self.states[context.key].n % 2 and context["errors_in_window"] <= self.errors:
            return decision
        return FinalDecision(HOLD, False, ["every"], MismatchInfo(["every"], ["every"]))

    def observe(self, fact: Fact) -> None:
        self.facts.append(fact)
        if isinstance(fact, Decided):
            self.states[fact.context.key].n += 1


@attrs.define
class Does(ProposalModel):
    """Does what it is told to, and wants what it is told to want."""

    does: Callable[[Features, Context], Any] = lambda features, context: None
    wants: Action = ACT
    params: dict[str, Any] = attrs.field(factory=dict)

    def propose(self, features: Features, context: Context) -> Proposal:
        self.does(features, context)
        return Proposal(self.wants, 0.5, ["told"], dict(self.params))


@attrs.define
class Spoils(FeatureExtractor):
    """Changes the event as deeply as it can."""

    def extract(self, event: Event, context: Context) -> Features:
        event["deep"]["list"].append("spoilt")
        event["deep"]["x"] = "spoilt"
        return {"x": 0.6}


def plain(*shadows: Shadow, **options: Any) -> Pipeline:
    """The pipeline that is shadowed."""
    return Pipeline(features=Counts(), model=From(), modulators=[Every()], shadows=shadows, **{**OPTIONS, **options})


def without_shadows(decision: Decision) -> dict[str, Any]:
    """A packet without times, and without what shadows say."""
    packet = decision.packet().to_dict() | {"latency_ms": 0}
    external = {k: v for k, v in packet["external"].items() if not k.startswith(("mdm.shadow.", "mdm.latency"))}
    return packet | {"external": external}


def said(decision: Decision, name: str = "new") -> dict[str, Any]:
    """What a packet says of a shadow."""
    prefix = f"mdm.shadow.{name}."
    external = decision.packet().external
    return {key.removeprefix(prefix): value for key, value in external.items() if key.startswith(prefix)}


def outcome(decision: Decision) -> dict[str, Any]:
    """What a shadow that decides so would say."""
    told: dict[str, Any] = {
        "proposed": decision.proposal.action.value,
        "confidence": decision.proposal.confidence,
        "action": decision.final.action.value,
        "allowed": decision.final.allowed,
    }
    return told | ({"fail_closed": True} if decision.failure is not None else {})


def raises(*_: Any) -> Any:
    """Raise."""
    raise RuntimeError


class TestChangesNothing:
    @pytest.mark.parametrize(
        "shadow",
        [
            Shadow("new", From(0.2), [Every()], budget_us=AMPLE),
            Shadow("new", From(0.2), [Every()], Counts(), budget_us=AMPLE),
            Shadow("new", Does(raises), budget_us=AMPLE),
            Shadow("new", Does(lambda f, c: f.clear()), budget_us=AMPLE),
            Shadow("new", Does(lambda f, c: c.clear()), budget_us=AMPLE),
            Shadow("new", Does(lambda f, c: c.update(now_ms=0, ops_state="RED", run_id="other")), budget_us=AMPLE),
            Shadow("new", Does(), (), Spoils(), budget_us=AMPLE),
            Shadow("new", Does(), budget_us=1),
            Shadow("new", Does(), [Every(facts=None)], budget_us=AMPLE),  # type: ignore[arg-type]
        ],
    )
    def test_decisions(self, shadow: Shadow) -> None:
        """Whatever a shadow does, decisions and packets are those of the pipeline without it, bit for bit."""
        expected = [without_shadows(d) for d in map(plain().decide, EVENTS)]

        assert expected == [without_shadows(d) for d in map(plain(shadow).decide, EVENTS)]

    def test_context_that_was_given(self) -> None:
        """What the caller gives in the context is not changed either, however deep."""
        given = {"caller": {"list": [1]}}
        spoils = Shadow("new", Does(lambda f, c: c["caller"]["list"].append(2)), budget_us=AMPLE)
        decision = plain(spoils).decide(EVENTS[0], given)

        assert [1] == decision.context["caller"]["list"] == given["caller"]["list"]

    def test_kept_context(self) -> None:
        """A component that keeps its context cannot learn of a shadow from it."""
        guard = Every()
        made = Pipeline(
            features=Counts(), model=From(), modulators=[guard], shadows=[Shadow("new", From(0.1))], **OPTIONS
        )
        assert said(made.decide(EVENTS[3]))
        [fact] = guard.facts
        assert isinstance(fact, Decided)

        assert [] == [key for key in fact.context if key.startswith("mdm.shadow")]

    def test_latency(self) -> None:
        """What a shadow takes is not part of the decision's latency."""
        slow = Shadow("new", Does(lambda f, c: time.sleep(0.05)), budget_us=AMPLE)
        made = plain(slow)

        assert min(made.decide({**EVENTS[0], "id": f"l{n}"}).latency_ns for n in range(4)) < 50_000_000
        assert 4 == slow.counts["decided"]

    def test_no_shadow(self) -> None:
        """Without shadows no packet tells of any."""
        assert [] == [key for key in plain().decide(EVENTS[0]).packet().external if "shadow" in key]

    def test_order(self) -> None:
        """What is decided in a context is what an order is made from, shadows or not."""
        decisions = [plain(*shadows).decide(EVENTS[6]) for shadows in ((), (Shadow("new", From(0.1)),))]
        orders = [make_order(d.final, d.context, "local") for d in decisions]

        assert orders[0] == orders[1]


class TestDeciding:
    def test_as_a_pipeline_of_its_own(self) -> None:
        """A shadow says what a pipeline of its own would decide, state, chance, windows and failures included."""
        alone = Pipeline(features=Counts(), model=From(0.2), modulators=[Every(5)], **OPTIONS)
        made = plain(Shadow("new", From(0.2), [Every(5)], Counts(), budget_us=AMPLE))
        differing = 0
        for event in EVENTS:
            decision, expected = made.decide(event), alone.decide(event)
            told = said(decision)
            assert outcome(expected) == {key: value for key, value in told.items() if key in outcome(expected)}
            if (decision.final.action, decision.final.allowed) == (expected.final.action, expected.final.allowed):
                assert outcome(expected) == told
            else:
                differing += 1
                mismatch = expected.final.mismatch
                assert (expected.final.reasons, mismatch.flags if mismatch else []) == (told["reasons"], told["flags"])
        counts = made.shadows[0].counts

        assert 10 < differing == counts["differs"]
        assert (len(EVENTS), 0) == (counts["decided"], counts["skipped"])

    def test_against_itself(self) -> None:
        """A shadow that is what it shadows never differs, though both leave something to chance."""
        made = plain(Shadow("new", From(), [Every()], budget_us=AMPLE), Shadow("own", From(), [Every()], Counts()))
        for event in EVENTS:
            decision = made.decide(event)
            assert outcome(decision) == said(decision) == said(decision, "own")

        assert [0, 0] == [shadow.counts["differs"] for shadow in made.shadows]

    def test_features_that_failed(self) -> None:
        """Where the features of the decision failed, a shadow that goes by them fails with the same code."""
        decision = plain(Shadow("new", Does())).decide(EVENTS[9])

        assert ["features_error:LookupError"] == decision.final.reasons
        assert outcome(decision) | {"proposed": "HOLD"} == said(decision)

    def test_parameters(self) -> None:
        """The same action with other parameters is no difference, but another order, so the parameters are told."""
        made = Pipeline(features=Counts(), model=Does(params={"n": 1}), shadows=[Shadow("new", Does(params={"n": 2}))])
        decision = made.decide(EVENTS[0])

        assert outcome(decision) | {"params": {"n": 2}} == said(decision)
        assert 0 == made.shadows[0].counts["differs"]

    def test_operations(self) -> None:
        """What operations deny to the pipeline, they deny to its shadows."""
        made = plain(Shadow("new", From(0.0)))
        made.observe(Commanded(1, "stop", "", "ann", 0))
        told = [said(made.decide(event)) for event in EVENTS[:5]]

        assert {("ACT", "HOLD", False)} == {(t["proposed"], t["action"], t["allowed"]) for t in told}

    def test_a_canary_is_shadowed_too(self) -> None:
        """A shadow without features goes by those of the arm that decides."""
        made = plain(Shadow("new", Does(lambda f, c: f["other"])), canary=Canary(Only(), Does(), share=1))

        assert "fail_closed" not in said(made.decide(EVENTS[0]))


@attrs.define
class Only(FeatureExtractor):
    """Gives one feature."""

    def extract(self, event: Event, context: Context) -> Features:
        return {"other": 1}


class TestFailures:
    def test_counted_and_told(self) -> None:
        """A shadow that raises fails closed for itself, is told of and counted."""
        made = plain(Shadow("new", Does(raises)))
        told = [said(made.decide(event)) for event in EVENTS[:4]]

        assert [
            {"proposed": "HOLD", "confidence": 0.0, "action": "HOLD", "allowed": False, "fail_closed": True}
        ] * 4 == [{key: value for key, value in t.items() if key not in ("reasons", "params", "flags")} for t in told]
        assert ["model_error:RuntimeError"] == told[0]["reasons"]
        assert 4 == made.shadows[0].counts["failed"]

    def test_an_event_that_cannot_be_copied(self) -> None:
        """What goes wrong around a shadow is counted, too."""
        made = plain(Shadow("new", From(), (), Counts()))
        decision = made.decide(EVENTS[0] | {"lock": threading.Lock()})

        assert {"fail_closed": True} == said(decision)
        assert decision.failure is None
        assert 1 == made.shadows[0].counts["failed"]

    def test_a_guard_that_cannot_learn(self) -> None:
        """A shadow that cannot learn of a command is counted as failing, and nobody else notices."""

        @attrs.define
        class Deaf(Every):
            """Cannot learn."""

            def observe(self, fact: Fact) -> None:
                raise OSError

        made = plain(Shadow("new", From(), [Deaf()]))

        assert [] == made.observe(Commanded(1, "stop", "", "ann", 0))
        assert 1 == made.shadows[0].counts["failed"]


class TestTime:
    def test_budget(self) -> None:
        """A shadow that takes more than its budget on average is skipped until it has made up for it, and says so."""
        budget_us, sleep_s, events = 50, 0.005, 400
        made = plain(Shadow("new", Does(lambda f, c: time.sleep(sleep_s)), budget_us=budget_us))
        events_ = [{**EVENTS[0], "id": f"s{n}"} for n in range(events)]
        told = [said(made.decide(event)) for event in events_]
        skipped = sum(t == {"skipped": True} for t in told)
        most = (SAVED_UP + events) * budget_us / 1e6 / sleep_s + 1

        assert "action" in told[0]
        assert events - most <= skipped < events
        assert {"decided": events - skipped, "skipped": skipped} == {
            name: made.shadows[0].counts[name] for name in ("decided", "skipped")
        }

    def test_within_budget(self) -> None:
        """A shadow that keeps to its budget is asked about every event."""
        made = plain(Shadow("new", From(), [Every()], budget_us=100_000))
        told = [said(made.decide(event)) for event in EVENTS]

        assert all("action" in t for t in told)

    @pytest.mark.usefixtures("own_time")
    def test_broken_off(self) -> None:
        """A shadow that never answers is broken off, given up, and skipped from then on; the decision stands."""

        def hang(features: Features, context: Context) -> None:
            while context.step == 1:
                pass

        made = plain(Shadow("new", Does(hang), timeout_ms=30, budget_us=AMPLE))
        decisions = [made.decide({**EVENTS[6], "id": f"h{n}"}) for n in range(4)]
        told = [said(d) for d in decisions]

        assert "action" in told[0]
        assert [{"fail_closed": True}, {"skipped": True}, {"skipped": True}] == told[1:]
        assert {None} == {d.failure for d in decisions}
        assert (1, 2) == (made.shadows[0].counts["given_up"], made.shadows[0].counts["skipped"])
        made.observe(Commanded(1, "stop", "", "ann", 0))
        assert made.stopped


def receipts(guard: Every) -> list[tuple[Order, str]]:
    """What a guard has learned of orders: order and status."""
    return [(f.order, f.receipt.status) for f in guard.facts if isinstance(f, Executed)]


class Lets(Every):
    """Lets everything pass."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return decision


class TestFacts:
    def run(self, shadow: Shadow, status: Any = "done", events: int = 20) -> Pipeline:
        """Decide and answer, as a run with groups of 8 does."""
        made = Pipeline(features=Only(), model=Does(params={"n": 1}), shadows=[shadow], **OPTIONS)
        waiting: list[Decision] = []
        seq = 0
        for event in EVENTS[:events]:
            waiting.append(made.decide(event))
            if made.step % 8 == 0:
                for decision in waiting:
                    order = make_order(decision.final, decision.context, "local")
                    made.observe(Executed(seq := seq + 1, Receipt(status), order, 1, 0.0, made.now_ms))
                waiting.clear()
        return made

    @pytest.mark.parametrize("status", ["done", "failed"])
    def test_the_same_order(self, status: str) -> None:
        """Where the pipeline gives the same order, a shadow learns what came of it, about an order of its own."""
        guard = Lets()
        self.run(Shadow("new", Does(params={"n": 1}), [guard], answers=True, group=8), status)

        assert [status] * 16 == [status for _, status in receipts(guard)]
        assert {"n": 1} == receipts(guard)[0][0].params

    @pytest.mark.parametrize("model", [Does(wants=EXIT), Does(params={"n": 2})])
    def test_another_order(self, model: Does) -> None:
        """Another order is taken to be done, before the next group of steps, whatever came of the pipeline's."""
        guard = Lets()
        self.run(Shadow("new", model, [guard], answers=True, group=8), "failed", events=17)
        learned = [index for index, fact in enumerate(guard.facts) if isinstance(fact, Executed)]

        assert ["done"] * 16 == [status for _, status in receipts(guard)]
        assert {model.wants} == {order.action for order, _ in receipts(guard)}
        assert [*range(8, 16), *range(24, 32)] == learned

    def test_pending(self) -> None:
        """An order that is pending is learned of until it has ended."""
        guard = Lets()
        made = self.run(Shadow("new", Does(params={"n": 1}), [guard], answers=True, group=8), "pending", events=8)
        order = receipts(guard)[0][0]
        for n in range(2):
            made.observe(Settled(9 + n, order, "failed", 0))

        assert ["pending"] * 8 == [status for _, status in receipts(guard)]
        assert 1 == sum(isinstance(fact, Settled) for fact in guard.facts)

    def test_no_broker(self) -> None:
        """Where there is nobody to answer, nothing is taken to be done."""
        guard = Lets()
        self.run(Shadow("new", Does(wants=EXIT), [guard], group=8))

        assert [] == receipts(guard)

    def test_at_a_checkpoint(self) -> None:
        """What is due is learned before a checkpoint, for orders are in no checkpoint."""
        guard = Lets()
        made = self.run(Shadow("new", Does(wants=EXIT), [guard], answers=True, group=8), events=16)
        assert 8 == len(receipts(guard))
        made.save(veil_by(b"salt"))

        assert 16 == len(receipts(guard))


class TestState:
    def test_saved_and_restored(self) -> None:
        """Shadows of a pipeline that is restored in the middle decide and count on as if nothing had been."""

        def made() -> Pipeline:
            return plain(Shadow("new", From(0.2), [Every()], Counts(), budget_us=AMPLE))

        whole, first, second, veil = made(), made(), made(), veil_by(b"salt")
        expected = [said(whole.decide(event)) for event in EVENTS]
        begun = [said(first.decide(event)) for event in EVENTS[:100]]
        second.restore(*first.save(veil), veil)

        assert expected == begun + [said(second.decide(event)) for event in EVENTS[100:]]
        assert whole.shadows[0].counts == second.shadows[0].counts

    def test_replay(self) -> None:
        """Decided again, with more or less time for the shadows, every decision is the same."""
        first = plain(Shadow("new", Does(lambda f, c: time.sleep(0.001)), budget_us=1))
        decisions = [first.decide(event) for event in EVENTS]
        replay = Replay(plain(Shadow("new", Does(), budget_us=AMPLE)), RecordedInputs([]), "local")

        assert first.shadows[0].counts["skipped"] > 100
        assert [without_shadows(d) for d in decisions] == [without_shadows(replay.decide(event)) for event in EVENTS]


MAIN = """\
[pipeline]
key = "who"
timestamp = "at"

[source]
use = "toy.numbers"
count = 20

[features]
use = "toy.fields"

[model]
use = "toy.threshold"
threshold = 0.2
scale = 20

[[modulators]]
use = "toy.vip"
keys = ["k1"]

[redaction]
use = "toy.mask"

[[trace]]
use = "toy.lines"
"""
MODEL = """
[[shadow]]
name = "eager"
model = { use = "toy.threshold", threshold = 0.1, scale = 20 }
"""
GUARDS = """
[[shadow]]
name = "strict"
budget_us = 5000
[[shadow.modulators]]
use = "toy.vip"
keys = ["k0", "k1"]
"""
OTHER = """\
[model]
use = "toy.threshold"
threshold = 0.1
scale = 20
"""


@pytest.fixture
def write(tmp_path: Path, toy: Path) -> Callable[..., Path]:
    """Write the pipeline file and another one beside it."""
    assert toy.exists()
    (tmp_path / "other.toml").write_text(OTHER)

    def make(*shadows: str) -> Path:
        path = tmp_path / "pipeline.toml"
        path.write_text(MAIN + "".join(shadows))
        return path

    return make


class TestConfiguration:
    def test_what_is_not_said(self, write: Callable[..., Path]) -> None:
        """What a table does not say is as in the pipeline, built once more; features are those of the decision."""
        plan = Plan.from_config(write(MODEL, GUARDS))
        eager, strict = (shadow.arm for shadow in plan.parts.shadows)
        with plan.parts.pipeline(plan.config.path.parent) as made:
            assert ["eager", "strict"] == [shadow.name for shadow in made.shadows]

        assert [] == [*eager.features, *strict.features]
        assert plan.parts.modulators[0].resolved == eager.modulators[0].resolved
        assert plan.parts.modulators[0].component is not eager.modulators[0].component
        assert strict.model is not None
        assert plan.parts.model.resolved == strict.model.resolved
        assert plan.parts.model.component is not strict.model.component

    def test_another_file(self, write: Callable[..., Path]) -> None:
        """Another file's model and guards, also if it has none, are those of the shadow."""
        plan = Plan.from_config(write('[[shadow]]\nname = "new"\npipeline = "other.toml"\n'))
        [shadow] = plan.parts.shadows

        assert {"new": 0.1} == {shadow.options.name: shadow.arm.resolved()["model"]["threshold"]}
        assert [[], []] == [shadow.arm.features, shadow.arm.modulators]
        assert "other.toml" in plan.run_json("r1")["files"]

    def test_what_was_resolved_is_a_configuration(self, write: Callable[..., Path], tmp_path: Path) -> None:
        """What run.json records can be built again as it stands."""
        plan = Plan.from_config(write(MODEL, GUARDS, '[[shadow]]\nname = "new"\npipeline = "other.toml"\n'))
        (tmp_path / "other.toml").unlink()
        builder = Builder(Config(tmp_path / "run.json", plan.resolved(), {}), Registry())
        again = PipelineParts.build(builder)
        builder.finish()

        assert plan.resolved()["shadow"] == [shadow.resolved() for shadow in again.shadows]

    @pytest.mark.parametrize(
        ("shadow", "expected"),
        [
            ("[[shadow]]\n", "pipeline.toml:26 [[shadow]] #1: option 'name' is missing"),
            ('[[shadow]]\nname = "new"\n', "pipeline.toml:26 [[shadow]] #1: decides as the pipeline does; give it"),
            ('[[shadow]]\nname = "New one"\n', "pipeline.toml:27 [[shadow]] #1 name: must be lower-case letters"),
            (MODEL.lstrip() + MODEL, "pipeline.toml:31 [[shadow]] #2 name: there is another shadow 'eager'"),
            (GUARDS.lstrip().replace("5000", "0"), "pipeline.toml:28 [[shadow]] #1 budget_us: must be at least 1"),
            (GUARDS.lstrip().replace("toy.vip", "toy.vop"), "pipeline.toml:30 [[shadow]] #1 modulators #1 use: plugin"),
            ('[[shadow]]\nname = "n"\npipeline = "no.toml"\n', "pipeline.toml:28 [[shadow]] #1 pipeline: no.toml: no"),
            ('[[shadow]]\nname = "n"\nmodel = 3\n', "pipeline.toml:28 [[shadow]] #1 model: expected a table"),
            ('[[shadow]]\nname = "n"\nmodel = []\n', "pipeline.toml:26 [[shadow]] #1: decides as the"),
        ],
    )
    def test_problems(self, write: Callable[..., Path], shadow: str, expected: str) -> None:
        """What is wrong with a table is told with its place."""
        path = write(shadow)
        with pytest.raises(ConfigError) as refused:
            Plan.from_config(path)
        found = [problem.replace(f"{path.parent}/", "") for problem in refused.value.problems]

        assert expected in [problem[: len(expected)] for problem in found], found

    def test_run(self, write: Callable[..., Path], mdm: Callable[..., Any], tmp_path: Path) -> None:
        """A run says in each packet what the shadows would have done, and in its summary what they came to."""
        ended = mdm("run", write(MODEL, GUARDS), "--run-id", "r1")
        assert 0 == ended.returncode, ended
        packets = [
            json.loads(line)["external"] for line in (tmp_path / "runs/r1/traces.jsonl").read_text().splitlines()
        ]
        summary = json.loads((tmp_path / "runs/r1/summary.json").read_text())

        eager = [n for n, p in enumerate(packets) if p["mdm.shadow.eager.action"] == "ACT"]
        assert [n for n in range(2, 20) if n % 2 == 0] == eager
        assert {"HOLD"} == {p["mdm.shadow.strict.action"] for p in packets}
        assert {"decided": 20, "differs": 2} == summary["counts"]["shadow eager"]
        assert 20 == summary["counts"]["shadow strict"]["decided"]

    @pytest.mark.parametrize(
        ("shadow", "fine"),
        [
            (MODEL + GUARDS, True),
            ('[[shadow]]\nname = "n"\npipeline = "other.toml"\n', True),
            ('[canary]\nshare = 0.1\npipeline = "other.toml"\n', True),
            (GUARDS.replace("5000", "0"), False),
            (MODEL.replace("name", "nmae"), False),
            ('[canary]\nshare = 2\npipeline = "other.toml"\n', False),
        ],
    )
    def test_schema(self, write: Callable[..., Path], shadow: str, fine: bool) -> None:
        """Editors know the tables by the schema."""
        schema = pipeline_schema(Registry()).document

        assert fine is Draft202012Validator(schema).is_valid(tomllib.loads(write(shadow).read_text()))

    def test_check(self, write: Callable[..., Path], mdm: Callable[..., Any]) -> None:
        """`mdm check` builds and opens the shadows, too."""
        ended = mdm("check", write(MODEL))

        assert (0, 2) == (ended.returncode, ended.stdout.count("toy.threshold"))


SHADOW = '[[shadow]]\nname = "new"\nbudget_us = BUDGET\nmodel = { use = "crash.model", every = 2 }\n'


@pytest.fixture
def machine(make_machine: Callable[..., Machine]) -> Callable[[int], Machine]:
    """Make a machine whose pipeline has a shadow with a budget."""

    def make(budget_us: int) -> Machine:
        made = make_machine(*IDEMPOTENT, "source.count=60")
        made.pipeline.write_text(made.pipeline.read_text() + SHADOW.replace("BUDGET", str(budget_us)))
        return made

    return make


class TestResume:
    def test_wherever_it_dies(self, machine: Callable[[int], Machine]) -> None:
        """A run with a shadow comes to the same, the shadow too, wherever it dies and is gone on with."""
        made = machine(AMPLE)
        calls = made.calls("whole")
        whole = made.outcome("whole")
        assert whole.summary["counts"]["shadow new"]["differs"] > 5
        gone_on = 0
        for at in moments(len(calls), len(calls) // 5):
            made.forget_world()
            if made.dies(f"r{at:04}", at) and made.has_begun(f"r{at:04}"):
                made.resume_and_die(f"r{at:04}", 40)
                gone_on += 1
                assert whole == made.outcome(f"r{at:04}")
        assert gone_on >= 3

    def test_a_shadow_without_time(self, machine: Callable[[int], Machine]) -> None:
        """When a shadow is skipped depends on the clock, and keeps no run from going on."""
        made = machine(1)
        calls = made.calls("whole")
        assert any("mdm.shadow.new.skipped" in p["external"] for p in made.packets("whole"))
        for at in moments(len(calls), len(calls) // 3):
            made.forget_world()
            if made.dies(f"r{at:04}", at) and made.has_begun(f"r{at:04}"):
                made.resume_and_die(f"r{at:04}")
                assert made.outcome("whole").done == made.outcome(f"r{at:04}").done
