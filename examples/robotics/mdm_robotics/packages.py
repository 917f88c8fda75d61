"""The package that holds the recordings. It is read where it lies, and never installed or imported."""

from __future__ import annotations

from mdm_pinned import Package

WATCH = Package(
    "pip",
    "seglearn",
    "1.2.5",
    "seglearn-1.2.5-py3-none-any.whl",
    "ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd",
    fetched_by="python -m mdm_robotics.fetch",
)
