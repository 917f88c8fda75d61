"""Checks of what takes part in a decision: what it makes of values that real events bring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from mdm_core.schema import Proposal
from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import DECIDING, Broken, Inapplicable, check
from mdm_core.testing.material import (
    START_MS,
    UNICODE,
    Step,
    features_of,
    to_empty,
    to_huge,
    to_hugely_negative,
    to_none,
    to_other_type,
    to_unicode,
    with_each,
    without_each,
)
from mdm_core.testing.player import Answer, Player, out_of_contract
from mdm_core.values import Event
from mdm_core.wording import one_line


@check("missing-values", "A field that is not there is ordinary; it must not stop the decision.", *DECIDING)
def missing_values(case: Case) -> None:
    _must_answer(case, (e for event in _some(case) for e in without_each(event, case.subject.spared)))


@check(
    "none-values", "None is how an unknown value looks, and a number that is not finite; it must be taken.", *DECIDING
)
def none_values(case: Case) -> None:
    _must_answer(case, (e for event in _some(case) for e in with_each(event, case.subject.spared, to_none)))


@check("empty-values", "Empty texts, lists and tables come from every form that somebody left blank.", *DECIDING)
def empty_values(case: Case) -> None:
    spared = case.subject.spared
    changed = [e for event in _some(case) for e in with_each(event, spared, to_empty)]
    _must_answer(case, [*changed, *({**event, "list": [], "table": {}} for event in _some(case))])


@check("huge-values", "Hostile numbers must not get an answer past its range; what overflows may raise.", *DECIDING)
def huge_values(case: Case) -> None:
    changed = [e for event in _some(case) for e in with_each(event, case.subject.spared, to_huge, to_hugely_negative)]
    wide = [{**event, **{f"field_{n}": n for n in range(2000)}} for event in _some(case)[:1]]
    _must_answer(case, [*changed, *wide, *({**e, "whole": 10**400} for e in wide)], allowed=(ArithmeticError,))


@check("unicode-values", "Text comes in every script, and as halves of characters that UTF-8 cannot hold.", *DECIDING)
def unicode_values(case: Case) -> None:
    changed = [e for event in _some(case) for e in with_each(event, case.subject.spared, to_unicode)]
    named = [{**event, UNICODE: 1.0, "naïve.Ω": UNICODE} for event in _some(case)]
    _must_answer(case, [*changed, *named])


@check(
    "fails-by-exception",
    "What it cannot make sense of, a component refuses by an exception; an answer of another type hides the reason.",
    *DECIDING,
)
def fails_by_exception(case: Case) -> None:
    changed = (e for event in _some(case) for e in with_each(event, case.subject.spared, to_other_type))
    with case.opened() as component:
        for answer in Player(component, case.subject).play(_steps(case, changed)):
            if answer.error is not None:
                need(
                    isinstance(answer.error, Exception),
                    f"a value of another type made it raise {type(answer.error).__name__}, which ends the program",
                )
                continue
            problem = out_of_contract(case.subject.kind.section, answer.value)
            need(problem is None, f"asked about a value of another type: {problem}; raise instead")


@check("alternatives-agree", "What a model says of its own chances is what evaluation reckons with.", "model")
def alternatives_agree(case: Case) -> None:
    with case.opened() as component:
        give = getattr(component, "alternatives", None)
        if give is None:
            raise Inapplicable("this mdm-core asks no model for alternatives")
        player = Player(component, case.subject)
        found = False
        for step in case.steps:
            answer, context = player.ask_in_context(step)
            pairs = give(features_of(step.event), _again(player, step))
            found = found or bool(pairs)
            if pairs:
                _check_pairs(pairs, answer, step)
            player.tell(step, answer, context)
    if not found:
        raise Inapplicable("it says that nothing depends on chance")


def _again(player: Player, step: Step) -> Any:
    context = player.context_of(step)
    context.features = features_of(step.event)
    return context


def _check_pairs(pairs: Sequence[tuple[float, Proposal]], answer: Answer, step: Step) -> None:
    total = sum(share for share, _ in pairs)
    need(abs(total - 1) < 1e-9, f"event {step.number}: the probabilities of its alternatives sum to {total}")
    problems = [problem for _, proposal in pairs if (problem := out_of_contract("model", proposal))]
    need(not problems, f"event {step.number}: an alternative is no proposal: {problems[:1]}")
    actions = {proposal.action for _, proposal in pairs}
    proposed = answer.value.action if isinstance(answer.value, Proposal) else None
    need(proposed in actions, f"event {step.number}: what it proposed, {proposed}, is not among its alternatives")


def _some(case: Case) -> list[Event]:
    """A few events that between them have every field."""
    some: list[Event] = []
    names: set[str] = set()
    for event in case.subject.events:
        if len(some) < 2 or not names.issuperset(event):
            some.append(event)
            names |= event.keys()
    return some[:6]


def _steps(case: Case, events: Iterable[Event]) -> list[Step]:
    first = case.steps[0]
    return [
        attrs.evolve(first, event=event, number=number, now_ms=START_MS + number * 1000)
        for number, event in enumerate(events)
    ]


def _must_answer(case: Case, events: Iterable[Event], allowed: tuple[type[Exception], ...] = ()) -> None:
    steps = _steps(case, events)
    with case.opened() as component:
        ordinary = Player(component, case.subject).play(case.steps[:5])
        if all(answer.error is not None for answer in ordinary):
            raise Inapplicable("it does not answer about ordinary events either; see the check 'answers'")
        for step, answer in zip(steps, Player(component, case.subject).play(steps), strict=True):
            if answer.error is not None:
                if isinstance(answer.error, allowed):
                    continue
                raise Broken(f"{_told(case, step.event)} made it raise {one_line(answer.error)}")
            problem = out_of_contract(case.subject.kind.section, answer.value)
            need(problem is None, f"{_told(case, step.event)}: {problem}")


def _told(case: Case, event: Event) -> str:
    usual = next(iter(case.subject.events))
    gone = [name for name in usual if name not in event]
    other = [name for name in event if name in usual and event[name] is not usual[name]]
    if gone:
        return f"an event without {', '.join(map(repr, gone[:3]))}{' …' if len(gone) > 3 else ''}"
    return f"an event with another {', '.join(map(ascii, other[:3])) or 'field'}{' …' if len(other) > 3 else ''}"
