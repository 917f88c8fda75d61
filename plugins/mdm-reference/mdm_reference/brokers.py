"""Brokers that change nothing in the world."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import attrs
from mdm_core import Broker, Order, Receipt, option

_DONE = Receipt("done")


@attrs.define
class NullBroker(Broker):
    """Says done to every order and keeps nothing."""

    idempotent: ClassVar[bool] = True

    def execute(self, order: Order) -> Receipt:
        """Say done.

        Args:
            order: What would be carried out.

        Returns:
            Always ``done``.
        """
        return _DONE


@attrs.define
class PaperBroker(Broker):
    """Pretends to carry orders out and counts them, for trying a pipeline before it may act.

    Attributes:
        orders: How many different orders were carried out.
        repeats: How many orders came again under a key that is remembered.
        by_action: Orders carried out, by action.
    """

    idempotent: ClassVar[bool] = True

    remember: int = option(10_000, ge=1, help="how many idempotency keys are remembered to recognise a repeat")
    orders: int = attrs.field(init=False, default=0)
    repeats: int = attrs.field(init=False, default=0)
    by_action: dict[str, int] = attrs.field(init=False, factory=dict)
    _receipts: OrderedDict[str, Receipt] = attrs.field(init=False, factory=OrderedDict, repr=False)

    def execute(self, order: Order) -> Receipt:
        """Count an order, once per idempotency key.

        Args:
            order: What would be carried out.

        Returns:
            ``done`` with the reference ``paper-N``; for a repeated key the receipt of the first time.
        """
        receipt = self._receipts.get(order.idempotency_key)
        if receipt is not None:
            self.repeats += 1
            self._receipts.move_to_end(order.idempotency_key)
            return receipt
        return self._count(order)

    def counts(self) -> dict[str, int]:
        """Tell how many orders came again."""
        return {"repeats": self.repeats}

    def _count(self, order: Order) -> Receipt:
        self.orders += 1
        action = order.action.value
        self.by_action[action] = self.by_action.get(action, 0) + 1
        receipt = self._receipts[order.idempotency_key] = Receipt("done", reference=f"paper-{self.orders}")
        if len(self._receipts) > self.remember:
            self._receipts.popitem(last=False)
        return receipt
