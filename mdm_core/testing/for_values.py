"""Checks of what takes part in a decision: what it makes of values that real events bring."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import DECIDING, Broken, Inapplicable, check
from mdm_core.testing.material import (
    START_MS,
    UNICODE,
    Step,
    to_empty,
    to_huge,
    to_hugely_negative,
    to_none,
    to_other_type,
    to_unicode,
    with_each,
    without_each,
)
from mdm_core.testing.player import Player, out_of_contract
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
    some = _some(case)
    changed = [e for event in some for e in with_each(event, case.subject.spared, to_empty)]
    _must_answer(case, [*changed, *({**event, "list": [], "table": {}} for event in some)])


@check("huge-values", "Hostile numbers must not get an answer past its range; what overflows may raise.", *DECIDING)
def huge_values(case: Case) -> None:
    some = _some(case)
    changed = [e for event in some for e in with_each(event, case.subject.spared, to_huge, to_hugely_negative)]
    wide = {**some[0], **{f"field_{n}": n for n in range(2000)}}
    _must_answer(case, [*changed, wide, {**wide, "whole": 10**400}], allowed=(ArithmeticError,))


@check("unicode-values", "Text comes in every script, and as halves of characters that UTF-8 cannot hold.", *DECIDING)
def unicode_values(case: Case) -> None:
    some = _some(case)
    changed = [e for event in some for e in with_each(event, case.subject.spared, to_unicode)]
    _must_answer(case, [*changed, *({**event, UNICODE: 1.0, "naïve.Ω": UNICODE} for event in some)])


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


def _some(case: Case) -> list[Event]:
    """A few events that it answers about, which between them have every field.

    Raises:
        Inapplicable: There is none.
    """
    with case.opened() as component:
        answers = Player(component, case.subject).play(case.steps)
    some: list[Event] = []
    names: set[str] = set()
    for step, answer in zip(case.steps, answers, strict=True):
        if answer.error is None and (len(some) < 2 or not names.issuperset(step.event)):
            some.append(step.event)
            names |= step.event.keys()
    if not some:
        raise Inapplicable("it does not answer about ordinary events either; see the check 'answers'")
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
        for step, answer in zip(steps, Player(component, case.subject).play(steps), strict=True):
            if answer.error is not None:
                if isinstance(answer.error, allowed):
                    continue
                raise Broken(f"{_told(case, step.event)} made it raise {one_line(answer.error)}")
            problem = out_of_contract(case.subject.kind.section, answer.value)
            if problem is not None:
                raise Broken(f"{_told(case, step.event)}: {problem}")


def _told(case: Case, event: Event) -> str:
    gone, other = min((_apart(event, usual) for usual in case.subject.events), key=lambda pair: len(pair[0] + pair[1]))
    if gone:
        return f"an event without {', '.join(map(repr, gone[:3]))}{' …' if len(gone) > 3 else ''}"
    return f"an event with another {', '.join(map(ascii, other[:3])) or 'field'}{' …' if len(other) > 3 else ''}"


def _apart(event: Event, usual: Event) -> tuple[list[str], list[str]]:
    """The fields that an event lacks, and those that are others."""
    gone = [name for name in usual if name not in event]
    return gone, [name for name in event if name not in usual or event[name] is not usual[name]]
