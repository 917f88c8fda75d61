from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mdm_core import Build
from mdm_pinned.fetching import fetch

from mdm_trading.bars import Bars
from mdm_trading.packages import BARS

EXAMPLE = Path(__file__).parent.parent


# The checks of all components open the source, too, and ask for no fixture.
@pytest.fixture(scope="session", autouse=True)
def example() -> Path:
    """The folder of the example, with the package in it."""
    fetch(BARS, EXAMPLE / "data")
    return EXAMPLE


@pytest.fixture(scope="session")
def opened(example: Path) -> Bars:
    source = Bars()
    source.open(Build(base_dir=example))
    return source


@pytest.fixture
def source(opened: Bars) -> Bars:
    opened.seek(0)
    return opened


@pytest.fixture(scope="session")
def events(opened: Bars) -> list[dict[str, Any]]:
    opened.seek(0)
    return [record.event for record in opened.records()]
