"""Checks of what takes part in a decision: when it learns, and when it only looks."""

from __future__ import annotations

import attrs

from mdm_core.contracts import Component
from mdm_core.lifecycle import with_children
from mdm_core.schema import Action, FinalDecision
from mdm_core.testing.case import Case, need, snapshot
from mdm_core.testing.checks import DECIDING, Inapplicable, check
from mdm_core.testing.player import Player, order_of, same_answers
from mdm_core.values import Commanded, Decided, Executed, Receipt, Settled


@check(
    "looks-only", "propose and modulate look; what they changed would be lost or counted twice.", "model", "modulators"
)
def looks_only(case: Case) -> None:
    with case.opened() as component:
        player = Player(component, case.subject)
        player.play(case.steps[: len(case.steps) // 2])
        for step in (*case.steps, attrs.evolve(case.steps[0], key="never seen")):
            before = snapshot(component)
            player.ask(step)
            need(before == snapshot(component), f"asked about event {step.number}, its state has changed; use peek")


@check(
    "learns-from-facts",
    "What was asked is not what was done: only observe may change later answers.",
    *("model", "modulators"),
)
def learns_from_facts(case: Case) -> None:
    with case.opened() as fresh:
        expected = [Player(fresh, case.subject).ask(step) for step in reversed(case.steps)]
    with case.opened() as component:
        player = Player(component, case.subject)
        for _ in range(3):
            answers = [player.ask(step) for step in case.steps]
    same_answers(expected[::-1], answers, "asked again, and told nothing,")


@check(
    "takes-facts",
    "Facts come late, out of order and about orders that are long gone; observe takes them all.",
    *DECIDING,
)
def takes_facts(case: Case) -> None:
    with case.opened() as component:
        player = _learner(case, component)
        player.play(case.steps)
        if player.refused:
            raise player.refused[0]
        for step in case.steps[:5]:
            context = player.context_of(step)
            order = order_of(step, context)
            held = FinalDecision(Action.HOLD, True, [], None, None, None, None)
            player.learn(Decided(held, context))
            player.learn(Settled(0, order, "denied", step.now_ms))
            for status in ("done", "pending", "failed", "retry", "unknown"):
                player.learn(Executed(1, Receipt(status, "error"), order, 1, 0.1, step.now_ms))
            player.learn(Executed(2, Receipt("done"), attrs.evolve(order, key=None), 3, 0.1, None))
            player.learn(Settled(3, attrs.evolve(order, key="never seen", params={}, features={}), "skipped", None))
            player.learn(Commanded(4, "stop", "checked", "mdm", None))
            player.learn(Commanded(5, "release", "checked", "mdm", step.now_ms))


@check("ignores-unknown-facts", "Later versions tell facts that today's components do not know.", *DECIDING)
def ignores_unknown_facts(case: Case) -> None:
    with case.opened() as component:
        player = _learner(case, component)
        player.play(case.steps[:10])
        before = snapshot(component)
        player.learn(_Novelty())  # type: ignore[arg-type]
        need(before == snapshot(component), "a fact of a kind that it cannot know has changed its state")


def _learner(case: Case, component: Component) -> Player:
    if all(type(part).observe is Component.observe for part in with_children(component)):
        raise Inapplicable("it learns nothing: it has no observe")
    return Player(component, case.subject)


@attrs.frozen
class _Novelty:
    """A fact from the future."""

    seq: int = 1
