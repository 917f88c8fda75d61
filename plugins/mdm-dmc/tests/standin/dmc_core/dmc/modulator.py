"""The first guard that denies ends it; parameters are dropped, as the signature allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from decision_schema.types import FinalDecision, MismatchInfo, Proposal

from dmc_core.dmc.policy import GuardPolicy


def ops_health(policy: GuardPolicy, seen: dict[str, Any]) -> str | None:
    until = seen.get("ops_cooldown_until_ms")
    if seen.get("ops_deny_actions"):
        return "ops_deny_actions"
    if seen.get("ops_state") == "RED":
        return "ops_red"
    return "ops_cooldown" if until is not None and seen["now_ms"] < until else None


def staleness(policy: GuardPolicy, seen: dict[str, Any]) -> str | None:
    age = seen["now_ms"] - seen["last_event_ts_ms"]
    return "too_old" if age > policy.staleness_ms else None


def error_rate(policy: GuardPolicy, seen: dict[str, Any]) -> str | None:
    steps = seen.get("steps_in_window", 0)
    return "too_many_errors" if steps and seen["errors_in_window"] / steps > policy.max_error_rate else None


def rate_limit(policy: GuardPolicy, seen: dict[str, Any]) -> str | None:
    return "rate_limited" if seen.get("rate_limit_events", 0) > policy.rate_limit_events_max else None


def circuit_breaker(policy: GuardPolicy, seen: dict[str, Any]) -> str | None:
    return "broken" if seen.get("recent_failures", 0) >= policy.circuit_breaker_failures else None


def cooldown(policy: GuardPolicy, seen: dict[str, Any]) -> str | None:
    until = seen.get("cooldown_until_ms")
    return "resting" if until is not None and seen["now_ms"] < until else None


GUARDS: tuple[Callable[[GuardPolicy, dict[str, Any]], str | None], ...] = (
    ops_health,
    staleness,
    error_rate,
    rate_limit,
    circuit_breaker,
    cooldown,
)


def modulate(proposal: Proposal, policy: GuardPolicy, context: dict[str, Any]) -> tuple[FinalDecision, MismatchInfo]:
    for guard in GUARDS:
        code = guard(policy, context)
        if code is not None:
            mismatch = MismatchInfo(flags=[guard.__name__], reason_codes=[code])
            return FinalDecision(policy.fail_closed_action, allowed=False, reasons=[code], mismatch=mismatch), mismatch
    return FinalDecision(proposal.action, allowed=True, reasons=proposal.reasons), MismatchInfo()
