"""What each action would be worth in each case, by models that have not seen the case."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mdm_eval.columns import Bools, Floats, Ints

MakeModel: TypeAlias = Callable[[], Any]

FOLDS = 5
LEAST = 50
_MOST = 50_000


def cross_fitted(
    features: Floats, taken: Ints, rewards: Floats, actions: int, make_model: MakeModel, folds: int = FOLDS
) -> Floats:
    """Predict the reward of each action in each case, by a model per action that was fitted without the case's fold.

    Folds are drawn from a fixed seed. An action that was taken fewer than 50 times outside a fold is worth its mean
    there; of more than 50,000 cases so many are drawn to fit on.

    Args:
        features: One row per case; NaN where there is none.
        taken: Number of the action that was taken.
        rewards: What it was worth.
        actions: How many actions there are.
        make_model: Makes a model with ``fit`` and ``predict``, as those of scikit-learn.
        folds: In how many parts cases are divided.

    Returns:
        One row per case, one column per action.
    """
    random = np.random.default_rng(0)
    fold = random.permutation(len(taken)) % folds
    predicted = np.empty((len(taken), actions))
    for part in range(folds):
        inside = fold == part
        for action in range(actions):
            rows = _some(~inside & (taken == action), random)
            predicted[inside, action] = _predict(features, rewards, rows, inside, make_model)
    return predicted


def boosted(categorical: Bools) -> MakeModel:
    """Make gradient-boosted trees, which take numbers as they come, categories, and what is missing.

    Args:
        categorical: Which columns are categories, numbered from 0 to 254.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-untyped]

    return partial(
        HistGradientBoostingRegressor,
        max_iter=50,
        early_stopping=False,
        categorical_features=categorical,
        random_state=0,
    )


def _some(chosen: Bools, random: np.random.Generator) -> Ints:
    rows = np.flatnonzero(chosen)
    return rows if len(rows) <= _MOST else random.choice(rows, _MOST, replace=False)


def _predict(features: Floats, rewards: Floats, rows: Ints, inside: Bools, make_model: MakeModel) -> Any:
    if len(rows) < LEAST or not features.shape[1]:
        return rewards[rows].mean() if len(rows) else rewards.mean()
    model, seen = make_model(), features[rows]
    # A column without any value says nothing, and scikit-learn's trees cannot be fitted on one.
    model.fit(np.where(np.isnan(seen).all(axis=0), 0.0, seen), rewards[rows])
    return model.predict(features[inside])
