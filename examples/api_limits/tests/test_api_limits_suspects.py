from __future__ import annotations

from pathlib import Path

import pytest
from mdm_core import Pipeline

PIPELINE = """
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
use = "api-limits.suspects"
below = 0.75

[modulators.guard]
use = "guards.rate_limit"
rate = 1
per = "1h"
burst = 2
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    (tmp_path / "pipeline.toml").write_text(PIPELINE)
    return Pipeline.from_config(tmp_path / "pipeline.toml")


def allowed(pipeline: Pipeline, client: str, good: int, times: int, now_ms: int = 1_000_000) -> list[bool]:
    event = {"client": client, "timestamp_ms": now_ms, "known": {"good": good, "abuse": 1}}
    return [pipeline.decide(event).final.allowed for _ in range(times)]


class TestSuspects:
    def test_the_doubtful_go_slowly(self, pipeline: Pipeline) -> None:
        """Below the limit the guard is asked: two requests at once, and one more in an hour."""
        assert [True, True, False] == allowed(pipeline, "ann", 1, 3)
        assert [True, False] == allowed(pipeline, "ann", 1, 2, 1_000_000 + 3_600_000)

    def test_the_others_pass(self, pipeline: Pipeline) -> None:
        """From the limit on nothing is asked, however fast they come."""
        assert [True] * 50 == allowed(pipeline, "bob", 100, 50)

    def test_requests_from_better_days_count(self, pipeline: Pipeline) -> None:
        """Who becomes doubtful has used up what was served before."""
        assert [True, True] == allowed(pipeline, "eve", 100, 2)
        assert [False] == allowed(pipeline, "eve", 1, 1)

    def test_each_has_a_bucket(self, pipeline: Pipeline) -> None:
        """What one client uses up is no other's loss."""
        assert [True, True, False] == allowed(pipeline, "ann", 1, 3)
        assert [True, True, False] == allowed(pipeline, "bob", 1, 3)
