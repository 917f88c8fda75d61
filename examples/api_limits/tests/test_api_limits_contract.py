"""The components keep their contracts, as the author's kit checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from mdm_core import Build
from mdm_core.testing import mdm_check

from mdm_api_limits.relays import RelayRequests

EXAMPLE = Path(__file__).parent.parent
STANDS_HERE = {"no-io-at-import": "the class stands in this module, which imports all that tests need"}


@attrs.define
class First(RelayRequests):
    """The first requests of the source, read once."""

    first: ClassVar[list[Any]] = []

    def open(self, build: Build) -> None:
        self._requests = self.first


@pytest.fixture(scope="module", autouse=True)
def first(opened: RelayRequests) -> None:
    First.first = opened._requests[:60]


class TestContract:
    test_relays = staticmethod(mdm_check(First, skip=STANDS_HERE))
    test_orders = staticmethod(mdm_check("api-limits.orders", base_dir=EXAMPLE))
    test_reputation = staticmethod(mdm_check("api-limits.reputation"))
    test_suspects = staticmethod(mdm_check("api-limits.suspects", options={"guard": {"use": "guards.rate_limit"}}))
    test_figures = staticmethod(
        mdm_check("api-limits.figures", options={"since": "2001-01-01T00:00:00+00:00"}, context={"eval.outcome": True})
    )
