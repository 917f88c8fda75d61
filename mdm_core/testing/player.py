"""Asking a component about one step after another, and telling it what came of them, as core does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from mdm_core.checks import FeatureCheck, check_proposal, checked_final, failed_closed
from mdm_core.contracts import Component
from mdm_core.decision import Decision, packet_dict
from mdm_core.failures import describe
from mdm_core.lifecycle import name_of, with_children
from mdm_core.orders import make_order
from mdm_core.schema import Action, FinalDecision, Proposal
from mdm_core.testing.case import RUN_ID
from mdm_core.testing.checks import Broken
from mdm_core.testing.material import SECRETS, SIZES, Step, features_of
from mdm_core.testing.plain import copied, difference, plain
from mdm_core.testing.subject import Subject
from mdm_core.values import Context, Decided, Executed, Fact, Order, Receipt, Settled

ACTIONS: Final = (Action.ACT, Action.ACT, Action.EXIT, Action.ACT, Action.STOP, Action.CANCEL)
STATUSES: Final = ("done", "pending", "failed", "retry", "unknown")
KINDS: Final = ("ok", "rate_limited", "disconnected", "timeout", "rejected", "error")
RECEIPTS: Final = (
    Receipt("done", reference="r-1"),
    Receipt("failed", "rejected"),
    Receipt("done"),
    Receipt("retry", "rate_limited", 100),
    Receipt("pending"),
    Receipt("unknown", "timeout"),
)


@attrs.frozen
class Answer:
    """What came of one question.

    Attributes:
        value: The answer, or None if it raised.
        error: What it raised.
        seconds: How long it took.
        changed: What of the question it has changed, in words, if that was watched.
    """

    value: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    changed: str | None = None

    @property
    def plain(self) -> Any:
        """The answer, so that it can be compared."""
        return f"raised {type(self.error).__name__}" if self.error is not None else plain(self.value)


class Player:
    """Asks one component.

    Args:
        component: The component, opened.
        subject: What is known of it.
        timeless: Whether the pipeline has no clock.
        watch: Whether to look at what questions are changed.

    Attributes:
        refused: The facts that it has raised at.
    """

    def __init__(self, component: Component, subject: Subject, *, timeless: bool = False, watch: bool = False) -> None:
        self._component = component
        self._subject = subject
        self._timeless = timeless
        self._watch = watch
        self._learners = [c for c in with_children(component) if type(c).observe is not Component.observe]
        self._ask: Callable[[Step, Context], tuple[Callable[..., Any], tuple[Any, ...]]]
        self._ask = getattr(self, f"_{subject.kind.section}")
        self._seq = 0
        self.refused: list[Broken] = []

    def play(self, steps: Iterable[Step]) -> list[Answer]:
        """Ask about steps, and tell what came of each.

        Args:
            steps: The steps.
        """
        answers = []
        for step in steps:
            answer, context = self.ask_in_context(step)
            answers.append(answer)
            if self._learners:
                self.tell(step, answer, context)
        return answers

    def ask(self, step: Step) -> Answer:
        """Ask about one step, and tell nothing."""
        return self.ask_in_context(step)[0]

    def ask_in_context(self, step: Step) -> tuple[Answer, Context]:
        """Ask about one step, and give the context of the question as well."""
        context = self.context_of(step)
        method, arguments = self._ask(step, context)
        before = [_kept(argument) for argument in arguments] if self._watch else None
        started = time.perf_counter()
        value, error = None, None
        try:
            value = method(*arguments)
        except BaseException as raised:
            if isinstance(raised, KeyboardInterrupt) or not isinstance(raised, Exception | SystemExit | GeneratorExit):
                raise
            error = raised
        seconds = time.perf_counter() - started
        changed = None if before is None else _changes(before, arguments)
        return Answer(value, error, seconds, changed), context

    def tell(self, step: Step, answer: Answer, context: Context) -> None:
        """Tell the component what came of a question; what it does not take is noted in ``refused``."""
        for fact in self.facts(step, self._final(step, answer, context), context):
            try:
                self.learn(fact)
            except Broken as broken:
                self.refused.append(broken)

    def learn(self, fact: Fact) -> None:
        """Tell the component a fact.

        Raises:
            Broken: It does not take it.
        """
        for learner in self._learners:
            try:
                learner.observe(fact)
            except Exception as error:
                raise Broken(
                    f"{name_of(learner)} raised {type(error).__name__} in observe, told {type(fact).__name__}: {error}"
                ) from error

    def facts(self, step: Step, final: FinalDecision, context: Context) -> Iterable[Fact]:
        """What core tells after a decision."""
        yield Decided(final, context)
        if not final.allowed or final.action is Action.HOLD:
            return
        order = make_order(final, context, RUN_ID)
        receipt = RECEIPTS[step.number % len(RECEIPTS)]
        self._seq += 1
        yield Executed(self._seq, receipt, order, 1, 4.0 + step.number % 3, context.get("now_ms"))
        if receipt.status in ("retry", "pending", "unknown"):
            self._seq += 1
            yield Settled(self._seq, order, "unknown", context.get("now_ms"))

    def context_of(self, step: Step) -> Context:
        """A context as core would make it."""
        items: dict[str, Any] = {"run_id": RUN_ID}
        if not self._timeless:
            items |= {"now_ms": step.now_ms, "last_event_ts_ms": step.now_ms}
            items |= {"steps_in_window": step.number, "errors_in_window": 0, "rate_limit_events": 0}
            items["recent_failures"] = 0
        context = Context({**items, **self._subject.context}, step.key, f"e{step.number}", step.number, 0)
        context.component = name_of(self._component)
        return context

    def _final(self, step: Step, answer: Answer, context: Context) -> FinalDecision:
        value, section = answer.value, self._subject.kind.section
        if answer.error is not None:
            return failed_closed(describe(section, "", answer.error))
        if isinstance(value, FinalDecision):
            return value
        if isinstance(value, Proposal):
            return FinalDecision(value.action, True, value.reasons, None, None, None, value.params)
        features = value if isinstance(value, dict) else features_of(step.event)
        context.features = features
        action = Action.HOLD if step.number % 3 == 2 else Action.ACT
        return FinalDecision(action, True, ["checked"], None, None, None, dict(features))

    def _features(self, step: Step, context: Context) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._component.extract, (copied(step.event), context)  # type: ignore[attr-defined]

    def _model(self, step: Step, context: Context) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        context.features = dict(step.features)
        return self._component.propose, (context.features, context)  # type: ignore[attr-defined]

    def _modulators(self, step: Step, context: Context) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        proposal, final = decided(step, context)
        return self._component.modulate, (proposal, final, context)  # type: ignore[attr-defined]

    def _broker(self, step: Step, context: Context) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._component.execute, (order_of(step, context),)  # type: ignore[attr-defined]

    def _redaction(self, step: Step, context: Context) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        packet = packet_of(step, context)
        packet["input"] = copied({**step.event, **SECRETS})
        return self._component.redact, (packet,)  # type: ignore[attr-defined]

    def _trace(self, step: Step, context: Context) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        made = audit_of if self._component.accepts == "audit" else packet_of  # type: ignore[attr-defined]
        return self._component.write, (made(step, context),)  # type: ignore[attr-defined]

    def _observers(self, step: Step, context: Context) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._component.on_decision, (packet_of(step, context),)  # type: ignore[attr-defined]


def same_answers(expected: Sequence[Answer], answers: Sequence[Answer], when: str) -> None:
    """Fail a check unless two rounds of questions were answered the same.

    Args:
        expected: The one.
        answers: The other.
        when: What is different about the other, for the message.

    Raises:
        Broken: An answer is another.
    """
    for number, (one, other) in enumerate(zip(expected, answers, strict=True)):
        changed = difference(one.plain, other.plain)
        if changed is not None:
            raise Broken(f"{when} question {number} is answered differently: {changed}")


def decided(step: Step, context: Context) -> tuple[Proposal, FinalDecision]:
    """What a model may have proposed about a step, and the decision so far."""
    context.features = dict(step.features)
    action = ACTIONS[step.number % len(ACTIONS)]
    params = dict(context.features)
    proposal = Proposal(action, 0.5 + step.number % 5 / 10, ["checked"], params, None, {})
    return proposal, FinalDecision(action, True, ["checked"], None, None, None, params)


def order_of(step: Step, context: Context) -> Order:
    """The order that a step leads to."""
    return make_order(decided(step, context)[1], context, RUN_ID)


def packet_of(step: Step, context: Context) -> dict[str, Any]:
    """The packet of a step, as core makes it; of every fifth the decision has failed closed."""
    proposal, final = decided(step, context)
    failure = None
    if step.number % 5 == 4:
        failure = describe("model", "checked", ZeroDivisionError(), step.number)
        context["mdm.fail_closed"] = True
        proposal, final = Proposal(Action.HOLD, 0.0, [failure.reason_code], {}), failed_closed(failure)
    decision = Decision(copied(step.event), context, context.features, proposal, final, 1_234_567, failure)
    return packet_dict(decision, RUN_ID) | {"external": dict(context)}


def audit_of(step: Step, _: Context) -> dict[str, Any]:
    """An audit event about a step."""
    return {
        "event": "decision_denied",
        "at": "2026-01-01T00:00:00.000Z",
        "run_id": RUN_ID,
        "step": step.number,
        "key": step.key,
        "flags": ["checked"],
        "details": copied(step.event),
    }


def out_of_contract(section: str, value: Any) -> str | None:
    """Say what is wrong with an answer, or None.

    Args:
        section: The kind of component that gave it.
        value: The answer.
    """
    try:
        _CHECKED[section](value)
    except Exception as error:
        return f"{error or type(error).__name__}, got {type(value).__name__}"
    return None


def _proposal(value: Any) -> None:
    check_proposal(value)
    SIZES.check(value)


def _final(value: Any) -> None:
    SIZES.check(checked_final(value))


def _receipt(value: Any) -> None:
    if not isinstance(value, Receipt):
        raise TypeError("a broker must answer with a Receipt")
    if value.status not in STATUSES or value.kind not in KINDS:
        raise ValueError(f"status {value.status!r} or kind {value.kind!r} of a receipt is not one that there is")
    if value.retry_after_ms is not None and type(value.retry_after_ms) is not int:
        raise TypeError("retry_after_ms must be whole milliseconds or None")
    if value.reference is not None and not isinstance(value.reference, str):
        raise TypeError("the reference of a receipt must be text or None")


def _redacted(value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError("a redactor must return a mapping")


def _nothing(value: Any) -> None:
    if value is not None:
        raise TypeError("the method gives nothing back")


_CHECKED: Final[dict[str, Callable[[Any], object]]] = {
    "features": FeatureCheck(SIZES).check,
    "model": _proposal,
    "modulators": _final,
    "broker": _receipt,
    "redaction": _redacted,
    "trace": _nothing,
    "observers": _nothing,
}


def _kept(argument: Any) -> Any:
    if isinstance(argument, Context):
        return plain(dict(argument)), plain(argument.features)
    return plain(argument)


def _changes(before: list[Any], arguments: tuple[Any, ...]) -> str | None:
    for kept, argument in zip(before, arguments, strict=True):
        if isinstance(argument, Context):
            items, features = kept
            # A component may add items of its own; what is there is others'.
            now = {name: argument[name] for name in items if name in argument}
            changed = difference(items, plain(now)) or difference(features, plain(argument.features))
        else:
            changed = difference(kept, plain(argument))
        if changed:
            return f"{type(argument).__name__}: {changed}"
    return None
