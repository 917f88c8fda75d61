"""Draw what became of the mail: ``python -m mdm_content.plot RUN --out moderation.png``. It needs matplotlib."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mdm_core import PastRun

from mdm_content.review import REASON

WEEK_MS = 7 * 24 * 3_600_000
SINCE = "2002-09-01T00:00:00+00:00"
FATES = {"quarantined": "#b5382c", "left to a person": "#e3a635", "delivered": "#3d7a99"}
BINS = 10


@attrs.frozen
class Message:
    """What became of a message.

    Attributes:
        week: The first day of its week, from the first message on.
        spam: The label.
        fate: One of ``FATES``.
        probability: How probable the model found it that it is spam.
    """

    week: datetime
    spam: bool
    fate: str
    probability: float


def messages(packets: Iterable[Mapping[str, Any]], since: str = SINCE) -> list[Message]:
    """Read what became of the messages.

    Args:
        packets: The packets of a run.
        since: Messages before this instant are left out.

    Returns:
        The messages, in order.
    """
    start = int(datetime.fromisoformat(since).timestamp() * 1000)
    return [_message(packet, start) for packet in packets if packet["external"]["now_ms"] >= start]


def _message(packet: Mapping[str, Any], start: int) -> Message:
    now = packet["external"]["now_ms"]
    week = datetime.fromtimestamp((start + (now - start) // WEEK_MS * WEEK_MS) / 1000, UTC)
    return Message(week, packet["external"]["eval.outcome"], _fate(packet), packet["mdm"]["params"]["probability"])


def _fate(packet: Mapping[str, Any]) -> str:
    if packet["final_action"]["action"] == "ACT":
        return "quarantined"
    denied = packet["mismatch"]
    return "left to a person" if denied and REASON in denied["flags"] else "delivered"


def draw(shown: Sequence[Message]) -> Figure:
    """Draw spam and other mail by week and fate, and how often spam was what the model took for it.

    Args:
        shown: The messages.
    """
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(10, 3.4), layout="constrained", dpi=110)
    spam, other, curve = figure.subplots(1, 3)
    first, last = shown[0].week, shown[-1].week
    weeks = [first + timedelta(weeks=number) for number in range((last - first).days // 7 + 1)]
    _by_week(spam, [message for message in shown if message.spam], weeks, "spam")
    _by_week(other, [message for message in shown if not message.spam], weeks, "other mail")
    other.legend(frameon=False, loc="upper right")
    _reliability(curve, shown)
    return figure


def _by_week(axes: Axes, shown: Sequence[Message], weeks: Sequence[datetime], title: str) -> None:
    below = [0] * len(weeks)
    for fate, colour in FATES.items():
        counts = Counter(message.week for message in shown if message.fate == fate)
        heights = [counts[week] for week in weeks]
        axes.bar(range(len(weeks)), heights, bottom=below, color=colour, label=fate)
        below = [height + base for height, base in zip(heights, below, strict=True)]
    ticks = range(0, len(weeks), max(1, len(weeks) // 3))
    axes.set_xticks(ticks, [f"{weeks[at]:%-d %b}" for at in ticks])
    axes.set(title=f"{title}: {len(shown):,} messages", ylabel="messages a week")


def _reliability(axes: Axes, shown: Sequence[Message]) -> None:
    bins: dict[int, list[Message]] = {}
    for message in shown:
        bins.setdefault(min(int(message.probability * BINS), BINS - 1), []).append(message)
    mean = [sum(m.probability for m in found) / len(found) for _, found in sorted(bins.items())]
    share = [sum(m.spam for m in found) / len(found) for _, found in sorted(bins.items())]
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, label="what is right")
    axes.plot(mean, share, marker="o", color=FATES["quarantined"], label="what happened")
    axes.set(title="how far the probabilities hold", xlabel="probability of spam", ylabel="share that was spam")
    axes.legend(frameon=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a run."""
    parser = argparse.ArgumentParser(prog="python -m mdm_content.plot", description="Draw what became of the mail.")
    parser.add_argument("run", help="id or directory of the run")
    parser.add_argument("--out", type=Path, default=Path("moderation.png"), help="the picture")
    options = parser.parse_args(arguments)
    draw(messages(PastRun.find(options.run).packets())).savefig(options.out)


if __name__ == "__main__":
    main()
