from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mdm_core import Build
from mdm_pinned.fetching import fetch

from mdm_content.convert import main as convert
from mdm_content.packages import MAIL, OFFENCE
from mdm_content.source import MailSource

EXAMPLE = Path(__file__).parent.parent


# The checks of all components open the source, too, and ask for no fixture.
@pytest.fixture(scope="session", autouse=True)
def example() -> Path:
    """The folder of the example, with the packages and the converted model in it."""
    for package in (MAIL, OFFENCE):
        fetch(package, EXAMPLE / "data")
    if not (EXAMPLE / "data" / "offence.json").exists():
        convert(["--data", str(EXAMPLE / "data")])
    return EXAMPLE


@pytest.fixture(scope="session")
def opened(example: Path) -> MailSource:
    source = MailSource()
    source.open(Build(base_dir=example))
    return source


@pytest.fixture
def source(opened: MailSource) -> MailSource:
    opened.seek(0)
    return opened


@pytest.fixture(scope="session")
def mail(opened: MailSource) -> list[dict[str, Any]]:
    opened.seek(0)
    return [record.event for record in opened.records()]
