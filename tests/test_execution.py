"""Carrying out what was allowed: a broker makes one attempt, core alone retries, and nobody guesses what came of it."""

# ruff: noqa: ARG001, ARG005 - functions stand in for methods of the contract and have their parameters

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, TypeAlias

import attrs
import pytest

from mdm_core import (
    Action,
    Broker,
    Context,
    Decision,
    Executed,
    Failure,
    FinalDecision,
    Order,
    Proposal,
    Receipt,
    Settled,
    execution,
)
from mdm_core.config import ExecutionOptions
from mdm_core.execution import Executor
from mdm_core.journal import Answered, Ended, Intent, Journal, read_journal
from mdm_core.signals import StopSignals

CANARY = "canary-4111111111111111"
AT_ONCE = {"backoff_ms": 0, "backoff_jitter_ms": 0}


@attrs.define
class Scripted(Broker):
    """Answers what the script says, the last of it for ever; raises what is an exception; notes what it was asked."""

    script: list[Any] = attrs.field(factory=list)
    resolves: Any = attrs.field(factory=NotImplementedError)
    cancels: Any = attrs.field(factory=NotImplementedError)
    orders: list[Order] = attrs.field(factory=list)
    at: list[float] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)

    def execute(self, order: Order) -> Receipt:
        self.at.append(time.time())
        self.orders.append(order)
        return self._say(self.script[min(len(self.orders), len(self.script)) - 1], order)

    def resolve(self, idempotency_key: str) -> Receipt:
        self.asked.append(f"resolve {idempotency_key}")
        return self._say(self.resolves, idempotency_key)

    def cancel(self, idempotency_key: str) -> Receipt:
        self.asked.append(f"cancel {idempotency_key}")
        return self._say(self.cancels, idempotency_key)

    def _say(self, answer: Any, argument: object) -> Receipt:
        if isinstance(answer, BaseException):
            raise answer
        said: Receipt = answer(argument) if callable(answer) else answer
        return said


class Repeatable(Scripted):
    """The same; an order repeated under its key takes effect once."""

    idempotent: ClassVar[bool] = True


@attrs.define
class Desk:
    """An executor with its broker and a journal on the disk."""

    broker: Scripted
    run_dir: Path
    options: dict[str, Any]
    stopped: bool = False
    signals: StopSignals = attrs.field(factory=StopSignals)
    failures: list[Failure] = attrs.field(factory=list)
    journal: Journal = attrs.field(init=False)
    executor: Executor = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.broker.component_id = "toy.broker"
        self.journal = Journal(self.run_dir)
        options = ExecutionOptions(**AT_ONCE | self.options)
        self.executor = Executor(
            self.broker,
            "r-1",
            options,
            self.journal,
            self.signals,
            lambda: self.stopped,
            lambda text: text.replace(CANARY, "[REDACTED]"),
            self.failures.append,
        )

    def carry_out(self, step: int = 0, event_id: str | None = None, action: Action = Action.ACT) -> dict[str, Any]:
        """Carry out one order; give what the packet tells of it, less the time that it took."""
        context = Context({"run_id": "r-1", "now_ms": 17}, "k", event_id or f"e-{step}", step, 0)
        context.features = {"x": 1.0}
        proposal = Proposal(action, 0.75, ["why"], {"size": 2})
        final = FinalDecision(action, params={"size": 2})
        decision = Decision({"x": 1}, context, context.features, proposal, final, 1000)
        self.executor.carry_out(self.executor.intend(decision))
        assert context["exec.total_latency_ms"] >= 0
        return {k[5:]: v for k, v in context.items() if k.startswith("exec.") and "latency" not in k}

    def stop_and(self, receipt: Receipt) -> Receipt:
        """Be stopped by the operator, and give a receipt."""
        self.stopped = True
        return receipt

    def told(self, step: int = 0) -> list[str]:
        """What the journal tells of a step."""
        self.journal.flush()
        return [_words(e) for e in read_journal(self.run_dir) if getattr(e, "step", None) == step]

    def facts(self) -> list[Any]:
        """What the pipeline is to learn."""
        return [make(n) for n, make in enumerate(self.journal.take_inputs(1), 1)]


def _words(entry: Any) -> str:
    if isinstance(entry, Answered):
        return f"{entry.attempt} {entry.status} {entry.kind}"
    if isinstance(entry, Ended):
        return f"ended {entry.status} after {entry.attempts}"
    assert isinstance(entry, Intent)
    return f"intent {entry.action}"


def execs(status: str, attempts: int, **more: Any) -> dict[str, Any]:
    """The keys ``exec.*`` of an outcome."""
    counted = {"success": "done", "failed": "failed", "skipped": "skipped", "denied": "denied"}
    counts = {f"{name}_count": int(status == outcome) for name, outcome in counted.items()}
    return {"status": status, "attempt_count": attempts, **counts, **more}


Make: TypeAlias = Callable[..., Desk]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Make]:
    """Make a desk: the broker's script, and options of the table ``[execution]``."""
    made: list[Desk] = []

    def make(*script: Any, kind: type[Scripted] = Scripted, **options: Any) -> Desk:
        run_dir = tmp_path / str(len(list(tmp_path.iterdir())))
        run_dir.mkdir()
        made.append(Desk(kind(list(script)), run_dir, options))
        return made[-1]

    yield make
    for one in made:
        one.journal.close()


RETRY, DONE, FAILED, PENDING, UNKNOWN = (Receipt(s) for s in ("retry", "done", "failed", "pending", "unknown"))
NO_STATUSES: list[Any] = ["maybe", "", None, [], b"done"]
NO_KINDS: list[Any] = ["fine", None, 1]
NO_WAITS: list[Any] = [-1, True, 1.5, "1", 10**400]
NO_REFERENCES: list[Any] = ["x" * 1001, 7, b"x"]
NO_RECEIPTS = [
    *(None, "done", True, {"status": "done"}, Receipt),
    *(Receipt(status) for status in NO_STATUSES),
    *(Receipt("done", kind) for kind in NO_KINDS),
    *(Receipt("retry", "ok", wait) for wait in NO_WAITS),
    *(Receipt("done", "ok", None, reference) for reference in NO_REFERENCES),
]


class TestOneAttempt:
    @pytest.mark.parametrize("status", ["done", "failed"])
    def test_a_receipt_that_ends_the_order(self, status: Any, desk: Make) -> None:
        """It is told in the packet, written down once, and learned from with the order, the attempt and the time."""
        receipt = Receipt(status, "rejected", 50, "ref")
        one = desk(receipt)
        assert execs(status, 1) == one.carry_out()
        assert ["intent ACT", f"1 {status} rejected"] == one.told()
        (fact,) = one.facts()
        assert isinstance(fact, Executed)
        assert (1, receipt, 1, 17) == (fact.seq, fact.receipt, fact.attempt, fact.now_ms)
        assert (Action.ACT, {"size": 2}, "k", {"x": 1.0}) == attrs.astuple(fact.order)[:4]
        assert one.executor.tally() == {status: 1}
        assert ({"ACT": 1} if status == "done" else {}) == one.executor.carried_out
        assert one.failures == []

    @pytest.mark.parametrize("kind", ["ok", "rate_limited", "disconnected", "timeout", "rejected", "error"])
    def test_the_kind_is_written_down(self, kind: Any, desk: Make) -> None:
        """Every kind of the contract."""
        one = desk(Receipt("done", kind))
        one.carry_out()
        assert f"1 done {kind}" == one.told()[1]

    @pytest.mark.parametrize(
        "error",
        [RuntimeError, NotImplementedError, RecursionError, StopIteration, SystemExit, GeneratorExit, BaseException],
    )
    def test_a_broker_that_raises(self, error: type[BaseException], desk: Make) -> None:
        """Nobody knows whether it acted: unknown, told without what the exception quotes, and the next is as ever."""
        one = desk(error(CANARY), DONE)
        packets = [one.carry_out(0), one.carry_out(1)]
        assert [execs("unknown", 1, fail_closed=True), execs("done", 1)] == packets
        assert ["intent ACT", "1 unknown error", "ended unknown after 1"] == one.told()
        code = f"broker_error:{error.__name__}"
        assert [("broker", "toy.broker", code, 0)] == [
            (f.stage, f.component, f.reason_code, f.step) for f in one.failures
        ]
        assert CANARY not in repr(one.failures)

    def test_a_keyboard_interrupt_of_its_own(self, desk: Make) -> None:
        """In a run, where somebody else takes Ctrl-C, it is a failure; elsewhere it may be the operator's."""
        one = desk(KeyboardInterrupt())
        with one.signals:
            assert execs("unknown", 1, fail_closed=True) == one.carry_out()
        with pytest.raises(KeyboardInterrupt):
            one.carry_out(1)

    @pytest.mark.parametrize("answer", NO_RECEIPTS, ids=range(len(NO_RECEIPTS)))
    def test_an_answer_that_is_no_receipt(self, answer: Any, desk: Make) -> None:
        """As if the broker had raised: what is wrong in a receipt may be wrong about the order."""
        one = desk(lambda order: answer)
        assert execs("unknown", 1, fail_closed=True) == one.carry_out()
        assert ["broker_error:ContractError"] == [f.reason_code for f in one.failures]
        assert one.executor.carried_out == {}

    def test_what_stands_in_a_reference(self, desk: Make) -> None:
        """A reference is redacted, and one that is not quite text does no harm to the journal."""

        class Text(str):
            pass

        references = {
            CANARY: "[REDACTED]",
            "half \ud800": "half ?",
            Text("own type"): "own type",
            "x" * 1000: "x" * 1000,
        }
        one = desk(*(Receipt("done", "ok", None, reference) for reference in references))
        assert ["done"] * 4 == [one.carry_out(step)["status"] for step in range(4)]
        one.journal.flush()
        entries = read_journal(one.run_dir)
        assert list(references.values()) == [entry.reference for entry in entries if isinstance(entry, Answered)]

    def test_an_attempt_that_takes_too_long(self, desk: Make) -> None:
        """It is broken off at its limit, and nobody knows whether it acted."""
        took: list[float] = []
        while len(took) < 20 and min(took, default=30) > 0.1:  # for it may only be the machine that was late
            one = desk(lambda order: time.sleep(30), attempt_timeout_ms=50)
            started = time.monotonic()
            assert execs("unknown", 1, fail_closed=True) == one.carry_out()
            took.append(time.monotonic() - started)
            assert "1 unknown timeout" == one.told()[1]
        assert 0.05 <= min(took) <= 0.1


class TestRetry:
    def test_until_it_is_done(self, desk: Make) -> None:
        """Under the same name each time, and each attempt is written down and learned from."""
        one = desk(Receipt("retry", "disconnected"), Receipt("retry", "rate_limited"), DONE)
        assert execs("done", 3) == one.carry_out()
        assert ["intent ACT", "1 retry disconnected", "2 retry rate_limited", "3 done ok"] == one.told()
        assert 1 == len({order.idempotency_key for order in one.broker.orders})
        assert [(f.seq, f.attempt, f.receipt.status) for f in one.facts()] == [
            (1, 1, "retry"), (2, 2, "retry"), (3, 3, "done")
        ]  # fmt: skip
        assert (3, {"done": 1}) == (one.executor.attempts, one.executor.tally())

    @pytest.mark.parametrize("attempts", [1, 2, 5])
    def test_until_it_is_given_up(self, attempts: int, desk: Make) -> None:
        """Nothing has happened, so the order has failed; its last receipt does not say so, and an outcome does."""
        one = desk(RETRY, attempts=attempts)
        assert execs("failed", attempts) == one.carry_out()
        assert [*(f"{n} retry ok" for n in range(1, attempts + 1)), f"ended failed after {attempts}"] == one.told()[1:]
        settled = one.facts()[-1]
        assert isinstance(settled, Settled)
        assert (attempts + 1, "failed", 17) == (settled.seq, settled.outcome, settled.now_ms)

    def test_what_a_broker_does_to_an_order(self, desk: Make) -> None:
        """It concerns neither the next attempt nor what is learned."""

        def spoils(order: Order) -> Receipt:
            order.params.clear()
            order.features["x"] = 9.0
            return RETRY

        one = desk(spoils, lambda order: Receipt("done", "ok", None, f"{order.params} {order.features}"))
        one.carry_out()
        facts = one.facts()
        assert "{'size': 2} {'x': 1.0}" == facts[1].receipt.reference
        assert [({"size": 2}, {"x": 1.0})] * 2 == [(f.order.params, f.order.features) for f in facts]

    def test_the_wait_grows_and_is_capped(self, desk: Make, slept: list[float]) -> None:
        """It doubles with every attempt, up to the longest."""
        one = desk(RETRY, attempts=6, backoff_ms=10, backoff_max_ms=40)
        one.carry_out()
        assert [0.01, 0.02, 0.04, 0.04, 0.04] == slept

    def test_chance_is_added(self, desk: Make, slept: list[float]) -> None:
        """So that many who were refused together do not come back together."""
        one = desk(RETRY, attempts=8, backoff_jitter_ms=20)
        one.carry_out()
        assert 7 == len(set(slept))
        assert 0.002 < max(slept) <= 0.02

    @pytest.mark.parametrize("wanted", [0, 60])
    def test_the_other_side_says_how_long(self, wanted: int, desk: Make, slept: list[float]) -> None:
        """Then that is waited, no less and no more, whatever the backoff is."""
        one = desk(Receipt("retry", "rate_limited", wanted), DONE, backoff_ms=2000)
        assert execs("done", 2) == one.carry_out()
        assert [wanted / 1000] == slept

    @pytest.mark.parametrize(
        ("receipt", "backoff_ms"), [(Receipt("retry", "rate_limited", 3000), 0), (RETRY, 3000), (UNKNOWN, 3000)]
    )
    def test_a_wait_that_is_longer_than_what_is_left(
        self, receipt: Receipt, backoff_ms: int, desk: Make, slept: list[float]
    ) -> None:
        """It would be for nothing, so the order is given up at once."""
        one = desk(receipt, kind=Repeatable, total_timeout_ms=2900, backoff_ms=backoff_ms)
        assert ("unknown" if receipt is UNKNOWN else "failed") == one.carry_out()["status"]
        assert ([], 1) == (slept, len(one.broker.orders))

    def test_no_attempt_begins_after_the_total_time(self, desk: Make, slept: list[float]) -> None:
        """However many are left."""

        def slow(order: Order) -> Receipt:
            time.sleep(0.03)
            return RETRY

        one = desk(slow, attempts=1000, total_timeout_ms=100, backoff_ms=5, backoff_max_ms=5)
        started = time.time()
        assert "failed" == one.carry_out()["status"]
        assert [0, 35, 70] == [round(1000 * (at - started)) for at in one.broker.at]

    @pytest.mark.parametrize(("options", "per_attempt"), [({"attempt_timeout_ms": 700}, 700), ({}, None)])
    def test_a_deadline_for_every_attempt(
        self, options: dict[str, int], per_attempt: int | None, desk: Make, slept: list[float]
    ) -> None:
        """The wall-clock time after which its answer is of no more use: of the attempt, or else of the order."""
        one = desk(RETRY, attempts=3, total_timeout_ms=1000, backoff_ms=60, **options)
        one.carry_out()
        for at, order in zip(one.broker.at, one.broker.orders, strict=True):
            end = one.broker.at[0] + 1.0 if per_attempt is None else at + per_attempt / 1000
            assert order.deadline_ms is not None
            assert abs(1000 * end - order.deadline_ms) <= 1

    def test_the_retry_library_logs_nothing_of_a_receipt(self, desk: Make, caplog: pytest.LogCaptureFixture) -> None:
        """It logs every retry with what caused it, past any redactor."""
        desk(Receipt("retry", "error", None, CANARY), DONE).carry_out()
        assert ["stamina.retry_scheduled"] == [record.getMessage() for record in caplog.records]
        assert CANARY not in str([vars(record) for record in caplog.records])


class TestUnknown:
    def test_an_idempotent_broker_is_asked_again(self, desk: Make) -> None:
        """Under the same name, so that it takes effect once."""
        one = desk(Receipt("unknown", "timeout"), RuntimeError(), DONE, kind=Repeatable)
        assert execs("done", 3, fail_closed=True) == one.carry_out()
        assert ["1 unknown timeout", "2 unknown error", "3 done ok"] == one.told()[1:]
        assert (1, []) == (len({order.idempotency_key for order in one.broker.orders}), one.broker.asked)

    @pytest.mark.parametrize(
        ("says", "status", "told", "failures"),
        [
            (Receipt("done", "ok"), "done", ["1 done ok"], 0),
            (Receipt("failed", "rejected"), "failed", ["1 failed rejected"], 0),
            (Receipt("retry", "ok"), "failed", ["ended failed after 1"], 0),
            (Receipt("pending", "ok"), "unknown", ["ended unknown after 1"], 0),
            (Receipt("unknown", "ok"), "unknown", ["ended unknown after 1"], 0),
            (NotImplementedError(), "unknown", ["ended unknown after 1"], 0),
            (RuntimeError(CANARY), "unknown", ["ended unknown after 1"], 1),
            ("done", "unknown", ["ended unknown after 1"], 1),
        ],
        ids=repr,
    )
    def test_another_broker_is_only_asked_what_came_of_it(
        self, says: Any, status: str, told: list[str], failures: int, desk: Make
    ) -> None:
        """Never to do it again; where it cannot tell, neither can we."""
        one = desk(Receipt("unknown", "timeout"))
        one.broker.resolves = says
        expected = execs(status, 1, fail_closed=True) if status == "unknown" else execs(status, 1)
        assert expected == one.carry_out()
        assert ["intent ACT", "1 unknown timeout", *told] == one.told()
        assert (1, [f"resolve {one.broker.orders[0].idempotency_key}"]) == (len(one.broker.orders), one.broker.asked)
        assert failures == len(one.failures)

    @pytest.mark.parametrize("then", [UNKNOWN, RETRY, FAILED], ids=repr)
    def test_an_attempt_in_doubt_is_not_forgotten(self, then: Receipt, desk: Make) -> None:
        """That the last attempt came to nothing does not tell what came of the first."""
        one = desk(UNKNOWN, then, kind=Repeatable)
        assert "unknown" == one.carry_out()["status"]
        assert [f"resolve {one.broker.orders[0].idempotency_key}"] == one.broker.asked
        assert one.told()[-1].startswith("ended unknown")

    def test_an_attempt_in_doubt_that_an_operator_cut_short(self, desk: Make) -> None:
        """It is not denied: it may have happened."""
        one = desk(kind=Repeatable)
        one.broker.script.append(lambda order: one.stop_and(UNKNOWN))
        assert "unknown" == one.carry_out()["status"]
        assert 1 == len(one.broker.orders)


class TestSignals:
    @pytest.mark.parametrize("attempts", [1, 2])
    def test_at_whatever_moment_one_comes(self, attempts: int, desk: Make) -> None:
        """It breaks off nothing but the wait: the order ends once, and nothing is raised out of it."""
        one = desk(RETRY, attempts=attempts, backoff_ms=1)
        moments = left = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal left
            if one.signals.waiting and frame.f_code.co_filename == execution.__file__:
                left -= 1
                if left == 0:
                    one.signals._handle(signal.SIGINT, frame)
            return trace

        def every_moment() -> None:
            nonlocal left, moments
            while left <= 0:
                moments += 1
                left = moments
                one.signals.__init__()  # type: ignore[misc]
                sys.settrace(trace)
                try:
                    packet = one.carry_out(moments)
                finally:
                    sys.settrace(None)
                assert ("failed", False) == (packet["status"], one.signals.waiting)
                assert 1 == sum(line.startswith("ended failed") for line in one.told(moments))

        # In a thread of its own: raising out of a trace function may leave the interpreter handling it for ever.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(every_moment).result()
        assert moments > 5


class TestStopped:
    def test_nothing_is_begun(self, desk: Make) -> None:
        """Orders that wait end as denied, until they are let go on."""
        one = desk(DONE)
        one.stopped = True
        assert execs("denied", 0) == one.carry_out(0)
        assert ["intent ACT", "ended denied after 0"] == one.told()
        one.stopped = False
        assert execs("done", 1) == one.carry_out(1)
        assert {"denied": 1, "done": 1} == one.executor.tally()

    def test_no_further_attempt_is_begun(self, desk: Make) -> None:
        """An order that would be tried again is denied, for nothing has happened."""
        one = desk()
        one.broker.script.append(lambda order: one.stop_and(RETRY))
        assert execs("denied", 1) == one.carry_out()
        assert ["1 retry ok", "ended denied after 1"] == one.told()[1:]

    def test_a_stop_that_was_carried_out_ends_it(self, desk: Make) -> None:
        """With `on_stop = "exit"` whatever comes after it is denied; by default it is an action like others."""
        for on_stop, status, ended in (
            ("continue", "done", ""),
            ("exit", "denied", "STOP was carried out at step 0"),
        ):
            one = desk(DONE, on_stop=on_stop)
            one.carry_out(0, action=Action.STOP)
            assert (status, ended) == (one.carry_out(1)["status"], one.executor.ended)
