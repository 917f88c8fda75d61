"""Carrying out what was allowed: a broker makes one attempt, core alone retries, and nothing is done twice."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from mdm_core.alarm import limited
from mdm_core.config import ExecutionOptions
from mdm_core.contracts import Broker
from mdm_core.decision import Decision
from mdm_core.errors import ContractError, TimedOut
from mdm_core.failures import describe, not_of_ours
from mdm_core.journal import Answered, Ended, Intent, Journal
from mdm_core.orders import make_order, payload_hash
from mdm_core.remains import Record, ResumeFailed
from mdm_core.schema import Action
from mdm_core.signals import Interrupted, StopSignals
from mdm_core.values import Executed, Failure, Order, Outcome, Receipt, Settled

_STATUSES = frozenset({"done", "pending", "failed", "retry", "unknown"})
_KINDS = frozenset({"ok", "rate_limited", "disconnected", "timeout", "rejected", "error"})
_ENDS_BY_ITSELF = frozenset({"done", "failed"})
_NAP_S = 0.002
_LONGEST_REFERENCE = 1000
_LONGEST_WAIT_MS = 1 << 53


@attrs.define
class Job:
    """An order under way.

    Attributes:
        decision: What was decided.
        order: What the broker is asked.
        started_ns: When the first attempt began, by ``time.perf_counter_ns``.
        attempts: How often the broker was asked.
        outcome: What came of it, or None.
        latency_ms: How long an earlier process has spent on it.
        in_doubt: Whether an attempt may have taken effect, though later ones did not.
        failed_closed: Whether the broker raised, took too long, or answered something that is no receipt.
        adopted: Whether it was taken over from an earlier process.
    """

    decision: Decision
    order: Order
    started_ns: int = 0
    attempts: int = 0
    outcome: Outcome | None = None
    latency_ms: float = 0.0
    in_doubt: bool = False
    failed_closed: bool = False
    adopted: bool = False


class _TryAgain(Exception):
    """Tells the retry loop that an attempt came to nothing, and how long it would wait by itself."""

    def __init__(self, receipt: Receipt, backoff_ms: float) -> None:
        super().__init__(receipt.status)  # all that hooks and logs of the retry library may see of it
        self.receipt = receipt
        self.backoff_ms = backoff_ms


class Executor:
    """Hands orders to a broker until they are done or given up.

    Args:
        broker: The broker.
        run_id: Id of the run; idempotency keys belong to it.
        options: The table ``[execution]``.
        journal: Where intents and receipts are written.
        signals: Tell when the run is asked to end; waiting is broken off then.
        stopped: Whether an operator has stopped the run.
        redact: Hides what must not be written of a broker's reference.
        on_failure: Called when the broker raises.

    Attributes:
        carried_out: Action to number of orders reported as done.
        outcomes: What came of orders, to their number.
        attempts: How often the broker was asked.
        in_flight: Idempotency key to order: those begun and not answered yet.
        stop_step: The decision whose STOP was carried out, or None.
    """

    def __init__(
        self,
        broker: Broker,
        run_id: str,
        options: ExecutionOptions,
        journal: Journal,
        signals: StopSignals,
        stopped: Callable[[], bool],
        redact: Callable[[str], str],
        on_failure: Callable[[Failure], None],
    ) -> None:
        self._broker = broker
        limit = options.attempt_timeout_ms
        self._execute: Callable[[Order], Any] = limited("broker", limit, broker.execute)
        self._resolve = limited("broker", limit, broker.resolve)
        self._cancel = limited("broker", limit, broker.cancel)
        self._fill = limited("broker", limit, self._fill_from_poll)
        self._run_id = run_id
        self._options = options
        self._journal = journal
        self._signals = signals
        self._operator_stopped = stopped
        self._redact = redact
        self._on_failure = on_failure
        self._total_ns = options.total_timeout_ms * 1_000_000
        self._attempt_ms = options.attempt_timeout_ms or options.total_timeout_ms
        self.in_flight: dict[str, Job] = {}
        self.carried_out: dict[str, int] = defaultdict(int)
        self.outcomes: dict[str, int] = defaultdict(int)
        self.attempts = 0
        self._poll_fails = False
        self.stop_step: int | None = None

    @property
    def pending(self) -> int:
        """How many orders are in flight: begun, and not answered yet."""
        return len(self.in_flight)

    def save(self) -> dict[str, Any]:
        """Give the counts, for a checkpoint."""
        return {"outcomes": dict(self.outcomes), "carried_out": dict(self.carried_out), "attempts": self.attempts}

    def restore(self, counts: Mapping[str, Any]) -> None:
        """Go on counting from what was saved.

        Args:
            counts: What ``save`` gave.
        """
        self.outcomes.update(counts["outcomes"])
        self.carried_out.update(counts["carried_out"])
        self.attempts = counts["attempts"]

    def tally(self) -> dict[str, int]:
        """What came of orders, to their number; those in flight are ``pending``."""
        return dict(self.outcomes) | ({"pending": self.pending} if self.in_flight else {})

    @property
    def ended(self) -> str:
        """Why the run is to end, because a STOP was carried out; or an empty text."""
        if self._options.on_stop != "exit" or self.stop_step is None:
            return ""
        return f"STOP was carried out at step {self.stop_step}"

    def intend(self, decision: Decision) -> Job:
        """Write down what is about to be done; it is not done before the journal is on the disk.

        Args:
            decision: A decision that is allowed and not HOLD.
        """
        order = make_order(decision.final, decision.context, self._run_id)
        self._journal.add(Intent, decision.step, order.idempotency_key, order.action.value, payload_hash(order))
        return Job(decision, order)

    def adopt(self, decision: Decision, record: Record) -> Job:
        """Take over an order that an earlier process was about to give; nothing is asked of the broker yet.

        Args:
            decision: The decision, made again.
            record: What the journal tells of the order.

        Raises:
            ResumeFailed: It is not the order that was intended.
        """
        order = make_order(decision.final, decision.context, self._run_id)
        intent = record.intent
        if (intent.key, intent.action, intent.payload) != (
            order.idempotency_key,
            order.action.value,
            payload_hash(order),
        ):
            raise ResumeFailed(
                f"step {decision.step}: the order is not the one that was about to be given (line {intent.n} of the "
                f"journal); nothing more is done"
            )
        job = Job(decision, order, attempts=max((r.attempt for r in record.receipts), default=0), adopted=True)
        # Most of these were never given. A broker that knows an order again is taken at its word about it.
        job.in_doubt = any(receipt.status == "unknown" for receipt in record.receipts)
        job.failed_closed = any(receipt.by_core for receipt in record.receipts)
        job.latency_ms = sum(receipt.latency_ms for receipt in record.receipts)
        self.attempts += job.attempts
        if record.outcome is not None:
            self._close(job, record.outcome)
        if record.ended is not None and record.ended.in_doubt:
            self._tell_of_unknown(job)  # once more, for the process that found it out may have died before it could
        return job

    def recover(self, job: Job) -> None:
        """Bring an adopted order to its end: repeat it under its key, or find out what came of it.

        Args:
            job: The order. If nobody can tell whether it happened, it ends as ``unknown`` and is never repeated.
        """
        if job.outcome is None:
            job.started_ns = time.perf_counter_ns()
            if self._broker.idempotent and not self._stopped():
                self._follow(job, self._attempt(job))
            else:
                self._give_up(job)
        _tell(job)

    def carry_out(self, job: Job) -> None:
        """Carry out an order; what comes of it goes into the packet as ``exec.*``.

        Args:
            job: The order; the decision stays what it is, whatever comes of it.
        """
        job.started_ns = time.perf_counter_ns()
        self._make_room()
        if self._stopped():
            self._end(job, "denied")
        elif self._full or job.order.idempotency_key in self.in_flight or self._overdue(job):
            self._end(job, "skipped")
        else:
            self._follow(job, self._attempt(job))
        _tell(job)

    def poll(self) -> None:
        """Take the answers to pending orders that have come, and give up those that are overdue."""
        for answer in self._polled() if self.in_flight else ():
            try:
                key, receipt = answer
                job = self._job_of(key)
                _receipt(receipt)
            except Exception as error:  # of one answer, which the others must not suffer for
                self._failed(error, None)
                continue
            if receipt.status != "pending":  # else nothing is new
                self._note(job, receipt, _elapsed_ms(job.started_ns))
                del self.in_flight[key]
                self._follow(job, receipt)
        for key in [key for key, job in self.in_flight.items() if self._overdue(job)]:
            self._give_up(self.in_flight.pop(key))

    def cancel_pending(self) -> None:
        """Take back what can be taken back of the orders in flight."""
        for key, job in list(self.in_flight.items()):
            receipt = self._ask(job, self._cancel, key)
            if receipt is None or receipt.status not in _ENDS_BY_ITSELF:
                continue
            self._note(job, receipt, _elapsed_ms(job.started_ns))
            del self.in_flight[key]
            self._end(job, "done" if receipt.status == "done" else "failed", receipt)

    def _follow(self, job: Job, receipt: Receipt) -> None:
        """Go on from a receipt until the order has ended or is pending."""
        if self._may_be_repeated(receipt):
            receipt = self._retry(job, receipt)
        if receipt.status == "pending":
            self.in_flight[job.order.idempotency_key] = job
            job.outcome = "pending"
        elif receipt.status == "unknown" or (job.in_doubt and receipt.status != "done"):
            self._give_up(job)
        else:
            # An order that an operator kept from being tried again has not failed.
            stopped = receipt.status == "retry" and self._stopped()
            self._end(job, "denied" if stopped else "done" if receipt.status == "done" else "failed", receipt)

    def _may_be_repeated(self, receipt: Receipt) -> bool:
        return receipt.status == "retry" or (receipt.status == "unknown" and self._broker.idempotent)

    def _give_up(self, job: Job) -> None:
        """Nobody may ask for it again; perhaps the broker can tell what came of it."""
        receipt = self._ask(job, self._resolve, job.order.idempotency_key)
        if receipt is not None and receipt.status in _ENDS_BY_ITSELF:
            self._note(job, receipt, _elapsed_ms(job.started_ns))
            self._end(job, "done" if receipt.status == "done" else "failed", receipt)
        elif receipt is not None and receipt.status == "retry":  # nothing happened, and nothing will
            self._end(job, "failed")
        else:
            self._end(job, "unknown")

    def _retry(self, job: Job, receipt: Receipt) -> Receipt:
        try:
            try:
                for attempt in self._retries(job):
                    with attempt:
                        self._signals.waiting = False
                        # The first one is what brought us here.
                        if attempt.num > 1 and not (self._stopped() or self._overdue(job)):
                            receipt = self._attempt(job)
                        if self._may_be_repeated(receipt):
                            self._signals.waiting = True
                            raise _TryAgain(receipt, attempt.next_wait * 1000)
            finally:
                self._signals.waiting = False
        except (_TryAgain, Interrupted):  # out here because a signal may come in the line above
            pass
        return receipt

    def _retries(self, job: Job) -> Any:
        from stamina import retry_context  # 0.1 s, and most runs never need it

        # stamina logs every retry, and without a handler Python would print that.
        logging.getLogger("stamina").addHandler(logging.NullHandler())
        options = self._options
        return retry_context(
            on=lambda error: self._wait(job, error),
            attempts=max(1, options.attempts - job.attempts + 1),
            timeout=max(0.001, self._left_ms(job) / 1000),
            wait_initial=options.backoff_ms / 1000,
            wait_max=options.backoff_max_ms / 1000,
            wait_jitter=options.backoff_jitter_ms / 1000,
        )

    def _wait(self, job: Job, error: Exception) -> bool | float:
        """Whether to try again, or after how many seconds if the other side has said so."""
        if not isinstance(error, _TryAgain) or self._stopped() or self._signals.asked:
            return False
        wanted = error.receipt.retry_after_ms
        if (error.backoff_ms if wanted is None else wanted) >= self._left_ms(job):
            return False
        return True if wanted is None else wanted / 1000

    def _attempt(self, job: Job) -> Receipt:
        job.attempts += 1
        self.attempts += 1
        started = time.perf_counter_ns()
        # Whether the order took effect before the broker raised cannot be known here.
        failed_before, job.failed_closed = job.failed_closed, False
        receipt = self._ask(job, self._execute, self._due(job)) or Receipt("unknown", "error")
        self._note(job, receipt, _elapsed_ms(started), by_core=job.failed_closed)
        job.failed_closed = job.failed_closed or failed_before
        return receipt

    def _due(self, job: Job) -> Order:
        """The order, with the time by which this attempt must have come to something."""
        left = min(self._attempt_ms, self._left_ms(job))
        deadline = time.time_ns() // 1_000_000 + int(left)
        order = job.order
        # Copies for every attempt: what a broker does to one is not ordered by the next.
        params, features = dict(order.params), dict(order.features)
        return Order(order.action, params, order.key, features, order.idempotency_key, deadline)

    def _ask(self, job: Job, ask: Callable[[Any], Any], argument: object) -> Receipt | None:
        try:
            return _receipt(ask(argument))
        except BaseException as error:
            not_of_ours(error)
            if not isinstance(error, NotImplementedError) or ask is self._execute:
                self._failed(error, job)
            return Receipt("unknown", "timeout") if isinstance(error, TimedOut) else None

    def _polled(self) -> list[Any]:
        answers: list[Any] = []
        try:
            self._fill(answers)
            self._poll_fails = False
        except BaseException as error:
            not_of_ours(error)
            if not self._poll_fails:  # else it is no news, and would fill the audit log
                self._failed(error, None)
            self._poll_fails = True
        return answers

    def _fill_from_poll(self, answers: list[Any]) -> None:
        # Into the list itself, so that those before an error are not lost.
        answers.extend(self._broker.poll())

    def _job_of(self, key: str) -> Job:
        try:
            return self.in_flight[key]
        except KeyError:
            raise ContractError("poll answered an order that is not pending") from None

    @property
    def _full(self) -> bool:
        return len(self.in_flight) >= self._options.max_in_flight

    def _make_room(self) -> None:
        while self._full and not (self._stopped() or self._signals.asked):
            self.poll()
            if self._full:
                time.sleep(_NAP_S)

    def _stopped(self) -> bool:
        return self._operator_stopped() or bool(self.ended)

    def _left_ms(self, job: Job) -> float:
        return (self._total_ns - (time.perf_counter_ns() - job.started_ns)) / 1e6

    def _overdue(self, job: Job) -> bool:
        return self._left_ms(job) <= 0

    def _failed(self, error: BaseException, job: Job | None) -> None:
        step = None
        if job is not None:
            job.failed_closed = True
            step = job.decision.step
        self._on_failure(describe("broker", self._broker.component_id, error, step))

    def _note(self, job: Job, receipt: Receipt, latency_ms: float, by_core: bool = False) -> None:
        """Write a receipt down; the pipeline learns of it when its turn comes."""
        order, attempt, now_ms = job.order, job.attempts, job.decision.context.get("now_ms")
        job.in_doubt = job.in_doubt or receipt.status == "unknown"
        self._journal.add_input(
            Answered,
            job.decision.step,
            attempt,
            receipt.status,
            receipt.kind,
            latency_ms,
            receipt.retry_after_ms,
            None if receipt.reference is None else _encodable(self._redact(receipt.reference)),
            by_core,
            fact=lambda seq: Executed(seq, receipt, order, attempt, latency_ms, now_ms),
        )

    def _note_end(self, job: Job, outcome: Outcome) -> None:
        order, now_ms = job.order, job.decision.context.get("now_ms")
        self._journal.add_input(
            Ended,
            job.decision.step,
            outcome,
            job.attempts,
            job.adopted and outcome == "unknown",
            fact=lambda seq: Settled(seq, order, outcome, now_ms),
        )

    def _end(self, job: Job, outcome: Outcome, receipt: Receipt | None = None) -> None:
        if receipt is None or receipt.status != outcome:
            self._note_end(job, outcome)
        self._close(job, outcome)
        if job.adopted and outcome == "unknown":
            self._tell_of_unknown(job)

    def _tell_of_unknown(self, job: Job) -> None:
        self._on_failure(Failure("broker", self._broker.component_id, "", "outcome_unknown", job.decision.step))

    def _close(self, job: Job, outcome: Outcome) -> None:
        job.outcome = outcome
        job.failed_closed = job.failed_closed or outcome == "unknown"
        self.outcomes[outcome] += 1
        if outcome == "done":
            self.carried_out[job.order.action.value] += 1
            if job.order.action is Action.STOP:
                self.stop_step = job.decision.step


def _tell(job: Job) -> None:
    """Put what came of an order into its packet."""
    context, outcome = job.decision.context, job.outcome
    context["exec.status"] = outcome
    context["exec.attempt_count"] = job.attempts
    context["exec.success_count"] = int(outcome == "done")
    context["exec.failed_count"] = int(outcome == "failed")
    context["exec.skipped_count"] = int(outcome == "skipped")
    context["exec.denied_count"] = int(outcome == "denied")
    context["exec.total_latency_ms"] = job.latency_ms + (_elapsed_ms(job.started_ns) if job.started_ns else 0.0)
    if job.failed_closed:
        context["exec.fail_closed"] = True


def _elapsed_ms(started_ns: int) -> float:
    return (time.perf_counter_ns() - started_ns) / 1e6


def _receipt(answer: Any) -> Receipt:
    if not isinstance(answer, Receipt):
        raise ContractError("a broker must return a Receipt")
    words = _is_one(_STATUSES, answer.status) and _is_one(_KINDS, answer.kind)
    if not (words and _is_wait(answer.retry_after_ms) and _is_reference(answer.reference)):
        raise ContractError("a receipt has a status, a kind, and perhaps a time to wait and a short reference")
    return answer


def _is_one(known: frozenset[str], word: Any) -> bool:
    return type(word) is str and word in known


def _is_wait(wait: Any) -> bool:
    return wait is None or (type(wait) is int and 0 <= wait <= _LONGEST_WAIT_MS)


def _is_reference(text: Any) -> bool:
    return text is None or (isinstance(text, str) and len(text) <= _LONGEST_REFERENCE)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
