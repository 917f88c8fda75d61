"""How often the intervals of off-policy evaluation hold the truth, on logs whose truth is known.

    python plugins/mdm-eval/experiments/ope_coverage.py [SEEDS] [CASES] [linear|boosted]

There are eight kinds of cases, told apart by two features, and three actions. The run prefers some, the other policy
others, with propensities that are known. Which reward comes is left to chance, with a probability that no linear model
of the features has, so that the model of the rewards is wrong. What the other policy earns is added up from the table.
"""

from __future__ import annotations

import sys
from collections import defaultdict

import attrs
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mdm_eval.columns import Floats
from mdm_eval.ope import estimates_of
from mdm_eval.ope_estimators import effective_sample_size, importance_weights
from mdm_eval.ope_logged import ACTIONS, Logged
from mdm_eval.ope_regression import MakeModel, boosted

FEATURES = np.array([[u, v] for u in range(4) for v in range(2)], dtype=np.float64)
SHARES = np.array([0.2, 0.15, 0.15, 0.1, 0.1, 0.1, 0.1, 0.1])
REWARD = np.array(
    [
        [0.1, 0.3, 0.5],
        [0.2, 0.6, 0.1],
        [0.4, 0.1, 0.2],
        [0.3, 0.3, 0.7],
        [0.8, 0.4, 0.1],
        [0.1, 0.2, 0.2],
        [0.5, 0.9, 0.3],
        [0.2, 0.5, 0.6],
    ]
)


@attrs.frozen
class LeastSquares:
    """A linear model, fitted in a few microseconds."""

    weights: list[float] = attrs.field(factory=list)

    def fit(self, features: Floats, rewards: Floats) -> None:
        """Fit it."""
        self.weights[:] = np.linalg.lstsq(_with_one(features), rewards, rcond=None)[0].tolist()

    def predict(self, features: Floats) -> Floats:
        """Predict rewards."""
        predicted: Floats = _with_one(features) @ np.array(self.weights)
        return predicted


def policy(preferred: list[int], floor: float) -> Floats:
    """A policy that takes one action in each kind of case, but for what it leaves to chance.

    Args:
        preferred: The action in each.
        floor: The probability of each other action.
    """
    table = np.full(REWARD.shape, floor)
    table[np.arange(len(table)), preferred] = 1.0 - 2 * floor
    return table


RUN = policy([0, 0, 1, 1, 2, 2, 0, 1], 0.15)
OTHERS = {"certain": policy([2, 1, 0, 2, 0, 0, 1, 2], 0.0), "by chance": policy([2, 0, 1, 2, 0, 2, 1, 1], 0.1)}


def truth(other: Floats) -> float:
    """What a policy earns."""
    return float(SHARES @ (other * REWARD).sum(axis=1))


def draw(random: np.random.Generator, cases: int, other: Floats) -> tuple[Logged, Floats]:
    """Draw a log, and what its decisions were worth."""
    kind = random.choice(len(SHARES), cases, p=SHARES)
    taken = (random.random(cases)[:, None] > RUN.cumsum(axis=1)[kind]).sum(axis=1)
    rewards = (random.random(cases) < REWARD[kind, taken]).astype(np.float64)
    log = Logged(taken, _wide(RUN)[kind], _wide(other)[kind], FEATURES[kind], np.zeros(2, dtype=np.bool_))
    return log, rewards


@attrs.define
class Held:
    """How one method did.

    Attributes:
        values: Its estimates.
        truth: Share of the intervals that hold what the policy earns.
        change: Share of those that hold the difference from what the run earns.
    """

    values: list[float] = attrs.field(factory=list)
    truth: float = 0.0
    change: float = 0.0


def coverage(seeds: int, cases: int, other: Floats, make_model: MakeModel) -> dict[str, Held]:
    """Count how often the intervals hold the truth.

    Args:
        seeds: How many logs are drawn.
        cases: Decisions per log.
        other: The policy that is evaluated.
        make_model: Makes models of the rewards.
    """
    held: dict[str, Held] = defaultdict(Held)
    true, before = truth(other), truth(RUN)
    for seed in range(seeds):
        for name, found in estimates_of(*draw(np.random.default_rng([3, seed]), cases, other), make_model).items():
            value, change = found.value, found.change
            assert value.value is not None
            held[name].values.append(value.value)
            if value.low is not None and value.high is not None and change.low is not None and change.high is not None:
                held[name].truth += (value.low <= true <= value.high) / seeds
                held[name].change += (change.low <= true - before <= change.high) / seeds
    return dict(held)


def _wide(table: Floats) -> Floats:
    return np.pad(table, ((0, 0), (0, len(ACTIONS) - table.shape[1])))


def _with_one(features: Floats) -> Floats:
    return np.column_stack([np.ones(len(features)), features])


def main(seeds: str = "1000", cases: str = "1000", model: str = "linear") -> None:
    """Print how often each interval holds the truth, and how far estimates are off on average.

    Args:
        seeds: How many logs are drawn.
        cases: Decisions per log.
        model: ``linear``, or ``boosted`` as ``mdm ope`` has it.
    """
    make_model = boosted(np.zeros(2, dtype=np.bool_)) if model == "boosted" else LeastSquares
    for told, other in OTHERS.items():
        log, _ = draw(np.random.default_rng(0), 100_000, other)
        effective = effective_sample_size(importance_weights(log.wanted, log.logged, log.taken)) / 100_000
        print(f"{told}: earns {truth(other):.4f}, effective {effective:.1%} of the decisions")  # noqa: T201
        with threadpool_limits(1):
            found = coverage(int(seeds), int(cases), other, make_model)
        for name, held in found.items():
            values = np.array(held.values)
            off, error = values.mean() - truth(other), values.std() / len(values) ** 0.5
            shares = "" if name == "direct" else f"holds {held.truth:6.1%}, of the change {held.change:6.1%}, "
            print(f"  {name:<14} {shares}off by {off:+.5f} (± {1.96 * error:.5f}), spread {values.std():.4f}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
