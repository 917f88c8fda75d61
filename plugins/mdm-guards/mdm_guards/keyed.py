"""What guards have in common that remember: whose state it is, what counts, and blocking for a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Generic, Literal, Protocol, TypeVar

import attrs
from mdm_core import (
    Action,
    Context,
    ContractError,
    Decided,
    Executed,
    Fact,
    FinalDecision,
    KeyedState,
    Proposal,
    option,
)
from mdm_core.state import Key

from mdm_guards.guard import TimedGuard
from mdm_guards.values import LATEST_MS, time_ms


@attrs.define(kw_only=True)
class KeyedGuard(TimedGuard):
    """A guard that remembers, per key or altogether; time that goes back stands still for it."""

    scope: Literal["key", "global"] = option("key", help="what is counted together: each key, or all of them")
    max_keys: int = option(100_000, ge=1, help="keys remembered; then the least recently used is forgotten")
    _per_key: bool = attrs.field(init=False, repr=False, eq=False)
    _counted: frozenset[Action] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._per_key = self.scope == "key"
        self._counted = frozenset(map(Action, self.counted()))

    def counted(self) -> Iterable[str]:
        """Name the actions that count when they are allowed."""
        return self.actions

    def observe(self, fact: Fact) -> None:
        """Count what was allowed, and take note of receipts."""
        if type(fact) is Decided:
            final = fact.final
            if final.allowed and final.action in self._counted:
                context = fact.context
                now = time_ms(context.get("now_ms"))
                if now is None:
                    # Core denies a decision that could not be counted.
                    raise ContractError("now_ms must be a time in milliseconds since 1970")
                self.pay(final, context.key if self._per_key else None, now)
        elif type(fact) is Executed:
            self.learn(fact, fact.order.key if self._per_key else None)

    def pay(self, final: FinalDecision, key: Key, now: int) -> None:
        """Count a decision that is allowed.

        Args:
            final: The decision.
            key: Whose state it counts in.
            now: The time, in milliseconds since 1970.
        """

    def learn(self, fact: Executed, key: Key) -> None:
        """Take note of what came of an order.

        Args:
            fact: What a broker said.
            key: Whose state it counts in.
        """


class Blocking(Protocol):
    """State of a guard that blocks for a time.

    Attributes:
        free_ms: First time at which nothing blocks any more.
    """

    free_ms: int


S = TypeVar("S", bound=Blocking)


@attrs.define(kw_only=True)
class BlockingGuard(KeyedGuard, Generic[S]):
    """A guard that lets everything pass but for a time after something happened.

    Attributes:
        states: What it remembers.
    """

    states: KeyedState[S] = attrs.field(init=False)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Look whether the time of a decision is blocked."""
        if decision.action not in self._watched:
            return decision
        now = context.get("now_ms")
        # The usual case is told here, for three guards in a row would feel the call.
        if type(now) is not int or not 0 <= now <= LATEST_MS:
            now = time_ms(now)
            if now is None:
                return self.deny(decision, "no_time")
        state = self.states.peek(context.key if self._per_key else None)
        if state is None or now >= state.free_ms:
            return decision
        return self.judge(decision, state, now)

    @abstractmethod
    def judge(self, decision: FinalDecision, state: S, now: int) -> FinalDecision:
        """Deny a decision at a time that is blocked, or let it pass by returning it.

        Args:
            decision: A decision with one of the actions that are looked at.
            state: What is remembered, not to be changed.
            now: The time, in milliseconds since 1970; less than ``state.free_ms``.
        """
