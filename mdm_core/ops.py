"""What whoever runs the operations says through the context; core obeys it, guards or not."""

from __future__ import annotations

from mdm_core.schema import Action, FinalDecision, MismatchInfo
from mdm_core.values import Context

FLAG = "ops_health"


def denial(decision: FinalDecision, context: Context, stopped: bool = False) -> FinalDecision | None:
    """Deny an action while operations do not allow any.

    Args:
        decision: What is about to be allowed; not HOLD.
        context: ``ops_deny_actions`` (anything but False or None denies), ``ops_state`` (``RED`` denies) and
            ``ops_cooldown_until_ms`` (denies while it is later than ``now_ms``, and if that cannot be told).
        stopped: Whether an operator has stopped the pipeline.

    Returns:
        The denial, or None.
    """
    code = "operator_stop" if stopped else _reason(context)
    if code is None:
        return None
    return FinalDecision(Action.HOLD, False, [code], MismatchInfo([FLAG], [code]), None, None, decision.params)


def _reason(context: Context) -> str | None:
    if context.get("ops_deny_actions") not in (None, False):
        return f"{FLAG}:deny_actions"
    if context.get("ops_state") == "RED":
        return f"{FLAG}:red"
    until, now = context.get("ops_cooldown_until_ms"), context.get("now_ms")
    if until is not None and not (_is_number(until) and _is_number(now) and until <= now):
        return f"{FLAG}:cooldown"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
