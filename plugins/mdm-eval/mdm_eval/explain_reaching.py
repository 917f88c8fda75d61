"""Getting back to the moment of a decision: the run's pipeline, as it was just before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from mdm_core import Event, InvalidEvent, MdmError, PastRun, Position
from mdm_core.admission import ABSENT, getter
from mdm_core.canary import MAIN
from mdm_core.config import Config
from mdm_core.contracts import Component
from mdm_core.lifecycle import with_children
from mdm_core.recent import Recent
from mdm_core.state import states_of

from mdm_eval.again import Again
from mdm_eval.comparing import Packet
from mdm_eval.explain_moment import Asking, Moment
from mdm_eval.extracting import Several
from mdm_eval.feeding import NoSource, Unrecorded
from mdm_eval.marks import is_marked
from mdm_eval.rebuilding import Rebuilt
from mdm_eval.session import Session, Wanted

_Way: TypeAlias = Callable[[Session, Rebuilt, Packet], Moment]

_TIMES = ("now_ms", "last_event_ts_ms")


class Unreachable(MdmError):
    """The decision cannot be made again; the message says why."""


class _NotWhole(Unreachable):
    """The trace does not hold what decisions were made from."""

    def __init__(self) -> None:
        super().__init__("its features, or what it goes by, were redacted or are not in the trace")


@contextmanager
def moment_of(past: PastRun, packet: Packet, wanted: Wanted) -> Iterator[tuple[Moment, Session, str]]:
    """Go back to the moment of a decision.

    Model and guards get the recorded features, where these are enough; else the run is decided again from its source,
    or from recorded inputs that are whole.

    Args:
        past: The run.
        packet: What was recorded of the decision.
        wanted: What the run was configured by.

    Yields:
        The moment, what is open, and what was decided from.

    Raises:
        Unreachable: Why there is no way back.
        ConfigError: The pipeline file that is wanted is wrong.
    """
    ways: list[tuple[str, _Way]] = [("source", _by_source), ("recorded inputs", _by_inputs)]
    rebuilt = _rebuild(past, wanted, arm_of(packet))
    if not rebuilt.learns_features:
        ways.insert(0, ("recorded features", _by_features))
    why = ""
    for name, way in ways:
        with Session(past) as session:
            try:
                moment = way(session, _rebuild(past, wanted, arm_of(packet)), packet)
            except InvalidEvent as error:
                why = f"its event is not whole: {error.reason}"
                continue
            except MdmError as error:
                why = str(error).partition("\n")[0]
                continue
            yield moment, session, name
            return
    raise Unreachable(why)


def arm_of(packet: Packet | None) -> str | None:
    """Name what decided in a run with a canary: ``main`` or ``canary``; None in a run without one.

    Args:
        packet: What was recorded of a decision, or None.
    """
    return None if packet is None else packet["external"].get("mdm.arm")


def _rebuild(past: PastRun, wanted: Wanted, arm: str | None) -> Rebuilt:
    try:
        rebuilt = wanted.rebuild(past)
        return rebuilt if arm is None else _alone(rebuilt, arm)
    except MdmError as error:
        if wanted.config is not None:
            raise
        raise Unreachable(str(error).partition("\n")[0]) from None


def _alone(rebuilt: Rebuilt, arm: str) -> Rebuilt:
    """One arm as a pipeline of its own; it learned of no decision but its own."""
    document = {name: table for name, table in rebuilt.config.document.items() if name not in ("canary", "shadow")}
    if arm == "canary":
        canary = rebuilt.config.document.get("canary", {})
        if "model" not in canary:
            raise Unreachable("what its canary decided by is in another file, or was not recorded")
        document |= {stage: canary.get(stage, []) for stage in ("features", "model", "modulators")}
    return Rebuilt.of(Config(rebuilt.config.path, document, {}), rebuilt.base_dir)


def _by_features(session: Session, rebuilt: Rebuilt, packet: Packet) -> Moment:
    position = Unrecorded()
    asking = Asking(session.given)
    engine = session.engine(rebuilt, asking)
    known = _known(engine, packet)
    if known is None:
        _go_through(session, engine, packet, position)
        known = _clock(session, engine, packet["step"])
    _refuse_hidden(engine, packet)
    session.given.packet = packet
    asked = position.asked
    moment = Moment(engine, asking, rebuilt, packet, packet["input"], position, known)
    if position.asked > asked:
        raise _NotWhole
    return moment


def _go_through(session: Session, engine: Again, target: Packet, position: Unrecorded) -> None:
    for packet, event, _ in session.from_trace(position):
        assert packet is not None
        if packet["step"] >= target["step"]:
            return
        if arm_of(packet) != arm_of(target):
            continue
        _refuse_hidden(engine, packet)
        session.given.packet = packet
        engine.pipeline.step = packet["step"]
        _decide(engine, event, position, packet)


def _by_source(session: Session, rebuilt: Rebuilt, packet: Packet) -> Moment:
    asking = Asking(Several(rebuilt.extractors[MAIN]))
    engine = session.engine(rebuilt, asking)
    for found, event, position in session.from_source():
        if found is not None and found["step"] == packet["step"]:
            return _reached(session, engine, asking, rebuilt, packet, event, position)
        if arm_of(found) == arm_of(packet):
            _decide(engine, event, position, found)
        else:
            engine.pipeline.step += 1
    raise NoSource(f"it ends before the event of step {packet['step']}")


def _by_inputs(session: Session, rebuilt: Rebuilt, packet: Packet) -> Moment:
    position = Unrecorded()
    asking = Asking(Several(rebuilt.extractors[MAIN]))
    engine = session.engine(rebuilt, asking)
    for found, event, _ in session.from_trace(position):
        assert found is not None
        session.check_whole(found)
        engine.pipeline.step = found["step"]
        if found["step"] == packet["step"]:
            break
        if arm_of(found) == arm_of(packet):
            _decide(engine, event, position, found)
    asked = position.asked
    moment = _reached(session, engine, asking, rebuilt, packet, packet["input"], position)
    if position.asked > asked:
        raise _NotWhole
    return moment


def _decide(engine: Again, event: Event, position: Position, packet: Packet | None) -> None:
    asked = _asked(position)
    try:
        decision = engine.decide_again(event, position, packet)
    except InvalidEvent:
        engine.pipeline.step += 1
        return
    if _asked(position) - asked > decision.acts:
        raise _NotWhole


def _asked(position: Position) -> int:
    return position.asked if isinstance(position, Unrecorded) else 0


def _reached(
    session: Session,
    engine: Again,
    asking: Asking,
    rebuilt: Rebuilt,
    packet: Packet,
    event: Event,
    position: Position,
) -> Moment:
    return Moment(engine, asking, rebuilt, packet, event, position, _clock(session, engine, packet["step"]))


def _clock(session: Session, engine: Again, step: int) -> dict[str, Any] | None:
    if engine.pipeline.build.clock != "wall":
        return None
    now_ms = session.inputs.now_ms(step)
    if now_ms is None:
        raise Unreachable(f"the journal ends before step {step}")
    return {"now_ms": now_ms}


def _known(engine: Again, packet: Packet) -> dict[str, Any] | None:
    """What was known at a decision, if model and guards remember nothing and all of it was recorded; else None."""
    pipeline = engine.pipeline
    parts = [part for top in (pipeline.model, *pipeline.modulators) for part in with_children(top)]
    if any(states_of(part) or type(part).observe is not Component.observe for part in parts):
        return None
    external = packet["external"]
    needed = [] if pipeline.build.clock is None else list(_TIMES[: 1 if pipeline.build.timestamp is None else 2])
    if pipeline.modulators and needed:
        needed += Recent().context(0)
    known = {name: external.get(name) for name in needed}
    return None if None in known.values() or is_marked(known) else known


def _refuse_hidden(engine: Again, packet: Packet) -> None:
    build = engine.pipeline.build
    if is_marked(packet["mdm"]["features"]):
        raise _NotWhole
    for path in (build.key, build.timestamp, build.id):
        if path is not None and _is_hidden(packet["input"], path):
            raise _NotWhole


def _is_hidden(event: Any, path: str) -> bool:
    try:
        return is_marked(getter(path)(event))
    except ABSENT:
        return True
