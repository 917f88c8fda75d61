"""What a model that randomises might have proposed: the guards are asked about it, and the packet says how likely."""

# ruff: noqa: ARG001, ARG005 - functions stand in for methods of the contract and have their parameters

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import fsum, inf, nan
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm_core import (
    Action,
    Context,
    Decided,
    Decision,
    Event,
    Fact,
    FeatureExtractor,
    Features,
    FinalDecision,
    KeyedState,
    MismatchInfo,
    Modulator,
    Pipeline,
    Proposal,
    ProposalModel,
    component,
    keyed_state,
)
from mdm_core.journal import TimedOut
from mdm_core.replay import RecordedInputs, Replay

KEYS = ("mdm.propensity_proposed", "mdm.propensity_taken", "mdm.propensities")
ACT, HOLD, EXIT, STOP = Action.ACT, Action.HOLD, Action.EXIT, Action.STOP

Look = Callable[[Proposal, FinalDecision, Context], FinalDecision]


@attrs.define
class Plain(FeatureExtractor):
    """Gives the event's numbers."""

    def extract(self, event: Event, context: Context) -> Features:
        return dict(event)


@attrs.define
class Explores(ProposalModel):
    """Draws one of several proposals."""

    choices: Sequence[tuple[float, Proposal]]
    says: Callable[[Any], Any] = lambda choices: choices

    def propose(self, features: Features, context: Context) -> Proposal:
        weights = [probability for probability, _ in self.choices]
        return context.random.choices([proposal for _, proposal in self.choices], weights)[0]

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        found: Sequence[tuple[float, Proposal]] = self.says(self.choices)
        return found


@attrs.define
class Fixed(ProposalModel):
    """Always proposes the same, and says nothing of alternatives."""

    proposal: Proposal

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.proposal


@attrs.define
class Wraps(ProposalModel):
    """Proposes what the model inside does, with half the confidence."""

    model: ProposalModel = component()

    def propose(self, features: Features, context: Context) -> Proposal:
        return self._halved(self.model.propose(features, context))

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        return [(p, self._halved(proposal)) for p, proposal in self.model.alternatives(features, context)]

    def _halved(self, proposal: Proposal) -> Proposal:
        return Proposal(proposal.action, proposal.confidence / 2, proposal.reasons, proposal.params)


@attrs.define
class Count:
    n: int = 0


@attrs.define
class Once(Modulator):
    """Looks as it is told to; pays, in `observe`, for what was allowed."""

    answer: Look
    looks: list[Action] = attrs.field(factory=list)
    states: KeyedState[Count] = keyed_state(Count)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        self.looks.append(proposal.action)
        return self.answer(proposal, decision, context)

    def observe(self, fact: Fact) -> None:
        if isinstance(fact, Decided) and fact.final.allowed and fact.final.action is not HOLD:
            self.states[None].n += 1


def proposal(action: Action, confidence: float = 0.5, **params: Any) -> Proposal:
    """A proposal whose reason is its action."""
    return Proposal(action, confidence, [action.value], params)


def denied(flag: str, action: Action = HOLD) -> FinalDecision:
    """A denial."""
    return FinalDecision(action, False, [flag], MismatchInfo([flag], [flag]))


def passes(proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
    """Let everything pass."""
    return decision


def denies(*actions: Action) -> Look:
    """Deny these actions."""
    return lambda proposal, decision, context: denied("no") if proposal.action in actions else decision


def pipeline(model: ProposalModel, *looks: Look, **options: Any) -> Pipeline:
    """A pipeline of a model and guards."""
    return Pipeline(features=Plain(), model=model, modulators=[Once(look) for look in looks], **options)


def told(decision: Decision) -> tuple[Any, ...]:
    """What the packet says of propensities."""
    external = decision.packet().external
    return tuple(external.get(key) for key in KEYS)


def decide_until(made: Pipeline, action: Action) -> Decision:
    """Decide until the model draws an action."""
    while True:
        decision = made.decide({})
        if decision.proposal.action is action:
            return decision


CHOICES = [(0.5, proposal(ACT)), (0.25, proposal(EXIT)), (0.25, proposal(HOLD))]


class TestPropensities:
    @pytest.mark.parametrize(("drawn", "probability"), [(ACT, 0.5), (EXIT, 0.25), (HOLD, 0.25)])
    def test_without_guards(self, drawn: Action, probability: float) -> None:
        """Without guards what is taken is as likely as what is proposed."""
        decision = decide_until(pipeline(Explores(CHOICES)), drawn)

        assert (probability, probability, {"ACT": 0.5, "EXIT": 0.25, "HOLD": 0.25}) == told(decision)

    @pytest.mark.parametrize(("drawn", "expected"), [(ACT, (0.5, 0.75)), (HOLD, (0.25, 0.75)), (EXIT, (0.25, 0.25))])
    def test_denial(self, drawn: Action, expected: tuple[float, float]) -> None:
        """An action that the guards deny adds its probability to that of HOLD, whichever of the two was proposed."""
        decision = decide_until(pipeline(Explores(CHOICES), denies(ACT)), drawn)

        assert (*expected, {"HOLD": 0.75, "EXIT": 0.25}) == told(decision)

    def test_a_denial_that_says_stop(self) -> None:
        """A denial that says STOP is not carried out, so HOLD is what was taken."""
        made = pipeline(Explores(CHOICES), lambda p, d, c: denied("no", STOP) if p.action is EXIT else d)

        assert (0.25, 0.5, {"ACT": 0.5, "HOLD": 0.5}) == told(decide_until(made, EXIT))

    def test_a_changed_action(self) -> None:
        """An action that a guard puts in the place of another has the probabilities of both."""
        made = pipeline(Explores(CHOICES), lambda p, d, c: FinalDecision(ACT, True, ["instead"], None))

        assert (0.25, 0.75, {"ACT": 0.75, "HOLD": 0.25}) == told(decide_until(made, EXIT))

    def test_guards_in_a_row(self) -> None:
        """The second guard is asked about what the first has made of each alternative."""
        made = pipeline(
            Explores(CHOICES),
            lambda p, d, c: FinalDecision(STOP, True, ["more"], None) if d.action is EXIT else d,
            lambda p, d, c: denied("no") if d.action is STOP else d,
        )

        assert (0.5, 0.5, {"ACT": 0.5, "HOLD": 0.5}) == told(decide_until(made, ACT))

    def test_same_action_and_parameters(self) -> None:
        """Alternatives with the action and the parameters of the proposal count as the proposal, whatever else."""
        choices = [(0.25, proposal(ACT, 0.9, n=1)), (0.25, proposal(ACT, 0.1, n=1)), (0.5, proposal(ACT, 0.9, n=2))]
        first = next(d for d in map(pipeline(Explores(choices)).decide, [{}] * 1000) if d.proposal.params == {"n": 1})

        assert (0.5, 1.0, {"ACT": 1.0}) == told(first)

    @pytest.mark.parametrize("says", [{"ops_deny_actions": True}, {"ops_state": "RED"}])
    def test_operations(self, says: dict[str, Any]) -> None:
        """While operations deny, HOLD is certain, whatever was proposed."""
        assert (1.0, {"HOLD": 1.0}) == told(pipeline(Explores(CHOICES)).decide({}, says))[1:]

    def test_wrapped(self) -> None:
        """A model that wraps one that randomises passes its alternatives on."""
        made = pipeline(Wraps(model=Explores(CHOICES)), lambda p, d, c: d if p.confidence == 0.25 else denied("no"))

        assert (0.5, 0.5, {"ACT": 0.5, "EXIT": 0.25, "HOLD": 0.25}) == told(decide_until(made, ACT))

    def test_frequencies(self) -> None:
        """Among many decisions each action is taken as often as its propensity says, within four standard errors."""
        made, number = pipeline(Explores(CHOICES), denies(EXIT)), 4000
        taken = Counter(made.decide({}).final.action for _ in range(number))

        for action, probability in ((ACT, 0.5), (HOLD, 0.5)):
            error = (probability * (1 - probability) / number) ** 0.5
            assert probability == pytest.approx(taken[action] / number, abs=4 * error)

    @given(st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(any), st.sets(st.sampled_from(list(Action))))
    def test_sums(self, weights: list[int], deny: set[Action]) -> None:
        """Whatever the probabilities and whatever is denied, the propensities of the actions sum to 1."""
        actions = [*Action] * 2
        choices = [(w / sum(weights), proposal(a, 0.5, n=n)) for n, (w, a) in enumerate(zip(weights, actions))]  # noqa: B905
        decision = pipeline(Explores(choices), denies(*deny)).decide({})
        proposed, taken, every = told(decision)

        assert fsum(every.values()) == pytest.approx(1.0, abs=1e-9)
        assert 0 < proposed <= 1
        assert taken == every[decision.final.action.value]


class TestNothingToTell:
    @pytest.mark.parametrize("model", [Fixed(proposal(ACT)), Wraps(model=Fixed(proposal(ACT)))])
    def test_certain(self, model: ProposalModel) -> None:
        """A model that does not randomise, wrapped or not, has no propensities."""
        assert (None, None, None) == told(pipeline(model).decide({}))

    def test_default(self) -> None:
        """By itself a model has no alternatives."""
        assert () == Fixed(proposal(ACT)).alternatives({}, Context({}, None, 0, 0, 0))


class TestLooking:
    def test_without_a_trace(self) -> None:
        """Guards look at every alternative once and pay for one decision alone."""
        made = pipeline(Explores(CHOICES), passes)
        decision = decide_until(made, ACT)
        guard = made.modulators[0]
        assert isinstance(guard, Once)

        assert {"ACT", "EXIT"} == {action.value for action in guard.looks[-2:]}
        assert guard.states[None].n == sum(guard.looks[:-2].count(a) for a in (ACT, EXIT)) // 2 + 1
        assert decision.final.allowed

    def test_context(self) -> None:
        """What a guard writes into the context while it looks at an alternative is in no packet, nor seen by others."""

        def writes(p: Proposal, d: FinalDecision, c: Context) -> FinalDecision:
            assert "guard.saw" not in c
            c["guard.saw"] = p.action.value
            return d

        decision = decide_until(pipeline(Explores(CHOICES), writes), ACT)

        assert decision.failure is None
        assert "ACT" == decision.context["guard.saw"]

    def test_chance(self) -> None:
        """A guard that draws, draws the same for every alternative, and the same as without alternatives."""
        drawn: list[float] = []

        def draws(p: Proposal, d: FinalDecision, c: Context) -> FinalDecision:
            drawn.append(c.random.random())
            return d

        pipeline(Explores([*CHOICES[:1], (0.5, proposal(EXIT))]), draws).decide({})
        pipeline(Fixed(proposal(ACT)), draws).decide({})

        assert [drawn[0]] * 3 == drawn

    def test_chance_of_the_model(self) -> None:
        """What a model draws while it tells its alternatives is what it drew while it proposed."""

        @attrs.define
        class Jitters(ProposalModel):
            """Proposes an action whose parameter is drawn."""

            def propose(self, features: Features, context: Context) -> Proposal:
                return proposal(ACT, 0.5, at=context.random.random())

            def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
                return [(1.0, self.propose(features, context))]

        assert (1.0, 1.0, {"ACT": 1.0}) == told(pipeline(Jitters()).decide({}))


class TestFailingClosed:
    @pytest.mark.parametrize(
        "says",
        [
            lambda choices: choices[:2],
            lambda choices: [(p * (1 + 1e-8), q) for p, q in choices],
            lambda choices: [(-0.5, choices[0][1]), (1.5, choices[0][1])],
            lambda choices: [(nan, choices[0][1])],
            lambda choices: [(inf, choices[0][1])],
            lambda choices: [(True, choices[0][1])],
            lambda choices: [("1", choices[0][1])],
            lambda choices: [(1.0, None)],
            lambda choices: [1.0],
            lambda choices: None,
            lambda choices: iter(choices),
            lambda choices: [(1.0, proposal(STOP))],
            lambda choices: [*choices, (0.0, Proposal(ACT, 0.5, ["x" * 70_000]))],
        ],
    )
    def test_out_of_contract(self, says: Callable[[Any], Any]) -> None:
        """Alternatives that are none, do not sum to 1 or lack what was proposed fail closed; no propensity is told."""
        decision = pipeline(Explores(CHOICES, says), passes).decide({})

        assert (HOLD, False) == (decision.final.action, decision.final.allowed)
        assert decision.final.reasons in (["model_error:ContractError"], ["modulator_error:ContractError"])
        assert (None, None, None) == told(decision)

    def test_a_model_that_raises(self) -> None:
        """A model that cannot tell its alternatives fails closed under its own name; its proposal is still told."""

        def raises(choices: Any) -> Any:
            raise ZeroDivisionError

        decision = pipeline(Explores([(1.0, proposal(ACT))], raises), passes).decide({})

        assert ["model_error:ZeroDivisionError"] == decision.final.reasons
        assert decision.failure is not None
        assert "Explores" == decision.failure.component
        assert ACT is decision.proposal.action

    def test_a_guard_that_raises(self) -> None:
        """A guard that fails at an alternative alone fails the decision closed, and no propensity is told."""

        def raises(p: Proposal, d: FinalDecision, c: Context) -> FinalDecision:
            if p.action is EXIT:
                raise KeyError
            return d

        decision = decide_until(pipeline(Explores(CHOICES), passes, raises), ACT)

        assert ["modulator_error:KeyError"] == decision.final.reasons
        assert decision.failure is not None
        assert "Once#2" == decision.failure.component
        assert (None, None, None) == told(decision)

    def test_a_guard_that_changes_its_mind(self) -> None:
        """A guard that does not answer the same twice fails the decision closed."""
        answers = iter([True, False, False])
        choices = [(0.5, proposal(ACT, 0.5)), (0.5, proposal(ACT, 0.25))]
        model = Explores(
            choices, lambda choices: [(p, Proposal(q.action, q.confidence, ["other"])) for p, q in choices]
        )
        decision = pipeline(model, lambda p, d, c: d if next(answers) else denied("no")).decide({})

        assert ["modulator_error:ContractError"] == decision.final.reasons

    def test_a_guard_that_cannot_learn(self) -> None:
        """A decision that fails closed after the guards have looked carries no propensity."""

        @attrs.define
        class Forgets(Once):
            """Cannot learn."""

            def observe(self, fact: Fact) -> None:
                raise OSError

        decision = Pipeline(features=Plain(), model=Explores(CHOICES), modulators=[Forgets(passes)]).decide({})

        assert ["observe_error:OSError"] == decision.final.reasons
        assert (None, None, None) == told(decision)


@attrs.define
class Hangs(Explores):
    """Hangs at one step while it tells its alternatives."""

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        while context.step == 1:
            pass
        return Explores.alternatives(self, features, context)


def hanging_guard(proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
    """Hang at one step, over one alternative."""
    while context.step == 2 and proposal.action is EXIT:
        pass
    return decision


@pytest.mark.usefixtures("own_time")
class TestTimeLimits:
    def test_replayed(self) -> None:
        """Looks that took too long fail closed, and fail again the same way, without waiting, when decided again."""

        def made() -> Pipeline:
            return pipeline(Hangs([(1.0, proposal(ACT)), (0.0, proposal(STOP))]), hanging_guard, timeout_ms=30)

        first = made()
        decisions = [first.decide({}) for _ in range(4)]
        assert first.limits is not None
        journal = [TimedOut(n, o.step, o.stage, o.component, o.code) for n, o in enumerate(first.limits.overruns)]
        replay = Replay(made(), RecordedInputs(journal), "local")
        again = [replay.decide({}) for _ in decisions]

        assert [["ACT"], ["decision_timeout"], ["ACT"], ["ACT"]] == [d.final.reasons for d in decisions]
        assert [(d.proposal, d.final, told(d)) for d in decisions] == [(d.proposal, d.final, told(d)) for d in again]

    def test_guards(self) -> None:
        """A guard that takes too long over what was not even proposed fails the decision closed."""
        made = pipeline(Explores([(1 - 1e-12, proposal(ACT)), (1e-12, proposal(EXIT))]), hanging_guard, timeout_ms=30)
        decisions = [made.decide({}) for _ in range(4)]

        assert [["ACT"], ["ACT"], ["decision_timeout"], ["ACT"]] == [d.final.reasons for d in decisions]
        assert made.limits is not None
        assert "alternatives" == made.limits.overruns[0].stage
