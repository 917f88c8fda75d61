from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mdm_robotics.plot import draw, samples


def packet(step: int, action: str, reasons: list[str], planned: bool) -> dict[str, Any]:
    return {
        "input": {"session": "a"},
        "external": {"last_event_ts_ms": step * 1000, "eval.outcome": planned, "mdm.latency_us": 50.0 + step},
        "mdm": {"features": {"motion.doubt": float(step)}},
        "final_action": {"action": action, "reasons": reasons},
    }


PACKETS = [packet(5, "ACT", [], True), packet(6, "STOP", [], False), packet(7, "HOLD", ["latched"], False)]


class TestSamples:
    def test_fates(self) -> None:
        """A sample is told by what was done, with its seconds since the beginning."""
        found = [(sample.seconds, sample.fate) for sample in samples(PACKETS)]
        assert [(0.0, "ACT"), (1.0, "STOP"), (2.0, "latched")] == found


class TestDraw:
    def test_shows_when_the_plan_was_left(self, tmp_path: Path) -> None:
        """The dashed line stands where the label turned, and the picture can be written."""
        figure = draw(samples(PACKETS), ["a"])

        dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
        assert [1.0] == [np.asarray(line.get_path().vertices).tolist()[0][0] for line in dashed]
        figure.savefig(tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
