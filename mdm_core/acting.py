"""From decisions to deeds: group commit of intents, execution, receipts and packets, in the order of the steps."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from mdm_core.control import Control, Heard
from mdm_core.decision import Decision
from mdm_core.execution import Executor, Job
from mdm_core.journal import Journal, SwitchedOff, TimedOut
from mdm_core.pipeline import Pipeline
from mdm_core.recording import Recorder
from mdm_core.signals import StopSignals
from mdm_core.summary import Tally

_LINGER_NS = 20_000_000
_NAP_S = 0.002


class Acting:
    """Sees to it that decisions are carried out and recorded, and that the pipeline learns what came of them.

    A decision that acts is held, with those that come after it, until the group is full, so that one write to the disk
    makes the intents of all of them durable before the first is carried out.

    Args:
        pipeline: Learns of receipts and commands.
        journal: Where intents and inputs are written.
        recorder: Where packets and audit events are written.
        control: Hears the operator.
        executor: Carries out; None if nothing is carried out.
        signals: Are told when the run is to end because of what was carried out.
        tally: Counts what was recorded.
        mode: What is on the disk when: ``strict``, ``group`` or ``fast``.

    Attributes:
        held: Decisions that are not recorded yet.
        behind: Whether the disk lacks what the next decisions are made from, so that they have to be held.
        adopted: Step to the order that an earlier process was about to give.
        commands: The operator's commands that are not obeyed in full yet.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        journal: Journal,
        recorder: Recorder,
        control: Control,
        executor: Executor | None,
        signals: StopSignals,
        tally: Tally,
        mode: str = "group",
    ) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._recorder = recorder
        self.commands = control.heard
        self._executor = executor
        self._signals = signals
        self._tally = tally
        self._durable = mode != "fast"
        self._strict = mode == "strict"
        self._held_since = 0
        self.held: list[Decision] = []
        self.behind = False
        self.adopted: dict[int, Job] = {}

    def hold(self, decision: Decision) -> None:
        """Hold a decision that acts, or comes after one that is held or after what is not durable; 20 ms at most.

        Args:
            decision: The decision.

        Raises:
            JournalFailed: An intent could not be written; nothing may be done any more.
            TraceFailed: A packet could not be written.
        """
        now = time.perf_counter_ns()
        if not self.held:
            self._held_since = now
        self.held.append(decision)
        if self._strict or now - self._held_since > _LINGER_NS:
            self.commit()

    def settle(self) -> None:
        """Carry out and record what is held, and let the pipeline learn of everything that waits.

        Raises:
            JournalFailed: An intent could not be written; nothing may be done any more.
            TraceFailed: A packet could not be written.
        """
        if self.held:
            self.commit()
        if self._executor is not None and self._executor.pending:
            self._executor.poll()
            self._heed_stop()
        self._learn()

    def obey(self) -> None:
        """Do what the operator's commands ask for besides what is in force since they were heard."""
        heard = self.commands[:]  # those that come meanwhile have their turn next
        if any(command.name == "stop" for command in heard) and self._executor is not None:
            self._executor.cancel_pending()
        self.settle()
        del self.commands[: len(heard)]
        self.tell(heard)

    def tell(self, commands: Iterable[Heard]) -> None:
        """Write the operator's commands into the audit log.

        Args:
            commands: The commands.
        """
        for command in commands:
            details = msgspec.structs.asdict(command) | {"commanded_at": command.at, "step": self._pipeline.step}
            self._recorder.audit(f"operator_{command.name}", {k: v for k, v in details.items() if k != "at"})

    def finish(self) -> None:
        """Carry out and record what is held, wait for pending orders, and let the pipeline learn of everything.

        A run that was asked to end learns of nothing more: it will where it would have anyway, when it is gone on with.

        Raises:
            JournalFailed: An intent could not be written; nothing may be done any more.
            TraceFailed: A packet could not be written.
        """
        if self._signals.asked and not self.commands:
            self.commit()
        else:
            self.settle()
            while self._executor is not None and self._executor.pending and not self._signals.asked:
                time.sleep(_NAP_S)
                self.obey()
            self.obey()
        self._recorder.flush()
        self._journal.flush()

    def note_overruns(self, known: bool = False) -> None:
        """Write down which components took too long, so that a replay need not wait for them.

        Args:
            known: The journal tells of it already; only the audit log may lack it.
        """
        limits = self._pipeline.limits
        while limits is not None and limits.overruns:
            o = limits.overruns.pop(0)
            step = self._pipeline.step - 1 if o.step is None else o.step
            if not known:
                self._journal.add(TimedOut, o.step, o.stage, o.component, o.code, o.seq)
                if o.off_for:
                    self._journal.add(SwitchedOff, step, o.component, o.off_for)
                self._precede()
            if o.off_for:
                self._recorder.audit("switched_off", {"step": step, "component": o.component, "decisions": o.off_for})

    def commit(self) -> None:
        """Carry out and record what is held.

        Raises:
            JournalFailed: An intent could not be written; nothing may be done any more.
            TraceFailed: A packet could not be written.
        """
        executor, held, adopted = self._executor, self.held, self.adopted
        jobs = [] if executor is None else [adopted.get(d.step) or executor.intend(d) for d in held if d.acts]
        self._journal.flush(durable=self._durable)
        self.behind = False
        if executor is not None:
            for job in jobs:
                if adopted.pop(job.decision.step, None) is not None:
                    executor.recover(job)
                else:
                    executor.carry_out(job)
            self._heed_stop()
        self._journal.flush(durable=self._strict)
        for decision in held:
            self._recorder.decision(decision)
            self._tally.count(decision)
        held.clear()
        if self._strict:
            self._recorder.flush(durable=True)

    def _heed_stop(self) -> None:
        if self._executor is not None and self._executor.ended:
            self._signals.asked = self._signals.asked or self._executor.ended

    def _learn(self) -> None:
        pipeline = self._pipeline
        inputs = self._journal.take_inputs(pipeline.step)
        if inputs:
            self._precede()
        for make in inputs:
            failures = pipeline.observe(make(pipeline.feedback_seq + 1))
            self.note_overruns()
            for failure in failures:
                self._recorder.failure(failure)

    def _precede(self) -> None:
        """See to it that nothing which comes of the journal's last lines is written before they are."""
        self._journal.flush()
        self.behind = self._durable
