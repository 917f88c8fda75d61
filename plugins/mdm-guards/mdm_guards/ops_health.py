"""The guard ``guards.ops_health``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import ClassVar, Final, Literal

import attrs
from mdm_core import Executed, FinalDecision, KeyedState, Receipt, keyed_state, option
from mdm_core.state import Key

from mdm_guards.durations import duration_ms
from mdm_guards.health import count_penalty, latency_penalty, level, p95, score
from mdm_guards.keyed import BlockingGuard
from mdm_guards.values import LATEST_MS

LATENCIES: Final = 256


@attrs.define
class Operations:
    """What came of orders lately. All times are ascending.

    Attributes:
        now_ms: Time of the newest receipt.
        errors: Times of the newest errors, as many as matter; likewise ``rate_limits`` and ``reconnects``.
        timed_ms: Times of the newest latencies.
        latencies: The latencies, in milliseconds.
        rest_ms: First time after the cooldown.
        free_ms: The same, or the end of time while the health must be looked at.
    """

    now_ms: int = 0
    errors: list[int] = attrs.field(factory=list)
    rate_limits: list[int] = attrs.field(factory=list)
    reconnects: list[int] = attrs.field(factory=list)
    timed_ms: list[int] = attrs.field(factory=list)
    latencies: list[float] = attrs.field(factory=list)
    rest_ms: int = 0
    free_ms: int = 0


@attrs.define(kw_only=True)
class OpsHealth(BlockingGuard[Operations]):
    """Denies while operations are RED, and for a cooldown after the last receipt that found them so.

    In a sliding window it counts errors, rate-limit answers and reconnects among the receipts, and takes the 95th
    percentile of the last 256 latencies; ``mdm_guards.health`` has the formula. An error is a receipt that is
    ``failed`` or ``unknown``, or ``retry`` for a reason that is not counted under its own name. A receipt enters the
    window at the time of its decision, or of the newest receipt before it if that is later.
    """

    flag: ClassVar[str] = "ops_health"

    scope: Literal["key", "global"] = option("global", help="what is counted together: each key, or all of them")
    window: str = option("1m", check=duration_ms, help="how far back receipts count, such as '1m'")
    cooldown: str = option("30s", check=duration_ms, help="how long to rest after operations were RED")
    max_errors: int = option(10, ge=1, le=10_000, help="errors in the window that cost the whole weight of 0.4")
    max_rate_limits: int = option(10, ge=1, le=10_000, help="rate-limit answers that cost the whole weight of 0.3")
    max_reconnects: int = option(5, ge=1, le=10_000, help="reconnects that cost the whole weight of 0.2")
    max_p95_ms: float = option(1000.0, gt=0, help="p95 latency from which it costs; twice as much costs all of 0.1")
    states: KeyedState[Operations] = keyed_state(Operations, max_keys="max_keys")
    _window_ms: int = attrs.field(init=False, repr=False, eq=False)
    _cooldown_ms: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._window_ms = duration_ms(self.window)
        self._cooldown_ms = duration_ms(self.cooldown)

    def counted(self) -> Iterable[str]:
        """Name no actions: receipts alone count."""
        return ()

    def judge(self, decision: FinalDecision, state: Operations, now: int) -> FinalDecision:
        """Deny while operations are RED or rest."""
        wait_ms = max(0, state.rest_ms - now)
        if state.free_ms == LATEST_MS:
            seen = self._health(state, now)
            if level(seen["score"]) == "RED":
                return self.deny(decision, "red", seen, cooldown_ms=wait_ms or None)
        if not wait_ms:
            return decision
        return self.deny(decision, "cooldown", {"wait_ms": wait_ms}, cooldown_ms=wait_ms)

    def learn(self, fact: Executed, key: Key) -> None:
        """Let a receipt enter the window."""
        operations, receipt = self.states[key], fact.receipt
        now = fact.now_ms or 0
        if now < operations.now_ms:
            now = operations.now_ms
        operations.now_ms = now
        operations.timed_ms.append(now)
        operations.latencies.append(float(fact.latency_ms))
        if len(operations.latencies) > LATENCIES:
            del operations.timed_ms[0], operations.latencies[0]
        if receipt.status != "done" or receipt.kind != "ok":
            self._take(operations, receipt, now)
        if operations.errors or operations.rate_limits or operations.reconnects:
            self._assess(operations, now)

    def _assess(self, operations: Operations, now: int) -> None:
        for times in (operations.errors, operations.rate_limits, operations.reconnects):
            del times[: bisect_right(times, now - self._window_ms)]
        # As time passes counts only fall, but the percentile may rise, since it is of fewer latencies.
        if level(score([*self._penalties(operations, now), 1.0])) != "RED":
            operations.free_ms = operations.rest_ms
            return
        operations.free_ms = LATEST_MS
        if level(self._health(operations, now)["score"]) == "RED":
            operations.rest_ms = now + self._cooldown_ms

    def _take(self, operations: Operations, receipt: Receipt, now: int) -> None:
        status, kind = receipt.status, receipt.kind
        if kind == "rate_limited":
            _push(operations.rate_limits, now, self.max_rate_limits)
        elif kind == "disconnected":
            _push(operations.reconnects, now, self.max_reconnects)
        elif status == "retry":
            _push(operations.errors, now, self.max_errors)
        if status == "failed" or status == "unknown":
            _push(operations.errors, now, self.max_errors)

    def _health(self, operations: Operations, now: int) -> dict[str, float]:
        since = now - self._window_ms
        p95_ms = p95(operations.latencies[bisect_right(operations.timed_ms, since) :])
        return {
            "score": score([*self._penalties(operations, now), latency_penalty(p95_ms, self.max_p95_ms)]),
            "errors": _count(operations.errors, since),
            "rate_limits": _count(operations.rate_limits, since),
            "reconnects": _count(operations.reconnects, since),
            "p95_ms": p95_ms,
        }

    def _penalties(self, operations: Operations, now: int) -> list[float]:
        since = now - self._window_ms
        return [
            count_penalty(_count(operations.errors, since), self.max_errors),
            count_penalty(_count(operations.rate_limits, since), self.max_rate_limits),
            count_penalty(_count(operations.reconnects, since), self.max_reconnects),
        ]


def _push(times: list[int], now: int, most: int) -> None:
    times.append(now)
    if len(times) > most:
        del times[0]


def _count(times: list[int], since: int) -> int:
    return len(times) - bisect_right(times, since)
