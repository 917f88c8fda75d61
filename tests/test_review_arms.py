"""What hostile challengers and models that lie about their alternatives do not achieve."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import pytest

from mdm_core import (
    Action,
    ConfigError,
    Context,
    Decision,
    Event,
    Executed,
    Fact,
    FeatureExtractor,
    Features,
    FinalDecision,
    Modulator,
    Pipeline,
    Proposal,
    ProposalModel,
)
from mdm_core.redacting import Redaction
from mdm_core.shadow import Shadow
from mdm_core.state import veil_by

ACT, HOLD, STOP = Action.ACT, Action.HOLD, Action.STOP
AMPLE = 10**9


@attrs.define
class Numbers(FeatureExtractor):
    """Gives the event's numbers."""

    def extract(self, event: Event, context: Context) -> Features:
        return dict(event)


@attrs.define
class Wants(ProposalModel):
    """Wants what it is told to, with these parameters, and says this of alternatives."""

    action: Action = ACT
    params: dict[str, Any] = attrs.field(factory=dict)
    says: Any = ()

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(self.action, 0.5, ["told"], self.params)

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        found: Sequence[tuple[float, Proposal]] = self.says
        return found


@attrs.define
class Looks(Modulator):
    """Lets everything pass, and counts."""

    number: int = 0

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        self.number += 1
        return decision


def shadowed(*shadows: Shadow, **options: Any) -> Pipeline:
    """A pipeline that holds, with shadows."""
    return Pipeline(features=Numbers(), model=Wants(HOLD), shadows=shadows, **options)


def said(decision: Decision) -> dict[str, Any]:
    """What the packet says of the shadow."""
    prefix = "mdm.shadow.new."
    return {k.removeprefix(prefix): v for k, v in decision.packet().external.items() if k.startswith(prefix)}


class TestGivenUp:
    @pytest.mark.usefixtures("own_time")
    def test_learns_no_more(self) -> None:
        """A shadow that took too long to learn is not asked to learn again, also not of the orders that wait."""

        @attrs.define
        class Hangs(Wants):
            """Never comes back from a receipt."""

            asked: int = 0

            def observe(self, fact: Fact) -> None:
                if isinstance(fact, Executed):
                    self.asked += 1
                    while True:
                        pass

        hangs = Hangs()
        shadow = Shadow("new", hangs, budget_us=AMPLE, timeout_ms=50, answers=True, group=8)
        with shadowed(shadow) as made:
            for n in range(8):
                made.decide({"x": n})
            for _ in range(8):
                made.save(veil_by(b"salt"))
                assert (1, 1) == (shadow.counts["given_up"], hangs.asked)


class Lazy(Mapping[str, Any]):
    """Does things when it is looked into."""

    def __init__(self, does: Callable[[], Any]) -> None:
        self.does = does

    def __getitem__(self, key: str) -> Any:
        return self.does()

    def __iter__(self) -> Iterator[str]:
        self.does()
        return iter(["a"])

    def __len__(self) -> int:
        return 1


def raises() -> None:
    """Raise."""
    raise ZeroDivisionError


class TestChangesNothing:
    def test_context_that_cannot_be_copied(self) -> None:
        """What the caller puts into the context and cannot be copied fails the shadow, not the decision."""
        with shadowed(Shadow("new", Wants(), budget_us=AMPLE)) as made:
            decision = made.decide({"x": 1}, {"lock": threading.Lock()})

        assert (HOLD, True) == (decision.final.action, decision.final.allowed)
        assert {"fail_closed": True} == said(decision)

    def test_lazy_parameters(self) -> None:
        """Parameters of a shadow cannot keep the packet from being written, for they are of builtin types."""
        with shadowed(Shadow("new", Wants(params={"lazy": Lazy(raises)}), budget_us=AMPLE)) as made:
            decision = made.decide({"x": 1})

        assert {"lazy": "[Lazy]"} == said(decision)["params"]
        assert decision.event == Redaction(None).packet(decision.packet().to_dict())["input"]

    def test_parameters_inside_themselves(self) -> None:
        """Parameters that have no end fail the shadow alone."""
        endless: list[Any] = []
        endless.append(endless)
        with shadowed(Shadow("new", Wants(params={"endless": endless}), budget_us=AMPLE)) as made:
            decision = made.decide({"x": 1})

        assert (HOLD, True) == (decision.final.action, decision.final.allowed)
        assert {"fail_closed": True} == said(decision)

    def test_parameters_that_are_changed_later(self) -> None:
        """What a shadow does to its parameters afterwards is not in the packet of the decision before."""
        inside = [1]
        with shadowed(Shadow("new", Wants(params={"inside": inside}), budget_us=AMPLE)) as made:
            decision = made.decide({"x": 1})
            inside.append(2)

        assert {"inside": [1]} == said(decision)["params"]

    def test_a_component_of_the_pipeline(self) -> None:
        """A shadow cannot have a component of the pipeline, because what that learned would be in the pipeline."""
        guard = Looks()

        with pytest.raises(ConfigError, match="shadow 'new' has a component of another arm; make it one of its own"):
            Pipeline(features=Numbers(), model=Wants(), modulators=[guard], shadows=[Shadow("new", Wants(), [guard])])

    def test_two_of_a_name(self) -> None:
        """Two shadows of the same name would write over each other."""
        with pytest.raises(ConfigError, match="there is another shadow 'new'"):
            shadowed(Shadow("new", Wants()), Shadow("new", Wants()))


class TestAlternatives:
    @pytest.mark.parametrize(
        "says",
        [
            [(1.0, Proposal(STOP, 0.5, ["other"], {}))],
            [(0.0, Proposal(ACT, 0.5, ["told"], {})), (1.0, Proposal(STOP, 0.5, ["other"], {}))],
            [(1 / 101, Proposal(ACT, 0.5, ["told"], {}))] * 101,
        ],
    )
    def test_blamed(self, says: Any) -> None:
        """A model that leaves out what it proposed or names too many fails by its own name, and no guard is asked."""
        guard = Looks()
        with Pipeline(features=Numbers(), model=Wants(says=says), modulators=[guard], max_features=100) as made:
            decision = made.decide({"x": 1})

        assert decision.failure is not None
        assert ("model", "Wants") == (decision.failure.stage, decision.failure.component)
        assert ["model_error:ContractError"] == decision.final.reasons
        assert 1 == guard.number
