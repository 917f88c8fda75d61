from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mdm_flights.data import NEVER
from mdm_flights.events import EVENT, add_known, events
from mdm_flights.known import Past

MEANS = {
    "origin_overrun": ("overrun", 20, ("origin",)),
    "dest_overrun": ("overrun", 10, ("dest",)),
    "carrier_overrun": ("overrun", 10, ("carrier", "origin")),
    "line_overrun": ("overrun", 10, ("carrier", "origin", "dest")),
    "origin_ground": ("ground", 10, ("origin",)),
    "dest_ground": ("ground", 10, ("dest",)),
}


def rows(flights: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in flights.to_dict("records")]


def number(row: dict[str, Any], which: str) -> int:
    elapsed = row["arrival"] - row["departure"]
    return int(elapsed - (row["block"] if which == "overrun" else row["air_time"]))


def slow_mean(table: list[dict[str, Any]], at: int, which: str, size: int, same: tuple[str, ...]) -> float:
    """Play the year up to a departure, with a plain list of what has landed."""
    now = table[at]
    landed = [
        (row["arrival"], i)
        for i, row in enumerate(table)
        if row["arrival"] != NEVER
        and row["arrival"] < now["departure"]
        and all(row[name] == now[name] for name in same)
    ]
    numbers = [number(table[i], which) for _, i in sorted(landed)[-size:]]
    return sum(numbers) / len(numbers) if numbers else math.nan


class TestArrivals:
    @pytest.mark.parametrize("name", MEANS)
    def test_only_those_that_have_happened(self, flights: pd.DataFrame, name: str) -> None:
        """Each average is that of the latest arrivals before the departure, found by going through all flights."""
        part = flights.head(3000)
        table, found = rows(part), add_known(part)[name].to_numpy()
        for at in random.Random(13).sample(range(3000), 150):
            assert slow_mean(table, at, *MEANS[name]) == pytest.approx(found[at], rel=0, abs=0, nan_ok=True)

    def test_departures_of_the_last_hour(self, flights: pd.DataFrame) -> None:
        """Departures counts the flights, none of them cancelled, that left the airport in the 60 minutes before."""
        part = flights.head(3000)
        table, found = rows(part), add_known(part)["departures"].to_numpy()
        for at in random.Random(13).sample(range(3000), 150):
            now = table[at]
            count = sum(
                0 < now["departure"] - row["departure"] <= 60
                and row["origin"] == now["origin"]
                and not math.isnan(row["dep_delay"])
                for row in table
            )
            assert count == found[at]


class TestFuture:
    @pytest.mark.parametrize("hour", [7, 12, 100, 4000, 8000])
    def test_changes_nothing(self, flights: pd.DataFrame, known: pd.DataFrame, hour: int) -> None:
        """Whatever happens from some time on, every event before it stays as it is, but for its label."""
        now = int(flights["departure"].iloc[0]) + hour * 60
        before = int(flights["departure"].searchsorted(now))
        first = max(0, before - 2000)
        chance = np.random.default_rng(hour)
        other = flights.copy()
        later = (other["arrival"] >= now).to_numpy()
        other.loc[later, "arrival"] = now + chance.integers(0, 3000, later.sum())
        other.loc[later & (chance.random(len(other)) < 0.1), "arrival"] = NEVER
        other.loc[later, "air_time"] = chance.integers(20, 600, later.sum())
        other.loc[later, "arr_delay"] = chance.integers(-60, 300, later.sum())
        other.loc[before:, "departure"] += chance.integers(0, 500, len(other) - before)
        other.loc[before:, "dep_delay"] = np.nan
        changed = add_known(other)
        assert 0 < before < len(flights)
        assert not changed["late"].equals(known["late"])
        shape = {name: at for name, at in EVENT.items() if name != "late"}
        assert list(events(known[first:before], shape)) == list(events(changed[first:before], shape))

    def test_own_arrival_is_in_no_column(self) -> None:
        """No place in an event but its label is filled from a column about the flight's own arrival."""
        places = [EVENT[name] for name in EVENT if name != "late"]
        columns = {c for place in places for c in (place.values() if isinstance(place, dict) else [place])}
        assert set() == columns & {"arr_delay", "arr_time", "air_time", "arrival", "late"}


class TestPast:
    def test_same_minute_is_not_known(self) -> None:
        """What happens in the minute of the question is not known, what happened in the minute before is."""
        group = np.zeros(3, np.int64)
        past = Past.of(group, np.array([10, 11, NEVER]), np.array([10, 11, 12]))
        assert [0, 1, 2] == past.count.tolist()

    def test_groups_do_not_mix(self) -> None:
        """A flight learns only of its own group, and of nothing if the group has no past."""
        past = Past.of(np.array([0, 1, 0, 1, 2]), np.array([1, 2, 3, 4, 5]), np.array([9, 9, 9, 9, 9]))
        numbers = np.array([10, 20, 30, 41, 50])
        assert [30.0, 41.0, 30.0, 41.0, 50.0] == past.mean(numbers, 1).tolist()
        assert [20.0, 30.5, 20.0, 30.5, 50.0] == past.mean(numbers, 2).tolist()
        nothing = Past.of(np.array([0, 1]), np.array([1, NEVER]), np.array([1, 9]))
        assert np.isnan(nothing.mean(np.array([10, 20]), 5)).all()
