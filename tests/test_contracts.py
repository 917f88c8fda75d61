"""The contracts: what a component has to have, and what it may leave out."""

import inspect
from collections.abc import Iterator

import pytest

from mdm_core import (
    Action,
    Broker,
    Build,
    Component,
    Context,
    DataSource,
    Decided,
    Event,
    FeatureExtractor,
    Features,
    FinalDecision,
    Modulator,
    Observer,
    Order,
    Proposal,
    ProposalModel,
    Receipt,
    Record,
    Redactor,
    TraceSink,
)
from mdm_core.kinds import BY_HOOK, BY_SECTION, KINDS, kind_of

REQUIRED = {
    DataSource: {"records"},
    FeatureExtractor: {"extract"},
    ProposalModel: {"propose"},
    Modulator: {"modulate"},
    Broker: {"execute"},
    TraceSink: {"write"},
    Redactor: {"redact"},
    Observer: set[str](),
}


class Source(DataSource):
    def records(self) -> Iterator[Record]:
        yield Record({}, 0)


class Paper(Broker):
    def execute(self, order: Order) -> Receipt:
        return Receipt("done")


class Features1(FeatureExtractor):
    def extract(self, event: Event, context: Context) -> Features:
        return {}


class TestRequired:
    @pytest.mark.parametrize(("contract", "names"), REQUIRED.items(), ids=lambda v: getattr(v, "__name__", ""))
    def test_only_what_makes_the_kind(self, contract: type[Component], names: set[str]) -> None:
        """Each contract asks for one method, observers for none; a class without it cannot be made."""
        assert names == set(contract.__abstractmethods__)
        incomplete = type("Incomplete", (contract,), {})
        if names:
            with pytest.raises(TypeError, match=f"abstract method '?{next(iter(names))}'?"):
                incomplete()
        else:
            incomplete()

    @pytest.mark.parametrize("contract", [*REQUIRED, Component])
    def test_every_public_method_says_what_it_is_for(self, contract: type[Component]) -> None:
        """The contracts are the product; each of their methods has a docstring of its own."""
        own = [m for name, m in vars(contract).items() if inspect.isfunction(m) and not name.startswith("_")]
        assert [m.__name__ for m in own if not m.__doc__] == []
        assert contract.__doc__


class TestOptional:
    def test_life_cycle_and_learning_do_nothing(self) -> None:
        """A component that needs none of them need not have them."""
        made = Features1()
        for outcome in (
            made.open(Build()),  # type: ignore[func-returns-value]
            made.close(),  # type: ignore[func-returns-value]
            made.observe(Decided(FinalDecision(Action.HOLD), Context({}, None, "0", 0, 0))),  # type: ignore[func-returns-value]
        ):
            assert outcome is None
        assert made.component_id == ""

    def test_a_source_that_cannot_say_or_go_back(self) -> None:
        """No length, no identity, no acknowledgement; seeking is refused by name."""
        source = Source()
        assert (source.length, source.identity()) == (None, None)
        source.ack(3)
        with pytest.raises(NotImplementedError, match=r"^Source cannot seek$"):
            source.seek(3)

    def test_a_broker_that_cannot_tell(self) -> None:
        """It is not idempotent unless it says so, resolves and cancels nothing, and has nothing to report."""
        broker = Paper()
        assert broker.idempotent is False
        assert list(broker.poll()) == []
        with pytest.raises(NotImplementedError, match=r"^Paper cannot resolve$"):
            broker.resolve("key")
        with pytest.raises(NotImplementedError, match=r"^Paper cannot cancel$"):
            broker.cancel("key")

    def test_sinks_take_packets_unless_they_say_otherwise(self) -> None:
        """The audit log is for those who ask for it."""
        assert TraceSink.accepts == "packets"


class TestKinds:
    def test_every_contract_has_its_section_and_hook(self) -> None:
        """Each kind of component is found by its class, its section and its hook."""
        assert set(REQUIRED) == {kind.contract for kind in KINDS}
        for kind in KINDS:
            assert kind is BY_SECTION[kind.section] is BY_HOOK[kind.hook] is kind_of(kind.contract)

    def test_what_is_no_component_has_no_kind(self) -> None:
        """A class of another sort is a KeyError."""
        with pytest.raises(KeyError):
            kind_of(Proposal)
