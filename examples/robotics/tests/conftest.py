from __future__ import annotations

from pathlib import Path

import pytest
from mdm_core import Build
from mdm_pinned.fetching import fetch

from mdm_robotics.packages import WATCH
from mdm_robotics.sessions import Sessions

EXAMPLE = Path(__file__).parent.parent


# The checks of all components open the source, too, and ask for no fixture.
@pytest.fixture(scope="session", autouse=True)
def example() -> Path:
    """The folder of the example, with the package in it."""
    fetch(WATCH, EXAMPLE / "data")
    return EXAMPLE


@pytest.fixture(scope="session")
def opened(example: Path) -> Sessions:
    """The sessions of person 8."""
    source = Sessions(subjects=[8])
    source.open(Build(base_dir=example))
    return source


@pytest.fixture
def source(opened: Sessions) -> Sessions:
    opened.seek(0)
    return opened
