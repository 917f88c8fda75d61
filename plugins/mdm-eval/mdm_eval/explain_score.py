"""What made a score: the contributions of the features, or what it would be without each of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum, isclose
from numbers import Real
from typing import Any, Literal

import attrs
from mdm_core import Features, Proposal
from mdm_core.schema import Action

from mdm_eval.explain_moment import Moment

_CLOSE = 1e-9


@attrs.frozen
class Part:
    """What one feature did.

    Attributes:
        name: The feature, or the name of the weight, such as ``origin=JFK``.
        value: Its value.
        moved: What it added: to the score, if the parts are ``contributions``; to the probability, if they are
            ``effects``; what the model says, if they are ``told``. None if the model cannot do without it.
    """

    name: str
    value: Any
    moved: Any


@attrs.frozen
class Score:
    """What made a score.

    Attributes:
        kind: ``contributions``, which sum to the score; ``effects``, the probability less what it is when the feature
            alone is missing, which need not sum to anything; or ``told``, what the packet says and nobody has checked.
        parts: The largest first.
        start: The score when no feature moves it, for contributions.
        score: The score, for contributions.
        probability: The probability that it means, or what stands for it.
    """

    kind: Literal["contributions", "effects", "told"]
    parts: list[Part]
    start: float | None = None
    score: float | None = None
    probability: float | None = None


def told_score(summary: Mapping[str, Any] | None, features: Mapping[str, Any]) -> Score:
    """Take what the packet says.

    Args:
        summary: The packet's ``features_summary``.
        features: The packet's features.
    """
    return Score("told", [Part(name, _value(name, features), moved) for name, moved in (summary or {}).items()])


def score_of(moment: Moment) -> Score:
    """Find out what made the score, by asking the model.

    A model that weighs says itself what each feature added, when it is asked for all its reasons; it is believed if
    that sums to its score, from the score that it gives when all numbers are 0 and all texts empty. Of any other model
    each feature is set to missing, one at a time.

    Args:
        moment: The moment of the decision.
    """
    features = moment.decision.features
    with moment.all_reasons():
        proposal = moment.propose(features)
        start = _score(_proposed(moment, {name: _nothing(value) for name, value in features.items()}))
    moved, score = _numbers(proposal.features_summary), _score(proposal)
    if moved is None or start is None or score is None or not _is_sum(start, moved, score):
        return _effects(moment, proposal)
    parts = [Part(name, _value(name, features), moved[name]) for name in sorted(moved, key=lambda n: -abs(moved[n]))]
    return Score("contributions", parts, start, score, probability_of(proposal))


def probability_of(proposal: Proposal) -> float:
    """Give what a proposal holds for the probability that its action is right.

    Args:
        proposal: The proposal.

    Returns:
        Its parameter ``probability``; else its confidence, of HOLD one minus it.
    """
    given = _number((proposal.params or {}).get("probability"))
    if given is not None:
        return given
    return 1.0 - proposal.confidence if proposal.action is Action.HOLD else proposal.confidence


def _effects(moment: Moment, proposal: Proposal) -> Score:
    features, probability = moment.decision.features, probability_of(proposal)
    parts = []
    for name, value in features.items():
        without = None if value is None else _proposed(moment, {**features, name: None})
        if value is not None:
            parts.append(Part(name, value, None if without is None else probability - probability_of(without)))
    parts.sort(key=lambda part: -1.0 if part.moved is None else -abs(part.moved))
    return Score("effects", parts, probability=probability)


def _proposed(moment: Moment, features: Features) -> Proposal | None:
    try:
        return moment.propose(features)
    except Exception:
        return None


def _is_sum(start: float, moved: Mapping[str, float], score: float) -> bool:
    largest = max((abs(value) for value in moved.values()), default=0.0)
    return isclose(fsum([start, *moved.values()]), score, rel_tol=_CLOSE, abs_tol=_CLOSE * max(1.0, largest))


def _nothing(value: Any) -> Any:
    return value if value is None else "" if isinstance(value, str) else False if isinstance(value, bool) else 0


def _score(proposal: Proposal | None) -> float | None:
    return None if proposal is None else _number((proposal.params or {}).get("score"))


def _numbers(summary: Mapping[str, Any] | None) -> dict[str, float] | None:
    numbers = {name: _number(value) for name, value in (summary or {}).items()}
    return None if None in numbers.values() else numbers  # type: ignore[return-value] # none of them is None


def _number(value: Any) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, Real) else float(value)


def _value(name: str, features: Mapping[str, Any]) -> Any:
    return features[name] if name in features else features.get(name.partition("=")[0])
