"""A run: events from a source, decided by the pipeline, carried out, recorded and counted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from mdm_core import log
from mdm_core.acting import Acting
from mdm_core.checkpoints import Checkpoints, Saved
from mdm_core.contracts import Broker, Component, DataSource, Observer, Redactor, TraceSink
from mdm_core.control import Control
from mdm_core.errors import ConfigError, ContractError, InvalidEvent, MdmError, UsageError
from mdm_core.execution import Executor
from mdm_core.failures import describe, not_of_ours
from mdm_core.journal import Clock, Journal, JournalFailed
from mdm_core.lifecycle import close_all, open_all, with_children
from mdm_core.pipeline import Pipeline
from mdm_core.plan import Plan
from mdm_core.recording import Recorder, TraceFailed, free_name
from mdm_core.redacting import MASK, Redaction
from mdm_core.remains import Remains, ResumeFailed
from mdm_core.replay import ReplayFailed
from mdm_core.resuming import Recorded, Resumption
from mdm_core.rundir import (
    RUN_FILE,
    SUMMARY_FILE,
    RunLock,
    check_run_id,
    create_run_dir,
    find_run,
    new_run_id,
    now_text,
    write_json,
)
from mdm_core.schema import Action
from mdm_core.signals import Interrupted, StopSignals
from mdm_core.state import veil_by
from mdm_core.summary import Status, Summary, Tally
from mdm_core.values import Build, Idle, Position, Record, Reject

_END = object()
_PULSE = 512

Progress = Callable[[int, int | None], None]


class SourceFailed(MdmError):
    """The source raised; there are no more events."""

    exit_code = 1


class Run:
    """One pass of a pipeline over a source.

    Args:
        plan: What is to run.
        run_id: Id of the run; one that sorts by time is made by default.
        runs_dir: Where runs are kept.
        limit: Number of events after which the run ends.
        resume: Go on with the run of that id, which died, failed or was stopped.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        run_id: str | None = None,
        runs_dir: str | Path = "runs",
        limit: int | None = None,
        resume: bool = False,
    ) -> None:
        self.plan = plan
        self._resume = resume
        self.run_id = new_run_id() if run_id is None else run_id
        self.runs_dir = Path(runs_dir)
        self.limit = limit
        self._tally = Tally()
        self._signals = StopSignals()
        self._read = 0
        self._position: Position | None = None
        self._pipeline: Pipeline | None = None
        self._control: Control | None = None

    @classmethod
    def from_config(
        cls,
        path: str | Path,
        overrides: Sequence[str] = (),
        *,
        run_id: str | None = None,
        runs_dir: str | Path = "runs",
        limit: int | None = None,
        resume: bool = False,
    ) -> Run:
        """Make a run from a pipeline file.

        Args:
            path: The TOML file.
            overrides: ``section.key=value`` each, the value in TOML.
            run_id: Id of the run.
            runs_dir: Where runs are kept.
            limit: Number of events after which the run ends.
            resume: Go on with the run of that id.

        Raises:
            ConfigError: All that is wrong with the file, each problem with its place.
        """
        plan = Plan.from_config(path, overrides)
        return cls(plan, run_id=run_id, runs_dir=runs_dir, limit=limit, resume=resume)

    def run(self, progress: Progress | None = None, started: Callable[[], object] | None = None) -> Summary:
        """Run until the source ends, the limit is reached, a signal asks, or source or trace fail.

        Args:
            progress: Called now and then with the number of events read and, if known, their total.
            started: Called once everything is open and the first event is about to be read.

        Returns:
            How it ended; also written to ``summary.json``.

        Raises:
            UsageError: The run cannot begin.
        """
        if self._resume:
            check_run_id(self.run_id)
        run_dir = find_run(self.run_id, self.runs_dir) if self._resume else create_run_dir(self.runs_dir, self.run_id)
        lock = RunLock(run_dir)
        if not lock.acquire():
            raise UsageError(f"run {self.run_id!r} is going on; `mdm stop {self.run_id}` stops it")
        opened: list[Component] = []
        try:
            try:
                self._open(run_dir, opened)
            except BaseException:
                self._close(opened)
                if not self._resume:
                    shutil.rmtree(run_dir, ignore_errors=True)
                raise
            with self._signals:
                if started is not None:
                    started()
                return self._run(run_dir, opened, progress)
        finally:
            log.redact_with(None)
            lock.release()

    def components(self) -> Iterator[Component]:
        """All components that take part, children before those that hold them."""
        for _, built in self.plan.built():
            yield from with_children(built.component)

    def _open(self, run_dir: Path, opened: list[Component]) -> None:
        plan = self.plan
        remains = Remains.of(run_dir) if self._resume else None
        base = plan.config.path.parent
        if plan.redactor is not None:  # first, for it has a say in what is told of the others
            surroundings = Build(base_dir=base, run_id=self.run_id, run_dir=run_dir)
            open_all(with_children(plan.redactor.component), surroundings, opened)
        self._redaction = Redaction(None if plan.redactor is None else cast(Redactor, plan.redactor.component))
        log.redact_with(self._redaction.mapping)
        self._pipeline = pipeline = plan.parts.pipeline(base, self.run_id, run_dir)
        for part in (plan.source, plan.broker, *plan.sinks, *plan.observers):
            if part is not None:
                open_all(with_children(part.component), pipeline.build, opened)
        self._recorder = Recorder(
            self.run_id,
            run_dir,
            self._redaction,
            [cast(TraceSink, b.component) for b in plan.sinks],
            [cast(Observer, b.component) for b in plan.observers],
            self._tally,
        )
        self._source = cast(DataSource, plan.source.component)
        if remains is not None:
            remains.check(self._redaction.mapping(plan.run_json(self.run_id)))
        self._journal = Journal(run_dir, 0 if remains is None else remains.last)
        self._control = control = Control(run_dir, self._journal, lambda: pipeline.now_ms, self._signals.wake)
        control.stopped = remains is not None and remains.stopped
        control.open()
        self._executor = (
            None if plan.broker is None else self._make_executor(cast(Broker, plan.broker.component), control)
        )
        self._acting = Acting(
            pipeline,
            self._journal,
            self._recorder,
            control,
            self._executor,
            self._signals,
            self._tally,
            plan.durability.mode,
        )
        self._checkpoints = Checkpoints(plan.durability, self._save)
        self._resumption = None if remains is None else self._restore(remains, control)

    def _restore(self, remains: Remains, control: Control) -> Resumption:
        assert self._pipeline is not None
        saved, sinks = remains.saved, [cast(TraceSink, b.component) for b in self.plan.sinks]
        self._checkpoints.salt = saved.salt
        try:
            self._pipeline.restore(saved.engine, saved.states, veil_by(saved.salt))
        except ValueError as error:
            raise UsageError(f"run {self.run_id!r} cannot be gone on with: {error}; start a new run") from None
        self._tally.restore(saved.tally)
        if self._executor is not None:
            self._executor.restore(saved.executed)
        self._read, self._position = saved.read, saved.position
        try:
            self._source.resume(saved.position, saved.identity)
        except ConfigError as error:
            raise UsageError(f"{self._source.component_id}: {error}") from None
        self._redaction.restore(saved.redaction)
        self._checkpoints.kept = [remains.file]
        recorded = Recorded.of(sinks, saved.marks, remains.dead_letters())
        for code, number in recorded.errors.items():
            self._tally.errors[code] += number
        return Resumption(
            remains,
            recorded,
            self._pipeline,
            self._acting,
            self._executor,
            self._recorder,
            self._journal,
            control,
            self._group(),
        )

    def _save(self) -> Saved:
        """Everything that the run has come to, with what is behind it on the disk."""
        assert self._pipeline is not None
        self._journal.flush(durable=True)  # first, so that no packet tells of more than it does
        self._recorder.flush(durable=True)
        engine, states = self._pipeline.save(veil_by(self._checkpoints.salt))
        return Saved(
            self.run_id,
            self._read,
            self._position,
            self._source.identity(),
            engine,
            self._checkpoints.salt,
            states,
            self._tally.save(),
            {} if self._executor is None else self._executor.save(),
            self._redaction.save(),
            [cast(TraceSink, b.component).mark() for b in self.plan.sinks],
            sum(self._tally.dead_letters.values()),
        )

    def _make_executor(self, broker: Broker, control: Control) -> Executor:
        return Executor(
            broker,
            self.run_id,
            self.plan.execution,
            self._journal,
            self._signals,
            lambda: control.stopped,
            lambda text: str(self._redaction.mapping({"reference": text}).get("reference", MASK)),
            self._recorder.failure,
        )

    def _run(self, run_dir: Path, opened: list[Component], progress: Progress | None) -> Summary:
        started = time.perf_counter()
        status: Status = "done"
        reason = ""
        try:
            self._begin(run_dir)
            self._loop(run_dir, progress)
            if self._resumption is None:  # else the run was ended before it had caught up
                self._acting.finish()
            if self._signals.asked:
                status, reason = "stopped", self._signals.asked
        except (SourceFailed, TraceFailed, JournalFailed, ResumeFailed, ReplayFailed) as error:
            status, reason = "failed", str(error)
        except Exception as error:
            # Not foreseen, and all the more the run has to be closed and told of.
            failure = describe("run", "", error)
            self._tally.errors[failure.reason_code] += 1
            status, reason = "failed", f"{failure.error} at {failure.place}"
        seconds = time.perf_counter() - started
        summary = self._finish(self._summary(status, reason, seconds, run_dir))
        self._close(opened)
        try:
            write_json(run_dir / SUMMARY_FILE, {**summary.to_dict(), "ended_at": now_text()})
        except OSError as error:
            reason = f"{SUMMARY_FILE} failed: {type(error).__name__}: {error.strerror}"
            if summary.status != "failed":
                return attrs.evolve(summary, status="failed", reason=reason)
        return summary

    def _begin(self, run_dir: Path) -> None:
        if self._resumption is not None:
            remains, recorded = self._resumption.remains, self._resumption.recorded
            raw = self.plan.redactor is None
            self._recorder.resume(remains.run, raw, recorded.last(), recorded.audited, recorded.dead_letters)
            return
        run = self.plan.run_json(self.run_id)
        try:
            run["source"] = self._source.identity()
        except BaseException as error:
            not_of_ours(error)
            raise self._source_failed(error) from error
        finally:
            run = dict(self._redaction.mapping(run))
            self._write_run(run_dir, run)
        self._recorder.start(run, raw_excerpts=self.plan.redactor is None)
        self._checkpoint(run_dir)

    def _write_run(self, run_dir: Path, run: dict[str, Any]) -> None:
        try:
            write_json(run_dir / RUN_FILE, run)
        except OSError as error:
            raise JournalFailed(f"{RUN_FILE} failed: {type(error).__name__}: {error.strerror}") from error

    def _close(self, opened: list[Component]) -> None:
        if self._control is not None:
            self._control.close()
        close_all(opened)
        if self._pipeline is not None:
            self._pipeline.close()

    def _checkpoint(self, run_dir: Path) -> None:
        try:
            self._checkpoints.write(run_dir, self._journal)
        except OSError as error:
            raise JournalFailed(f"checkpoint failed: {type(error).__name__}: {error.strerror}") from error

    def _loop(self, run_dir: Path, progress: Progress | None) -> None:
        pipeline, tally, signals, limit = self._pipeline, self._tally, self._signals, self.limit
        assert pipeline is not None
        decide = pipeline.decide
        record, count = self._recorder.decision, tally.count
        acting, commands, inputs = self._acting, self._acting.commands, self._journal.waiting
        hold, settle, held = acting.hold, acting.settle, acting.held
        acts = self._executor is not None
        wall, group = self.plan.parts.options.clock == "wall", self._group()
        total = self._total() if progress is not None else None
        no_action = Action.HOLD
        checkpoints = self._checkpoints
        in_flight: Mapping[str, object] = {} if self._executor is None else self._executor.in_flight
        due, pulse = False, min(_PULSE, self.plan.durability.checkpoint_events)
        try:
            signals.reading = True
            records = iter(self._source.records())
            signals.reading = False
            if self._resumption is not None:
                self._catch_up(self._resumption, records)
            read = self._read
            while not signals.asked and (limit is None or read < limit):
                signals.reading = True
                item = next(records, _END)
                signals.reading = False
                if commands:
                    acting.obey()
                if type(item) is Record:
                    try:
                        decision = decide(item.event, position=item.position)
                    except InvalidEvent as error:
                        self._recorder.dead_letter(error.reason, item.position, item.event)
                    else:
                        if decision.failure is not None:
                            acting.note_overruns()
                        if wall:
                            self._journal.add(Clock, decision.step, decision.context["now_ms"])
                            self._journal.flush()
                        final = decision.final
                        if held or acting.behind or (acts and final.action is not no_action and final.allowed):
                            hold(decision)
                        else:
                            record(decision)
                            count(decision)
                        if (held or inputs or in_flight) and pipeline.step % group == 0:
                            settle()
                elif type(item) is Reject:
                    self._recorder.dead_letter(item.reason, item.position, item.excerpt)
                elif item is _END:
                    break
                elif type(item) is Idle:
                    settle()
                    self._recorder.flush()
                    continue
                else:
                    raise self._source_failed(ContractError("a source yields Record, Reject or Idle"))
                read += 1
                if read % pulse == 0:
                    due = checkpoints.due(read)
                    if progress is not None:
                        progress(read, total)
                if due and pipeline.step % group == 0 and not (held or inputs or in_flight):
                    self._read, self._position, due = read, item.position, False
                    self._checkpoint(run_dir)
        except Interrupted:
            pass
        except BaseException as error:
            if not signals.reading:
                raise
            not_of_ours(error)
            raise self._source_failed(error) from error
        finally:
            signals.reading = False
        if progress is not None:
            progress(self._tally.events, total)

    def _catch_up(self, resumption: Resumption, records: Iterator[Record | Reject | Idle]) -> None:
        for position in resumption.catch_up(self._reading(records)):
            self._position = position
            self._read += 1
            if self._signals.asked:
                raise Interrupted
        self._resumption = None

    def _reading(self, records: Iterator[Record | Reject | Idle]) -> Iterator[Record | Reject | Idle]:
        signals = self._signals
        while True:
            signals.reading = True
            item = next(records, None)
            signals.reading = False
            if item is None:
                return
            yield item

    def _source_failed(self, error: BaseException) -> SourceFailed:
        failure = describe("source", self._source.component_id, error)
        self._recorder.failure(failure)
        reason = f": {error.strerror}" if isinstance(error, OSError) else ""
        return SourceFailed(f"source {self._source.component_id} failed: {failure.error}{reason}")

    def _group(self) -> int:
        return self.plan.parts.group

    def _total(self) -> int | None:
        try:
            length = self._source.length
        except BaseException as error:
            not_of_ours(error)
            raise self._source_failed(error) from error
        return length if self.limit is None or length is None else min(length, self.limit)

    def _summary(self, status: Status, reason: str, seconds: float, run_dir: Path) -> Summary:
        tally, executor = self._tally, self._executor
        return Summary(
            run_id=self.run_id,
            status=status,
            reason=reason,
            events=tally.events,
            decided=tally.decided,
            dead_letters=dict(tally.dead_letters),
            proposed=dict(tally.proposed),
            allowed=dict(tally.allowed),
            carried_out=dict(executor.carried_out) if executor else {},
            executions=executor.tally() if executor else {},
            denied=dict(tally.denied),
            failed_closed=tally.failed_closed,
            errors=self._errors(),
            redaction_failures=self._redaction.failures,
            evicted_keys=self._evicted(),
            counts=self._counts(),
            latency_us={"p50": tally.latency(0.5), "p99": tally.latency(0.99)},
            seconds=round(seconds, 3),
            events_per_s=round(tally.events / seconds, 1) if seconds else 0.0,
            run_dir=str(run_dir),
        )

    def _counts(self) -> dict[str, dict[str, int]]:
        """What the components have counted; one that cannot say is left out, for the run is over."""
        found: dict[str, dict[str, int]] = {}
        for component in self.components():
            try:
                counts = {str(name): int(number) for name, number in component.counts().items() if number}
            except BaseException as error:
                not_of_ours(error)
                self._recorder.failure(describe("counts", component.component_id, error))
                continue
            if counts:
                found[free_name(component.component_id, found)] = counts
        for shadow in self._pipeline.shadows if self._pipeline is not None else ():
            found[f"shadow {shadow.name}"] = {name: number for name, number in shadow.counts.items() if number}
        return found

    def _errors(self) -> dict[str, int]:
        return {**self._tally.errors, **self._redaction.errors}

    def _evicted(self) -> dict[str, int]:
        states = self._pipeline.states() if self._pipeline is not None else ()
        return {name: state.evicted for name, state in states if state.evicted}

    def _finish(self, summary: Summary) -> Summary:
        """Tell of the end; a sink that fails only now still fails the run."""
        try:
            summary = attrs.evolve(summary, findings=self._recorder.end(summary.to_dict()))
            ended = {"status": summary.status, "reason": summary.reason, "events": summary.events}
            self._recorder.audit("run_ended", ended)
            self._recorder.flush(durable=True)
        except TraceFailed as error:
            if summary.status != "failed":
                summary = attrs.evolve(summary, status="failed", reason=str(error))
        self._recorder.close()
        try:
            self._journal.close()
        except JournalFailed as error:
            if summary.status != "failed":
                summary = attrs.evolve(summary, status="failed", reason=str(error))
        return attrs.evolve(summary, errors=self._errors())
