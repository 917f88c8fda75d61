from __future__ import annotations

from dataclasses import dataclass

from decision_schema.types import Action


@dataclass
class GuardPolicy:
    staleness_ms: int = 5_000
    max_error_rate: float = 0.2
    rate_limit_events_max: int = 10
    circuit_breaker_failures: int = 5
    fail_closed_action: Action = Action.HOLD
