"""Draw a day, and whom the redirects fell on: ``python -m mdm_parking.plot RUN --out parking.png``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mdm_core import PastRun

SINCE = "2016-11-21T00:00:00+00:00"
DAY = "2016-12-10"
COLOURS = {"admitted": "#3d7a99", "held back": "#e3a635", "redirected": "#b5382c"}
MAPPED = 16


@attrs.frozen
class Reading:
    """What was decided at a reading.

    Attributes:
        time: When.
        lot: The car park.
        share: Share of its places that was taken, or None.
        forecast: Share that was foreseen for an hour later, or None.
        fate: One of ``COLOURS``.
    """

    time: datetime
    lot: str
    share: float | None
    forecast: float | None
    fate: str


def readings(packets: Iterable[Mapping[str, Any]], since: str = SINCE) -> list[Reading]:
    """Read what was decided.

    Args:
        packets: The packets of a run.
        since: Earlier readings are left out.

    Returns:
        The readings, in order.
    """
    start = datetime.fromisoformat(since).timestamp() * 1000
    return [_reading(packet) for packet in packets if packet["external"]["now_ms"] >= start]


def _reading(packet: Mapping[str, Any]) -> Reading:
    mdm = packet["mdm"]
    fate = "held back" if mdm["action"] == "ACT" else "admitted"
    if packet["final_action"]["action"] == "ACT":
        fate = "redirected"
    time = datetime.fromtimestamp(packet["external"]["now_ms"] / 1000, UTC)
    return Reading(time, packet["input"]["lot"], mdm["features"]["lot.share"], mdm["params"].get("forecast"), fate)


def busiest(shown: Sequence[Reading]) -> list[str]:
    """The car parks that the model wanted to redirect from, most often first."""
    wanted = [reading.lot for reading in shown if reading.fate != "admitted"]
    return sorted(set(wanted), key=lambda lot: (-wanted.count(lot), lot))


def draw(shown: Sequence[Reading], day: str = DAY) -> Figure:
    """Draw one day of the busiest car park, and for each car park at how many readings what was done.

    Args:
        shown: The readings.
        day: The day, such as 2016-12-10.
    """
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(10, 3.8), layout="constrained", dpi=110)
    course, lots = figure.subplots(1, 2)
    order = busiest(shown)
    _course(course, [reading for reading in shown if reading.lot == order[0] and f"{reading.time:%Y-%m-%d}" == day])
    _lots(lots, shown, order[:MAPPED])
    return figure


def _course(axes: Axes, shown: Sequence[Reading]) -> None:
    hours = [reading.time.hour + reading.time.minute / 60 for reading in shown]
    axes.plot(
        [hour + 1 for hour in hours], [reading.forecast or 0 for reading in shown], color="#888888", linestyle="--"
    )
    axes.plot([], [], color="#888888", linestyle="--", label="foreseen an hour before")
    for fate, colour in COLOURS.items():
        chosen = [(hour, one.share) for hour, one in zip(hours, shown, strict=True) if one.fate == fate]
        axes.plot(*zip(*chosen, strict=True) if chosen else ([], []), "o", color=colour, label=fate)
    axes.axhline(0.95, color="#bbbbbb", linewidth=1)
    title = f"{shown[0].lot} on {shown[0].time:%-d %B %Y}" if shown else "no readings"
    axes.set(title=title, xlabel="hour of the day", ylabel="share of the places taken")
    axes.legend(frameon=False, loc="lower right")


def _lots(axes: Axes, shown: Sequence[Reading], order: Sequence[str]) -> None:
    below = [0] * len(order)
    for fate in ("redirected", "held back"):
        counts = [sum(reading.lot == lot and reading.fate == fate for reading in shown) for lot in order]
        axes.barh(range(len(order)), counts, left=below, color=COLOURS[fate], label=fate)
        below = [count + base for count, base in zip(counts, below, strict=True)]
    axes.set_yticks(range(len(order)), order, fontsize=8)
    axes.invert_yaxis()
    axes.set(title="whom the redirects fell on", xlabel="readings")
    axes.legend(frameon=False, loc="lower right")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a run."""
    parser = argparse.ArgumentParser(
        prog="python -m mdm_parking.plot", description="Draw what became of the car parks."
    )
    parser.add_argument("run", help="id or directory of the run")
    parser.add_argument("--out", type=Path, default=Path("parking.png"), help="the picture")
    options = parser.parse_args(arguments)
    draw(readings(PastRun.find(options.run).packets())).savefig(options.out)


if __name__ == "__main__":
    main()
