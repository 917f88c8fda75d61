"""Whether a decision is the one that was recorded, and what differs if it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from numbers import Real
from typing import Any, TypeAlias

from mdm_core import Action, Decision
from mdm_core.decision import packet_dict

Packet: TypeAlias = Mapping[str, Any]
Redact: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]
Differences: TypeAlias = dict[str, tuple[Any, Any]]

_COMPARED = {
    "proposed": ("mdm", "action"),
    "confidence": ("mdm", "confidence"),
    "proposed_reasons": ("mdm", "reasons"),
    "action": ("final_action", "action"),
    "allowed": ("final_action", "allowed"),
    "reasons": ("final_action", "reasons"),
}


def differences(packet: Packet, decision: Decision, redact: Redact) -> Differences:
    """Compare a decision with the one that was recorded.

    Args:
        packet: The recorded one.
        decision: The one made again.
        redact: What packets went through before they were recorded.

    Returns:
        Field to what was recorded and what was decided now, redacted; only the fields that differ. ``proposed``,
        ``confidence`` and ``proposed_reasons`` are the model's, the others those of the final decision.
    """
    if _is_the_same(packet, decision):
        return {}
    now = redact(packet_dict(decision, packet["run_id"]))
    pairs = {name: (packet[part][key], now[part][key]) for name, (part, key) in _COMPARED.items()}
    pairs["mismatch"] = packet["mismatch"], now["mismatch"]
    return {name: pair for name, pair in pairs.items() if not alike(pair[1], pair[0])}


def _is_the_same(packet: Packet, decision: Decision) -> bool:
    """The same without redaction, which is the rule and takes a microsecond."""
    mdm, final, proposal, decided = packet["mdm"], packet["final_action"], decision.proposal, decision.final
    return bool(
        proposal.confidence == mdm["confidence"]
        and proposal.action._value_ == mdm["action"]
        and proposal.reasons == mdm["reasons"]
        and decided.action._value_ == final["action"]
        and decided.allowed is final["allowed"]
        and decided.reasons == final["reasons"]
        and decided.mismatch is None
        and packet["mismatch"] is None
    )


def same_order(packet: Packet, decision: Decision, redact: Redact) -> bool:
    """Whether a decision that acts asks of a broker what the recorded one did: the same action and parameters.

    Args:
        packet: The recorded one.
        decision: The one made again.
        redact: What packets went through before they were recorded.
    """
    params = decision.final.params or {}
    if not _same_action(packet, decision):
        return False
    recorded = packet["final_action"]["params"]
    return bool(params == recorded) or alike(redact({"params": params}).get("params"), recorded)


def other_params(packet: Packet, decision: Decision, redact: Redact) -> list[str]:
    """Name the parameters in which a decision that acts differs from the recorded one, if the action is the same.

    Args:
        packet: The recorded one.
        decision: The one made again.
        redact: What packets went through before they were recorded.
    """
    recorded = packet["final_action"]["params"]
    if not _same_action(packet, decision) or not isinstance(recorded, Mapping):
        return []
    now = redact({"params": decision.final.params or {}}).get("params", {})
    names = dict.fromkeys((*recorded, *now))
    return [name for name in names if name not in now or name not in recorded or not alike(now[name], recorded[name])]


def _same_action(packet: Packet, decision: Decision) -> bool:
    final, action = packet["final_action"], decision.final.action
    return bool(final["allowed"] and final["action"] == action._value_ and action is not Action.HOLD)


def alike(now: Any, recorded: Any) -> bool:
    """Whether a value is the one that was recorded as JSON; what JSON has no way to say is not compared.

    Args:
        now: The value.
        recorded: What was read from the trace.
    """
    if isinstance(now, Mapping):
        if not isinstance(recorded, Mapping) or len(now) != len(recorded):
            return False
        return all(str(key) in recorded and alike(value, recorded[str(key)]) for key, value in now.items())
    if isinstance(now, list | tuple):
        return isinstance(recorded, list) and len(now) == len(recorded) and all(map(alike, now, recorded))
    if isinstance(now, str | bool | None):
        return type(now) is type(recorded) and bool(now == recorded)
    if isinstance(now, Real):
        return bool(now == recorded) and not isinstance(recorded, bool) if isfinite(now) else recorded is None
    return True
