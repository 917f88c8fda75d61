"""The guard ``guards.rate_limit``."""

from __future__ import annotations

from typing import ClassVar

import attrs
from mdm_core import FinalDecision, KeyedState, keyed_state, option
from mdm_core.state import Key

from mdm_guards.durations import duration_ms
from mdm_guards.keyed import BlockingGuard


@attrs.define
class Bucket:
    """How far a token bucket is from full, so that a new one is full.

    Attributes:
        debt: Tokens missing, times the milliseconds of ``per``: whole numbers, so that nothing is ever rounded.
        at_ms: When that was so.
        free_ms: First time from then on at which there is a token.
    """

    debt: int = 0
    at_ms: int = 0
    free_ms: int = 0


@attrs.define(kw_only=True)
class RateLimit(BlockingGuard[Bucket]):
    """Denies what comes too fast: a token bucket of ``burst`` tokens that gains ``rate`` tokens per ``per``."""

    flag: ClassVar[str] = "rate_limit"

    rate: int = option(10, ge=1, le=1_000_000, help="actions allowed in the long run, per `per`")
    per: str = option("1s", check=duration_ms, help="the time that `rate` is for, such as '1s' or '1m'")
    burst: int = option(20, ge=1, le=1_000_000, help="actions allowed at once after a rest")
    states: KeyedState[Bucket] = keyed_state(Bucket, max_keys="max_keys")
    _token: int = attrs.field(init=False, repr=False, eq=False)
    _room: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._token = duration_ms(self.per)
        self._room = self._token * (self.burst - 1)

    def judge(self, decision: FinalDecision, state: Bucket, now: int) -> FinalDecision:
        """Deny until there is a token."""
        wait_ms = state.free_ms - now
        seen = {"rate": self.rate, "per_ms": self._token, "burst": self.burst, "wait_ms": wait_ms}
        return self.deny(decision, "exceeded", seen, throttle_ms=wait_ms)

    def pay(self, final: FinalDecision, key: Key, now: int) -> None:
        """Take a token."""
        bucket = self.states[key]
        debt, passed = bucket.debt, now - bucket.at_ms
        if passed > 0:
            debt -= passed * self.rate
            bucket.at_ms = now
        debt = bucket.debt = (debt if debt > 0 else 0) + self._token
        missing = debt - self._room
        if missing > 0:
            bucket.free_ms = bucket.at_ms - (-missing // self.rate)
