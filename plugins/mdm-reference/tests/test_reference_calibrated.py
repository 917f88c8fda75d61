"""The calibrated model in real pipelines."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Action, ConfigError, Context, Decision, Features, Pipeline, Proposal, ProposalModel

from mdm_reference import LogisticModel, RollingFeatures
from mdm_reference.calibrated import CalibratedModel, Logistic, Steps

PLATT = {"kind": "logistic", "a": 2.0, "b": 2.0, "c": 0.5, "clip": 1e-9}
HALVED = {"kind": "steps", "x": [0.0, 1.0], "y": [0.0, 0.5]}


@attrs.define
class Says(ProposalModel):
    """Proposes what stands in the event."""

    action: str = "ACT"
    confidence: float = 0.5
    params: dict[str, Any] | None = None

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(Action(self.action), self.confidence, ["says"], self.params, None, {"x": 1.0})


def write(directory: Path, content: Any) -> Path:
    """Write a file of a calibration."""
    path = directory / "calibration.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def decide(directory: Path, model: ProposalModel, map_: Any, **options: Any) -> Decision:
    """Decide one event by a calibrated model."""
    write(directory, {"map": map_, "threshold": 0.4, "method": "platt", "run_id": "r"})
    calibrated = CalibratedModel(model=model, file=Path("calibration.json"), **options)
    with Pipeline(features=RollingFeatures(), model=calibrated, base_dir=directory) as pipeline:
        return pipeline.decide({"x": 1.0})


class TestDecisions:
    def test_acts_from_the_threshold_of_the_file(self, tmp_path: Path) -> None:
        """From the file's threshold on the action is proposed, with the calibrated probability as confidence."""
        decision = decide(tmp_path, Says("HOLD", 0.2, {"probability": 0.8}), HALVED)
        assert Action.ACT is decision.proposal.action
        assert 0.4 == decision.proposal.confidence
        assert {"probability": 0.4, "uncalibrated": 0.8, "threshold": 0.4} == decision.proposal.params

    def test_holds_below_it(self, tmp_path: Path) -> None:
        """Below the threshold it holds, with one minus the probability, though the wrapped model would act."""
        decision = decide(tmp_path, Says("ACT", 0.7, {"probability": 0.7, "amount": 3}), HALVED)
        assert Action.HOLD is decision.proposal.action
        assert 1 - 0.35 == decision.proposal.confidence
        assert 3 == (decision.proposal.params or {})["amount"]

    def test_threshold_of_the_options_comes_first(self, tmp_path: Path) -> None:
        """A threshold in the pipeline file takes the place of that of the calibration."""
        model = Says("HOLD", 0.3, {"probability": 0.7})
        assert Action.HOLD is decide(tmp_path, model, HALVED).final.action
        assert Action.EXIT is decide(tmp_path, model, HALVED, threshold=0.35, action="EXIT").final.action

    def test_keeps_reasons_and_summary(self, tmp_path: Path) -> None:
        """Why is what the wrapped model says."""
        proposal = decide(tmp_path, Says("ACT", 0.9, {"probability": 0.9}), HALVED).proposal
        assert ["says"] == proposal.reasons
        assert {"x": 1.0} == proposal.features_summary

    @pytest.mark.parametrize("action", ["EXIT", "CANCEL", "STOP"])
    def test_other_actions_pass(self, tmp_path: Path, action: str) -> None:
        """A proposal of another action is not a matter of this probability."""
        decision = decide(tmp_path, Says(action, 0.3, {"probability": 0.9}), HALVED)
        assert Action(action) is decision.proposal.action
        assert 0.3 == decision.proposal.confidence

    def test_hold_without_probability_passes(self, tmp_path: Path) -> None:
        """A wrapped model that holds because features are missing holds."""
        model = LogisticModel(weights={"missing": 1.0}, missing="hold")
        decision = decide(tmp_path, model, PLATT)
        assert Action.HOLD is decision.proposal.action
        assert ["missing:missing"] == decision.proposal.reasons

    @pytest.mark.parametrize("value", [None, True, "0.5", 1.5, -0.1])
    def test_no_probability_fails_closed(self, tmp_path: Path, value: Any) -> None:
        """What is no probability is not calibrated: nothing is done."""
        decision = decide(tmp_path, Says("ACT", 0.9, {"probability": value}), HALVED)
        assert not decision.final.allowed
        assert decision.failure is not None
        assert "model_error:ContractError" == decision.failure.reason_code

    @pytest.mark.parametrize(("action", "confidence"), [("ACT", 0.9), ("HOLD", 0.1)])
    def test_confidence_can_be_calibrated(self, tmp_path: Path, action: str, confidence: float) -> None:
        """A model without a probability is calibrated by its confidence, of HOLD one minus it."""
        decision = decide(tmp_path, Says(action, confidence), HALVED, probability="confidence")
        assert 0.45 == pytest.approx((decision.proposal.params or {})["probability"], abs=1e-15)

    def test_wraps_the_logistic_model(self, tmp_path: Path) -> None:
        """What a logistic model gives is calibrated by the formula."""
        decision = decide(tmp_path, LogisticModel(weights={"x": 0.3}), PLATT)
        score = 2 * 0.3 + 0.5
        assert 1 / (1 + exp(-score)) == pytest.approx((decision.proposal.params or {})["probability"], rel=1e-14)


class TestMaps:
    @given(st.floats(0, 1), st.floats(0.01, 5), st.floats(0.01, 5), st.floats(-5, 5))
    def test_logistic_is_the_formula(self, p: float, a: float, b: float, c: float) -> None:
        """The probability is the formula's, and does not fall as that of the model rises."""
        found = Logistic(a, b, c, 1e-9)
        clipped = min(max(p, 1e-9), 1 - 1e-9)
        odds = clipped**a / (1 - clipped) ** b * exp(c)
        assert odds / (1 + odds) == pytest.approx(found.apply(p), rel=1e-6)
        assert found.apply(p * 0.9) <= found.apply(p) <= 1

    def test_logistic_of_extremes_is_finite(self) -> None:
        """0 and 1 are as sure as the clip allows."""
        found = Logistic(1000.0, 1000.0, 0.0, 1e-9)
        assert (0.0, 1.0) == (found.apply(0.0), found.apply(1.0))
        assert log(1e9) == pytest.approx(-log(Logistic(1.0, 1.0, 0.0, 1e-9).apply(0.0)), rel=1e-9)

    @pytest.mark.parametrize(
        ("p", "expected"), [(0.0, 0.1), (0.2, 0.1), (0.3, 0.15), (0.4, 0.2), (0.7, 0.55), (1.0, 0.9), (0.97, 0.865)]
    )
    def test_steps_are_straight_lines(self, p: float, expected: float) -> None:
        """Between points it is a straight line; before the first and after the last it is level."""
        assert expected == pytest.approx(Steps([0.2, 0.4, 1.0], [0.1, 0.2, 0.9]).apply(p), abs=1e-15)

    def test_single_step_is_level(self) -> None:
        """One point is a constant."""
        assert [0.3, 0.3, 0.3] == [Steps([0.5], [0.3]).apply(p) for p in (0.0, 0.5, 1.0)]


class TestFile:
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("{", "is no calibration"),
            ({"map": PLATT}, "threshold"),
            ({"map": PLATT, "threshold": 1.5}, "threshold"),
            ({"map": {"kind": "spline"}, "threshold": 0.5}, "spline"),
            ({"map": {**PLATT, "clip": 0}, "threshold": 0.5}, "clip"),
            ({"map": {"kind": "steps", "x": [0.5, 0.5], "y": [0, 1]}, "threshold": 0.5}, "x must rise"),
            ({"map": {"kind": "steps", "x": [0.1, 0.5], "y": [0]}, "threshold": 0.5}, "x must rise"),
            ({"map": {"kind": "steps", "x": [], "y": []}, "threshold": 0.5}, "x"),
            ({"map": {"kind": "steps", "x": [0.1], "y": [2]}, "threshold": 0.5}, "y"),
        ],
    )
    def test_what_is_no_calibration_is_refused(self, tmp_path: Path, content: Any, told: str) -> None:
        """A file that is no calibration stops the pipeline from being built, and the message says why."""
        write(tmp_path, content)
        model = CalibratedModel(model=Says(), file=Path("calibration.json"))
        with pytest.raises(ConfigError, match=r"calibration\.json") as refused:
            Pipeline(features=RollingFeatures(), model=model, base_dir=tmp_path)
        assert told in str(refused.value)

    def test_missing_file_is_refused(self, tmp_path: Path) -> None:
        """The message names the file and the command that writes one."""
        model = CalibratedModel(model=Says(), file=Path("gone.json"))
        with pytest.raises(ConfigError, match=r"gone\.json cannot be read .* `mdm calibrate` writes one"):
            Pipeline(features=RollingFeatures(), model=model, base_dir=tmp_path)

    def test_is_built_from_a_pipeline_file(self, tmp_path: Path) -> None:
        """The README's form works, with the wrapped model in a table of its own."""
        write(tmp_path, {"map": HALVED, "threshold": 0.4})
        (tmp_path / "pipeline.toml").write_text(
            '[features]\nuse = "reference.rolling"\n'
            '[model]\nuse = "reference.calibrated"\nfile = "calibration.json"\n'
            '[model.model]\nuse = "reference.logistic"\nweights = { x = 3.0 }\n'
        )
        with Pipeline.from_config(tmp_path / "pipeline.toml") as pipeline:
            assert Action.ACT is pipeline.decide({"x": 1.0}).final.action
            assert Action.HOLD is pipeline.decide({"x": 0.0}).final.action
