"""The model: how full a car park will be in an hour, how likely that is too full, and whether to redirect."""

from __future__ import annotations

from math import exp
from pathlib import Path

import attrs
import msgspec
from mdm_core import Action, Build, ConfigError, Context, Features, Proposal, ProposalModel, option


class Forecast(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of weights holds.

    Attributes:
        bias: Rise that is foreseen when no feature says anything.
        weights: What one of each feature adds to it; what is not known adds nothing.
        chance_bias: Log of the odds that it is full, where the forecast says that nothing is taken.
        chance_weight: What one of the forecast adds to it.
    """

    bias: float
    weights: dict[str, float]
    chance_bias: float
    chance_weight: float

    def share(self, features: Features) -> float:
        """Forecast the share of places taken in an hour: the share now and a rise that is linear in the features."""
        known = ((weight, features.get(name)) for name, weight in self.weights.items())
        rise = self.bias + sum(weight * x for weight, x in known if isinstance(x, float))
        return float(features["lot.share"] or 0) + rise

    def chance(self, share: float) -> float:
        """Turn a forecast into the probability that it is full: a logistic curve."""
        score = self.chance_bias + self.chance_weight * share
        return 1 / (1 + exp(-score)) if score > 0 else exp(score) / (1 + exp(score))


@attrs.define
class Outlook(ProposalModel):
    """Proposes to redirect cars, with ACT, from a probability on that the car park is full in an hour.

    Parameters are ``probability``, the ``forecast`` share of places taken, and ``places``, how many a guide has to do
    without, which a budget can limit. Without a reading it proposes HOLD with confidence 0.
    """

    weights_file: Path = option(Path("weights.json"), help="JSON file with the weights, written by mdm_parking.fit")
    threshold: float = option(0.25, ge=0, le=1, help="probability from which cars are redirected")
    _forecast: Forecast = attrs.field(init=False, default=Forecast(0.0, {}, 0.0, 0.0), repr=False, eq=False)

    def open(self, build: Build) -> None:
        """Read the weights.

        Raises:
            ConfigError: The file is missing or wrong.
        """
        self._forecast = _read(build.base_dir / self.weights_file)

    def propose(self, features: Features, context: Context) -> Proposal:
        """Look an hour ahead."""
        if not isinstance(features.get("lot.share"), float):
            return Proposal(Action.HOLD, 0.0, ["no_reading"])
        forecast = self._forecast.share(features)
        probability = self._forecast.chance(forecast)
        params = {"probability": probability, "forecast": forecast, "places": features.get("lot.places")}
        if probability >= self.threshold:
            return Proposal(Action.ACT, probability, ["fills_up"], params)
        return Proposal(Action.HOLD, 1 - probability, ["has_room"], params)


def _read(path: Path) -> Forecast:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Forecast)
    except OSError as error:
        raise ConfigError(f"weights_file: {path} cannot be read ({error.strerror}); check the path") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"weights_file: {path} is no file of weights ({error}); see mdm_parking.fit") from None
