"""The pipeline: the one place where a decision is made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias, cast

from mdm_core import ops
from mdm_core.admission import ABSENT, check_id, check_key, getter, to_ms, without
from mdm_core.building import Builder, Built
from mdm_core.checkpoints import Engine
from mdm_core.checks import FeatureCheck, Sizes, check_proposal, checked_final, failed_closed
from mdm_core.config import PipelineOptions, load_config
from mdm_core.contracts import Component, FeatureExtractor, Modulator, ProposalModel
from mdm_core.decision import Decision
from mdm_core.errors import ContractError, DuplicateFeature, InvalidEvent
from mdm_core.failures import describe, not_of_ours
from mdm_core.lifecycle import close_all, name_of, open_all, with_children
from mdm_core.limits import Limits
from mdm_core.log import get_logger
from mdm_core.orders import make_order
from mdm_core.plugins import Registry
from mdm_core.propensity import Alternatives, check_alternatives, forget, propensities
from mdm_core.recent import Recent
from mdm_core.schema import Action, FinalDecision, Proposal
from mdm_core.state import Key, KeyedState, Veil, states_of
from mdm_core.values import (
    Build,
    Commanded,
    Context,
    Decided,
    Event,
    Executed,
    Fact,
    Failure,
    Features,
    Position,
    Settled,
)

_log = get_logger("pipeline")
_HOLD = Action.HOLD
_Modulators: TypeAlias = list[tuple[Callable[[Proposal, FinalDecision, Context], Any], str]]


class Pipeline:
    """Features, model and modulators, and the rule by which they decide.

    A pipeline is used by one thread; several in one process do not touch each other. It does no I/O.

    Args:
        features: One feature extractor or several; their features are merged.
        model: The proposal model.
        modulators: Looked at in order; the first denial ends the chain.
        key: Dotted path of the key in the event; without it all events share one state.
        timestamp: Dotted path of the event's time.
        timestamp_unit: ``s``, ``ms``, ``us``, ``ns`` or ``iso``.
        id: Dotted path of the event's id; without it, its position or else its step.
        outcome: Dotted path of the label, taken out before anything is decided.
        clock: ``event`` (the highest timestamp seen) or ``wall``.
        seed: Seed of ``context.random``.
        timeout_ms: Longest time for a whole decision; a component's own ``timeout_ms`` is its longest time for a call.
        switch_off_after: Time-outs in a row after which a component is switched off.
        switch_off_for: Number of decisions for which it is.
        max_features: Features, reasons or parameters of one decision at most.
        max_text: Characters of one feature, reason or parameter at most.
        run_id: Id that contexts and packets carry.
        base_dir: Relative paths in options are relative to it.
        run_dir: Directory of the run, for components that write.

    Raises:
        ConfigError: A component cannot work in these surroundings.
    """

    def __init__(
        self,
        *,
        features: FeatureExtractor | Sequence[FeatureExtractor],
        model: ProposalModel,
        modulators: Sequence[Modulator] = (),
        key: str | None = None,
        timestamp: str | None = None,
        timestamp_unit: str = "ms",
        id: str | None = None,  # noqa: A002 - the word of the configuration
        outcome: str | None = None,
        clock: Literal["event", "wall"] = "event",
        seed: int = 0,
        timeout_ms: int | None = None,
        switch_off_after: int = 3,
        switch_off_for: int = 100,
        max_features: int = 10_000,
        max_text: int = 65_536,
        run_id: str = "local",
        base_dir: str | Path = ".",
        run_dir: Path | None = None,
    ) -> None:
        PipelineOptions(  # which checks them
            key=key,
            timestamp=timestamp,
            timestamp_unit=timestamp_unit,
            id=id,
            outcome=outcome,
            clock=clock,
            seed=seed,
            timeout_ms=timeout_ms,
            switch_off_after=switch_off_after,
            switch_off_for=switch_off_for,
            max_features=max_features,
            max_text=max_text,
        )
        self.features = (features,) if isinstance(features, FeatureExtractor) else tuple(features)
        self.model = model
        self.modulators = tuple(modulators)
        has_time = timestamp is not None or clock == "wall"
        self.build = Build(key, timestamp, id, clock if has_time else None, seed, Path(base_dir), run_id, run_dir)
        self.step = 0
        self.feedback_seq = 0
        self.stopped = False
        self._now_ms = 0
        self._wall = clock == "wall"
        # Only modulators look at it, and it needs time.
        self._windows = KeyedState(Recent)
        self._recent = self._windows[None] if modulators and has_time else None
        self._run_id = run_id
        self._seed = seed
        self._outcome = outcome
        self._get_key = getter(key) if key is not None else None
        self._get_time = getter(timestamp) if timestamp is not None else None
        self._get_id = getter(id) if id is not None else None
        self._to_ms = to_ms(timestamp_unit)
        self._sizes = Sizes(max_features, max_text)
        self._checked = FeatureCheck(self._sizes).check
        self._check_size = self._sizes.check
        limited = timeout_ms is not None or any(c.timeout_ms is not None for c in self.components())
        self.limits = Limits(timeout_ms, switch_off_after, switch_off_for, self.build) if limited else None
        self._open()
        self._bind()

    def _bind(self) -> None:
        """Resolve what is called per event, each method with its component's name."""
        name = _unique_names(self.components())
        learners = [c for c in self.components() if type(c).observe is not Component.observe]
        limits = self.limits
        stage = limits.stage if limits is not None else _unlimited
        self._extract = [(stage("features", e, name(e), e.extract), name(e)) for e in self.features]
        self._propose = stage("model", self.model, name(self.model), self.model.propose)
        self._model_name = name(self.model)
        self._alternatives: Callable[[Features, Context], Any] | None = None
        if type(self.model).alternatives is not ProposalModel.alternatives:
            self._alternatives = stage("alternatives", self.model, name(self.model), self.model.alternatives)
            self._look = [(stage("alternatives", m, name(m), m.modulate), name(m)) for m in self.modulators]
        self._modulate = [(stage("modulator", m, name(m), m.modulate), name(m)) for m in self.modulators]
        self._learners: list[tuple[str, Callable[[Fact], None]]]
        if limits is None:
            self._learners = [(name(c), c.observe) for c in learners]
        else:
            extract, first = self._extract[0]
            self._extract[0] = limits.first(extract, self.features), first
            self._learners = [(name(c), limits.learner(c, name(c), c.observe)) for c in learners]
        self._extract_alone = self._extract[0] if len(self._extract) == 1 else None

    @classmethod
    def from_config(cls, path: str | Path, overrides: Sequence[str] = ()) -> Pipeline:
        """Build the deciding part of a pipeline file: features, model and modulators.

        Args:
            path: The TOML file.
            overrides: ``section.key=value`` each, the value in TOML.

        Returns:
            The pipeline, opened.

        Raises:
            ConfigError: All that is wrong with the file, each problem with its place.
        """
        config = load_config(path, overrides)
        builder = Builder(config, Registry())
        parts = PipelineParts.build(builder)
        builder.finish()
        return parts.pipeline(base_dir=config.path.parent)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def now_ms(self) -> int | None:
        """Time of the pipeline's clock at the last decision, or None if it has none."""
        return None if self.build.clock is None else self._now_ms

    def close(self) -> None:
        """Close all components, also if one of them fails to."""
        close_all(self._opened)

    def components(self) -> Iterator[Component]:
        """All components that take part in deciding, children before those that hold them."""
        seen: set[int] = set()
        for component in chain.from_iterable(map(with_children, (*self.features, self.model, *self.modulators))):
            if id(component) not in seen:
                seen.add(id(component))
                yield component

    def states(self) -> Iterator[tuple[str, KeyedState[Any]]]:
        """The keyed states of all components, each with a name that is unique in the pipeline."""
        for number, component in enumerate(self.components()):
            for name, state in states_of(component).items():
                yield f"{number}.{name_of(component)}.{name}", state

    def save(self, veil: Veil) -> tuple[Engine, dict[str, bytes]]:
        """Give everything that the pipeline remembers, for a checkpoint.

        Args:
            veil: Hides the keys.

        Returns:
            What the engine remembers, and the keyed states by name.
        """
        lateness = {} if self.limits is None else self.limits.save()
        engine = Engine(self.step, self._now_ms, self.feedback_seq, self.stopped, lateness)
        return engine, {name: state.snapshot(veil) for name, state in self._all_states()}

    def _all_states(self) -> Iterator[tuple[str, KeyedState[Any]]]:
        yield "engine.recent", self._windows
        yield from self.states()

    def restore(self, engine: Engine, states: Mapping[str, bytes], veil: Veil) -> None:
        """Remember what another pipeline of the same configuration did.

        Args:
            engine: What ``save`` gave.
            states: What ``save`` gave.
            veil: What keys were hidden by.

        Raises:
            ValueError: The states are of another version or another configuration.
        """
        mine = dict(self._all_states())
        if set(mine) != set(states):
            raise ValueError(f"the states are those of another configuration: {sorted(set(mine) ^ set(states))}")
        for name, state in mine.items():
            state.restore(states[name], veil)
        self.step, self._now_ms = engine.step, engine.now_ms
        self.feedback_seq, self.stopped = engine.feedback_seq, engine.stopped
        if self._recent is not None:
            self._recent = self._windows[None]
        if self.limits is not None:
            self.limits.restore(engine.lateness)

    def decide(
        self, event: Event, context: Mapping[str, Any] | None = None, *, position: Position | None = None
    ) -> Decision:
        """Decide about one event. Whatever goes wrong in a component, the answer is HOLD, not allowed.

        Args:
            event: The event; it is not changed.
            context: Values that go into the context, and into the packet's ``external``; they win over mdm's own.
            position: Where the event stands in its source; its id, if the pipeline reads none from the event.

        Returns:
            The decision.

        Raises:
            InvalidEvent: The event has no usable key, timestamp or id; nothing was changed.
        """
        started = time.perf_counter_ns()
        if type(event) is not dict:
            event = _as_dict(event)
        outcome = None
        if self._outcome is not None:
            event, outcome = without(event, self._outcome)
        ctx = self._admit(event, context, position)
        features: Features = {}
        ctx.features = features
        proposal = failure = None
        stage, name = "features", ""
        try:
            if self._extract_alone is not None:
                extract, name = self._extract_alone
                ctx.component = name
                extracted = extract(event, ctx)
            else:
                merge = _Merge()
                for extract, name in self._extract:
                    ctx.component = name
                    merge.add(name, extract(event, ctx))
                extracted = merge.features
            # What is refused goes no further, not even into the packet.
            ctx.features = features = self._checked(extracted)
            stage = "model"
            ctx.component = name = self._model_name
            answered = self._propose(features, ctx)
            if type(answered) is not Proposal or type(answered.confidence) is not float:
                check_proposal(answered)
            action = answered.action
            if type(action) is not Action or not 0.0 <= answered.confidence <= 1.0:
                check_proposal(answered)
            self._check_size(answered)
            proposal = answered
            before = ctx if self._alternatives is None else ctx.copy()
            stage = "modulator"
            final = self._guarded(proposal, ctx, self._modulate)
            if self._alternatives is not None:
                stage, ctx.component = "model", self._model_name
                might = check_alternatives(self._alternatives(features, before.copy()), self._check_size)
                stage = "modulator"
                ctx.update(self._propensities(might, proposal, final, before, ctx))
        except BaseException as error:
            not_of_ours(error)
            failure = self._failed(stage, ctx.component, error, ctx)
            final = failed_closed(failure)
            proposal = proposal or Proposal(_HOLD, 0.0, [failure.reason_code], {})
        if self._learners:
            learned = self._learn(Decided(final, ctx), ctx)
            if learned is not None and failure is None:
                if final.allowed and final.action is not _HOLD:
                    self._take_back(final, ctx)
                failure, final = learned, failed_closed(learned)
                forget(ctx)
        if self._recent is not None:
            self._recent.decided(self._now_ms, failure is not None)
        if self._outcome is not None:
            # Its own context, because a component may have kept the one that it was shown.
            ctx = ctx.copy()
            ctx["eval.outcome"] = outcome
        elapsed = time.perf_counter_ns() - started
        ctx["mdm.latency_us"] = elapsed / 1000
        return Decision(event, ctx, features, proposal, final, elapsed, failure)

    def observe(self, fact: Fact) -> list[Failure]:
        """Let the components learn from a receipt or a command.

        Args:
            fact: ``Executed`` or ``Commanded``, numbered in the order in which it is to be applied.

        Returns:
            One failure for each component that raised; the others have learned all the same.
        """
        if not isinstance(fact, Decided):
            self.feedback_seq = fact.seq
        if isinstance(fact, Executed) and self._recent is not None:
            self._recent.executed(fact)
        elif isinstance(fact, Commanded):
            self.stopped = fact.name == "stop"
        failures = []
        for name, learn in self._learners:
            try:
                learn(fact)
            except BaseException as error:
                not_of_ours(error)
                failures.append(describe("observe", name, error))
        return failures

    def _guarded(self, proposal: Proposal, ctx: Context, modulators: _Modulators) -> FinalDecision:
        """What operations and modulators make of a proposal."""
        final = FinalDecision(proposal.action, True, proposal.reasons, None, None, None, proposal.params)
        if proposal.action is _HOLD:
            return final
        denied = ops.denial(final, ctx, self.stopped)
        if denied is not None:
            return denied
        for modulate, name in modulators:
            ctx.component = name
            answer = modulate(proposal, final, ctx)
            if answer is not final:
                final = checked_final(answer)
                self._check_size(final)
                if final.action is _HOLD or not final.allowed:
                    break
        return final

    def _propensities(
        self, might: Alternatives, proposal: Proposal, final: FinalDecision, before: Context, ctx: Context
    ) -> dict[str, Any]:
        """Have the guards look at what else might have been proposed, each time as if it had been."""

        def look(alternative: Proposal) -> FinalDecision:
            seen = before.copy()
            try:
                return self._guarded(alternative, seen, self._look)
            finally:
                ctx.component = seen.component

        return propensities(might, proposal, final, look) if might else {}

    def _learn(self, fact: Decided, ctx: Context) -> Failure | None:
        failure = None
        for name, learn in self._learners:
            ctx.component = name
            try:
                learn(fact)
            except BaseException as error:
                not_of_ours(error)
                # A guard that could not count this decision must not see it carried out.
                failure = failure or self._failed("observe", name, error, ctx)
        return failure

    def _take_back(self, final: FinalDecision, ctx: Context) -> None:
        """Tell those that have learned of a decision that nothing will come of it."""
        order = make_order(final, ctx, self._run_id)
        for _, learn in self._learners:
            with suppress(Exception):  # the decision has failed closed already
                learn(Settled(0, order, "denied", ctx.get("now_ms")))

    def _failed(self, stage: str, name: str, error: BaseException, ctx: Context) -> Failure:
        if isinstance(error, DuplicateFeature):
            name = error.givers
        failure = describe(stage, name, error, ctx.step)
        _log.warning("step %d: %s %s failed: %s (%s)", ctx.step, stage, name, failure.error, failure.place)
        ctx["mdm.fail_closed"] = True
        return failure

    def _open(self) -> None:
        self._opened: list[Component] = []
        try:
            open_all(self.components(), self.build, self._opened)
        except BaseException:
            self.close()
            raise

    def _admit(self, event: Event, context: Mapping[str, Any] | None, position: Position | None) -> Context:
        key: Key = None
        step, now, what = self.step, self._now_ms, "key"
        items: dict[str, Any] = {"run_id": self._run_id}
        try:
            if self._get_key is not None:
                key = self._get_key(event)
                if type(key) is not str:
                    key = check_key(key)
            if self._get_time is not None:
                what = "timestamp"
                at = self._to_ms(self._get_time(event))
                if at > now:
                    now = at
                items["now_ms"], items["last_event_ts_ms"] = now, at
            what = "id"
            event_id = position if self._get_id is None else self._get_id(event)
            if self._get_id is not None and type(event_id) is not str:
                event_id = check_id(event_id)
        except ABSENT:
            raise InvalidEvent(f"missing_{what}", f"the event has no {what}") from None
        if event_id is None:
            event_id = step
        if self._wall:
            given = context.get("now_ms") if context else None
            now = items["now_ms"] = max(now, given if type(given) is int else time.time_ns() // 1_000_000)
        if self._recent is not None:
            items |= self._recent.context(now)
        if self.feedback_seq:
            items["mdm.feedback_seq"] = self.feedback_seq
        if context:
            items.update(context)
        # From here on nothing can refuse the event any more.
        self._now_ms = now
        self.step = step + 1
        return Context(items, key, event_id, step, self._seed)


class PipelineParts:
    """The deciding part of a configuration, built and not yet opened."""

    def __init__(self, options: PipelineOptions, features: list[Built], model: Built, modulators: list[Built]) -> None:
        self.options = options
        self.features = features
        self.model = model
        self.modulators = modulators

    @classmethod
    def build(cls, builder: Builder) -> PipelineParts:
        """Build the parts; problems are left in the builder.

        Args:
            builder: The builder of the configuration.
        """
        options = builder.options(PipelineOptions, "pipeline")
        features = builder.all_of("features")
        if not builder.config.tables("features"):
            builder.one_of("features")
        return cls(options, features, cast(Built, builder.one_of("model")), builder.all_of("modulators"))

    def pipeline(self, base_dir: Path, run_id: str = "local", run_dir: Path | None = None) -> Pipeline:
        """Open the pipeline.

        Args:
            base_dir: The directory of the pipeline file.
            run_id: Id of the run.
            run_dir: Directory of the run.

        Raises:
            ConfigError: A component cannot work in these surroundings.
        """
        o = self.options
        return Pipeline(
            features=[cast(FeatureExtractor, b.component) for b in self.features],
            model=cast(ProposalModel, self.model.component),
            modulators=[cast(Modulator, b.component) for b in self.modulators],
            key=o.key,
            timestamp=o.timestamp,
            timestamp_unit=o.timestamp_unit,
            id=o.id,
            outcome=o.outcome,
            clock=cast(Literal["event", "wall"], o.clock),
            seed=o.seed,
            timeout_ms=o.timeout_ms,
            switch_off_after=o.switch_off_after,
            switch_off_for=o.switch_off_for,
            max_features=o.max_features,
            max_text=o.max_text,
            run_id=run_id,
            base_dir=base_dir,
            run_dir=run_dir,
        )


def _unlimited(_stage: str, _component: Component, _name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    return method


def _as_dict(event: Event) -> dict[str, Any]:
    if not isinstance(event, Mapping):
        raise InvalidEvent("not_an_object", f"an event is a mapping, not {type(event).__name__}")
    return dict(event)


def _unique_names(components: Iterable[Component]) -> Callable[[Component], str]:
    """Name every component, so that of two with the same id each has random draws and failures of its own."""
    names: dict[int, str] = {}
    for component in components:
        name, number = name_of(component), 2
        while name in names.values():
            name = f"{name_of(component)}#{number}"
            number += 1
        names[id(component)] = name
    return lambda component: names[id(component)]


class _Merge:
    """Merges what several extractors gave, and knows who gave a name first."""

    def __init__(self) -> None:
        self.features: Features = {}
        self._givers: list[tuple[str, Features]] = []

    def add(self, name: str, features: Features) -> None:
        if not isinstance(features, dict):
            raise ContractError("features must be a dict")
        for giver, given in self._givers:
            if not given.keys().isdisjoint(features):
                raise DuplicateFeature(giver, name)
        self._givers.append((name, features))
        self.features = {**self.features, **features}
