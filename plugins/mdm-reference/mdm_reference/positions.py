"""Positions that are numbers, counted from 1."""

from __future__ import annotations

from mdm_core import Position


def to_number(position: Position) -> int:
    """Check a position that somebody wants to go on from.

    Args:
        position: A position that a source gave earlier; 0 stands for the beginning.

    Returns:
        The number.

    Raises:
        ValueError: It is no such number.
    """
    if isinstance(position, bool) or not isinstance(position, int) or position < 0:
        raise ValueError(f"cannot go on from position {position!r}; it must be a whole number, 0 or more")
    return position
