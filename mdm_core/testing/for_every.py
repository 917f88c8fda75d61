"""Checks for every kind of component: life cycle, answers, cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import attrs

from mdm_core.contracts import Component
from mdm_core.errors import ConfigError
from mdm_core.lifecycle import close_all, is_isolated, open_all, rebuild, with_children
from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import DECIDING, Broken, Inapplicable, check
from mdm_core.testing.material import Step
from mdm_core.testing.plain import difference, shown
from mdm_core.testing.player import Answer, Player, out_of_contract
from mdm_core.testing.reading import read
from mdm_core.wording import one_line

_ASKED: Final = ("features", "model", "modulators", "broker", "redaction", "trace", "observers")


@check("opens", "What cannot be made and opened with these options can be neither used nor checked.")
def opens(case: Case) -> None:
    try:
        component = case.subject.make()
    except Exception as error:
        raise Broken(f"it cannot be made: {error}; give its options") from error
    opened: list[Component] = []
    try:
        open_all(with_children(component), case.build(), opened)
    except ConfigError as error:
        close_all(opened)
        raise Broken(f"it cannot be opened: {error}; give options, files or a base_dir with which it can") from error
    for part in reversed(opened):
        _close(part, "what was opened")


@check("close-twice", "Core closes what may be half open, after a failure too; close must not mind.")
def close_twice(case: Case) -> None:
    never_opened = case.make()
    _close(never_opened, "a component that was never opened")
    with case.opened() as component:
        _close(component, "an open component")
        _close(component, "a closed component")


def _close(component: Component, what: str) -> None:
    try:
        component.close()
    except Exception as error:
        raise Broken(f"close, called on {what}, raised {one_line(error)}") from error


@check("opens-again", "After a time-out core closes a component, makes it anew in place and opens it again.")
def opens_again(case: Case) -> None:
    build = case.build()
    with case.opened(build) as component:
        before = _performed(case, component)
        if is_isolated(component):
            raise Inapplicable("it runs in another process")
        try:
            rebuild(component, build)
        except Exception as error:
            raise Broken(f"it cannot be made anew and opened again: {one_line(error)}") from error
        after = _performed(case, component)
    failed = [answer for answer in after if answer.error is not None]
    if failed and not any(answer.error for answer in before):
        raise Broken(f"opened again, it raises {one_line(failed[0].error or Exception())}")


def _performed(case: Case, component: Component) -> list[Answer]:
    """What it does with ordinary material."""
    if case.subject.kind.section == "source":
        return [Answer(value=item) for item in read(component)]
    return Player(component, case.subject).play(case.steps)


@check("deterministic", "The same events, facts and seed must give the same, or no run can be replayed.")
def deterministic(case: Case) -> None:
    with case.opened() as one, case.opened() as other:
        first, second = (_performed(case, component) for component in (one, other))
    need(len(first) == len(second), f"{len(first)} answers the first time and {len(second)} the second")
    for number, (answer, again) in enumerate(zip(first, second, strict=True)):
        changed = difference(answer.plain, again.plain)
        need(
            changed is None,
            f"asked the same twice, question {number} is answered differently: {changed}; draw from context.random",
        )


@check("input-unchanged", "What a component is given belongs to others: to the packet, to the next component.", *_ASKED)
def input_unchanged(case: Case) -> None:
    with case.opened() as component:
        answers = Player(component, case.subject, watch=True).play(case.steps)
    changed = [(number, answer.changed) for number, answer in enumerate(answers) if answer.changed]
    if changed:
        raise Broken(f"question {changed[0][0]} was changed: {changed[0][1]}; make a copy")


@check("answers", "Asked about ordinary events, a component must answer, and as its contract says.", *_ASKED)
def answers(case: Case) -> None:
    with case.opened() as component:
        given = Player(component, case.subject).play(case.steps)
    for number, answer in enumerate(given):
        if answer.error is not None:
            raise Broken(
                f"event {number} made it raise {one_line(answer.error)}; if the event does not fit, give your own: "
                f"events=…, or context=… for what comes with them"
            )
        problem = out_of_contract(case.subject.kind.section, answer.value)
        need(problem is None, f"event {number}: {problem}")


@check("in-time", "A decision costs microseconds; what is slower than its limit holds everything up.", *_ASKED)
def in_time(case: Case) -> None:
    ms = cost_us(case) / 1000
    need(ms <= case.subject.limit_ms, f"a call takes {ms:.1f} ms, more than {case.subject.limit_ms} ms")


def cost_us(case: Case) -> float:
    """Measure what a call costs, by the median, in microseconds."""
    with case.opened() as component:
        if case.subject.kind.section == "source":
            return _cost_of_reading(component)
        times = sorted(answer.seconds for answer in Player(component, case.subject).play(case.steps))
    return times[len(times) // 2] * 1e6 if times else 0.0


def _cost_of_reading(component: Component) -> float:
    started = time.perf_counter()
    items = read(component)
    return (time.perf_counter() - started) / len(items) * 1e6


@check("counts", "The summary shows counts() as whole numbers, and a checkpoint saves them.")
def counts(case: Case) -> None:
    with case.opened() as component:
        _check_counts(component, "at the beginning")
        _performed(case, component)
        _check_counts(component, "after some events")


def _check_counts(component: Component, when: str) -> None:
    try:
        counted: object = component.counts()
    except Exception as error:
        raise Broken(f"counts raised {one_line(error)} {when}") from error
    fine = isinstance(counted, Mapping) and all(isinstance(k, str) and type(v) is int for k, v in counted.items())
    need(fine, f"counts gave {shown(counted)} {when}; it must be a dict of text to whole number")


@check("any-key", "Keys are text or whole numbers of any kind, and a pipeline may have none.", *DECIDING, "broker")
def any_key(case: Case) -> None:
    steps = case.steps[:10]
    for key in (None, 7, -(2**63), "", "naïve 🤖 \ud800", "k" * 5000):
        with case.opened() as component:
            for step in steps:
                answer = Player(component, case.subject).play([attrs.evolve(step, key=key)])[0]
                if answer.error is not None and _fine_with(case, component, step):
                    raise Broken(f"the key {shown(key)} made it raise {one_line(answer.error)}")


def _fine_with(case: Case, component: Component, step: Step) -> bool:
    return Player(component, case.subject).ask(step).error is None


@check("no-time", "A pipeline may have no clock; what needs one says so in open: ConfigError.", *DECIDING)
def no_time(case: Case) -> None:
    build = case.build(clock=None, timestamp=None)
    if case.refuses(build):
        return
    with case.opened() as usual:
        expected = [answer.error for answer in Player(usual, case.subject).play(case.steps)]
    with case.opened(build) as component:
        answers = Player(component, case.subject, timeless=True).play(case.steps)
    for answer, error in zip(answers, expected, strict=True):
        if answer.error is not None and error is None:
            raise Broken(f"without a clock it opens and then raises {one_line(answer.error)}; refuse in open")
