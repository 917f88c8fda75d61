"""The contract types, from whichever compatible ``decision-schema`` is installed.

Everything in mdm takes ``Action``, ``Proposal`` and the rest from here, so that the check is made once and a
foreign implementation is refused with one clear error instead of failing somewhere later.
"""

from __future__ import annotations

from mdm_core.errors import SchemaError

SUPPORTED = ">=0.1,<0.3"

try:
    from decision_schema.compat import is_compatible
    from decision_schema.packet_v2 import PacketV2
    from decision_schema.types import Action, FinalDecision, MismatchInfo, Proposal
    from decision_schema.version import __version__ as SCHEMA_VERSION
except ImportError as error:
    raise SchemaError(
        f"decision-schema cannot be used: {error}; install a decision-schema{SUPPORTED} from its path or wheel"
    ) from error

if not is_compatible(SCHEMA_VERSION, expected_major=0, min_minor=1, max_minor=2):
    raise SchemaError(
        f"decision-schema {SCHEMA_VERSION} is installed, but mdm-core needs decision-schema{SUPPORTED}; "
        f"install such a version from its path or wheel"
    )

__all__ = [
    "SCHEMA_VERSION",
    "Action",
    "FinalDecision",
    "MismatchInfo",
    "PacketV2",
    "Proposal",
]
