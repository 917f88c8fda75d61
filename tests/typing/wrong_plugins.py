"""Mistakes of plugin authors that mypy finds before anything runs: checked by mypy, never run.

Each `type: ignore` names the error that it stands for; where mypy finds none, it reports the comment as unused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mdm_core import (
    Broker,
    Build,
    Context,
    DataSource,
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
    Redactor,
    TraceSink,
    hookimpl,
    option,
)
from mdm_core.hookspecs import Register


class Source(DataSource):
    """Yields events and not records."""

    def records(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        yield {}


class Extractor(FeatureExtractor):
    """Has forgotten the context."""

    def extract(self, event: Event) -> Features:  # type: ignore[override]
        return {}


class Listing(FeatureExtractor):
    """Gives a list among the features."""

    def extract(self, event: Event, context: Context) -> Features:
        return {"words": ["a", "b"]}  # type: ignore[dict-item]


class Model(ProposalModel):
    """Gives a number in place of a proposal."""

    def propose(self, features: Features, context: Context) -> float:  # type: ignore[override]
        return 0.5


class Named(ProposalModel):
    """Names an action by a text."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal("ACT", 0.5, [])  # type: ignore[arg-type]


class Guard(Modulator):
    """Answers yes or no."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> bool:  # type: ignore[override]
        return True


class Swapped(Modulator):
    """Takes what it is given in another order."""

    def modulate(  # type: ignore[override]
        self, decision: FinalDecision, proposal: Proposal, context: Context
    ) -> FinalDecision:
        return decision


class Hand(Broker):
    """Says nothing of what came of an order."""

    def execute(self, order: Order) -> None:  # type: ignore[override]
        return


class Vague(Broker):
    """Answers with a status that there is not."""

    def execute(self, order: Order) -> Receipt:
        return Receipt("okay")  # type: ignore[arg-type]


class Sink(TraceSink):
    """Takes a text."""

    def write(self, record: str) -> None:  # type: ignore[override]
        return


class Cover(Redactor):
    """Changes its input, and gives nothing."""

    def redact(self, data: dict[str, Any]) -> None:  # type: ignore[override]
        data.clear()


class Watcher(Observer):
    """Gives one figure in place of a table of them."""

    def on_run_end(self, summary: Mapping[str, Any]) -> int:  # type: ignore[override]
        return 1


class Opened(Observer):
    """Opens without being told where."""

    def open(self) -> None:  # type: ignore[override]
        return

    def close(self, build: Build) -> None:  # type: ignore[override]
        return


class Unfinished(ProposalModel):
    """Has no `propose`."""


Unfinished()  # type: ignore[abstract]
option(0.5)  # type: ignore[call-arg]
option(0.5, help="a threshold", min=0)  # type: ignore[call-arg]


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register by something that is no component and no text, without a name, and an instance."""
    register("model", 7)  # type: ignore[arg-type]
    register(Named)  # type: ignore[call-arg, arg-type]
    register("named", Named())  # type: ignore[arg-type]


@hookimpl  # type: ignore[type-var]
def mdm_register_brokers(registry: Register) -> None:
    """Names the argument otherwise, so that it is never given."""


@hookimpl  # type: ignore[type-var]
def mdm_register_modulators(register: Register, config: str) -> None:
    """Asks for more than there is."""


@hookimpl  # type: ignore[type-var]
def mdm_register_observers(register: str) -> None:
    """Takes what it is given for something else."""
