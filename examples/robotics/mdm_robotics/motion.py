"""The feature extractor: what the last two seconds of a sensor say about the exercise, at every sample."""

from __future__ import annotations

from math import exp, sqrt
from pathlib import Path
from typing import Final

import attrs
import msgspec
from mdm_core import Build, ConfigError, Context, Event, FeatureExtractor, Features, KeyedState, keyed_state, option

CHANNELS: Final = ("ax", "ay", "az", "wx", "wy", "wz")
WINDOW: Final = 100
_WIDTH: Final = len(CHANNELS)
_FLOORS: Final = [0.03**2] * 3 + [0.09**2] * 3 + [0.03**2] * 3 + [0.09**2] * 3
"""Variances that are too small to tell anything: of 0.03 g and 0.09 rad/s."""
_LARGEST: Final = 1e6  # no sensor measures more, and its square still adds up
_ZEROS: Final = [0.0] * _WIDTH
_NOTHING: Final[Features] = {
    "motion.speed": None,
    "exercise.likely": None,
    "exercise.planned": None,
    "motion.change": None,
    "motion.doubt": None,
}


class ExerciseWeights(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of weights holds: multinomial logistic regression.

    Attributes:
        bias: Score of each exercise.
        weights: What the mean of each channel adds to it, and then what the standard deviation of each.
    """

    bias: dict[str, float]
    weights: dict[str, list[float]]


@attrs.define
class Window:
    """The last samples of one sensor, and what is summed over them.

    Attributes:
        samples: Six numbers each, in a ring.
        count: How many samples there ever were.
        sums: Sum of each channel.
        squares: Sum of its squares.
        profile: Means of the moments in the first seconds, and sums of squared differences from them.
        learned: How many windows the profile is from.
        doubt: Evidence that the movement is no longer that of the profile.
    """

    samples: list[list[float]] = attrs.field(factory=list)
    count: int = 0
    sums: list[float] = attrs.field(factory=lambda: [0.0] * _WIDTH)
    squares: list[float] = attrs.field(factory=lambda: [0.0] * _WIDTH)
    profile: list[list[float]] = attrs.field(factory=lambda: [[0.0, 0.0] for _ in range(2 * _WIDTH)])
    learned: int = 0
    doubt: float = 0.0

    def push(self, sample: list[float]) -> bool:
        """Take a sample, and tell whether the window is full."""
        at = self.count % WINDOW
        self.count += 1
        if self.count <= WINDOW:
            old = _ZEROS
            self.samples.append(sample)
        else:
            old, self.samples[at] = self.samples[at], sample
        for channel, (x, gone) in enumerate(zip(sample, old, strict=True)):
            self.sums[channel] += x - gone
            self.squares[channel] += x * x - gone * gone
        if at == WINDOW - 1:
            self._sum()
        return self.count >= WINDOW

    def _sum(self) -> None:
        # Once a round, so that rounding errors do not add up.
        columns = list(zip(*self.samples, strict=True))
        self.sums = [sum(column) for column in columns]
        self.squares = [sum([x * x for x in column]) for column in columns]

    def moments(self) -> list[float]:
        """The mean of each channel, and then the standard deviation of each."""
        means = [total / WINDOW for total in self.sums]
        spreads = [sqrt(max(s / WINDOW - m * m, 0.0)) for s, m in zip(self.squares, means, strict=True)]
        return means + spreads

    def learn(self, moments: list[float]) -> None:
        """Let moments count for the profile (B. P. Welford, Technometrics 4, 1962)."""
        self.learned += 1
        for entry, x in zip(self.profile, moments, strict=True):
            gap = x - entry[0]
            entry[0] += gap / self.learned
            entry[1] += gap * (x - entry[0])

    def change(self, moments: list[float]) -> float:
        """Root mean square of how many standard deviations the moments are from the profile."""
        total = 0.0
        for (mean, squares), x, floor in zip(self.profile, moments, _FLOORS, strict=True):
            total += (x - mean) ** 2 / (squares / self.learned + floor)
        return sqrt(total / len(moments))


@attrs.define
class Motion(FeatureExtractor):
    """Recognises an exercise in the last two seconds of a sensor with six channels, at every sample.

    ``exercise.planned`` is the probability of the exercise that the event's ``plan`` names, ``exercise.likely`` the
    most probable one, ``motion.speed`` the root mean square of the angular speed in rad/s; None for two seconds.

    The next ``learn_s`` seconds give a profile of this movement: mean and spread of the mean and the standard deviation
    of each channel. ``motion.change`` is how many standard deviations the last two seconds are from it, and
    ``motion.doubt`` adds up by how much that exceeds ``usual``, in seconds, never below zero: a cumulative sum (E. S.
    Page, "Continuous Inspection Schemes", Biometrika 41, 1954). Both are None before.
    """

    weights_file: Path = option(Path("weights.json"), help="JSON file with the weights, written by mdm_robotics.fit")
    learn_s: float = option(5.0, gt=0, help="how long the profile is learned, in seconds")
    usual: float = option(3.0, ge=0, help="change that is nothing unusual, in standard deviations")
    most: float = option(10.0, gt=0, help="largest excess that one sample counts with")
    rate_hz: float = option(50.0, gt=0, help="samples per second")
    states: KeyedState[Window] = keyed_state(Window, max_keys=1000)
    _scores: dict[str, tuple[float, list[float]]] = attrs.field(init=False, factory=dict, repr=False, eq=False)

    def open(self, build: Build) -> None:
        """Read the weights.

        Raises:
            ConfigError: The file is missing or wrong.
        """
        content = _read(build.base_dir / self.weights_file)
        self._scores = {name: (bias, content.weights[name]) for name, bias in content.bias.items()}

    def extract(self, event: Event, context: Context) -> Features:
        """Take a sample; one that lacks a number leaves no mark."""
        sample = _sample(event)
        if sample is None:
            return dict(_NOTHING)
        window = self.states[context.key]
        if not window.push(sample):
            return dict(_NOTHING)
        moments = window.moments()
        chances = probabilities(self._scores, moments)
        change = self._change(window, moments)
        speed = sqrt(sum([moments[at] ** 2 + moments[at + _WIDTH] ** 2 for at in (3, 4, 5)]))
        likely = max(chances, key=chances.__getitem__, default=None)
        return {
            "motion.speed": speed,
            "exercise.likely": likely,
            "exercise.planned": chances.get(str(event.get("plan")), 0.0),
            "motion.change": change,
            "motion.doubt": None if change is None else window.doubt,
        }

    def _change(self, window: Window, moments: list[float]) -> float | None:
        if window.learned < self.learn_s * self.rate_hz:
            window.learn(moments)
            return None
        change = window.change(moments)
        window.doubt = max(0.0, window.doubt + min(change - self.usual, self.most) / self.rate_hz)
        return change


def probabilities(scores: dict[str, tuple[float, list[float]]], moments: list[float]) -> dict[str, float]:
    """Compute the probability of each exercise, a softmax of its score.

    Args:
        scores: Bias and weights of each.
        moments: What ``Window.moments`` gives.

    Returns:
        Probabilities that add up to 1.
    """
    found = {}
    for name, (bias, weights) in scores.items():
        found[name] = bias + sum([weight * x for weight, x in zip(weights, moments, strict=True)])
    top = max(found.values(), default=0.0)
    powers = {name: exp(score - top) for name, score in found.items()}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}


def _sample(event: Event) -> list[float] | None:
    found = [event.get(channel) for channel in CHANNELS]
    for x in found:
        if type(x) not in (float, int) or not abs(x or 0) < _LARGEST:
            return None
    return [float(x) for x in found if x is not None]


def _read(path: Path) -> ExerciseWeights:
    try:
        content = msgspec.json.decode(path.read_bytes(), type=ExerciseWeights)
    except OSError as error:
        raise ConfigError(f"weights_file: {path} cannot be read ({error.strerror}); check the path") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"weights_file: {path} is no file of weights ({error}); see mdm_robotics.fit") from None
    if dict.fromkeys(content.bias, 2 * _WIDTH) != {name: len(w) for name, w in content.weights.items()}:
        raise ConfigError(f"weights_file: {path} needs {2 * _WIDTH} weights for each exercise; fit it again")
    return content
