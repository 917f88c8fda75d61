from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdm_core import Action, Build, ConfigError, Context, Features, OptionError, Proposal

from mdm_reference import LinearModel, LogisticModel

CONTEXT = Context(items={}, key="UA", event_id="1", step=0, seed=0)

Model = LogisticModel | LinearModel


def propose(features: Features, model: type[Model] = LogisticModel, **options: Any) -> Proposal:
    return model(**options).propose(features, CONTEXT)


def sigmoid(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-score))


def params(proposal: Proposal) -> dict[str, Any]:
    assert proposal.params is not None
    return proposal.params


class TestLogisticModel:
    def test_score_and_probability(self) -> None:
        """The score is the bias plus each weight times its feature; its sigmoid is the probability."""
        proposal = propose({"x": 2.0, "y": -1, "other": 9.9}, weights={"x": 1.5, "y": 0.25}, bias=-1.0)
        assert Action.ACT is proposal.action
        assert sigmoid(1.75) == proposal.confidence
        assert {"score": 1.75, "threshold": 0.5, "probability": sigmoid(1.75)} == proposal.params

    def test_below_the_threshold(self) -> None:
        """Below the threshold HOLD is proposed, and one minus the probability is its confidence."""
        proposal = propose({"x": 1.0}, weights={"x": 1.0}, threshold=0.9)
        assert (Action.HOLD, 1.0 - sigmoid(1.0)) == (proposal.action, proposal.confidence)

    def test_at_the_threshold(self) -> None:
        """A probability equal to the threshold is enough."""
        assert Action.ACT is propose({"x": 0.0}, weights={"x": 1.0}, threshold=0.5).action

    @pytest.mark.parametrize("action", ["ACT", "EXIT", "CANCEL", "STOP"])
    def test_action(self, action: str) -> None:
        """The action that the options name is proposed."""
        assert Action(action) is propose({"x": 9.0}, weights={"x": 1.0}, action=action).action

    @settings(deadline=None)
    @given(score=st.floats(-1.7e308, 1.7e308))
    def test_any_score(self, score: float) -> None:
        """However large the score, the probability is between 0 and 1, and symmetric."""
        here, there = (params(propose({"x": x}, weights={"x": 1.0}))["probability"] for x in (score, -score))
        assert 0.0 <= here <= 1.0
        assert math.isclose(1.0 - here, there, abs_tol=1e-15)

    def test_score_that_is_not_finite(self) -> None:
        """A score that overflows is an error, so that the decision fails closed."""
        with pytest.raises(OverflowError):
            propose({"x": 1e308}, weights={"x": 10.0})

    def test_text_where_a_number_has_its_weight(self) -> None:
        """A text in the place of a weighted number is an error, so that the decision fails closed."""
        with pytest.raises(TypeError):
            propose({"x": "high"}, weights={"x": 1.0})


class TestLinearModel:
    @pytest.mark.parametrize(("score", "probability"), [(-0.5, 0.0), (0.0, 0.0), (0.75, 0.75), (1.0, 1.0), (7.0, 1.0)])
    def test_probability(self, score: float, probability: float) -> None:
        """The probability is the score, cut off at 0 and 1."""
        proposal = propose({"x": score}, LinearModel, weights={"x": 1.0})
        assert {"score": score, "threshold": 0.5, "probability": probability} == proposal.params
        assert max(probability, 1.0 - probability) == proposal.confidence


@pytest.mark.parametrize("model", [LogisticModel, LinearModel])
class TestWeights:
    def test_truths(self, model: type[Model]) -> None:
        """True counts as 1 and False as 0."""
        weights = {"on": 0.5, "off": 0.25}
        assert 0.5 == params(propose({"on": True, "off": False}, model, weights=weights))["score"]

    def test_texts(self, model: type[Model]) -> None:
        """A weight with a text counts when the feature is that text, and only then."""
        weights = {"origin=JFK": 0.5, "origin=LGA": 0.25, "dest=a=b": 2.0, "n=1": 4.0}
        cases: list[tuple[Features, float]] = [
            ({"origin": "JFK"}, 0.5),
            ({"origin": "LGA", "dest": "a=b"}, 2.25),
            ({"origin": "EWR", "dest": None, "n": 1}, 0.0),
            ({}, 0.0),
        ]
        for features, score in cases:
            assert score == params(propose(features, model, weights=weights))["score"]

    def test_order_does_not_matter(self, model: type[Model]) -> None:
        """The order in which weights are written does not change a bit of the score."""
        names = [f"x{i}" for i in range(20)]
        features: Features = {name: 1.0 / (i + 3) for i, name in enumerate(names)}
        scores = {
            params(propose(features, model, weights=dict.fromkeys(order, 0.1)))["score"].hex()
            for order in (names, names[::-1], names[10:] + names[:10])
        }
        assert 1 == len(scores)

    def test_missing_is_ignored(self, model: type[Model]) -> None:
        """By default a feature without a value moves nothing."""
        proposal = propose({"x": None, "z": 0.75}, model, weights={"x": 1.0, "y": 1.0, "z": 1.0})
        assert (0.75, ["z"]) == (params(proposal)["score"], proposal.reasons)

    def test_missing_holds(self, model: type[Model]) -> None:
        """On request a weighted feature without a value means HOLD without any confidence, and is named."""
        weights = {"b": 1.0, "a": 1.0, "c=x": 1.0, "d": 1.0}
        proposal = propose({"b": None, "d": 1.0}, model, weights=weights, missing="hold")
        assert (Action.HOLD, 0.0) == (proposal.action, proposal.confidence)
        assert ["missing:a", "missing:b", "missing:c"] == proposal.reasons
        assert Action.ACT is propose({"d": 1.0}, model, weights={"d": 1.0}, missing="hold").action

    def test_reasons(self, model: type[Model]) -> None:
        """Reasons are the features that moved the score most, whatever the direction; the summary is by how much."""
        features: Features = {"a": 1.0, "b": 1.0, "c": -2.0, "d": 0.0, "o": "JFK"}
        weights = {"a": 0.5, "b": -3.0, "c": 1.0, "d": 9.0, "o=JFK": -0.75}
        proposal = propose(features, model, weights=weights)
        assert ["b", "c", "o=JFK"] == proposal.reasons
        assert [("b", -3.0), ("c", -2.0), ("o=JFK", -0.75)] == list(proposal.features_summary.items())
        assert ["b", "c", "o=JFK", "a"] == propose(features, model, weights=weights, max_reasons=9).reasons

    def test_equal_reasons(self, model: type[Model]) -> None:
        """Features that moved the score equally come by name."""
        features: Features = {"d": 1.0, "c": -1.0, "b": 1.0, "a": -1.0}
        assert ["a", "b", "c"] == propose(features, model, weights=dict.fromkeys("dbca", 1.0)).reasons

    def test_nothing_moved_the_score(self, model: type[Model]) -> None:
        """When nothing moved the score the reason is ``low_signal``."""
        proposal = propose({"x": 0.0}, model, weights={"x": 1.0})
        assert (["low_signal"], {}) == (proposal.reasons, proposal.features_summary)


class TestWithoutWeights:
    @pytest.mark.parametrize(("model", "score"), [(LogisticModel, 1.5), (LinearModel, 0.75)])
    def test_largest_z_decides(self, model: type[Model], score: float) -> None:
        """Without weights the largest z, whatever its sign, says how unusual the event is."""
        proposal = propose({"x": 99.0, "x.z": 2.0, "y.z": -4.5, "n.z": None, "blitz": 9.0}, model)
        assert (Action.ACT, score) == (proposal.action, params(proposal)["score"])
        assert {"y.z": 4.5, "x.z": 2.0} == proposal.features_summary
        assert ["y.z", "x.z"] == proposal.reasons

    @pytest.mark.parametrize("model", [LogisticModel, LinearModel])
    def test_three_standard_deviations(self, model: type[Model]) -> None:
        """Half probability is reached at three standard deviations."""
        assert 0.5 == params(propose({"x.z": 3.0}, model))["probability"]

    @pytest.mark.parametrize("model", [LogisticModel, LinearModel])
    def test_no_z_at_all(self, model: type[Model]) -> None:
        """Without any z nothing is unusual: HOLD."""
        proposal = propose({"x": 5.0}, model)
        assert (Action.HOLD, ["low_signal"]) == (proposal.action, proposal.reasons)


class TestWeightsFile:
    def test_same_as_inline(self, tmp_path: Path) -> None:
        """A file of weights, relative to the pipeline file, gives the same proposal as the same weights inline."""
        weights = {"x": 0.1, "origin=JFK": -2.0}
        (tmp_path / "weights.json").write_text(json.dumps({"bias": 0.3, "weights": weights}))
        model = LogisticModel(weights_file=Path("weights.json"))
        model.open(Build(base_dir=tmp_path))
        features: Features = {"x": 3.0, "origin": "JFK"}
        assert propose(features, weights=weights, bias=0.3) == model.propose(features, CONTEXT)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ('{"weights": {"x": "1"}}', "Expected `float`, got `str` - at `$.weights[...]`"),
            ('{"bias": 1.0}', "Object missing required field `weights`"),
            ('{"weights": {}, "wieght": 1}', "Object contains unknown field `wieght`"),
            ('{"weights": {"x": NaN}}', "JSON is malformed: invalid character (byte 18)"),
            ("", "Input data was truncated"),
        ],
    )
    def test_wrong_content(self, tmp_path: Path, content: str, problem: str) -> None:
        """A file that holds no weights is refused with its path, what is wrong and how it should look."""
        path = tmp_path / "weights.json"
        path.write_text(content)
        with pytest.raises(ConfigError) as caught:
            LogisticModel(weights_file=path).open(Build())
        assert (
            f"weights_file: {path} is not a file of weights ({problem}); "
            'it should be {"bias": 0.0, "weights": {"NAME": 1.0}}'
        ) == str(caught.value)

    def test_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is refused with its path."""
        with pytest.raises(ConfigError) as caught:
            LogisticModel(weights_file=Path("no.json")).open(Build(base_dir=tmp_path))
        message = f"weights_file: {tmp_path / 'no.json'} cannot be read (No such file or directory); check the path"
        assert message == str(caught.value)

    @pytest.mark.parametrize("options", [{"weights": {"x": 1.0}}, {"bias": 0.5}])
    def test_given_twice(self, tmp_path: Path, options: dict[str, Any]) -> None:
        """Weights or a bias beside a file are refused."""
        with pytest.raises(ConfigError) as caught:
            LogisticModel(weights_file=tmp_path / "weights.json", **options).open(Build())
        assert "weights_file takes the place of weights and bias; remove these or the file" == str(caught.value)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"threshold": 1.1}, "threshold: must be at most 1, got 1.1"),
            ({"action": "HOLD"}, "action: must be one of 'ACT', 'EXIT', 'CANCEL', 'STOP', got 'HOLD'"),
            ({"missing": "drop"}, "missing: must be one of 'ignore', 'hold', got 'drop'"),
            ({"weights": {"x": math.nan}}, "weights x: must be a finite number, got nan"),
            ({"max_reasons": 0}, "max_reasons: must be at least 1, got 0"),
        ],
    )
    def test_refused(self, options: dict[str, Any], message: str) -> None:
        """An option that makes no sense is refused, with what it should be."""
        with pytest.raises(OptionError) as caught:
            LogisticModel(**options)
        assert f"LogisticModel.{message}" == str(caught.value)
