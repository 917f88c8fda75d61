"""Instants and durations as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from mdm_core import UsageError

_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def instant_ms(text: str) -> float:
    """Read an instant: ISO 8601 with its time zone.

    Returns:
        Milliseconds since 1970.

    Raises:
        ValueError: It is none, or does not name its time zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("no time zone")
    return instant.timestamp() * 1000


def parse_instant(text: str | None, option: str) -> float | None:
    """Read an instant from the command line.

    Args:
        text: What was written, or None.
        option: The option, for the message.

    Raises:
        UsageError: It is no instant.
    """
    if text is None:
        return None
    try:
        return instant_ms(text)
    except ValueError:
        raise UsageError(f"{option} {text}: write such as 2013-07-01T00:00:00-04:00, with the time zone") from None


def parse_duration(text: str | None, option: str) -> float | None:
    """Read a duration such as ``30d``, ``12h``, ``90m`` or ``45s``.

    Args:
        text: What was written, or None.
        option: The option, for the message.

    Returns:
        Milliseconds.

    Raises:
        UsageError: It is no duration.
    """
    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option} {text}: write such as 30d, 12h, 90m or 45s")
    return float(found[1]) * _UNITS[found[2]]


def shown(ms: float) -> str:
    """Write an instant for people, in UTC, to the minute."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"
