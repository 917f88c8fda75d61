"""Typed usage, which mypy checks and nobody runs: an ignore that is not needed is an error."""

from __future__ import annotations

from typing import Any

import attrs

from decision_schema import (
    Action,
    FinalDecision,
    MismatchInfo,
    PacketV2,
    Proposal,
    clamp_confidence,
    ensure_non_empty_reasons,
    is_compatible,
    parse_version,
)
from decision_schema.trace_registry import is_valid_external_key, validate_external_dict

proposal = Proposal(Action.ACT, 0.5, ["a"], {"x": 1}, "run", {"f": 2.0})
confidence: float = clamp_confidence(proposal.confidence)
reasons: list[str] = ensure_non_empty_reasons(proposal.reasons)
params: dict[str, Any] = proposal.to_params()
evolved: Proposal = attrs.evolve(proposal, confidence=1)

final = FinalDecision(evolved.action, mismatch=MismatchInfo(flags=["f"], reason_codes=["c"]))
mismatch: MismatchInfo | None = final.mismatch

packet = PacketV2.from_dict({"run_id": "run"})
packet_dict: dict[str, Any] = packet.to_dict()

compatible: bool = is_compatible("0.1.3", 0, min_minor=1, max_minor=2)
major, minor, patch = parse_version("0.1.3")
valid: bool = is_valid_external_key("mdm.latency_us", "trace")
errors: list[str] = validate_external_dict(packet.external, require_registry_for_prefixes=["mdm"])

proposal.confidence = 0.7  # type: ignore[misc]
final.allowed = True  # type: ignore[misc]
packet.step = 2  # type: ignore[misc]
Proposal(Action.ACT, "0.5")  # type: ignore[arg-type]
is_valid_external_key("mdm.latency_us", "all")  # type: ignore[arg-type]


class Mine(Proposal):  # type: ignore[misc]
    """A type checker refuses what the class refuses."""
