"""Estimates from real logs, held against what the other policy really earned: the Open Bandit Dataset's sample."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from benchmarks.open_bandit import CAMPAIGNS, POSITIONS, Log, checks
from scipy import stats  # type: ignore[import-untyped]

from mdm_eval.ope_estimators import inverse_propensity

ITEMS = CAMPAIGNS["all"]


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the sample is; the package that holds it is not imported."""
    spec = find_spec("obp")
    if spec is None or spec.origin is None:
        pytest.skip("obp is not installed, whose files hold the sample: pip install --no-deps obp")
    return Path(spec.origin).parent / "dataset" / "obd"


@pytest.fixture(scope="module")
def logs(folder: Path) -> dict[str, Log]:
    """Both logs."""
    return {name: Log.read(folder / name / "all" / "all.csv") for name in ("random", "bts")}


class TestSample:
    def test_is_the_one_that_is_known(self, logs: dict[str, Log]) -> None:
        """10,000 rows each, with 38 and 42 clicks."""
        assert {"random": (10_000, 38), "bts": (10_000, 42)} == {
            n: (len(g.item), g.click.sum()) for n, g in logs.items()
        }

    def test_propensities_are_of_an_item_at_a_position(self, logs: dict[str, Log]) -> None:
        """The random log says 1/80, and by that the weights of the other log are 1 on average, within chance."""
        assert {1 / ITEMS} == set(logs["random"].propensity.tolist())
        weights = 1 / ITEMS / logs["bts"].propensity
        assert 1.0 == pytest.approx(weights.mean(), abs=3 * stats.sem(weights))

    def test_shares_are_probabilities(self, logs: dict[str, Log]) -> None:
        """At each position the shares of the items sum to 1, and there is one of each item but for one."""
        shares = logs["bts"].shares(ITEMS)
        assert (POSITIONS, ITEMS) == shares.shape
        assert pytest.approx(np.ones(POSITIONS)) == shares.sum(axis=1)
        assert 1 == (shares == 0).sum()


class TestEstimates:
    def test_what_was_seen_lies_within_the_interval(self, folder: Path) -> None:
        """The value of each policy in its own log lies within every interval estimated from the other's log."""
        found = list(checks(folder))
        assert 6 == len(found)
        assert [] == [check.how for check in found if not check.holds]
        assert {"random", "bts"} == {check.policy for check in found}

    def test_enough_to_tell(self, folder: Path) -> None:
        """Every estimate rests on some hundred rows at least, and is told with how many."""
        assert [] == [check.how for check in checks(folder) if check.effective < 300]

    def test_other_propensities_would_show(self, logs: dict[str, Log]) -> None:
        """Were they those of an item at any of the three positions, the interval would not hold what was seen."""
        weights = 1 / ITEMS / (POSITIONS * logs["bts"].propensity)
        found = inverse_propensity(logs["bts"].click, weights).estimate()
        assert found.high is not None
        assert found.high < logs["random"].click.mean()
