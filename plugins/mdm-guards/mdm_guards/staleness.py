"""The guard ``guards.staleness``."""

from __future__ import annotations

from typing import ClassVar

import attrs
from mdm_core import Build, ConfigError, Context, FinalDecision, Proposal, option

from mdm_guards.guard import TimedGuard
from mdm_guards.values import time_ms


@attrs.define(kw_only=True)
class Staleness(TimedGuard):
    """Denies what rests on an event that is too old, or that comes from the future.

    Old is measured against the pipeline's clock: the highest timestamp seen, or the wall clock. The future exists only
    for the wall clock and for a caller that gives ``now_ms`` itself.
    """

    flag: ClassVar[str] = "staleness"

    max_age_ms: int = option(60_000, ge=0, help="oldest event that is acted upon, in milliseconds")
    max_future_ms: int = option(5_000, ge=0, help="how far ahead of the clock an event may be, in milliseconds")

    def open(self, build: Build) -> None:
        """Refuse a pipeline whose events have no time.

        Raises:
            ConfigError: They have none.
        """
        if build.clock is None or build.timestamp is None:
            raise ConfigError("needs the time of the events; set timestamp in [pipeline]")

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Compare the event's time with the clock."""
        if decision.action not in self._watched:
            return decision
        now, at = context.get("now_ms"), context.get("last_event_ts_ms")
        if type(now) is not int or type(at) is not int:
            now, at = time_ms(now), time_ms(at)
            if now is None or at is None:
                return self.deny(decision, "no_time")
        age = now - at
        if age > self.max_age_ms:
            return self.deny(decision, "too_old", {"age_ms": age, "max_age_ms": self.max_age_ms})
        if -age > self.max_future_ms:
            return self.deny(decision, "future", {"ahead_ms": -age, "max_future_ms": self.max_future_ms})
        return decision
