"""What happened lately, as guards see it: the context keys that the engine keeps itself."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import attrs

from mdm_core.values import Executed

WINDOW_S: Final = 60


@attrs.define
class RecentCount:
    """How often something happened in the last 60 seconds, to the second.

    Attributes:
        seconds: Whole seconds in which it happened, rising.
        counts: How often it did in each.
        total: The sum of the counts.
    """

    seconds: deque[int] = attrs.field(factory=deque)
    counts: deque[int] = attrs.field(factory=deque)
    total: int = 0

    def add(self, now_ms: int) -> None:
        """Count once.

        Args:
            now_ms: The time.
        """
        second = now_ms // 1000
        if self.seconds and self.seconds[-1] >= second:  # a receipt carries the time of its decision
            self.counts[-1] += 1
        else:
            self.seconds.append(second)
            self.counts.append(1)
        self.total += 1

    def at(self, now_ms: int) -> int:
        """Forget what is too long ago.

        Args:
            now_ms: The time, which never falls.

        Returns:
            How often it happened in the last 60 seconds.
        """
        seconds, oldest = self.seconds, now_ms // 1000 - WINDOW_S
        while seconds and seconds[0] <= oldest:
            seconds.popleft()
            self.total -= self.counts.popleft()
        return self.total


@attrs.define
class Recent:
    """The engine's own windows.

    Attributes:
        steps: Decisions.
        errors: Decisions that failed closed.
        rate_limits: Receipts of the kind ``rate_limited``.
        failures: Attempts in a row that were not done.
    """

    steps: RecentCount = attrs.field(factory=RecentCount)
    errors: RecentCount = attrs.field(factory=RecentCount)
    rate_limits: RecentCount = attrs.field(factory=RecentCount)
    failures: int = 0

    def context(self, now_ms: int) -> dict[str, Any]:
        """What modulators are told before a decision.

        Args:
            now_ms: The time of the decision.
        """
        return {
            "steps_in_window": self.steps.at(now_ms),
            "errors_in_window": self.errors.at(now_ms),
            "rate_limit_events": self.rate_limits.at(now_ms),
            "recent_failures": self.failures,
        }

    def decided(self, now_ms: int, failed_closed: bool) -> None:
        """Count a decision.

        Args:
            now_ms: The time of the decision.
            failed_closed: Whether it failed closed.
        """
        self.steps.add(now_ms)
        if failed_closed:
            self.errors.add(now_ms)

    def executed(self, fact: Executed) -> None:
        """Count a receipt.

        Args:
            fact: What a broker answered.
        """
        receipt = fact.receipt
        if receipt.kind == "rate_limited" and fact.now_ms is not None:
            self.rate_limits.add(fact.now_ms)
        if receipt.status != "pending":
            self.failures = 0 if receipt.status == "done" else self.failures + 1
