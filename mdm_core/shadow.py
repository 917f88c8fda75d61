"""Shadows: challengers that see every event, decide for themselves, and have no way to anything that could act.

A shadow is asked when the decision is final and its latency taken. It gets copies of everything, so it cannot change
what was decided; what goes wrong in it is counted, and what takes too long is skipped or broken off.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

import attrs
import msgspec

from mdm_core.alarm import TimeIsUp, call_within
from mdm_core.arms import Arm
from mdm_core.building import Builder, Built
from mdm_core.challengers import STAGES, ArmParts
from mdm_core.config import PipelineOptions, ShadowOptions
from mdm_core.contracts import FeatureExtractor, Modulator, ProposalModel
from mdm_core.decision import Decision
from mdm_core.errors import StageError
from mdm_core.failures import describe, not_of_ours
from mdm_core.log import get_logger
from mdm_core.orders import make_order
from mdm_core.schema import Action, FinalDecision, Proposal
from mdm_core.values import Commanded, Context, Event, Executed, Fact, Failure, Features, Order, Receipt, Settled

SAVED_UP: Final = 1000
"""Events for which a budget that is not used is saved up at most."""

_log = get_logger("shadow")
_HOLD = Action.HOLD
_DONE = Receipt("done")
_REMEMBERED = 10_000


class Shadow:
    """A challenger, what it may cost, and what it has come to.

    It learns of its own decisions. Where the pipeline gives the same order, with the same parameters, it learns what
    came of that; any other order of its own is taken to be done, and it learns so when a broker that answers at once
    would have been heard.

    Args:
        name: Its name in packets: lower-case letters, digits and ``_``.
        model: The proposal model.
        modulators: Looked at in order.
        features: Feature extractors of its own; without any, it goes by the features of the decision.
        budget_us: Microseconds that an event may take it on average; what it has not used is saved up for
            ``SAVED_UP`` events, and while it owes time it is skipped.
        timeout_ms: Longest time for one event; a challenger that takes longer is not asked any more.
        answers: Whether there is a broker, so that orders come to something.
        group: Orders are taken to be done before the steps divisible by this.

    Raises:
        ConfigError: An option is wrong.
    """

    def __init__(
        self,
        name: str,
        model: ProposalModel,
        modulators: Sequence[Modulator] = (),
        features: FeatureExtractor | Sequence[FeatureExtractor] = (),
        *,
        budget_us: int = 1000,
        timeout_ms: int = 1000,
        answers: bool = False,
        group: int = 64,
    ) -> None:
        ShadowOptions(name=name, budget_us=budget_us, timeout_ms=timeout_ms)  # which checks them
        self.name = name
        self._borrowed = None if features else Borrowed()
        self.arm = Arm(self._borrowed or features, model, modulators, f"shadow {name}")
        self.counts = dict.fromkeys(("decided", "differs", "failed", "skipped", "given_up"), 0)
        self._prefix = f"mdm.shadow.{name}."
        self._budget_ns, self._seconds = budget_us * 1000, timeout_ms / 1000
        self._credit = self._most = SAVED_UP * self._budget_ns
        self._answers, self._group = answers, group
        self._same: OrderedDict[str, Order] = OrderedDict()
        self._assumed: list[tuple[int, Order, int | None]] = []

    def watch(
        self, ctx: Context, given: Mapping[str, Any] | None, decision: Decision, stopped: bool, now_ms: int
    ) -> dict[str, Any]:
        """Decide about an event that was decided about.

        Args:
            ctx: A context of its own.
            given: What the caller put into the context; it gets a copy.
            decision: What was decided.
            stopped: Whether an operator has stopped the pipeline.
            now_ms: Time of the pipeline's clock.

        Returns:
            What the packet says of it.
        """
        self._credit = min(self._most, self._credit + self._budget_ns)
        if self._credit <= 0 or self.counts["given_up"]:
            self.counts["skipped"] += 1
            return {f"{self._prefix}skipped": True}
        told: dict[str, Any] = {}
        self._spend(lambda: told.update(self._decide(ctx, given, decision, stopped, now_ms)))
        return told or {f"{self._prefix}fail_closed": True}

    def observe(self, fact: Fact) -> None:
        """Learn of a command, or of what came of an order that it would have given as well.

        Args:
            fact: What happened.
        """
        if isinstance(fact, Commanded):
            self._spend(lambda: self._learn(fact))
        elif isinstance(fact, Executed | Settled):
            order = self._same.get(fact.order.idempotency_key)
            if order is None:
                return
            own = attrs.evolve(fact, order=order)
            if isinstance(fact, Settled) or fact.receipt.status in ("done", "failed"):
                del self._same[order.idempotency_key]
            self._spend(lambda: self._learn(own))

    def settle(self, step: int) -> None:
        """Learn that orders are done that were not given, as far as it is due.

        Args:
            step: The next decision's number.
        """
        if self._assumed:
            self._spend(lambda: self._settle(step))

    def _decide(
        self, ctx: Context, given: Mapping[str, Any] | None, decision: Decision, stopped: bool, now_ms: int
    ) -> dict[str, Any]:
        event = decision.event
        if given:
            ctx.update(deepcopy(dict(given)))
        if self._borrowed is None:
            event = deepcopy(event)
        else:
            self._borrowed.lend(decision.features, decision.failure)
        self._settle(ctx.step)
        _, proposal, final, failure = self.arm.decide(event, ctx, stopped, now_ms)
        self.counts["decided"] += 1
        self.counts["failed"] += failure is not None
        if self._answers and _acts(final):
            self._expect(final, ctx, decision)
        return self._tell(proposal, final, failure, decision.final)

    def _expect(self, final: FinalDecision, ctx: Context, decision: Decision) -> None:
        order = make_order(final, ctx, str(ctx["run_id"]))
        if _is_same(final, decision.final):
            self._same[order.idempotency_key] = order
            if len(self._same) > _REMEMBERED:
                self._same.popitem(last=False)
        else:
            self._assumed.append((ctx.step, order, ctx.get("now_ms")))

    def _tell(
        self, proposal: Proposal, final: FinalDecision, failure: Failure | None, decided: FinalDecision
    ) -> dict[str, Any]:
        told: dict[str, Any] = {
            "proposed": proposal.action.value,
            "confidence": proposal.confidence,
            "action": final.action.value,
            "allowed": final.allowed,
        }
        if failure is not None:
            told["fail_closed"] = True
        if final.action is not decided.action or final.allowed is not decided.allowed:
            self.counts["differs"] += 1
            told["reasons"] = list(final.reasons)
            told["flags"] = [] if final.mismatch is None else list(final.mismatch.flags)
        if _acts(final) and not _is_same(final, decided):
            told["params"] = _plain(final.params)
        return {self._prefix + name: value for name, value in told.items()}

    def _settle(self, step: int) -> None:
        while self._assumed and self._assumed[0][0] // self._group < step // self._group:
            _, order, now_ms = self._assumed.pop(0)
            self._learn(Executed(1, _DONE, order, 1, 0.0, now_ms))

    def _learn(self, fact: Fact) -> None:
        self.counts["failed"] += bool(self.arm.observe(fact))

    def _spend(self, does: Callable[[], None]) -> None:
        """Do something within the time limit and at the expense of the budget, whatever goes wrong."""
        if self.counts["given_up"]:
            return
        started = time.perf_counter_ns()
        try:
            call_within(self._seconds, does)
        except TimeIsUp:
            # In the middle of something: what it remembers may be half of it.
            self.counts["given_up"] = 1
            _log.error("shadow %s took too long and is not asked any more", self.name)
        except BaseException as error:
            not_of_ours(error)
            self.counts["failed"] += 1
            failure = describe("shadow", self.name, error)
            _log.warning("shadow %s failed: %s (%s)", self.name, failure.error, failure.place)
        self._credit -= time.perf_counter_ns() - started


class Borrowed(FeatureExtractor):
    """Gives the features of the decision in place of features of its own, and fails where those failed."""

    _features: Features
    _failure: Failure | None

    def lend(self, features: Features, failure: Failure | None) -> None:
        """Say what to give next.

        Args:
            features: The features of the decision.
            failure: What went wrong in it.
        """
        self._features, self._failure = features, failure

    def extract(self, event: Event, context: Context) -> Features:
        """Give a copy of them."""
        if self._failure is not None and self._failure.stage == "features":
            raise StageError(self._failure.reason_code)
        return dict(self._features)


@attrs.frozen
class ShadowParts:
    """A table ``[[shadow]]``, built and not yet opened.

    Attributes:
        options: Its options.
        arm: What the shadow decides by.
    """

    options: ShadowOptions
    arm: ArmParts

    @classmethod
    def build(cls, builder: Builder, options: PipelineOptions | None) -> list[ShadowParts]:
        """Build all of them; problems are left in the builder.

        Args:
            builder: The builder of the configuration.
            options: The table ``[pipeline]``; None if there is something wrong with it.
        """
        found: list[ShadowParts] = []
        for table in builder.config.tables("shadow"):
            own = builder.options_of(ShadowOptions, table, known=("pipeline", *STAGES))
            arm = ArmParts.build(builder, table, options)
            if not builder.problems and not arm.said:
                builder.problem(table.place, "decides as the pipeline does; give it a model, modulators or a pipeline")
            if own is not None and own.name in [shadow.options.name for shadow in found]:
                builder.problem(
                    table.place.child("name"), f"there is another shadow {own.name!r}; give it another name"
                )
            found.append(cls(own, _completed(arm, builder)))
        return found

    def shadow(self, answers: bool, group: int) -> Shadow:
        """Make the shadow.

        Args:
            answers: Whether there is a broker.
            group: Orders are taken to be done before the steps divisible by this.
        """
        assert self.arm.model is not None
        features: list[Any] = [built.component for built in self.arm.features]
        model: Any = self.arm.model.component
        modulators: list[Any] = [built.component for built in self.arm.modulators]
        return Shadow(
            model=model,
            modulators=modulators,
            features=features,
            answers=answers,
            group=group,
            **attrs.asdict(self.options),
        )

    def resolved(self) -> Mapping[str, Any]:
        """The table with all defaults filled in and all stages in it."""
        return {**attrs.asdict(self.options), **self.arm.resolved()}


def _completed(arm: ArmParts, builder: Builder) -> ArmParts:
    """Build the model and the modulators of the pipeline once more where the table names none: with their own state."""
    if builder.problems:
        return arm
    model: Built | None = arm.model if "model" in arm.said else builder.one_of("model")
    modulators = arm.modulators if "modulators" in arm.said else builder.all_of("modulators")
    return attrs.evolve(arm, model=model, modulators=modulators)


def _acts(final: FinalDecision) -> bool:
    return final.allowed and final.action is not _HOLD


def _plain(params: Mapping[str, Any] | None) -> Any:
    """Copy parameters in builtin types: what is done with the packet later is not done at the shadow's expense."""
    return msgspec.to_builtins(params or {}, str_keys=True, enc_hook=_builtin)


def _builtin(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else f"[{type(value).__name__}]"


def _is_same(final: FinalDecision, other: FinalDecision) -> bool:
    """Whether two decisions, of which the first acts, order the same."""
    return _acts(other) and final.action is other.action and (final.params or {}) == (other.params or {})
