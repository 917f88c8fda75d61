"""Exploration in real pipelines: what is drawn, how often, and what is recorded of it."""

from __future__ import annotations

from collections import Counter
from math import exp, fsum, sqrt
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import (
    Action,
    Context,
    Decision,
    Executed,
    Features,
    FinalDecision,
    MismatchInfo,
    Modulator,
    OptionError,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
)

from mdm_reference import CalibratedModel, ExitPolicy, ExploreModel, RollingFeatures

CASES = 4000
THREE = ["HOLD", "ACT", "EXIT"]


@attrs.define
class Says(ProposalModel):
    """Proposes the same always."""

    action: str = "ACT"
    confidence: float = 0.8

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(Action(self.action), self.confidence, ["says"], {"size": 2}, None, {"x": 1.0})


@attrs.define
class Denies(Modulator):
    """Denies one action."""

    action: str

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if decision.action is not Action(self.action):
            return decision
        return FinalDecision(Action.HOLD, False, ["denied"], MismatchInfo(["no"], ["no:never"]))


def pipeline(model: ProposalModel, *modulators: Modulator, seed: int = 0) -> Pipeline:
    """A pipeline whose events are numbered."""
    return Pipeline(features=RollingFeatures(), model=model, modulators=modulators, id="n", seed=seed)


def decide(model: ProposalModel, *modulators: Modulator, cases: int = CASES, seed: int = 0) -> list[Decision]:
    """Decide so many events."""
    with pipeline(model, *modulators, seed=seed) as opened:
        return [opened.decide({"n": str(n)}) for n in range(cases)]


def actions_of(decisions: list[Decision]) -> Counter[str]:
    """Count what was proposed."""
    return Counter(decision.proposal.action.value for decision in decisions)


def might(model: ProposalModel) -> dict[str, float]:
    """The probability of each action."""
    context = Context({}, None, "e", 0, 0)
    return {proposal.action.value: probability for probability, proposal in model.alternatives({}, context)}


class TestDraws:
    @pytest.mark.parametrize("options", [{"epsilon": 0.3}, {"temperature": 0.5}])
    def test_as_often_as_it_says(self, options: dict[str, Any]) -> None:
        """Each action is proposed as often as its probability says, within what chance allows."""
        model = ExploreModel(model=Says(), actions=THREE, **options)
        drawn = actions_of(decide(model))
        for action, probability in might(model).items():
            spread = sqrt(CASES * probability * (1 - probability))
            assert pytest.approx(CASES * probability, abs=3.5 * spread) == drawn[action]

    def test_epsilon_is_shared_evenly(self) -> None:
        """With epsilon each action has its part, and the proposal what is left besides."""
        found = might(ExploreModel(model=Says(), epsilon=0.3, actions=THREE))
        assert pytest.approx({"HOLD": 0.1, "ACT": 0.8, "EXIT": 0.1}, abs=1e-15) == found

    def test_softmax_of_confidence(self) -> None:
        """With a temperature the odds are those of the scores, worked out by hand: 0.8 against 0.2, by 0.5."""
        found = might(ExploreModel(model=Says(), temperature=0.5))
        assert exp(1.6) / (exp(1.6) + exp(0.4)) == pytest.approx(found["ACT"], abs=1e-15)
        assert 0.23147521650098238 == pytest.approx(found["HOLD"], abs=1e-15)

    def test_no_epsilon_explores_nothing(self) -> None:
        """With epsilon 0 it is the wrapped model."""
        assert {"ACT": CASES} == actions_of(decide(ExploreModel(model=Says(), epsilon=0.0)))

    @given(st.floats(0, 1), st.floats(1e-3, 1e6), st.sampled_from(["HOLD", "ACT", "EXIT"]))
    def test_probabilities_sum_to_one(self, confidence: float, temperature: float, action: str) -> None:
        """Whatever the confidence and the temperature, the probabilities sum to 1 and none is below 0."""
        found = might(ExploreModel(model=Says(action, confidence), temperature=temperature, actions=THREE))
        assert 1.0 == pytest.approx(fsum(found.values()), abs=1e-12)
        assert min(found.values()) > 0.0

    def test_same_event_same_draw(self) -> None:
        """The draw depends on seed and event, not on what was drawn before."""
        model = ExploreModel(model=Says(), epsilon=0.5)
        forward = [decision.proposal for decision in decide(model, cases=50)]
        with pipeline(model) as opened:
            backward = [opened.decide({"n": str(n)}).proposal for n in reversed(range(50))]
        assert forward == backward[::-1]
        assert forward != [decision.proposal for decision in decide(model, cases=50, seed=1)]


class TestProposals:
    def test_proposal_that_stands(self) -> None:
        """What the wrapped model proposed keeps its confidence and reasons, and has its propensity besides."""
        model = ExploreModel(model=Says(), epsilon=0.2)
        stood = next(d.proposal for d in decide(model, cases=50) if d.proposal.action is Action.ACT)
        assert Proposal(Action.ACT, 0.8, ["says"], {"size": 2, "propensity": 0.9}, None, {"x": 1.0}) == stood

    def test_proposal_that_is_drawn(self) -> None:
        """What is drawn instead has its score as confidence, and says that it explores."""
        model = ExploreModel(model=Says(), epsilon=0.2)
        drawn = next(d.proposal for d in decide(model, cases=50) if d.proposal.action is Action.HOLD)
        assert ["explored", "says"] == drawn.reasons
        assert {"size": 2, "propensity": 0.1} == drawn.params
        assert 0.2 == pytest.approx(drawn.confidence, abs=1e-15)

    def test_other_action_passes(self) -> None:
        """An action that is not to be explored is proposed as it is."""
        assert {"STOP": 100} == actions_of(decide(ExploreModel(model=Says("STOP"), epsilon=1.0), cases=100))

    def test_model_that_draws_is_passed_on(self) -> None:
        """Around a model that draws itself, the probabilities are those of both draws together."""
        inner = ExploreModel(model=Says(), epsilon=0.2)
        model = ExploreModel(model=inner, epsilon=0.5)
        shares: Counter[str] = Counter()
        for probability, proposal in model.alternatives({}, Context({}, None, "e", 0, 0)):
            shares[proposal.action.value] += probability  # type: ignore[assignment]
            assert probability == (proposal.params or {})["propensity"]
        assert pytest.approx({"ACT": 0.9 * 0.75 + 0.1 * 0.25, "HOLD": 0.1 * 0.75 + 0.9 * 0.25}, abs=1e-12) == dict(
            shares
        )


class TestRecorded:
    def test_what_was_proposed_and_taken(self) -> None:
        """The packet tells how likely the proposal and the action taken were."""
        for decision in decide(ExploreModel(model=Says(), epsilon=0.2), cases=50):
            likely = 0.9 if decision.proposal.action is Action.ACT else 0.1
            assert likely == decision.context["mdm.propensity_proposed"]
            assert likely == decision.context["mdm.propensity_taken"]
            assert pytest.approx({"HOLD": 0.1, "ACT": 0.9}) == decision.context["mdm.propensities"]

    def test_what_guards_deny_is_taken_as_hold(self) -> None:
        """Where a guard denies ACT, HOLD is certain, whatever is proposed."""
        decisions = decide(ExploreModel(model=Says(), epsilon=0.2), Denies("ACT"), cases=50)
        assert {"ACT", "HOLD"} == set(actions_of(decisions))
        for decision in decisions:
            assert pytest.approx({"HOLD": 1.0}) == decision.context["mdm.propensities"]
            assert 1.0 == pytest.approx(decision.context["mdm.propensity_taken"])

    def test_guards_are_asked_about_each(self) -> None:
        """Of three actions, one of which is denied, its share is added to that of HOLD."""
        model = ExploreModel(model=Says(), epsilon=0.3, actions=THREE)
        for decision in decide(model, Denies("EXIT"), cases=50):
            assert pytest.approx({"HOLD": 0.2, "ACT": 0.8}) == decision.context["mdm.propensities"]


@attrs.define
class Unsure(ProposalModel):
    """Proposes one of two, by chance, with a probability of its own each."""

    def propose(self, features: Features, context: Context) -> Proposal:
        drawn = context.random.random()
        return next(
            proposal for share, proposal in self.alternatives(features, context) if share > drawn or share > 0.5
        )

    def alternatives(self, features: Features, context: Context) -> list[tuple[float, Proposal]]:
        pairs = [(0.25, Action.HOLD, 0.2), (0.75, Action.ACT, 0.9)]
        return [(share, Proposal(action, 0.5, ["unsure"], {"probability": p})) for share, action, p in pairs]


def seen(decisions: list[Decision]) -> list[tuple[str, float, dict[str, float]]]:
    """What was proposed, how likely that was, and how likely each action is after the guards; each kind once."""
    found: list[tuple[str, float, dict[str, float]]] = []
    for decision in decisions:
        told = (decision.proposal.action.value, *(decision.context.get(f"mdm.{name}") for name in TOLD))
        if told not in found:
            found.append(told)  # type: ignore[arg-type]
    return sorted(found, key=str)


TOLD = ("propensity_proposed", "propensities")


class TestWrapped:
    """Models that wrap one that draws pass its alternatives on, changed as they change its proposals."""

    def test_calibrated(self, tmp_path: Path) -> None:
        """Each alternative is calibrated by itself: 0.2 stays below the threshold, 0.9 is halved and acts."""
        halved = '{"map": {"kind": "steps", "x": [0.0, 1.0], "y": [0.0, 0.5]}, "threshold": 0.4}'
        (tmp_path / "c.json").write_text(halved)
        model = CalibratedModel(model=Unsure(), file=tmp_path / "c.json")
        both = {"HOLD": 0.25, "ACT": 0.75}
        assert [("ACT", 0.75, both), ("HOLD", 0.25, both)] == seen(decide(model, cases=50))
        confidences = {p.action.value: p.confidence for _, p in model.alternatives({}, Context({}, None, "e", 0, 0))}
        assert {"HOLD": 0.9, "ACT": 0.45} == pytest.approx(confidences)

    def test_calibration_may_make_one_of_two(self, tmp_path: Path) -> None:
        """Where both alternatives come to the same action, that action is certain."""
        (tmp_path / "c.json").write_text('{"map": {"kind": "steps", "x": [0.5], "y": [0.7]}, "threshold": 0.4}')
        model = CalibratedModel(model=Unsure(), file=tmp_path / "c.json")
        assert {"ACT"} == set(actions_of(decisions := decide(model, cases=50)))
        assert [{"ACT": 1.0}] == [told for _, _, told in seen(decisions)[:1]]

    def test_exit_policy_without_a_position(self) -> None:
        """What may be drawn is recorded; an EXIT of what was not entered counts as HOLD."""
        model = ExitPolicy(model=ExploreModel(model=Says(), epsilon=0.3, actions=THREE), value="x", stop_loss=0.1)
        with self._pipeline(model) as opened:
            decisions = [opened.decide({"n": str(n), "k": n, "x": 10.0}) for n in range(50)]
        for decision in decisions:
            assert pytest.approx({"HOLD": 0.2, "ACT": 0.8}) == decision.context["mdm.propensities"]

    def test_exit_policy_with_a_position(self) -> None:
        """While one is open nothing is entered, whatever is drawn; the model's EXIT is as likely as it is drawn."""
        model = ExitPolicy(model=ExploreModel(model=Says(), epsilon=0.3, actions=THREE), value="x", stop_loss=0.1)
        with self._pipeline(model) as opened:
            self._enter(opened)
            decision = opened.decide({"n": "b", "k": 1, "x": 10.0})
        assert pytest.approx({"HOLD": 0.9, "EXIT": 0.1}) == decision.context["mdm.propensities"]

    def test_exit_that_is_due_is_certain(self) -> None:
        """An EXIT by a rule leaves nothing to chance, so there is nothing to record."""
        model = ExitPolicy(model=ExploreModel(model=Says(), epsilon=0.3), value="x", stop_loss=0.1)
        with self._pipeline(model) as opened:
            self._enter(opened)
            decision = opened.decide({"n": "b", "k": 1, "x": 5.0})
        assert (Action.EXIT, False) == (decision.final.action, "mdm.propensities" in decision.context)

    def test_exit_policy_under_way(self) -> None:
        """While the entry is under way HOLD is certain, and says so of each alternative."""
        model = ExitPolicy(model=ExploreModel(model=Says(), epsilon=0.3), value="x", stop_loss=0.1)
        with self._pipeline(model) as opened:
            entered = next(d for n in range(50) if (d := self._decide(opened, n)).final.action is Action.ACT)
            after = opened.decide({"n": "b", "k": 1, "x": 10.0})
        assert entered.context["mdm.propensity_taken"] == pytest.approx(0.85)
        assert ("entry_pending", {"HOLD": 1.0}) == (after.final.reasons[0], after.context["mdm.propensities"])

    @pytest.mark.parametrize("within", [False, True])
    def test_not_around_an_exit_policy(self, tmp_path: Path, within: bool) -> None:
        """Around one, however deep, it is refused: it would enter a second time."""
        inner: ProposalModel = ExitPolicy(model=Says(), value="x", stop_loss=0.1)
        if within:
            inner = CalibratedModel(model=inner, file=tmp_path / "c.json")
        with pytest.raises(OptionError, match=r"put reference\.explore inside it"):
            ExploreModel(model=inner, epsilon=0.1)

    def _pipeline(self, model: ProposalModel) -> Pipeline:
        return Pipeline(features=RollingFeatures(stats=[]), model=model, id="n", key="k")

    def _decide(self, opened: Pipeline, n: int) -> Decision:
        return opened.decide({"n": str(n), "k": 1, "x": 10.0})

    def _enter(self, opened: Pipeline) -> None:
        """Decide until an ACT is drawn, and carry it out."""
        decision = next(d for n in range(50) if (d := self._decide(opened, n)).final.action is Action.ACT)
        order = Order(Action.ACT, {}, 1, dict(decision.features), "1")
        assert [] == opened.observe(Executed(1, Receipt("done"), order, 1, 1.0, None))


class TestOptions:
    @pytest.mark.parametrize("options", [{}, {"epsilon": 0.1, "temperature": 1.0}])
    def test_one_way_of_drawing(self, options: dict[str, Any]) -> None:
        """Without epsilon and temperature, and with both, it is refused."""
        with pytest.raises(OptionError, match="set epsilon, or temperature for softmax, and not both"):
            ExploreModel(model=Says(), **options)

    @pytest.mark.parametrize("actions", [[], ["ACT"], ["ACT", "ACT"]])
    def test_something_to_draw(self, actions: list[str]) -> None:
        """Fewer than two different actions are refused."""
        with pytest.raises(OptionError, match="name two different ones"):
            ExploreModel(model=Says(), epsilon=0.1, actions=actions)

    @pytest.mark.parametrize(
        "options", [{"epsilon": 1.1}, {"temperature": 0.0}, {"epsilon": 0.1, "actions": ["BUY", "ACT"]}]
    )
    def test_out_of_range(self, options: dict[str, Any]) -> None:
        """What is out of range is refused."""
        with pytest.raises(OptionError):
            ExploreModel(model=Says(), **options)

    def test_is_built_from_a_pipeline_file(self, tmp_path: Path) -> None:
        """The README's form works, with the wrapped model in a table of its own."""
        (tmp_path / "pipeline.toml").write_text(
            '[pipeline]\nid = "n"\n[features]\nuse = "reference.rolling"\n'
            '[model]\nuse = "reference.explore"\nepsilon = 1.0\nactions = ["HOLD", "ACT"]\n'
            '[model.model]\nuse = "reference.logistic"\nweights = { x = 3.0 }\n'
        )
        with Pipeline.from_config(tmp_path / "pipeline.toml") as built:
            drawn = {built.decide({"n": str(n), "x": 1.0}).final.action for n in range(30)}
        assert {Action.HOLD, Action.ACT} == drawn
