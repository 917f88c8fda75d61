"""A decision, and the packet that tells of it."""

from __future__ import annotations

from typing import Any

import msgspec

from mdm_core.schema import SCHEMA_VERSION, Action, FinalDecision, MismatchInfo, PacketV2, Proposal
from mdm_core.state import Key
from mdm_core.values import Context, Event, Failure, Features

_HOLD = Action.HOLD


class Decision(msgspec.Struct):
    """What ``Pipeline.decide`` answers.

    Attributes:
        event: What was decided about, without its outcome.
        context: What was known besides; its items are the packet's ``external``.
        features: What the extractors computed.
        proposal: What the model wanted; HOLD with confidence 0 if it did not come to a proposal.
        final: What may be carried out.
        latency_ns: How long deciding took.
        failure: What went wrong, if the decision failed closed.
    """

    event: Event
    context: Context
    features: Features
    proposal: Proposal
    final: FinalDecision
    latency_ns: int
    failure: Failure | None = None

    @property
    def step(self) -> int:
        """The number of the decision, from 0."""
        return self.context.step

    @property
    def key(self) -> Key:
        """The entity that the decision is about."""
        return self.context.key

    @property
    def acts(self) -> bool:
        """Whether a broker is asked to do something."""
        return self.final.allowed and self.final.action is not _HOLD

    @property
    def event_id(self) -> str:
        """The event's identity within its source."""
        return self.context.event_id

    def packet(self) -> PacketV2:
        """The decision as the trace keeps it, but not redacted."""
        packet = packet_dict(self, self.context.get("run_id", "local"))
        return PacketV2(**packet | {"external": dict(self.context)})


def packet_dict(decision: Decision, run_id: str) -> dict[str, Any]:
    """Write a decision as the nine keys of ``PacketV2``; inner containers are shared, not copied.

    Args:
        decision: The decision.
        run_id: Id of the run.

    Returns:
        The packet, not redacted.
    """
    proposal, final, context = decision.proposal, decision.final, decision.context
    mismatch = final.mismatch
    return {
        "run_id": run_id,
        "step": context.step,
        "input": decision.event,
        "external": context,
        "mdm": {
            "action": proposal.action._value_,
            "confidence": proposal.confidence,
            "reasons": proposal.reasons,
            "params": proposal.params or {},
            "features_summary": proposal.features_summary,
            "features": decision.features,
        },
        "final_action": {
            "action": final.action._value_,
            "allowed": final.allowed,
            "reasons": final.reasons,
            "params": final.params or {},
        },
        "latency_ms": -(-decision.latency_ns // 1_000_000),
        "mismatch": None if mismatch is None else _mismatch(mismatch),
        "schema_version": SCHEMA_VERSION,
    }


def _mismatch(mismatch: MismatchInfo) -> dict[str, Any]:
    return {
        "flags": mismatch.flags,
        "reason_codes": mismatch.reason_codes,
        "throttle_refresh_ms": mismatch.throttle_refresh_ms,
        "metadata": mismatch.metadata,
    }
