from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import ConfigError
from numpy.typing import NDArray

from mdm_flights import data
from mdm_flights.data import NEVER, add_times, data_file, local, next_time

ZONES = ("America/New_York", "America/Los_Angeles", "America/Phoenix", "Pacific/Honolulu", "America/Puerto_Rico")


def minutes(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 60


def next_one(after: str, clock: int, zone: str) -> int:
    return int(next_time(np.array([minutes(after)]), np.array([clock]), zone)[0])


def of_day(hhmm: NDArray[np.float64]) -> NDArray[np.float64]:
    return (hhmm // 100 * 60 + hhmm % 100) % (24 * 60)


class TestNextTime:
    def test_same_day(self) -> None:
        """A time that is still to come today is found today, in the time zone of the clock."""
        assert minutes("2013-01-01T14:30") == next_one("2013-01-01T10:17", 8 * 60 + 30, "America/Chicago")

    def test_next_day(self) -> None:
        """A time that has passed is found tomorrow, and so is the present minute."""
        assert minutes("2013-01-02T05:10") == next_one("2013-01-01T05:11", 10, "America/New_York")
        assert minutes("2013-01-02T05:10") == next_one("2013-01-01T05:10", 10, "America/New_York")

    def test_clock_put_forward(self) -> None:
        """Between midnight and half past three lie two and a half hours when the clock is put forward."""
        assert minutes("2013-03-10T07:30") == next_one("2013-03-10T05:00", 3 * 60 + 30, "America/New_York")

    def test_clock_put_back(self) -> None:
        """Between midnight and half past two lie three and a half hours when the clock is put back."""
        assert minutes("2013-11-03T07:30") == next_one("2013-11-03T04:00", 2 * 60 + 30, "America/New_York")

    @given(
        after=st.integers(minutes("2013-01-01T00:00"), minutes("2013-12-31T00:00")),
        clock=st.integers(3 * 60, 24 * 60 - 1),
        zone=st.sampled_from(ZONES),
    )
    def test_agrees_with_the_clock(self, after: int, clock: int, zone: str) -> None:
        """At the time found, and at no minute between, the clock shows what was asked for."""
        found = int(next_time(np.array([after]), np.array([clock]), zone)[0])
        first = datetime.fromtimestamp(after * 60, ZoneInfo(zone))
        shown = datetime.fromtimestamp(found * 60, ZoneInfo(zone))
        assert clock == shown.hour * 60 + shown.minute
        assert found > after
        assert shown.date() - first.date() <= timedelta(days=1)
        assert (clock <= first.hour * 60 + first.minute) == (shown.date() > first.date())


class TestTimes:
    def test_first_row(self, flights: pd.DataFrame) -> None:
        """The first flight of the table leaves at 5:17 in New York and is in Houston at 8:30 there."""
        row = flights[flights["row"] == 0].iloc[0]
        times = [minutes("2013-01-01T10:15"), minutes("2013-01-01T10:17"), minutes("2013-01-01T14:30"), 4 * 60 + 4]
        assert times == row[["scheduled", "departure", "arrival", "block"]].tolist()

    def test_arrival_is_schedule_and_delay(self, flights: pd.DataFrame) -> None:
        """Every flight arrives at its schedule plus its delay."""
        arrived = flights[flights["arrival"] != NEVER]
        delay = arrived["arrival"] - arrived["scheduled"] - arrived["block"]
        assert (delay == arrived["arr_delay"]).all()

    def test_arrival_is_what_the_clock_showed(self, flights: pd.DataFrame) -> None:
        """The destination's clock shows the arrival time, except for one that is in an hour that never was."""
        arrived = flights[flights["arrival"] != NEVER]
        clock = np.empty(len(arrived), np.int64)
        for zone, rows in arrived.groupby("zone").indices.items():
            clock[rows] = local(arrived["arrival"].to_numpy()[rows], str(zone)) % (24 * 60)
        odd = arrived[clock != of_day(arrived["arr_time"].to_numpy())]
        assert [("2013-03-10T02:00:00Z", 203)] == list(zip(odd["time_hour"], odd["arr_time"], strict=True))

    def test_departure_is_what_the_clock_showed(self, flights: pd.DataFrame) -> None:
        """Every flight that left did so when the clock in New York showed its departure time."""
        path = data_file("flights.csv.zip")
        shown = pd.read_csv(path, usecols=["dep_time"])["dep_time"].to_numpy()[flights["row"].to_numpy()]
        left = ~np.isnan(shown)
        clock = local(flights["departure"].to_numpy()[left], "America/New_York") % (24 * 60)
        assert (clock == of_day(shown[left])).all()

    def test_no_flight_is_faster_than_its_time_in_the_air(self, flights: pd.DataFrame) -> None:
        """From departure to arrival it takes longer than the time in the air, and never a day longer."""
        arrived = flights[flights["arrival"] != NEVER]
        ground = arrived["arrival"] - arrived["departure"] - arrived["air_time"]
        assert 0 < ground.min() <= ground.max() < 6 * 60

    def test_later_account_wins(self, flights: pd.DataFrame) -> None:
        """Where the two accounts of an arrival differ, the flight is taken to arrive at the later time."""
        part = flights[flights["arrival"] != NEVER].head(500).reset_index(drop=True)
        assert (add_times(part.assign(arr_delay=part["arr_delay"] + 7))["arrival"] == part["arrival"] + 7).all()
        assert (add_times(part.assign(arr_delay=part["arr_delay"] - 7))["arrival"] == part["arrival"]).all()

    def test_order(self, flights: pd.DataFrame) -> None:
        """Flights are in order of actual departure, those of the same minute in the table's order."""
        key = flights["departure"].to_numpy() * len(flights) + flights["row"].to_numpy()
        assert (np.diff(key) > 0).all()

    def test_cancelled_flights_stand_at_their_schedule(self, flights: pd.DataFrame) -> None:
        """A flight that did not leave has its schedule as departure, and no arrival."""
        cancelled = flights[flights["dep_delay"].isna()]
        assert 8255 == len(cancelled)
        assert (cancelled["departure"] == cancelled["scheduled"]).all()
        assert (cancelled["arrival"] == NEVER).all()


class TestDataFile:
    def test_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the package the message says what to install."""
        monkeypatch.setattr(data, "PACKAGE", "nycflights_that_is_not_there")
        with pytest.raises(ConfigError, match="run: pip install nycflights_that_is_not_there"):
            data_file("flights.csv.zip")
