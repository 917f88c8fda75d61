"""What came of it: gains and costs of the trades, against buying and holding, and against chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from statistics import fmean, pstdev
from typing import Any

import attrs
from mdm_core import Observer, option

PIP = 0.0001


def check_instant(text: str) -> None:
    """Check that an instant names its time zone.

    Args:
        text: ISO 8601.

    Raises:
        ValueError: It does not.
    """
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"must name its time zone, such as 2017-09-01T00:00:00+00:00, got {text!r}")


@attrs.frozen
class Trade:
    """A position that was opened and closed.

    Attributes:
        entered: Number of the bar at which it was opened.
        left: Number of the bar at which it was closed.
        side: 1 long, -1 short.
    """

    entered: int
    left: int
    side: int

    def gain(self, closes: Sequence[float], spread: float) -> float:
        """What one unit of it earned, the spread paid."""
        return self.side * (closes[self.left] - closes[self.entered]) - spread


@attrs.define
class Figures(Observer):
    """Adds up trades bar by bar, and compares them with holding, and with entries by chance.

    The comparison by chance has as many trades, each as long and on the same side as one of the run, at times that are
    drawn so that they do not overlap. ``since`` keeps apart what was learned from and what is judged; a position that
    is still open at the end is closed at the last bar. All gains are in pips, of 0.0001, for each unit.

    Attributes:
        closes: The closes of the bars that are judged.
    """

    since: str = option("2017-09-01T00:00:00+00:00", check=check_instant, help="earlier bars are left out")
    spread: float = option(0.0001, ge=0, help="cost of a trade, in units of the price; that of the broker")
    draws: int = option(2000, ge=1, help="how often trades by chance are drawn")
    seed: int = option(1, help="where the drawing begins")
    _since_ms: int = attrs.field(init=False, repr=False)
    closes: list[float] = attrs.field(init=False, factory=list, repr=False)
    _open: tuple[int, int] | None = attrs.field(init=False, default=None, repr=False)
    _trades: list[Trade] = attrs.field(init=False, factory=list, repr=False)

    def __attrs_post_init__(self) -> None:
        self._since_ms = int(datetime.fromisoformat(self.since).timestamp() * 1000)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        """Note a bar, and an entry or an exit that was carried out."""
        close = packet["mdm"]["features"].get("market.close")
        if packet["external"].get("now_ms", 0) < self._since_ms or not isinstance(close, float):
            return
        self.closes.append(close)
        if packet["external"].get("exec.status") != "done":
            return
        final, now = packet["final_action"], len(self.closes) - 1
        if final["action"] == "ACT":
            self._open = now, 1 if final["params"].get("direction") == "long" else -1
        elif self._open is not None:
            self._trades.append(Trade(self._open[0], now, self._open[1]))
            self._open = None

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any]:
        """Work out gains.

        Args:
            summary: Not needed.

        Returns:
            Bars and trades, how many were long and how many won; the gain, before and after the spread, of all and per
            trade, the largest loss from a high; that of buying and holding; and of trades by chance the mean, the
            middle 90 %, and the share that earned no more.
        """
        trades, closes = self.trades(), self.closes
        if not trades:
            return {"since": self.since, "bars": len(closes), "trades": 0}
        gains = [trade.gain(closes, self.spread) / PIP for trade in trades]
        return {
            "since": self.since,
            "bars": len(closes),
            "trades": len(trades),
            "long": sum(trade.side > 0 for trade in trades),
            "won": sum(gain > 0 for gain in gains),
            "gain_before_costs": _tenth(sum(gains) + len(trades) * self.spread / PIP),
            "gain": _tenth(sum(gains)),
            "gain_per_trade": {"mean": _tenth(fmean(gains)), "standard_error": _error(gains)},
            "largest_fall": _tenth(largest_fall(gains)),
            "buy_and_hold": _tenth((closes[-1] - closes[0] - self.spread) / PIP),
            "by_chance": self._by_chance(trades, sum(gains)),
        }

    def trades(self) -> list[Trade]:
        """The trades so far; one that is open is closed at the last bar."""
        last = len(self.closes) - 1
        still = [Trade(self._open[0], last, self._open[1])] if self._open is not None else []
        return self._trades + still

    def sums_by_chance(self, trades: Sequence[Trade]) -> list[float]:
        """What trades of the same lengths and sides would have earned at other times, in pips, ascending."""
        random, count = Random(self.seed), len(self.closes)
        drawn = (by_chance(trades, count, random) for _ in range(self.draws))
        return sorted(sum(one.gain(self.closes, self.spread) for one in chosen) / PIP for chosen in drawn)

    def _by_chance(self, trades: Sequence[Trade], gain: float) -> dict[str, Any]:
        sums = self.sums_by_chance(trades)
        low, high = sums[int(0.05 * len(sums))], sums[int(0.95 * len(sums))]
        return {
            "draws": self.draws,
            "mean": _tenth(fmean(sums)),
            "middle_90": f"{low:.1f} to {high:.1f}",
            "share_no_better": sum(one <= gain for one in sums) / len(sums),
        }


def by_chance(trades: Sequence[Trade], bars: int, random: Random) -> list[Trade]:
    """Draw trades of the same lengths and sides at other times, which do not overlap.

    Args:
        trades: The trades.
        bars: How many bars there are.
        random: What is drawn with.

    Returns:
        As many trades, in order of time; the bars that are left over lie between them by chance.
    """
    shuffled = random.sample(trades, len(trades))
    spare = bars - 1 - sum(trade.left - trade.entered for trade in trades)
    cuts = sorted(random.randint(0, spare) for _ in trades)
    found, used = [], 0
    for trade, cut in zip(shuffled, cuts, strict=True):
        length = trade.left - trade.entered
        found.append(Trade(cut + used, cut + used + length, trade.side))
        used += length
    return found


def largest_fall(gains: Sequence[float]) -> float:
    """Find the largest loss from a high of what was earned so far."""
    earned = high = fall = 0.0
    for gain in gains:
        earned += gain
        high = max(high, earned)
        fall = max(fall, high - earned)
    return fall


def _error(gains: Sequence[float]) -> float:
    return _tenth(pstdev(gains) / len(gains) ** 0.5)


def _tenth(pips: float) -> float:
    return round(pips, 1)
