"""Deciding again what a run decided: the same events, and the recorded inputs from its journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mdm_core.decision import Decision
from mdm_core.errors import MdmError
from mdm_core.journal import Answered, AnyEntry, Applied, Clock, Command, Ended, MakeFact, TimedOut
from mdm_core.limits import Call
from mdm_core.orders import make_order
from mdm_core.pipeline import Pipeline
from mdm_core.values import Commanded, Event, Executed, Fact, Order, Position, Receipt, Settled

_Input = Answered | Ended | Command


class ReplayFailed(MdmError):
    """The journal does not fit the events."""

    exit_code = 1


class RecordedInputs:
    """The recorded inputs of a run, each with the step before which it was applied.

    Args:
        entries: The run's journal.

    Attributes:
        timeouts: Calls of components that took too long, or whose process died, each with its reason code.
        unapplied: Inputs that the run wrote down and ended before it learned of them.
    """

    def __init__(self, entries: Iterable[AnyEntry]) -> None:
        self._before: dict[int, list[_Input]] = defaultdict(list)
        self._clock: dict[int, int] = {}
        self.timeouts: dict[Call, str] = {}
        self.unapplied: list[_Input] = []
        for entry in entries:
            if isinstance(entry, _Input):
                self.unapplied.append(entry)
            elif isinstance(entry, Applied):
                self._before[entry.before] += [i for i in self.unapplied if i.n <= entry.through]
                self.unapplied = [i for i in self.unapplied if i.n > entry.through]
            elif isinstance(entry, TimedOut):
                self.timeouts[entry.step, entry.stage, entry.component, entry.seq] = entry.code
            elif isinstance(entry, Clock):
                self._clock[entry.step] = entry.now_ms

    def before(self, step: int) -> list[_Input]:
        """What was learned before a step.

        Args:
            step: The decision's number.
        """
        return self._before.get(step, [])

    def now_ms(self, step: int) -> int | None:
        """The wall clock at a step, or None if the run did not go by it.

        Args:
            step: The decision's number.
        """
        return self._clock.get(step)


class Replay:
    """Decides as the run did, without carrying anything out.

    Orders are made again from the decisions, so that what components learn is what they learned then, and not what
    redaction left of it.

    Args:
        pipeline: A new pipeline, from the run's configuration.
        inputs: What the run learned besides events.
        run_id: Id of the run.

    Raises:
        ReplayFailed: The run had time limits or isolated components, and the pipeline has neither.
    """

    def __init__(self, pipeline: Pipeline, inputs: RecordedInputs, run_id: str) -> None:
        if pipeline.limits is not None:
            pipeline.limits.recorded = inputs.timeouts
        elif inputs.timeouts:
            raise ReplayFailed(
                "the journal tells of time-outs or deaths, and nothing in the pipeline is limited or isolated"
            )
        self._pipeline = pipeline
        self._inputs = inputs
        self._run_id = run_id
        self._orders: dict[int, tuple[Order, int | None]] = {}
        self._learned_before = -1

    def decide(self, event: Event, position: Position | None = None) -> Decision:
        """Decide about the next event.

        Args:
            event: The event.
            position: Where it stands in its source.

        Returns:
            The decision.

        Raises:
            ReplayFailed: The journal tells of an order that was not decided.
            InvalidEvent: The event has no usable key, timestamp or id.
        """
        pipeline = self._pipeline
        step = pipeline.step
        self.learn(step)
        now_ms = self._inputs.now_ms(step)
        context = None if now_ms is None else {"now_ms": now_ms}
        decision = pipeline.decide(event, context, position=position)
        if decision.acts:
            order = make_order(decision.final, decision.context, self._run_id)
            self._orders[step] = order, decision.context.get("now_ms")
        return decision

    def learn(self, step: int) -> None:
        """Learn what the run learned before a step; once, though several events may come before the step is decided.

        Args:
            step: The decision's number.
        """
        if step == self._learned_before:
            return
        self._learned_before = step
        for entry in self._inputs.before(step):
            self._pipeline.observe(self.fact_of(entry)(self._pipeline.feedback_seq + 1))

    def end(self) -> None:
        """Leave the record behind: from here on time limits are in force again."""
        if self._pipeline.limits is not None:
            self._pipeline.limits.recorded = None

    def fact_of(self, entry: _Input) -> MakeFact:
        """Make the fact that a recorded input stands for, from its number.

        Args:
            entry: The input.

        Raises:
            ReplayFailed: It tells of an order that was not decided.
        """
        return lambda seq: self._fact(entry, seq)

    def _fact(self, entry: _Input, seq: int) -> Fact:
        if isinstance(entry, Command):
            return Commanded(seq, entry.name, "", entry.user, self._pipeline.now_ms)
        try:
            order, now_ms = self._orders[entry.step]
        except KeyError:
            raise ReplayFailed(
                f"line {entry.n} of the journal tells of an order at step {entry.step}, where nothing acts now"
            ) from None
        if isinstance(entry, Ended):
            return Settled(seq, order, entry.status, now_ms)
        receipt = Receipt(entry.status, entry.kind, entry.retry_after_ms, entry.reference)
        return Executed(seq, receipt, order, entry.attempt, entry.latency_ms, now_ms)
