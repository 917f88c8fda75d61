"""What the plugin ``guards`` registers."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_modulators(register: Register) -> None:
    """Register the guards, and the chain of them for a newcomer."""
    register("budget", "mdm_guards.budget:Budget")
    register("circuit_breaker", "mdm_guards.circuit_breaker:CircuitBreaker")
    register("clamp", "mdm_guards.clamp:Clamp")
    register("confidence", "mdm_guards.confidence:Confidence")
    register("cooldown", "mdm_guards.cooldown:Cooldown")
    register("error_rate", "mdm_guards.error_rate:ErrorRate")
    register("ops_health", "mdm_guards.ops_health:OpsHealth")
    register("policy", "mdm_guards.policy:Policy")
    register("rate_limit", "mdm_guards.rate_limit:RateLimit")
    register("staleness", "mdm_guards.staleness:Staleness")
    register("standard", "mdm_guards.standard:StandardGuards")
