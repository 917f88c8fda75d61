"""Every component keeps its contract: the author's kit of mdm_core looks at each."""

from __future__ import annotations

from math import sin
from pathlib import Path

from mdm_core.testing import mdm_check

from mdm_trading import Sides

EXAMPLE = Path(__file__).parent.parent
CLOSES = [1.1 + sin(n / 7) / 100 for n in range(90)]
EVENTS = [
    {"symbol": f"S{n % 3}", "timestamp_ms": n * 3_600_000, "open": c, "high": c + 0.01, "low": c - 0.01, "close": c}
    | {"volume": 5.0 + n}
    for n, c in enumerate(CLOSES)
]
ORDERS = [
    {"symbol": f"S{n % 3}", "market.close": 1.0 + n / 100, "amount": 10.0, "direction": "long"} for n in range(60)
]


def sides() -> Sides:
    """A model around the one that it is meant for."""
    from mdm_reference import LogisticModel

    return Sides(model=LogisticModel(weights={"market.close": 3.0}, bias=-4.0))


test_bars = mdm_check("trading.bars", base_dir=EXAMPLE)
test_market = mdm_check("trading.market", options={"long": 5}, events=EVENTS, key="symbol")
test_sides = mdm_check(sides, events=ORDERS, key="symbol")
test_paper = mdm_check("trading.paper", events=ORDERS, key="symbol")
test_figures = mdm_check("trading.figures", events=EVENTS, key="symbol", context={"eval.outcome": True})
