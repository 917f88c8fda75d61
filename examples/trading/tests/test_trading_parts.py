from __future__ import annotations

import hashlib
import math
import random
import subprocess
import sys
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from mdm_core import Action, Build, ConfigError, Context, Order, Proposal, ProposalModel
from mdm_core.errors import OptionError

from mdm_trading import Figures, Market, PaperAccount, Sides
from mdm_trading.bars import Bars, add_labels
from mdm_trading.figures import Trade, by_chance, largest_fall
from mdm_trading.market import roll_spread

CONTEXT = Context({}, "EURUSD", 0, 0, 0)
SEPTEMBER = 1_504_224_000_000


class TestBars:
    def test_counts(self, source: Bars, events: list[dict[str, Any]]) -> None:
        """6,225 bars come in the order of time, each with an id of its own."""
        times = [event["timestamp_ms"] for event in events]
        assert 6225 == len(events) == source.length == len({event["id"] for event in events})
        assert sorted(times) == times

    def test_labels_look_a_day_of_bars_ahead(self) -> None:
        """A label tells whether the close some bars later is higher; the last bars have none."""
        bars = [{"close": close} for close in (1.0, 3.0, 2.0, 3.0)]
        add_labels(bars, 2)
        assert [True, False, None, None] == [bar.get("rises") for bar in bars]

    @pytest.mark.parametrize("position", [0, 1, 6224])
    def test_goes_on_after(self, source: Bars, position: int) -> None:
        """After a seek the very records come that would have come anyway."""
        whole = list(islice(source.records(), position, position + 3))
        source.seek(position)
        assert whole == list(islice(source.records(), 3))

    def test_identity_names_the_file(self, example: Path) -> None:
        """The identity has the hash of the very file that is read."""
        digest = hashlib.sha256((example / Bars().path).read_bytes()).hexdigest()
        assert {"package": "gym-anytrading", "version": "2.0.0", "sha256": digest} == Bars().identity()

    def test_missing(self, tmp_path: Path) -> None:
        """Without the package the message says how to fetch it."""
        with pytest.raises(ConfigError, match=r"cannot be read .*; run: python -m mdm_trading.fetch --to .*data"):
            Bars().open(Build(base_dir=tmp_path))


def bar(close: float, low: float | None = None, high: float | None = None, volume: Any = 10.0) -> dict[str, Any]:
    return {"open": close, "high": high or close, "low": low or close, "close": close, "volume": volume}


class TestMarket:
    def test_windows_by_hand(self) -> None:
        """Over three bars the features are what the formulas say, and before there are three they are unknown."""
        market = Market(short=1, long=3)
        closes, ranges = [1.0, 1.1, 1.21, 1.1], [1.0, 1.2, 1.3, 1.4]
        rows = [market.extract(bar(c, c, c * r), CONTEXT) for c, r in zip(closes, ranges, strict=True)]
        assert [None, None, None] == [row["market.return"] for row in rows[:3]]
        up = math.log(1.1)
        expected = {
            "market.close": 1.1,
            "market.body": 0.0,
            "market.return": -up,
            "market.range": math.log(1.4),
            "market.momentum_short": -1.0,
            "market.momentum_long": 1 / math.sqrt(3),
            "market.volatility": up,
            "market.parkinson": math.sqrt(fmean(math.log(r) ** 2 for r in ranges[1:]) / (4 * math.log(2))),
            "market.illiquidity": 1.0,
            "market.place": 0.1 / 0.21,
        }
        assert expected == pytest.approx({name: rows[3][name] for name in expected})

    def test_spread_is_found_again(self) -> None:
        """Of prices that jump between the two sides of a spread Roll's measure finds that spread."""
        chance = random.Random(5)
        prices = [1.0 + chance.choice((-0.0005, 0.0005)) for _ in range(20_000)]
        returns = [math.log(b / a) for a, b in pairwise(prices)]
        assert roll_spread(returns) == pytest.approx(0.001, rel=0.03)
        assert 0.0 == roll_spread([1.0, 2.0, 3.0, 4.0])

    @pytest.mark.parametrize("broken", [None, "x", 0.0, -1.0, float("inf"), float("nan")])
    def test_a_broken_bar_leaves_no_mark(self, broken: Any) -> None:
        """A bar that lacks a price is told as unknown, and the windows stay as they are."""
        market = Market()
        market.extract(bar(1.0), CONTEXT)
        assert {None} == set(market.extract({**bar(1.0), "low": broken}, CONTEXT).values())
        assert [1.0] == market.states["EURUSD"].closes

    def test_without_volume(self) -> None:
        """Where nothing is known of the volume there is no illiquidity, and all else stays."""
        market = Market(long=3)
        rows = [market.extract(bar(1.0 + n / 10, volume=None), CONTEXT) for n in range(4)]
        assert rows[-1]["market.illiquidity"] is None
        assert isinstance(rows[-1]["market.volatility"], float)


class Says(ProposalModel):
    """Says a probability."""

    def __init__(self, probability: Any) -> None:
        self.probability = probability

    def propose(self, features: Any, context: Any) -> Proposal:
        """Say it."""
        return Proposal(Action.ACT, 1.0, ["because"], {"probability": self.probability})


class TestSides:
    @pytest.mark.parametrize(
        ("rises", "action", "direction"),
        [
            (0.6, Action.ACT, "long"),
            (0.59, Action.HOLD, "long"),
            (0.41, Action.HOLD, "short"),
            (0.39, Action.ACT, "short"),
        ],
    )
    def test_enters_where_it_is_sure(self, rises: float, action: Action, direction: str) -> None:
        """It enters long from the threshold on, and short from its mirror image down."""
        found = Sides(model=Says(rises), threshold=0.6).propose({}, CONTEXT)
        assert (action, direction) == (found.action, (found.params or {})["direction"])

    def test_without_a_probability(self) -> None:
        """Where the wrapped model gives no probability nothing is entered."""
        found = Sides(model=Says(None)).propose({}, CONTEXT)
        assert (Action.HOLD, ["no_probability"]) == (found.action, found.reasons)


def order(action: Action, price: Any, direction: str = "long", key: str = "1") -> Order:
    return Order(action, {"amount": 100.0, "direction": direction}, "EURUSD", {"market.close": price}, key)


class TestAccount:
    @pytest.mark.parametrize(("direction", "earned"), [("long", 10.0 - 2.0), ("short", -10.0 - 2.0)])
    def test_pays_the_spread_once_a_trade(self, direction: str, earned: float) -> None:
        """A trade earns what the price moved, times its units, less one spread."""
        account = PaperAccount(spread=0.02)
        for number, (action, price) in enumerate([(Action.ACT, 1.0), (Action.EXIT, 1.1)]):
            assert "done" == account.execute(order(action, price, direction, str(number))).status
        assert (earned, 2.0) == pytest.approx((account.cash, account.paid))

    def test_an_order_that_comes_again_is_not_filled_again(self) -> None:
        """The same key gets the same answer and changes nothing."""
        account = PaperAccount()
        first = account.execute(order(Action.ACT, 1.0))
        cash = account.cash
        assert (first, cash) == (account.execute(order(Action.ACT, 2.0)), account.cash)

    def test_what_cannot_be_filled_is_refused(self) -> None:
        """A second entry, an exit from nothing, no price and no side are refused, and cost nothing."""
        account = PaperAccount()
        assert "failed" == account.execute(order(Action.EXIT, 1.0, key="1")).status
        assert "failed" == account.execute(order(Action.ACT, None, key="2")).status
        assert "failed" == account.execute(order(Action.ACT, 1.0, "sideways", key="3")).status
        assert 0.0 == account.cash
        account.execute(order(Action.ACT, 1.0, key="4"))
        assert "failed" == account.execute(order(Action.ACT, 1.0, key="5")).status
        assert {"orders": 5, "open": 1} == account.counts()


def packet(close: float, action: str = "HOLD", direction: str = "long", now_ms: int = SEPTEMBER) -> dict[str, Any]:
    return {
        "external": {"now_ms": now_ms} | ({} if action == "HOLD" else {"exec.status": "done"}),
        "mdm": {"features": {"market.close": close}},
        "final_action": {"action": action, "params": {"direction": direction}},
    }


class TestFigures:
    def test_adds_up_trades(self) -> None:
        """Gains, costs, the fall and what holding earns are those of the bars; an open position ends with them."""
        figures = Figures(draws=10)
        course = [
            (1.0, "ACT", "long"),
            (1.01, "EXIT", ""),
            (1.01, "ACT", "short"),
            (1.02, "EXIT", ""),
            (1.03, "ACT", "long"),
        ]
        for close, action, direction in [*course, (1.05, "HOLD", "")]:
            figures.on_decision(packet(close, action, direction))
        found = dict(figures.on_run_end({}))
        assert (6, 3, 2, 2) == tuple(found[name] for name in ("bars", "trades", "long", "won"))
        assert (200.0, 197.0, 101.0, 499.0) == tuple(
            found[name] for name in ("gain_before_costs", "gain", "largest_fall", "buy_and_hold")
        )

    def test_earlier_bars_are_left_out(self) -> None:
        """What was learned from does not count, and without trades there is nothing to compare."""
        figures = Figures()
        figures.on_decision(packet(1.0, "ACT", now_ms=SEPTEMBER - 1))
        assert {"since": figures.since, "bars": 0, "trades": 0} == figures.on_run_end({})

    def test_since_needs_a_time_zone(self) -> None:
        """An instant without a time zone is refused with an example of one that has."""
        with pytest.raises(OptionError, match="must name its time zone, such as 2017-09-01T00:00:00"):
            Figures(since="2017-09-01")

    def test_largest_fall(self) -> None:
        """The fall is from the highest point so far, and from nothing at the beginning."""
        assert [5.0, 4.0, 0.0] == [largest_fall(gains) for gains in ([-5.0, 9.0], [3.0, -1.0, -3.0], [1.0, 2.0])]


class TestChance:
    def test_trades_are_alike_and_do_not_overlap(self) -> None:
        """As many trades, as long and on the same sides, fit between the first bar and the last without overlap."""
        trades = [Trade(0, 3, 1), Trade(3, 10, -1), Trade(12, 14, 1)]
        for seed in range(200):
            found = by_chance(trades, 20, random.Random(seed))
            assert sorted((t.left - t.entered, t.side) for t in trades) == sorted(
                (t.left - t.entered, t.side) for t in found
            )
            assert all(one.left <= after.entered for one, after in pairwise(found))
            assert 0 <= found[0].entered <= found[-1].left <= 19

    def test_all_times_are_drawn(self) -> None:
        """A single trade begins anywhere, at each bar about as often."""
        chance = random.Random(1)
        begins = [by_chance([Trade(0, 2, 1)], 7, chance)[0].entered for _ in range(5000)]
        assert {0, 1, 2, 3, 4} == set(begins)
        assert all(800 < begins.count(at) < 1200 for at in range(5))

    def test_known_result_of_a_rising_price(self) -> None:
        """Where the price rises evenly chance earns what the trades earn, so that none is better."""
        figures = Figures(draws=50, spread=0.0)
        for number in range(30):
            figures.on_decision(packet(1.0 + number / 100, {3: "ACT", 8: "EXIT"}.get(number, "HOLD")))
        assert [500.0] * 50 == pytest.approx(figures.sums_by_chance(figures.trades()))


class TestPlugin:
    def test_is_light(self) -> None:
        """Importing what the entry point names, and the components, imports nothing that only fitting needs."""
        code = (
            "import sys, mdm_trading.plugin, mdm_trading\n"
            "sys.exit(len({'numpy', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
        )
        assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
