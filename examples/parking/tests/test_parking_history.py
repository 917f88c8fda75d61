from __future__ import annotations

from typing import Any

import pytest
from mdm_core import Build, ConfigError
from mdm_core.values import Context

from mdm_parking import LotHistory
from mdm_parking.history import slot_of

HALF = 1_800_000
DAY = 48 * HALF
MONDAY = 4 * DAY


def told(history: LotHistory, time: int, taken: Any, places: Any = 100, lot: str = "a") -> dict[str, Any]:
    context = Context({"now_ms": time}, lot, 0, 0, 0)
    return dict(history.extract({"places": places, "taken": taken}, context))


class TestRises:
    def test_since_half_an_hour_and_an_hour(self) -> None:
        """What the share rose by is told as soon as there is a reading to compare with, and not before."""
        history = LotHistory()
        found = [told(history, MONDAY + number * HALF, taken) for number, taken in enumerate((10, 30, 60))]
        assert [None, pytest.approx(0.2), pytest.approx(0.3)] == [row["lot.rise"] for row in found]
        assert [None, None, 0.5] == [row["lot.rise_hour"] for row in found]

    def test_a_gap_is_no_rise(self) -> None:
        """From one morning to the next nothing is compared."""
        history = LotHistory()
        told(history, MONDAY, 10)
        assert [None, None] == [told(history, MONDAY + DAY, 90)[name] for name in ("lot.rise", "lot.rise_hour")]


class TestUsual:
    def test_is_learned_from_hours_that_are_over(self) -> None:
        """The usual course of an hour is known from the next day on, as the mean of earlier days."""
        history = LotHistory()
        usual = []
        for day, rise in enumerate((20, 40, 60)):
            start = MONDAY + day * DAY
            usual.append(told(history, start, 10)["lot.usual"])
            told(history, start + HALF, 10)
            told(history, start + 2 * HALF, 10 + rise)
        assert [None, pytest.approx(0.2), pytest.approx(0.3)] == usual

    def test_memory_is_limited(self) -> None:
        """With a memory of one day only the latest counts."""
        history = LotHistory(memory=1)
        for day, rise in enumerate((20, 40)):
            told(history, MONDAY + day * DAY, 10)
            told(history, MONDAY + day * DAY + 2 * HALF, 10 + rise)
        assert pytest.approx(0.4) == told(history, MONDAY + 2 * DAY, 10)["lot.usual"]

    def test_weekends_and_car_parks_are_apart(self) -> None:
        """What happened on a working day says nothing about a Saturday, nor about another car park."""
        history = LotHistory()
        told(history, MONDAY, 10)
        told(history, MONDAY + 2 * HALF, 30)
        assert told(history, MONDAY + DAY, 10, lot="b")["lot.usual"] is None
        assert told(history, MONDAY + 5 * DAY, 10)["lot.usual"] is None

    def test_slots(self) -> None:
        """A time belongs to its nearest half hour, and the weekend has its own."""
        assert [0, 0, 1, 47, 48] == [
            slot_of(MONDAY + shift) for shift in (0, HALF // 2 - 1, HALF // 2, DAY - HALF, 5 * DAY)
        ]


class TestReadings:
    @pytest.mark.parametrize(("taken", "places"), [(None, 100), ("7", 100), (True, 100), (7, 0), (7, None)])
    def test_what_is_no_reading(self, taken: Any, places: Any) -> None:
        """Without whole numbers, or without places, everything is unknown and nothing is learned."""
        history = LotHistory()
        assert {None} == set(told(history, MONDAY, taken, places).values())
        assert 0 == len(history.states)

    def test_below_zero_counts_as_empty(self) -> None:
        """A reading below zero, of which the data have twelve, counts as 0."""
        assert 0.0 == told(LotHistory(), MONDAY, -8)["lot.share"]

    def test_needs_the_time(self) -> None:
        """Without a clock the pipeline is not built."""
        with pytest.raises(ConfigError, match="set timestamp in"):
            LotHistory().open(Build())
