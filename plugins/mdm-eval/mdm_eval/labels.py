"""What turned out to be true, as yes or no."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from mdm_core import UsageError

from mdm_eval.columns import Bools, Codes, Floats, Ints

_SHOWN = 5
_LONGEST = 48


@attrs.frozen(eq=False)
class Labels:
    """One label per decision.

    Attributes:
        values: 1, 0, or NaN where it is not known.
        joined: How many come from `mdm outcomes join`; the rest come with the events.
    """

    values: Floats
    joined: int = 0

    @property
    def known(self) -> Bools:
        """Where the label is known."""
        return ~np.isnan(self.values)


def to_labels(outcomes: Codes, positive: str | None) -> Floats:
    """Turn outcomes into 1, 0, and NaN where there is none.

    Args:
        outcomes: A column of outcomes.
        positive: The outcome, as text, that counts as 1; every other is 0. None takes true, false, 1 and 0 as they are.

    Raises:
        UsageError: An outcome is neither, or none is the positive one.
    """
    distinct = [_truth(value) if positive is None else float(_text(value) == positive) for value in outcomes.values]
    unclear = [_text(value) for value, truth in zip(outcomes.values, distinct, strict=True) if truth is None]
    if unclear:
        raise UsageError(
            f"outcomes are {_quoted(unclear)}: give --positive with the one that counts as right to act on"
        )
    if positive is not None and outcomes.values and 1.0 not in distinct:
        known = _quoted([_text(value) for value in outcomes.values])
        raise UsageError(f"--positive {positive}: no outcome is that; outcomes are {known}")
    return np.array([*distinct, np.nan], dtype=np.float64)[outcomes.numbers]


def overlay(labels: Floats, step: Ints, joined_step: Ints, joined: Floats) -> Labels:
    """Put joined labels in the place of those that came with the events.

    Args:
        labels: Labels that came with the events.
        step: Their steps, ascending.
        joined_step: Steps of the joined labels, ascending; those of other decisions are passed over.
        joined: The joined labels.
    """
    there = np.isin(joined_step, step)
    values = labels.copy()
    values[np.searchsorted(step, joined_step[there])] = joined[there]
    return Labels(values, int(there.sum()))


def _truth(value: Any) -> float | None:
    return float(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(values: list[str]) -> str:
    quoted = [ascii(value)[1:-1][:_LONGEST] for value in values[:_SHOWN]]
    return ", ".join(quoted) + (", …" if len(values) > _SHOWN else "")
