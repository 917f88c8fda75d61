"""Draw what was earned, against holding and against chance: ``python -m mdm_trading.plot RUN --out trading.png``."""

from __future__ import annotations

import argparse
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mdm_core import PastRun

from mdm_trading.figures import PIP, Figures

COLOURS = {"trades": "#b5382c", "holding": "#3d7a99", "chance": "#bbbbbb"}


def read(packets: Iterable[Mapping[str, Any]]) -> Figures:
    """Have the observer of the run look at its packets once more."""
    figures = Figures()
    for packet in packets:
        figures.on_decision(packet)
    return figures


def draw(figures: Figures) -> Figure:
    """Draw gains bar by bar, and the distribution of what chance earns.

    Args:
        figures: What ``read`` gives.
    """
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(10, 3.6), layout="constrained", dpi=110)
    course, chance = figure.subplots(1, 2, width_ratios=[3, 2])
    trades = figures.trades()
    gains = [trade.gain(figures.closes, figures.spread) / PIP for trade in trades]
    _course(course, figures, [trade.left for trade in trades], gains)
    _chance(chance, figures.sums_by_chance(trades), sum(gains))
    return figure


def _course(axes: Axes, figures: Figures, left: Sequence[int], gains: Sequence[float]) -> None:
    first = figures.closes[0]
    held = [(close - first - figures.spread) / PIP for close in figures.closes]
    earned = [0.0, *accumulate(gains)]
    axes.plot(held, color=COLOURS["holding"], linewidth=1, label="bought and held")
    so_far = [earned[bisect_right(left, at)] for at in range(len(held))]
    axes.plot(so_far, color=COLOURS["trades"], drawstyle="steps-post", label="traded")
    axes.axhline(0, color="#bbbbbb", linewidth=1)
    axes.set(title="what was earned, after the spread", xlabel="hourly bars since 1 September 2017", ylabel="pips")
    axes.legend(frameon=False)


def _chance(axes: Axes, sums: Sequence[float], gain: float) -> None:
    axes.hist(sums, bins=40, color=COLOURS["chance"], label="the same trades at times by chance")
    axes.axvline(gain, ymax=0.78, color=COLOURS["trades"], label="the run")
    axes.set(title=f"against {len(sums):,} draws", xlabel="pips", ylabel="draws")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    axes.legend(frameon=False, loc="upper left")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a run."""
    parser = argparse.ArgumentParser(prog="python -m mdm_trading.plot", description="Draw what was earned.")
    parser.add_argument("run", help="id or directory of the run")
    parser.add_argument("--out", type=Path, default=Path("trading.png"), help="the picture")
    options = parser.parse_args(arguments)
    draw(read(PastRun.find(options.run).packets())).savefig(options.out)


if __name__ == "__main__":
    main()
