"""Draw two sessions, and what decisions took: ``python -m mdm_robotics.plot RUN --out robotics.png``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mdm_core import PastRun

SHOWN = ("8-left-FEL", "8-left-ABD")
COLOURS = {"ACT": "#3d7a99", "STOP": "#b5382c", "latched": "#e3a635"}


@attrs.frozen
class Sample:
    """What was decided at a sample.

    Attributes:
        session: The arm and its plan.
        seconds: Time since the session began.
        fate: ``ACT``, ``STOP``, ``latched`` or ``HOLD``.
        doubt: Evidence of another movement, or None.
        planned: The label.
        latency_us: What the decision took.
    """

    session: str
    seconds: float
    fate: str
    doubt: float | None
    planned: bool
    latency_us: float


def samples(packets: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Read what was decided.

    Args:
        packets: The packets of a run.

    Returns:
        The samples, in order.
    """
    found: list[Sample] = []
    begin = None
    for packet in packets:
        external, final = packet["external"], packet["final_action"]
        now = external["last_event_ts_ms"]
        begin = now if begin is None else begin
        fate = "latched" if final["reasons"] == ["latched"] else final["action"]
        doubt, planned = packet["mdm"]["features"].get("motion.doubt"), external["eval.outcome"]
        session, took = packet["input"]["session"], external["mdm.latency_us"]
        found.append(Sample(session, (now - begin) / 1000, fate, doubt, planned, took))
    return found


def draw(shown: Sequence[Sample], sessions: Sequence[str] = SHOWN) -> Figure:
    """Draw the evidence in some sessions with what was done, and the distribution of the latencies.

    Args:
        shown: The samples.
        sessions: The sessions.
    """
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(11, 3.4), layout="constrained", dpi=110)
    axes = figure.subplots(1, len(sessions) + 1)
    for place, name in zip(axes, sessions, strict=False):
        _course(place, name, sorted((s for s in shown if s.session == name), key=lambda sample: sample.seconds))
    _latencies(axes[-1], sorted(sample.latency_us for sample in shown))
    return figure


def _course(axes: Axes, name: str, shown: Sequence[Sample]) -> None:
    axes.plot([s.seconds for s in shown], [s.doubt or 0.0 for s in shown], color="#888888", linewidth=1)
    for fate, colour in COLOURS.items():
        times = [s.seconds for s in shown if s.fate == fate]
        axes.plot(times, [-1.0] * len(times), "|", color=colour, markersize=14 if fate == "STOP" else 8, label=fate)
    left = next((s.seconds for s in shown if not s.planned), None)
    if left is not None:
        axes.axvline(left, color="#222222", linewidth=1, linestyle="--")
    axes.set(title=name, xlabel="seconds", ylabel="evidence of another movement", ylim=(-2, 12))
    axes.legend(frameon=False, loc="upper left", handlelength=0.8)


def _latencies(axes: Axes, took: Sequence[float]) -> None:
    shares = [1 - at / len(took) for at in range(len(took))]
    axes.plot(took, shares, color=COLOURS["ACT"])
    axes.axvline(20_000, color=COLOURS["STOP"], linewidth=1, label="the time of a sample")
    axes.set(title="what a decision took", xlabel="µs", ylabel="share that took longer", xscale="log", yscale="log")
    axes.legend(frameon=False, loc="lower left")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a run."""
    parser = argparse.ArgumentParser(prog="python -m mdm_robotics.plot", description="Draw what became of the arms.")
    parser.add_argument("run", help="id or directory of the run")
    parser.add_argument("--out", type=Path, default=Path("robotics.png"), help="the picture")
    options = parser.parse_args(arguments)
    draw(samples(PastRun.find(options.run).packets())).savefig(options.out)


if __name__ == "__main__":
    main()
