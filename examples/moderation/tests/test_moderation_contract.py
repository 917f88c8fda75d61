"""The components keep their contracts, as the author's kit checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from mdm_core import Build
from mdm_core.testing import mdm_check

from mdm_content.source import MailSource

EXAMPLE = Path(__file__).parent.parent


@attrs.define
class First(MailSource):
    """The first messages of the source, read once."""

    first: ClassVar[list[Any]] = []

    def open(self, build: Build) -> None:
        self._messages = self.first


@pytest.fixture(scope="module", autouse=True)
def first(opened: MailSource) -> None:
    First.first = opened._messages[:60]


class TestContract:
    test_mail = staticmethod(
        mdm_check(First, skip={"no-io-at-import": "the class stands in this module, which imports all that tests need"})
    )
    test_words = staticmethod(mdm_check("content.words", base_dir=EXAMPLE))
    test_offence = staticmethod(mdm_check("content.offence", base_dir=EXAMPLE, limit_ms=50))
    test_review = staticmethod(mdm_check("content.review"))
