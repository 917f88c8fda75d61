"""Typed usage of the public names, as plugin authors and users of the library write it: checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, assert_type

import attrs

from mdm_core import (
    Action,
    Broker,
    Build,
    Commanded,
    Component,
    ConfigError,
    Context,
    DataSource,
    Decided,
    Decision,
    Event,
    Executed,
    Fact,
    Failure,
    FeatureExtractor,
    Features,
    FinalDecision,
    Idle,
    InvalidEvent,
    KeyedState,
    MismatchInfo,
    Modulator,
    Observer,
    Order,
    PacketV2,
    Pipeline,
    Position,
    Proposal,
    ProposalModel,
    Receipt,
    Record,
    Redactor,
    Reject,
    Run,
    Settled,
    Summary,
    TraceSink,
    compile_expression,
    component,
    get_logger,
    hookimpl,
    keyed_state,
    option,
)
from mdm_core.hookspecs import Register

_log = get_logger("example")


@attrs.define
class Queue(DataSource):
    """A source that never ends, can go back, and learns what is safe."""

    path: Path = option(Path("events"), help="where the events are")
    timeout_s: float = option(1.0, gt=0, help="how long to wait")
    _after: int = attrs.field(init=False, default=-1)

    def open(self, build: Build) -> None:
        if build.run_dir is None:
            raise ConfigError("needs a run")
        assert_type(build.base_dir / self.path, Path)
        assert_type(build.clock, Literal["event", "wall"] | None)

    def records(self) -> Iterator[Record | Reject | Idle]:
        yield Record({"user": "a", "amount": 5.0}, self._after + 1)
        yield Reject("invalid_json", "line 2", "{")
        yield Idle()

    def seek(self, position: Position) -> None:
        self._after = int(position)

    def ack(self, position: Position) -> None:
        _log.debug("safe up to %s", position)

    @property
    def length(self) -> int | None:
        return 3

    def identity(self) -> dict[str, Any] | None:
        return {"path": str(self.path)}


@attrs.define
class Seen:
    count: int = 0
    total: float = 0.0


@attrs.define
class Totals(FeatureExtractor):
    """State per key, bounded by an option."""

    max_keys: int = option(1000, ge=1, help="how many keys are remembered")
    states = keyed_state(Seen, max_keys="max_keys")

    def extract(self, event: Event, context: Context) -> Features:
        seen = self.states[context.key]
        assert_type(seen, Seen)
        assert_type(self.states, KeyedState[Seen])
        seen.count += 1
        seen.total += float(event.get("amount", 0.0))
        return {"count": seen.count, "total": seen.total, "new": seen.count == 1, "who": str(context.key), "x": None}


@attrs.define
class Threshold(ProposalModel):
    """A model with options of several types."""

    threshold: float = option(0.5, ge=0, le=1, help="from which to act")
    weights: dict[str, float] = option({}, help="a weight per feature")
    mode: str = option("strict", choices=("strict", "loose"), help="how")
    token: str = option("", secret=True, help="a secret")

    def propose(self, features: Features, context: Context) -> Proposal:
        total = features["total"]
        assert_type(total, float | int | bool | str | None)
        score = context.random.random() if isinstance(total, float) else 0.0
        return Proposal(Action.ACT if score >= self.threshold else Action.HOLD, score, ["total"], {"score": score})


@attrs.define
class Fallback(ProposalModel):
    """A model that wraps a model."""

    model: ProposalModel = component(help="the model that is asked first")

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.model.propose(features, context)


@attrs.define
class Bucket:
    tokens: float = 1.0


@attrs.define
class RateLimit(Modulator):
    """Looks in `modulate`, pays in `observe`."""

    states = keyed_state(Bucket)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if self.states[context.key].tokens >= 1:
            return decision
        mismatch = MismatchInfo(["rate_limit"], ["rate_limit:empty"], throttle_refresh_ms=1000)
        return FinalDecision(Action.HOLD, allowed=False, reasons=["too many"], mismatch=mismatch)

    def observe(self, fact: Fact) -> None:
        if isinstance(fact, Decided):
            if fact.final.allowed and fact.final.action is not Action.HOLD:
                self.states[fact.context.key].tokens -= 1
        elif isinstance(fact, Executed):
            assert_type(fact.receipt.status, Literal["done", "pending", "failed", "retry", "unknown"])
        elif isinstance(fact, Settled):
            assert_type(fact.outcome, Literal["done", "pending", "failed", "unknown", "denied", "skipped"])
        else:
            assert_type(fact, Commanded)


@attrs.define
class Http(Broker):
    """A broker with everything that is optional."""

    idempotent: ClassVar[bool] = True

    def execute(self, order: Order) -> Receipt:
        assert_type(order.action, Action)
        return Receipt("retry", "rate_limited", retry_after_ms=500)

    def resolve(self, idempotency_key: str) -> Receipt:
        return Receipt("done", reference=idempotency_key)

    def cancel(self, idempotency_key: str) -> Receipt:
        return Receipt("failed", "rejected")

    def poll(self) -> Iterator[tuple[str, Receipt]]:
        yield "key", Receipt("done")


@attrs.define
class Store(TraceSink):
    """An audit log."""

    accepts: ClassVar[Literal["packets", "audit"]] = "audit"
    kept: list[Mapping[str, Any]] = attrs.field(init=False, factory=list)

    def write(self, record: Mapping[str, Any]) -> None:
        self.kept.append(record)

    def flush(self, durable: bool = False) -> None:
        self.kept.clear()


class Mask(Redactor):
    """A redactor that core may ask key by key."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return {key: "[REDACTED]" if self.hides(key) else value for key, value in data.items()}

    def hides(self, key: str) -> bool:
        return key == "password"


class Watch(Observer):
    """An observer that finds something."""

    def on_run_start(self, run: Mapping[str, Any]) -> None:
        _log.info("%s", run)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        _log.info("%s", packet)

    def on_error(self, failure: Failure) -> None:
        _log.warning("%s at %s", failure.reason_code, failure.place)

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return {"share": 0.5}


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register a class, and one that is imported when it is selected."""
    register("threshold", Threshold)
    register("fallback", "package.module:Fallback")


def in_a_notebook() -> None:
    """Build a pipeline in Python and decide."""
    pipeline = Pipeline(
        features=[Totals(max_keys=10)],
        model=Fallback(model=Threshold(threshold=0.7, weights={"total": 1.0})),
        modulators=[RateLimit()],
        key="user",
        timestamp="at",
        timestamp_unit="iso",
        outcome="was_abuse",
        clock="event",
        seed=7,
    )
    try:
        decision = pipeline.decide({"user": "a", "amount": 5.0}, {"ops_deny_actions": False}, position=3)
    except InvalidEvent as error:
        assert_type(error.reason, str)
        return
    assert_type(decision, Decision)
    assert_type(decision.final.action, Action)
    assert_type(decision.proposal.confidence, float)
    assert_type(decision.key, str | int | None)
    assert_type(decision.packet(), PacketV2)
    assert_type(decision.failure, Failure | None)
    for name, state in pipeline.states():
        assert_type(name, str)
        state.restore(state.snapshot())


def from_a_file() -> None:
    """Build from a file, as a context manager, and run."""
    with Pipeline.from_config("pipeline.toml", ["model.threshold=0.7"]) as pipeline:
        pipeline.observe(Commanded(1, "stop", "why", "me", None))
        for held in pipeline.components():
            assert_type(held, Component)

    def progress(done: int, total: int | None) -> None:
        _log.info("%d of %s", done, total)

    summary = Run.from_config(Path("pipeline.toml"), run_id="r", runs_dir="runs", limit=10).run(progress)
    assert_type(summary, Summary)
    assert_type(summary.exit_code, int)
    assert_type(summary.denied, Mapping[str, int])


def expressions() -> None:
    """Compile once, evaluate often."""
    spread = compile_expression("ask - bid")
    assert_type(spread({"ask": 2.0, "bid": 1.5}), float | bool | None)
    assert_type(spread.names, frozenset[str])


def what_mypy_refuses() -> None:
    """Mistakes that are found before anything runs."""
    Pipeline(features=Totals())  # type: ignore[call-arg]
    Pipeline(features=Totals(), model=RateLimit())  # type: ignore[arg-type]
    Pipeline(features=Totals(), model=Threshold(), clock="sun")  # type: ignore[arg-type]
    Receipt("maybe")  # type: ignore[arg-type]
    Threshold(treshold=0.5)  # type: ignore[call-arg]
    Queue().records = None  # type: ignore[assignment, method-assign]
