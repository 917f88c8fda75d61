"""Off-policy estimates held against what the other policy really earned: the sample of the Open Bandit Dataset.

    python -m benchmarks.open_bandit PATH

PATH is the folder ``obp/dataset/obd`` of the package ``obp`` (Y. Saito, S. Aihara, M. Matsutani and Y. Narita, "Open
Bandit Dataset and Pipeline", NeurIPS Datasets and Benchmarks 2021; arXiv:2008.07146). Nothing of it is imported.

In one week of 2019 a shop showed each visitor three of 80 items (of 34 for men, 46 for women in two other campaigns),
chosen at random, or by Thompson sampling (BTS). One row is one item at one of the three positions, with the probability
with which this item was shown at this position (``propensity_score``), and whether it was clicked.

- The random policy has the probability 1/80 (1/34, 1/46) for every item at every position, which its log says too.
- BTS looks at nothing but its past clicks, never at the visitor, and learns during the week. Its log has the
  probability of the item that was shown at that time; those of the other items, and of the rows of the other log, are
  nowhere. But over the week it shows an item at a position as often as it does on average, and how often an item turns
  up there in the log estimates just that, off by nothing but chance. So if what an item is worth does not change within
  the week, the value of BTS is that of showing items this often.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from math import inf
from pathlib import Path

import attrs
import numpy as np
from mdm_eval.columns import Floats, Ints
from mdm_eval.intervals import Estimate, normal
from mdm_eval.ope_estimators import (
    Valued,
    effective_sample_size,
    inverse_propensity,
    on_policy,
    self_normalized,
)

CAMPAIGNS = {"all": 80, "men": 34, "women": 46}
POSITIONS = 3
_COLUMNS = ("item_id", "position", "click", "propensity_score")


@attrs.frozen(eq=False)
class Log:
    """What one policy showed.

    Attributes:
        item: Which item.
        position: Where, from 0.
        click: 1 if it was clicked, else 0.
        propensity: How likely this item was to be shown there.
    """

    item: Ints
    position: Ints
    click: Floats
    propensity: Floats

    @classmethod
    def read(cls, path: Path) -> Log:
        """Read a log.

        Args:
            path: The file, such as ``random/all/all.csv``.
        """
        with path.open(newline="") as file:
            head = next(csv.reader(file))
            rows = np.loadtxt(file, delimiter=",", usecols=[head.index(name) for name in _COLUMNS])
        return cls(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64) - 1, rows[:, 2], rows[:, 3])

    def shares(self, items: int) -> Floats:
        """How often each item was shown at each position, of all that was shown there.

        Args:
            items: How many items there are.
        """
        shown = np.zeros((POSITIONS, items))
        np.add.at(shown, (self.position, self.item), 1)
        shares: Floats = shown / shown.sum(axis=1, keepdims=True)
        return shares


@attrs.frozen
class Check:
    """A policy's value, estimated and seen.

    Attributes:
        policy: Whose value.
        how: By which estimator and which propensities.
        estimate: From the log of the other policy.
        effective: How many rows of equal weight would tell as much.
        weight: The mean weight.
        seen: In its own log.
    """

    policy: str
    how: str
    estimate: Estimate
    effective: float
    weight: float
    seen: Estimate

    @property
    def holds(self) -> bool:
        """Whether the value seen lies within the interval."""
        low, high, seen = self.estimate.low, self.estimate.high, self.seen.value
        assert low is not None
        assert high is not None
        assert seen is not None
        return low <= seen <= high


def checks(folder: Path, campaign: str = "all") -> Iterator[Check]:
    """Estimate the value of each policy from the log of the other.

    Args:
        folder: The folder ``obd``.
        campaign: ``all``, ``men`` or ``women``.
    """
    by_chance, bts = (Log.read(folder / name / campaign / f"{campaign}.csv") for name in ("random", "bts"))
    items = CAMPAIGNS[campaign]
    shares = bts.shares(items)
    weights = shares[by_chance.position, by_chance.item] / by_chance.propensity
    yield from _checked("bts", "items as often as BTS showed them", by_chance, weights, bts, from_shares=True)
    weights = 1 / items / bts.propensity
    yield from _checked("random", "logged propensities", bts, weights, by_chance)
    weights = 1 / items / shares[bts.position, bts.item]
    yield from _checked("random", "mean propensities of the week", bts, weights, by_chance)


def _checked(policy: str, how: str, log: Log, weights: Floats, own: Log, from_shares: bool = False) -> Iterator[Check]:
    for name, estimator in (("IPS", inverse_propensity), ("SNIPS", self_normalized)):
        found = estimator(log.click, weights)
        estimate = _with_shares(found, log, own) if from_shares else found.estimate()
        effective, weight = effective_sample_size(weights), float(weights.mean())
        yield Check(policy, f"{name}, {how}", estimate, effective, weight, on_policy(own.click).estimate())


def _with_shares(found: Valued, log: Log, own: Log) -> Estimate:
    """Widen the interval by what chance does to the shares: they are means over the rows of the other log."""
    cells, own_cells = (g.item * POSITIONS + g.position for g in (log, own))
    most = int(max(cells.max(), own_cells.max())) + 1
    clicks, shown = (np.bincount(cells, values, most) for values in (log.click, np.ones(len(cells))))
    rates = clicks / np.maximum(shown, 1)
    of_shares = float(rates[own_cells].var(ddof=1)) / len(own_cells)
    variance = float(found.influence.var(ddof=1)) / len(found.influence) + of_shares
    return normal(found.value, variance, "normal", -inf, inf)


def main(folder: str) -> None:
    """Print each check.

    Args:
        folder: The folder ``obd``.
    """
    for campaign in CAMPAIGNS:
        for check in checks(Path(folder), campaign):
            told = "holds it" if check.holds else "DOES NOT HOLD IT"
            print(f"{campaign}, value of {check.policy}: seen {_percent(check.seen)}")  # noqa: T201
            print(f"  {check.how}: {_percent(check.estimate)} {told}")  # noqa: T201
            print(f"  effective {check.effective:,.0f} rows, mean weight {check.weight:.3f}")  # noqa: T201


def _percent(estimate: Estimate) -> str:
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{estimate.value:.3%} ({estimate.low:.3%} to {estimate.high:.3%})"


if __name__ == "__main__":
    main(*sys.argv[1:])
