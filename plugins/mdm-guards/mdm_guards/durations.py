"""Lengths of time as people write them in a file."""

from __future__ import annotations

import re
from typing import Final

_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(rf"([1-9][0-9]{{0,11}}) ?({'|'.join(_UNIT_MS)})")
_LONGEST_MS: Final = 366 * _UNIT_MS["d"]


def duration_ms(text: str) -> int:
    """Read a length of time.

    Args:
        text: Such as ``500ms``, ``30s``, ``5m``, ``2h`` or ``1d``; at most ``366d``.

    Returns:
        Milliseconds.

    Raises:
        ValueError: The text is no length of time, or too long a one.
    """
    match = _DURATION.fullmatch(text)
    ms = int(match[1]) * _UNIT_MS[match[2]] if match else 0
    if not 0 < ms <= _LONGEST_MS:
        raise ValueError(f"must be a duration such as '500ms', '30s', '5m', '2h' or '1d', at most '366d', got {text!r}")
    return ms
