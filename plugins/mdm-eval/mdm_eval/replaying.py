"""Replay: the run's own pipeline decides about the run's own events again, and every decision has to be the same."""

from __future__ import annotations

import tempfile
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
import msgspec
from mdm_core import Decision, InvalidEvent, PastRun
from mdm_core.canary import MAIN

from mdm_eval.again import Again, JournalEnds
from mdm_eval.comparing import Differences, Packet, differences
from mdm_eval.extracting import Confirmed
from mdm_eval.feeding import Fed, NoSource, Unrecorded
from mdm_eval.flips import label_of, recorded_label
from mdm_eval.marks import is_marked, marked_paths
from mdm_eval.rebuilding import Rebuilt, changed_files, changed_options, changed_versions, not_known
from mdm_eval.session import Session, Wanted, unlike_stages

Progress = Callable[[int], None]

_IN_MEMORY = 16 << 20
_PULSE = 512


class Spool:
    """Keeps differences, in a temporary file when there are many; what they hold is redacted."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with its owner
        weakref.finalize(self, self._file.close)
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def add(self, difference: dict[str, Any]) -> None:
        """Keep one more."""
        self._file.write(self._encode(difference) + b"\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give them back, in order."""
        self._file.seek(0)
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        for line in self._file:
            yield decode(line)


@attrs.define
class ReplayReport:
    """What came of a replay.

    Attributes:
        run_id: Id of the run.
        source: Why the source was not read, or an empty text.
        packets: Decisions that the trace holds.
        same: Those that were decided again just so.
        different: Those that were not.
        unknown: Those that could not be decided again, each kind of reason to its number.
        from_source: Decided from the source's event.
        from_inputs: Decided from the recorded input, which redaction left whole.
        from_features: Decided from the recorded features: model and modulators alone.
        missing: Steps before the last one of which the trace holds no packet.
        ended: Why the replay ended before the trace, or an empty text.
        fields: Field to number of decisions in which it differs.
        flips: What was done and what would be done now, to the number of decisions.
        orders: Orders for which recorded answers served, for which ``done`` was assumed, and answers of no use.
        changed: Options that are not those of the run: where, before, now.
        not_known: Options of which the run has recorded a mark, so that what is there now may be another.
        files: Files that have changed since.
        versions: Distributions of which another version is installed.
        seconds: How long it took.
        differences: Each difference: ``step`` and ``fields``, with both values of each.
    """

    run_id: str
    source: str = ""
    packets: int = 0
    same: int = 0
    different: int = 0
    unknown: Counter[str] = attrs.field(factory=Counter)
    from_source: int = 0
    from_inputs: int = 0
    from_features: int = 0
    missing: int = 0
    ended: str = ""
    fields: Counter[str] = attrs.field(factory=Counter)
    flips: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    orders: dict[str, int] = attrs.field(factory=dict)
    changed: list[tuple[str, Any, Any]] = attrs.field(factory=list)
    not_known: list[str] = attrs.field(factory=list)
    files: list[str] = attrs.field(factory=list)
    versions: dict[str, tuple[str, str | None]] = attrs.field(factory=dict)
    seconds: float = 0.0
    differences: Spool = attrs.field(factory=Spool, repr=False)

    @property
    def verified(self) -> bool:
        """Whether every decision in the trace is the same; not, if there is none."""
        return bool(self.packets) and self.same == self.packets

    def to_dict(self) -> dict[str, Any]:
        """The report in builtin types, without the differences."""
        told = attrs.asdict(self, filter=attrs.filters.exclude("differences"), recurse=False)
        told["flips"] = [{"from": a, "to": b, "decisions": n} for (a, b), n in self.flips.most_common()]
        told["changed"] = [{"option": where, "before": old, "now": new} for where, old, new in self.changed]
        told["versions"] = {name: {"run": old, "installed": new} for name, (old, new) in self.versions.items()}
        return {"verified": self.verified, **told}


def replay(past: PastRun, wanted: Wanted | None = None, progress: Progress | None = None) -> ReplayReport:
    """Decide about a run's events again, with what the run learned, and compare.

    Events come from the source if it is still there and gives what was recorded; else from the trace. What the trace
    holds of an event is used only if features that are computed from it are those that were recorded; else model and
    modulators get the recorded features.

    Args:
        past: The run, over or going on.
        wanted: Another configuration than the run's own.
        progress: Called now and then with the number of decisions made.

    Raises:
        ConfigError: A component cannot be built or opened.
        UsageError: The run has not recorded enough to be decided about again.
        JournalFailed: The journal is damaged.
    """
    wanted = wanted or Wanted()
    try:
        return _Attempt(past, wanted, progress).from_source()
    except NoSource as why:
        return _Attempt(past, wanted, progress).from_trace(str(why))


class _Attempt:
    def __init__(self, past: PastRun, wanted: Wanted, progress: Progress | None) -> None:
        self._past = past
        self._rebuilt = wanted.rebuild(past)
        self._progress = progress or (lambda _: None)
        self._report = ReplayReport(
            past.directory.name,
            changed=changed_options(past, self._rebuilt),
            not_known=not_known(past, self._rebuilt),
            files=changed_files(past, self._rebuilt),
            versions=changed_versions(past),
        )

    def from_source(self) -> ReplayReport:
        with Session(self._past) as session:
            engine = session.engine(self._rebuilt)
            self._run(session, engine, self._decisions_from_source(engine, session.from_source()))
        return self._report

    def from_trace(self, why: str) -> ReplayReport:
        self._report.source = why
        position = Unrecorded()
        with Session(self._past) as session:
            if "features" in unlike_stages(self._past, self._rebuilt):
                engine, confirmed = session.engine(self._rebuilt), None
            else:
                confirmed = session.confirmed(self._rebuilt)
                engine = session.engine(self._rebuilt, confirmed)
            again = _FromTrace(session, self._rebuilt, engine, confirmed, position, self._report)
            self._run(session, engine, again.decisions(session.from_trace(position)))
        return self._report

    def _decisions_from_source(self, engine: Again, feed: Iterable[Fed]) -> Iterator[tuple[Packet, Decision]]:
        report = self._report
        for packet, event, position in feed:
            try:
                decision = engine.decide_again(event, position, packet)
            except InvalidEvent as error:
                if packet is not None:
                    report.packets += 1
                    report.unknown[f"the event is refused now: {error.reason}"] += 1
                engine.pipeline.step += 1
                continue
            if packet is None:
                report.missing += 1
                continue
            report.packets += 1
            report.from_source += 1
            yield packet, decision

    def _run(self, session: Session, engine: Again, decisions: Iterator[tuple[Packet, Decision]]) -> None:
        report, redact = self._report, session.redaction.packet_redactor()
        started = time.perf_counter()
        number = 0
        try:
            for number, (packet, decision) in enumerate(decisions, 1):
                found = differences(packet, decision, redact)
                if found:
                    self._note(packet, decision, found)
                else:
                    report.same += 1
                if number % _PULSE == 0:
                    self._progress(number)
        except JournalEnds as end:
            report.ended = str(end)
        self._progress(number)
        report.orders = {"recorded": engine.recorded, "assumed": engine.assumed, "unused": engine.unused}
        report.seconds = round(time.perf_counter() - started, 3)

    def _note(self, packet: Packet, decision: Decision, found: Differences) -> None:
        report = self._report
        report.different += 1
        report.fields.update(found.keys())
        before, now = recorded_label(packet), label_of(decision)
        if before != now:
            report.flips[before, now] += 1
        fields = {name: {"recorded": old, "now": new} for name, (old, new) in found.items()}
        report.differences.add({"step": packet["step"], "recorded": before, "now": now, "fields": fields})


@attrs.define
class _FromTrace:
    """Decides from what the trace holds, as far as that is what the run was given."""

    session: Session
    rebuilt: Rebuilt
    engine: Again
    confirmed: dict[str, Confirmed] | None
    position: Unrecorded
    report: ReplayReport

    def decisions(self, feed: Iterable[Fed]) -> Iterator[tuple[Packet, Decision]]:
        pipeline, report = self.engine.pipeline, self.report
        for packet, event, position in feed:
            assert packet is not None
            report.packets += 1
            report.missing += packet["step"] - pipeline.step
            pipeline.step = packet["step"]
            hidden = self._hidden(packet)
            decision = None
            if hidden is None:
                asked = self.position.asked
                try:
                    decision = self.engine.decide_again(event, position, packet)
                except InvalidEvent as error:
                    hidden = f"its event is not whole: {error.reason}"
                if decision is not None and self.position.asked - asked > decision.acts:
                    hidden = "a component goes by the event's id, which was its position and is not in the trace"
            if hidden is not None or decision is None:
                report.unknown[hidden or ""] += 1
                pipeline.step = packet["step"] + 1
                continue
            if self.confirmed is None or self.confirmed[decision.context.get("mdm.arm", MAIN)].whole:
                report.from_inputs += 1
            else:
                report.from_features += 1
            yield packet, decision

    def _hidden(self, packet: Packet) -> str | None:
        """Why a packet does not hold what its decision was made from."""
        if self.confirmed is None:
            self.session.check_whole(packet)
            return None
        for confirmed in self.confirmed.values():
            confirmed.packet = packet
        if is_marked(packet["mdm"]["features"]):
            return "its features were redacted"
        paths = self.rebuilt.admission
        hidden = [path for path in marked_paths(packet["input"]) if path in paths] if paths else []
        return f"its {hidden[0]} was redacted" if hidden else None
