"""The broker: an account on paper, which pays the spread."""

from __future__ import annotations

from typing import ClassVar

import attrs
from mdm_core import Action, Broker, Order, Receipt, option

_REFUSED = Receipt("failed", "rejected")


@attrs.define
class PaperAccount(Broker):
    """Fills every order at the price of its decision plus or minus half the spread, and keeps an account of it.

    ACT opens ``params["amount"]`` units in ``params["direction"]``; EXIT closes the position of its key. A second ACT
    while one is open is refused, and so is an EXIT without. An order that comes again is answered and not filled again.

    Attributes:
        cash: What was earned, in the currency that prices are in.
        paid: What of that went into spreads.
        positions: Open positions by key: units, below zero if short, and the price that was paid.
    """

    idempotent: ClassVar[bool] = True

    spread: float = option(0.0001, ge=0, help="difference between the prices to buy and to sell at")
    price: str = option("market.close", help="feature that the price is taken from")
    cash: float = attrs.field(init=False, default=0.0)
    paid: float = attrs.field(init=False, default=0.0)
    positions: dict[str, tuple[float, float]] = attrs.field(init=False, factory=dict, repr=False)
    _receipts: dict[str, Receipt] = attrs.field(init=False, factory=dict, repr=False)

    def execute(self, order: Order) -> Receipt:
        """Fill an order.

        Args:
            order: With the price among its features.

        Returns:
            ``done``, or ``failed`` if it cannot be filled.
        """
        known = self._receipts.get(order.idempotency_key)
        if known is None:
            known = self._receipts[order.idempotency_key] = self._fill(order)
        return known

    def _fill(self, order: Order) -> Receipt:
        price, key = order.features.get(self.price), str(order.key)
        if not isinstance(price, float) or (order.action is Action.ACT) is (key in self.positions):
            return _REFUSED
        if order.action is Action.ACT:
            return self._open(order, key, price)
        units, paid = self.positions.pop(key)
        self.cash += units * (price - paid) - self._half(units)
        return Receipt("done", reference=f"closed at {price:.5f}")

    def _open(self, order: Order, key: str, price: float) -> Receipt:
        amount, side = order.params.get("amount"), {"long": 1, "short": -1}.get(str(order.params.get("direction")))
        if not isinstance(amount, float) or not amount > 0 or side is None:
            return _REFUSED
        self.positions[key] = (side * amount, price)
        self.cash -= self._half(amount)
        return Receipt("done", reference=f"opened at {price:.5f}")

    def _half(self, units: float) -> float:
        cost = abs(units) * self.spread / 2
        self.paid += cost
        return cost

    def counts(self) -> dict[str, int]:
        """Tell how many orders were answered, and how many positions are still open."""
        return {"orders": len(self._receipts), "open": len(self.positions)}
