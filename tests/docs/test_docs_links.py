"""The links between the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "decision-schema/*.md", "plugins/*/*.md", "examples/*/*.md")
    for path in ROOT.glob(pattern)
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The relative links of a page, as path and anchor."""
    for target in _LINK.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """The anchors that code hosts make of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    def test_every_link_leads_somewhere(self, page: Path) -> None:
        """The file behind each relative link exists, and so does the heading behind each anchor."""
        broken = []
        for path, anchor in links(page):
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{path}#{anchor}")
        assert broken == []

    def test_the_readme_leads_to_every_page(self) -> None:
        """Nobody has to guess that a page exists."""
        linked = {(ROOT / path).resolve() for path, _ in links(ROOT / "README.md")}
        pages = {*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")} - {ROOT / "README.md"}
        assert set() == {page.name for page in pages if page.resolve() not in linked}
