"""The pytest plugin: fixtures for tests of components; cheap, for pytest loads it wherever mdm-core is installed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mdm_core.pipeline import Pipeline
    from mdm_core.testing.clock import FakeClock
    from mdm_core.testing.golden import Golden
    from mdm_core.testing.recording import RecordingBroker


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--mdm-update-golden``."""
    parser.getgroup("mdm").addoption(
        "--mdm-update-golden", action="store_true", help="write golden files of mdm_golden anew instead of comparing"
    )


@pytest.fixture
def mdm_pipeline() -> Iterator[Callable[..., Pipeline]]:
    """Make pipelines of some components, as ``mdm_core.testing.make_pipeline``; they are closed after the test."""
    from mdm_core.testing.pipelines import make_pipeline

    with ExitStack() as stack:
        yield lambda *components, **options: stack.enter_context(make_pipeline(*components, **options))


@pytest.fixture
def mdm_clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock in the place of ``time.time`` and ``time.time_ns``, for pipelines with the wall clock."""
    from mdm_core.testing.clock import FakeClock

    clock = FakeClock()
    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "time_ns", clock.time_ns)
    return clock


@pytest.fixture
def mdm_broker() -> RecordingBroker:
    """A broker that remembers what it was asked."""
    from mdm_core.testing.recording import RecordingBroker

    return RecordingBroker()


@pytest.fixture
def mdm_golden(request: pytest.FixtureRequest) -> Golden:
    """Golden files in ``golden/`` beside the test, one named like the test."""
    from mdm_core.testing.golden import Golden

    name = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
    update: Any = request.config.getoption("--mdm-update-golden")
    return Golden(request.path.parent / "golden", name, bool(update))
