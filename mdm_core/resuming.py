"""Going on with a run: what was decided is decided again, without acting, until there is nothing recorded any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from mdm_core.acting import Acting
from mdm_core.contracts import TraceSink
from mdm_core.control import Control, Heard
from mdm_core.decision import Decision
from mdm_core.errors import InvalidEvent, UsageError
from mdm_core.execution import Executor
from mdm_core.journal import Clock, Command, Journal
from mdm_core.pipeline import Pipeline
from mdm_core.recording import Audited, Recorder, audited
from mdm_core.remains import Record as OrderRecord
from mdm_core.remains import Remains, ResumeFailed, essence
from mdm_core.replay import RecordedInputs, Replay
from mdm_core.values import Idle, Position, Record, Reject

_HELD = 512


@attrs.define
class Recorded:
    """What the sinks have kept since the checkpoint.

    Attributes:
        packets: For each sink of packets, in order, step to the essence of what it has.
        clock: Step to the time at which its packet says that it was decided.
        audited: What the audit log has of what may be told again.
        errors: Reason code to number of failures in the audit log that do not come again.
        dead_letters: How many of them there are.
    """

    packets: list[dict[int, bytes]] = attrs.field(factory=list)
    clock: dict[int, int] = attrs.field(factory=dict)
    audited: set[Audited] = attrs.field(factory=set)
    errors: Counter[str] = attrs.field(factory=Counter)
    dead_letters: int = 0

    @classmethod
    def of(cls, sinks: Sequence[TraceSink], marks: Sequence[dict[str, Any] | None], dead_letters: int) -> Recorded:
        """Read it.

        Args:
            sinks: All sinks of the run.
            marks: Where each stood at the checkpoint.
            dead_letters: How many of them stand behind the checkpoint.

        Raises:
            UsageError: A sink cannot give back what it was given.
        """
        found = cls(dead_letters=dead_letters)
        for sink, mark in zip(sinks, marks, strict=True):
            try:
                if sink.accepts == "packets":
                    found.packets.append({})
                    for packet in sink.since(mark):
                        found._add(packet)
                else:
                    for event in sink.since(mark):
                        found._add_event(event)
            except NotImplementedError:
                raise UsageError(
                    f"{sink.component_id} cannot give back what it was given, so the run cannot be gone on with; "
                    f"start a new run"
                ) from None
        return found

    def _add(self, packet: Mapping[str, Any]) -> None:
        step, now_ms = packet["step"], packet["external"].get("now_ms")
        self.packets[-1][step] = essence(packet)
        if isinstance(now_ms, int):
            self.clock[step] = now_ms

    def _add_event(self, event: Mapping[str, Any]) -> None:
        name, code = str(event.get("event")), str(event.get("reason_code"))
        if name == "error" and code != "outcome_unknown":
            self.errors[code] += 1
        else:
            self.audited.add(audited(name, event))

    def last(self) -> list[int]:
        """For each sink of packets the last step that it has, or -1."""
        return [max(packets, default=-1) for packets in self.packets]


@attrs.define
class Resumption:
    """Decides again what an earlier process has decided.

    Attributes:
        remains: What that process has left.
        recorded: What the sinks have kept.
        pipeline: Restored from the checkpoint.
        acting: Takes over the orders that are in doubt.
        executor: Knows what came of the others; None if nothing is carried out.
        recorder: Writes what is missing.
        journal: Gets back the inputs that were not learned of.
        control: Gets back the operator's commands.
        group: Receipts are applied before the steps that are divisible by this.
    """

    remains: Remains
    recorded: Recorded
    pipeline: Pipeline
    acting: Acting
    executor: Executor | None
    recorder: Recorder
    journal: Journal
    control: Control
    group: int
    _orders: dict[int, OrderRecord] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._orders = self.remains.orders()

    def catch_up(self, records: Iterator[Record | Reject | Idle]) -> Iterator[Position]:
        """Decide again, up to the first step of which nothing is recorded.

        Args:
            records: What the source gives behind the checkpoint.

        Yields:
            The position of each record, once it has been dealt with.

        Raises:
            ResumeFailed: What comes now is not what was recorded.
        """
        pipeline = self.pipeline
        self._mend_clock()
        inputs = RecordedInputs(self.remains.entries)
        replay = Replay(pipeline, inputs, self.remains.saved.run_id)
        frontier = max(self.remains.frontier(), *(last + 1 for last in (-1, *self.recorded.last())))
        while pipeline.step < frontier:
            item = next(records, None)
            if item is None:
                raise ResumeFailed(f"the source ends before step {frontier - 1}, which the run has decided")
            if isinstance(item, Idle):
                continue
            if isinstance(item, Reject):
                self.recorder.dead_letter(item.reason, item.position, item.excerpt)
            else:
                self._again(replay, item)
            yield item.position
        self._learn(replay)
        replay.end()
        self._take_back(inputs, replay)
        if pipeline.step % self.group == 0:
            self.acting.settle()  # as the run was about to
        else:
            self.acting.commit()

    def _mend_clock(self) -> None:
        """Take from the trace what a loss of power has left of the wall clock there alone."""
        known = {entry.step for entry in self.remains.entries if isinstance(entry, Clock)}
        for step, now_ms in self.recorded.clock.items() if self.pipeline.build.clock == "wall" else ():
            if step not in known:
                self.journal.add(Clock, step, now_ms)
                self.remains.entries.append(Clock(self.journal.last, step, now_ms))

    def _learn(self, replay: Replay) -> None:
        replay.learn(self.pipeline.step)
        self.acting.note_overruns(known=True)

    def _again(self, replay: Replay, item: Record) -> None:
        self._learn(replay)
        try:
            decision = replay.decide(item.event, item.position)
        except InvalidEvent as error:
            self.recorder.dead_letter(error.reason, item.position, item.event)
            return
        self.acting.note_overruns(known=True)
        self._check(decision)
        order = self._orders.get(decision.step)
        if order is not None:
            self._adopt(decision, order)
        self.acting.held.append(decision)
        if len(self.acting.held) >= _HELD:
            self.acting.commit()

    def _check(self, decision: Decision) -> None:
        packet: Mapping[str, Any] | None = None
        for packets in self.recorded.packets:
            known = packets.pop(decision.step, None)
            if known is None:
                continue
            packet = packet or self.recorder.packet(decision)
            if known != essence(packet):
                raise ResumeFailed(
                    f"step {decision.step}: the decision is not the one that was recorded; the model, a plugin or the "
                    f"source decides differently now, and nothing more is done"
                )

    def _adopt(self, decision: Decision, order: OrderRecord) -> None:
        if self.executor is None or not decision.acts:
            raise ResumeFailed(
                f"step {decision.step}: an order was about to be given (line {order.intent.n} of the journal), and now "
                f"nothing is decided to be done; nothing more is done"
            )
        self.acting.adopted[decision.step] = self.executor.adopt(decision, order)

    def _take_back(self, inputs: RecordedInputs, replay: Replay) -> None:
        """Keep what the earlier process wrote down and did not learn of for when its turn comes."""
        # In front, for what has come since is younger.
        self.journal.waiting[:0] = [(entry.n, replay.fact_of(entry)) for entry in inputs.unapplied]
        commands = [entry for entry in self.remains.entries if isinstance(entry, Command)]
        heard = [Heard(command.name, "", command.user, command.at) for command in commands]
        unapplied = sum(isinstance(entry, Command) for entry in inputs.unapplied)
        # The others were learned of, but the audit log may lack them; what it has it is not told again.
        self.acting.tell(heard[: len(heard) - unapplied])
        self.control.heard[:0] = heard[len(heard) - unapplied :]
