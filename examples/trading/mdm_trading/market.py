"""The feature extractor: returns, range, volatility, momentum and liquidity over rolling windows."""

from __future__ import annotations

from itertools import pairwise
from math import log, sqrt
from statistics import fmean
from typing import Final

import attrs
from mdm_core import Context, Event, FeatureExtractor, Features, KeyedState, keyed_state, option

_PRICES: Final = ("open", "high", "low", "close")
_LARGEST: Final = 1e12
NAMES: Final = (
    "market.return",
    "market.body",
    "market.range",
    "market.momentum_short",
    "market.momentum_long",
    "market.volatility",
    "market.parkinson",
    "market.spread",
    "market.illiquidity",
    "market.place",
)


@attrs.define
class Symbol:
    """The last bars of one symbol.

    Attributes:
        closes: Their closes; one more than of the rest.
        ranges: Log of high over low.
        volumes: What was traded.
    """

    closes: list[float] = attrs.field(factory=list)
    ranges: list[float] = attrs.field(factory=list)
    volumes: list[float] = attrs.field(factory=list)


@attrs.define
class Market(FeatureExtractor):
    """Describes a market from bars: prices of one, and what a rolling window of them says. All logs are natural.

    ``market.return``, ``market.body`` and ``market.range`` are logs of close over the close before, close over open and
    high over low; ``momentum_short`` and ``momentum_long`` are returns over ``short`` and ``long`` bars, in units of
    ``volatility``, the root mean square of the returns. ``parkinson`` is the volatility that ranges tell (M. Parkinson,
    Journal of Business 53, 1980), ``spread`` the one that returns which reverse tell (R. Roll, Journal of Finance 39,
    1984), ``illiquidity`` the return that a unit of volume makes, against the window's mean (Y. Amihud, Journal of
    Financial Markets 5, 2002), ``place`` where in the window's range the close stands, from 0 to 1. All windows are of
    ``long`` bars; until there are so many all but ``market.close`` are None.
    """

    short: int = option(6, ge=1, help="bars of the short momentum")
    long: int = option(24, ge=3, help="bars of all other windows")
    states: KeyedState[Symbol] = keyed_state(Symbol, max_keys=10_000)

    def extract(self, event: Event, context: Context) -> Features:
        """Take a bar; one that lacks a price leaves no mark."""
        bar = [event.get(name) for name in _PRICES]
        if not all(isinstance(x, float) and 0 < x < _LARGEST for x in bar):
            return dict.fromkeys(("market.close", *NAMES))
        first, high, low, close = (float(x or 0) for x in bar)
        volume = event.get("volume")
        symbol = self.states[context.key]
        _keep(symbol.closes, close, self.long + 1)
        _keep(symbol.ranges, log(high / low), self.long)
        _keep(symbol.volumes, float(volume) if isinstance(volume, float) and 0 < volume < _LARGEST else 0.0, self.long)
        if len(symbol.closes) <= self.long:
            return {**dict.fromkeys(NAMES), "market.close": close}
        return {"market.close": close, "market.body": log(close / first), **self._windows(symbol)}

    def _windows(self, symbol: Symbol) -> Features:
        closes = symbol.closes
        returns = [log(after / before) for before, after in pairwise(closes)]
        volatility = sqrt(fmean(r * r for r in returns))
        scale = volatility or 1.0
        short, lowest, highest = min(self.short, self.long), min(closes), max(closes)
        return {
            "market.return": returns[-1],
            "market.range": symbol.ranges[-1],
            "market.momentum_short": log(closes[-1] / closes[-1 - short]) / scale / sqrt(short),
            "market.momentum_long": log(closes[-1] / closes[0]) / scale / sqrt(self.long),
            "market.volatility": volatility,
            "market.parkinson": sqrt(fmean(x * x for x in symbol.ranges) / (4 * log(2))),
            "market.spread": roll_spread(returns),
            "market.illiquidity": _illiquidity(returns, symbol.volumes),
            "market.place": (closes[-1] - lowest) / (highest - lowest) if highest > lowest else 0.5,
        }


def roll_spread(returns: list[float]) -> float:
    """Estimate the effective spread: twice the root of minus the covariance of a return with the next.

    Args:
        returns: Returns, in order.

    Returns:
        The spread as a share of the price; 0 where returns do not reverse, for then it cannot be told.
    """
    mean = fmean(returns)
    covariance = fmean((a - mean) * (b - mean) for a, b in pairwise(returns))
    return 2 * sqrt(-covariance) if covariance < 0 else 0.0


def _illiquidity(returns: list[float], volumes: list[float]) -> float | None:
    per_unit = [abs(r) / volume for r, volume in zip(returns, volumes, strict=True) if volume]
    usual = fmean(per_unit) if per_unit else 0.0
    return per_unit[-1] / usual if usual and volumes[-1] else None


def _keep(values: list[float], value: float, count: int) -> None:
    values.append(value)
    del values[:-count]
