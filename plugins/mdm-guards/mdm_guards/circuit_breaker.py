"""The guard ``guards.circuit_breaker``."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs
from mdm_core import Executed, FinalDecision, KeyedState, keyed_state, option
from mdm_core.state import Key

from mdm_guards.durations import duration_ms
from mdm_guards.keyed import BlockingGuard


@attrs.define
class Circuit:
    """Where a circuit stands.

    Attributes:
        failures: Failed attempts in a row; stands still while the circuit is open.
        open: Whether it is open or half open.
        half_open_ms: First time at which it is half open.
        probes: Actions let through since then.
        successes: How many of them succeeded.
        free_ms: First time at which the next action passes.
    """

    failures: int = 0
    open: bool = False
    half_open_ms: int = 0
    probes: int = 0
    successes: int = 0
    free_ms: int = 0


@attrs.define(kw_only=True)
class CircuitBreaker(BlockingGuard[Circuit]):
    """Denies while the broker fails.

    Closed: ``failures`` failed attempts in a row, by their receipts, open it. A receipt that is ``failed``, ``unknown``
    or ``retry`` is a failure, ``done`` ends the row, ``pending`` says nothing yet. Open: everything is denied for
    ``open_for``. Half open, after that: ``probes`` actions pass; when all of them have succeeded it closes, the first
    failure opens it again. Probes that nobody answers within ``open_for`` are given up, and new ones pass.

    The time of a receipt is that of its decision, so receipts that come late, of orders older than the half-open
    circuit, change nothing.
    """

    flag: ClassVar[str] = "circuit_breaker"

    scope: Literal["key", "global"] = option("global", help="what is counted together: each key, or all of them")
    failures: int = option(5, ge=1, help="failed attempts in a row that open the circuit")
    open_for: str = option("30s", check=duration_ms, help="how long everything is denied, such as '30s' or '5m'")
    probes: int = option(1, ge=1, help="actions let through half open, all of which must succeed to close it")
    states: KeyedState[Circuit] = keyed_state(Circuit, max_keys="max_keys")
    _open_ms: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._open_ms = duration_ms(self.open_for)

    def judge(self, decision: FinalDecision, state: Circuit, now: int) -> FinalDecision:
        """Deny while the circuit is open, or half open with all probes on their way."""
        wait_ms = state.free_ms - now
        if now < state.half_open_ms:
            seen = {"failures": state.failures, "wait_ms": wait_ms}
            return self.deny(decision, "open", seen, cooldown_ms=wait_ms)
        seen = {"probes": state.probes, "successes": state.successes, "wait_ms": wait_ms}
        return self.deny(decision, "half_open", seen, cooldown_ms=wait_ms)

    def pay(self, final: FinalDecision, key: Key, now: int) -> None:
        """Count a probe."""
        circuit = self.states.peek(key)
        if circuit is None or not circuit.open or now < circuit.half_open_ms:
            return
        if circuit.probes >= self.probes:
            circuit.probes = circuit.successes = 0
        circuit.probes += 1
        if circuit.probes == self.probes:
            circuit.free_ms = now + self._open_ms

    def learn(self, fact: Executed, key: Key) -> None:
        """Count a failure or a success."""
        status = fact.receipt.status
        if status == "pending" or (status == "done" and key not in self.states):
            return
        circuit, now = self.states[key], fact.now_ms or 0
        if not circuit.open:
            self._learn_closed(circuit, status == "done", now)
        elif circuit.probes and now >= circuit.half_open_ms:  # before the first probe, no answer can be one to it
            self._learn_half_open(circuit, status == "done", now)

    def _learn_closed(self, circuit: Circuit, success: bool, now: int) -> None:
        circuit.failures = 0 if success else circuit.failures + 1
        if circuit.failures >= self.failures:
            circuit.open = True
            self._wait(circuit, now)

    def _learn_half_open(self, circuit: Circuit, success: bool, now: int) -> None:
        if not success:
            self._wait(circuit, now)
            return
        circuit.successes += 1
        if circuit.successes >= self.probes:
            circuit.open = False
            circuit.failures = circuit.free_ms = 0

    def _wait(self, circuit: Circuit, now: int) -> None:
        circuit.half_open_ms = circuit.free_ms = now + self._open_ms
        circuit.probes = circuit.successes = 0
