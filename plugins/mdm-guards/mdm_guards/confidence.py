"""The guard ``guards.confidence``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import attrs
from mdm_core import Context, FinalDecision, Proposal, option

from mdm_guards.guard import ACTIONS, Guard


def _are_actions(names: Iterable[str]) -> None:
    for name in names:
        if name not in ACTIONS:
            raise ValueError(f"{name!r} is not one of {', '.join(ACTIONS)}")


@attrs.define(kw_only=True)
class Confidence(Guard):
    """Denies an action of which the model is not sure enough."""

    flag: ClassVar[str] = "confidence"

    floor: float = option(0.6, ge=0, le=1, help="least confidence that is acted upon")
    floors: dict[str, float] = option({}, ge=0, le=1, check=_are_actions, help="the same for single actions, by name")

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Compare the confidence with the action's floor."""
        action = decision.action
        if action not in self._watched:
            return decision
        floor = self.floors.get(action.value, self.floor) if self.floors else self.floor
        # Written so that NaN is denied.
        if proposal.confidence >= floor:
            return decision
        return self.deny(decision, "low", {"confidence": proposal.confidence, "floor": floor})
