"""Deciding again, with what the run learned, and without anybody who could carry anything out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mdm_core import Decision, Event, Executed, MdmError, Order, Pipeline, Position, Receipt
from mdm_core.journal import Answered, Command, Ended
from mdm_core.limits import Call
from mdm_core.replay import Replay

from mdm_eval.comparing import Packet, Redact, other_params, same_order
from mdm_eval.facts import StreamedInputs

_DONE = Receipt("done")
_MADE_BY = {"alternatives": {"model", "modulator"}}
"""What is asked in a stage that is not named after it: what might have been proposed, and what guards say of that."""


class JournalEnds(MdmError):
    """The journal does not tell what the next decision was made from."""


class Again(Replay):
    """Decides about a run's events again; the answers of its broker serve where the same is ordered.

    Where something else is ordered, or something that the run did not order, the answer ``done`` is assumed. It is
    learned of when the run would have learned of it from a broker that answers at once.

    Args:
        pipeline: A new pipeline.
        inputs: What the run learned besides events.
        run_id: Id of the run.
        redact: What packets went through before they were recorded.
        group: Assumed answers are learned of before the steps that are divisible by this.
        answered: Whether the run has a broker whose answers are in the journal.
        answers: Whether there is a broker in the configuration that is tried out; without one there are no answers.
        unlike: Stages that are not those of the run, so that its time-outs say nothing of them.

    Attributes:
        recorded: Orders for which the recorded answers serve.
        assumed: Orders for which ``done`` is assumed.
        unused: Recorded answers to orders that are not given now.
        other_params: Parameter to the orders that are the run's but for their parameters, this one among those that
            differ; ``done`` is assumed for them too.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        inputs: StreamedInputs,
        run_id: str,
        *,
        redact: Redact,
        group: int,
        answered: bool,
        answers: bool,
        unlike: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(pipeline, inputs, run_id)
        if pipeline.limits is not None:
            pipeline.limits.recorded = _Timeouts(inputs.timeouts, unlike)
        self.pipeline = pipeline
        self.redact = redact
        self._group = group
        self._answered = answered
        self._answers = answers
        self._assumed: list[tuple[int, Order, int | None]] = []
        self.recorded = self.assumed = self.unused = 0
        self.other_params: Counter[str] = Counter()

    def decide_again(self, event: Event, position: Position, packet: Packet | None) -> Decision:
        """Decide about the next event.

        Args:
            event: The event.
            position: Where it stands in its source.
            packet: What was recorded of it, or None.

        Raises:
            JournalEnds: The run went by the wall clock, and its journal ends before this step.
            InvalidEvent: The event has no usable key, timestamp or id.
        """
        pipeline = self.pipeline
        if pipeline.build.clock == "wall" and self._inputs.now_ms(pipeline.step) is None:
            raise JournalEnds(f"the journal ends before step {pipeline.step}")
        decision = self.decide(event, position)
        if decision.acts:
            self._expect(decision, packet)
        return decision

    def learn(self, step: int) -> None:
        """Learn what the run learned before a step, and what is assumed.

        Args:
            step: The decision's number.
        """
        if step == self._learned_before:
            return
        self._learned_before = step
        ended: set[int] = set()
        for entry in self._inputs.before(step):
            if isinstance(entry, Command):
                self._observe(entry)
                continue
            for fact in self._due(step, entry.step):
                self._pipeline.observe(fact)
            if entry.step not in self._orders:
                self.unused += 1
                continue
            self._observe(entry)
            if isinstance(entry, Ended) or entry.status in ("done", "failed"):
                ended.add(entry.step)
        for fact in self._due(step, step):
            self._pipeline.observe(fact)
        for order in ended:
            del self._orders[order]

    def _expect(self, decision: Decision, packet: Packet | None) -> None:
        order, now_ms = self._orders[decision.step]
        if self._answered and self._answers and (packet is None or same_order(packet, decision, self.redact)):
            self.recorded += 1
            return
        del self._orders[decision.step]
        if self._answers:
            self.assumed += 1
            if self._answered and packet is not None:
                self.other_params.update(other_params(packet, decision, self.redact))
            self._assumed.append((decision.step, order, now_ms))

    def _due(self, step: int, before: int) -> Iterator[Executed]:
        """Assumed answers that are learned of before a step, to orders of earlier steps than another."""
        while self._assumed:
            ordered, order, now_ms = self._assumed[0]
            if ordered >= before or ordered // self._group == step // self._group:
                return
            del self._assumed[0]
            yield Executed(self._pipeline.feedback_seq + 1, _DONE, order, 1, 0.0, now_ms)

    def _observe(self, entry: Answered | Ended | Command) -> None:
        self._pipeline.observe(self.fact_of(entry)(self._pipeline.feedback_seq + 1))


class _Timeouts(Mapping[Call, str]):
    """The recorded time-outs that say something of the pipeline that is tried out."""

    def __init__(self, recorded: Mapping[Call, str], unlike: frozenset[str]) -> None:
        self._recorded = recorded
        self._unlike = unlike

    def __getitem__(self, call: Call) -> str:
        _, stage, _, seq = call
        if self._unlike & _MADE_BY.get(stage, {stage}) or (seq and self._unlike):
            raise KeyError(call)
        return self._recorded[call]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._recorded)

    def __len__(self) -> int:
        return len(self._recorded)
