"""What core makes sure of in the answers of components, whatever they are made of."""

from __future__ import annotations

import re
from math import isfinite
from numbers import Real
from typing import Any

from mdm_core.errors import ContractError
from mdm_core.schema import Action, FinalDecision, MismatchInfo, Proposal
from mdm_core.values import Failure, Feature, Features

_AS_IT_IS = frozenset({bool, str, type(None)})
_EXACT = 1 << 64
_REMEMBERED = 50_000
_CODE = re.compile(r"[a-z][a-z0-9_.:]{0,63}")


class Sizes:
    """How much a component may answer.

    Args:
        max_items: Features, reasons or parameters at most.
        max_text: Characters of one of them at most.
    """

    def __init__(self, max_items: int, max_text: int) -> None:
        self.max_items = max_items
        self.max_text = max_text

    def check(self, answer: Proposal | FinalDecision) -> None:
        """Check what a model or a modulator answered.

        Raises:
            ContractError: It has too many reasons or parameters, or one that is too long or no text.
        """
        reasons, params, longest = answer.reasons, answer.params, self.max_text
        # Joined, because that is quick, and refuses what is no text.
        if len("".join(reasons)) > longest and max(map(len, reasons)) > longest:
            raise ContractError(f"a reason has at most {longest} characters")
        if len(reasons) > self.max_items:
            raise ContractError(f"at most {self.max_items} reasons are possible")
        if params:
            if len(params) > self.max_items:
                raise ContractError(f"at most {self.max_items} parameters are possible")
            for value in params.values():
                if type(value) is str and len(value) > longest:
                    raise ContractError(f"a parameter has at most {longest} characters")


class FeatureCheck:
    """Gives features as the model and the packet may have them.

    Args:
        sizes: How many and how long they may be.
    """

    def __init__(self, sizes: Sizes) -> None:
        self._names: set[str] = set()
        self._max_features, self._max_text = sizes.max_items, sizes.max_text

    def check(self, features: Features) -> Features:
        """Check what extractors returned.

        Args:
            features: The features.

        Returns:
            The same, or a copy in which numbers are finite or None and values are of builtin types.

        Raises:
            ContractError: It is no dict or too large, a name is no text, or a value is no number, bool, text or None.
        """
        if type(features) is not dict:
            raise ContractError("features must be a dict")
        if len(features) > self._max_features:
            raise ContractError(f"at most {self._max_features} features are possible")
        if not self._names.issuperset(features):
            self._learn(features)
        return features if _are_fine(features, self._max_text) else _mended(features, self._max_text)

    def _learn(self, features: Features) -> None:
        if not all(isinstance(name, str) and len(name) <= self._max_text for name in features):
            raise ContractError(f"the name of a feature must be text of at most {self._max_text} characters")
        if len(self._names) >= _REMEMBERED:  # names may come from hostile events
            self._names.clear()
        self._names.update(features)


def _are_fine(features: Features, max_text: int) -> bool:
    for value in features.values():
        kind = type(value)
        if kind is float:
            if value - value != 0.0:  # type: ignore[operator] # NaN, for an infinity or NaN
                return False
        elif kind is int:
            if not -_EXACT < value < _EXACT:  # type: ignore[operator]
                return False
        elif kind is str:
            if len(value) > max_text:  # type: ignore[arg-type]
                raise ContractError(f"a feature has at most {max_text} characters")
        elif kind not in _AS_IT_IS:
            return False
    return True


def _mended(features: Features, max_text: int) -> Features:
    mended = {name: _mended_value(value) for name, value in features.items()}
    if any(isinstance(value, str) and len(value) > max_text for value in mended.values()):
        raise ContractError(f"a feature has at most {max_text} characters")
    return mended


def _mended_value(value: Any) -> Feature:
    if type(value) in _AS_IT_IS or (type(value) is int and abs(value) < _EXACT):
        return value  # type: ignore[no-any-return]
    if isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if isfinite(number) else None
    if isinstance(value, str):
        return str(value)
    raise ContractError("a feature must be a number, bool, text or None")


def check_proposal(proposal: Proposal) -> None:
    """Check what a model returned.

    Raises:
        ContractError: It is no proposal with an action and a confidence in [0, 1].
    """
    if not isinstance(proposal, Proposal) or not isinstance(proposal.action, Action):
        raise ContractError("a model must return a Proposal with an Action")
    confidence = proposal.confidence
    if isinstance(confidence, bool) or not isinstance(confidence, float | int) or not 0.0 <= confidence <= 1.0:
        raise ContractError("a confidence must be a number in [0, 1]")


def checked_final(final: FinalDecision) -> FinalDecision:
    """Check what a modulator returned.

    Raises:
        ContractError: It is no final decision, or neither an allowed nor a denied one.
    """
    if not isinstance(final, FinalDecision) or not isinstance(final.action, Action) or type(final.allowed) is not bool:
        raise ContractError("a modulator must return a FinalDecision with an Action, allowed or not")
    mismatch = final.mismatch
    if mismatch is not None and not (_are_texts(mismatch.flags) and _are_texts(mismatch.reason_codes)):
        raise ContractError("flags and reason codes are lists of text")
    if mismatch is not None and not all(map(is_code, mismatch.flags)):
        raise ContractError("a flag is a stable code such as rate_limit, for it is counted and shown by its name")
    if final.allowed:
        if mismatch is not None and mismatch.flags:
            raise ContractError("a decision that is allowed carries no flags")
    elif (
        final.action not in (Action.HOLD, Action.STOP)
        or mismatch is None
        or not (mismatch.flags and mismatch.reason_codes)
    ):
        raise ContractError("a denial is HOLD or STOP with flags and reason codes")
    return final


def is_code(text: str) -> bool:
    """Whether a text may be counted and shown by itself, which no redactor sees.

    Args:
        text: Such as a flag, or the reason of a dead letter.
    """
    return _CODE.fullmatch(text) is not None


def _are_texts(items: Any) -> bool:
    return isinstance(items, list | tuple) and all(isinstance(item, str) for item in items)


def failed_closed(failure: Failure) -> FinalDecision:
    """The answer when something went wrong: HOLD, not allowed, and why.

    Args:
        failure: What went wrong.
    """
    mismatch = MismatchInfo([f"{failure.stage}_error"], [failure.reason_code])
    return FinalDecision(Action.HOLD, False, [failure.reason_code], mismatch, None, None, {})
