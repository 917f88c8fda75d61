"""Every component keeps its contract: the author's kit of mdm_core looks at each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from mdm_core.testing import mdm_check

from mdm_parking.readings import read

EXAMPLE = Path(__file__).parent.parent
EVENTS = [
    {"lot": f"lot-{n % 3}", "timestamp_ms": 1_476_000_000_000 + n // 3 * 1_800_000, "places": 100, "taken": n}
    for n in range(60)
]
FEATURES = [{**event, "lot.share": n / 60, "lot.rise": 0.1, "lot.places": 100} for n, event in enumerate(EVENTS)]


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Every check opens the source anew, and the readings stay the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mdm_parking.readings.read", cache(read))
        yield


test_readings = mdm_check("parking.readings", base_dir=EXAMPLE)
test_history = mdm_check("parking.history", events=EVENTS, key="lot")
test_outlook = mdm_check("parking.outlook", events=FEATURES, key="lot", base_dir=EXAMPLE)
test_figures = mdm_check("parking.figures", events=EVENTS, key="lot", context={"eval.outcome": True})
