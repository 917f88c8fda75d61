"""Carrying out what was allowed: one order, one attempt, one receipt, whatever the broker does."""

# ruff: noqa: ARG001, ARG005 - functions stand in for methods of the contract and have their parameters

import time
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from mdm_core import Action, Broker, Context, Decision, Failure, FinalDecision, Order, Proposal, Receipt
from mdm_core.execution import Executor, idempotency_key
from mdm_core.schema import PacketV2

CANARY = "canary-4111111111111111"


@attrs.define
class Does(Broker):
    """Answers what it is told to, and remembers the orders."""

    answer: Callable[[Order], Any] = lambda order: Receipt("done")
    orders: list[Order] = attrs.field(factory=list)

    def execute(self, order: Order) -> Receipt:
        self.orders.append(order)
        receipt: Receipt = self.answer(order)
        return receipt


def decision(event_id: str = "e-1", action: Action = Action.ACT, params: dict[str, Any] | None = None) -> Decision:
    """An allowed decision."""
    context = Context({"run_id": "r-1", "now_ms": 17}, "k", event_id, 3, 0)
    proposal = Proposal(action, 0.75, ["why"], params)
    return Decision({"x": 1}, context, {"x": 1.0}, proposal, FinalDecision(action, params=params), 1000)


def fail(error: BaseException) -> Callable[[Order], Any]:
    """An answer that raises."""

    def answer(order: Order) -> Any:
        raise error

    return answer


@attrs.define
class Carried:
    """An executor with its broker and what it reported."""

    broker: Does
    failures: list[Failure] = attrs.field(factory=list)
    executor: Executor = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.broker.component_id = "toy.broker"
        self.executor = Executor(self.broker, "r-1", self.failures.append)


class TestOrder:
    def test_it_says_what_and_for_whom(self) -> None:
        """Action, params, key and features of the decision, and a name by which a repeat is recognised."""
        carried = Carried(Does())
        carried.executor.carry_out(decision(params={"size": 2}))
        key = idempotency_key("r-1", "e-1", Action.ACT)
        assert [Order(Action.ACT, {"size": 2}, "k", {"x": 1.0}, key, None)] == carried.broker.orders

    def test_what_the_broker_does_to_the_params_is_not_recorded(self) -> None:
        """The packet tells what was decided, not what a broker made of it."""

        def tampers(order: Order) -> Receipt:
            order.params["size"] = 99
            return Receipt("done")

        carried, made = Carried(Does(tampers)), decision(params={"size": 2})
        carried.executor.carry_out(made)
        packet: PacketV2 = made.packet()
        assert {"size": 2} == packet.mdm["params"] == packet.final_action["params"]

    def test_the_same_order_has_the_same_name(self) -> None:
        """Run, event and action make it, and nothing else; any other of them makes another."""
        name = idempotency_key("r", "e", Action.ACT)
        assert name == idempotency_key("r", "e", Action.ACT)
        others = [
            idempotency_key("s", "e", Action.ACT),
            idempotency_key("r", "f", Action.ACT),
            idempotency_key("r", "e", Action.EXIT),
            idempotency_key("re", "", Action.ACT),
        ]
        assert len({name, *others}) == 5
        assert 32 == len(name) == len(idempotency_key("r", "\ud800", Action.ACT))


NO_STATUSES: list[Any] = ["maybe", "", None, []]
NO_RECEIPTS = [None, "done", True, {"status": "done"}, Receipt, *map(Receipt, NO_STATUSES)]


class TestReceipt:
    @pytest.mark.parametrize("status", ["done", "pending", "failed", "retry", "unknown"])
    def test_it_is_recorded_and_kept_for_learning(self, status: Any) -> None:
        """The packet gets the status, the pipeline the whole receipt, with the time of the decision."""
        receipt = Receipt(status, "timeout", 50, "ref")
        carried, made = Carried(Does(lambda order: receipt)), decision()
        carried.executor.carry_out(made)
        (fact,) = carried.executor.facts
        assert (1, receipt, 1, 17) == (fact.seq, fact.receipt, fact.attempt, fact.now_ms)
        assert carried.broker.orders[0] is fact.order
        assert status == made.context["exec.status"]
        assert fact.latency_ms == made.context["exec.total_latency_ms"] >= 0
        assert {status: 1} == carried.executor.statuses
        assert ({"ACT": 1} if status == "done" else {}) == carried.executor.carried_out
        assert carried.failures == []

    def test_receipts_are_numbered_in_order(self) -> None:
        """From one, whatever came of them."""
        carried = Carried(Does(lambda order: Receipt("done") if order.action is Action.ACT else 1 / 0))
        for action in (Action.ACT, Action.EXIT, Action.STOP):
            carried.executor.carry_out(decision(action=action))
        assert [fact.seq for fact in carried.executor.facts] == [1, 2, 3]
        assert [fact.receipt.status for fact in carried.executor.facts] == ["done", "unknown", "unknown"]
        assert carried.executor.statuses == {"done": 1, "unknown": 2}

    @pytest.mark.parametrize("error", [RuntimeError(CANARY), RecursionError(CANARY), SystemExit(CANARY)], ids=repr)
    def test_a_broker_that_raises(self, error: BaseException) -> None:
        """Nobody knows whether it acted: the receipt is unknown, the failure is told, the decision stands."""
        carried, made = Carried(Does(fail(error))), decision()
        carried.executor.carry_out(made)
        name = type(error).__name__
        assert Receipt("unknown", "error") == carried.executor.facts[0].receipt
        assert [("broker", "toy.broker", f"broker_error:{name}", 3)] == [
            (f.stage, f.component, f.reason_code, f.step) for f in carried.failures
        ]
        assert made.context["exec.status"] == "unknown"
        assert made.final.allowed
        assert "mdm.fail_closed" not in made.context
        assert CANARY not in repr(carried.failures) + repr(made.packet())

    @pytest.mark.parametrize("answer", NO_RECEIPTS, ids=repr)
    def test_an_answer_that_is_no_receipt(self, answer: Any) -> None:
        """Wrong type or a status that there is not: as if the broker had raised."""
        carried, made = Carried(Does(lambda order: answer)), decision()
        carried.executor.carry_out(made)
        assert Receipt("unknown", "error") == carried.executor.facts[0].receipt
        assert made.context["exec.status"] == "unknown"
        assert len(carried.failures) == 1
        assert carried.executor.carried_out == {}

    def test_the_next_order_is_carried_out_as_ever(self) -> None:
        """A failure leaves no mark on what comes after it."""
        answers = iter([fail(KeyError())])
        carried = Carried(Does(lambda order: next(answers, lambda o: Receipt("done"))(order)))
        carried.executor.carry_out(decision("e-1"))
        carried.executor.carry_out(decision("e-2"))
        assert [fact.receipt.status for fact in carried.executor.facts] == ["unknown", "done"]

    def test_latency_is_the_brokers_time(self) -> None:
        """In milliseconds, with a fraction."""

        def slow(order: Order) -> Receipt:
            time.sleep(0.004)
            return Receipt("done")

        carried, made = Carried(Does(slow)), decision()
        carried.executor.carry_out(made)
        assert 4 <= made.context["exec.total_latency_ms"] < 4000
