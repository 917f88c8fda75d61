from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Action
from mdm_core.errors import OptionError
from sklearn.metrics import confusion_matrix, precision_score, recall_score, roc_auc_score  # type: ignore[import-untyped]

from mdm_flights import Figures
from mdm_flights.figures import roc_auc

JULY = 1_372_651_200_000


def packet(now_ms: int, late: bool | None, probability: float, action: Action) -> dict[str, Any]:
    return {
        "run_id": "r",
        "step": 0,
        "input": {},
        "external": {"now_ms": now_ms, "eval.outcome": late},
        "mdm": {"action": action.value, "params": {"probability": probability}},
        "final_action": {"action": action.value, "allowed": True},
        "latency_ms": 1,
        "mismatch": None,
        "schema_version": "0.1.0",
    }


class TestFigures:
    def test_agree_with_scikit_learn(self) -> None:
        """Precision, recall, confusion matrix and AUC are those of scikit-learn."""
        chance = np.random.default_rng(5)
        late = chance.random(5000) < 0.24
        scores = np.clip(late * 0.2 + chance.random(5000) * 0.8, 0, 1).round(2)
        figures = Figures()
        for outcome, score in zip(late.tolist(), scores.tolist(), strict=True):
            figures.on_decision(packet(JULY, outcome, score, Action.ACT if score >= 0.5 else Action.HOLD))
        found = figures.on_run_end({})
        (punctual, false), (missed, hits) = confusion_matrix(late, scores >= 0.5).tolist()
        confusion = {
            "true_positive": hits,
            "false_positive": false,
            "false_negative": missed,
            "true_negative": punctual,
        }
        assert confusion == found["confusion"]
        assert precision_score(late, scores >= 0.5) == pytest.approx(found["precision"], rel=1e-12)
        assert recall_score(late, scores >= 0.5) == pytest.approx(found["recall"], rel=1e-12)
        assert roc_auc_score(late, scores) == pytest.approx(found["roc_auc"], rel=1e-12)

    def test_first_half_is_left_out(self) -> None:
        """Only decisions from midnight of 1 July in New York on are judged."""
        figures = Figures()
        figures.on_decision(packet(JULY - 1, True, 0.1, Action.HOLD))
        figures.on_decision(packet(JULY, True, 0.9, Action.ACT))
        assert 1 == figures.on_run_end({})["flights"]

    def test_unknown_outcome_is_counted_and_left_out(self) -> None:
        """A flight that did not arrive is in the count of those without outcome and in nothing else."""
        figures = Figures()
        figures.on_decision(packet(JULY, None, 0.9, Action.ACT))
        found = figures.on_run_end({})
        assert (0, 1, None) == (found["flights"], found["without_outcome"], found["precision"])
        assert 0 == sum(found["confusion"].values())

    def test_failing_closed_foresees_nothing(self) -> None:
        """A decision that failed closed has no probability; it counts as 0 instead of stopping the observer."""
        figures = Figures()
        failed = packet(JULY, True, 0.0, Action.HOLD)
        failed["mdm"]["params"] = {}
        figures.on_decision(failed)
        figures.on_decision(packet(JULY, False, 0.1, Action.HOLD))
        assert 0.0 == figures.on_run_end({})["roc_auc"]

    def test_denied_action_is_no_hold_of_a_crew(self) -> None:
        """What counts is the final action: a proposal that was denied holds no crew."""
        figures = Figures()
        denied = packet(JULY, True, 0.9, Action.ACT)
        denied["final_action"] = {"action": "HOLD", "allowed": False}
        figures.on_decision(denied)
        assert 1 == figures.on_run_end({})["confusion"]["false_negative"]

    def test_since_needs_a_time_zone(self) -> None:
        """An instant without a time zone is refused with an example of one that has."""
        with pytest.raises(OptionError, match="must name its time zone, such as 2013-07-01T00:00:00-04:00"):
            Figures(since="2013-07-01")


class TestRocAuc:
    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=60))
    def test_is_the_share_of_pairs_in_order(self, rows: list[tuple[bool, int]]) -> None:
        """It equals the share of pairs in the right order, counted one by one, ties counting half."""
        pairs = [(a, b) for late, a in rows if late for late, b in rows if not late]
        share = sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs) if pairs else None
        found = roc_auc(*(np.array([float(score) for late, score in rows if late is which]) for which in (True, False)))
        assert share == (None if found is None else pytest.approx(found, rel=1e-12))
