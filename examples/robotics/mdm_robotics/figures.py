"""Which arms were stopped, how fast, for how long they were driven wrongly, and what a decision took."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, MutableSequence, Sequence
from statistics import median
from typing import Any

import attrs
from mdm_core import Observer, option


@attrs.define
class Course:
    """What became of one session.

    Attributes:
        left_ms: When the wearer left the plan, or None.
        stopped_ms: When the arm was stopped, or None.
    """

    left_ms: int | None = None
    stopped_ms: int | None = None

    @property
    def for_nothing(self) -> bool:
        """Whether the arm was stopped while the wearer did as planned."""
        return self.stopped_ms is not None and (self.left_ms is None or self.stopped_ms < self.left_ms)

    @property
    def delay_ms(self) -> int | None:
        """How long after the wearer left the plan the arm was stopped; None if it was not."""
        if self.left_ms is None or self.stopped_ms is None or self.for_nothing:
            return None
        return self.stopped_ms - self.left_ms


@attrs.define
class Figures(Observer):
    """Compares stops with when the wearers left their plan, and adds up what decisions took."""

    budget_ms: float = option(20.0, gt=0, help="time that a decision has, in milliseconds")
    _courses: dict[str, Course] = attrs.field(init=False, factory=dict, repr=False)
    _driven: Counter[Any] = attrs.field(init=False, factory=Counter, repr=False)
    _denied: Counter[str] = attrs.field(init=False, factory=Counter, repr=False)
    _latencies: MutableSequence[float] = attrs.field(init=False, factory=lambda: array("d"), repr=False)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        """Note a decision."""
        external, action = packet["external"], packet["final_action"]["action"]
        now, planned = external.get("last_event_ts_ms", 0), external.get("eval.outcome")
        course = self._courses.setdefault(str(packet["input"].get("session")), Course())
        if planned is False and course.left_ms is None:
            course.left_ms = now
        if action == "STOP" and course.stopped_ms is None:
            course.stopped_ms = now
        if action == "ACT":
            self._driven[planned] += 1
        self._denied.update((packet["mismatch"] or {}).get("flags", ()))
        self._latencies.append(external.get("mdm.latency_us", 0.0))

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up.

        Args:
            summary: Not needed.

        Returns:
            How many ``sessions`` there were, how many ``left_the_plan``, and of these were ``stopped``; how many were
            ``stopped_for_nothing``; the ``delay_ms`` of stops; samples at which arms were driven, rightly and not; what
            guards denied; percentiles of ``latency_us``, and how many decisions took longer than ``budget_ms``.
        """
        courses = self._courses.values()
        delays = [course.delay_ms for course in courses if course.delay_ms is not None]
        return {
            "samples": len(self._latencies),
            "sessions": len(self._courses),
            "left_the_plan": sum(course.left_ms is not None for course in courses),
            "stopped": len(delays),
            "stopped_for_nothing": sum(course.for_nothing for course in courses),
            "delay_ms": {"median": median(delays), "longest": max(delays)} if delays else None,
            "driven_as_planned": self._driven[True],
            "driven_otherwise": self._driven[False],
            "denied": dict(sorted(self._denied.items())),
            "latency_us": percentiles(self._latencies),
            "latency_over_budget": sum(took > self.budget_ms * 1000 for took in self._latencies),
        }


def percentiles(numbers: Sequence[float]) -> dict[str, float] | None:
    """Find the nearest-rank percentiles of some numbers; None without any."""
    if not numbers:
        return None
    ranked = sorted(numbers)
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: ranked[-int(-share * len(ranked) // 1) - 1] for name, share in shares.items()}
