"""Counting while a run goes on, and what is told at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import ceil
from typing import Any, Literal, TypeAlias

import attrs

from mdm_core.decision import Decision
from mdm_core.schema import Action

Status: TypeAlias = Literal["done", "stopped", "failed"]

_HOLD = Action.HOLD
# Bits of a latency that are kept, which is to within 0.8 %: a table of every microsecond would grow with the run.
_PRECISION = 8


@attrs.frozen
class Summary:
    """How a run ended.

    Attributes:
        run_id: Its id.
        status: ``done`` (the source ended or the limit was reached), ``stopped`` (a signal) or ``failed``.
        reason: Why, if it was stopped or failed.
        events: Events read, bad ones included.
        decided: Packets made.
        dead_letters: Reason to number of events that could not be decided.
        proposed: Action to number of proposals other than HOLD.
        allowed: Action to number of final decisions other than HOLD that were allowed.
        carried_out: Action to number of orders that a broker reports as done.
        executions: Receipt status to number of orders.
        denied: Flag to number of denials by modulators.
        failed_closed: Number of decisions that failed closed.
        errors: Reason code to number of failures anywhere.
        redaction_failures: Number of payloads replaced because the redactor raised.
        evicted_keys: Keyed state to number of keys forgotten.
        counts: Component to what it has counted itself.
        latency_us: ``p50`` and ``p99`` of deciding, in microseconds.
        seconds: Wall time from the first read to the last write.
        events_per_s: Events read per second.
        run_dir: Directory of the run.
        findings: Observer to the figures that it returned.
    """

    run_id: str
    status: Status
    reason: str
    events: int
    decided: int
    dead_letters: Mapping[str, int]
    proposed: Mapping[str, int]
    allowed: Mapping[str, int]
    carried_out: Mapping[str, int]
    executions: Mapping[str, int]
    denied: Mapping[str, int]
    failed_closed: int
    errors: Mapping[str, int]
    redaction_failures: int
    evicted_keys: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    latency_us: Mapping[str, int]
    seconds: float
    events_per_s: float
    run_dir: str
    findings: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)

    @property
    def exit_code(self) -> int:
        """0 done, 1 stopped, failed or not one event could be decided, 5 no events."""
        if self.status != "done" or (self.events and not self.decided):
            return 1
        return 0 if self.events else 5

    def to_dict(self) -> dict[str, Any]:
        """The summary in builtin types, as ``summary.json`` holds it."""
        return attrs.asdict(self)


class Tally:
    """Counts decisions at a cost that a hot loop can bear."""

    def __init__(self) -> None:
        self.decided = 0
        self.failed_closed = 0
        self.proposed: dict[str, int] = defaultdict(int)
        self.allowed: dict[str, int] = defaultdict(int)
        self.denied: dict[str, int] = defaultdict(int)
        self.dead_letters: dict[str, int] = defaultdict(int)
        self.errors: dict[str, int] = defaultdict(int)
        self._latencies: dict[int, int] = defaultdict(int)

    @property
    def events(self) -> int:
        """Events read, bad ones included."""
        return self.decided + sum(self.dead_letters.values())

    def count(self, decision: Decision) -> None:
        """Count one decision.

        Args:
            decision: The decision.
        """
        self.decided += 1
        us = decision.latency_ns // 1000
        coarse = max(0, us.bit_length() - _PRECISION)
        self._latencies[us >> coarse << coarse] += 1
        proposed = decision.proposal.action
        if proposed is _HOLD and decision.failure is None:
            return
        if proposed is not _HOLD:
            self.proposed[proposed._value_] += 1
        final = decision.final
        if decision.failure is not None:
            self.failed_closed += 1
        elif not final.allowed and final.mismatch is not None:
            for flag in final.mismatch.flags:
                self.denied[flag] += 1
        elif final.action is not _HOLD:
            self.allowed[final.action._value_] += 1

    def save(self) -> dict[str, Any]:
        """Give the counts, for a checkpoint."""
        return {name: dict(value) if isinstance(value, dict) else value for name, value in vars(self).items()}

    def restore(self, counts: Mapping[str, Any]) -> None:
        """Go on counting from what was saved.

        Args:
            counts: What ``save`` gave.
        """
        for name, value in counts.items():
            if isinstance(value, Mapping):
                getattr(self, name).update(value)
            else:
                setattr(self, name, value)

    def latency(self, share: float) -> int:
        """A percentile of the time that deciding took.

        Args:
            share: Between 0 and 1.

        Returns:
            Microseconds; the smallest value that at least this share of the decisions does not exceed, exact below
            256 and else to within 0.8 %.
        """
        wanted = ceil(share * self.decided)
        seen = 0
        for us, number in sorted(self._latencies.items()):
            seen += number
            if seen >= wanted:
                return us
        return 0
