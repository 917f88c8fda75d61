"""``mdm gate``: figures against limits."""

from __future__ import annotations

from typing import Any

import pytest
from mdm_core import UsageError

from mdm_eval.gating import Rule, judge_rules


@pytest.fixture
def gate(ran_once: Any, mdm: Any) -> Any:
    """Hold the run's figures against limits."""

    def call(*options: Any) -> Any:
        return mdm("gate", "r", "--runs-dir", ran_once.runs_dir, *options)

    return call


class TestRules:
    @pytest.mark.parametrize(
        ("bound", "limit", "passed"),
        [("min", 0.5, True), ("min", 0.51, False), ("max", 0.5, True), ("max", 0.49, False)],
    )
    def test_a_limit_is_allowed(self, bound: Any, limit: float, passed: bool) -> None:
        """A figure at its limit passes, one beyond it fails."""
        (ruling,) = judge_rules([Rule("recall", bound, limit)], {"recall": 0.5})
        assert passed is ruling.passed

    def test_unknown_figure(self) -> None:
        """A gate that cannot look is not open: a figure that is not known is a mistake, with a suggestion."""
        with pytest.raises(UsageError, match=r"--min recal: the run has no such figure.*'recall'"):
            judge_rules([Rule.parse("recal=0.5", "min")], {"recall": 0.5, "precision": 1.0})

    @pytest.mark.parametrize("text", ["recall", "recall=", "recall=high", "=1=2"])
    def test_what_is_no_rule(self, text: str) -> None:
        """A rule is a figure and a limit."""
        with pytest.raises(UsageError, match="write a figure and its limit, such as recall="):
            Rule.parse(text, "max")


class TestCommand:
    def test_passes(self, gate: Any) -> None:
        """Exit code 0 and a table when everything is good enough."""
        said = gate("--min", "recall=0.1", "--max", "ece=0.5", "--max", "latency_us.p99=1e9")
        assert 0 == said.code
        assert ["passed"] * 3 == [line.split()[0] for line in said.out.splitlines()[1:]]

    def test_fails(self, gate: Any) -> None:
        """Exit code 1 when one figure is not, and the table shows which."""
        said = gate("--min", "recall=0.1", "--max", "ece=0.001")
        assert 1 == said.code
        assert [["passed", "recall"], ["FAILED", "ece"]] == [line.split()[:2] for line in said.out.splitlines()[1:]]

    def test_json(self, gate: Any) -> None:
        """The JSON document has value, limit and ruling."""
        said = gate("--max", "ece=0.001", "--json")
        assert 1 == said.code
        (ruling,) = said.json["rulings"]
        assert (False, False, "ece", 0.001) == (
            said.json["passed"],
            ruling["passed"],
            ruling["rule"]["figure"],
            ruling["rule"]["limit"],
        )

    def test_ends_of_intervals_are_figures(self, gate: Any) -> None:
        """Proof can be asked for: the lower end of an interval has a name too."""
        figures = gate("--list", "--json").json
        assert figures["recall.low"] < figures["recall"] < figures["recall.high"]
        middle = (figures["recall.low"] + figures["recall"]) / 2
        assert (0, 1) == (gate("--min", f"recall={middle}").code, gate("--min", f"recall.low={middle}").code)

    def test_lists_every_figure(self, gate: Any) -> None:
        """The list has a figure of each kind."""
        names = {line.split()[0] for line in gate("--list").out.splitlines()}
        assert names >= {
            *("decisions", "with_outcome", "acted", "denied", "failed_closed", "precision", "recall", "f1", "cost"),
            *("roc_auc", "average_precision", "brier", "brier_skill", "log_loss", "ece", "ece_equal_mass", "mce"),
            *("latency_us.p99", "psi", "psi.confidence", "psi.x"),
        }

    def test_nothing_asked_for(self, gate: Any) -> None:
        """A gate without rules is a mistake, not a pass."""
        said = gate()
        assert (2, "nothing is asked for: give --min or --max, such as --min recall=0.8, or --list") == (
            said.code,
            said.err,
        )

    def test_without_outcomes(self, run_of: Any, ran_once: Any, tmp_path: Any, mdm: Any) -> None:
        """A figure that follows from outcomes cannot pass where there are none."""
        ran = run_of(tmp_path / "blind", [{k: v for k, v in e.items() if k != "bad"} for e in ran_once.events[:150]])
        said = mdm("gate", "r", "--runs-dir", ran.runs_dir, "--min", "recall=0.0")
        assert 2 == said.code
        assert "the run has no such figure" in said.err
