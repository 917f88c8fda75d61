"""What a decision asks of a broker, and the names by which a repeat is recognised."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from mdm_core.schema import Action, FinalDecision
from mdm_core.values import Context, Order


def make_order(final: FinalDecision, context: Context, run_id: str) -> Order:
    """What a decision asks of a broker.

    Args:
        final: A decision that is allowed and not HOLD.
        context: The context that it was made in.
        run_id: Id of the run.
    """
    key = idempotency_key(run_id, context.event_id, final.action)
    # Copies, because the packet tells of them after the broker has had them.
    return Order(final.action, dict(final.params or {}), context.key, dict(context.features), key)


def idempotency_key(run_id: str, event_id: str, action: Action) -> str:
    """Name an order so that the same order always has the same name.

    Args:
        run_id: Id of the run.
        event_id: The event's identity.
        action: The action.

    Returns:
        32 hexadecimal digits.
    """
    return sha256(f"{run_id}\0{event_id}\0{action.value}".encode(errors="surrogatepass")).hexdigest()[:32]


def payload_hash(order: Order) -> str:
    """Hash what is ordered, so that the same key with another payload can be told.

    Args:
        order: The order.

    Returns:
        16 hexadecimal digits.
    """
    what = (order.action.value, order.params, order.key, order.features)
    try:
        payload = msgspec.json.encode(what, enc_hook=_type_name, order="deterministic")
    except (TypeError, ValueError, OverflowError, RecursionError):  # such as half a surrogate pair
        payload = ascii(what).encode()
    return sha256(payload).hexdigest()[:16]


def _type_name(value: object) -> str:
    # Not its repr, which may hold an address, and so would be another in every process, or raise.
    return type(value).__name__
