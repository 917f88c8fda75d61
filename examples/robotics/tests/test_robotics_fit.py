from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from mdm_robotics.fit import FALSE_STOPS, choose, main
from mdm_robotics.sessions import Session


def judged(switch: int, doubts: list[float]) -> tuple[Session, list[float]]:
    return Session("a", "PEN", [[]] * len(doubts), switch, None), doubts


class TestChoose:
    def test_the_lowest_that_stops_few_for_nothing(self) -> None:
        """The limit is the lowest at which no more than allowed are stopped for nothing."""
        clean = [judged(2, [0.0, 0.6]) for _ in range(FALSE_STOPS + 1)]
        left = [judged(1, [0.0, 5.0]), judged(1, [0.0, 0.1])]
        assert (0.7, 0, 1) == choose(clean + left)


class TestCommand:
    @pytest.mark.skipif("MDM_FULL" not in os.environ, reason="takes a quarter of a minute; set MDM_FULL=1")
    def test_committed_weights_are_reproduced(self, example: Path, tmp_path: Path) -> None:
        """The script gives the weights that are committed, and says what README and pipeline tell."""
        out = tmp_path / "weights.json"
        result = CliRunner().invoke(main, ["--data", str(example / "data"), "--out", str(out)], catch_exceptions=False)
        fitted, committed = (json.loads(path.read_text()) for path in (out, example / "weights.json"))
        assert committed["bias"] == pytest.approx(fitted["bias"], rel=0.01)
        for name, weights in committed["weights"].items():
            assert weights == pytest.approx(fitted["weights"][name], rel=0.02, abs=0.02)
        assert "set stop_at = 2.0: of 98 sessions 1 are stopped for nothing, and 45 of the 49" in result.output
        assert "it stops 1, and 45 of the 49" in " ".join((example / "README.md").read_text().split())
        assert "stop_at = 2.0" in (example / "pipeline.toml").read_text()
