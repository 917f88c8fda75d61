"""Counting while a run goes on, and what is told at its end."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm_core import Action, Context, Decision, Failure, FinalDecision, MismatchInfo, Proposal, Summary
from mdm_core.summary import Tally

DENIAL = FinalDecision(Action.HOLD, False, [], MismatchInfo(["late", "eager"], ["late:age"]))
CLOSED = FinalDecision(Action.HOLD, False, [], MismatchInfo(["model_error"], ["model_error:KeyError"]))
FAILURE = Failure("model", "m", "KeyError", "model_error:KeyError")


def decision(
    proposed: Action, final: FinalDecision | None = None, failure: Failure | None = None, us: float = 1
) -> Decision:
    """A decision that took so many microseconds."""
    final = final or FinalDecision(proposed)
    return Decision({}, Context({}, None, "0", 0, 0), {}, Proposal(proposed, 0.5), final, int(us * 1000), failure)


def counted(*decisions: Decision) -> Tally:
    """A tally of decisions."""
    tally = Tally()
    for each in decisions:
        tally.count(each)
    return tally


def summary(**changes: Any) -> Summary:
    """A summary of nothing in particular."""
    texts: dict[str, Any] = dict.fromkeys(("run_id", "reason", "run_dir"), "")
    numbers = dict.fromkeys(("events", "decided", "failed_closed", "redaction_failures", "seconds", "events_per_s"), 0)
    tables = (
        "dead_letters",
        "proposed",
        "allowed",
        "carried_out",
        "executions",
        "denied",
        "errors",
        "evicted_keys",
        "counts",
    )
    counts: dict[str, dict[str, int]] = {name: {} for name in (*tables, "latency_us")}
    return Summary(**texts | numbers | counts | {"status": "done"} | changes)


class TestCounting:
    def test_actions_are_counted_and_hold_is_not(self) -> None:
        """Proposals and allowed decisions by action; HOLD is what happens otherwise."""
        tally = counted(*map(decision, [Action.ACT, Action.HOLD, Action.EXIT, Action.ACT]))
        assert {"ACT": 2, "EXIT": 1} == tally.proposed == tally.allowed
        assert (tally.decided, tally.failed_closed, tally.denied) == (4, 0, {})

    def test_a_denial_is_counted_by_each_of_its_flags(self) -> None:
        """It was proposed and not allowed."""
        tally = counted(decision(Action.ACT, DENIAL), decision(Action.ACT, DENIAL))
        assert (tally.proposed, tally.allowed, tally.denied) == ({"ACT": 2}, {}, {"late": 2, "eager": 2})

    def test_a_decision_that_failed_closed_is_no_denial(self) -> None:
        """It has a count of its own, whether or not the model came to a proposal."""
        tally = counted(decision(Action.HOLD, CLOSED, FAILURE), decision(Action.ACT, CLOSED, FAILURE))
        assert (tally.failed_closed, tally.denied, tally.proposed, tally.allowed) == (2, {}, {"ACT": 1}, {})

    def test_what_was_changed_counts_as_what_it_became(self) -> None:
        """Proposed as one action, allowed as another; or held back without being denied."""
        changed = FinalDecision(Action.EXIT, True, [], MismatchInfo([], ["less"]))
        held = FinalDecision(Action.HOLD, True, [], MismatchInfo([], ["rather not"]))
        tally = counted(decision(Action.ACT, changed), decision(Action.ACT, held))
        assert (tally.proposed, tally.allowed, tally.denied) == ({"ACT": 2}, {"EXIT": 1}, {})

    def test_events_are_decisions_and_dead_letters(self) -> None:
        """Every event is one of the two."""
        tally = counted(decision(Action.HOLD))
        tally.dead_letters["invalid_json"] += 2
        assert tally.events == 3


class TestLatency:
    def test_without_decisions_there_is_none(self) -> None:
        """Zero, not an error."""
        assert Tally().latency(0.5) == 0

    @given(st.lists(st.integers(0, 255), min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
    def test_it_is_the_percentile(self, latencies: list[int], share: float) -> None:
        """The smallest value that at least this share does not exceed, exact where decisions are fast."""
        tally = counted(*(decision(Action.HOLD, us=us) for us in latencies))
        wanted = min(x for x in latencies if sum(y <= x for y in latencies) >= share * len(latencies))
        assert wanted == tally.latency(share)

    @given(st.integers(0, 10**9))
    def test_long_ones_are_told_to_within_a_percent(self, us: int) -> None:
        """And none is told as longer than it was."""
        assert us * 0.992 <= counted(decision(Action.HOLD, us=us)).latency(0.5) <= us

    def test_the_table_stays_small(self) -> None:
        """However long a run is, and however different its latencies are, up to a minute."""
        tally = counted(*(decision(Action.HOLD, us=1.001**n) for n in range(18_000)))
        assert len(tally._latencies) <= 256 + 128 * 18


class TestSummary:
    @pytest.mark.parametrize(
        ("status", "events", "decided", "code"),
        [
            ("done", 5, 5, 0),
            ("done", 5, 1, 0),
            ("done", 5, 0, 1),
            ("done", 0, 0, 5),
            ("stopped", 5, 5, 1),
            ("stopped", 0, 0, 1),
            ("failed", 0, 0, 1),
            ("failed", 7, 7, 1),
        ],
    )
    def test_exit_codes(self, status: str, events: int, decided: int, code: int) -> None:
        """0 done, 1 stopped, failed or not one event could be decided, 5 no events."""
        assert code == summary(status=status, events=events, decided=decided).exit_code

    def test_it_can_be_written(self) -> None:
        """In builtin types, all of its fields and nothing else."""
        made = summary(run_id="r", findings={"toy.observer": {"precision": 0.5}})
        written = msgspec.json.decode(msgspec.json.encode(made.to_dict()))
        assert made == Summary(**written)
