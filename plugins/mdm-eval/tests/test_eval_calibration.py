"""``mdm calibrate``: fitted on one part, shown on another, and used by ``reference.calibrated``."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdm_core import UsageError
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]
from sklearn.metrics import brier_score_loss, log_loss  # type: ignore[import-untyped]

from mdm_eval.calibrating import best_threshold
from mdm_eval.calibration import CLIP, Logistic, fit, fit_beta, fit_isotonic, fit_platt
from mdm_eval.columns import Bools, Floats
from mdm_eval.costs import Costs


def drawn(seed: int, cases: int, a: float, b: float, c: float) -> tuple[Floats, Bools]:
    """Draw probabilities whose true calibration is known, and outcomes."""
    random = np.random.default_rng(seed)
    p = random.uniform(0.01, 0.99, cases)
    return p, random.random(cases) < Logistic(a, b, c).apply(p)


def likelihood(parts: Floats, target: Floats) -> Any:
    """Find the coefficients of largest likelihood by an optimiser that knows nothing of logistic regression."""

    def loss(theta: Floats) -> float:
        z = parts @ theta[:-1] + theta[-1]
        return float(np.logaddexp(0.0, z).sum() - target @ z)

    def slope(theta: Floats) -> Floats:
        error = 1 / (1 + np.exp(-(parts @ theta[:-1] + theta[-1]))) - target
        return np.append(parts.T @ error, error.sum())

    return minimize(loss, np.zeros(parts.shape[1] + 1), jac=slope, method="BFGS", options={"gtol": 1e-9}).x


class TestFits:
    def test_platt_has_the_largest_likelihood(self) -> None:
        """Slope and intercept are those that an independent optimiser finds with Platt's targets."""
        p, label = drawn(1, 3000, 0.6, 0.6, -0.4)
        positives, negatives = label.sum(), (~label).sum()
        target = np.where(label, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        slope, intercept = likelihood(np.log(p / (1 - p))[:, None], target)
        found = fit_platt(p, label)
        assert (slope, slope, intercept) == pytest.approx((found.a, found.b, found.c), abs=1e-6)

    def test_beta_has_the_largest_likelihood(self) -> None:
        """The three parameters are those that an independent optimiser finds."""
        p, label = drawn(2, 3000, 0.5, 1.5, 0.3)
        expected = likelihood(np.column_stack([np.log(p), -np.log1p(-p)]), label.astype(np.float64))
        found = fit_beta(p, label)
        assert expected.tolist() == pytest.approx([found.a, found.b, found.c], abs=1e-6)

    @pytest.mark.parametrize(("a", "b", "c"), [(1.0, 1.0, 0.0), (0.5, 0.5, -1.0), (2.0, 0.7, 0.4)])
    def test_beta_finds_the_truth(self, a: float, b: float, c: float) -> None:
        """From many cases the parameters that they were drawn with are found."""
        found = fit_beta(*drawn(3, 200_000, a, b, c))
        assert (a, b, c) == pytest.approx((found.a, found.b, found.c), abs=0.05)

    @pytest.mark.parametrize(("a", "b", "kept"), [(2.0, -0.5, 0), (-0.5, 2.0, 1)])
    def test_beta_never_falls(self, a: float, b: float, kept: int) -> None:
        """Where a coefficient would be negative it is 0 and the other is fitted alone, so that the curve only rises."""
        p, label = drawn(4, 5000, a, b, 0.2)
        parts, target = np.column_stack([np.log(p), -np.log1p(-p)]), label.astype(np.float64)
        assert likelihood(parts, target)[1 - kept] < 0
        alone, intercept = likelihood(parts[:, [kept]], target)
        found = fit_beta(p, label)
        expected = (0.0, alone) if kept else (alone, 0.0)
        assert (*expected, intercept) == pytest.approx((found.a, found.b, found.c), abs=1e-6)
        assert (np.diff(found.apply(np.linspace(0, 1, 1001))) >= 0).all()

    def test_isotonic_is_that_of_scikit_learn(self) -> None:
        """The points give back the regression, inside and outside of what was seen."""
        p, label = drawn(5, 2000, 1.7, 0.6, 0.2)
        expected = IsotonicRegression(out_of_bounds="clip").fit(p, label).predict(np.linspace(0, 1, 500))
        assert expected == pytest.approx(fit_isotonic(p, label).apply(np.linspace(0, 1, 500)), abs=1e-12)

    @pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
    def test_extremes_are_survived(self, method: Any) -> None:
        """Probabilities of exactly 0 and 1 are taken, also when they were wrong."""
        p, label = drawn(6, 500, 1.0, 1.0, 0.0)
        p[:4], label[:4] = [0.0, 1.0, 0.0, 1.0], [True, False, False, True]
        calibrated = fit(method, p, label).apply(np.array([0.0, CLIP / 2, 0.5, 1.0]))
        assert np.isfinite(calibrated).all()
        assert (np.diff(calibrated) >= 0).all()

    @pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
    def test_outcomes_of_one_kind_are_refused(self, method: Any) -> None:
        """Nothing is fitted to outcomes that do not differ."""
        with pytest.raises(UsageError, match="outcomes of one kind only"):
            fit(method, np.array([0.1, 0.2]), np.array([True, True]))

    @pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
    def test_one_probability_for_all_is_refused(self, method: Any) -> None:
        """Of a model that says the same of everything nothing can be learned but how often it happens."""
        with pytest.raises(UsageError, match="every probability is the same"):
            fit(method, np.full(9, 0.3), np.arange(9) % 3 == 0)

    @pytest.mark.parametrize("method", ["platt", "beta"])
    def test_nearly_one_probability(self, method: Any) -> None:
        """Where the first solver gives up, another goes on, and no library speaks to the user."""
        p, label = np.where(np.arange(600) % 2, 0.3, 0.3 + 1e-12), np.arange(600) % 4 == 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert 0.25 == pytest.approx(fit(method, p, label).apply(p).mean(), abs=0.01)

    def test_the_wrong_way_round_is_refused(self) -> None:
        """Probabilities that fall where they should rise are told rather than turned round."""
        p, label = drawn(7, 1000, 1.0, 1.0, 0.0)
        with pytest.raises(UsageError, match="outcomes become rarer as the probability rises"):
            fit("platt", p, ~label)
        with pytest.raises(UsageError, match="nothing to calibrate"):
            fit("beta", p, ~label)


class TestThreshold:
    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1, max_size=12),
        st.sampled_from([Costs(), Costs(1.0, 5.0), Costs(5.0, 1.0), Costs(1.0, 1.0, -3.0, 0.0)]),
    )
    def test_no_other_threshold_costs_less(self, cases: list[tuple[float, bool]], costs: Costs) -> None:
        """Of all thresholds from 0 to 1 none costs less than the one that is chosen."""
        p = np.array([case[0] for case in cases])
        label = np.array([case[1] for case in cases])

        def cost(threshold: float) -> float:
            acts = p >= threshold
            missed = costs.fn * (~acts & label).sum() + costs.tn * (~acts & ~label).sum()
            return float(costs.fp * (acts & ~label).sum() + costs.tp * (acts & label).sum() + missed)

        assert min(cost(t) for t in np.linspace(0, 1, 201)) == cost(best_threshold(p, label, costs))

    def test_is_that_of_theory_for_right_probabilities(self) -> None:
        """Of right probabilities the threshold is fp / (fp + fn)."""
        p, label = drawn(8, 200_000, 1.0, 1.0, 0.0)
        costs = Costs(fp=1.0, fn=4.0)
        assert 0.2 == costs.threshold
        assert 0.2 == pytest.approx(best_threshold(p, label, costs), abs=0.02)

    def test_lies_between_two_probabilities(self) -> None:
        """A probability that was never seen decides nothing: the threshold is in the middle of the gap."""
        assert 0.5 == best_threshold(np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, False, True, True]), Costs())

    def test_neighbours_are_told_apart(self) -> None:
        """Between two floating-point neighbours there is no middle, and the upper one acts alone."""
        low = 0.3
        high = float(np.nextafter(low, 1))
        assert high == best_threshold(np.array([low, high]), np.array([False, True]), Costs())


@pytest.fixture
def calibrate(ran_once: Any, mdm: Any) -> Any:
    """Calibrate the run; give what is said."""

    def call(*options: Any) -> Any:
        return mdm("calibrate", "r", "--runs-dir", ran_once.runs_dir, *options)

    return call


class TestCommand:
    @pytest.mark.parametrize("method", ["platt", "isotonic", "beta"])
    def test_shows_what_it_is_worth_elsewhere(self, calibrate: Any, ran_once: Any, method: str) -> None:
        """It is fitted on the first half and judged on the second, whose figures are scikit-learn's."""
        found = calibrate("--method", method, "--json").json
        cases = [event for event in ran_once.events if "bad" in event]
        half = len(cases) // 2
        assert (half, half) == (found["fitted"]["cases"], found["shown"]["cases"])
        assert found["fitted"]["last_step"] < found["shown"]["first_step"]
        p = np.array([1 / (1 + np.exp(-(1.5 * event["x"] - 0.5))) for event in cases])
        label = np.array([event["bad"] for event in cases])
        after = fit(method, p[:half], label[:half]).apply(p[half:])  # type: ignore[arg-type]
        quality = found["quality"]
        assert brier_score_loss(label[half:], p[half:]) == pytest.approx(quality["before"]["brier"]["value"], abs=1e-9)
        assert brier_score_loss(label[half:], after) == pytest.approx(quality["after"]["brier"]["value"], abs=1e-6)
        assert log_loss(label[half:], after) == pytest.approx(quality["after"]["log_loss"]["value"], abs=1e-6)
        assert quality["brier_change"]["high"] < 0
        assert quality["after"]["ece"]["value"] < quality["before"]["ece"]["value"]

    def test_finds_the_truth(self, calibrate: Any) -> None:
        """The model has slope 1.5 and bias -0.5 where the truth has 1 and 0: Platt's are 2/3 and 1/3."""
        found = calibrate("--method", "platt", "--json").json["map"]
        assert (2 / 3, 1 / 3) == pytest.approx((found["a"], found["c"]), abs=0.1)

    def test_never_fits_on_what_it_is_shown_on(self, run_of: Any, ran_once: Any, tmp_path: Path, mdm: Any) -> None:
        """Outcomes of the later part can say what they like: the fit and the threshold do not change."""
        cases = [event for event in ran_once.events if "bad" in event][:600]
        turned = [{**event, "bad": not event["bad"] if n >= 300 else event["bad"]} for n, event in enumerate(cases)]
        maps = []
        for name, events in (("as", cases), ("turned", turned)):
            ran = run_of(tmp_path / name, events)
            said = mdm("calibrate", "r", "--runs-dir", ran.runs_dir, "--json", "--cost", "fp=1,fn=3").json
            maps.append((said["map"], said["threshold"]))
        assert maps[0] == maps[1]

    def test_split_at_a_time(self, calibrate: Any, ran_once: Any) -> None:
        """The part that is fitted on can end at an instant."""
        at = ran_once.events[1000]["at"]
        instant = np.datetime64(at, "ms").astype(str) + "+00:00"
        found = calibrate("--split", instant, "--json").json
        assert (999, 1000) == (found["fitted"]["last_step"] + 1, found["shown"]["first_step"])

    def test_retunes_the_threshold(self, calibrate: Any) -> None:
        """At the new threshold mistakes cost less than what was decided, on the part that it was not chosen on."""
        found = calibrate("--cost", "fp=1,fn=5", "--json").json
        assert 1 / 6 == found["expected_threshold"]
        assert 1 / 6 == pytest.approx(found["threshold"], abs=0.1)
        assert found["quality"]["retuned"]["cost"]["high"] < found["quality"]["decided"]["cost"]["low"]

    def test_people_see_both(self, calibrate: Any) -> None:
        """The tables show before and after; where the file is goes to standard error."""
        said = calibrate("--out", "c.json")
        assert 0 == said.code
        for part in ("fitted on", "shown on", "Brier score", "before", "after", "threshold", "at the threshold"):
            assert part in said.out
        assert "written to c.json" in said.err

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--split", "1.5"], "--split 1.5: a share lies between 0 and 1"),
            (["--split", "half"], "--split half: write a share such as 0.5, or an instant such as"),
            (["--split", "2001-01-01T00:00:00Z"], "no case is left to be fitted on"),
            (["--split", "2101-01-01T00:00:00Z"], "no case is left to be shown on"),
            (["--out", "gone/c.json"], "gone/c.json: cannot be written"),
        ],
    )
    def test_mistakes_are_told(self, calibrate: Any, options: list[str], message: str) -> None:
        """What is wrong is told in one line, with the next step."""
        said = calibrate(*options)
        assert 2 == said.code
        assert message in said.err


class TestReferenceCalibrated:
    @pytest.mark.parametrize("method", ["platt", "isotonic", "beta"])
    def test_decides_as_shown(
        self, run_of: Any, ran_once: Any, tmp_path: Path, mdm: Any, calibrate: Any, method: str
    ) -> None:
        """A run with the file decides, bit for bit or nearly, by the probabilities that were shown."""
        found = calibrate(
            "--method", method, "--cost", "fp=1,fn=5", "--out", tmp_path / "calibration.json", "--json"
        ).json
        before = {packet["step"]: packet["mdm"]["params"]["probability"] for packet in ran_once.packets[:500]}
        (tmp_path / "again").mkdir()
        (tmp_path / "calibration.json").rename(tmp_path / "again" / "calibration.json")
        model = '[model]\nuse = "reference.calibrated"\nfile = "calibration.json"\n\n[model.model]'
        again = run_of(tmp_path / "again", ran_once.events[:500], without="[model]", instead=model)
        content = json.loads((tmp_path / "again" / "calibration.json").read_text())
        assert (found["threshold"], found["map"]) == (content["threshold"], content["map"])
        shown = Logistic(**{k: v for k, v in content["map"].items() if k != "kind"}) if method != "isotonic" else None
        for packet in again.packets:
            raw = before[packet["step"]]
            params = packet["mdm"]["params"]
            calibrated = (
                np.interp(raw, content["map"]["x"], content["map"]["y"])
                if shown is None
                else shown.apply(np.array([raw]))[0]
            )
            assert raw == params["uncalibrated"]
            assert calibrated == pytest.approx(params["probability"], abs=1e-12)
            assert ("ACT" if params["probability"] >= found["threshold"] else "HOLD") == packet["mdm"]["action"]
        (recorded,) = again.past.run["files"]
        assert "calibration.json" == recorded
