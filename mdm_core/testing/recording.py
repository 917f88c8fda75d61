"""A broker that remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import attrs

from mdm_core.contracts import Broker
from mdm_core.values import Order, Receipt

_DONE = Receipt("done")


@attrs.define
class RecordingBroker(Broker):
    """Carries nothing out, remembers every order, and answers what a test wants.

    Attributes:
        answers: What to answer to the next new orders, in turn; ``done`` when there are none left.
        orders: The orders, each once.
        attempts: The keys of all attempts, repeats included.
        late: What ``poll`` gives next, by idempotency key.
    """

    idempotent: ClassVar[bool] = True

    answers: list[Receipt] = attrs.field(init=False, factory=list)
    orders: list[Order] = attrs.field(init=False, factory=list)
    attempts: list[str] = attrs.field(init=False, factory=list)
    late: dict[str, Receipt] = attrs.field(init=False, factory=dict)
    _receipts: dict[str, Receipt] = attrs.field(init=False, factory=dict, repr=False)

    def execute(self, order: Order) -> Receipt:
        """Remember an order; one that was answered for good before is answered the same."""
        key = order.idempotency_key
        self.attempts.append(key)
        known = self._receipts.get(key)
        if known is not None and known.status not in ("retry", "unknown"):
            return known
        if known is None:
            self.orders.append(order)
        receipt = self._receipts[key] = self.answers.pop(0) if self.answers else _DONE
        return receipt

    def resolve(self, idempotency_key: str) -> Receipt:
        """Say what was answered; ``failed`` to an order that never came."""
        return self._receipts.get(idempotency_key, Receipt("failed", "error"))

    def cancel(self, idempotency_key: str) -> Receipt:
        """Take a pending order back; any other stays what it is."""
        known = self._receipts.get(idempotency_key, Receipt("failed", "error"))
        if known.status == "pending":
            known = self._receipts[idempotency_key] = Receipt("failed", "rejected")
        return known

    def poll(self) -> Iterator[tuple[str, Receipt]]:
        """Give what a test has put into ``late``, once."""
        while self.late:
            key, receipt = self.late.popitem()
            self._receipts[key] = receipt
            yield key, receipt
