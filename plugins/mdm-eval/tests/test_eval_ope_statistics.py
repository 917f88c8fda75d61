"""Off-policy estimators: by hand, by enumeration of all logs, and by how often intervals hold the truth."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]
from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mdm_eval.columns import Floats
from mdm_eval.ope_estimators import (
    direct_method,
    doubly_robust,
    effective_sample_size,
    importance_weights,
    inverse_propensity,
    on_policy,
    self_normalized,
)
from mdm_eval.ope_logged import ACTIONS, HOLD, Logged
from mdm_eval.ope_overlap import ENOUGH, Overlap, overlap_of
from mdm_eval.ope_regression import LEAST, boosted, cross_fitted

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "ope_coverage.py"
ACT = ACTIONS.index("ACT")

# Four decisions, worked out on paper.
REWARDS = np.array([1.0, 1.0, 0.0, 2.0])
WANTED = np.array([[1.0, 0.0], [1.0, 0.0], [0.25, 0.75], [0.1, 0.9]])
LOGGED = np.array([[0.5, 0.5], [0.2, 0.8], [0.5, 0.5], [0.7, 0.3]])
TAKEN = np.array([0, 1, 0, 1])
WEIGHTS = np.array([2.0, 0.0, 0.5, 3.0])
PREDICTED = np.array([[0.5, 1.0], [0.5, 2.0], [0.4, 0.8], [1.0, 1.5]])


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take longer than one alone."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def experiment() -> ModuleType:
    """The experiment that measures coverage."""
    spec = importlib.util.spec_from_file_location("ope_coverage", EXPERIMENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestByHand:
    def test_weights(self) -> None:
        """A weight is the new probability of what was done by the old one."""
        assert pytest.approx(WEIGHTS) == importance_weights(WANTED, LOGGED, TAKEN)

    def test_effective_sample_size(self) -> None:
        """Kish: the square of the sum by the sum of the squares, (11/2)^2 / (53/4)."""
        assert 121 / 53 == pytest.approx(effective_sample_size(WEIGHTS), rel=1e-15)
        assert 7.0 == pytest.approx(effective_sample_size(np.full(7, 0.3)), rel=1e-14)
        assert 0.0 == effective_sample_size(np.zeros(3))

    def test_inverse_propensity(self) -> None:
        """(2 + 0 + 0 + 6) / 4."""
        assert 2.0 == inverse_propensity(REWARDS, WEIGHTS).value

    def test_self_normalized(self) -> None:
        """(2 + 0 + 0 + 6) / (11/2)."""
        assert 16 / 11 == pytest.approx(self_normalized(REWARDS, WEIGHTS).value, rel=1e-15)

    def test_direct_method(self) -> None:
        """(0.5 + 0.5 + (0.1 + 0.6) + (0.1 + 1.35)) / 4, and no interval."""
        found = direct_method(PREDICTED, WANTED)
        assert 0.7875 == pytest.approx(found.value, rel=1e-15)
        assert (None, None) == (found.low, found.high)

    def test_doubly_robust(self) -> None:
        """The direct method, and the weighted errors (2 * 0.5 + 0 - 0.5 * 0.4 + 3 * 0.5) / 4 = 2.3 / 4."""
        found = doubly_robust(REWARDS, WEIGHTS, PREDICTED, WANTED, TAKEN)
        assert 0.7875 + 2.3 / 4 == pytest.approx(found.value, rel=1e-14)

    def test_interval_of_a_mean(self) -> None:
        """The interval of a mean is that of scipy's normal distribution."""
        terms = WEIGHTS * REWARDS
        low, high = stats.norm.interval(0.95, terms.mean(), stats.sem(terms))
        found = inverse_propensity(REWARDS, WEIGHTS).estimate()
        assert pytest.approx((low, high), rel=1e-12) == (found.low, found.high)

    def test_difference_goes_by_pairs(self) -> None:
        """The interval of a difference is that of the differences, decision by decision."""
        found = inverse_propensity(REWARDS, WEIGHTS).less(on_policy(REWARDS)).estimate()
        low, high = stats.norm.interval(0.95, 1.0, stats.sem(WEIGHTS * REWARDS - REWARDS))
        assert pytest.approx((1.0, low, high), rel=1e-12) == (found.value, found.low, found.high)

    def test_ratio_varies_as_the_jackknife_says(self) -> None:
        """The variance of the self-normalised estimate is that of leaving out one decision at a time."""
        random = np.random.default_rng(0)
        weights, rewards = random.exponential(size=2000), random.random(2000)
        found = self_normalized(rewards, weights).estimate()
        products = weights * rewards
        without = (products.sum() - products) / (weights.sum() - weights)
        error = np.sqrt(1999 / 2000 * ((without - without.mean()) ** 2).sum())
        assert found.high is not None
        assert found.value is not None
        assert 1.959964 * error == pytest.approx(found.high - found.value, rel=5e-3)


def every_log(logged: Floats) -> Iterator[tuple[float, Any]]:
    """All sequences of actions that a policy can come to, each with its probability."""
    for actions in product(range(logged.shape[1]), repeat=len(logged)):
        taken = np.array(actions)
        yield float(logged[np.arange(len(logged)), taken].prod()), taken


class TestUnbiased:
    REWARD_OF = np.array([[1.0, 0.0], [0.3, 2.0], [-1.0, 0.5], [4.0, 1.0]])

    def truth(self) -> float:
        """What the new policy earns in these cases."""
        return float((WANTED * self.REWARD_OF).sum(axis=1).mean())

    def expected(self, estimate: Any) -> float:
        """The mean of an estimate over all logs."""
        total = 0.0
        for probability, taken in every_log(LOGGED):
            rewards = self.REWARD_OF[np.arange(4), taken]
            total += probability * estimate(rewards, importance_weights(WANTED, LOGGED, taken), taken)
        return total

    def test_inverse_propensity(self) -> None:
        """Over all logs that there can be, the estimate is the truth on average, exactly."""
        found = self.expected(lambda rewards, weights, _: inverse_propensity(rewards, weights).value)
        assert self.truth() == pytest.approx(found, abs=1e-14)

    def test_doubly_robust_whatever_the_model(self) -> None:
        """The same with a model of the rewards that is wrong everywhere."""

        def estimate(rewards: Floats, weights: Floats, taken: Any) -> float:
            return doubly_robust(rewards, weights, PREDICTED, WANTED, taken).value

        assert self.truth() == pytest.approx(self.expected(estimate), abs=1e-14)

    def test_doubly_robust_with_wrong_propensities(self) -> None:
        """With a model that is right it is the truth in every log, also if the propensities are wrong."""
        for _, taken in every_log(LOGGED):
            rewards = self.REWARD_OF[np.arange(4), taken]
            weights = importance_weights(WANTED, np.full((4, 2), 0.5), taken)
            found = doubly_robust(rewards, weights, self.REWARD_OF, WANTED, taken)
            assert self.truth() == pytest.approx(found.value, abs=1e-14)


class TestCoverage:
    SEEDS, CASES = 1000, 1000

    def test_unbiased_and_covered(self, experiment: ModuleType) -> None:
        """Of 1,000 logs, 93 to 97 % of the intervals hold the truth, and inverse propensities are right on average."""
        policy = experiment.OTHERS["certain"]
        held = experiment.coverage(self.SEEDS, self.CASES, policy, experiment.LeastSquares)
        for name in ("ips", "snips", "doubly_robust"):
            assert 0.93 <= held[name].truth <= 0.97
            assert 0.93 <= held[name].change <= 0.97
        truth = experiment.truth(policy)
        for name in ("ips", "doubly_robust"):
            values = np.array(held[name].values)
            assert truth == pytest.approx(values.mean(), abs=3 * stats.sem(values))
        assert abs(np.mean(held["direct"].values) - truth) > 0.1, "the model is meant to be wrong"


class TestCrossFitting:
    def test_trees_are_those_of_scikit_learn(self) -> None:
        """What fits by default is a model of scikit-learn's, which is loaded before threads are limited."""
        assert isinstance(boosted(np.array([False]))(), HistGradientBoostingRegressor)

    def test_no_model_has_seen_its_case(self) -> None:
        """A model that remembers every case it was fitted on is asked about others alone."""

        class Memory:
            def fit(self, features: Floats, rewards: Floats) -> None:
                self.seen = set(features[:, 0].tolist())

            def predict(self, features: Floats) -> Floats:
                return np.array([float(value in self.seen) for value in features[:, 0]])

        cases = np.arange(1000, dtype=np.float64)[:, None]
        predicted = cross_fitted(cases, np.arange(1000) % 2, np.ones(1000), 2, Memory)
        assert 0.0 == predicted.max()

    def test_a_model_for_each_action(self) -> None:
        """Each action is predicted from the cases in which it was taken, by their features."""
        random = np.random.default_rng(0)
        features, taken = random.random((4000, 1)), random.integers(0, 2, 4000)
        rewards = np.where(taken == 1, features[:, 0] > 0.5, features[:, 0] < 0.3).astype(np.float64)
        predicted = cross_fitted(features, taken, rewards, 2, boosted(np.array([False])))
        far = (np.abs(features[:, 0] - 0.5) > 0.02) & (np.abs(features[:, 0] - 0.3) > 0.02)
        assert pytest.approx((features[far, 0] < 0.3).astype(float), abs=0.05) == predicted[far, 0]
        assert pytest.approx((features[far, 0] > 0.5).astype(float), abs=0.05) == predicted[far, 1]

    def test_categories_and_gaps(self) -> None:
        """Categories in no order and values that are missing are told apart."""
        random = np.random.default_rng(0)
        features = random.integers(0, 6, (4000, 1)).astype(np.float64)
        rewards = np.isin(features[:, 0], (1, 4)).astype(np.float64)
        features[features == 5.0] = np.nan
        predicted = cross_fitted(features, np.zeros(4000, np.int64), rewards, 1, boosted(np.array([True])))
        assert pytest.approx(rewards, abs=0.01) == predicted[:, 0]

    def test_column_without_values(self) -> None:
        """A feature that is never there where an action was taken does not keep the others from being used."""
        random = np.random.default_rng(0)
        features, taken = random.random((2000, 3)), random.integers(0, 2, 2000)
        rewards = (features[:, 2] > 0.5).astype(np.float64)
        features[taken == 0, 0] = features[taken == 0, 1] = np.nan
        predicted = cross_fitted(features, taken, rewards, 2, boosted(np.array([False, False, False])))
        far = np.abs(features[:, 2] - 0.5) > 0.05
        assert pytest.approx(rewards[far], abs=0.05) == predicted[far, 0]

    def test_rare_actions_are_worth_their_mean(self) -> None:
        """An action that was taken too seldom to fit on is worth its mean, and one never taken that of all."""
        taken = np.repeat([0, 1], LEAST // 2)
        rewards = np.where(taken == 1, 3.0, 1.0)
        predicted = cross_fitted(np.zeros((len(taken), 1)), taken, rewards, 3, lambda: pytest.fail("not to be fitted"))
        assert ({1.0}, {3.0}, {2.0}) == tuple(set(column) for column in predicted.T)


def log_of(taken: list[int], logged: Floats, wanted: Floats) -> Logged:
    """A log of HOLD and ACT, without features."""

    def wide(table: Floats) -> Floats:
        return np.pad(table, ((0, 0), (0, len(ACTIONS) - 2)))

    return Logged(np.array(taken), wide(logged), wide(wanted), np.empty((len(taken), 0)), np.empty(0, np.bool_))


def overlap(likely: float, wants: float, cases: int = 1000, known: float = 1.0) -> Overlap:
    """How far a run that acts with one probability tells of a policy that acts with another."""
    assert (0, 1) == (HOLD, ACT)
    random = np.random.default_rng(0)
    taken = (random.random(cases) < likely).astype(int)
    row = np.ones((cases, 1))
    log = log_of(taken.tolist(), row * [1 - likely, likely], row * [1 - wants, wants])
    return overlap_of(log, (taken == HOLD) | (random.random(cases) < known))


class TestOverlap:
    def test_enough(self) -> None:
        """A policy that the run has tried often enough is not refused, and is told of by action."""
        found = overlap(0.5, 0.8)
        assert [] == list(found.problems())
        assert (0.5, 0) == (found.actions["ACT"].least, found.actions["ACT"].untried)
        assert 800 == pytest.approx(found.actions["ACT"].wanted)
        assert {"HOLD", "ACT"} == set(found.actions)

    def test_never_tried(self) -> None:
        """What the run could not have done is counted, and nothing is told."""
        found = overlap(0.0, 0.5)
        assert 1000 == found.untried
        [problem] = found.problems()
        assert problem.startswith("in 1,000 decisions the new policy may take ACT, which the run could not have taken")

    def test_too_few(self) -> None:
        """A run that tells as much as a few decisions would is refused, with that number."""
        found = overlap(0.05, 1.0)
        assert found.effective < ENOUGH
        [problem] = found.problems()
        assert f"as much of the new policy as {found.effective:,.1f} decisions would" in problem

    def test_outcomes_of_one_action(self) -> None:
        """Where no outcome of an action is known, nothing tells what it is worth."""
        problems = list(overlap(0.5, 0.5, known=0.0).problems())
        assert problems[0].startswith("no outcome of ACT is known")

    def test_outcomes_that_depend_on_the_action(self) -> None:
        """Where outcomes are known more often for one action, the weights tell."""
        [problem] = overlap(0.5, 0.9, cases=10_000, known=0.6).problems()
        assert "the weights are" in problem
        assert "whether an outcome is known depends on what was done" in problem
