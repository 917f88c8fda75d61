"""The sections about what was redacted, and where the run comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs
import msgspec

from mdm_eval.charts.markup import Child, Markup, tag
from mdm_eval.charts.numbers import count, named, share
from mdm_eval.page.blocks import MOST_OPTIONS, folded, listed, said, section, table
from mdm_eval.report.document import Report

_MOST_PLACES = 50
_SAYS = {
    "verified": "The trace is what was written: every line fits the chain of hashes.",
    "altered": "The trace is not what was written.",
    "not verified": "The trace could not be verified.",
}


def redaction(found: Report) -> Markup:
    """What was redacted."""
    masks = found.masks
    use = found.provenance.configuration.get("redaction.use", "none")
    if not masks.places:
        told = f"Redactor {named(use)}. Nothing in {count(masks.packets)} packets was replaced by a mask or a token."
        return section("redaction", "What was redacted", said(told, _dropped(found)))
    told = (
        f"Redactor {named(use)}. {count(masks.touched)} of {count(masks.packets)} packets "
        f"({share(masks.touched / masks.packets)}) have something hidden, in {count(len(masks.places))} places."
    )
    kept = masks.places[:_MOST_PLACES]
    rows = [(named(m.place), m.kind, count(m.packets), share(m.packets / masks.packets)) for m in kept]
    made = table(("place", "what stands there", "packets", "share"), rows, "Where something was hidden")
    more = (
        said(f"{len(masks.places) - len(kept)} more places are in --json.") if len(masks.places) > len(kept) else None
    )
    return section("redaction", "What was redacted", said(told, _dropped(found)), made, more)


def provenance(found: Report) -> Markup:
    """Where the run comes from, and whether its trace is what was written."""
    origin = found.provenance
    run = [*origin.run.items(), *origin.ended.items()]
    made = [("report made by", origin.told_by), *found.asked.items(), ("costs", attrs.asdict(found.costs))]
    if found.comparison is not None:
        made.append(("against", found.comparison.against))
    return section(
        "provenance",
        "Where this comes from",
        _verified(found),
        table((), [(_words(name), _value(value)) for name, value in run if value not in ("", {})], "The run", "texts"),
        table((), _rows(origin.source), "Identity of the source", "texts") if origin.source else None,
        table((), _rows(origin.files), "Files and their SHA-256", "texts") if origin.files else None,
        table((), _rows(origin.distributions), "Distributions and their versions", "texts"),
        _configuration(origin.configuration),
        table((), [(name, _value(value)) for name, value in made], "This report", "texts"),
    )


def _verified(found: Report) -> Markup:
    verification = found.provenance.verification
    told = [*verification.told, *(f"not shown: {limit}" for limit in verification.limits)]
    mark = {"verified": "✓", "altered": "✗"}.get(verification.verdict, "?")
    cls = f"verdict {verification.verdict.replace(' ', '-')}"
    return tag(
        "div", said(tag("b", f"{mark} {_SAYS[verification.verdict]}"), f" ({verification.by})"), listed(told), cls=cls
    )


def _configuration(options: Mapping[str, Any]) -> Markup:
    more = f", the first {MOST_OPTIONS} of {count(len(options))} options; --json has all"
    caption = "Configuration" + (more if len(options) > MOST_OPTIONS else "")
    return folded(caption, table((), islice(_rows(options), MOST_OPTIONS), caption, "texts"))


def _dropped(found: Report) -> str:
    mode = found.provenance.configuration.get("redaction.mode")
    return " Fields that the redactor leaves out whole cannot be counted." if mode == "drop" else ""


def _words(name: str) -> str:
    return name.replace("_", " ")


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[Child, Child]]:
    return ((named(name), _value(value)) for name, value in found.items())


def _value(value: Any) -> Markup:
    told = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return tag("code", told if len(told) <= 500 else told[:499] + "…")
