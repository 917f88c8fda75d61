"""A moment of a run: what its pipeline knew just before a decision, asked as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
from mdm_core import (
    Build,
    Context,
    Decision,
    Event,
    Fact,
    FeatureExtractor,
    Features,
    FinalDecision,
    Modulator,
    Pipeline,
    Position,
    Proposal,
    ops,
)
from mdm_core.checkpoints import Engine
from mdm_core.checks import check_proposal, checked_final, failed_closed
from mdm_core.config import Config
from mdm_core.failures import describe
from mdm_core.lifecycle import name_of, with_children
from mdm_core.schema import Action
from mdm_core.state import veil_by

from mdm_eval.again import Again
from mdm_eval.comparing import Packet, Redact, differences
from mdm_eval.rebuilding import Rebuilt

_VEIL = veil_by(b"explain")
_ALL_REASONS = 1_000_000


class Asking(FeatureExtractor):
    """Gives the features that another extractor gives, or others in their place, and keeps what was known then.

    Args:
        inner: The extractor, not opened.

    Attributes:
        instead: What is given in place of them, or None.
        before: The context as the model was about to see it, once a decision was asked for with ``keeps`` set.
        keeps: Whether it is kept.
    """

    def __init__(self, inner: FeatureExtractor | None = None) -> None:
        self._inner = inner
        self.instead: Features | None = None
        self.before: Context | None = None
        self.keeps = False

    def open(self, build: Build) -> None:
        """Open the extractor."""
        if self._inner is not None:
            self._inner.open(build)

    def close(self) -> None:
        """Close the extractor."""
        if self._inner is not None:
            self._inner.close()

    def extract(self, event: Event, context: Context) -> Features:
        """Give the features."""
        features = self.instead
        if features is None:
            assert self._inner is not None
            features = self._inner.extract(event, context)
        if self.keeps:
            self.before = context.copy()
        return dict(features)

    def observe(self, fact: Fact) -> None:
        """Let the extractor learn."""
        if self._inner is not None:
            self._inner.observe(fact)


@attrs.frozen
class Said:
    """What a guard said.

    Attributes:
        guard: Its id.
        said: ``passed``, ``changed``, ``denied``, ``failed`` or ``not asked``.
        flags: What the denial is known by.
        reason_codes: Why.
        saw: The numbers that it went by, as far as it tells them.
        params: Parameters that it changed, with their new values.
        wait_ms: How long to wait before asking again, if it said so.
    """

    guard: str
    said: str
    flags: list[str] = attrs.field(factory=list)
    reason_codes: list[str] = attrs.field(factory=list)
    saw: Mapping[str, Any] = attrs.field(factory=dict)
    params: Mapping[str, Any] = attrs.field(factory=dict)
    wait_ms: int | None = None


class Moment:
    """The moment of a decision.

    ``look`` asks model and guards, which change nothing by being asked; ``decide`` asks the whole pipeline and then
    puts back what it remembers.

    Args:
        engine: What has decided about everything before it.
        asking: Its feature extractor.
        rebuilt: What it was built from.
        packet: What was recorded of the decision.
        event: The event.
        position: Where it stands in its source.
        known: What is known besides, which the engine cannot tell.

    Attributes:
        decision: The decision, made again.

    Raises:
        InvalidEvent: The event is refused.
    """

    def __init__(
        self,
        engine: Again,
        asking: Asking,
        rebuilt: Rebuilt,
        packet: Packet,
        event: Event,
        position: Position,
        known: dict[str, Any] | None = None,
    ) -> None:
        self.pipeline: Pipeline = engine.pipeline
        self.rebuilt = rebuilt
        self._asking, self._event, self._position = asking, event, position
        self.pipeline.step = packet["step"]
        engine.learn(packet["step"])
        self._known = known
        self._saved: tuple[Engine, dict[str, bytes]] = self.pipeline.save(_VEIL)
        asking.keeps = True
        self.decision = self._decided()
        asking.keeps = False
        self._before = asking.before

    @property
    def whole(self) -> bool:
        """Whether model and guards can be asked: nothing failed, and alone they say what the pipeline says."""
        decision = self.decision
        if self._before is None or decision.failure is not None:
            return False
        look = self.look(decision.features)
        return look.proposal == decision.proposal and look.final == decision.final

    def is_recorded(self, packet: Packet, redact: Redact) -> bool:
        """Whether the decision came out as it was recorded.

        Args:
            packet: What was recorded.
            redact: What packets went through before.
        """
        return not differences(packet, self.decision, redact)

    def decide(self, features: Features) -> Decision:
        """Have the whole pipeline decide.

        Args:
            features: In place of those that there were.
        """
        self._asking.instead = features
        try:
            return self._decided()
        finally:
            self._asking.instead = None

    def decide_by(self, document: dict[str, Any]) -> Decision:
        """Have a pipeline of another configuration decide, that remembers the same.

        Args:
            document: The configuration.

        Raises:
            MdmError: It cannot be built.
            ValueError: It cannot remember the same.
        """
        rebuilt = Rebuilt.of(Config(self.rebuilt.config.path, document, {}), self.rebuilt.base_dir)
        asking = Asking()
        asking.instead = self.decision.features
        with rebuilt.pipeline(self.pipeline.build.run_id, asking) as pipeline:
            pipeline.restore(*self._saved, _VEIL)
            return pipeline.decide(self._event, self._known, position=self._position)

    def propose(self, features: Features) -> Proposal:
        """Ask the model.

        Args:
            features: In place of those that there were.
        """
        context = self._context(features)
        context.component = name_of(self.pipeline.model)
        proposal = self.pipeline.model.propose(features, context)
        check_proposal(proposal)
        return proposal

    def look(self, features: Features, without: int | None = None) -> Decision:
        """Ask the model and the guards.

        Args:
            features: In place of those that there were.
            without: Number of a guard that is passed over.
        """
        context = self._context(features)
        try:
            proposal = self.propose(features)
            final = self.guarded(proposal, features, without)[0]
        except Exception as error:
            failure = describe("model", name_of(self.pipeline.model), error, self.decision.step)
            proposal = Proposal(Action.HOLD, 0.0, [failure.reason_code], {})
            return Decision(self._event, context, features, proposal, failed_closed(failure), 0, failure)
        return Decision(self._event, context, features, proposal, final, 0)

    def guarded(
        self, proposal: Proposal, features: Features, without: int | None = None
    ) -> tuple[FinalDecision, list[Said]]:
        """Ask the guards.

        Args:
            proposal: What the model wants.
            features: The features.
            without: Number of a guard that is passed over.

        Returns:
            The final decision, and what each guard said.
        """
        context = self._context(features)
        final = FinalDecision(proposal.action, True, proposal.reasons, None, None, None, proposal.params)
        if proposal.action is Action.HOLD:
            return final, [Said(name_of(guard), "not asked") for guard in self.pipeline.modulators]
        told: list[Said] = []
        denied = ops.denial(final, context, self.pipeline.stopped)
        if denied is not None:
            told.append(_said("operations", final, denied))
            final = denied
        for number, guard in enumerate(self.pipeline.modulators):
            if number == without:
                continue
            if not final.allowed or final.action is Action.HOLD:
                told.append(Said(name_of(guard), "not asked"))
                continue
            context.component = name_of(guard)
            answer = self._ask(guard, proposal, final, context)
            told.append(_said(name_of(guard), final, answer))
            final = answer
        return final, told

    @contextmanager
    def all_reasons(self) -> Iterator[None]:
        """Have the model give all its reasons, if it has an option that says how many it gives."""
        parts = [part for part in with_children(self.pipeline.model) if type(_most(part)) is int]
        before = [_most(part) for part in parts]
        try:
            for part in parts:
                part.max_reasons = _ALL_REASONS  # type: ignore[attr-defined] # looked for above
            yield
        finally:
            for part, most in zip(parts, before, strict=True):
                part.max_reasons = most  # type: ignore[attr-defined]

    def _context(self, features: Features) -> Context:
        assert self._before is not None
        context = self._before.copy()
        context.features = features
        return context

    def _decided(self) -> Decision:
        try:
            return self.pipeline.decide(self._event, self._known, position=self._position)
        finally:
            self.pipeline.restore(*self._saved, _VEIL)

    def _ask(self, guard: Modulator, proposal: Proposal, final: FinalDecision, context: Context) -> FinalDecision:
        try:
            return checked_final(guard.modulate(proposal, final, context))
        except Exception as error:
            return failed_closed(describe("modulator", name_of(guard), error, self.decision.step))


def _said(guard: str, before: FinalDecision, after: FinalDecision) -> Said:
    if after is before:
        return Said(guard, "passed")
    old, new = before.mismatch, after.mismatch
    known, seen = (old.metadata or {}) if old else {}, (new.metadata or {}) if new else {}
    codes = list(new.reason_codes)[len(old.reason_codes) if old else 0 :] if new else []
    changed = {k: v for k, v in (after.params or {}).items() if (before.params or {}).get(k) != v}
    flags = list(new.flags) if new else []
    failed = not after.allowed and flags == ["modulator_error"]
    said = "changed" if after.allowed else "failed" if failed else "denied"
    saw = {k: v for k, v in seen.items() if k not in known or known[k] != v}
    return Said(guard, said, flags, codes, saw, changed, new.throttle_refresh_ms if new else None)


def _most(part: Any) -> Any:
    return getattr(part, "max_reasons", None)
