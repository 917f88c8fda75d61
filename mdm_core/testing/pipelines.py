"""Pipelines for tests: around the components that a test is about, others that do nothing of interest."""

from __future__ import annotations

from typing import Any

import attrs

from mdm_core import option
from mdm_core.contracts import Component, FeatureExtractor, Modulator, ProposalModel
from mdm_core.errors import UsageError
from mdm_core.pipeline import Pipeline
from mdm_core.schema import Action, Proposal
from mdm_core.testing.material import features_of
from mdm_core.values import Context, Event, Features


@attrs.define
class Flat(FeatureExtractor):
    """Gives the fields of an event as features, nested ones under dotted names."""

    def extract(self, event: Event, context: Context) -> Features:
        """Flatten the event."""
        return features_of(event)


@attrs.define
class Always(ProposalModel):
    """Proposes the same about every event, with its features as parameters."""

    action: Action = option(Action.ACT, choices=list(Action), help="what is proposed")
    confidence: float = option(1.0, ge=0, le=1, help="how sure it is")

    def propose(self, features: Features, context: Context) -> Proposal:
        """Propose it."""
        return Proposal(self.action, self.confidence, ["always"], dict(features))


def make_pipeline(*components: Component, **options: Any) -> Pipeline:
    """Make a pipeline of some components; what is missing is ``Flat`` features and a model that says ``Always`` ACT.

    Args:
        components: Feature extractors, one model at most, and modulators in their order.
        options: As for ``Pipeline``; by default ``key`` is ``key`` and ``timestamp`` is ``timestamp_ms``.

    Returns:
        The pipeline, opened.

    Raises:
        UsageError: There are two models, a component that decides nothing, or components by name.
        ConfigError: A component cannot be opened.
    """
    features = [c for c in components if isinstance(c, FeatureExtractor)]
    models = [c for c in components if isinstance(c, ProposalModel)]
    modulators = [c for c in components if isinstance(c, Modulator)]
    if len(models) > 1:
        raise UsageError("a pipeline has one model; make another pipeline for the other")
    for component in components:
        if not isinstance(component, FeatureExtractor | ProposalModel | Modulator):
            raise UsageError(f"a {type(component).__name__} takes no part in deciding; give it to Run instead")
    if parts := sorted({"features", "model", "modulators"} & {*options}):
        raise UsageError(f"{', '.join(parts)}: give components as they are, one after the other, without a name")
    settings = {"key": "key", "timestamp": "timestamp_ms", **options}
    return Pipeline(
        features=features or [Flat()], model=models[0] if models else Always(), modulators=modulators, **settings
    )
