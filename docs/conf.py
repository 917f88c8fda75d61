"""Makes the pages of this repository one site, which can be searched and read without a network.

``sphinx-build -c docs . build/site``. The source is the whole repository: READMEs of plugins and examples are pages
too, and links between pages are those that code hosts follow.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "mdm"
root_doc = "docs/index"
extensions = ["myst_parser"]
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/*/*.md",
    "decision-schema/README.md",
    "plugins/*/README.md",
    "examples/*/README.md",
]
exclude_patterns = [".*", "**/.*", "_private", "build", "dist", "runs", "tests"]
suppress_warnings = ["misc.highlighting_failure"]  # pages show lines that are no JSON, on purpose

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 6

html_theme = "furo"
html_title = "mdm"
html_copy_source = False
html_show_copyright = False
html_show_search_summary = False  # they are fetched, which browsers refuse to pages that are files
html_show_sphinx = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_permalinks_icon = "#"
html_theme_options = {"navigation_with_keys": True}

NAVIGATION = {
    "Start": ["WHY", "QUICK_START", "Tutorial <tutorial>", "TERMINOLOGY"],
    "How-tos": [
        "howto/index",
        "howto/private-model",
        "howto/guards",
        "howto/redact",
        "howto/resume",
        "howto/replay",
        "howto/evaluate",
        "howto/tune-a-threshold",
        "howto/shadow-and-canary",
        "howto/off-policy",
        "howto/query",
        "howto/report",
    ],
    "Plugins": ["WRITE_A_PLUGIN", "TESTING", "VERSIONING", "PUBLIC_RELEASE_GUIDE"],
    "Reference": ["CONFIGURATION", "CLI", "PLUGINS", "PACKET"],
    "How it works": ["EXECUTION", "FAULTS", "EVALUATION", "SHADOW", "GUARANTEES", "SAFETY_LIMITATIONS", "ARCHITECTURE"],
    "Domains": ["domains/*"],
    "Distributions": ["../README", "../decision-schema/README", "../plugins/*/README", "../examples/*/README"],
    "Project": ["../CONTRIBUTING", "../SECURITY", "../CHANGELOG"],
}
_TITLED = re.compile(r"^(`{3,}) *(\w*) +title=\"([^\"]*)\"\s*$", re.MULTILINE)


def show_titles(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Make the title of each code block its caption: it is the name of a file that the reader writes.

    Args:
        source: The page's text, as the one item of a list.
    """
    source[0] = _TITLED.sub(r"\1{code-block} \2\n:caption: \3\n", source[0])


def navigate(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put the tables of contents on the first page; they stand here so that code hosts do not show them.

    Args:
        page: The page's name.
        source: The page's text, as the one item of a list.
    """
    if page == root_doc:
        for caption, pages in NAVIGATION.items():
            source[0] += "\n".join(
                ["\n```{toctree}", f":caption: {caption}", ":glob:", ":hidden:", "", *pages, "```\n"]
            )


def lead_in(app: Sphinx, _error: Exception | None) -> None:
    """Lead whoever opens the folder of the site to its first page.

    Args:
        app: Sphinx, which has the folder.
    """
    page = f"{root_doc}.html"
    refresh = f'<meta http-equiv="refresh" content="0; url={page}">'
    text = f'<!doctype html>{refresh}<title>mdm</title><a href="{page}">mdm</a>\n'
    (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Hook into the build.

    Args:
        app: Sphinx.
    """
    app.connect("source-read", show_titles)
    app.connect("source-read", navigate)
    app.connect("build-finished", lead_in)
