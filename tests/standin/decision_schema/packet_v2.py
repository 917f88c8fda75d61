from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from decision_schema.version import __version__


@dataclass
class PacketV2:
    run_id: str
    step: int
    input: dict[str, Any]
    external: dict[str, Any]
    mdm: dict[str, Any]
    final_action: dict[str, Any]
    latency_ms: int
    mismatch: dict[str, Any] | None = None
    schema_version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
