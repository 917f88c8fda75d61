from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdm_core import DataSource, Pipeline, Record

from mdm_api_limits.fit import RELAYS_END, before, choose_burst, fit_reputation, main, throttled
from mdm_api_limits.relays import RelayRequests

BUCKET = """
[pipeline]
key = "client"
timestamp = "timestamp_ms"

[features]
use = "reference.rolling"
include = ["known.*"]
stats = []

[model]
use = "api-limits.reputation"

[[modulators]]
use = "guards.rate_limit"
rate = 3
per = "1m"
burst = 4
"""


class Some(DataSource):
    """A source of what it is given."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = events

    def records(self) -> Iterator[Record]:
        """Yield the events."""
        yield from (Record(event, position) for position, event in enumerate(self._events, 1))


class TestParts:
    def test_nothing_from_the_part_that_judges(self, relays: RelayRequests) -> None:
        """No request is looked at that came in September 2002 or later."""
        times = [event["timestamp_ms"] for event in before(relays, RELAYS_END)]
        assert 3620 == len(times)
        assert max(times) < datetime.fromisoformat(RELAYS_END).timestamp() * 1000

    def test_the_end_is_not_in_it(self) -> None:
        """A request at the instant itself is for judging."""
        end = int(datetime.fromisoformat(RELAYS_END).timestamp() * 1000)
        source = Some([{"timestamp_ms": end - 1}, {"timestamp_ms": end}, {"timestamp_ms": end + 1}])
        assert [end - 1] == [event["timestamp_ms"] for event in before(source, RELAYS_END)]


class TestReputation:
    def test_finds_known_numbers_again(self) -> None:
        """From requests drawn with known numbers, those are found within what chance allows."""
        chance = np.random.default_rng(3)
        events = []
        for _ in range(1500):
            rate = chance.beta(2 * 0.3, 2 * 0.7)
            good = abuse = 0
            for _ in range(8):
                known = {"good": good, "abuse": abuse, "network": {"good": 0, "abuse": 0}}
                outcome = bool(chance.random() < rate)
                events.append({"known": known, "good": outcome})
                good, abuse = good + outcome, abuse + (not outcome)
        found = fit_reputation(events)
        assert found["good"] == pytest.approx(0.3, abs=0.03)
        assert found["client_worth"] == pytest.approx(2, abs=0.3)


class TestBuckets:
    @settings(max_examples=15)
    @given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab")), min_size=1, max_size=60))
    def test_are_those_of_the_guard(
        self, tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, str]]
    ) -> None:
        """The share that is foreseen is the share that the guard throttles."""
        file = tmp_path_factory.mktemp("bucket") / "pipeline.toml"
        file.write_text(BUCKET)
        asked = sorted(asked)
        with Pipeline.from_config(file) as pipeline:
            events = [{"client": client, "timestamp_ms": minute * 60_000} for minute, client in asked]
            denied = [not pipeline.decide(event).final.allowed for event in events]
        assert sum(denied) / len(denied) == throttled(asked, burst=4, rate=3)

    def test_smallest_that_is_large_enough(self) -> None:
        """Of bursts in hundreds the first is chosen that throttles at most one request in a thousand."""
        assert 300 == choose_burst([(0, "a")] * 250 + [(minute, "b") for minute in range(100)])


class TestCommand:
    def test_committed_numbers_are_those_that_it_tells(self, example: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The script tells the numbers that are in the pipeline files, and the share that the README tells."""
        main(["--data", str(example / "data")])
        told = capsys.readouterr().out
        model = tomllib.loads((example / "pipeline.toml").read_text())["model"]
        for name in ("good", "client_worth", "network_worth"):
            assert f"pipeline.toml: set {name} = {model[name]}\n" in told
        burst = tomllib.loads((example / "retail.toml").read_text())["modulators"][0]["burst"]
        share = "0.0865"
        assert f"retail.toml: set burst = {burst}, which throttles {share}% of 502,938\n" in told
        assert f"{share} % of the first" in (example / "README.md").read_text(encoding="utf-8")
