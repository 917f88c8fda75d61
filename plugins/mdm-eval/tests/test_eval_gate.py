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


@pytest.fixture(scope="module")
def other(run_of: Any, ran_once: Any, tmp_path_factory: Any) -> Any:
    """A run over the same events with another threshold."""
    return run_of(tmp_path_factory.mktemp("other"), ran_once.events, "model.threshold=0.45")


@pytest.fixture(scope="module")
def flipped(ran_once: Any, other: Any) -> int:
    """How many decisions differ, counted one by one."""
    pairs = zip(ran_once.packets, other.packets, strict=True)
    return sum(came_of(before) != came_of(after) for before, after in pairs)


def came_of(packet: Any) -> tuple[str, bool]:
    """What came of a decision."""
    return packet["final_action"]["action"], packet["final_action"]["allowed"]


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


class TestFlips:
    def test_against_a_run(self, gate: Any, other: Any, flipped: int) -> None:
        """The share is that of the decisions that differ; at the limit it passes, below it fails with a table."""
        share = flipped / len(other.events)
        where = ("--against", str(other.runs_dir / "r"))
        said = gate("--max", f"flips={share!r}", *where)
        assert (0, ["passed", "flips"]) == (said.code, said.out.splitlines()[1].split()[:2])
        said = gate("--max", f"flips={share * 0.99!r}", *where)
        assert (1, ["FAILED", "flips"]) == (said.code, said.out.splitlines()[1].split()[:2])

    def test_by_a_configuration(self, gate: Any, other: Any, flipped: int) -> None:
        """Deciding again with the option changed gives the flips that the other run shows."""
        said = gate("--max", "flips=0.001", "--set", "model.threshold=0.45", "--json")
        assert (1, flipped / len(other.events)) == (said.code, said.json["rulings"][0]["value"])

    def test_with_other_figures(self, gate: Any, other: Any) -> None:
        """Flips can be asked for together with figures of the run, and are in the list."""
        where = ("--against", str(other.runs_dir / "r"))
        said = gate("--max", "flips.high=1", "--min", "recall=0.1", *where)
        assert (0, 3) == (said.code, len(said.out.splitlines()))
        assert {"flips", "flips.low", "flips.high", "recall"} <= gate("--list", "--json", *where).json.keys()

    def test_events_of_one_run_alone(self, gate: Any, run_of: Any, ran_once: Any, tmp_path: Any) -> None:
        """What only one run has decided does not count, and is said."""
        part = run_of(tmp_path / "part", ran_once.events[100:300])
        said = gate("--max", "flips=0", "--against", str(part.runs_dir / "r"))
        assert 0 == said.code
        assert f"{len(ran_once.events) - 200:,} decisions are about events that only one of the runs has" in said.err

    def test_nothing_in_common(self, gate: Any, run_of: Any, ran_once: Any, tmp_path: Any) -> None:
        """A gate that cannot look is not open: runs over other events are a mistake."""
        events = [{**event, "id": f"other-{event['id']}"} for event in ran_once.events[:50]]
        said = gate("--max", "flips=1", "--against", str(run_of(tmp_path / "else", events).runs_dir / "r"))
        assert (2, "runs 'r' and 'r' have no event in common, so nothing can be compared") == (said.code, said.err)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (("--max", "flips=0.1"), "--max flips: against what? add --against OTHER, --config or --set"),
            (("--max", "ece=0.1", "--against", "r"), "--against, --config and --set are for flips: add --max flips="),
            (("--max", "flips=1", "--against", "r", "--set", "a=1"), "give one of them"),
            (("--max", "flips=1", "--set", "a=1", "--since", "2026-01-01T00:00:00Z"), "decide the whole run again"),
        ],
    )
    def test_what_does_not_go_together(self, gate: Any, options: tuple[str, ...], told: str) -> None:
        """What cannot be looked at is a mistake that names the way out, never a pass."""
        said = gate(*options)
        assert 2 == said.code
        assert told in said.err
