from __future__ import annotations

from typing import Any

import pytest
from mdm_core.errors import OptionError

from mdm_parking import Figures

JUDGED = 1_479_686_400_000


def packet(
    full: bool | None, share: float, final: str = "HOLD", proposed: str | None = None, lot: str = "a"
) -> dict[str, Any]:
    denied = proposed == "ACT" and final == "HOLD"
    return {
        "input": {"lot": lot},
        "external": {"now_ms": JUDGED, "eval.outcome": full},
        "mdm": {"action": proposed or final, "features": {"lot.share": share}},
        "final_action": {"action": final},
        "mismatch": {"flags": ["budget"]} if denied else None,
    }


def counted(*packets: dict[str, Any]) -> dict[str, Any]:
    figures = Figures()
    for one in packets:
        figures.on_decision(one)
    return dict(figures.on_run_end({}))


class TestFigures:
    def test_counts_by_what_came(self) -> None:
        """Readings are counted by what the car park did, and by what was done about it."""
        found = counted(
            packet(True, 1.0, "ACT"),
            packet(True, 0.8, "HOLD", "ACT"),
            packet(False, 1.0, "HOLD"),
            packet(False, 0.2, "ACT"),
            packet(None, 0.2, "ACT"),
        )
        assert {"redirected": 1, "held_back": 0, "admitted": 0} == found["stay_full"]
        assert {"redirected": 0, "held_back": 1, "admitted": 0} == found["fill_up"]
        assert {"redirected": 0, "held_back": 0, "admitted": 1} == found["empty"]
        assert (4, 1, {"budget": 1}) == (found["readings"], found["without_outcome"], found["denied"])

    def test_costs(self) -> None:
        """A full car park costs three, a needless detour one; the two rules without a model are told beside it."""
        found = counted(packet(True, 0.8), packet(True, 1.0, "ACT"), packet(False, 1.0), packet(False, 0.2, "ACT"))
        costs = [found[f"cost{name}"] for name in ("", "_redirecting_nobody", "_redirecting_when_full")]
        assert [(3 + 1) / 4, 6 / 4, (3 + 1) / 4] == costs

    def test_car_parks(self) -> None:
        """Each car park that somebody was, or was to be, sent away from is told by itself."""
        found = counted(packet(True, 1.0, "ACT"), packet(True, 1.0, "HOLD", "ACT"), packet(False, 0.1, lot="b"))
        assert {"a": "1 of 2 readings, 1 held back"} == found["car_parks"]

    def test_earlier_ones_are_left_out(self) -> None:
        """What was learned from does not count, and of nothing there is no cost."""
        early = packet(True, 1.0, "ACT")
        early["external"]["now_ms"] = JUDGED - 1
        found = counted(early)
        assert (0, None, {}) == (found["readings"], found["cost"], found["car_parks"])

    def test_since_needs_a_time_zone(self) -> None:
        """An instant without a time zone is refused with an example of one that has."""
        with pytest.raises(OptionError, match="must name its time zone, such as 2016-11-21T00:00:00"):
            Figures(since="2016-11-21")
