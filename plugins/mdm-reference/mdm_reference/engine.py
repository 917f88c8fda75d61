"""The short way for notebooks: functions of the same code that pipelines run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mdm_core import Build, Context, Event, Features, Proposal

from mdm_reference.models import LogisticModel
from mdm_reference.rolling import RollingFeatures


def build_features(event: Event, history: Iterable[Event] = ()) -> Features:
    """Compute the features of an event after those before it, as ``RollingFeatures`` does with its defaults.

    Args:
        event: The event.
        history: The events before it, all of the same key, the oldest first.

    Returns:
        Dotted name to number, bool or None.
    """
    extractor = RollingFeatures(max_keys=1)
    extractor.open(Build())
    for earlier in history:
        extractor.extract(earlier, _context())
    return extractor.extract(event, _context())


class DecisionEngine:
    """Proposes actions from features, as ``LogisticModel`` does.

    Args:
        confidence_threshold: Probability from which ACT is proposed.
        weights: Weight per feature; without any, the model scores how unusual the event is.
        bias: Score when no feature moves it.
    """

    def __init__(
        self, confidence_threshold: float = 0.5, weights: Mapping[str, float] | None = None, bias: float = 0.0
    ) -> None:
        self._model = LogisticModel(threshold=confidence_threshold, weights=dict(weights or {}), bias=bias)

    def propose(self, features: Features) -> Proposal:
        """Propose an action.

        Args:
            features: Dotted name to value, such as ``build_features`` gives.

        Returns:
            The proposal: action, confidence, reasons, and in ``params`` score, threshold and probability.
        """
        return self._model.propose(features, _context())


def _context() -> Context:
    return Context(items={}, key=None, event_id="", step=0, seed=0)
