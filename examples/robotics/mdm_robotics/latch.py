"""The modulator that keeps an arm stopped until a person releases it."""

from __future__ import annotations

from typing import Final

import attrs
from mdm_core import (
    Action,
    Commanded,
    Context,
    Decided,
    Fact,
    FinalDecision,
    KeyedState,
    MismatchInfo,
    Modulator,
    Proposal,
    keyed_state,
)

FLAG: Final = "latched"


@attrs.define
class Stops:
    """What is known of one arm, or of all under the key None.

    Attributes:
        stopped: Whether it was stopped.
        releases: How many releases there had been then; of all arms, how many there are.
    """

    stopped: bool = False
    releases: int = 0


@attrs.define
class Latch(Modulator):
    """Denies everything after a STOP, for that key alone and a second STOP too, until an operator's ``release``.

    It learns of the STOP when it is decided and not when it is carried out, so that nothing slips through in between.
    """

    states: KeyedState[Stops] = keyed_state(Stops, max_keys=100_000)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Deny what comes after a STOP."""
        mine, all_arms = self.states.peek(context.key), self.states.peek(None)
        if mine is None or not mine.stopped or mine.releases != (all_arms.releases if all_arms else 0):
            return decision
        return FinalDecision(Action.HOLD, False, [FLAG], MismatchInfo([FLAG], [FLAG]), None, None, decision.params)

    def observe(self, fact: Fact) -> None:
        """Learn of stops and releases."""
        if isinstance(fact, Decided) and fact.final.action is Action.STOP and fact.final.allowed:
            all_arms, mine = self.states.peek(None), self.states[fact.context.key]
            mine.stopped, mine.releases = True, all_arms.releases if all_arms else 0
        elif isinstance(fact, Commanded) and fact.name == "release":
            self.states[None].releases += 1
