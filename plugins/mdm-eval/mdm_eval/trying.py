"""Trying configurations out on what a run was given, side by side, each decision next to the one that was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import attrs
import msgspec
from mdm_core import Decision, Event, InvalidEvent, PastRun, Position, UsageError
from mdm_core.admission import ABSENT, getter
from mdm_core.canary import MAIN
from mdm_core.redacting import FAILED, MASK

from mdm_eval.again import Again, JournalEnds
from mdm_eval.comparing import Packet, differences
from mdm_eval.extracting import Shared
from mdm_eval.feeding import Fed, NoSource, Unrecorded
from mdm_eval.marks import is_marked
from mdm_eval.packets import nothing_decided
from mdm_eval.rebuilding import Rebuilt
from mdm_eval.session import Session, Wanted, unlike_stages

Visit: TypeAlias = Callable[[Packet, Sequence[Decision | None]], None]
Visitor: TypeAlias = Callable[[Session], Visit]
Progress: TypeAlias = Callable[[int], None]

_PULSE = 512


class NotWhole(Exception):
    """A packet does not hold what its decision was made from."""


@attrs.define
class Trial:
    """How configurations were tried out.

    Attributes:
        events: What was decided from: the recorded features, where those are the same; else the source's events, or
            the recorded inputs.
        source: Why the source was not read though it was wanted, or an empty text.
        decisions: Decisions that were compared.
        left_out: Decisions in the trace that could not be compared, because what they were made from was redacted.
        reproduced: Decisions that the run's own configuration makes just so; None if that cannot be built.
        ended: Why it ended before the trace, or an empty text.
        orders: For each configuration, orders for which recorded answers served, for which ``done`` was assumed, and
            answers of no use.
        other_params: For each configuration, parameter to the orders for which ``done`` was assumed though the run gave
            them, because this parameter is another.
    """

    events: Literal["recorded features", "source", "recorded inputs"]
    source: str = ""
    decisions: int = 0
    left_out: int = 0
    reproduced: int | None = None
    ended: str = ""
    orders: list[dict[str, int]] = attrs.field(factory=list)
    other_params: list[dict[str, int]] = attrs.field(factory=list)


@attrs.frozen
class Trying:
    """Configurations that are tried out on a run; nothing is carried out.

    Attributes:
        past: The run.
        wanted: The configurations.
        visitor: Makes what is called with each packet and the decisions of the configurations about it, None from one
            that refuses the event. It is made anew if something turns out not to be there and all begins again.
        progress: Called now and then with the number of decisions.
    """

    past: PastRun
    wanted: Sequence[Wanted]
    visitor: Visitor
    progress: Progress | None = None

    def run(self) -> Trial:
        """Decide about all events of the run.

        Raises:
            ConfigError: A configuration cannot be built or opened.
            UsageError: The run has not recorded enough.
        """
        new_features = self._needs_new_features()
        if not new_features:
            try:
                return self._from_features(strict=True)
            except NotWhole:
                pass
        try:
            return self._from_source()
        except NoSource as error:
            why = str(error)
        try:
            return self._from_inputs(why) if new_features else self._from_features(strict=False, source=why)
        except NotWhole:
            raise UsageError(
                f"run {self.past.directory.name!r}: a component goes by the event's id, or by chance, which depends on "
                f"it; the id was the event's position, which is not in the trace, and the source cannot be read again "
                f"({why}); set id in [pipeline] and start a new run"
            ) from None

    def _needs_new_features(self) -> bool:
        rebuilt = [wanted.rebuild(self.past) for wanted in self.wanted]
        return any(r.learns_features or "features" in unlike_stages(self.past, r) for r in rebuilt)

    def _from_features(self, strict: bool, source: str = "") -> Trial:
        position = Unrecorded()
        with Session(self.past) as session:
            own, others = self._rebuilt()
            engines = _Engines(
                None if own is None else session.engine(own, session.given),
                [session.engine(rebuilt, session.given) for rebuilt in others],
                position,
            )
            trial = Trial("recorded features", source)
            feed = _with_features(session, engines, trial, strict)
            return self._go_through(session, engines, feed, trial)

    def _from_source(self) -> Trial:
        with Session(self.past) as session:
            engines = _sharing(session, *self._rebuilt())
            return self._go_through(session, engines, session.from_source(), Trial("source"))

    def _from_inputs(self, why: str) -> Trial:
        position = Unrecorded()
        with Session(self.past) as session:
            engines = attrs.evolve(_sharing(session, *self._rebuilt()), position=position)
            feed = _whole_only(session, engines, position)
            return self._go_through(session, engines, feed, Trial("recorded inputs", why))

    def _rebuilt(self) -> tuple[Rebuilt | None, list[Rebuilt]]:
        """The run's own configuration, if it can be built, and the others."""
        try:
            own = Wanted().rebuild(self.past)
        except UsageError:
            own = None
        return own, [wanted.rebuild(self.past) for wanted in self.wanted]

    def _go_through(self, session: Session, engines: _Engines, feed: Iterable[Fed], trial: Trial) -> Trial:
        visit, redact = self.visitor(session), session.redaction.packet_redactor()
        progress = self.progress or (lambda _: None)
        same = 0
        try:
            for packet, event, position in feed:
                own, decisions = engines.decide(event, position, packet)
                if packet is None:
                    continue
                trial.decisions += 1
                same += own is not None and not differences(packet, own, redact)
                visit(packet, decisions)
                if trial.decisions % _PULSE == 0:
                    progress(trial.decisions)
        except JournalEnds as end:
            trial.ended = str(end)
        progress(trial.decisions)
        if not trial.decisions:
            raise self._none(trial)
        trial.reproduced = None if engines.own is None else same
        trial.orders = [{"recorded": e.recorded, "assumed": e.assumed, "unused": e.unused} for e in engines.others]
        trial.other_params = [dict(engine.other_params.most_common()) for engine in engines.others]
        return trial

    def _none(self, trial: Trial) -> UsageError:
        if not trial.left_out and not trial.ended:
            return nothing_decided(self.past)
        why = trial.ended or (
            f"what all {trial.left_out:,} were made from was redacted, and the source cannot be read again "
            f"({trial.source})"
        )
        return UsageError(f"run {self.past.directory.name!r}: not one decision can be made again: {why}")


@attrs.frozen
class _Engines:
    """What decides side by side.

    Attributes:
        own: By the run's own configuration, or None.
        others: By the configurations that are tried out.
        position: Stands for the position of events, if that is not known.
    """

    own: Again | None
    others: list[Again]
    position: Unrecorded | None = None

    @property
    def all(self) -> list[Again]:
        return [*([] if self.own is None else [self.own]), *self.others]

    def decide(
        self, event: Event, position: Position, packet: Packet | None
    ) -> tuple[Decision | None, list[Decision | None]]:
        own = None if self.own is None else self._decide(self.own, event, position, packet)
        return own, [self._decide(engine, event, position, packet) for engine in self.others]

    def _decide(self, engine: Again, event: Event, position: Position, packet: Packet | None) -> Decision | None:
        asked = 0 if self.position is None else self.position.asked
        try:
            decision = engine.decide_again(event, position, packet)
        except InvalidEvent:
            engine.pipeline.step += 1
            return None
        if self.position is not None and self.position.asked - asked > decision.acts:
            raise NotWhole
        return decision


def _sharing(session: Session, own: Rebuilt | None, others: Sequence[Rebuilt]) -> _Engines:
    """Open pipelines that compute the same features once, where nobody can tell the difference."""
    shared: dict[bytes, Shared] = {}

    def engine(rebuilt: Rebuilt) -> Again:
        if rebuilt.learns_features or rebuilt.limited or rebuilt.parts.canary is not None:
            return session.engine(rebuilt)
        which = msgspec.json.encode(rebuilt.what_makes_features(), enc_hook=str, order="deterministic")
        extractor = shared.get(which) or shared.setdefault(which, Shared(rebuilt.extractors[MAIN]))
        return session.engine(rebuilt, extractor)

    return _Engines(None if own is None else engine(own), [engine(rebuilt) for rebuilt in others])


def _with_features(session: Session, engines: _Engines, trial: Trial, strict: bool) -> Iterator[Fed]:
    """Give the packets that hold all that model and modulators need."""
    build = engines.all[0].pipeline.build
    needed = [getter(path) for path in (build.key, build.timestamp, build.id) if path is not None]
    assert engines.position is not None
    for packet, event, position in session.from_trace(engines.position):
        assert packet is not None
        if is_marked(packet["mdm"]["features"]) or any(_is_hidden(get, event) for get in needed):
            if strict:
                raise NotWhole
            trial.left_out += 1
            continue
        session.given.packet = packet
        for engine in engines.all:
            engine.pipeline.step = packet["step"]
        yield packet, event, position


def _whole_only(session: Session, engines: _Engines, position: Unrecorded) -> Iterator[Fed]:
    """Give all packets, and refuse one whose input is not what the run was given."""
    for packet, event, unrecorded in session.from_trace(position):
        assert packet is not None
        session.check_whole(packet)
        for engine in engines.all:
            engine.pipeline.step = packet["step"]
        yield packet, event, unrecorded


def _is_hidden(get: Callable[[Any], Any], event: Any) -> bool:
    try:
        value = get(event)
    except ABSENT:
        return True
    return isinstance(value, str) and (MASK in value or FAILED in value)
