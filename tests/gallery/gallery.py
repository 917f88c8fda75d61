"""All exhibits."""

from __future__ import annotations

import broken_deciding
import broken_ends
import broken_imports
import broken_making
import broken_watching
from exhibits import GALLERY, Exhibit

ROOMS = (broken_making, broken_deciding, broken_ends, broken_watching, broken_imports)

__all__ = ["GALLERY", "ROOMS", "Exhibit"]
