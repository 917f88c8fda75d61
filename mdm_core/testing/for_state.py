"""Checks of what takes part in a decision: what it remembers."""

from __future__ import annotations

from typing import Any

import attrs

from mdm_core.state import veil_by
from mdm_core.testing.case import Case, need, restore, snapshot, states
from mdm_core.testing.checks import DECIDING, Inapplicable, check
from mdm_core.testing.material import (
    MARKER,
    with_each,
)
from mdm_core.testing.player import Player, same_answers
from mdm_core.values import Event

_MANY = 300


@check("state-restores", "A run that is resumed must decide as if it had never stopped.", *DECIDING)
def state_restores(case: Case) -> None:
    for at in {len(case.steps) // 3, len(case.steps) // 2}:
        before, after = case.steps[:at], case.steps[at:]
        with case.opened() as component:
            player = Player(component, case.subject)
            player.play(before)
            saved = snapshot(component)
            expected = player.play(after)
        with case.opened() as restored:
            restore(restored, saved)
            same_answers(
                expected,
                Player(restored, case.subject).play(after),
                "restored from a snapshot, keep it in keyed_state:",
            )


@check("state-exact", "A state that is not restored bit for bit drifts from the run that it continues.", *DECIDING)
def state_exact(case: Case) -> None:
    with case.opened() as component, case.opened() as restored:
        _need_state(case)
        Player(component, case.subject).play(case.steps)
        saved = snapshot(component)
        restore(restored, saved)
        need(
            saved == snapshot(restored),
            "a restored state gives another snapshot; give its fields the types that they hold (int is no float)",
        )


@check(
    "state-without-text",
    "Checkpoints are not redacted, so a state holds numbers and never what somebody wrote.",
    *DECIDING,
)
def state_without_text(case: Case) -> None:
    _need_state(case)
    steps = [attrs.evolve(step, event=_marked(step.event, case.subject.spared)) for step in case.steps]
    veil = veil_by(b"checked")
    with case.opened() as component:
        Player(component, case.subject).play(steps)
        held = {name: state.snapshot(veil) for name, state in states(component).items()}
    holding = [name for name, data in held.items() if MARKER.encode() in data]
    need(not holding, f"the state {', '.join(holding)} holds text of events; keep numbers, or a hash")


def _marked(event: Event, spared: frozenset[str]) -> Event:
    return list(with_each(event, spared, lambda value: MARKER if isinstance(value, str) else ...))[-1]


@check("keys-apart", "What one key does must not change the decisions about another.", *DECIDING)
def keys_apart(case: Case) -> None:
    with case.opened() as component:
        together = Player(component, case.subject).play(case.steps)
        if any(None in state for state in states(component).values()):
            raise Inapplicable("it keeps a state of global scope, states[None], which all keys share on purpose")
    for key in dict.fromkeys(step.key for step in case.steps):
        mine = [step for step in case.steps if step.key == key]
        with case.opened() as component:
            alone = Player(component, case.subject).play(mine)
        expected = [answer for answer, step in zip(together, case.steps, strict=True) if step.key == key]
        same_answers(alone, expected, f"the key {key!r}, among other keys,")


@check("state-bounded", "Keys come without end; a state grows no further than max_keys.", *DECIDING)
def state_bounded(case: Case) -> None:
    steps = [attrs.evolve(case.steps[n % len(case.steps)], key=f"key-{n}", number=n) for n in range(_MANY)]
    with case.opened() as component:
        player = Player(component, case.subject)
        player.play(steps[: _MANY // 2])
        before = _sizes(component)
        player.play(steps[_MANY // 2 :])
        grown = [name for name, size in _sizes(component).items() if size - before.get(name, 0) >= _MANY // 3]
    need(not grown, f"{', '.join(grown)} grows with every key and nobody bounds it; use keyed_state")


def _sizes(component: Any) -> dict[str, int]:
    """Lengths of what a component holds besides keyed states."""
    kept = {f.name: getattr(component, f.name, None) for f in attrs.fields(type(component)) if not f.init}
    return {name: len(value) for name, value in kept.items() if isinstance(value, dict | list | set)}


def _need_state(case: Case) -> None:
    if not states(case.make()):
        raise Inapplicable("it keeps no keyed state")
