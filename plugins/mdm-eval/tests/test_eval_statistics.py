"""Every figure against an independent implementation, a published example, or data whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import rel_entr  # type: ignore[import-untyped]
from scipy.stats import binomtest, chi2, norm  # type: ignore[import-untyped]
from sklearn import metrics  # type: ignore[import-untyped]
from sklearn.calibration import calibration_curve  # type: ignore[import-untyped]

from mdm_eval.bootstrap import bootstrap, percentile, reflected, replicates_for
from mdm_eval.columns import Bools, Floats
from mdm_eval.confusion import judge_actions
from mdm_eval.costs import Costs
from mdm_eval.delong import areas, roc_auc
from mdm_eval.drift import noise, psi
from mdm_eval.intervals import Estimate, Z, paired_difference, proportion
from mdm_eval.reliability import BINS, curve, decompose, equal_mass, equal_width
from mdm_eval.scored import Scored, calibration_error

EXACT = 1e-12
COVERAGE = Path(__file__).parents[1] / "experiments" / "coverage.py"


def sample(seed: int, cases: int, decimals: int | None = None) -> tuple[Floats, Bools]:
    """Draw calibrated probabilities and outcomes; with few decimals many probabilities are equal."""
    random = np.random.default_rng(seed)
    p = random.beta(0.7, 2.0, cases)
    happened = random.random(cases) < p
    return (p if decimals is None else np.round(p, decimals)), happened


SAMPLES = [sample(1, 50), sample(2, 1000), sample(3, 1000, 1), sample(4, 5000, 2), sample(5, 20_000)]
each_sample = pytest.mark.parametrize(
    ("p", "label"), SAMPLES, ids=[f"{len(p)}-{i}" for i, (p, _) in enumerate(SAMPLES)]
)


class TestAgainstScikitLearn:
    @each_sample
    def test_roc_auc(self, p: Floats, label: Bools) -> None:
        """The area under the ROC curve is that of scikit-learn, ties included."""
        assert metrics.roc_auc_score(label, p) == pytest.approx(roc_auc(label, p).value, abs=EXACT)

    @each_sample
    def test_average_precision(self, p: Floats, label: Bools) -> None:
        """Average precision is that of scikit-learn, ties included."""
        expected = metrics.average_precision_score(label, p)
        assert expected == pytest.approx(Scored(p, label).judge().average_precision.value, abs=EXACT)

    @each_sample
    def test_brier_and_log_loss(self, p: Floats, label: Bools) -> None:
        """Brier score and log loss are those of scikit-learn, also at probabilities of 0 and 1."""
        p = np.where(np.arange(len(p)) < 5, np.round(p), p)
        found = Scored(p, label).judge()
        assert metrics.brier_score_loss(label, p) == pytest.approx(found.brier.value, abs=EXACT)
        assert metrics.log_loss(label, p) == pytest.approx(found.log_loss.value, abs=EXACT)

    @each_sample
    def test_figures_of_weighted_cases(self, p: Floats, label: Bools) -> None:
        """A case that counts several times counts as in scikit-learn, which the bootstrap relies on."""
        weight = np.random.default_rng(0).poisson(1.0, len(p)).astype(np.float64)
        order = np.argsort(p, kind="stable")
        average_precision, brier, log_loss, _, _ = Scored(p, label).figures(weight[order])
        assert metrics.average_precision_score(label, p, sample_weight=weight) == pytest.approx(
            average_precision, abs=EXACT
        )
        assert metrics.brier_score_loss(label, p, sample_weight=weight) == pytest.approx(brier, abs=EXACT)
        assert metrics.log_loss(label, p, sample_weight=weight) == pytest.approx(log_loss, abs=EXACT)

    @pytest.mark.parametrize(("strategy", "cut"), [("uniform", equal_width), ("quantile", equal_mass)])
    @each_sample
    def test_calibration_curve(self, p: Floats, label: Bools, strategy: str, cut: Callable[..., Any]) -> None:
        """Both ways of cutting give the reliability curve of scikit-learn, and its weighted gap is the error."""
        shares, means = calibration_curve(label, p, n_bins=BINS, strategy=strategy)
        scored = Scored(p, label)
        bins = curve(scored.p, scored.y, cut(scored.p))
        assert shares == pytest.approx([b.share.value for b in bins], abs=EXACT)
        assert means == pytest.approx([b.mean for b in bins], abs=EXACT)
        cases = np.array([b.cases for b in bins])
        error = cases @ np.abs(shares - means) / len(p)
        assert error == pytest.approx(calibration_error(scored.gap, cut(scored.p)) / len(p), abs=EXACT)

    @each_sample
    def test_largest_calibration_error(self, p: Floats, label: Bools) -> None:
        """The largest error is the largest gap of scikit-learn's curve."""
        shares, means = calibration_curve(label, p, n_bins=BINS, strategy="uniform")
        assert np.max(np.abs(shares - means)) == pytest.approx(Scored(p, label).judge().mce, abs=EXACT)

    @each_sample
    def test_actions(self, p: Floats, label: Bools) -> None:
        """Precision, recall, F1, accuracy and specificity are those of scikit-learn."""
        acted = p > 0.3
        found = judge_actions(acted, label, Costs())
        tn, fp, fn, tp = metrics.confusion_matrix(label, acted).ravel().tolist()
        assert (tp, fp, fn, tn) == (found.tp, found.fp, found.fn, found.tn)
        assert metrics.precision_score(label, acted) == pytest.approx(found.precision.value, abs=EXACT)
        assert metrics.recall_score(label, acted) == pytest.approx(found.recall.value, abs=EXACT)
        assert metrics.f1_score(label, acted) == pytest.approx(found.f1.value, abs=EXACT)
        assert metrics.accuracy_score(label, acted) == pytest.approx(found.accuracy.value, abs=EXACT)
        assert metrics.recall_score(~label, ~acted) == pytest.approx(found.specificity.value, abs=EXACT)

    @settings(max_examples=200, deadline=None)
    @given(arrays(np.int8, st.integers(2, 40), elements=st.integers(0, 9)), st.randoms())
    def test_any_sample(self, tenths: Any, random: Any) -> None:
        """Whatever ties there are, and however few the cases, the figures are scikit-learn's."""
        p = tenths / 9.0
        label = np.array([random.random() < 0.5 for _ in p])
        label[:2] = [True, False]
        scored = Scored(p, label)
        average_precision, brier, _, _, _ = scored.figures(scored.ones)
        assert metrics.average_precision_score(label, p) == pytest.approx(average_precision, abs=EXACT)
        assert metrics.brier_score_loss(label, p) == pytest.approx(brier, abs=EXACT)
        if min(label.sum(), (~label).sum()) > 1:
            assert metrics.roc_auc_score(label, p) == pytest.approx(roc_auc(label, p).value, abs=EXACT)


class TestProportion:
    @pytest.mark.parametrize(
        ("part", "whole"), [(0, 1), (1, 1), (0, 30), (30, 30), (3, 10), (77, 1000), (999_999, 10**6)]
    )
    def test_is_the_interval_of_wilson(self, part: int, whole: int) -> None:
        """The interval is that of scipy."""
        expected = binomtest(part, whole).proportion_ci(0.95, "wilson")
        found = proportion(part, whole)
        assert (part / whole, "wilson") == (found.value, found.method)
        assert (expected.low, expected.high) == pytest.approx((found.low, found.high), abs=EXACT)

    def test_of_nothing_is_nothing(self) -> None:
        """Without cases there is no figure and no interval."""
        assert (None, None, None) == (proportion(0, 0).value, proportion(0, 0).low, proportion(0, 0).high)

    @pytest.mark.parametrize(("before", "after", "cases"), [(0, 0, 10), (3, 9, 40), (40, 0, 40)])
    def test_difference_of_the_same_cases(self, before: int, after: int, cases: int) -> None:
        """It is the interval of the paper, worked out by hand, and the mirror image of the difference the other way."""
        found, mirrored = paired_difference(before, after, cases), paired_difference(after, before, cases)
        p, q, m = (before + 1) / (cases + 2), (after + 1) / (cases + 2), cases + 2
        half = norm.ppf(0.975) * np.sqrt((p * (1 - p) + q * (1 - q) + 2 * p * q) / m)
        assert (after - before) / cases == found.value
        assert (max(-1.0, q - p - half), min(1.0, q - p + half)) == pytest.approx((found.low, found.high), abs=EXACT)
        assert mirrored.low is not None
        assert mirrored.high is not None
        assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=EXACT)

    def test_difference_of_nothing(self) -> None:
        """Without cases there is no difference."""
        assert paired_difference(0, 0, 0).value is None

    def test_quantile(self) -> None:
        """The quantile of the normal distribution is that of scipy."""
        assert norm.ppf(0.975) == pytest.approx(Z, abs=1e-14)


def of_table(negatives: list[int], positives: list[int]) -> tuple[Floats, Bools]:
    """Make scores of a table: how many negative and positive cases each level has."""
    levels = np.arange(len(negatives), dtype=np.float64)
    score = np.concatenate([np.repeat(levels, negatives), np.repeat(levels, positives)])
    return score, np.arange(len(score)) >= sum(negatives)


def brute_force(label: Bools, *scores: Floats) -> tuple[Floats, Floats]:
    """DeLong's areas and covariance pair by pair, as the paper defines them."""
    found, of_positives, of_negatives = [], [], []
    for score in scores:
        x, y = score[label], score[~label]
        wins = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
        found.append(wins.mean())
        of_positives.append(wins.mean(axis=1))
        of_negatives.append(wins.mean(axis=0))
    m, n = int(label.sum()), int((~label).sum())
    covariance = np.empty((len(scores), len(scores)))
    for i in range(len(scores)):
        for j in range(len(scores)):
            a = sum((of_positives[i] - found[i]) * (of_positives[j] - found[j])) / (m - 1)
            b = sum((of_negatives[i] - found[i]) * (of_negatives[j] - found[j])) / (n - 1)
            covariance[i, j] = a / m + b / n
    return np.array(found), covariance


class TestDeLong:
    # Subarachnoid haemorrhage, 72 patients with a good and 41 with a poor outcome (N. Turck et al., "A multiparameter
    # panel method for outcome prediction following aneurysmal subarachnoid hemorrhage", Intensive Care Medicine 36,
    # 2010), from the thresholds, counts, areas and variances that the tests of the R package pROC hold.
    S100B_GOOD_BELOW = [0, 5, 8, 10, 16, 22, 28, 35, 39, 39, 42, 46, 50, 53, 55, 56, 58, 58, 58, 59, 59, 59, 59, 60, 60]
    S100B_GOOD_BELOW += [61, 62, 63, 63, 64, 64, 65, 65, 66, 67, 69, 70, 70, 72, 72]
    S100B_POOR_ABOVE = [40, 40, 40, 40, 37, 36, 34, 32, 31, 30, 28, 27, 27, 26, 26, 26, 26, 25, 24, 24, 23, 22, 21, 21]
    S100B_POOR_ABOVE += [20, 19, 18, 18, 17, 17, 16, 16, 14, 14, 14, 14, 13, 12, 12, 0]

    def test_published_example(self) -> None:
        """S100B: area 0.7314, 95 % interval 0.6301 to 0.8326, variance 0.00266868245717244."""
        score, label = of_table(
            np.diff(self.S100B_GOOD_BELOW, prepend=0).tolist(), (-np.diff(self.S100B_POOR_ABOVE, prepend=41)).tolist()
        )
        found = areas(label, score)
        assert found is not None
        assert (72, 41) == ((~label).sum(), label.sum())
        assert 0.731368563685637 == pytest.approx(found.values[0], abs=1e-14)
        assert 0.00266868245717244 == pytest.approx(found.covariance[0, 0], abs=1e-16)
        estimate = found.estimate()
        assert (0.6301182, 0.8326189) == pytest.approx((estimate.low, estimate.high), abs=5e-8)

    @pytest.mark.parametrize("decimals", [None, 1])
    def test_several_scores(self, decimals: int | None) -> None:
        """Areas and covariance of several scores of the same cases are those of the definition."""
        random = np.random.default_rng(3)
        label = random.random(120) < 0.3
        scores = [random.normal(label * shift, 1.0) for shift in (0.5, 1.0, 2.0)]
        if decimals is not None:
            scores = [np.round(score, decimals) for score in scores]
        values, covariance = brute_force(label, *scores)
        found = areas(label, *scores)
        assert found is not None
        assert values == pytest.approx(found.values, abs=EXACT)
        assert covariance.ravel() == pytest.approx(found.covariance.ravel(), abs=EXACT)

    def test_difference_of_paired_scores(self) -> None:
        """Two scores of the same cases are compared with what they have in common taken out."""
        random = np.random.default_rng(4)
        label = random.random(400) < 0.4
        first = random.normal(label, 1.0)
        second = first + random.normal(0.4 * label, 0.3)
        found = areas(label, first, second)
        assert found is not None
        change = found.difference()
        values, covariance = brute_force(label, first, second)
        error = np.sqrt(np.array([-1, 1]) @ covariance @ np.array([-1, 1]))
        assert values[1] - values[0] == pytest.approx(change.value, abs=EXACT)
        assert change.low is not None
        assert change.high is not None
        assert 2 * Z * error == pytest.approx(change.high - change.low, abs=EXACT)

    @pytest.mark.parametrize("label", [[True], [True, False, False], [False, True, True], [True, True]])
    def test_too_few_cases(self, label: list[bool]) -> None:
        """With fewer than two cases of either class nothing is claimed."""
        assert roc_auc(np.array(label), np.arange(len(label), dtype=np.float64)).value is None

    def test_all_told_apart(self) -> None:
        """Where every case is told apart nothing varies: the area is 1, and it is not said how surely that is known."""
        assert Estimate(1.0) == roc_auc(np.array([False, False, True, True]), np.arange(4.0))


class TestCoverage:
    def test_delong_holds_its_level(self) -> None:
        """Of 1,000 intervals 93 to 97 % hold the area of two normal distributions, which is known."""
        random = np.random.default_rng(5)
        true, held = norm.cdf(1.0 / np.sqrt(2)), 0
        for _ in range(1000):
            label = np.arange(150) < 50
            estimate = roc_auc(label, random.normal(label * 1.0, 1.0))
            assert estimate.low is not None
            assert estimate.high is not None
            held += estimate.low <= true <= estimate.high
        assert 930 <= held <= 970

    @pytest.mark.parametrize("odds", [(0.05, 0.1, 0.85), (0.3, 0.1, 0.6)])
    def test_paired_difference_holds_its_level(self, odds: tuple[float, float, float]) -> None:
        """Of 2,000 intervals of 60 cases 93.5 to 98 % hold the difference, which is known."""
        held = 0
        for before, after, _ in np.random.default_rng(9).multinomial(60, odds, 2000):
            estimate = paired_difference(int(before), int(after), 60)
            assert estimate.low is not None
            assert estimate.high is not None
            held += estimate.low <= odds[1] - odds[0] <= estimate.high
        assert 1870 <= held <= 1960

    def test_bootstrap_holds_its_level(self) -> None:
        """Of 1,000 intervals 93 to 97 % hold the mean of a skewed distribution, which is known."""
        random, held = np.random.default_rng(6), 0
        for _ in range(1000):
            values = random.gamma(4.0, 1.0, 100)
            replicates = values[random.integers(0, 100, (999, 100))].mean(axis=1)
            estimate = percentile(float(values.mean()), replicates)
            assert estimate.low is not None
            assert estimate.high is not None
            held += estimate.low <= 4.0 <= estimate.high
        assert 930 <= held <= 970

    def test_all_figures(self) -> None:
        """The experiment whose 1,000 seeds stand in the documentation finds no figure far from its level with 30."""
        found = run_path(str(COVERAGE))["coverage"](30, 400)
        assert 12 == len(found)
        assert {} == {name: share for name, share in found.items() if share < 0.8}


class TestBootstrap:
    def test_spread_is_that_of_the_mean(self) -> None:
        """Replicates of a mean vary as theory says: by the standard deviation over the root of the cases."""
        values = np.random.default_rng(7).exponential(1.0, 2000)
        drawn = bootstrap(lambda weight: [float(weight @ values / weight.sum())], len(values))
        assert (999, 1) == drawn.shape
        assert values.std() / np.sqrt(2000) == pytest.approx(drawn.std(), rel=0.1)
        assert values.mean() == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(999))

    def test_is_the_same_every_time(self) -> None:
        """Two calls give the same bits, though several threads draw."""
        values = np.random.default_rng(8).random(500)
        first, second = (bootstrap(lambda weight: [float(weight @ values)], 500) for _ in range(2))
        assert first.tobytes() == second.tobytes()

    def test_ends_are_replicates(self) -> None:
        """Of 999 replicates the 25th and the 975th are the ends."""
        estimate = percentile(500.0, np.random.default_rng(9).permutation(np.arange(1.0, 1000.0)))
        assert (25.0, 975.0) == (estimate.low, estimate.high)
        turned = reflected(500.0, np.arange(1.0, 1000.0))
        assert (25.0, 975.0) == (turned.low, turned.high)

    def test_of_many_rows_fewer_are_drawn(self) -> None:
        """One more than the number of replicates is a multiple of 40."""
        assert [999, 999, 199] == [replicates_for(n) for n in (1, 10_000, 10_001)]

    def test_without_replicates_there_is_no_interval(self) -> None:
        """Replicates that have no figure make no interval; a few of them do not hinder."""
        assert None is percentile(1.0, np.full(999, np.nan)).low
        assert None is not percentile(1.0, np.append(np.full(99, np.nan), np.arange(900.0))).low

    def test_f1_is_that_of_drawn_cases(self) -> None:
        """Drawing from the four cells is drawing cases: the interval of F1 is that of the slow way."""
        p, label = sample(10, 800)
        acted = p > 0.4
        found = judge_actions(acted, label, Costs()).f1
        random, slow = np.random.default_rng(11), []
        for _ in range(999):
            drawn = random.integers(0, 800, 800)
            slow.append(metrics.f1_score(label[drawn], acted[drawn]))
        assert found.low is not None
        assert found.high is not None
        assert np.quantile(slow, [0.025, 0.975]) == pytest.approx([found.low, found.high], abs=0.012)


class TestCalibrationError:
    def test_of_right_probabilities_is_chance(self) -> None:
        """Of right probabilities the error is as small as chance: in 93 to 97 % of samples not above its limit."""
        p, label = sample(15, 1000)
        scored = Scored(p, label)
        limit, mean = scored.by_chance()["ece"].p95, scored.by_chance()["ece"].mean
        random = np.random.default_rng(16)
        errors = [
            calibration_error(scored.p - (random.random(1000) < scored.p), scored.width) / 1000 for _ in range(2000)
        ]
        assert 0.93 <= np.mean(np.array(errors) <= limit) <= 0.97
        assert np.mean(errors) == pytest.approx(mean, rel=0.05)

    def test_falls_with_the_root_of_the_cases(self) -> None:
        """A hundred times the cases make the error by chance ten times smaller."""
        small, large = (Scored(*sample(12, n)).by_chance()["ece"].mean for n in (2_000, 200_000))
        assert 10 == pytest.approx(small / large, rel=0.1)

    def test_finds_what_is_wrong(self) -> None:
        """Of probabilities that are 0.1 too high the error is 0.1, and the interval holds it."""
        random = np.random.default_rng(13)
        true = random.uniform(0.1, 0.8, 20_000)
        found = Scored(true + 0.1, random.random(20_000) < true).judge()
        assert 0.1 == pytest.approx(found.ece.value, abs=0.01)
        assert found.ece.low is not None
        assert found.ece.high is not None
        assert found.ece.low <= 0.1 <= found.ece.high
        assert found.by_chance["ece"].p95 < found.ece.low


class TestDecomposition:
    @each_sample
    def test_sums_to_the_score(self, p: Floats, label: Bools) -> None:
        """The five parts sum to the Brier score, to the last bits."""
        scored = Scored(p, label)
        parts = decompose(scored.p, scored.y, scored.width)
        total = parts.reliability - parts.resolution + parts.uncertainty
        total += parts.within_variance - parts.within_covariance
        assert metrics.brier_score_loss(label, p) == pytest.approx(total, abs=EXACT)

    def test_of_distinct_probabilities(self) -> None:
        """Where a bin has one probability only, nothing varies inside, and Murphy's three parts are left.

        Ten forecasts of 0.1 with one rainy day, ten of 0.5 with seven, ten of 0.9 with eight.
        """
        p = np.repeat([0.1, 0.5, 0.9], 10)
        y = np.array([1] + [0] * 9 + [1] * 7 + [0] * 3 + [1] * 8 + [0] * 2, dtype=np.float64)
        parts = decompose(p, y, equal_width(p))
        overall = 16 / 30
        assert (0.0 + 0.04 + 0.01) / 3 == pytest.approx(parts.reliability, abs=EXACT)
        expected = ((0.1 - overall) ** 2 + (0.7 - overall) ** 2 + (0.8 - overall) ** 2) / 3
        assert expected == pytest.approx(parts.resolution, abs=EXACT)
        assert overall * (1 - overall) == pytest.approx(parts.uncertainty, abs=EXACT)
        assert (0.0, 0.0) == pytest.approx((parts.within_variance, parts.within_covariance), abs=EXACT)


class TestPsi:
    @given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12))
    def test_is_the_divergence_both_ways(self, pairs: list[tuple[int, int]]) -> None:
        """It is Kullback and Leibler's divergence of scipy both ways, of counts with half a case more."""
        reference, counts = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
        p, q = ((cases + 0.5) / (cases + 0.5).sum() for cases in (reference, counts))
        expected = float(rel_entr(p, q).sum() + rel_entr(q, p).sum())
        assert expected == pytest.approx(psi(reference, counts), abs=1e-10)

    def test_noise_holds_its_level(self) -> None:
        """When nothing has moved, 93 to 97 % of 2,000 indices are not above the noise."""
        random = np.random.default_rng(14)
        share = np.full(10, 0.1)
        limit = noise(10, 2000, 1000)
        drawn = [
            psi(random.multinomial(2000, share).astype(float), random.multinomial(1000, share).astype(float))
            for _ in range(2000)
        ]
        assert 0.93 <= np.mean(np.array(drawn) <= limit) <= 0.97
        assert chi2.ppf(0.95, 9) * (1 / 2000 + 1 / 1000) == pytest.approx(limit, rel=1e-9)


class TestCosts:
    def test_threshold_is_where_both_cost_the_same(self) -> None:
        """At the threshold acting and not acting cost the same; where one always pays there is none."""
        costs = Costs(fp=1.0, fn=5.0, tp=0.5, tn=-0.2)
        threshold = costs.threshold
        assert threshold is not None
        act = threshold * costs.tp + (1 - threshold) * costs.fp
        assert act == pytest.approx(threshold * costs.fn + (1 - threshold) * costs.tn, abs=EXACT)
        assert None is Costs(fp=-1.0).threshold

    def test_cost_is_the_mean(self) -> None:
        """The cost is that of the four cells over the cases."""
        acted, label = np.array([True, True, False, False, False]), np.array([True, False, True, False, False])
        assert (1 + 5 + 0.5) / 5 == judge_actions(acted, label, Costs(1.0, 5.0, 0.5, 0.0)).cost.value
