"""Models that weigh features: a score, a probability, and the features that moved it most."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from math import exp, isfinite
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs
import msgspec
from mdm_core import Action, Build, ConfigError, Context, Features, Proposal, ProposalModel, option

THREE_SIGMA: Final = 3.0

_Moves: TypeAlias = list[
    tuple[float, str, float]
]  # minus the size, so that the largest sorts first; feature; contribution
_NOTHING: Final = ("", 0.0)


class WeightsFile(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of weights holds.

    Attributes:
        weights: Weight per feature name, or per ``name=text``.
        bias: The score when no feature moves it.
    """

    weights: dict[str, float]
    bias: float = 0.0


@attrs.define
class _Weighing(ProposalModel):
    """The score is ``bias`` plus the sum of weight times feature; the model says what probability that means.

    A weight named ``origin=JFK`` counts when the text feature ``origin`` is ``JFK``; truths count as 1 and 0. From the
    probability ``threshold`` on the model proposes ``action`` with that confidence, below it HOLD with one minus it.
    ``reasons`` are the features that moved the score most, the largest first and equals by name, or ``low_signal`` when
    none did; ``features_summary`` holds what each of these reasons added to the score.

    Without weights the model scores how unusual an event is for its key, by the largest z of its features: half
    probability is reached at three standard deviations (F. Pukelsheim, "The Three Sigma Rule", The American
    Statistician 48, 1994).
    """

    bias: float = option(0.0, help="score when no feature moves it")
    weights: dict[str, float] = option(
        {}, help="weight per feature, or per name=text; none scores how unusual an event is"
    )
    weights_file: Path | None = option(None, help="JSON file with weights and bias, in place of these options")
    threshold: float = option(0.5, ge=0, le=1, help="probability from which the action is proposed")
    action: str = option("ACT", choices=[a.value for a in Action if a is not Action.HOLD], help="what is proposed")
    missing: Literal["ignore", "hold"] = option(
        "ignore", choices=["ignore", "hold"], help="what to do when a feature that has a weight has no value"
    )
    max_reasons: int = option(3, ge=1, help="how many reasons are given at most")
    _bias: float = attrs.field(init=False, repr=False, eq=False)
    _numbers: list[tuple[str, float]] = attrs.field(init=False, repr=False, eq=False)
    _texts: list[tuple[str, dict[str, tuple[str, float]]]] = attrs.field(init=False, repr=False, eq=False)
    _act: Action = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._act = Action(self.action)
        self._weigh(self.weights, self.bias)

    def open(self, build: Build) -> None:
        """Read the file of weights, if there is one.

        Raises:
            ConfigError: The file is missing or wrong, or weights are given twice.
        """
        if self.weights_file is None:
            return
        if self.weights or self.bias:
            raise ConfigError("weights_file takes the place of weights and bias; remove these or the file")
        content = _read(build.base_dir / self.weights_file)
        self._weigh(content.weights, content.bias)

    def propose(self, features: Features, context: Context) -> Proposal:
        """Weigh the features."""
        if self.missing == "hold" and (gaps := self._gaps(features)):
            return Proposal(Action.HOLD, 0.0, gaps[: self.max_reasons], {"threshold": self.threshold})
        score, moves = self._score(features) if self._numbers or self._texts else self._unusual(features)
        if not isfinite(score):
            raise OverflowError("the score is not finite")
        probability = self._probability(score)
        moves.sort()
        summary = {}
        for _, name, moved in moves[: self.max_reasons]:
            summary[name] = moved  # noqa: PERF403 - faster than a comprehension before Python 3.12
        reasons = list(summary) or ["low_signal"]
        threshold = self.threshold
        params = {"score": score, "threshold": threshold, "probability": probability}
        if probability >= threshold:
            return Proposal(self._act, probability, reasons, params, None, summary)
        return Proposal(Action.HOLD, 1.0 - probability, reasons, params, None, summary)

    @abstractmethod
    def _probability(self, score: float) -> float: ...

    @abstractmethod
    def _score_of(self, z: float) -> float: ...

    def _weigh(self, weights: Mapping[str, float], bias: float) -> None:
        # Sorted, so that the order in which the weights were written does not change the last bit of the score.
        named = [(name, float(weight)) for name, weight in sorted(weights.items())]
        texts: dict[str, dict[str, tuple[str, float]]] = {}
        for name, weight in named:
            feature, equals, text = name.partition("=")
            if equals:
                texts.setdefault(feature, {})[text] = (name, weight)
        self._bias = float(bias)
        self._numbers = [(name, weight) for name, weight in named if "=" not in name]
        self._texts = list(texts.items())

    def _score(self, features: Features) -> tuple[float, _Moves]:
        score = self._bias
        moves: _Moves = []
        get = features.get
        for name, weight in self._numbers:
            x = get(name)
            if x:
                moved = weight * x  # type: ignore[operator] # a text where a number has its weight raises, rightly
                score += moved
                moves.append((-moved if moved > 0.0 else moved, name, moved))
        for feature, by_text in self._texts:
            name, moved = by_text.get(get(feature), _NOTHING)  # type: ignore[arg-type] # what is no text is not found
            if moved:
                score += moved
                moves.append((-abs(moved), name, moved))
        return score, moves

    def _unusual(self, features: Features) -> tuple[float, _Moves]:
        moves = [
            (-abs(z), name, abs(z)) for name, z in features.items() if name.endswith(".z") and type(z) is float and z
        ]
        return self._score_of(-min(moves)[0] if moves else 0.0), moves

    def _gaps(self, features: Features) -> list[str]:
        names = [name for name, _ in self._numbers] + [name for name, _ in self._texts]
        return [f"missing:{name}" for name in names if features.get(name) is None]


@attrs.define
class LogisticModel(_Weighing):
    """Logistic regression: the probability is ``1 / (1 + exp(-score))``; without weights the score is max |z| - 3."""

    def _probability(self, score: float) -> float:
        if score >= 0.0:
            return 1.0 / (1.0 + exp(-score))
        odds = exp(score)
        return odds / (1.0 + odds)

    def _score_of(self, z: float) -> float:
        return z - THREE_SIGMA


@attrs.define
class LinearModel(_Weighing):
    """A linear score that is the probability, cut off at 0 and 1; without weights the score is max |z| / 6."""

    def _probability(self, score: float) -> float:
        return min(max(score, 0.0), 1.0)

    def _score_of(self, z: float) -> float:
        return z / (2 * THREE_SIGMA)


def _read(path: Path) -> WeightsFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=WeightsFile)
    except OSError as error:
        raise ConfigError(f"weights_file: {path} cannot be read ({error.strerror}); check the path") from None
    except msgspec.DecodeError as error:
        form = '{"bias": 0.0, "weights": {"NAME": 1.0}}'
        raise ConfigError(f"weights_file: {path} is not a file of weights ({error}); it should be {form}") from None
