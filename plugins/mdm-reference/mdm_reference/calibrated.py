"""The model ``reference.calibrated``: another model's probability, brought to what it is worth."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import exp, isfinite, log, log1p
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import attrs
import msgspec
from mdm_core import (
    Action,
    Build,
    ConfigError,
    Context,
    ContractError,
    Features,
    Proposal,
    ProposalModel,
    component,
    option,
)

_CONFIDENCE: Final = "confidence"
_Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Logistic(msgspec.Struct, frozen=True, tag_field="kind", tag="logistic"):
    """``1 / (1 + exp(-(a ln p - b ln(1 - p) + c)))``, with p not nearer to 0 or 1 than ``clip``.

    With ``a = b`` it is Platt's calibration, else beta calibration (M. Kull, T. Silva Filho and P. Flach, "Beta
    Calibration", AISTATS 2017).
    """

    a: float
    b: float
    c: float
    clip: Annotated[float, msgspec.Meta(gt=0, lt=0.5)]

    def __post_init__(self) -> None:
        if not (isfinite(self.a) and isfinite(self.b) and isfinite(self.c)):
            raise ValueError("a, b and c must be finite")

    def apply(self, p: float) -> float:
        """Calibrate a probability."""
        p = min(max(p, self.clip), 1.0 - self.clip)
        z = self.a * log(p) - self.b * log1p(-p) + self.c
        if z >= 0.0:
            return 1.0 / (1.0 + exp(-z))
        odds = exp(z)
        return odds / (1.0 + odds)


class Steps(msgspec.Struct, frozen=True, tag_field="kind", tag="steps"):
    """Straight lines between points, and level before the first and after the last."""

    x: Annotated[list[_Share], msgspec.Meta(min_length=1)]
    y: list[_Share]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or any(low >= high for low, high in pairwise(self.x)):
            raise ValueError("x must rise, and y must be as long")

    def apply(self, p: float) -> float:
        """Calibrate a probability."""
        x, y = self.x, self.y
        after = bisect_right(x, p)
        if after == 0:
            return y[0]
        if after == len(x):
            return y[-1]
        part = (p - x[after - 1]) / (x[after] - x[after - 1])
        return y[after - 1] + part * (y[after] - y[after - 1])


class CalibrationFile(msgspec.Struct, frozen=True):
    """What a file of ``mdm calibrate`` holds that is needed here; the rest is for people.

    Attributes:
        map: From probability to calibrated probability.
        threshold: From this calibrated probability on it is acted.
    """

    map: Logistic | Steps
    threshold: _Share


@attrs.define(kw_only=True)
class CalibratedModel(ProposalModel):
    """Calibrates the probability of the wrapped model, and decides by it.

    From ``threshold`` on it proposes ``action`` with the calibrated probability as confidence, below it HOLD with one
    minus it. Reasons and summary stay; ``probability``, ``uncalibrated`` and ``threshold`` are put into the parameters.
    A proposal of another action, and a HOLD without a probability, pass as they are.
    """

    model: ProposalModel = component(help="the model whose probability is calibrated")
    file: Path = option(help="JSON file that `mdm calibrate` has written")
    threshold: float | None = option(
        None, ge=0, le=1, help="calibrated probability from which the action is proposed; by default that of the file"
    )
    probability: str = option(
        "probability",
        help="parameter of the proposal that is its probability; 'confidence' is its confidence, of HOLD one minus it",
    )
    action: str = option("ACT", choices=[a.value for a in Action if a is not Action.HOLD], help="what is proposed")
    _act: Action = attrs.field(init=False, repr=False, eq=False)
    _map: Logistic | Steps = attrs.field(init=False, repr=False, eq=False)
    _from: float = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._act = Action(self.action)

    def open(self, build: Build) -> None:
        """Read the file.

        Raises:
            ConfigError: It is missing or wrong.
        """
        content = _read(build.base_dir / self.file)
        self._map = content.map
        self._from = content.threshold if self.threshold is None else self.threshold

    def propose(self, features: Features, context: Context) -> Proposal:
        """Let the wrapped model propose, and decide by what its probability is worth."""
        return self._calibrated(self.model.propose(features, context))

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        """Give what the wrapped model might have proposed, each by what its probability is worth."""
        return [(share, self._calibrated(inner)) for share, inner in self.model.alternatives(features, context)]

    def _calibrated(self, inner: Proposal) -> Proposal:
        raw = self._probability_of(inner)
        if inner.action not in (self._act, Action.HOLD) or (raw is None and inner.action is Action.HOLD):
            return inner
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw <= 1:
            raise ContractError(f"the wrapped model gave no {self.probability} between 0 and 1")
        probability = self._map.apply(raw)
        new = {"probability": probability, "uncalibrated": raw, "threshold": self._from}
        acts = probability >= self._from
        action, confidence = (self._act, probability) if acts else (Action.HOLD, 1.0 - probability)
        return Proposal(
            action, confidence, inner.reasons, {**(inner.params or {}), **new}, None, inner.features_summary
        )

    def _probability_of(self, inner: Proposal) -> Any:
        if self.probability != _CONFIDENCE:
            return (inner.params or {}).get(self.probability)
        return 1.0 - inner.confidence if inner.action is Action.HOLD else inner.confidence


def _read(path: Path) -> CalibrationFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CalibrationFile)
    except OSError as error:
        raise ConfigError(f"file: {path} cannot be read ({error.strerror}); `mdm calibrate` writes one") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"file: {path} is no calibration ({error}); `mdm calibrate` writes one") from None
