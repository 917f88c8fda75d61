"""The guards for a newcomer: those that need no knowledge of the domain."""

from __future__ import annotations

import attrs
from mdm_core import Context, FinalDecision, Modulator, Proposal, component

from mdm_guards.circuit_breaker import CircuitBreaker
from mdm_guards.error_rate import ErrorRate
from mdm_guards.ops_health import OpsHealth
from mdm_guards.rate_limit import RateLimit
from mdm_guards.staleness import Staleness


@attrs.define
class StandardGuards(Modulator):
    """Five guards that need no knowledge of the domain, in order; the first denial ends the chain."""

    ops_health: Modulator = component("guards.ops_health", help="denies while operations are unhealthy")
    staleness: Modulator = component("guards.staleness", help="denies what rests on an old event")
    error_rate: Modulator = component("guards.error_rate", help="denies while too many decisions fail")
    rate_limit: Modulator = component("guards.rate_limit", help="denies what comes too fast")
    circuit_breaker: Modulator = component("guards.circuit_breaker", help="denies while the broker fails")
    _chain: tuple[Modulator, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._chain = (self.ops_health, self.staleness, self.error_rate, self.rate_limit, self.circuit_breaker)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Ask the guards in turn."""
        for guard in self._chain:
            decision = guard.modulate(proposal, decision, context)
            if not decision.allowed:
                return decision
        return decision


def standard() -> list[Modulator]:
    """Make the five guards with their defaults, for ``Pipeline(modulators=standard())``.

    Returns:
        What ``use = "guards.standard"`` comes to, as a list that can be changed.
    """
    return [OpsHealth(), Staleness(), ErrorRate(), RateLimit(), CircuitBreaker()]
