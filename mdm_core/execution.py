"""Carrying out what was allowed: one order, one attempt, one receipt."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from hashlib import sha256

from mdm_core.contracts import Broker
from mdm_core.decision import Decision
from mdm_core.errors import ContractError
from mdm_core.failures import describe
from mdm_core.schema import Action
from mdm_core.values import Executed, Failure, Order, Receipt

_STATUSES = frozenset({"done", "pending", "failed", "retry", "unknown"})


class Executor:
    """Hands orders to a broker and keeps its answers until they are applied.

    Args:
        broker: The broker.
        run_id: Id of the run; idempotency keys belong to it.
        on_failure: Called when the broker raises.

    Attributes:
        facts: Receipts that the pipeline has not learned from yet, in step order.
        carried_out: Action to number of orders reported as done.
        statuses: Receipt status to number of orders.
    """

    def __init__(self, broker: Broker, run_id: str, on_failure: Callable[[Failure], None]) -> None:
        self._broker = broker
        self._run_id = run_id
        self._on_failure = on_failure
        self._seq = 0
        self.facts: list[Executed] = []
        self.carried_out: dict[str, int] = defaultdict(int)
        self.statuses: dict[str, int] = defaultdict(int)

    def carry_out(self, decision: Decision) -> None:
        """Carry out a decision that is allowed and not HOLD; the packet gets ``exec.status``.

        Args:
            decision: The decision; it stays what it is, whatever comes of the order.
        """
        order = self._order(decision)
        started = time.perf_counter_ns()
        receipt = self._attempt(order, decision.step)
        elapsed_ms = (time.perf_counter_ns() - started) / 1e6
        self._seq += 1
        context = decision.context
        self.facts.append(Executed(self._seq, receipt, order, 1, elapsed_ms, context.get("now_ms")))
        self.statuses[receipt.status] += 1
        if receipt.status == "done":
            self.carried_out[order.action.value] += 1
        context["exec.status"] = receipt.status
        context["exec.total_latency_ms"] = elapsed_ms

    def _order(self, decision: Decision) -> Order:
        final, context = decision.final, decision.context
        key = idempotency_key(self._run_id, context.event_id, final.action)
        # A copy, because the packet tells of these params after the broker has had them.
        return Order(final.action, dict(final.params or {}), context.key, dict(decision.features), key)

    def _attempt(self, order: Order, step: int) -> Receipt:
        try:
            receipt = self._broker.execute(order)
            if not isinstance(receipt, Receipt) or receipt.status not in _STATUSES:
                raise ContractError("a broker must return a Receipt")
        except (Exception, SystemExit) as error:
            # Whether the order took effect before the broker raised cannot be known here.
            self._on_failure(describe("broker", self._broker.component_id, error, step))
            return Receipt("unknown", "error")
        return receipt


def idempotency_key(run_id: str, event_id: str, action: Action) -> str:
    """Name an order so that the same order always has the same name.

    Args:
        run_id: Id of the run.
        event_id: The event's identity.
        action: The action.

    Returns:
        32 hexadecimal digits.
    """
    return sha256(f"{run_id}\0{event_id}\0{action.value}".encode(errors="surrogatepass")).hexdigest()[:32]
