"""The page: one file that needs no network, no other file and no plug-in."""

from __future__ import annotations

import os
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from mdm_core import UsageError

from mdm_eval.charts.markup import Markup, tag
from mdm_eval.charts.numbers import named
from mdm_eval.page.comparing import challengers, flips
from mdm_eval.page.deciding import decided, latency_section, over_time, period, summary
from mdm_eval.page.judging import drift, quality, segments
from mdm_eval.page.origin import provenance, redaction
from mdm_eval.report.document import Report

_SECTIONS = (
    ("summary", "in short", summary),
    ("decided", "decided", decided),
    ("quality", "right?", quality),
    ("segments", "parts", segments),
    ("time", "over time", over_time),
    ("latency", "latency", latency_section),
    ("drift", "drift", drift),
    ("flips", "other run", flips),
    ("challengers", "challengers", challengers),
    ("redaction", "redacted", redaction),
    ("provenance", "origin", provenance),
)


def write_page(found: Report, path: Path) -> None:
    """Write the page; only its owner can read the file, for it shows what was decided about whom.

    Args:
        found: What is told.
        path: The file; one that is there is replaced.

    Raises:
        UsageError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(page(found))
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; choose another file for --html") from None


def page(found: Report) -> str:
    """Make the page.

    Nothing in it can load or send anything: the policy allows the one style sheet and the one script that it holds, by
    their hashes, and nothing else. What comes from the run is escaped.

    Args:
        found: What is told.
    """
    style, script = _resource("page.css"), _resource("page.js")
    made = [(name, title, content) for name, title, make in _SECTIONS if (content := make(found)) is not None]
    title = f"Report on run {named(found.evaluation.run_id)}"
    links = [tag("a", told, href=f"#{name}") for name, told, _ in made]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", style),
    )
    body = tag(
        "body",
        tag("a", "Skip to the figures", href="#summary", cls="skip"),
        tag("header", tag("h1", title), tag("p", _subtitle(found)), tag("nav", *links, aria_label="Sections")),
        tag("main", *(content for _, _, content in made)),
        tag("div", id="tip", role="presentation", hidden=True),
        tag("script", script),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _subtitle(found: Report) -> str:
    pipeline = found.provenance.run.get("pipeline", "")
    return ", ".join(filter(None, (f"pipeline {pipeline}" if pipeline else "", period(found))))


def _policy(style: Markup, script: Markup) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return "sha256-" + b64encode(sha256(content.encode()).digest()).decode()


def _resource(name: str) -> Markup:
    return Markup(files("mdm_eval.page").joinpath(name).read_text(encoding="utf-8"))
