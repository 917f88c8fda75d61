"""Intervals by key: decisions about one key may be as alike as they like, and the intervals still hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from mdm_eval.clusters import (
    Ratio,
    by_key,
    difference_by_key,
    effective_cases,
    paired_by_key,
    ratio_of,
    share_by_key,
)
from mdm_eval.columns import Bools, Floats, Ints
from mdm_eval.delong import areas
from mdm_eval.intervals import Estimate, paired_difference, proportion
from mdm_eval.report.challengers import difference

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "coverage_by_key.py"


def alike(random: np.random.Generator, keys: int, share: float, size: int = 40) -> tuple[Bools, Ints]:
    """Draw cases of keys of different sizes, each key with a share of its own around the one that is given."""
    sizes = random.integers(size // 2, size * 3 // 2, keys)
    own = random.beta(4 * share, 4 * (1 - share), keys)
    number = np.repeat(np.arange(keys), sizes)
    return random.random(len(number)) < own[number], number


class TestByKey:
    def test_mean_is_the_sandwich(self) -> None:
        """The interval of a mean is that of least squares with the covariance of Liang and Zeger, as matrices."""
        random = np.random.default_rng(1)
        having, keys = alike(random, 25, 0.3)
        design = np.ones((len(keys), 1))
        bread = np.linalg.inv(design.T @ design)
        errors = having - having.mean()
        scores = [design[keys == key].T @ errors[keys == key] for key in range(25)]
        meat = sum((np.outer(score, score) for score in scores), np.zeros((1, 1)))
        half = student.ppf(0.975, 24) * np.sqrt(25 / 24 * (bread @ meat @ bread)[0, 0])
        ratio = ratio_of(having, np.ones(len(keys)))
        assert ratio is not None
        found = by_key(ratio.value, ratio.influence, keys)
        assert (found.low, found.high) == pytest.approx((having.mean() - half, having.mean() + half), rel=1e-12)

    def test_ratio_is_the_jackknife(self) -> None:
        """For many keys the interval of a ratio is as wide as leaving out one key at a time says."""
        random = np.random.default_rng(2)
        part, keys = alike(random, 200, 0.4)
        whole = part | (random.random(len(part)) < 0.5)
        left = [part[keys != key].sum() / whole[keys != key].sum() for key in range(200)]
        half = student.ppf(0.975, 199) * np.sqrt(199 / 200 * np.sum((np.array(left) - np.mean(left)) ** 2))
        ratio = ratio_of(part, whole)
        assert ratio is not None
        found = by_key(ratio.value, ratio.influence, keys)
        assert found.high is not None
        assert half == pytest.approx(found.high - ratio.value, rel=0.02)

    def test_area_is_the_jackknife(self) -> None:
        """So is that of the difference of two areas under ROC curves."""
        random = np.random.default_rng(3)
        label, keys = alike(random, 150, 0.4, size=10)
        bent = random.normal(size=150)[keys]
        scores = label + bent + random.normal(size=len(keys)), label + random.normal(size=len(keys))

        def gained(kept: Bools) -> float:
            return float(roc_auc_score(label[kept], scores[1][kept]) - roc_auc_score(label[kept], scores[0][kept]))

        left = np.array([gained(keys != key) for key in range(150)])
        half = student.ppf(0.975, 149) * np.sqrt(149 / 150 * np.sum((left - left.mean()) ** 2))
        both = areas(label, *scores)
        assert both is not None
        found = both.difference(keys)
        assert found.value == pytest.approx(gained(keys >= 0), abs=1e-12)
        assert found.high is not None
        assert found.value is not None
        assert half == pytest.approx(found.high - found.value, rel=0.03)

    def test_saying_it_ten_times_proves_no_more(self) -> None:
        """When every case is there ten times, each figure and its interval by key stay what they are."""
        random = np.random.default_rng(4)
        (having, keys), other = alike(random, 30, 0.2), random.random(2000) < 0.5
        other = other[: len(keys)]
        figures: tuple[Callable[[int], Estimate], ...] = (
            lambda n: share_by_key(np.tile(having, n), np.tile(keys, n)),
            lambda n: paired_by_key(np.tile(having, n), np.tile(other, n), np.tile(keys, n)),
            lambda n: by_key(*_ratio(np.tile(having, n)), np.tile(keys, n)),
        )
        for figure in figures:
            once, often = figure(1), figure(10)
            assert (once.value, once.low, once.high) == pytest.approx((often.value, often.low, often.high), abs=2e-3)

    def test_keys_of_their_own(self) -> None:
        """Where each case has a key of its own, the intervals are those of independent cases."""
        random = np.random.default_rng(5)
        before, after, keys = random.random(5000) < 0.3, random.random(5000) < 0.35, np.arange(5000)
        shares = share_by_key(before, keys), proportion(int(before.sum()), 5000)
        lost, won = int((before & ~after).sum()), int((after & ~before).sum())
        for found, expected in (shares, (paired_by_key(before, after, keys), paired_difference(lost, won, 5000))):
            assert (found.value, found.low) == pytest.approx((expected.value, expected.low), abs=1e-4)
            assert f"{expected.method} by key" == found.method

    def test_one_key_tells_nothing(self) -> None:
        """With a single key there is the figure, and no interval."""
        having, keys = np.array([True, False, True]), np.zeros(3, np.int64)
        ratio = ratio_of(having, np.ones(3))
        assert Estimate(2 / 3) == share_by_key(having, keys)
        assert Estimate(1 / 3) == paired_by_key(~having, having, keys)
        assert Estimate(0.0) == difference_by_key((ratio, keys), (ratio, np.arange(3)))
        assert difference(share_by_key(having, keys), share_by_key(having, np.arange(3))).low is None

    def test_nothing(self) -> None:
        """Without cases there is no figure."""
        none, keys = np.zeros(0, np.bool_), np.zeros(0, np.int64)
        assert Estimate(None) == share_by_key(none, keys)
        assert ratio_of(none, none) is None
        assert Estimate(None) == difference_by_key((None, keys), (Ratio(0.0, np.zeros(0)), keys))

    def test_where_nothing_varies(self) -> None:
        """A thing that was never seen in 20 keys may still be the rule in one of a hundred others."""
        never = np.zeros(100_000, np.bool_)
        effective = effective_cases(never.astype(np.float64), np.arange(100_000) % 20)
        assert effective == pytest.approx(20 * (1.959964 / 2.093024) ** 2, rel=1e-6)
        found = share_by_key(never, np.arange(100_000) % 20)
        assert found.high is not None
        assert 0.1 < found.high < 0.2


def _ratio(having: Bools) -> tuple[float, Floats]:
    ratio = ratio_of(having, np.ones(len(having)))
    assert ratio is not None
    return ratio.value, ratio.influence


class TestCoverage:
    def test_by_key_and_by_decision(self) -> None:
        """Of 1,000 canaries and shadows, 93 to 97 % of the intervals by key hold the truth; by decision half do."""
        held = run_path(str(EXPERIMENT))["held"](30, 1000)
        by_decision = {name: held.pop(name) for name in list(held) if name.endswith("by decision")}
        assert {"canary, share", "canary, cost", "shadow, share"} == held.keys()
        assert all(0.93 <= share <= 0.97 for share in held.values()), held
        assert max(by_decision.values()) < 0.7


CHALLENGED = """
[[shadow]]
name = "eager"
budget_us = 1000000
model = { use = "reference.logistic", weights = { x = 1.5 }, bias = -0.5, threshold = 0.3 }

[canary]
share = 0.4
features = { use = "reference.rolling", include = ["x", "colour"], categories = ["colour"], stats = [] }
model = { use = "reference.logistic", weights = { x = 1.5 }, bias = -0.5, threshold = 0.6 }

[[trace]]"""


class TestOfARun:
    @pytest.fixture
    def judged(self, run_of: Any, ran_once: Any, mdm: Any, tmp_path: Path) -> Callable[..., tuple[Any, str]]:
        """Evaluate a run with a shadow and a canary, in which events have one of so many keys: as JSON, as text."""

        def judge(keys: int, *overrides: str) -> tuple[Any, str]:
            events = [{**event, "site": f"s{n * 7 % keys}"} for n, event in enumerate(ran_once.events[:800])]
            ran = run_of(tmp_path / "run", events, *overrides, without="\n[[trace]]", instead=CHALLENGED)
            return mdm("evaluate", ran.runs_dir / "r", "--json").json, mdm("evaluate", ran.runs_dir / "r").out

        return judge

    def test_goes_by_keys(self, judged: Callable[..., tuple[Any, str]]) -> None:
        """Shadow and arms say how many keys they have seen, and every difference goes by them.

        What was never seen in either arm has no interval.
        """
        told, _ = judged(60)
        (shadow,), (main, canary) = told["challengers"], told["arms"]
        assert (60, 60) == (shadow["keys"], main["keys"] + canary["keys"])
        effects = [shadow["effects"][name]["change"] for name in ("precision", "recall", "cost", "per_decision")]
        assert {"value": 0.0, "low": None, "high": None, "method": ""} == canary["differences"].pop("failed_closed")
        figures = [shadow["differs"], shadow["acts_more"], *effects, *canary["differences"].values()]
        assert ["by key"] * 11 == [figure["method"][-6:] for figure in figures]
        assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in figures)

    def test_few_keys_are_told(self, judged: Callable[..., tuple[Any, str]]) -> None:
        """People are told how many keys there are, and that few say little."""
        _, text = judged(4)
        assert "Intervals go by the key (4 of them)" in text
        assert "So few may not be like the others." in text

    def test_hidden_keys(self, judged: Callable[..., tuple[Any, str]]) -> None:
        """Where redaction makes all keys alike, intervals go by the decision, and it is said."""
        told, text = judged(60, "redaction.extra=['site']")
        assert [None, None, None] == [part["keys"] for part in (*told["challengers"], *told["arms"])]
        assert "newcombe" == told["arms"][1]["differences"]["acted"]["method"]
        assert "keys cannot be told apart" in text
