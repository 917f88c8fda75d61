"""The contract of a decision, shared by everything that proposes, decides, records and reads decisions."""

from __future__ import annotations

from decision_schema.compat import get_current_version, is_compatible, parse_version
from decision_schema.packet_v2 import PacketV2
from decision_schema.types import (
    Action,
    FinalDecision,
    MismatchInfo,
    Proposal,
    clamp_confidence,
    ensure_non_empty_reasons,
)
from decision_schema.version import __version__

__all__ = [
    "Action",
    "FinalDecision",
    "MismatchInfo",
    "PacketV2",
    "Proposal",
    "__version__",
    "clamp_confidence",
    "ensure_non_empty_reasons",
    "get_current_version",
    "is_compatible",
    "parse_version",
]
