from __future__ import annotations

from pathlib import Path
from typing import Any

from mdm_trading.plot import draw, read

SEPTEMBER = 1_504_224_000_000


def packet(number: int, action: str) -> dict[str, Any]:
    return {
        "external": {"now_ms": SEPTEMBER + number, "exec.status": "done"},
        "mdm": {"features": {"market.close": 1.0 + number / 1000}},
        "final_action": {"action": action, "params": {"direction": "long"}},
    }


class TestDraw:
    def test_histogram_counts_the_draws(self, tmp_path: Path) -> None:
        """All draws are in the histogram, and the picture can be written."""
        figures = read([packet(number, {2: "ACT", 5: "EXIT"}.get(number, "CANCEL")) for number in range(3)])
        for number in range(3, 30):
            one = packet(number, "EXIT" if number == 5 else "HOLD")
            figures.on_decision(one if number == 5 else {**one, "external": {"now_ms": SEPTEMBER}})
        figure = draw(figures)
        assert 2000 == sum(bar.get_height() for bar in figure.axes[1].containers[0])
        figure.savefig(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
