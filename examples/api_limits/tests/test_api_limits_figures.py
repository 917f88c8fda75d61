from __future__ import annotations

from typing import Any

import pytest
from mdm_core.errors import OptionError

from mdm_api_limits import Figures
from mdm_api_limits.figures import MINUTE_MS

DECEMBER = 1_291_161_600_000


def packet(
    client: str, good: bool, final: str = "ACT", proposed: str = "ACT", now_ms: int = DECEMBER
) -> dict[str, Any]:
    return {
        "input": {"client": client},
        "external": {"now_ms": now_ms, "eval.outcome": good},
        "mdm": {"action": proposed},
        "final_action": {"action": final},
    }


def counted(*packets: dict[str, Any]) -> dict[str, Any]:
    figures = Figures()
    for one in packets:
        figures.on_decision(one)
    return dict(figures.on_run_end({}))


class TestFigures:
    def test_counts_what_became_of_requests(self) -> None:
        """Good requests and abuse are counted apart, by what became of them, and so are clients that had to wait."""
        found = counted(
            packet("ann", True),
            packet("ann", True, "HOLD"),
            packet("bob", True, "HOLD"),
            packet("bob", True),
            packet("eve", False, "HOLD", "HOLD"),
            packet("eve", False),
        )
        assert {"served": 2, "throttled": 2, "turned_away": 0} == found["good"]
        assert {"served": 1, "throttled": 0, "turned_away": 1} == found["abuse"]
        assert (6, 0.5, 3, 2) == tuple(
            found[name] for name in ("requests", "good_not_served", "clients", "clients_throttled")
        )

    def test_busiest_minute(self) -> None:
        """Of the busiest minute it is told how many asked, and in which most were served how many were."""
        later = [packet("ann", True, "HOLD" if number else "ACT", now_ms=DECEMBER + MINUTE_MS) for number in range(5)]
        found = counted(packet("ann", True), packet("ann", True), *later)
        assert (5, 2) == (found["busiest_minute_offered"], found["busiest_minute_served"])

    def test_the_part_that_was_learned_from_is_left_out(self) -> None:
        """Decisions before the instant do not count, and of nothing there is no share."""
        found = counted(packet("ann", True, now_ms=DECEMBER - 1))
        assert (0, None, 0) == (found["requests"], found["good_not_served"], found["busiest_minute_offered"])

    def test_without_outcome_it_is_neither(self) -> None:
        """A request of which nobody knows how it turned out is counted, and neither good nor abuse."""
        unknown = packet("ann", True)
        del unknown["external"]["eval.outcome"]
        found = counted(unknown)
        assert (1, 1, None) == (found["requests"], found["without_outcome"], found["good_not_served"])

    def test_without_time_it_is_left_out(self) -> None:
        """A decision of a pipeline without a clock is before every instant."""
        timeless = packet("ann", True)
        del timeless["external"]["now_ms"]
        assert 0 == counted(timeless)["requests"]

    def test_since_needs_a_time_zone(self) -> None:
        """An instant without a time zone is refused with an example of one that has."""
        with pytest.raises(OptionError, match="must name its time zone, such as 2010-12-01T00:00:00"):
            Figures(since="2010-12-01")
