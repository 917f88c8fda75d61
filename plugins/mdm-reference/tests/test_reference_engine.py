from __future__ import annotations

import pytest
from mdm_core import Action, Pipeline

from mdm_reference import DecisionEngine, LogisticModel, RollingFeatures, build_features

HISTORY = [{"delay": {"dep": float(minutes)}, "carrier": "UA"} for minutes in (2, 4, -1, 3, 0, 1)]
EVENT = {"delay": {"dep": 45.0}, "carrier": "UA"}


class TestBuildFeatures:
    def test_without_history(self) -> None:
        """An event alone is all that its windows hold."""
        assert {"x": 2, "x.mean": 2.0, "x.std": 0.0, "x.z": 0.0} == build_features({"x": 2})

    def test_calls_are_apart(self) -> None:
        """Two calls know nothing of each other."""
        assert build_features(EVENT, HISTORY) == build_features(EVENT, HISTORY)

    def test_same_as_a_pipeline(self) -> None:
        """The features are those that a pipeline computes over the same events."""
        with Pipeline(features=RollingFeatures(), model=LogisticModel()) as pipeline:
            decisions = [pipeline.decide(event) for event in [*HISTORY, EVENT]]
        assert decisions[-1].features == build_features(EVENT, HISTORY)


class TestDecisionEngine:
    def test_same_as_a_pipeline(self) -> None:
        """The proposal is the one that a pipeline makes over the same events."""
        with Pipeline(features=RollingFeatures(), model=LogisticModel(threshold=0.25)) as pipeline:
            decisions = [pipeline.decide(event) for event in [*HISTORY, EVENT]]
        engine = DecisionEngine(confidence_threshold=0.25)
        assert decisions[-1].proposal == engine.propose(build_features(EVENT, HISTORY))

    @pytest.mark.parametrize(("threshold", "action"), [(0.5, Action.HOLD), (0.3, Action.ACT)])
    def test_threshold(self, threshold: float, action: Action) -> None:
        """From the threshold on an unusual event is acted upon."""
        assert action is DecisionEngine(threshold).propose(build_features(EVENT, HISTORY)).action

    def test_weights(self) -> None:
        """Given weights are those of the model."""
        proposal = DecisionEngine(weights={"x": 2.0}, bias=-1.0).propose({"x": 1.0})
        assert {"score": 1.0, "threshold": 0.5, "probability": proposal.confidence} == proposal.params
