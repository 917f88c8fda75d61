from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Action(str, Enum):  # noqa: UP042 - the other implementation is written like this
    HOLD = "HOLD"
    ACT = "ACT"
    EXIT = "EXIT"
    CANCEL = "CANCEL"
    STOP = "STOP"


@dataclass
class Proposal:
    action: Action
    confidence: float
    reasons: list[str] = field(default_factory=list)
    params: dict[str, Any] | None = None
    run_id: str | None = None
    features_summary: dict[str, Any] = field(default_factory=dict)


@dataclass
class MismatchInfo:
    flags: list[str] = field(default_factory=list)
    reason_codes: list[str] = field(default_factory=list)
    throttle_refresh_ms: int | None = None
    metadata: dict[str, Any] | None = None


@dataclass
class FinalDecision:
    action: Action
    allowed: bool = True
    reasons: list[str] = field(default_factory=list)
    mismatch: MismatchInfo | None = None
    throttle_ms: int | None = None
    cooldown_ms: int | None = None
    params: dict[str, Any] | None = None
