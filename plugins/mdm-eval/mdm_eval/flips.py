"""What was done before and what would be done now, counted."""

from __future__ import annotations

from mdm_core import Action, Decision

from mdm_eval.comparing import Packet

HOLD = "HOLD"
DENIED = "denied"
REFUSED = "refused"
"""What comes of an event that a configuration refuses: it has no usable key, time or id."""
_HELD = Action.HOLD


def label_of(decision: Decision) -> str:
    """Name what comes of a decision: its action if it is allowed, else ``denied``, or ``denied STOP``.

    Args:
        decision: The decision.
    """
    final = decision.final
    return final.action._value_ if final.allowed else _denied(final.action._value_)


def recorded_label(packet: Packet) -> str:
    """Name what came of a recorded decision, as ``label_of`` does.

    Args:
        packet: The packet.
    """
    final = packet["final_action"]
    action: str = final["action"]
    return action if final["allowed"] else _denied(action)


def acts(label: str) -> bool:
    """Whether something is carried out.

    Args:
        label: What ``label_of`` gives.
    """
    return label not in (HOLD, REFUSED) and not label.startswith(DENIED)


def _denied(action: str) -> str:
    return DENIED if action == HOLD else f"{DENIED} {action}"
