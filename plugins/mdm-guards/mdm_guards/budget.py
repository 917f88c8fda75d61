"""The guard ``guards.budget``."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, ClassVar, Final

import attrs
from mdm_core import Context, ContractError, FinalDecision, KeyedState, Proposal, keyed_state, option
from mdm_core.state import Key

from mdm_guards.durations import duration_ms
from mdm_guards.keyed import KeyedGuard
from mdm_guards.values import finite, time_ms

SLICES: Final = 60


@attrs.define
class Spending:
    """What was spent lately, by slice of the window; slices without spending are not kept.

    Attributes:
        slices: Numbers of the slices, ascending.
        sums: What was spent in each.
    """

    slices: list[int] = attrs.field(factory=list)
    sums: list[float] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class Budget(KeyedGuard):
    """Denies what would take the sum of a parameter over a window past a limit; absolute values are summed.

    The window is kept in sixty slices: an amount counts for the whole window, and for at most a sixtieth of it more. A
    decision without that parameter, or with one that is no finite number, is denied. A clamp belongs before a budget.
    """

    flag: ClassVar[str] = "budget"

    param: str = option(help="name of the parameter that is summed, such as 'amount'")
    limit: float = option(gt=0, help="largest sum within the window, the decision that is asked about included")
    window: str = option("1h", check=duration_ms, help="the time that the limit is for, such as '10m' or '1d'")
    states: KeyedState[Spending] = keyed_state(Spending, max_keys="max_keys")
    _window_ms: int = attrs.field(init=False, repr=False, eq=False)
    _slice_ms: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._window_ms = duration_ms(self.window)
        self._slice_ms = -(-self._window_ms // SLICES)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Look whether the sum stays within the limit."""
        if decision.action not in self._watched:
            return decision
        now, amount = time_ms(context.get("now_ms")), self._amount(decision)
        if now is None or amount is None:
            return self.deny(decision, "no_time" if now is None else "no_amount")
        spending = self.states.peek(context.key if self._per_key else None)
        spent = sum(spending.sums[self._first(spending, now) :]) if spending is not None else 0.0
        if spent + amount <= self.limit:
            return decision
        return self.deny(decision, "exceeded", {"amount": amount, "spent": spent, "limit": self.limit})

    def pay(self, final: FinalDecision, key: Key, now: int) -> None:
        """Add what is spent."""
        amount = self._amount(final)
        if amount is None:
            raise ContractError(f"the parameter {self.param!r} was taken away after the budget had been looked at")
        spending = self.states[key]
        gone = self._first(spending, now)
        del spending.slices[:gone], spending.sums[:gone]
        current = now // self._slice_ms
        if spending.slices and spending.slices[-1] >= current:
            spending.sums[-1] += amount
        else:
            spending.slices.append(current)
            spending.sums.append(amount)

    def _first(self, spending: Spending, now: int) -> int:
        """The position of the first slice that has any time inside the window."""
        return bisect_left(spending.slices, (now - self._window_ms) // self._slice_ms)

    def _amount(self, decision: FinalDecision) -> float | None:
        params: dict[str, Any] = decision.params or {}
        amount = finite(params.get(self.param))
        return None if amount is None else abs(float(amount))
