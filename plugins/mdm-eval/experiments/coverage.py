"""How often the intervals hold the truth, on decisions whose truth is known.

    python plugins/mdm-eval/experiments/coverage.py [SEEDS] [CASES]

A score is normal, the outcome has the probability ``1 / (1 + exp(-score))``, and the model gives another one, which is
too sure of itself. What its figures truly are is worked out from two million scores with the probabilities of their
outcomes in the place of outcomes.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from mdm_eval.columns import Bools, Floats
from mdm_eval.confusion import judge_actions
from mdm_eval.costs import Costs
from mdm_eval.intervals import Estimate
from mdm_eval.reliability import BINS
from mdm_eval.scored import Scored

COSTS = Costs(fp=1.0, fn=3.0)
THRESHOLD = 0.6
MANY = 2_000_000


def draw(random: np.random.Generator, cases: int) -> tuple[Floats, Floats, Bools]:
    """Draw cases.

    Returns:
        The model's probabilities, the true ones, and outcomes.
    """
    score = random.normal(0.0, 1.5, cases)
    true = 1 / (1 + np.exp(-score))
    return 1 / (1 + np.exp(-(1.6 * score + 0.3))), true, random.random(cases) < true


def truth() -> dict[str, float]:
    """Work out what the figures truly are."""
    p, q, _ = draw(np.random.default_rng(1), MANY)
    order = np.argsort(p)
    p, q = p[order], q[order]
    acts = p >= THRESHOLD
    tp, fp, fn, tn = (q * acts).sum(), ((1 - q) * acts).sum(), (q * ~acts).sum(), ((1 - q) * ~acts).sum()
    caught, taken = np.cumsum(q[::-1]), np.arange(1, MANY + 1)
    below = np.cumsum(1 - q) - (1 - q) / 2
    wide = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    even = np.arange(MANY) * BINS // MANY
    return {
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "accuracy": (tp + tn) / MANY,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "cost": (COSTS.fp * fp + COSTS.fn * fn) / MANY,
        "roc_auc": (q * below).sum() / (q.sum() * (1 - q).sum()),
        "average_precision": (q[::-1] * caught / taken).sum() / q.sum(),
        "brier": (q * (1 - p) ** 2 + (1 - q) * p**2).mean(),
        "log_loss": -(q * np.log(p) + (1 - q) * np.log1p(-p)).mean(),
        "ece": np.abs(np.bincount(wide, p - q)).sum() / MANY,
        "ece_equal_mass": np.abs(np.bincount(even, p - q)).sum() / MANY,
    }


def estimates(seed: int, cases: int) -> dict[str, Estimate]:
    """Estimate the figures from some cases."""
    p, _, happened = draw(np.random.default_rng([2, seed]), cases)
    actions = judge_actions(p >= THRESHOLD, happened, COSTS)
    scored = Scored(p, happened).judge()
    found = {}
    for name in truth_names():
        found[name] = getattr(actions if hasattr(actions, name) else scored, name)
    return found


def truth_names() -> tuple[str, ...]:
    """The figures that have intervals."""
    of_actions = ("precision", "recall", "specificity", "accuracy", "f1", "cost")
    return (*of_actions, "roc_auc", "average_precision", "brier", "log_loss", "ece", "ece_equal_mass")


def coverage(seeds: int, cases: int) -> dict[str, float]:
    """Count how often the interval holds the truth.

    Args:
        seeds: How many samples are drawn.
        cases: Cases per sample.

    Returns:
        Figure to share of the samples.
    """
    true, held = truth(), Counter(dict.fromkeys(truth_names(), 0))
    for seed in range(seeds):
        for name, estimate in estimates(seed, cases).items():
            assert estimate.low is not None
            assert estimate.high is not None
            held[name] += estimate.low <= true[name] <= estimate.high
    return {name: times / seeds for name, times in held.items()}


def main(seeds: str = "1000", cases: str = "500") -> None:
    """Print how often each interval holds the truth.

    Args:
        seeds: How many samples are drawn.
        cases: Cases per sample.
    """
    for name, share in coverage(int(seeds), int(cases)).items():
        print(f"{name:<20} {share:6.1%}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
