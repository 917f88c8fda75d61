"""The pipeline: the one place where a decision is made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast

import attrs

from mdm_core.admission import ABSENT, check_id, check_key, getter, to_ms, without
from mdm_core.arms import Arm
from mdm_core.building import Builder, Built
from mdm_core.canary import CANARY, MAIN, Canary, CanaryParts
from mdm_core.challengers import ArmParts
from mdm_core.checkpoints import Engine
from mdm_core.checks import Sizes
from mdm_core.config import PipelineOptions, load_config
from mdm_core.contracts import Component, FeatureExtractor, Modulator, ProposalModel
from mdm_core.decision import Decision
from mdm_core.errors import ConfigError, InvalidEvent
from mdm_core.lifecycle import close_all, is_isolated, open_all
from mdm_core.limits import Limits
from mdm_core.plugins import Registry
from mdm_core.shadow import Shadow, ShadowParts
from mdm_core.state import Key, KeyedState, Veil
from mdm_core.values import (
    Build,
    Commanded,
    Context,
    Decided,
    Event,
    Fact,
    Failure,
    Position,
)

_GROUP = 64


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
        switch_off_after: Time-outs, or deaths of its process, in a row after which a component is switched off.
        switch_off_for: Number of decisions for which it is.
        max_features: Features, reasons or parameters of one decision at most.
        max_text: Characters of one feature, reason or parameter at most.
        canary: Decides about a share of the keys in place of all that.
        shadows: Challengers, which see every event and can do nothing.
        run_id: Id that contexts and packets carry.
        base_dir: Relative paths in options are relative to it.
        run_dir: Directory of the run, for components that write.

    Raises:
        ConfigError: A component cannot work in these surroundings, or a shadow has a component that is not its own.
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
        canary: Canary | None = None,
        shadows: Sequence[Shadow] = (),
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
        self.main = Arm(features, model, modulators)
        self.features, self.model, self.modulators = self.main.features, self.main.model, self.main.modulators
        self.canary = canary
        self.shadows = tuple(shadows)
        if canary is not None and key is None:
            raise ConfigError("a canary decides about a share of the keys; set key in [pipeline]")
        self._check_shadows()
        has_time = timestamp is not None or clock == "wall"
        self.build = Build(key, timestamp, id, clock if has_time else None, seed, Path(base_dir), run_id, run_dir)
        self.step = 0
        self.feedback_seq = 0
        self.stopped = False
        self._now_ms = 0
        self._wall = clock == "wall"
        self._run_id = run_id
        self._seed = seed
        self._outcome = outcome
        self._get_key = getter(key) if key is not None else None
        self._get_time = getter(timestamp) if timestamp is not None else None
        self._get_id = getter(id) if id is not None else None
        self._to_ms = to_ms(timestamp_unit)
        timed = timeout_ms is not None or any(c.timeout_ms is not None for c in self.components())
        self.limits: Limits | None = None
        if timed or any(map(is_isolated, self.components())):
            self.limits = Limits(timeout_ms, switch_off_after, switch_off_for, self.build, timed)
        self._open()
        sizes = Sizes(max_features, max_text)
        for arm in self.arms():
            arm.bind(sizes, self.limits, run_id, has_time)
        for shadow in self.shadows:
            shadow.arm.bind(sizes, None, run_id, has_time)

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

    def arms(self) -> tuple[Arm, ...]:
        """The arms that decide."""
        return (self.main,) if self.canary is None else (self.main, self.canary.arm)

    def components(self) -> Iterator[Component]:
        """All components that take part in deciding, children before those that hold them."""
        seen: set[int] = set()
        for component in chain.from_iterable(arm.components() for arm in self.arms()):
            if id(component) not in seen:
                seen.add(id(component))
                yield component

    def states(self) -> Iterator[tuple[str, KeyedState[Any]]]:
        """The keyed states of all components, also of shadows, each with a name that is unique in the pipeline."""
        for arm in self._all_arms():
            yield from arm.states()

    def save(self, veil: Veil) -> tuple[Engine, dict[str, bytes]]:
        """Give everything that the pipeline remembers, for a checkpoint.

        Args:
            veil: Hides the keys.

        Returns:
            What the engine remembers, and the keyed states by name.
        """
        for shadow in self.shadows:
            shadow.settle(self.step)
        lateness = {} if self.limits is None else self.limits.save()
        shadows = {shadow.name: shadow.counts for shadow in self.shadows}
        engine = Engine(self.step, self._now_ms, self.feedback_seq, self.stopped, lateness, shadows)
        return engine, {name: state.snapshot(veil) for name, state in self._all_states()}

    def _all_arms(self) -> Iterator[Arm]:
        yield from self.arms()
        yield from (shadow.arm for shadow in self.shadows)

    def _all_states(self) -> Iterator[tuple[str, KeyedState[Any]]]:
        for arm in self._all_arms():
            yield from arm.all_states()

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
        for arm in self._all_arms():
            arm.restored()
        for shadow in self.shadows:
            shadow.counts |= engine.shadows.get(shadow.name, {})
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
        ctx, arm, items = self._admit(event, context, position)
        features, proposal, final, failure = arm.decide(event, ctx, self.stopped, self._now_ms)
        if self._outcome is not None:
            # Its own context, because a component may have kept the one that it was shown.
            ctx = ctx.copy()
            ctx["eval.outcome"] = outcome
        elapsed = time.perf_counter_ns() - started
        ctx["mdm.latency_us"] = elapsed / 1000
        decision = Decision(event, ctx, features, proposal, final, elapsed, failure)
        if self.shadows:
            self._ask_shadows(decision, items, context)
        return decision

    def observe(self, fact: Fact) -> list[Failure]:
        """Let the components learn from a receipt or a command.

        Args:
            fact: ``Executed`` or ``Commanded``, numbered in the order in which it is to be applied.

        Returns:
            One failure for each component that raised; the others have learned all the same.
        """
        if not isinstance(fact, Decided):
            self.feedback_seq = fact.seq
        if isinstance(fact, Commanded):
            self.stopped = fact.name == "stop"
        for shadow in self.shadows:
            shadow.observe(fact)
        if self.canary is None or isinstance(fact, Commanded):
            return [failure for arm in self.arms() for failure in arm.observe(fact)]
        key = fact.context.key if isinstance(fact, Decided) else fact.order.key
        return (self.canary.arm if self.canary.takes(key) else self.main).observe(fact)

    def _check_shadows(self) -> None:
        taken = {id(component) for component in self.components()}
        names = [shadow.name for shadow in self.shadows]
        for shadow, name in zip(self.shadows, names, strict=True):
            own = {id(component) for component in shadow.arm.components()}
            if own & taken:
                raise ConfigError(f"shadow {name!r} has a component of another arm; make it one of its own")
            if names.count(name) > 1:
                raise ConfigError(f"there is another shadow {name!r}; give it another name")
            taken |= own

    def _ask_shadows(self, decision: Decision, items: Mapping[str, Any], context: Mapping[str, Any] | None) -> None:
        """Let the shadows decide for themselves, each in a context of its own, and note what they say."""
        decided = decision.context
        # A component of the pipeline may have kept the context, and must not learn of shadows from it.
        decision.context = decided.copy()
        for shadow in self.shadows:
            recent = {} if shadow.arm.recent is None else shadow.arm.recent.context(self._now_ms)
            own = Context({**items, **recent}, decided.key, decided._event_id, decided.step, self._seed)
            decision.context.update(shadow.watch(own, context, decision, self.stopped, self._now_ms))

    def _open(self) -> None:
        self._opened: list[Component] = []
        try:
            open_all(chain.from_iterable(arm.components() for arm in self._all_arms()), self.build, self._opened)
        except BaseException:
            self.close()
            raise

    def _admit(
        self, event: Event, context: Mapping[str, Any] | None, position: Position | None
    ) -> tuple[Context, Arm, dict[str, Any]]:
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
        arm = self.main
        if self.canary is not None:
            items["mdm.arm"] = MAIN
            if self.canary.takes(key):
                arm, items["mdm.arm"] = self.canary.arm, CANARY
        if arm.recent is not None:
            items |= arm.recent.context(now)
        if self.feedback_seq:
            items["mdm.feedback_seq"] = self.feedback_seq
        if context:
            items.update(context)
        # From here on nothing can refuse the event any more.
        self._now_ms = now
        self.step = step + 1
        return Context(items, key, event_id, step, self._seed), arm, items


@attrs.frozen
class PipelineParts:
    """The deciding part of a configuration, built and not yet opened.

    Attributes:
        options: The table ``[pipeline]``.
        features: The feature extractors.
        model: The proposal model.
        modulators: The modulators.
        canary: What decides about a share of the keys, or None.
        shadows: Challengers.
        answers: Whether the configuration names a broker.
    """

    options: PipelineOptions
    features: list[Built]
    model: Built
    modulators: list[Built]
    canary: CanaryParts | None = None
    shadows: Sequence[ShadowParts] = ()
    answers: bool = False

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
        model, modulators = cast(Built, builder.one_of("model")), builder.all_of("modulators")
        canary, shadows = CanaryParts.build(builder, options), ShadowParts.build(builder, options)
        return cls(options, features, model, modulators, canary, shadows, bool(builder.config.table("broker")))

    @property
    def group(self) -> int:
        """Receipts are applied before the steps divisible by this."""
        return self.options.group or (1 if self.options.clock == "wall" else _GROUP)

    def challengers(self) -> Iterator[tuple[str, ArmParts]]:
        """What decides besides, each with its section."""
        if self.canary is not None:
            yield "canary", self.canary.arm
        yield from (("shadow", shadow.arm) for shadow in self.shadows)

    def with_features(self, extractor: FeatureExtractor) -> PipelineParts:
        """Give the same parts with another extractor in the place of all of them, in the canary too.

        Args:
            extractor: Such as one that gives features that were recorded.
        """
        features = [attrs.evolve(self.features[0], component=extractor)]
        canary = self.canary and attrs.evolve(self.canary, arm=attrs.evolve(self.canary.arm, features=features))
        return attrs.evolve(self, features=features, canary=canary)

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
            canary=None if self.canary is None else self.canary.canary(),
            shadows=[shadow.shadow(self.answers, self.group) for shadow in self.shadows],
            run_id=run_id,
            base_dir=base_dir,
            run_dir=run_dir,
        )


def _as_dict(event: Event) -> dict[str, Any]:
    if not isinstance(event, Mapping):
        raise InvalidEvent("not_an_object", f"an event is a mapping, not {type(event).__name__}")
    return dict(event)
