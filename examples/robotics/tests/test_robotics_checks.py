"""Every component keeps its contract: the author's kit of mdm_core looks at each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import sin
from pathlib import Path

import pytest
from mdm_core.testing import mdm_check

from mdm_robotics.recordings import read

EXAMPLE = Path(__file__).parent.parent
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
EVENTS = [
    {
        "session": f"arm-{n % 2}",
        "plan": "PEN",
        "timestamp_ms": n * 10,
        **{c: sin(n / 9 + at) for at, c in enumerate(CHANNELS)},
    }
    for n in range(260)
]
JUDGED = [
    {
        "session": f"arm-{n % 3}",
        "exercise.planned": n / 60,
        "motion.doubt": float(n % 5),
        "motion.speed": 1.0,
        "drive": 1.0,
    }
    for n in range(60)
]


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Every check opens the source anew, and the recordings stay the same."""
    kept = cache(read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mdm_robotics.sessions.read", lambda wheel, subjects: kept(wheel, tuple(subjects)))
        yield


test_sessions = mdm_check("robotics.sessions", options={"subjects": [8]}, base_dir=EXAMPLE)
test_motion = mdm_check("robotics.motion", options={"learn_s": 0.2}, events=EVENTS, key="session", base_dir=EXAMPLE)
test_supervisor = mdm_check("robotics.supervisor", events=JUDGED, key="session")
test_latch = mdm_check("robotics.latch", events=JUDGED, key="session")
test_actuator = mdm_check("robotics.actuator", events=JUDGED, key="session")
test_figures = mdm_check("robotics.figures", events=EVENTS[:60], key="session", context={"eval.outcome": True})
