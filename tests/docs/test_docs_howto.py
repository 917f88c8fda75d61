"""Each how-to is followed in a copy of the folder that the first of them leaves behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from blocks import blocks, commands, follow
from test_docs_pages import ROOT, environment, name, problems

HOWTO = ROOT / "docs" / "howto"
START = HOWTO / "index.md"
PAGES = sorted({*HOWTO.glob("*.md")} - {START})


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who has followed the first page."""
    folder = tmp_path_factory.mktemp("howto")
    assert problems(follow(START, folder, environment())) == []
    return folder


class TestHowTos:
    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_what_a_page_says_is_what_happens(self, page: Path, started: Path, tmp_path: Path) -> None:
        """After the first page alone, every command and Python block of the page prints what stands there."""
        folder = tmp_path / "reader"
        shutil.copytree(started, folder)
        assert problems(follow(page, folder, environment())) == []

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_a_page_has_commands_and_says_where_it_starts(self, page: Path) -> None:
        """Nobody ends up on a page without knowing what it goes on from, and none is prose alone."""
        assert "(index.md)" in page.read_text(encoding="utf-8")
        assert sum(len(commands(block)) for block in blocks(page) if block.language == "console") >= 2

    def test_the_first_page_leads_to_all(self) -> None:
        """Every how-to is in the table of the first page."""
        start = START.read_text(encoding="utf-8")
        assert [page.name for page in PAGES if f"({page.name})" not in start] == []
