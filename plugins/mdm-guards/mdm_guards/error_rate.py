"""The guard ``guards.error_rate``."""

from __future__ import annotations

from typing import ClassVar

import attrs
from mdm_core import Context, FinalDecision, Proposal, option

from mdm_guards.guard import TimedGuard


@attrs.define(kw_only=True)
class ErrorRate(TimedGuard):
    """Denies while too many decisions fail closed.

    Core counts decisions in ``steps_in_window`` and those that failed closed in ``errors_in_window``, over 60 seconds.
    """

    flag: ClassVar[str] = "error_rate"

    max_rate: float = option(0.1, ge=0, le=1, help="largest share of decisions that may fail closed")
    min_steps: int = option(20, ge=1, help="decisions in the window below which nothing is concluded")

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Compare the share of failed decisions with what is allowed."""
        if decision.action not in self._watched:
            return decision
        steps, errors = context.get("steps_in_window"), context.get("errors_in_window")
        if type(steps) is not int or type(errors) is not int or steps < 0 or errors < 0:
            return self.deny(decision, "no_counts")
        if steps < self.min_steps or errors <= self.max_rate * steps:
            return decision
        return self.deny(decision, "high", {"errors": errors, "steps": steps, "max_rate": self.max_rate})
