"""What is wanted and what may be done: `Proposal`, `FinalDecision` and why the two differ."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, final

import attrs

from decision_schema._open_twin import open_twin, set_class


class Action(str, Enum):  # noqa: UP042 - StrEnum would change what str() and format() give
    """What can be proposed and decided.  What it means in a domain is for the broker to say."""

    HOLD = "HOLD"
    """Do nothing."""
    ACT = "ACT"
    """Do what the domain is about."""
    EXIT = "EXIT"
    """Leave what an earlier ACT entered."""
    CANCEL = "CANCEL"
    """Take back an order that is still pending."""
    STOP = "STOP"
    """Do nothing, and stop asking."""


@final
@attrs.frozen(init=False, weakref_slot=False)
class Proposal:
    """What a model wants.  Immutable, compared by value; lists and dicts are kept as given, not copied.

    Args:
        action: the action that the model proposes.
        confidence: how sure the model is, from 0 to 1; an int or a float, never a bool.
        reasons: why, the weightiest first; None means none.
        params: what the action needs to be carried out.
        run_id: the run that the proposal belongs to.
        features_summary: the features behind the proposal, as far as they explain it; None means none.

    Raises:
        ValueError: the confidence is not an int or a float, not finite, or outside [0, 1].
    """

    action: Action
    confidence: float
    reasons: list[str] = attrs.field(factory=list)
    params: dict[str, Any] | None = None
    run_id: str | None = None
    features_summary: dict[str, Any] = attrs.field(factory=dict)

    def __init__(
        self,
        action: Action,
        confidence: float,
        reasons: list[str] | None = None,
        params: dict[str, Any] | None = None,
        run_id: str | None = None,
        features_summary: dict[str, Any] | None = None,
    ) -> None:
        kind = type(confidence)
        # NaN fails every comparison, so the one range check refuses it and the infinities too.
        if (kind is not float and kind is not int) or not 0.0 <= confidence <= 1.0:
            confidence = _plain_confidence(confidence)
        opened: Any = self
        set_class(opened, _OpenProposal)
        opened.action = action
        opened.confidence = confidence
        opened.reasons = [] if reasons is None else reasons
        opened.params = params
        opened.run_id = run_id
        opened.features_summary = {} if features_summary is None else features_summary
        opened.__class__ = Proposal

    def to_params(self) -> dict[str, Any]:
        """Give the parameters for whoever wants to change them.

        Returns:
            A new dict with what `params` holds, empty if that is None.
        """
        return dict(self.params) if self.params else {}


_OpenProposal = open_twin(Proposal)


def _plain_confidence(confidence: Any) -> float:
    # NumPy's float64 is a float that not every JSON encoder knows.
    is_number = isinstance(confidence, (int, float)) and not isinstance(confidence, bool)
    if not is_number or not 0.0 <= confidence <= 1.0:
        raise ValueError(f"confidence must be an int or a float from 0 to 1, not {confidence!r}")
    return float(confidence)


@final
@attrs.frozen
class MismatchInfo:
    """Why a final decision differs from its proposal.  Immutable, compared by value.

    Args:
        flags: the kinds of denial; empty if the decision was changed but let pass.
        reason_codes: stable codes that say how, such as `model_error:ZeroDivisionError`.
        throttle_refresh_ms: how long to wait before asking again, in milliseconds.
        metadata: whatever else the guard wants to have recorded.
    """

    flags: list[str] = attrs.field(factory=list)
    reason_codes: list[str] = attrs.field(factory=list)
    throttle_refresh_ms: int | None = None
    metadata: dict[str, Any] | None = None


@final
@attrs.frozen(init=False, weakref_slot=False)
class FinalDecision:
    """What may be carried out.  Immutable, compared by value; lists and dicts are kept as given, not copied.

    Args:
        action: the action that was decided.
        allowed: whether it may be carried out.
        reasons: why it was decided; None means none.
        mismatch: why it differs from the proposal; None if it does not.
        throttle_ms: how long to hold back from now on, in milliseconds.
        cooldown_ms: how long to rest before the next action, in milliseconds.
        params: what the action needs to be carried out.
    """

    action: Action
    allowed: bool = True
    reasons: list[str] = attrs.field(factory=list)
    mismatch: MismatchInfo | None = None
    throttle_ms: int | None = None
    cooldown_ms: int | None = None
    params: dict[str, Any] | None = None

    def __init__(
        self,
        action: Action,
        allowed: bool = True,
        reasons: list[str] | None = None,
        mismatch: MismatchInfo | None = None,
        throttle_ms: int | None = None,
        cooldown_ms: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> None:
        opened: Any = self
        set_class(opened, _OpenFinalDecision)
        opened.action = action
        opened.allowed = allowed
        opened.reasons = [] if reasons is None else reasons
        opened.mismatch = mismatch
        opened.throttle_ms = throttle_ms
        opened.cooldown_ms = cooldown_ms
        opened.params = params
        opened.__class__ = FinalDecision

    def to_params(self) -> dict[str, Any]:
        """Give the parameters for whoever wants to change them.

        Returns:
            A new dict with what `params` holds, empty if that is None.
        """
        return dict(self.params) if self.params else {}


_OpenFinalDecision = open_twin(FinalDecision)


def clamp_confidence(x: float) -> float:
    """Bring any number into the range of a confidence.

    Args:
        x: the number; NaN and the infinities are allowed.

    Returns:
        The nearest float in [0, 1]; 0.0 for NaN.
    """
    # `max` keeps its first argument unless the second is greater, and NaN is greater than nothing.
    return float(min(1.0, max(0.0, x)))


def ensure_non_empty_reasons(reasons: Iterable[str] | None) -> list[str]:
    """Make sure that a decision says why.

    Args:
        reasons: the reasons so far, or None.

    Returns:
        A new list of them; `["unknown"]` if there are none.
    """
    return list(reasons or ()) or ["unknown"]
