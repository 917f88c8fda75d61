"""How often intervals by key hold the truth, and intervals by decision, where decisions about one key are alike.

    python plugins/mdm-eval/experiments/coverage_by_key.py [SEEDS] [KEYS…]

Each key has 20 to 60 decisions and a share of its own, from a beta distribution with 4 cases: as much as two decisions
about one key have in common, with a correlation of 0.2. A canary has so many keys, and main has twice as many. A shadow
acts once in five times more, for half of the keys.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from mdm_eval.clusters import difference_by_key, paired_by_key, ratio_of, share_by_key
from mdm_eval.columns import Bools, Ints
from mdm_eval.intervals import Estimate, paired_difference, proportion
from mdm_eval.report.challengers import difference

MAIN, CANARY, MORE, MOVED = 0.3, 0.2, 0.2, 0.5
COST = 5.0


def alike(random: np.random.Generator, keys: int, share: float) -> tuple[Bools, Ints]:
    """Draw decisions about keys of different sizes.

    Returns:
        Whether each acts, and the number of its key.
    """
    numbers = np.repeat(np.arange(keys), random.integers(20, 61, keys))
    return random.random(len(numbers)) < random.beta(4 * share, 4 * (1 - share), keys)[numbers], numbers


def held(keys: int, seeds: int) -> dict[str, float]:
    """Draw canaries and shadows, and see how many intervals hold the truth.

    Args:
        keys: Keys of the canary, and of the shadow.
        seeds: How many of each.

    Returns:
        The share, by what is estimated and how.
    """
    random, counts = np.random.default_rng(keys), Counter[str]()
    for _ in range(seeds):
        main, canary = alike(random, 2 * keys, MAIN), alike(random, keys, CANARY)
        shares = difference(share_by_key(*main), share_by_key(*canary))
        counts["canary, share"] += _holds(shares, CANARY - MAIN)
        (mean, numbers), (means, others) = (
            (ratio_of(np.where(acts, COST, 0.0), np.ones(len(acts))), n) for acts, n in (main, canary)
        )
        counts["canary, cost"] += _holds(difference_by_key((mean, numbers), (means, others)), COST * (CANARY - MAIN))
        counts["canary, share, by decision"] += _holds(difference(_naive(main[0]), _naive(canary[0])), CANARY - MAIN)
        before, numbers = alike(random, keys, MAIN)
        moved = (random.random(keys) < MOVED)[numbers]
        after = before | (moved & (random.random(len(before)) < MORE))
        more = MOVED * MORE * (1 - MAIN)
        counts["shadow, share"] += _holds(paired_by_key(before, after, numbers), more)
        naive = paired_difference(0, int((after & ~before).sum()), len(before))
        counts["shadow, share, by decision"] += _holds(naive, more)
    return {name: count / seeds for name, count in sorted(counts.items())}


def main() -> None:
    """Print the shares."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for keys in map(int, sys.argv[2:] or ["5", "10", "20", "30", "60", "100"]):
        for name, share in held(keys, seeds).items():
            print(f"{keys:>4} keys  {name:<28} {share:6.1%}")  # noqa: T201


def _naive(acts: Bools) -> Estimate:
    return proportion(int(acts.sum()), len(acts))


def _holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


if __name__ == "__main__":
    main()
