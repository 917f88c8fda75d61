"""What drivers met: car parks that were full, needless detours, what both cost, and whom the redirects fell on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from mdm_core import Observer, option


def check_instant(text: str) -> None:
    """Check that an instant names its time zone.

    Args:
        text: ISO 8601.

    Raises:
        ValueError: It does not.
    """
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"must name its time zone, such as 2016-11-21T00:00:00+00:00, got {text!r}")


@attrs.define
class Case:
    """How often something was so, by what was done.

    Attributes:
        redirected: Cars were sent elsewhere.
        held_back: The model wanted to, and a guard denied it.
        admitted: The model did not want to.
    """

    redirected: int = 0
    held_back: int = 0
    admitted: int = 0

    @property
    def all(self) -> int:
        """How often it was so at all."""
        return self.redirected + self.held_back + self.admitted

    def add(self, packet: Mapping[str, Any]) -> None:
        """Count a decision."""
        if packet["final_action"]["action"] == "ACT":
            self.redirected += 1
        elif packet["mdm"]["action"] == "ACT":
            self.held_back += 1
        else:
            self.admitted += 1


@attrs.define
class Figures(Observer):
    """Compares decisions with what a driver would have met an hour later, and counts redirects per car park.

    ``since`` keeps apart what was learned from and what is judged.
    """

    since: str = option("2016-11-21T00:00:00+00:00", check=check_instant, help="earlier decisions are left out")
    full_at: float = option(0.95, gt=0, le=1, help="share of the places from which a car park counts as full")
    full_cost: float = option(3.0, ge=0, help="cost of a driver before a full car park, in needless detours")
    _since_ms: int = attrs.field(init=False, repr=False)
    _cases: dict[tuple[bool, bool], Case] = attrs.field(init=False, repr=False)
    _unknown: int = attrs.field(init=False, default=0, repr=False)
    _lots: dict[str, Case] = attrs.field(init=False, factory=dict, repr=False)
    _denied: Counter[str] = attrs.field(init=False, factory=Counter, repr=False)

    def __attrs_post_init__(self) -> None:
        self._since_ms = int(datetime.fromisoformat(self.since).timestamp() * 1000)
        self._cases = {(soon, now): Case() for soon in (True, False) for now in (True, False)}

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        """Count a decision."""
        if packet["external"].get("now_ms", 0) < self._since_ms:
            return
        full, share = packet["external"].get("eval.outcome"), packet["mdm"]["features"].get("lot.share")
        self._lots.setdefault(str(packet["input"].get("lot")), Case()).add(packet)
        self._denied.update((packet["mismatch"] or {}).get("flags", ()))
        if isinstance(full, bool):
            self._cases[full, isinstance(share, float) and share >= self.full_at].add(packet)
        else:
            self._unknown += 1

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up.

        Args:
            summary: Not needed.

        Returns:
            Readings with a known outcome, and those without; for car parks that ``stay_full``, ``fill_up`` within the
            hour, ``empty`` within it or ``stay_open`` what was done; what a reading costs, against that of redirecting
            nobody, or whenever a car park is full now; and for each car park that the model wanted to redirect from, at
            how many of its readings it came to that, and at how many a guard held it back.
        """
        names = {
            "stay_full": (True, True),
            "fill_up": (True, False),
            "empty": (False, True),
            "stay_open": (False, False),
        }
        cases = {name: self._cases[which] for name, which in names.items()}
        count = sum(case.all for case in cases.values())
        return {
            "since": self.since,
            "readings": count,
            "without_outcome": self._unknown,
            **{name: attrs.asdict(case) for name, case in cases.items()},
            "cost": self._per(count, self._cost(cases)),
            "cost_redirecting_nobody": self._per(
                count, self.full_cost * (cases["stay_full"].all + cases["fill_up"].all)
            ),
            "cost_redirecting_when_full": self._per(count, self.full_cost * cases["fill_up"].all + cases["empty"].all),
            "denied": dict(sorted(self._denied.items())),
            "car_parks": self._shares(),
        }

    def _cost(self, cases: Mapping[str, Case]) -> float:
        missed = sum(cases[name].all - cases[name].redirected for name in ("stay_full", "fill_up"))
        return self.full_cost * missed + sum(cases[name].redirected for name in ("empty", "stay_open"))

    def _per(self, count: int, cost: float) -> float | None:
        return cost / count if count else None

    def _shares(self) -> dict[str, str]:
        return {
            lot: f"{case.redirected} of {case.all} readings, {case.held_back} held back"
            for lot, case in sorted(self._lots.items())
            if case.redirected + case.held_back
        }
