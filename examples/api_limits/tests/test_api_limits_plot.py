from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mdm_core import DataSource, Record

from mdm_api_limits.plot import BURSTS, curves, draw, fates

SEPTEMBER = 1_030_838_400_000
DECEMBER = 1_291_161_600_000


def packet(now_ms: int, good: bool, final: str, proposed: str = "ACT") -> dict[str, Any]:
    return {
        "external": {"now_ms": now_ms, "eval.outcome": good},
        "mdm": {"action": proposed, "reasons": ["known_client"]},
        "final_action": {"action": final},
    }


class Two(DataSource):
    """A client that asks 60 times in a minute of the first year, and 120 times in one of the second."""

    def records(self) -> Iterator[Record]:
        """Yield the requests."""
        for position in range(180):
            yield Record(
                {"timestamp_ms": DECEMBER - 60_000 if position < 60 else DECEMBER, "client": "a"}, position + 1
            )


class TestNumbers:
    def test_fates(self) -> None:
        """Requests are counted by label, reason and what became of them; the part that was learned from is left out."""
        found = fates(
            [
                packet(SEPTEMBER - 1, True, "ACT"),
                packet(SEPTEMBER, True, "ACT"),
                packet(SEPTEMBER, True, "HOLD"),
                packet(SEPTEMBER, False, "HOLD", "HOLD"),
            ]
        )
        expected = {
            (True, "known_client", "served"): 1,
            (True, "known_client", "throttled"): 1,
            (False, "known_client", "turned_away"): 1,
        }
        assert expected == found

    def test_curves(self) -> None:
        """Each year has a share for every size of bucket, which falls as the bucket grows."""
        found = curves(Two())
        assert 10 / 60 == found["first year"][0]
        assert [(120 - 50 - 0) / 120, 20 / 120, 0.0] == found["second year"][:3]
        assert all(len(BURSTS) == len(shares) == len(sorted(shares)) for shares in found.values())


class TestDraw:
    def test_bars_count_the_requests(self, tmp_path: Path) -> None:
        """The bars of good requests add up to them, and the picture can be written."""
        counts = fates(
            [packet(SEPTEMBER, True, "ACT"), packet(SEPTEMBER, True, "HOLD"), packet(SEPTEMBER, False, "ACT")]
        )
        figure = draw(counts, curves(Two()), 100)
        assert [2, 0, 0] == [sum(b.get_height() for b in bars) for bars in zip(*figure.axes[0].containers, strict=True)]
        figure.savefig(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
