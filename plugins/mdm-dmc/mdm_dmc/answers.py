"""Reading what a Decision Modulation Core answered: its types become mdm's, and what does not fit is refused."""

from __future__ import annotations

from typing import Any, Final

import attrs
from mdm_core import Action, ContractError, FinalDecision, MismatchInfo

from mdm_dmc.attributes import action_of, allowed_of, milliseconds_of, table_of, texts_of
from mdm_dmc.copies import plain_table

FLAG: Final = "dmc"


@attrs.define
class Why:
    """What an answer says about how its decision differs from what was asked about.

    Attributes:
        flags: The kinds of denial.
        codes: The reason codes.
        wait_ms: How long to wait before asking again.
        metadata: Whatever else is to be recorded.
    """

    flags: list[str] = attrs.field(factory=list)
    codes: list[str] = attrs.field(factory=list)
    wait_ms: int | None = None
    metadata: dict[str, Any] = attrs.field(factory=dict)


def to_decision(answer: Any, decision: FinalDecision) -> FinalDecision:
    """Make a final decision of an answer.

    Args:
        answer: A tuple of a final decision and a mismatch, of any types that have the attributes.
        decision: What was asked about; its parameters survive where the answer has no others.

    Returns:
        ``decision`` itself if the answer lets it pass as it is; otherwise what the answer makes of it.

    Raises:
        ContractError: The answer does not fit. That a denial is HOLD or STOP, core makes sure of itself.
    """
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ContractError("modulate must return a final decision and a mismatch, as a tuple")
    final, mismatch = answer
    why = _why(mismatch, getattr(final, "mismatch", None))
    return _passed(final, why, decision) if allowed_of(final) else _denied(final, why, decision)


def _denied(final: Any, why: Why, decision: FinalDecision) -> FinalDecision:
    codes = why.codes or [f"{FLAG}:{flag}" for flag in why.flags] or [f"{FLAG}:denied"]
    return FinalDecision(
        action_of(final),
        False,
        texts_of(final, "reasons") or codes,
        _mismatch(why.flags or [FLAG], codes, why, decision),
        milliseconds_of(final, "throttle_ms"),
        milliseconds_of(final, "cooldown_ms"),
        _params(final, decision),
    )


def _passed(final: Any, why: Why, decision: FinalDecision) -> FinalDecision:
    if why.flags:
        raise ContractError("a decision that is allowed carries no flags")
    action, params = action_of(final), _params(final, decision)
    codes = why.codes or _changes(action, params, decision)
    tells = codes or why.metadata or why.wait_ms is not None
    passed = FinalDecision(
        action,
        True,
        texts_of(final, "reasons") or decision.reasons,
        _mismatch([], codes, why, decision) if tells else decision.mismatch,
        _either(milliseconds_of(final, "throttle_ms"), decision.throttle_ms),
        _either(milliseconds_of(final, "cooldown_ms"), decision.cooldown_ms),
        params,
    )
    return decision if passed == decision else passed


def _changes(action: Action, params: dict[str, Any] | None, decision: FinalDecision) -> list[str]:
    changed = {"action": action is not decision.action, "params": params is not decision.params}
    return [f"{FLAG}:{name}" for name, is_changed in changed.items() if is_changed]


def _mismatch(flags: list[str], codes: list[str], why: Why, decision: FinalDecision) -> MismatchInfo:
    """Tell why; why the decision was changed before is told too."""
    earlier = decision.mismatch
    if earlier is None:
        return MismatchInfo(flags, codes, why.wait_ms, why.metadata or None)
    metadata = {**(earlier.metadata or {}), **why.metadata}
    wait_ms = _either(why.wait_ms, earlier.throttle_refresh_ms)
    return MismatchInfo(flags, [*earlier.reason_codes, *codes], wait_ms, metadata or None)


def _params(final: Any, decision: FinalDecision) -> dict[str, Any] | None:
    answered = table_of(final, "params")
    if not answered:
        return decision.params
    before = decision.params or {}
    changed = {
        name: value
        for name, value in answered.items()
        # The same object first, because NaN is not equal to itself.
        if name not in before or (value is not before[name] and value != before[name])
    }
    return {**before, **plain_table(changed)} if changed else decision.params


def _why(mismatch: Any, own: Any) -> Why:
    """Read the mismatch of an answer together with its final decision's own, which is often the same."""
    why = _read_why(mismatch)
    if own is None or own is mismatch:
        return why
    other = _read_why(own)
    return Why(
        [*dict.fromkeys((*why.flags, *other.flags))],
        [*dict.fromkeys((*why.codes, *other.codes))],
        _either(why.wait_ms, other.wait_ms),
        {**other.metadata, **why.metadata},
    )


def _read_why(mismatch: Any) -> Why:
    if mismatch is None:
        return Why()
    return Why(
        texts_of(mismatch, "flags", required=True),
        texts_of(mismatch, "reason_codes", required=True),
        milliseconds_of(mismatch, "throttle_refresh_ms"),
        plain_table(table_of(mismatch, "metadata")),
    )


def _either(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
