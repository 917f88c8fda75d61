"""``mdm evaluate`` on a real run whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import exp
from typing import Any

import numpy as np
import pytest
from mdm_core import UsageError
from sklearn import metrics  # type: ignore[import-untyped]

from mdm_eval.costs import Costs
from mdm_eval.evaluation import Evaluation, evaluate
from mdm_eval.frame import Reading, read_frame
from mdm_eval.labels import Labels, to_labels

COSTS = Costs(fp=1.0, fn=5.0)


def judge(ran: Any, reading: Reading | None = None, costs: Costs = COSTS, periods: int = 4) -> Evaluation:
    """Evaluate a run."""
    frame = read_frame(ran.packets, reading or Reading(by="site"))
    return evaluate("r", frame, Labels(to_labels(frame.outcome, None)), costs, periods)


@pytest.fixture(scope="module")
def found(ran_once: Any) -> Evaluation:
    """The evaluation of the run, by site."""
    return judge(ran_once)


@pytest.fixture(scope="module")
def known(ran_once: Any) -> dict[str, Any]:
    """What happened, worked out from the events and the model's formula alone."""
    events = [event for event in ran_once.events if "bad" in event]
    x = np.array([event["x"] for event in events])
    p = 1 / (1 + np.exp(-(1.5 * x - 0.5)))
    wanted = p >= 0.4
    return {
        "p": p,
        "label": np.array([event["bad"] for event in events]),
        "wanted": wanted,
        "acted": wanted & (x <= 1.8),
        "site": np.array([event["site"] for event in events]),
    }


class TestWhole:
    def test_counts_actions(self, found: Evaluation, ran_once: Any) -> None:
        """Proposals and final decisions are counted by action; denials are HOLD."""
        x = [event["x"] for event in ran_once.events]
        wants = [1 / (1 + exp(-(1.5 * v - 0.5))) >= 0.4 for v in x]
        acts = [want and v <= 1.8 for want, v in zip(wants, x, strict=True)]
        assert {"ACT": sum(wants), "HOLD": len(x) - sum(wants)} == found.proposed
        assert {"ACT": sum(acts), "HOLD": len(x) - sum(acts)} == found.final
        assert sum(acts) / len(x) == found.whole.acted.value

    def test_judges_what_was_done_and_what_was_wanted(self, found: Evaluation, known: dict[str, Any]) -> None:
        """Decisions count with guards, proposals without; both are scikit-learn's figures."""
        for quality, acts in ((found.whole.decided, known["acted"]), (found.wanted, known["wanted"])):
            assert quality is not None
            assert metrics.precision_score(known["label"], acts) == pytest.approx(quality.precision.value, abs=1e-12)
            assert metrics.recall_score(known["label"], acts) == pytest.approx(quality.recall.value, abs=1e-12)
            cost = (known["label"] & ~acts).mean() * 5 + (~known["label"] & acts).mean()
            assert cost == pytest.approx(quality.cost.value, abs=1e-12)

    def test_judges_probabilities(self, found: Evaluation, known: dict[str, Any]) -> None:
        """What the model said is held against what happened."""
        probabilities = found.whole.probabilities
        assert probabilities is not None
        auc = metrics.roc_auc_score(known["label"], known["p"])
        assert auc == pytest.approx(probabilities.roc_auc.value, abs=1e-12)
        assert metrics.log_loss(known["label"], known["p"]) == pytest.approx(probabilities.log_loss.value, abs=1e-12)
        assert (len(known["p"]), known["label"].sum()) == (probabilities.cases, probabilities.positives)
        assert len(known["p"]) == sum(b.cases for b in probabilities.curve)
        parts = probabilities.decomposition
        assert 1 - (probabilities.brier.value or 0.0) / parts.uncertainty == probabilities.brier_skill

    def test_a_model_that_is_too_sure_is_found_out(self, found: Evaluation) -> None:
        """The model's slope is 1.5 and should be 1: its error is far beyond chance."""
        probabilities = found.whole.probabilities
        assert probabilities is not None
        assert (probabilities.ece.low or 0.0) > probabilities.by_chance["ece"].p95

    def test_latency(self, found: Evaluation, ran_once: Any) -> None:
        """Latencies are those that the packets hold."""
        latencies = [packet["external"]["mdm.latency_us"] for packet in ran_once.packets]
        assert max(latencies) == found.latency_us["max"]
        assert np.percentile(latencies, 99) == found.latency_us["p99"]

    def test_says_what_is_left_out(self, found: Evaluation) -> None:
        """Decisions without an outcome are counted and warned of."""
        assert (3920, 0) == (found.with_outcome, found.joined)
        assert "80 of 4,000 decisions have no outcome" in found.warnings[0]

    def test_time_can_be_limited(self, ran_once: Any) -> None:
        """With a time given, only decisions after it count."""
        later = judge(ran_once, Reading(since_ms=ran_once.events[3000]["at"]))
        assert (1000, float(ran_once.events[3000]["at"])) == (later.whole.decisions, later.since_ms)

    def test_no_decision_in_this_time(self, ran_once: Any) -> None:
        """A time without decisions is told."""
        with pytest.raises(UsageError, match="run 'r' has no decisions in this time"):
            judge(ran_once, Reading(since_ms=1e15))

    def test_what_is_no_probability_is_refused(self, ran_once: Any) -> None:
        """A parameter that is no probability is named with the first value that shows it."""
        with pytest.raises(UsageError, match=r"mdm\.params\.score is -?[\d.]+ at step \d+, which is no probability"):
            judge(ran_once, Reading(probability="score"))


class TestGuards:
    def test_weighs_what_was_denied(self, found: Evaluation, known: dict[str, Any]) -> None:
        """Denials are divided by what happened; each missed one costs five, each averted one would have cost one."""
        denied = known["wanted"] & ~known["acted"]
        guard = found.guards.guards[0]
        missed, averted = (denied & known["label"]).sum(), (denied & ~known["label"]).sum()
        assert ("policy", missed, averted) == (guard.flag, guard.missed, guard.averted)
        assert guard.denied == guard.missed + guard.averted + guard.unknown
        assert (5.0 * missed, 1.0 * averted) == (guard.cost, guard.saved)
        assert averted - 5 * missed == guard.net.value
        values = np.where(known["label"][denied], -5.0, 1.0)
        half = 1.959963984540054 * values.std() * np.sqrt(len(values))
        assert guard.net.value - half == pytest.approx(guard.net.low)
        assert {"policy:extreme": guard.denied} == found.guards.reason_codes

    def test_failures_are_no_denials(self, run_of: Callable[..., Any], tmp_path: Any) -> None:
        """What failed closed is counted by itself, with its reason, and no guard gets the credit."""
        events = [{"id": str(n), "at": n, "site": "s", "x": 3.0 if n % 2 else 1.7e308, "bad": True} for n in range(10)]
        found = judge(run_of(tmp_path / "failing", events))
        assert 0.5 == found.guards.failed_closed.value
        assert ["policy"] == [guard.flag for guard in found.guards.guards]
        assert {5} == {guard.denied for guard in found.guards.guards}
        assert {"model_error:OverflowError": 5, "policy:extreme": 5} == found.guards.reason_codes


class TestStability:
    def test_drift_is_found(self, found: Evaluation) -> None:
        """The feature whose mean moves half way through is found, one that does not move is not."""
        assert found.stability is not None
        drifts = {drift.name: drift for drift in found.stability.drifts}
        assert {"confidence", "probability", "feature x", "feature colour"} == set(drifts)
        assert "stable" == drifts["feature colour"].verdict
        moved = drifts["feature x"]
        assert 3 == len(moved.psi)
        assert (moved.psi[0] or 0.0) < (moved.noise[0] or 0.0) < min(moved.psi[1] or 0.0, moved.psi[2] or 0.0)

    def test_periods_are_of_equal_length(self, found: Evaluation, ran_once: Any) -> None:
        """Four periods of a run whose events come every hour have a quarter of them each."""
        assert found.stability is not None
        periods = found.stability.periods
        assert [1000] * 4 == [period.decisions for period in periods]
        assert [a.until for a in periods[:-1]] == [b.since for b in periods[1:]]
        bad = [event["bad"] for event in ran_once.events[:1000] if "bad" in event]
        assert sum(bad) / len(bad) == periods[0].positives

    def test_a_short_run_has_none(self, run_of: Callable[..., Any], ran_once: Any, tmp_path: Any) -> None:
        """Fewer decisions than distributions can be told from are not compared."""
        assert judge(run_of(tmp_path / "short", ran_once.events[:99])).stability is None

    def test_a_short_first_period_is_not_compared_with(self, ran_once: Any) -> None:
        """Where the first period is short there is no drift to tell of."""
        found = judge(ran_once, periods=1000)
        assert found.stability is not None
        assert [] == found.stability.drifts


class TestSegments:
    def test_each_is_judged_by_itself(self, found: Evaluation, known: dict[str, Any]) -> None:
        """The figures of a segment are those of its decisions alone."""
        for segment in found.segments:
            rows = known["site"] == segment.name
            assert segment.decided is not None
            assert segment.probabilities is not None
            expected = metrics.recall_score(known["label"][rows], known["acted"][rows])
            assert expected == pytest.approx(segment.decided.recall.value, abs=1e-12)
            auc = metrics.roc_auc_score(known["label"][rows], known["p"][rows])
            assert auc == pytest.approx(segment.probabilities.roc_auc.value, abs=1e-12)
        assert 4000 == sum(segment.decisions for segment in found.segments)

    def test_a_small_one_is_warned_of(self, found: Evaluation) -> None:
        """A segment with fewer than twenty cases of a class is told, with the number."""
        assert ["tiny"] == [segment.name for segment in found.segments if segment.small]
        assert any(w.startswith("segment tiny: only ") and "do not conclude" in w for w in found.warnings)


class TestLabels:
    def test_other_outcomes_need_a_name(self, run_of: Callable[..., Any], tmp_path: Any, mdm: Any) -> None:
        """Outcomes that are no truths need --positive; it may be one that is there."""
        kinds = ["fraud", "fine", "unclear"]
        events = [{"id": str(n), "at": n, "site": "s", "x": n % 3 - 1.0, "bad": kinds[n % 3]} for n in range(30)]
        run_of(tmp_path / "kinds", events)
        runs = tmp_path / "kinds" / "runs"
        said = mdm("evaluate", "r", "--runs-dir", runs)
        assert (
            2,
            "outcomes are fraud, fine, unclear: give --positive with the one that counts as right to act on",
        ) == (
            said.code,
            said.err,
        )
        said = mdm("evaluate", "r", "--runs-dir", runs, "--positive", "theft")
        assert (2, "--positive theft: no outcome is that; outcomes are fraud, fine, unclear") == (said.code, said.err)
        found = mdm("evaluate", "r", "--runs-dir", runs, "--positive", "fraud", "--json").json
        decided = found["whole"]["decided"]
        assert (0, 10) == (decided["tp"], decided["fn"])


class TestCommand:
    def test_json_is_complete(self, ran_once: Any, mdm: Any, found: Evaluation) -> None:
        """The JSON document has everything that there is to know, with no NaN."""
        said = mdm(
            "evaluate",
            "r",
            "--runs-dir",
            ran_once.runs_dir,
            "--by",
            "site",
            "--cost",
            "fp=1,fn=5",
            "--periods",
            4,
            "--json",
        )
        assert 0 == said.code
        told = {**found.to_dict(), "arms": [], "challengers": []}
        assert json.loads(json.dumps(told, allow_nan=False)) == said.json

    def test_by_key(self, ran_once: Any, mdm: Any) -> None:
        """`--by key` divides by what the pipeline keeps its state by, whatever that is called in the events."""
        by_key = mdm("evaluate", "r", "--runs-dir", ran_once.runs_dir, "--by", "key", "--json")
        by_name = mdm("evaluate", "r", "--runs-dir", ran_once.runs_dir, "--by", "site", "--json")
        assert by_name.json["segments"] == by_key.json["segments"]

    def test_people_see_tables(self, ran_once: Any, mdm: Any) -> None:
        """The tables show every part; warnings go to standard error."""
        said = mdm("evaluate", "r", "--runs-dir", ran_once.runs_dir, "--by", "site", "--periods", 4)
        assert 0 == said.code
        for part in (
            "precision",
            "ROC AUC",
            "reliability (bar",
            "policy:extreme",
            "latency in µs",
            "feature x",
            "north",
        ):
            assert part in said.out
        assert "tiny (!)" in said.out
        assert "warning: 80 of 4,000 decisions have no outcome" in said.err
        assert max(map(len, said.out.splitlines())) <= 160

    def test_events_cannot_speak_to_the_terminal(self, run_of: Any, ran_once: Any, tmp_path: Any, mdm: Any) -> None:
        """What comes from events is shown without what a terminal obeys, and not longer than a line can be."""
        sites = ["\x1b[2Jgone", "s" * 500]
        events = [{**event, "site": sites[n % 2]} for n, event in enumerate(ran_once.events[:100])]
        ran = run_of(tmp_path / "hostile", events)
        said = mdm("evaluate", "r", "--runs-dir", ran.runs_dir, "--by", "site")
        assert "\x1b" not in said.out + said.err
        assert "\\x1b[2Jgone" in said.out
        assert max(map(len, said.out.splitlines())) < 200

    def test_without_outcomes(self, run_of: Callable[..., Any], ran_once: Any, tmp_path: Any, mdm: Any) -> None:
        """Without outcomes what can be told is told, and how to get outcomes."""
        events = [{key: value for key, value in event.items() if key != "bad"} for event in ran_once.events[:200]]
        run_of(tmp_path / "blind", events)
        said = mdm("evaluate", "r", "--runs-dir", tmp_path / "blind" / "runs", "--by", "site")
        assert 0 == said.code
        assert "warning: no outcome is known, so nothing is said about right or wrong" in said.err
        assert "precision  " not in said.out.split("site ")[0]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--by", "gone"], "--by gone: no decision has such a feature, field of the event or context"),
            (
                ["--since", "yesterday"],
                "--since yesterday: write such as 2013-07-01T00:00:00-04:00, with the time zone",
            ),
            (
                ["--until", "2026-01-01"],
                "--until 2026-01-01: write such as 2013-07-01T00:00:00-04:00, with the time zone",
            ),
            (["--cost", "fp=1,xx=2"], "cost 'xx=2': write costs of fp, fn, tp, tn, such as fp=1,fn=5"),
            (["--cost", "fp=a"], "cost 'fp=a': 'a' is no number; write such as fp=5"),
        ],
    )
    def test_mistakes_are_told(self, ran_once: Any, mdm: Any, options: list[str], message: str) -> None:
        """What is wrong with an option is told in one line, with the next step."""
        said = mdm("evaluate", "r", "--runs-dir", ran_once.runs_dir, *options)
        assert (2, message) == (said.code, said.err)
