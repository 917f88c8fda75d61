"""How healthy operations are, as one number.

score = 1 - (0.4 · errors + 0.3 · rate limits + 0.2 · reconnects + 0.1 · p95), each of them a penalty between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

WEIGHTS: Final = (0.4, 0.3, 0.2, 0.1)
"""Weights of errors, rate-limit answers, reconnects and p95 latency."""

GREEN_FROM: Final = 0.6
YELLOW_FROM: Final = 0.3

Level: TypeAlias = Literal["GREEN", "YELLOW", "RED"]


def count_penalty(count: int, most: int) -> float:
    """Weigh a count: ``min(1, count / most)``."""
    return min(1.0, count / most)


def latency_penalty(p95_ms: float, most_ms: float) -> float:
    """Weigh a latency: nothing up to ``most_ms``, everything from twice that."""
    return min(1.0, max(0.0, (p95_ms - most_ms) / most_ms))


def p95(values: list[float]) -> float:
    """Find the smallest of some values that at least 95 % of them do not exceed.

    Returns:
        The value, or 0 if there are none.
    """
    if not values:
        return 0.0
    return sorted(values)[-(-95 * len(values) // 100) - 1]


def score(penalties: Sequence[float]) -> float:
    """Sum up penalties.

    Args:
        penalties: In the order of ``WEIGHTS``.

    Returns:
        1 (healthy) to 0, to nine decimals, so that 1 - 0.7 reaches 0.3 whatever the penalties are made of.
    """
    return round(1.0 - sum(weight * penalty for weight, penalty in zip(WEIGHTS, penalties, strict=True)), 9)


def level(score: float) -> Level:
    """Name a score.

    Args:
        score: The score.

    Returns:
        ``GREEN`` from 0.6, ``YELLOW`` from 0.3, ``RED`` below.
    """
    if score >= GREEN_FROM:
        return "GREEN"
    return "YELLOW" if score >= YELLOW_FROM else "RED"
