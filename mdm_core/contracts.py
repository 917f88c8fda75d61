"""The contracts: what core asks of each kind of component, and when.

A component is an attrs class. Its fields are its options (``option()``), its children (``component()``) and its keyed
state (``keyed_state()``); other run-time state is ``init=False`` and is not restored. Import or open anything heavy in
``open``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from mdm_core.errors import ConfigError
from mdm_core.schema import FinalDecision, Proposal
from mdm_core.values import (
    Build,
    Context,
    Event,
    Fact,
    Failure,
    Features,
    Idle,
    Order,
    Position,
    Receipt,
    Record,
    Reject,
)


class Component(ABC):
    """Base of all components. Every method here is optional.

    Attributes:
        component_id: ``plugin.component`` once core has built it; the class's name otherwise.
        timeout_ms: Longest time for one call of the component, in milliseconds, or None.
        notice: What the user must know of how the component works here; set in ``open``, said when a run begins.
    """

    component_id: str = ""
    timeout_ms: int | None = None
    notice: str = ""

    def open(self, build: Build) -> None:  # noqa: B027 - optional
        """Get ready: called once, children first, before the first event.

        Args:
            build: The surroundings.

        Raises:
            ConfigError: The component cannot work in these surroundings.
        """

    def close(self) -> None:  # noqa: B027 - optional
        """Let go of what ``open`` took: called once, also after a failure."""

    def observe(self, fact: Fact) -> None:  # noqa: B027 - optional
        """Learn from what happened; outside ``extract`` the only place where state changes.

        Args:
            fact: ``Decided``, ``Executed``, ``Settled``, ``Commanded``; ignore what you do not know, for more may come.
        """

    def counts(self) -> dict[str, int]:
        """Give what it has counted that people should know of, such as lines skipped; shown in the summary."""
        return {}


class DataSource(Component):
    """Where events come from."""

    @abstractmethod
    def records(self) -> Iterator[Record | Reject | Idle]:
        """Yield events in order. Bad input is yielded as ``Reject``: a generator that raises is dead.

        A source that waits yields ``Idle`` every now and then, ten times a second or so: decisions that act are carried
        out and pending orders looked after then.
        """

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a position, before it is called.

        Args:
            position: The position of the last event that is not wanted again.

        Raises:
            NotImplementedError: The source cannot go back, such as standard input.
        """
        raise NotImplementedError(f"{self.component_id or type(self).__name__} cannot seek")

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        """Go on where an earlier run ended; called before ``records``, in place of ``seek``.

        Args:
            position: The position of the last event that is not wanted again, or None to begin at the first.
            identity: What ``identity`` said in the earlier run when that event had been read.

        Raises:
            ConfigError: It is no longer the same source, or it cannot go back.
        """
        if self.identity() != identity:
            raise ConfigError("it is no longer the source that the run has read; start a new run")
        try:
            if type(self).seek is DataSource.seek:
                raise NotImplementedError
            if position is not None:
                self.seek(position)
        except NotImplementedError:
            raise ConfigError("it cannot go back to where the run ended; start a new run") from None

    def ack(self, position: Position) -> None:
        """Learn that everything up to a position is safely recorded."""

    @property
    def length(self) -> int | None:
        """How many records there are, if that is cheap to know."""
        return None

    def identity(self) -> dict[str, Any] | None:
        """Say what is being read, so that another run can tell whether it is still the same."""
        return None


class FeatureExtractor(Component):
    """Computes features from an event and from what came before it."""

    @abstractmethod
    def extract(self, event: Event, context: Context) -> Features:
        """Compute the features; the one place that may change state while deciding.

        Args:
            event: The event, which must not be changed.
            context: ``key``, ``now_ms`` and the rest.

        Returns:
            Dotted name to number, bool, str or None.
        """


class ProposalModel(Component):
    """Wants an action."""

    @abstractmethod
    def propose(self, features: Features, context: Context) -> Proposal:
        """Propose an action, without changing state.

        Args:
            features: What the extractors computed; numbers are finite.
            context: ``key``, ``now_ms``, ``random`` and the rest.

        Returns:
            The proposal.
        """

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        """Give everything it might have proposed here, each with its probability; for a model that randomises.

        Called after ``propose``, with a context in which ``random`` begins anew. What was proposed is among it. A model
        that wraps another passes on what that one gives, changed as it changes proposals. Core asks the guards about
        each and records how likely the proposal and the action taken were.

        Args:
            features: What ``propose`` was given.
            context: What ``propose`` was given.

        Returns:
            Pairs whose probabilities sum to 1, or nothing if the proposal does not depend on chance.
        """
        return ()


class Modulator(Component):
    """Looks at a proposal in its context and lets it pass, changes it, or denies it."""

    @abstractmethod
    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Look, and never change state; never asked about HOLD.

        Args:
            proposal: What the model wants.
            decision: What the modulators before have made of it.
            context: ``key``, ``now_ms``, ``features`` and the rest.

        Returns:
            ``decision`` itself, a changed one, or a denial: ``allowed`` false, action HOLD or STOP, and a mismatch
            with flags and reason codes.
        """


class Broker(Component):
    """Carries actions out.

    Attributes:
        idempotent: Whether an order repeated under the same key takes effect once.
    """

    idempotent: ClassVar[bool] = False

    @abstractmethod
    def execute(self, order: Order) -> Receipt:
        """Make one attempt; core alone retries.

        Args:
            order: What to carry out.

        Returns:
            What came of it.
        """

    def resolve(self, idempotency_key: str) -> Receipt:
        """Find out what came of an earlier order.

        Args:
            idempotency_key: The order's key.

        Raises:
            NotImplementedError: The broker cannot tell.
        """
        raise NotImplementedError(f"{self.component_id or type(self).__name__} cannot resolve")

    def cancel(self, idempotency_key: str) -> Receipt:
        """Take back an order that is pending.

        Args:
            idempotency_key: The order's key.

        Returns:
            ``failed``: it was taken back; ``done``: it was carried out already; anything else: it is still pending.

        Raises:
            NotImplementedError: The broker cannot cancel.
        """
        raise NotImplementedError(f"{self.component_id or type(self).__name__} cannot cancel")

    def poll(self) -> Iterator[tuple[str, Receipt]]:
        """Yield the answers, by idempotency key, that have come for pending orders."""
        return iter(())


class TraceSink(Component):
    """Keeps records. What it is given is redacted already.

    Attributes:
        accepts: ``packets`` (one per decision) or ``audit`` (the security-relevant events of a run).
    """

    accepts: ClassVar[Literal["packets", "audit"]] = "packets"

    @abstractmethod
    def write(self, record: Mapping[str, Any]) -> None:
        """Take one record.

        Args:
            record: The nine keys of ``PacketV2``, or an audit event with ``event`` and ``at``.
        """

    def flush(self, durable: bool = False) -> None:
        """Hand what is buffered to the operating system.

        Args:
            durable: Also wait until it is on the disk.
        """

    def mark(self) -> dict[str, Any] | None:
        """Say where the next record will stand, so that ``since`` can begin there; None if the sink cannot tell."""
        return None

    def since(self, mark: dict[str, Any] | None) -> Iterator[Mapping[str, Any]]:
        """Give what an earlier process has kept of this run, so that it is not written again.

        Args:
            mark: What ``mark`` said, or None for everything.

        Yields:
            The records, in the order in which they were written.

        Raises:
            NotImplementedError: The sink cannot give back what it was given.
        """
        raise NotImplementedError(f"{self.component_id or type(self).__name__} cannot give back what it was given")

    def read(self, run_dir: Path) -> Iterator[Mapping[str, Any]]:
        """Give what was kept of a run, going on or over, without being opened and without touching anything.

        Args:
            run_dir: Directory of the run.

        Yields:
            The records, in the order in which they were written.

        Raises:
            NotImplementedError: The sink cannot give back what it was given.
        """
        raise NotImplementedError(f"{self.component_id or type(self).__name__} cannot give back what it was given")


class Redactor(Component):
    """Decides what may be written.

    A redactor that masks values by their key alone may also have ``hides(key: str) -> bool``. Core asks it once per
    distinct key and masks in its own walk; it must agree with ``redact``.
    """

    @abstractmethod
    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take out what must not be written.

        Args:
            data: A mapping that must not be changed.

        Returns:
            What may be written: a new mapping, or ``data`` itself when there is nothing to hide.
        """


class Observer(Component):
    """Watches a run. One that raises is dropped; it can never change a decision."""

    def on_run_start(self, run: Mapping[str, Any]) -> None:
        """Learn that a run begins.

        Args:
            run: What ``run.json`` holds, redacted.
        """

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        """Learn of a decision.

        Args:
            packet: The nine keys of ``PacketV2``, redacted.
        """

    def on_error(self, failure: Failure) -> None:
        """Learn that something failed.

        Args:
            failure: What failed and where, without any message.
        """

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Learn how the run ended.

        Args:
            summary: What ``summary.json`` holds.

        Returns:
            Figures to be shown in the summary under the observer's id, or None.
        """
