from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mdm_content.plot import WEEK_MS, draw, messages

SEPTEMBER = 1_030_838_400_000


def packet(
    now_ms: int, action: str = "HOLD", flags: list[str] | None = None, probability: float = 0.5
) -> dict[str, Any]:
    return {
        "external": {"now_ms": now_ms, "eval.outcome": True},
        "mdm": {"params": {"probability": probability}},
        "final_action": {"action": action},
        "mismatch": None if flags is None else {"flags": flags},
    }


class TestMessages:
    @pytest.mark.parametrize(
        ("action", "flags", "fate"),
        [
            ("ACT", None, "quarantined"),
            ("HOLD", ["review"], "left to a person"),
            ("HOLD", ["rate_limit"], "delivered"),
            ("HOLD", None, "delivered"),
        ],
    )
    def test_fate(self, action: str, flags: list[str] | None, fate: str) -> None:
        """What counts is what became of the message: denied for another reason than a review, it is delivered."""
        assert [fate] == [message.fate for message in messages([packet(SEPTEMBER, action, flags)])]

    def test_only_the_part_that_judges(self) -> None:
        """Messages that the weights were fitted on are left out, and weeks begin with the first day after them."""
        found = messages([packet(SEPTEMBER - 1), packet(SEPTEMBER), packet(SEPTEMBER + WEEK_MS)])
        assert [1, 8] == [message.week.day for message in found]


class TestDraw:
    def test_bars_count_the_messages(self, tmp_path: Path) -> None:
        """The bars of spam add up to the messages, week by week, and the picture can be written."""
        days = [0, 0, 8, 8, 8, 22]
        figure = draw(messages([packet(SEPTEMBER + day * WEEK_MS // 7, probability=day / 30) for day in days]))
        heights = [sum(bar.get_height() for bar in bars) for bars in zip(*figure.axes[0].containers, strict=True)]
        assert [2, 3, 0, 1] == heights
        figure.savefig(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
