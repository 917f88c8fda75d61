"""Decisions about the same events, two by two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs
import numpy as np

from mdm_eval.columns import Bools, Codes, Floats, Ints
from mdm_eval.costs import Costs
from mdm_eval.effects import Effects, effects_of
from mdm_eval.flips import DENIED, HOLD


@attrs.frozen
class Kind:
    """Decisions that differ in the same way.

    Attributes:
        before: What came of them on the one side: an action, ``denied``, or ``denied STOP``.
        after: What came of them on the other.
        decisions: How many.
        right: Of those, the ones where it turned out right to act.
        wrong: The ones where it did not.
    """

    before: str
    after: str
    decisions: int
    right: int
    wrong: int


class Names:
    """Numbers for what comes of decisions, the same for both sides.

    Args:
        actions: All actions that there are.

    Attributes:
        names: What comes of a decision, by its number.
    """

    def __init__(self, actions: Iterable[str]) -> None:
        self._actions = sorted(set(actions))
        denied = [DENIED if action == HOLD else f"{DENIED} {action}" for action in self._actions]
        self.names = [*self._actions, *denied]

    def number(self, actions: Codes, allowed: Bools) -> Ints:
        """Number what came of decisions.

        Args:
            actions: Final actions.
            allowed: Whether they may be carried out.
        """
        places = np.array([*(self._actions.index(action) for action in actions.values), 0])
        numbers: Ints = places[actions.numbers] + np.where(allowed, 0, len(self._actions))
        return numbers


def kinds(names: Names, before: Ints, after: Ints, truth: Floats) -> Iterator[Kind]:
    """Count how decisions differ.

    Args:
        names: What the numbers stand for.
        before: What came of each event on the one side.
        after: What came of it on the other.
        truth: Whether it was right to act: 1, 0, or NaN where it is not known.

    Yields:
        The most frequent first.
    """
    number = before * len(names.names) + after
    found, times = np.unique(number, return_counts=True)
    for place in np.argsort(-times, kind="stable"):
        rows = number == found[place]
        was, is_ = divmod(int(found[place]), len(names.names))
        right, wrong = int((truth[rows] == 1.0).sum()), int((truth[rows] == 0.0).sum())
        yield Kind(names.names[was], names.names[is_], int(times[place]), right, wrong)


def paired_effects(before: Bools, after: Bools, truth: Floats, costs: Costs) -> Effects | None:
    """Work out what deciding otherwise does to precision, recall and cost.

    Args:
        before: Whether it was acted.
        after: Whether it was acted otherwise.
        truth: Whether it was right to act: 1, 0, or NaN where it is not known.
        costs: What mistakes cost.

    Returns:
        The effects; None without outcomes.
    """
    known = ~np.isnan(truth)
    if not known.any():
        return None
    numbers = before[known] * 4 + after[known] * 2 + (truth[known] == 1.0)
    cells = np.bincount(numbers.astype(np.int64), minlength=8)
    return effects_of({(bool(n & 4), bool(n & 2), bool(n & 1)): int(cells[n]) for n in range(8)}, costs)
