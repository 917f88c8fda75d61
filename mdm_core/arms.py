"""The deciding part of a pipeline: features, model and modulators that decide together, and learn together.

A pipeline has one arm; with a canary, two; and one more for each shadow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, TypeAlias

from mdm_core import ops
from mdm_core.checks import FeatureCheck, Sizes, check_proposal, checked_final, failed_closed
from mdm_core.contracts import Component, FeatureExtractor, Modulator, ProposalModel
from mdm_core.errors import ContractError, DuplicateFeature
from mdm_core.failures import describe, not_of_ours
from mdm_core.lifecycle import name_of, with_children
from mdm_core.limits import Limits
from mdm_core.log import get_logger
from mdm_core.orders import make_order
from mdm_core.propensity import Alternatives, check_alternatives, forget, propensities
from mdm_core.recent import Recent
from mdm_core.schema import Action, FinalDecision, Proposal
from mdm_core.state import KeyedState, states_of
from mdm_core.values import Context, Decided, Event, Executed, Fact, Failure, Features, Settled

_log = get_logger("pipeline")
_HOLD = Action.HOLD
_Modulators: TypeAlias = list[tuple[Callable[[Proposal, FinalDecision, Context], Any], str]]

Answer: TypeAlias = tuple[Features, Proposal, FinalDecision, Failure | None]
"""Features, proposal, final decision, and what went wrong."""


class Arm:
    """Features, model and modulators, and what guards are told of how it went lately.

    Components have the names that they would have in a pipeline of their own, so that chance is the same to them.

    Args:
        features: One feature extractor or several; their features are merged.
        model: The proposal model.
        modulators: Looked at in order; the first denial ends the chain.
        name: What it is called in failures, limits and states, such as ``canary``; empty for a pipeline's main arm.

    Attributes:
        recent: What guards are told, or None if there is no time or no guard.
    """

    recent: Recent | None = None

    def __init__(
        self,
        features: FeatureExtractor | Sequence[FeatureExtractor],
        model: ProposalModel,
        modulators: Sequence[Modulator] = (),
        name: str = "",
    ) -> None:
        self.name = name
        self.features = (features,) if isinstance(features, FeatureExtractor) else tuple(features)
        self.model = model
        self.modulators = tuple(modulators)
        self._prefix = f"{name}:" if name else ""
        self._windows = KeyedState(Recent)

    def components(self) -> Iterator[Component]:
        """All its components, children before those that hold them."""
        seen: set[int] = set()
        for component in chain.from_iterable(map(with_children, (*self.features, self.model, *self.modulators))):
            if id(component) not in seen:
                seen.add(id(component))
                yield component

    def states(self) -> Iterator[tuple[str, KeyedState[Any]]]:
        """The keyed states of its components, each with a name that is unique in the pipeline."""
        for number, component in enumerate(self.components()):
            for name, state in states_of(component).items():
                yield f"{self._prefix}{number}.{name_of(component)}.{name}", state

    def all_states(self) -> Iterator[tuple[str, KeyedState[Any]]]:
        """The same, with what is remembered besides."""
        yield f"{self._prefix}engine.recent", self._windows
        yield from self.states()

    def restored(self) -> None:
        """Take up the states that were restored."""
        if self.recent is not None:
            self.recent = self._windows[None]

    def bind(self, sizes: Sizes, limits: Limits | None, run_id: str, has_time: bool) -> None:
        """Resolve what is called per event, each method with its component's name.

        Args:
            sizes: How much a component may answer.
            limits: Time limits, or None.
            run_id: Id of the run, which orders are named by.
            has_time: Whether the pipeline has a clock.
        """
        # Only modulators look at it, and it needs time.
        self.recent = self._windows[None] if self.modulators and has_time else None
        self._checked, self._run_id = FeatureCheck(sizes).check, run_id
        self._sizes, self._check_size = sizes, sizes.check
        name = _unique_names(self.components())
        learners = [c for c in self.components() if type(c).observe is not Component.observe]

        def stage(stage: str, component: Component, method: Callable[..., Any]) -> Callable[..., Any]:
            return method if limits is None else limits.stage(stage, component, self._prefix + name(component), method)

        self._extract = [(stage("features", e, e.extract), name(e)) for e in self.features]
        self._propose = stage("model", self.model, self.model.propose)
        self._model_name = name(self.model)
        self._alternatives: Callable[[Features, Context], Any] | None = None
        if type(self.model).alternatives is not ProposalModel.alternatives:
            self._alternatives = stage("alternatives", self.model, self.model.alternatives)
            self._look = [(stage("alternatives", m, m.modulate), name(m)) for m in self.modulators]
        self._modulate = [(stage("modulator", m, m.modulate), name(m)) for m in self.modulators]
        self._learners: list[tuple[str, Callable[[Fact], None]]]
        if limits is None:
            self._learners = [(name(c), c.observe) for c in learners]
        else:
            extract, first = self._extract[0]
            self._extract[0] = limits.first(extract, self.features), first
            self._learners = [(name(c), limits.learner(c, self._prefix + name(c), c.observe)) for c in learners]
        self._extract_alone = self._extract[0] if len(self._extract) == 1 else None

    def decide(self, event: Event, ctx: Context, stopped: bool, now_ms: int) -> Answer:
        """Decide about one event. Whatever goes wrong in a component, the answer is HOLD, not allowed.

        Args:
            event: The event, without its outcome.
            ctx: The context; it gets the features, and what components add to it.
            stopped: Whether an operator has stopped the pipeline.
            now_ms: Time of the pipeline's clock.
        """
        features: Features = {}
        ctx.features = features
        proposal = failure = None
        stage = "features"
        try:
            if self._extract_alone is not None:
                extract, ctx.component = self._extract_alone
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
            ctx.component = self._model_name
            answered = self._propose(features, ctx)
            if type(answered) is not Proposal or type(answered.confidence) is not float:
                check_proposal(answered)
            action = answered.action
            if type(action) is not Action or not 0.0 <= answered.confidence <= 1.0:
                check_proposal(answered)
            self._check_size(answered)
            proposal = answered
            before = ctx if self._alternatives is None else ctx.copy()
            final = FinalDecision(action, True, proposal.reasons, None, None, None, proposal.params)
            if action is not _HOLD:
                stage = "modulator"
                final = self._guarded(proposal, final, ctx, stopped, self._modulate)
            if self._alternatives is not None:
                stage, ctx.component = "model", self._model_name
                might = check_alternatives(self._alternatives(features, before.copy()), proposal, self._sizes)
                stage = "modulator"
                ctx.update(self._propensities(might, proposal, final, before, ctx, stopped))
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
        if self.recent is not None:
            self.recent.decided(now_ms, failure is not None)
        return features, proposal, final, failure

    def observe(self, fact: Fact) -> list[Failure]:
        """Let the components learn.

        Args:
            fact: What happened.

        Returns:
            One failure for each component that raised; the others have learned all the same.
        """
        if isinstance(fact, Executed) and self.recent is not None:
            self.recent.executed(fact)
        failures = []
        for name, learn in self._learners:
            try:
                learn(fact)
            except BaseException as error:
                not_of_ours(error)
                failures.append(describe("observe", self._prefix + name, error))
        return failures

    def _guarded(
        self, proposal: Proposal, final: FinalDecision, ctx: Context, stopped: bool, modulators: _Modulators
    ) -> FinalDecision:
        """What operations and modulators make of a proposal that is not HOLD."""
        denied = ops.denial(final, ctx, stopped)
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
        self,
        might: Alternatives,
        proposal: Proposal,
        final: FinalDecision,
        before: Context,
        ctx: Context,
        stopped: bool,
    ) -> dict[str, Any]:
        """Have the guards look at what else might have been proposed, each time as if it had been."""

        def look(alternative: Proposal) -> FinalDecision:
            passed = FinalDecision(alternative.action, True, alternative.reasons, None, None, None, alternative.params)
            if alternative.action is _HOLD:
                return passed
            seen = before.copy()
            try:
                return self._guarded(alternative, passed, seen, stopped, self._look)
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
        failure = describe(stage, self._prefix + name, error, ctx.step)
        _log.warning("step %d: %s %s failed: %s (%s)", ctx.step, stage, failure.component, failure.error, failure.place)
        ctx["mdm.fail_closed"] = True
        return failure


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
