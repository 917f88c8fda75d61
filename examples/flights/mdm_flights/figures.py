"""How well late arrivals were foreseen."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from mdm_core import Action, Observer, option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ACT = Action.ACT.value


def _check_instant(text: str) -> None:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"must name its time zone, such as 2013-07-01T00:00:00-04:00, got {text!r}")


@attrs.define
class Figures(Observer):
    """Compares decisions with what happened: precision, recall, ROC AUC and the confusion matrix.

    ``since`` separates what weights were fitted on from what they are judged by.
    """

    since: str = option(
        "2013-07-01T00:00:00-04:00", check=_check_instant, help="decisions before this instant are left out"
    )
    _since_ms: float = attrs.field(init=False, repr=False)
    _scores: array[float] = attrs.field(init=False, factory=lambda: array("d"), repr=False)
    _wanted: array[int] = attrs.field(init=False, factory=lambda: array("b"), repr=False)
    _late: array[int] = attrs.field(init=False, factory=lambda: array("b"), repr=False)
    _unknown: int = attrs.field(init=False, default=0, repr=False)

    def __attrs_post_init__(self) -> None:
        self._since_ms = datetime.fromisoformat(self.since).timestamp() * 1000

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        """Note a decision.

        Args:
            packet: The packet.
        """
        external = packet["external"]
        if external["now_ms"] < self._since_ms:
            return
        late = external["eval.outcome"]
        if late is None:
            self._unknown += 1
            return
        self._late.append(late)
        self._scores.append(packet["mdm"]["params"]["probability"])
        self._wanted.append(packet["final_action"]["action"] == _ACT)

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any]:
        """Work out the figures.

        Args:
            summary: Not needed.

        Returns:
            ``decided`` (with a known outcome), ``without_outcome`` (left out), the confusion matrix, ``precision``,
            ``recall`` and ``roc_auc``; a ratio without anything below the line is None.
        """
        import numpy as np

        late = np.frombuffer(self._late, dtype=np.int8).astype(bool)
        wanted = np.frombuffer(self._wanted, dtype=np.int8).astype(bool)
        hits, alarms = int((late & wanted).sum()), int(wanted.sum())
        return {
            "since": self.since,
            "decided": len(late),
            "without_outcome": self._unknown,
            "confusion": {
                "late_held": hits,
                "late_missed": int(late.sum()) - hits,
                "on_time_held": alarms - hits,
                "on_time_left_alone": int((~late & ~wanted).sum()),
            },
            "precision": _ratio(hits, alarms),
            "recall": _ratio(hits, int(late.sum())),
            "roc_auc": roc_auc(late, np.frombuffer(self._scores)),
        }


def roc_auc(late: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """Compute the area under the ROC curve as a rank statistic (Mann and Whitney 1947), ties counting half.

    Args:
        late: What happened.
        scores: What was foreseen, higher for more likely.

    Returns:
        The share of pairs of a late and a punctual flight that the scores put in the right order; None without both.
    """
    import numpy as np

    positives = int(late.sum())
    pairs = positives * (len(late) - positives)
    if not pairs:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[inverse][late].sum() - positives * (positives + 1) / 2) / pairs)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
