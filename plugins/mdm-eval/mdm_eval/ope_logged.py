"""What a run did and how likely that was, next to how likely another configuration would have done it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from mdm_core import Action, Decision, PastRun, UsageError

from mdm_eval.columns import Bools, Codes, Floats, Ints
from mdm_eval.comparing import Packet
from mdm_eval.features import Column
from mdm_eval.whatif import Outcomes

ACTIONS = tuple(action.value for action in Action)
HOLD = ACTIONS.index("HOLD")
_PROPENSITIES = "mdm.propensities"
_MOST_TEXTS = 255  # of one feature, which is what gradient-boosted trees can tell apart


@attrs.frozen(eq=False)
class Logged:
    """One row per decision; columns of probabilities in the order of ``ACTIONS``.

    Attributes:
        taken: Column of the action that was taken after guards; HOLD for a denial.
        logged: How likely each action was to be taken by the run.
        wanted: How likely the other configuration takes it.
        features: Features of the run; NaN where there is none.
        categorical: Which of their columns are categories.
    """

    taken: Ints
    logged: Floats
    wanted: Floats
    features: Floats
    categorical: Bools

    def where(self, chosen: Bools) -> Logged:
        """Give some of the rows.

        Args:
            chosen: Which.
        """
        rows = (self.taken[chosen], self.logged[chosen], self.wanted[chosen], self.features[chosen])
        return Logged(*rows, self.categorical)


class Logging:
    """Looks at decisions in turn, and keeps what off-policy evaluation needs.

    Args:
        past: The run.

    Attributes:
        outcome: What turned out to be true; absent where it is not known.
        randomised: Decisions of the run that were left to chance.
        refused: Decisions that are left out because the other configuration refuses the event.
    """

    def __init__(self, past: PastRun) -> None:
        self._run_id = past.directory.name
        self._outcomes = Outcomes(past)
        self._taken, self._logged, self._wanted = array("b"), array("d"), array("d")
        self._features: dict[str, Column] = {}
        self.outcome = Codes()
        self.randomised = self.refused = 0

    def visit(self, packet: Packet, decisions: Sequence[Decision | None]) -> None:
        """Take a decision of the run, and what the other configuration decides."""
        [decision] = decisions
        outcome = self._outcomes.of(packet)
        if decision is None:
            self.refused += 1
            return
        final, recorded = packet["final_action"], packet["external"].get(_PROPENSITIES)
        taken = _taken(final["action"], final["allowed"])
        self.randomised += recorded is not None
        self._taken.append(ACTIONS.index(taken))
        self._logged.extend(self._row(packet["step"], recorded, taken))
        self._wanted.extend(_probabilities(decision))
        self.outcome.extend([outcome])
        self._keep(packet["mdm"]["features"])

    def logged(self) -> Logged:
        """Give what was kept."""
        features, categorical = _matrix(self._features, len(self._taken))
        return Logged(
            np.array(self._taken, dtype=np.int64),
            np.array(self._logged).reshape(-1, len(ACTIONS)),
            np.array(self._wanted).reshape(-1, len(ACTIONS)),
            features,
            categorical,
        )

    def _row(self, step: int, recorded: Any, taken: str) -> list[float]:
        try:
            row = _spread(recorded, taken)
        except (TypeError, ValueError, AttributeError):
            row = []
        if not row or not row[ACTIONS.index(taken)] > 0.0:
            raise UsageError(
                f"run {self._run_id!r}: step {step} does not say how likely {taken} was, which was done; leave "
                f"{_PROPENSITIES} out of redaction and start a new run"
            )
        return row

    def _keep(self, features: Mapping[str, Any]) -> None:
        rows = len(self._taken)
        for name, value in features.items():
            column = self._features.get(name)
            if column is None:
                column = self._features[name] = Column(rows - 1)
            column.append(value)
        for column in self._features.values():
            if len(column) < rows:
                column.append(None)


def _probabilities(decision: Decision) -> list[float]:
    final = decision.final
    return _spread(decision.context.get(_PROPENSITIES), _taken(final.action._value_, final.allowed))


def _spread(propensities: Mapping[str, float] | None, taken: str) -> list[float]:
    """The probability of each action: what was left to nothing but the case itself was certain."""
    if propensities is None:
        propensities = {taken: 1.0}
    return [float(propensities.get(action, 0.0)) for action in ACTIONS]


def _taken(action: str, allowed: bool) -> str:
    return action if allowed else ACTIONS[HOLD]


def _matrix(columns: Mapping[str, Column], rows: int) -> tuple[Floats, Bools]:
    used = [column for column in columns.values() if column.texts is None or len(column.texts) <= _MOST_TEXTS]
    features = np.column_stack([column.values for column in used]) if used else np.empty((rows, 0))
    return features, np.array([column.texts is not None for column in used], dtype=np.bool_)
