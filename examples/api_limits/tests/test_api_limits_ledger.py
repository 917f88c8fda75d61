from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm_api_limits import Ledger
from mdm_api_limits.ledger import network

CLIENTS = st.sampled_from(["192.0.2.1", "192.0.2.2", "198.51.100.1", "ann", "bob"])
REPORTS = st.lists(st.tuples(CLIENTS, st.booleans(), st.integers(0, 20)), max_size=40)


def nothing() -> dict[str, object]:
    return {"good": 0, "abuse": 0, "network": {"good": 0, "abuse": 0}}


class TestKnown:
    @given(REPORTS, CLIENTS, st.integers(0, 20))
    def test_is_what_was_reported_by_then(self, reports: list[tuple[str, bool, int]], asked: str, now: int) -> None:
        """A client's counts, and its neighbours', are those of the reports that counted by then, and of no others."""
        ledger = Ledger()
        for client, good, known_ms in sorted(reports, key=lambda report: report[2]):
            ledger.report(client, good, known_ms)
        due = [(client, good) for client, good, known_ms in reports if known_ms <= now]
        mine = [good for client, good in due if client == asked]
        around = [
            good for client, good in due if client != asked and network(asked) and network(client) == network(asked)
        ]
        expected = {
            "good": sum(mine),
            "abuse": len(mine) - sum(mine),
            "network": {"good": sum(around), "abuse": len(around) - sum(around)},
        }
        assert expected == ledger.known(asked, now)

    def test_forgets_those_reported_on_least_recently(self) -> None:
        """There is an end to what is remembered, whatever the number of clients."""
        ledger = Ledger(max_clients=2)
        for client in ("ann", "bob", "ann", "eve"):
            ledger.report(client, True, 0)
        assert [2, 0, 1] == [ledger.known(client, 0)["good"] for client in ("ann", "bob", "eve")]

    def test_fresh_start(self) -> None:
        """Who is forgotten on purpose is unknown, also to reports that were on their way."""
        ledger = Ledger()
        ledger.report("ann", False, 0)
        assert 1 == ledger.known("ann", 0)["abuse"]
        ledger.report("ann", False, 5)
        ledger.forget("ann")
        assert nothing() == ledger.known("ann", 9)


class TestNetwork:
    @pytest.mark.parametrize(
        ("client", "expected"), [("192.0.2.7", "192.0.2."), ("ann", ""), ("a.b.c.d", ""), ("1.2.3", ""), ("", "")]
    )
    def test_only_addresses_have_one(self, client: str, expected: str) -> None:
        """The network of an IPv4 address is its first three numbers, and an API key has none."""
        assert expected == network(client)
