"""Every component keeps its contract: the author's kit of mdm_core looks at each."""

from __future__ import annotations

from pathlib import Path

from mdm_core.testing import mdm_check

EXAMPLE = Path(__file__).parent.parent
EVENTS = [
    {"lot": f"lot-{n % 3}", "timestamp_ms": 1_476_000_000_000 + n // 3 * 1_800_000, "places": 100, "taken": n}
    for n in range(60)
]
FEATURES = [{**event, "lot.share": n / 60, "lot.rise": 0.1, "lot.places": 100} for n, event in enumerate(EVENTS)]

test_readings = mdm_check("parking.readings", base_dir=EXAMPLE)
test_history = mdm_check("parking.history", events=EVENTS, key="lot")
test_outlook = mdm_check("parking.outlook", events=FEATURES, key="lot", base_dir=EXAMPLE)
test_figures = mdm_check("parking.figures", events=EVENTS, key="lot", context={"eval.outcome": True})
