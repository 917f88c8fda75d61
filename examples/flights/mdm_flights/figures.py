"""How well late arrivals were foreseen."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, MutableSequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from mdm_core import Observer, option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _check_instant(text: str) -> None:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"must name its time zone, such as 2013-07-01T00:00:00-04:00, got {text!r}")


def _no_scores() -> dict[tuple[bool | None, bool], MutableSequence[float]]:
    return {(late, acted): array("d") for late in (False, True, None) for acted in (False, True)}


@attrs.define
class Figures(Observer):
    """Compares decisions with what happened: precision, recall, ROC AUC and the confusion matrix.

    ``since`` keeps apart what weights were fitted on and what they are judged by.
    """

    since: str = option(
        "2013-07-01T00:00:00-04:00", check=_check_instant, help="decisions before this instant are left out"
    )
    _since_ms: int = attrs.field(init=False, repr=False)
    _scores: dict[tuple[bool | None, bool], MutableSequence[float]] = attrs.field(
        init=False, factory=_no_scores, repr=False
    )

    def __attrs_post_init__(self) -> None:
        self._since_ms = int(datetime.fromisoformat(self.since).timestamp() * 1000)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        """Note the probability, by what happened and what was done.

        Args:
            packet: The packet; one whose decision failed closed has no probability, and counts as 0.
        """
        external = packet["external"]
        if external["now_ms"] >= self._since_ms:
            scores = self._scores[external.get("eval.outcome"), packet["final_action"]["action"] == "ACT"]
            scores.append(packet["mdm"]["params"].get("probability", 0.0))

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any]:
        """Work out the figures.

        Args:
            summary: Not needed.

        Returns:
            ``flights`` with a known outcome, those ``without_outcome``, which are left out of all else, ``precision``,
            ``recall``, ``roc_auc`` and the ``confusion`` matrix; a ratio of nothing is None.
        """
        import numpy as np

        scores = {case: np.array(values) for case, values in self._scores.items()}
        count = {case: len(values) for case, values in scores.items()}
        hits, misses, alarms = count[True, True], count[True, False], count[False, True]
        return {
            "since": self.since,
            "flights": hits + misses + alarms + count[False, False],
            "without_outcome": count[None, True] + count[None, False],
            "precision": _ratio(hits, hits + alarms),
            "recall": _ratio(hits, hits + misses),
            "roc_auc": roc_auc(
                np.concatenate([scores[True, True], scores[True, False]]),
                np.concatenate([scores[False, True], scores[False, False]]),
            ),
            "confusion": {
                "true_positive": hits,
                "false_positive": alarms,
                "false_negative": misses,
                "true_negative": count[False, False],
            },
        }


def roc_auc(late: NDArray[np.float64], punctual: NDArray[np.float64]) -> float | None:
    """Compute the area under the ROC curve as a rank statistic (Mann and Whitney 1947), ties counting half.

    Args:
        late: Scores of the late flights, higher for more likely.
        punctual: Scores of the others.

    Returns:
        The share of pairs of a late and a punctual flight whose scores are in the right order; None without pairs.
    """
    import numpy as np

    pairs = len(late) * len(punctual)
    if not pairs:
        return None
    punctual = np.sort(punctual)
    below = np.searchsorted(punctual, late, side="left").sum()
    not_above = np.searchsorted(punctual, late, side="right").sum()
    return float((below + not_above) / 2 / pairs)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
