from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mdm_core import Build
from mdm_pinned.fetching import fetch

from mdm_api_limits.orders import OrderLines
from mdm_api_limits.packages import MAIL, RETAIL
from mdm_api_limits.relays import RelayRequests

EXAMPLE = Path(__file__).parent.parent


# The checks of all components open the source, too, and ask for no fixture.
@pytest.fixture(scope="session", autouse=True)
def example() -> Path:
    """The folder of the example, with the packages in it."""
    for package in (MAIL, RETAIL):
        fetch(package, EXAMPLE / "data")
    return EXAMPLE


@pytest.fixture(scope="session")
def opened(example: Path) -> RelayRequests:
    source = RelayRequests()
    source.open(Build(base_dir=example))
    return source


@pytest.fixture
def relays(opened: RelayRequests) -> RelayRequests:
    opened.seek(0)
    return opened


@pytest.fixture(scope="session")
def requests(opened: RelayRequests) -> list[dict[str, Any]]:
    opened.seek(0)
    return [record.event for record in opened.records()]


@pytest.fixture
def orders(example: Path) -> OrderLines:
    source = OrderLines()
    source.open(Build(base_dir=example))
    return source
