"""Decisions divided by a feature or a field of the event."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from mdm_eval.columns import Bools, Codes, Ints

MOST = 50
NONE = "(none)"
OTHER = "(other)"
_DISTINCT, _PARTS = 20, 5


def divide(values: Codes) -> Iterator[tuple[str, Bools]]:
    """Divide rows by their value: the most frequent first, then all others together, then those without one.

    Numbers that have more than 20 distinct values are divided into fifths.

    Args:
        values: One value per row.

    Yields:
        Name of the segment, and which rows are in it.
    """
    numbers = values.numbers.astype(np.int64)
    if len(values.values) > _DISTINCT and all(isinstance(v, int | float) for v in values.values):
        yield from _fifths(np.array([*map(float, values.values), np.nan])[numbers])
        return
    times = np.bincount(numbers[numbers >= 0], minlength=len(values.values))
    order = np.argsort(-times, kind="stable")
    for code in order[:MOST]:
        yield _text(values.values[code]), numbers == code
    if len(order) > MOST:
        yield OTHER, np.isin(numbers, order[MOST:])
    yield from _without(numbers < 0)


def _fifths(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Iterator[tuple[str, Bools]]:
    edges = np.unique(np.nanquantile(values, np.linspace(0, 1, _PARTS + 1)))
    part: Ints = np.searchsorted(edges[1:-1], values, "left")
    for n, (low, high) in enumerate(pairwise(edges)):
        yield f"{low:.4g} to {high:.4g}" if not n else f"above {low:.4g} to {high:.4g}", (part == n) & ~np.isnan(values)
    yield from _without(np.isnan(values))


def _without(rows: Bools) -> Iterator[tuple[str, Bools]]:
    if rows.any():
        yield NONE, rows


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
