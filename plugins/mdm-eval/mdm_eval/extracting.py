"""Feature extractors that stand in the place of a run's own: they go by what was recorded, or share the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mdm_core import Build, Context, ContractError, Event, Fact, FeatureExtractor, Features, StageError
from mdm_core.contracts import Component
from mdm_core.errors import DuplicateFeature
from mdm_core.lifecycle import close_all, name_of, open_all, with_children

from mdm_eval.comparing import Packet, Redact, alike


def recorded_failure(packet: Packet) -> str | None:
    """The reason code if a feature extractor failed, took too long or was switched off, else None.

    Args:
        packet: The packet.
    """
    mismatch = packet["mismatch"]
    failed = mismatch is not None and list(mismatch["flags"]) == ["features_error"]
    return mismatch["reason_codes"][0] if failed and packet["external"].get("mdm.fail_closed") else None


class Given(FeatureExtractor):
    """Gives the features that were recorded, and fails where the extractors of the run failed.

    Attributes:
        packet: The packet whose features are given next.
    """

    packet: Packet

    def extract(self, event: Event, context: Context) -> Features:
        """Give the recorded features."""
        code = recorded_failure(self.packet)
        if code is not None:
            raise StageError(code)
        features: Features = self.packet["mdm"]["features"]
        return features


class Several(FeatureExtractor):
    """Several extractors as one.

    Args:
        extractors: The extractors, not opened.
    """

    def __init__(self, extractors: Sequence[FeatureExtractor]) -> None:
        self._extractors = [(extractor, name_of(extractor)) for extractor in extractors]
        self._opened: list[Component] = []
        self.component_id = self._extractors[0][1]

    def open(self, build: Build) -> None:
        """Open the extractors, if it was not done."""
        if not self._opened:
            parts = [part for extractor, _ in self._extractors for part in with_children(extractor)]
            open_all(parts, build, self._opened)

    def close(self) -> None:
        """Close the extractors."""
        close_all(self._opened)

    def extract(self, event: Event, context: Context) -> Features:
        """Merge what the extractors give."""
        if len(self._extractors) == 1:
            return self._extractors[0][0].extract(event, context)
        merged: Features = {}
        givers: dict[str, str] = {}
        for extractor, name in self._extractors:
            context.component = name
            features = extractor.extract(event, context)
            if not isinstance(features, dict):
                raise ContractError("features must be a dict")
            for feature in features.keys() & merged.keys():
                raise DuplicateFeature(givers[feature], name)
            givers |= dict.fromkeys(features, name)
            merged |= features
        return merged

    def observe(self, fact: Fact) -> None:
        """Let the extractors learn."""
        for extractor, _ in self._extractors:
            for part in with_children(extractor):
                part.observe(fact)


class Shared(Several):
    """Computes the features of a step once, for several pipelines that decide about the same event in turn."""

    _step = -1
    _answer: Any = None

    def extract(self, event: Event, context: Context) -> Features:
        """Give the features, or fail as they did for the first who asked."""
        if context.step != self._step:
            self._step = context.step
            try:
                self._answer = super().extract(event, context)
            except Exception as error:
                self._answer = error
        if isinstance(self._answer, Exception):
            raise self._answer
        features: Features = self._answer
        return features

    def observe(self, fact: Fact) -> None:
        """Learn nothing: what does learn is not shared."""


class Confirmed(Several):
    """Computes the features from recorded inputs, and gives the recorded ones where it does not come to the same.

    Args:
        extractors: The extractors, not opened.
        redact: What packets went through before they were recorded.

    Attributes:
        packet: The packet that is decided about next.
        whole: Whether the last features came from the input, and were those that were recorded.
    """

    packet: Packet

    def __init__(self, extractors: Sequence[FeatureExtractor], redact: Redact) -> None:
        super().__init__(extractors)
        self._redact = redact
        self.whole = False

    def extract(self, event: Event, context: Context) -> Features:
        """Give the features; these are the recorded ones in any case."""
        code = recorded_failure(self.packet)
        recorded: Features = self.packet["mdm"]["features"]
        failure, features = None, None
        try:
            features = super().extract(event, context)
        except Exception as error:
            failure = error
        if code is not None:
            self.whole = failure is not None
            raise failure or StageError(code)
        self.whole = failure is None and self._is_recorded(features, recorded)
        return features if self.whole and features is not None else recorded

    def _is_recorded(self, features: Any, recorded: Features) -> bool:
        if features == recorded:
            return True
        redacted = self._redact({"features": features}).get("features") if isinstance(features, dict) else None
        return redacted is not None and alike(redacted, recorded)
