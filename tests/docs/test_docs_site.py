"""The site is built from the pages as anybody builds it, but where every connection is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs
import pytest

ROOT = Path(__file__).parents[2]
_REFUSE = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(f"no network here: {event}")

sys.addaudithook(refuse)
"""
_BUILD = "from sphinx.cmd.build import main; sys.exit(main(sys.argv[1:]))"
_LOADS = {"audio", "embed", "iframe", "img", "input", "object", "script", "source", "track", "video"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FRAMES = """<!doctype html><body><script>
const wide = [];
const look = page => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.style.width = "320px";
  frame.onload = () => {
    if (frame.contentDocument.documentElement.scrollWidth > 320) wide.push(page);
    frame.remove();
    done();
  };
  frame.src = page;
  document.body.append(frame);
});
(async () => {
  for (const page of %s) await look(page);
  document.body.innerHTML = "<pre>" + JSON.stringify(wide) + "</pre>";
})();
</script>"""
_STYLE = re.compile(r"@import\s+[\"']?([^\"';\s]+)|url\(\s*[\"']?([^\"')]+)")


def offline(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code that can reach no network."""
    command = [sys.executable, "-c", _REFUSE + code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@attrs.define
class Page(HTMLParser):
    """A built page.

    Attributes:
        path: Its file.
        links: Where its links lead.
        loaded: What a browser fetches to show it.
        ids: The places that links can lead to.
        captions: The captions of its code blocks.
    """

    path: Path
    links: list[str] = attrs.field(factory=list)
    loaded: list[str] = attrs.field(factory=list)
    ids: set[str] = attrs.field(factory=set)
    captions: list[str] = attrs.field(factory=list)
    _in_caption: bool = False

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def __attrs_post_init__(self) -> None:
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep what the tag refers to."""
        given = {name: value or "" for name, value in attributes}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self._in_caption = given.get("class") == "caption-text" or (self._in_caption and tag != "a")
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in ("next", "prev", "index", "search", "canonical"):
            self.loaded.append(given["href"])
        if tag in _LOADS:
            self.loaded += [given[name] for name in ("src", "data", "poster") if name in given]
            self.loaded += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]

    def handle_data(self, data: str) -> None:
        """Keep the text of captions."""
        if self._in_caption:
            self.captions.append(data)
            self._in_caption = False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = offline(
        _BUILD, "-q", "-W", "--keep-going", "-c", "docs", "-d", str(folder / "trees"), ".", str(folder / "out")
    )
    assert (built.returncode, built.stderr) == (0, "")
    return folder / "out"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}


def inside(page: Page, link: str) -> tuple[Path, str]:
    """The file and the place in it that a relative link leads to."""
    parts = urlsplit(link)
    path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    return path, unquote(parts.fragment)


def elsewhere(address: str) -> bool:
    """Whether a browser would have to ask somebody for this address."""
    parts = urlsplit(address)
    return parts.scheme not in ("", "data") or bool(parts.netloc)


class TestBuild:
    def test_every_page_is_there(self, site: Path) -> None:
        """Each page of the documentation, and each README of a distribution, is built, and so is a way in."""
        patterns = ("*.md", "docs/**/*.md", "decision-schema/README.md", "plugins/*/README.md", "examples/*/README.md")
        wanted = {path.relative_to(ROOT).with_suffix(".html") for pattern in patterns for path in ROOT.glob(pattern)}
        built = {path.relative_to(site) for path in site.rglob("*.html")}
        assert set() == wanted - built
        assert "docs/index.html" in (site / "index.html").read_text(encoding="utf-8")

    def test_the_names_of_files_are_shown(self, pages: dict[Path, Page]) -> None:
        """A reader sees into which file a block goes."""
        start = next(page for path, page in pages.items() if path.name == "QUICK_START.html")
        assert {"requests.jsonl", "pipeline.toml"} <= set(start.captions)

    def test_whoever_asks_the_network_is_refused(self) -> None:
        """The build would have failed if anything in it had asked for an address."""
        asked = offline("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')")
        assert "no network here: socket." in asked.stderr
        assert asked.returncode == 1


class TestOffline:
    def test_pages_load_nothing_from_elsewhere(self, pages: dict[Path, Page]) -> None:
        """Scripts, styles, pictures and fonts come from the site's own folder."""
        loaded = [(page.path.name, address) for page in pages.values() for address in page.loaded]
        assert len(loaded) > len(pages)
        assert [(name, address) for name, address in loaded if elsewhere(address)] == []

    def test_what_pages_load_is_there(self, pages: dict[Path, Page]) -> None:
        """None of it is missing."""
        files = [
            inside(page, address)[0] for page in pages.values() for address in page.loaded if address[:5] != "data:"
        ]
        assert {path for path in files if not path.is_file()} == set()

    def test_styles_load_nothing_from_elsewhere(self, site: Path) -> None:
        """Style sheets neither import others nor name pictures or fonts of other sites."""
        sheets = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
        named = [imported or url for sheet in sheets for imported, url in _STYLE.findall(sheet)]
        assert len(sheets) > 2
        assert [address for address in named if elsewhere(address)] == []

    def test_the_search_is_a_script_that_knows_the_pages(self, site: Path) -> None:
        """The index is loaded like a script, which works for files too, and finds words in the pages that hold them."""
        index = (site / "searchindex.js").read_text(encoding="utf-8")
        found = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
        hits = found["titleterms"]["stale"] if "stale" in found["titleterms"] else found["terms"]["stale"]
        names = {found["docnames"][hit] for hit in ([hits] if isinstance(hits, int) else hits)}
        assert "plugins/mdm-guards/README" in names
        assert "searchindex.js" in (site / "search.html").read_text(encoding="utf-8")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
class TestInABrowser:
    def test_the_search_works_from_files(self, site: Path, tmp_path: Path) -> None:
        """Opened as a file, without a server, the search finds the page and the section."""
        shown = self._shown(f"{(site / 'search.html').as_uri()}?q=staleness", tmp_path)
        assert "plugins/mdm-guards/README.html#guards-staleness" in shown

    def test_no_page_scrolls_sideways_on_a_telephone(self, site: Path, tmp_path: Path) -> None:
        """On 320 pixels every page fits; tables and code scroll by themselves. One that is too wide is found."""
        wide = tmp_path / "wide.html"
        wide.write_text('<!doctype html><div style="width: 400px">wide</div>', encoding="utf-8")
        built = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
        frames = tmp_path / "frames.html"
        frames.write_text(_FRAMES % json.dumps([path.as_uri() for path in [*built, wide]]), encoding="utf-8")
        shown = self._shown(frames.as_uri(), tmp_path, "--allow-file-access-from-files")
        assert [wide.as_uri()] == json.loads(shown.partition("<pre>")[2].partition("</pre>")[0])
        assert len(built) > 40

    @staticmethod
    def _shown(address: str, folder: Path, *more: str) -> str:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        flags += [f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=20000", "--dump-dom", *more]
        command = [str(CHROMIUM), *flags, address]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


class TestLinksOfTheSite:
    def test_every_link_leads_somewhere(self, pages: dict[Path, Page]) -> None:
        """Behind each link between the built pages is a file, and behind each anchor a place in it."""
        assert sorted(set(self._broken(pages))) == []

    @staticmethod
    def _broken(pages: dict[Path, Page]) -> Iterator[str]:
        for page in pages.values():
            for link in page.links:
                if elsewhere(link):
                    continue
                path, place = inside(page, link)
                missing = place and path in pages and place not in pages[path].ids
                if not path.is_file() or missing:
                    yield f"{page.path.name}: {link}"
