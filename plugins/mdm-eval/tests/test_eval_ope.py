"""Off-policy evaluation of real runs: estimates worked out from the packets by hand, truths, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import exp
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import numpy as np
import pytest
from mdm_core import Action, Context, FinalDecision, MismatchInfo, Modulator, Pipeline, Proposal
from mdm_core.testing import Always, Flat

from mdm_eval.ope_logged import ACTIONS, HOLD, Logging

LOGISTIC = '[model]\nuse = "reference.logistic"\n'
EXPLORE = '[model]\nuse = "reference.explore"\nepsilon = 0.2\n\n[model.model]\nuse = "reference.logistic"\n'
GUARD = '[[modulators]]\nuse = "guards.policy"\ndeny_if = "x > 1.8"\nname = "extreme"\n'
EVENTS = 2000
THRESHOLD = 0.6
CERTAIN = ("--set", "model.epsilon=0.0", "--set", f"model.model.threshold={THRESHOLD}")
Policy: TypeAlias = Callable[[float], float]
RunOf: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def explored_once(tmp_path_factory: pytest.TempPathFactory, run_of: RunOf, ran_once: Any) -> Any:
    """A run that explores; nobody may change it."""
    return run_of(tmp_path_factory.mktemp("explored"), ran_once.events[:EVENTS], without=LOGISTIC, instead=EXPLORE)


@pytest.fixture
def explored(explored_once: Any) -> tuple[str, ...]:
    """Arguments that name it."""
    return "r", "--runs-dir", str(explored_once.runs_dir)


def certain(x: float) -> float:
    """How likely the model with the other threshold acts, with the guard."""
    return float(1 / (1 + exp(0.5 - 1.5 * x)) >= THRESHOLD and x <= 1.8)


def half(x: float) -> float:
    """How likely the model acts, with the guard, if half of all decisions are drawn."""
    return 0.0 if x > 1.8 else 0.25 + 0.5 * (1 / (1 + exp(0.5 - 1.5 * x)) >= 0.4)


def told(packets: list[Mapping[str, Any]], policy: Policy) -> Iterator[tuple[float, float]]:
    """The weight and the cost of each decision whose outcome is known, by the packet and the rule of a policy."""
    for packet in packets:
        bad = packet["external"].get("eval.outcome")
        if bad is None:
            continue
        acted = packet["final_action"]["action"] == "ACT" and packet["final_action"]["allowed"]
        likely = policy(packet["mdm"]["features"]["x"])
        weight = (likely if acted else 1 - likely) / packet["external"]["mdm.propensity_taken"]
        yield weight, (0.0 if bad else 1.0) if acted else (5.0 if bad else 0.0)


class TestEstimates:
    @pytest.mark.parametrize(
        ("options", "policy"),
        [(CERTAIN, certain), (("--set", "model.epsilon=0.5"), half)],
        ids=["certain", "by chance"],
    )
    def test_by_hand(
        self, explored: tuple[str, ...], explored_once: Any, mdm: Any, options: tuple[str, ...], policy: Policy
    ) -> None:
        """The estimates are those worked out from propensities in the packets and the rule of the new policy."""
        found = mdm("ope", *explored, *options, "--cost", "fp=1,fn=5", "--json").json
        weights, costs = np.array(list(told(explored_once.packets, policy))).T
        estimates = {name: estimate["value"]["value"] for name, estimate in found["estimates"].items()}
        assert (weights * costs).mean() == pytest.approx(estimates["ips"], rel=1e-12)
        assert (weights * costs).sum() / weights.sum() == pytest.approx(estimates["snips"], rel=1e-12)
        assert weights.sum() ** 2 / (weights**2).sum() == pytest.approx(found["overlap"]["effective"], rel=1e-12)
        assert weights.max() == pytest.approx(found["overlap"]["largest"], rel=1e-12)
        assert costs.mean() == pytest.approx(found["recorded"]["value"], rel=1e-12)
        assert (len(weights), 40, EVENTS) == (found["overlap"]["decisions"], found["unknown"], found["randomised"])

    def test_what_it_would_have_been(self, explored: tuple[str, ...], mdm: Any) -> None:
        """Where outcomes do not depend on what is done, the intervals hold what a what-if says it would have been."""
        options = (*explored, *CERTAIN, "--cost", "fp=1,fn=5", "--json")
        found, truth = mdm("ope", *options).json, mdm("whatif", *options).json["effects"]["per_decision"]
        assert truth["before"] == pytest.approx(found["recorded"]["value"], rel=1e-12)
        for name in ("ips", "snips", "doubly_robust"):
            estimate = found["estimates"][name]
            assert estimate["value"]["low"] < truth["after"] < estimate["value"]["high"]
            assert estimate["change"]["low"] < truth["change"]["value"] < estimate["change"]["high"]
        assert truth["after"] == pytest.approx(found["estimates"]["direct"]["value"]["value"], rel=0.1)
        assert found["estimates"]["direct"]["value"]["low"] is None

    def test_the_same_policy(self, explored: tuple[str, ...], mdm: Any) -> None:
        """The run's own configuration costs what the run did, and every weight is 1."""
        found = mdm("ope", *explored, "--json").json
        assert (1.0, 1960) == (found["overlap"]["largest"], found["overlap"]["effective"])
        for name in ("ips", "snips"):
            assert found["recorded"]["value"] == pytest.approx(found["estimates"][name]["value"]["value"], rel=1e-12)
            assert 0.0 == pytest.approx(found["estimates"][name]["change"]["value"], abs=1e-12)

    def test_outcome_that_is_itself_the_value(self, tmp_path: Path, mdm: Any, run_of: RunOf, ran_once: Any) -> None:
        """With --value the outcome is what was earned: here only acting earns, so acting always earns most."""
        events = [{**event, "bad": round(event["x"] + 3.0, 3)} for event in ran_once.events[:600]]
        ran = run_of(tmp_path / "run", events, without=LOGISTIC, instead=EXPLORE.replace("0.2", "1.0"))
        found = mdm("ope", "r", "--runs-dir", ran.runs_dir, "--set", "model.epsilon=0.0", "--value", "--json").json
        outcomes = np.array([event["bad"] for event in events])
        assert "value" == found["unit"]
        assert outcomes.mean() == pytest.approx(found["recorded"]["value"], rel=1e-12)
        dr = found["estimates"]["doubly_robust"]["value"]
        assert dr["low"] < outcomes.mean() < dr["high"]


class TestRefusals:
    def test_never_tried(self, explored: tuple[str, ...], explored_once: Any, mdm: Any, tmp_path: Path) -> None:
        """Without the guard ACT would be taken where the run never could: counted, and nothing is estimated."""
        other = tmp_path / "other.toml"
        pipeline = (explored_once.runs_dir.parent / "pipeline.toml").read_text()
        assert GUARD in pipeline
        other.write_text(pipeline.replace(GUARD, ""))
        said = mdm("ope", *explored, "--config", other, "--json")
        forbidden = sum(event["x"] > 1.8 for event in explored_once.events)
        assert 1 == said.code
        assert {} == said.json["estimates"]
        assert forbidden == said.json["overlap"]["actions"]["ACT"]["untried"] == said.json["overlap"]["untried"]
        text = mdm("ope", *explored, "--config", other).out
        assert f"in {forbidden:,} decisions the new policy may take ACT" in text
        assert "doubly robust" not in text

    def test_too_few(self, tmp_path: Path, mdm: Any, run_of: RunOf, ran_once: Any) -> None:
        """A run that explored too little to tell of a policy far from its own is refused, with the effective size."""
        ran = run_of(tmp_path / "run", ran_once.events[:600], without=LOGISTIC, instead=EXPLORE.replace("0.2", "0.02"))
        said = mdm("ope", "r", "--runs-dir", ran.runs_dir, "--set", "model.model.threshold=1.0")
        assert 1 == said.code
        assert "and 100 are needed: explore more" in said.out

    def test_nothing_left_to_chance(self, ran_once: Any, mdm: Any) -> None:
        """A run that explored nothing says nothing of other actions; the message tells what to do."""
        said = mdm("ope", "r", "--runs-dir", ran_once.runs_dir, "--set", "model.threshold=0.5")
        assert 2 == said.code
        assert "left nothing to chance" in said.err
        assert "reference.explore" in said.err

    def test_every_event_is_refused(self, explored: tuple[str, ...], mdm: Any) -> None:
        """A configuration that can decide about no event is told so, with their number."""
        said = mdm("ope", *explored, "--set", "pipeline.key='nowhere'")
        assert (2, True) == (said.code, "refuses 2,000 events for lack of a key" in said.err)

    def test_no_outcomes(self, tmp_path: Path, mdm: Any, run_of: RunOf, ran_once: Any) -> None:
        """Without outcomes nothing can be told; the message names the command that adds them."""
        events = [{name: value for name, value in event.items() if name != "bad"} for event in ran_once.events[:50]]
        ran = run_of(tmp_path / "run", events, without=LOGISTIC, instead=EXPLORE)
        said = mdm("ope", "r", "--runs-dir", ran.runs_dir)
        assert (2, True) == (said.code, "`mdm outcomes join`" in said.err)

    def test_propensities_that_were_redacted(self, tmp_path: Path, mdm: Any, run_of: RunOf, ran_once: Any) -> None:
        """Propensities that a redactor has hidden are not made up."""
        hide = 'redaction.extra=["propensities"]'
        ran = run_of(tmp_path / "run", ran_once.events[:50], hide, without=LOGISTIC, instead=EXPLORE)
        said = mdm("ope", "r", "--runs-dir", ran.runs_dir)
        assert (2, True) == (said.code, "step 0 does not say how likely" in said.err)

    @pytest.mark.parametrize("option", [("--cost", "fp=1"), ("--positive", "x")])
    def test_value_and_cost(self, explored: tuple[str, ...], mdm: Any, option: tuple[str, ...]) -> None:
        """An outcome that is itself the value leaves nothing to be said of costs."""
        said = mdm("ope", *explored, "--value", *option)
        assert (2, True) == (said.code, "leave out --cost and --positive" in said.err)

    def test_value_that_is_no_number(self, tmp_path: Path, mdm: Any, run_of: RunOf, ran_once: Any) -> None:
        """A text is not what was earned."""
        events = [{**event, "bad": "lots"} for event in ran_once.events[:50]]
        ran = run_of(tmp_path / "run", events, without=LOGISTIC, instead=EXPLORE)
        said = mdm("ope", "r", "--runs-dir", ran.runs_dir, "--value")
        assert (2, True) == (said.code, "the outcome 'lots' is no number" in said.err)


@attrs.define
class Stops(Modulator):
    """Denies everything, and says STOP."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return FinalDecision(Action.STOP, False, ["enough"], MismatchInfo(["stopped"], ["stopped:enough"]))


class TestLogging:
    def test_denial_that_says_stop_is_hold(self, ran_once: Any) -> None:
        """Nothing was done, whatever a guard says in its denial; and without chance it was certain."""
        with Pipeline(features=Flat(), model=Always(), modulators=[Stops()]) as pipeline:
            decision = pipeline.decide({"x": 1.0})
        packet = decision.packet().to_dict()
        assert ("STOP", False) == (packet["final_action"]["action"], packet["final_action"]["allowed"])
        logging = Logging(ran_once.past)
        logging.visit(packet, [decision])
        log = logging.logged()
        certain_hold = [float(action == ACTIONS[HOLD]) for action in ACTIONS]
        assert ([HOLD], [certain_hold], [certain_hold]) == (
            log.taken.tolist(),
            log.logged.tolist(),
            log.wanted.tolist(),
        )


class TestText:
    def test_tells_all(self, explored: tuple[str, ...], mdm: Any) -> None:
        """People are told of the change, of overlap by action, and of each method with its interval."""
        said = mdm("ope", *explored, *CERTAIN)
        assert 0 == said.code
        for line in (
            "off-policy evaluation, r: 1,960 decisions with an outcome",
            "changed              model.epsilon was 0.2 and is 0.0",
            "left to chance       2,000 decisions of the run",
            "outcome not known    40 decisions, which are left out",
            "cost per decision",
        ):
            assert line in said.out
        for method in ("inverse propensities", "self-normalised", "direct method", "doubly robust"):
            assert method in said.out
