"""What another policy would have earned, estimated from the decisions of one that left something to chance.

``r`` is what a decision was worth, ``w`` its weight: how likely the other policy takes the action that was taken, by
how likely it was to be taken. All take decisions to be independent of each other.
"""

from __future__ import annotations

from math import inf

import attrs
import numpy as np

from mdm_eval.columns import Floats, Ints
from mdm_eval.intervals import Estimate, normal


@attrs.frozen(eq=False)
class Valued:
    """An estimate, and what each decision contributed to it.

    Attributes:
        value: The estimate.
        influence: How much each decision moves it, times the number of decisions; zero on average. The variance of the
            estimate is that of the influence by the number of decisions (F. R. Hampel, "The Influence Curve and Its
            Role in Robust Estimation", JASA 69, 1974).
    """

    value: float
    influence: Floats

    def estimate(self) -> Estimate:
        """With the interval by the normal distribution."""
        cases = len(self.influence)
        if cases < 2:
            return Estimate(self.value)
        return normal(self.value, float(self.influence.var(ddof=1)) / cases, "normal", -inf, inf)

    def less(self, other: Valued) -> Valued:
        """The difference from another estimate from the same decisions.

        Args:
            other: What is taken away.
        """
        return Valued(self.value - other.value, self.influence - other.influence)


def importance_weights(wanted: Floats, logged: Floats, taken: Ints) -> Floats:
    """Give ``w = pi_new(a | x) / pi_old(a | x)`` of the actions that were taken.

    Args:
        wanted: Probability of each action by the new policy; one row per decision.
        logged: The same by the policy that decided.
        taken: Column of the action that was taken.
    """
    rows = np.arange(len(taken))
    weights: Floats = wanted[rows, taken] / logged[rows, taken]
    return weights


def effective_sample_size(weights: Floats) -> float:
    """Give ``(sum w)^2 / sum w^2``: how many decisions of equal weight would tell as much.

    L. Kish, "Survey Sampling", 1965; A. Kong, "A Note on Importance Sampling Using Standardized Weights", 1992.

    Args:
        weights: The weights.
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def on_policy(rewards: Floats) -> Valued:
    """Give what the decisions were worth, as they were.

    Args:
        rewards: What each was worth.
    """
    return _mean(rewards)


def inverse_propensity(rewards: Floats, weights: Floats) -> Valued:
    """Give ``mean(w r)``, which is unbiased.

    D. G. Horvitz and D. J. Thompson, "A Generalization of Sampling Without Replacement From a Finite Universe", JASA
    47, 1952.

    Args:
        rewards: What each decision was worth.
        weights: Their weights.
    """
    return _mean(weights * rewards)


def self_normalized(rewards: Floats, weights: Floats) -> Valued:
    """Give ``sum(w r) / sum(w)``, which is off by little and mostly varies less.

    A. Swaminathan and T. Joachims, "The Self-Normalized Estimator for Counterfactual Learning", NIPS 2015. The variance
    is that of the ratio, linearised (A. B. Owen, "Monte Carlo Theory, Methods and Examples", 2013, equation 9.8).

    Args:
        rewards: What each decision was worth.
        weights: Their weights, of which one is above 0.
    """
    value = float((weights * rewards).sum() / weights.sum())
    return Valued(value, weights * (rewards - value) / weights.mean())


def direct_method(predicted: Floats, wanted: Floats) -> Estimate:
    """Give ``mean(sum_a pi_new(a | x) q(x, a))``: what a model of the rewards says of the new policy's actions.

    M. Dudík, J. Langford and L. Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011, equation 1. It has no
    interval: its error is that of the model, which no spread of its predictions shows.

    Args:
        predicted: What each action would be worth, by a model; one row per decision.
        wanted: Probability of each action by the new policy.
    """
    return Estimate(float((wanted * predicted).sum(axis=1).mean()))


def doubly_robust(rewards: Floats, weights: Floats, predicted: Floats, wanted: Floats, taken: Ints) -> Valued:
    """Give ``mean(sum_a pi_new(a | x) q(x, a) + w (r - q(x, a)))``: the model's answer, and its error put right.

    Unbiased if the propensities are right, whatever the model; the better the model, the less it varies (Dudík et al.
    2011, equation 2). The predictions must come from models that have not seen the decision (V. Chernozhukov et al.,
    "Double/Debiased Machine Learning for Treatment and Structural Parameters", The Econometrics Journal 21, 2018).

    Args:
        rewards: What each decision was worth.
        weights: Their weights.
        predicted: What each action would be worth, by a model; one row per decision.
        wanted: Probability of each action by the new policy.
        taken: Column of the action that was taken.
    """
    error = rewards - predicted[np.arange(len(taken)), taken]
    return _mean((wanted * predicted).sum(axis=1) + weights * error)


def _mean(terms: Floats) -> Valued:
    value = float(terms.mean())
    return Valued(value, terms - value)
