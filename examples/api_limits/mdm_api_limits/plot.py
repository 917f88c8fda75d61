"""Draw what became of the requests: ``python -m mdm_api_limits.plot RUN --data data --out api-limits.png``.

It needs matplotlib, and scipy as ``mdm_api_limits.fit`` does.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mdm_core import Build, DataSource, PastRun, Record

from mdm_api_limits.figures import fate
from mdm_api_limits.fit import ORDERS_END, RELAYS_END, throttled
from mdm_api_limits.orders import OrderLines
from mdm_api_limits.packages import RETAIL

COLOURS = {"served": "#3d7a99", "throttled": "#e3a635", "turned_away": "#b5382c"}
BURSTS = (50, 100, 200, 300, 400, 500, 600, 800, 1000)


def fates(packets: Iterable[Mapping[str, Any]], since: str = RELAYS_END) -> Counter[tuple[bool, str, str]]:
    """Count what became of requests.

    Args:
        packets: The packets of a run.
        since: Requests before this instant are left out.

    Returns:
        How often, by whether it was good, why the model said what it said, and what became of it.
    """
    start = int(datetime.fromisoformat(since).timestamp() * 1000)
    return Counter(
        (packet["external"]["eval.outcome"], packet["mdm"]["reasons"][0], fate(packet))
        for packet in packets
        if packet["external"]["now_ms"] >= start
    )


def curves(orders: DataSource) -> dict[str, list[float]]:
    """Tell what buckets of many sizes would throttle.

    Args:
        orders: The shop's orders, opened.

    Returns:
        The share of requests for each of ``BURSTS``, in the first year and in the second.
    """
    end = datetime.fromisoformat(ORDERS_END).timestamp() * 1000
    years: dict[str, list[tuple[int, str]]] = {"first year": [], "second year": []}
    for record in orders.records():
        if isinstance(record, Record):
            now = record.event["timestamp_ms"]
            years["first year" if now < end else "second year"].append((now // 60_000, record.event["client"]))
    return {year: [throttled(requests, burst) for burst in BURSTS] for year, requests in years.items()}


def draw(counts: Counter[tuple[bool, str, str]], shares: Mapping[str, Sequence[float]], chosen: int) -> Figure:
    """Draw who was served by what was known of him, and what a bucket of the shop costs.

    Args:
        counts: What ``fates`` gives.
        shares: What ``curves`` gives.
        chosen: The burst that was chosen.
    """
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(10, 3.4), layout="constrained", dpi=110)
    good, abuse, cost = figure.subplots(1, 3)
    _bars(good, counts, True, "good requests of mail servers")
    _bars(abuse, counts, False, "abuse by mail servers")
    good.legend(frameon=False)
    for (year, share), colour in zip(shares.items(), ("#999999", COLOURS["turned_away"]), strict=True):
        cost.plot(BURSTS, [max(part, 1e-6) for part in share], marker="o", color=colour, label=year)
    cost.axvline(chosen, color="#bbbbbb", linewidth=1, label="chosen on the first")
    cost.set(
        yscale="log", ylim=(1e-5, 1), title="false throttles of the shop", xlabel="burst", ylabel="share of requests"
    )
    cost.legend(frameon=False)
    return figure


def _bars(axes: Axes, counts: Counter[tuple[bool, str, str]], good: bool, title: str) -> None:
    reasons = ("known_client", "known_network", "unknown_client")
    below = [0] * len(reasons)
    for how, colour in COLOURS.items():
        heights = [counts[good, reason, how] for reason in reasons]
        axes.bar(range(len(reasons)), heights, bottom=below, color=colour, label=how.replace("_", " "))
        below = [height + base for height, base in zip(heights, below, strict=True)]
    axes.set_xticks(range(len(reasons)), [reason.replace("_", "\n") for reason in reasons])
    axes.set(title=f"{title}: {sum(below):,}", ylabel="requests")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a run."""
    parser = argparse.ArgumentParser(prog="python -m mdm_api_limits.plot", description="Draw what became of requests.")
    parser.add_argument("run", help="id or directory of a run of pipeline.toml")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with the packages")
    parser.add_argument("--burst", type=int, default=500, help="the burst that was chosen")
    parser.add_argument("--out", type=Path, default=Path("api-limits.png"), help="the picture")
    options = parser.parse_args(arguments)
    orders = OrderLines(path=(options.data / RETAIL.file).resolve())
    orders.open(Build())
    draw(fates(PastRun.find(options.run).packets()), curves(orders), options.burst).savefig(options.out)


if __name__ == "__main__":
    main()
