from __future__ import annotations

from pathlib import Path
from typing import Any

from mdm_parking.plot import busiest, draw, readings

DAY = 1_481_328_000_000
HOUR = 3_600_000


def packet(hour: int, share: float, final: str = "HOLD", proposed: str | None = None, lot: str = "a") -> dict[str, Any]:
    return {
        "input": {"lot": lot},
        "external": {"now_ms": DAY + hour * HOUR},
        "mdm": {"action": proposed or final, "features": {"lot.share": share}, "params": {"forecast": share}},
        "final_action": {"action": final},
    }


PACKETS = [packet(8, 0.2), packet(9, 0.9, "HOLD", "ACT"), packet(10, 1.0, "ACT"), packet(11, 1.0, "ACT", lot="b")]


class TestReadings:
    def test_fates(self) -> None:
        """A reading is told by what was done, and earlier ones are left out."""
        found = readings([packet(-24 * 30, 0.1), *PACKETS])
        assert ["admitted", "held back", "redirected", "redirected"] == [reading.fate for reading in found]

    def test_busiest_first(self) -> None:
        """Car parks are in order of how often somebody was to be sent away."""
        assert ["a", "b"] == busiest(readings(PACKETS))


class TestDraw:
    def test_bars_count_the_readings(self, tmp_path: Path) -> None:
        """The bars add up to the redirects, and the picture can be written."""
        figure = draw(readings(PACKETS))
        bars = [[bar.get_width() for bar in bars] for bars in figure.axes[1].containers]
        assert [[1, 1], [1, 0]] == bars
        assert "a on 10 December 2016" == figure.axes[0].get_title()
        figure.savefig(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
