"""The nearest change that would have led to another decision: of one feature, of a threshold, of a guard's option."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from math import isfinite, nextafter
from typing import Any

import attrs
from mdm_core import Component, MdmError
from mdm_core.lifecycle import name_of
from mdm_core.options import children_of, option_fields

from mdm_eval.explain_moment import Moment
from mdm_eval.explain_score import probability_of
from mdm_eval.explain_survey import Variation
from mdm_eval.flips import label_of

_FARTHEST = 8.0
_NEAREST = 1 / 64
_HALVINGS = 40


@attrs.frozen
class Flip:
    """A change of one thing that would have led to another decision; asked again before it is told.

    Attributes:
        kind: ``feature``, ``option`` or ``guard``.
        name: What is changed: a feature, ``model.threshold``, ``modulators #1 floor``; or the guard that is left out.
        before: Its value.
        after: The nearest value with another decision; None for a guard that is left out, and for a feature that would
            have to be missing.
        distance: Of a number, how far that is, in standard deviations of the feature over the run.
        becomes: What comes of the decision then.
    """

    kind: str
    name: str
    before: Any
    after: Any
    distance: float | None
    becomes: str


def feature_flips(moment: Moment, variations: Mapping[str, Variation], hidden: frozenset[str]) -> list[Flip]:
    """Find the nearest change of each feature alone that leads to another decision.

    Numbers are tried from a 64th of a standard deviation to eight on either side, doubling; what lies between the last
    that changes nothing and the first that does is halved until it is found. Truths are turned round, and of a text
    those of the run are tried.

    Args:
        moment: The moment of the decision.
        variations: Feature to how it varies over the run.
        hidden: Features that are not to be told of.

    Returns:
        Those that there are, the nearest first; texts and truths, which have no distance, after numbers.
    """
    found = []
    for name, value in moment.decision.features.items():
        if name not in hidden and value is not None:
            found += [f for f in _of(moment, name, value, variations.get(name, Variation())) if _holds(moment, f)]
    return sorted(found, key=lambda flip: (flip.distance is None, flip.distance or 0.0, flip.name))


def option_flips(moment: Moment) -> list[Flip]:
    """Find values of options that lead to another decision: thresholds of the model, and limits of a guard that denies.

    Such a value gives away what it is compared with, so it may only be told where nothing is hidden.

    Args:
        moment: The moment of the decision.
    """
    return [*_of_threshold(moment), *_of_denier(moment)]


def guard_flips(moment: Moment) -> list[Flip]:
    """Find out what comes of the decision without the guard that denies it.

    Args:
        moment: The moment of the decision.
    """
    number = _denier(moment)
    if number is None:
        return []
    becomes = label_of(moment.look(moment.decision.features, without=number))
    name = name_of(moment.pipeline.modulators[number])
    return [] if becomes == label_of(moment.decision) else [Flip("guard", name, None, None, None, becomes)]


def _of_threshold(moment: Moment) -> list[Flip]:
    probability = probability_of(moment.decision.proposal)
    for path, part in _parts(("model",), moment.pipeline.model):
        threshold = getattr(part, "threshold", None)
        for value in (probability, nextafter(probability, 2.0)) if _is_number(threshold) else ():
            found = _verified(moment, (*path, "threshold"), threshold, value)
            if found:
                return found
    return []


def _of_denier(moment: Moment) -> Iterator[Flip]:
    number = _denier(moment)
    for path, part in () if number is None else _parts(("modulators", number), moment.pipeline.modulators[number]):
        for name in _limits(part):
            least = _least(moment, part, name)
            if least is not None:
                yield from _verified(moment, (*path, name), getattr(part, name), least)


def _denier(moment: Moment) -> int | None:
    """The number of the guard that denies."""
    decision = moment.decision
    told = moment.guarded(decision.proposal, decision.features)[1]
    said = [s.said for s in told if s.guard != "operations"]
    return said.index("denied") if "denied" in said else None


def _of(moment: Moment, name: str, value: Any, variation: Variation) -> Iterator[Flip]:
    if isinstance(value, bool):
        yield from _if_other(moment, name, value, not value)
    elif isinstance(value, str):
        others = (text for text in variation.texts if text != value)
        yield from (flip for text in others for flip in _if_other(moment, name, value, text))
    elif isfinite(variation.spread) and variation.spread > 0:
        whole = variation.whole and float(value).is_integer()
        nearest = (_nearest(moment, name, value, side * variation.spread, whole) for side in (1.0, -1.0))
        for after in nearest:
            if after is not None:
                distance = abs(after - value) / variation.spread
                yield Flip("feature", name, value, after, distance, _label(moment, name, after))


def _if_other(moment: Moment, name: str, before: Any, after: Any) -> Iterator[Flip]:
    becomes = _label(moment, name, after)
    if becomes != label_of(moment.decision):
        yield Flip("feature", name, before, after, None, becomes)


def _nearest(moment: Moment, name: str, value: float, unit: float, whole: bool) -> float | None:
    """The value nearest to a feature's own, on one side of it, with another decision."""
    now = label_of(moment.decision)

    def differs(after: float) -> bool:
        return _label(moment, name, after) != now

    step, same = _NEAREST, value
    while step <= _FARTHEST:
        tried = _rounded(value + step * unit, unit, whole)
        if differs(tried):
            return _halved(differs, same, tried, whole)
        same, step = tried, step * 2
    return None


def _halved(differs: Callable[[float], bool], same: float, other: float, whole: bool) -> float:
    for _ in range(_HALVINGS):
        middle = (same + other) / 2
        if whole:
            middle = float(int(middle))
        if middle in (same, other):
            break
        if differs(middle):
            other = middle
        else:
            same = middle
    return int(other) if whole else other


def _rounded(value: float, unit: float, whole: bool) -> float:
    """Away from where it came from, to a whole number if it has to be one."""
    if not whole:
        return value
    return float(-(-value // 1) if unit > 0 else value // 1)


def _label(moment: Moment, name: str, value: Any) -> str:
    return label_of(moment.look({**moment.decision.features, name: value}))


def _holds(moment: Moment, flip: Flip) -> bool:
    """Ask the whole pipeline."""
    decision = moment.decide({**moment.decision.features, flip.name: flip.after})
    return decision.failure is None and label_of(decision) == flip.becomes


def _limits(guard: Component) -> Iterator[str]:
    """The options of a guard that are numbers."""
    for field in option_fields(type(guard)):
        if not (field.child or field.info.secret or field.info.private) and _is_number(
            getattr(guard, field.name, None)
        ):
            yield field.name


def _least(moment: Moment, guard: Any, name: str) -> float | None:
    """The value of an option nearest to its own with which a guard does not deny, by asking it with others."""
    before = getattr(guard, name)
    whole = isinstance(before, int)
    proposal, features = moment.decision.proposal, moment.decision.features

    def passes(value: float) -> bool:
        try:
            setattr(guard, name, int(value) if whole else value)
            final, said = moment.guarded(proposal, features)
            return final.allowed and not any(s.said in ("denied", "failed") for s in said)
        except Exception:  # a value that the option does not take
            return False
        finally:
            setattr(guard, name, before)

    for side in (1.0, -1.0):
        step, same = 1.0 if whole else max(abs(before), 1.0) / 1024, float(before)
        while step <= max(abs(before), 1.0) * 2**20:
            tried = before + side * step
            for bound in _bounds(guard, name):
                tried = min(tried, bound[1]) if side > 0 else max(tried, bound[0])
            if passes(tried):
                return _halved(passes, same, tried, whole)
            if tried == same:
                break
            same, step = tried, step * 2
    return None


def _bounds(guard: Component, name: str) -> Iterator[tuple[float, float]]:
    for field in option_fields(type(guard)):
        if field.name == name:
            low, high = field.info.ge, field.info.le
            yield float("-inf") if low is None else low, float("inf") if high is None else high


def _verified(moment: Moment, path: tuple[str | int, ...], before: Any, after: Any) -> list[Flip]:
    """Have a pipeline with another value of an option decide."""
    document = deepcopy(dict(moment.rebuilt.config.document))
    try:
        _put(document, path, after)
        decision = moment.decide_by(document)
    except (MdmError, ValueError, LookupError, TypeError):
        return []
    becomes = label_of(decision)
    if decision.failure is not None or becomes == label_of(moment.decision):
        return []
    return [Flip("option", _spelled(path), before, after, None, becomes)]


def _put(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    target: Any = document
    for key in path[:-1]:
        # One component may stand in a table, or in a list of one.
        target = target if isinstance(key, int) and isinstance(target, Mapping) else target[key]
    target[path[-1]] = value


def _spelled(path: tuple[str | int, ...]) -> str:
    return "".join(f" #{key + 1} " if isinstance(key, int) else f".{key}" for key in path).replace(" .", " ").strip(".")


def _parts(path: tuple[str | int, ...], part: Component) -> Iterator[tuple[tuple[str | int, ...], Component]]:
    yield path, part
    for name, child in children_of(part).items():
        yield from _parts((*path, name), child)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
