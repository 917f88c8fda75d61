"""Time limits of the stages of a decision: what took too long leaves no mark, and is built anew or left out a while.

Also where the process of an isolated component died, for neither comes again by itself when events are decided again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import attrs
import msgspec

from mdm_core.alarm import TimeIsUp, call_within
from mdm_core.contracts import Component
from mdm_core.errors import SwitchedOff, TimedOut
from mdm_core.failures import ProcessDied
from mdm_core.lifecycle import is_isolated, rebuild, with_children
from mdm_core.log import get_logger
from mdm_core.state import Key, KeyedState, states_of
from mdm_core.values import Build, Context, Decided, Executed, Fact, Settled

_log = get_logger("limits")
_REBUILD_S = 60.0

_Before: TypeAlias = tuple[KeyedState[Any], Key, bytes | None]
Call: TypeAlias = tuple[int | None, str, str, int | None]
"""Step, stage, component and the number of the fact: names one call of a component."""


@attrs.frozen
class Overrun:
    """A component took too long, was switched off because it often did, or its process died.

    Attributes:
        step: The decision's number, or None while a receipt or command was learned from.
        stage: Where.
        component: Its name in the pipeline.
        code: The reason code.
        seq: Number of the fact that was learned from, or None.
        off_for: Number of decisions for which the component is switched off from now on, or 0.
    """

    step: int | None
    stage: str
    component: str
    code: str
    seq: int | None = None
    off_for: int = 0


class Lateness(msgspec.Struct):
    """When a component was asked, and when it was late or its process died; part of a checkpoint.

    Attributes:
        asked: The last decision in which it was asked.
        asked_before: The last one before that.
        late: The last decision in which it did.
        overruns: Decisions in a row in which it did.
        off_until: First decision in which it is asked again.
        broken: Whether it has to be made anew.
    """

    asked: int = -1
    asked_before: int = -1
    late: int = -2
    overruns: int = 0
    off_until: int = 0
    broken: bool = False

    def ask(self, step: int) -> None:
        """Note that it is asked in a decision."""
        if step != self.asked:
            self.asked, self.asked_before = step, self.asked

    def overrun(self) -> int:
        """Note that it was late or died; give the number of decisions in a row in which it was or did."""
        if self.late != self.asked:
            self.overruns = self.overruns + 1 if self.late == self.asked_before else 1
            self.late = self.asked
        return self.overruns


@attrs.define
class _Patient:
    """A component that is under a time limit, or whose process may die."""

    component: Component
    name: str
    lateness: Lateness = attrs.field(factory=Lateness)


@attrs.define
class Limits:
    """Puts the stages of one pipeline under time limits.

    Attributes:
        timeout_ms: Limit of a whole decision, or None.
        off_after: Time-outs and deaths in a row, one a decision, after which a component is switched off.
        off_for: Number of decisions for which it is.
        build: The surroundings in which components are built anew.
        timed: Whether there is any limit; if not, there are only processes that may die.
        recorded: What took too long in the run that is decided again, each call to its reason code; None in a run.
        overruns: What took too long, until somebody takes it.
    """

    timeout_ms: int | None
    off_after: int
    off_for: int
    build: Build
    timed: bool = True
    recorded: Mapping[Call, str] | None = None
    overruns: list[Overrun] = attrs.field(factory=list)
    _deadline: float | None = attrs.field(init=False, default=None)
    _step: int = attrs.field(init=False, default=0)
    _extracted: list[_Before] = attrs.field(init=False, factory=list)
    _learned: list[_Before] = attrs.field(init=False, factory=list)
    _patients: dict[int, _Patient] = attrs.field(init=False, factory=dict)

    def stage(self, stage: str, component: Component, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Put ``extract``, ``propose`` or ``modulate`` under its limit and that of the decision.

        Args:
            stage: ``features``, ``model`` or ``modulator``.
            component: The component.
            name: Its name in the pipeline.
            method: The method, whose last argument is the context.
        """
        if not self._concerns(component):
            return method
        patient = self._patient(component, name)

        def call(*arguments: Any) -> Any:
            step = arguments[-1].step
            return self._call(patient, (step, stage, name, None), method, arguments)

        return call

    def first(self, extract: Callable[..., Any], extractors: Iterable[Component]) -> Callable[..., Any]:
        """Let a decision's time begin with its first stage, and remember the state that it may be put back to.

        Args:
            extract: The first extractor's method, under its limit.
            extractors: All of them.
        """
        parts = (c for e in extractors for c in with_children(e)) if self.timed else ()
        states = [s for part in parts for s in states_of(part).values()]

        def call(event: Any, context: Context) -> Any:
            self._deadline = None if self.timeout_ms is None else time.perf_counter() + self.timeout_ms / 1000
            self._step = context.step
            self._extracted, self._learned = _before(states, context.key), []
            return extract(event, context)

        return call

    def learner(self, component: Component, name: str, observe: Callable[[Fact], None]) -> Callable[[Fact], None]:
        """Put ``observe`` under a limit; what it broke off in the middle of is put back.

        Args:
            component: The component.
            name: Its name in the pipeline.
            observe: The method.
        """
        if not self._concerns(component):
            return observe
        patient = self._patient(component, name)
        states = list(states_of(component).values()) if self.timed else []

        def call(fact: Fact) -> None:
            which: Call
            if isinstance(fact, Decided):
                which = (fact.context.step, "observe", name, None)
            elif not fact.seq:  # a decision that failed closed is taken back
                which = (self._step, "observe", name, 0)
            else:
                which = (None, "observe", name, fact.seq)
                self._extracted = []
            self._learned = _before(states, _key_of(fact))
            self._call(patient, which, observe, (fact,))

        return call

    def save(self) -> dict[str, Lateness]:
        """Give what is remembered of time-outs, for a checkpoint: component to when it was late."""
        return {patient.name: patient.lateness for patient in self._patients.values()}

    def restore(self, saved: Mapping[str, Lateness]) -> None:
        """Remember what was saved.

        Args:
            saved: What ``save`` gave.
        """
        for patient in self._patients.values():
            patient.lateness = saved.get(patient.name, patient.lateness)

    def _call(self, patient: _Patient, which: Call, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        step, stage, _, _ = which
        if (self._step + 1 if step is None else step) < patient.lateness.off_until:
            raise SwitchedOff(f"{stage}_switched_off")
        patient.lateness.ask(self._step if step is None else step)
        code = None if self.recorded is None else self.recorded.get(which)
        if code is None:
            code = f"{stage}_timeout"
            try:
                if patient.lateness.broken:
                    self._rebuild(patient)
                seconds, code = self._time_for(patient.component, which)
                return self._within(seconds, method, *arguments)
            except TimeIsUp:
                pass
            except ProcessDied:
                code = _died(stage)
        self._note(patient, which, code)
        if code == _died(stage):
            raise ProcessDied
        self._undo(patient)
        raise TimedOut(code)

    def _rebuild(self, patient: _Patient) -> None:
        started = time.perf_counter()
        self._within(_REBUILD_S, rebuild, patient.component, self.build)
        patient.lateness.broken = False
        if self._deadline is not None:
            # It is the last decision's time that this takes, not this one's.
            self._deadline += time.perf_counter() - started

    def _within(self, seconds: float | None, function: Callable[..., Any], *arguments: Any) -> Any:
        if seconds is None or self.recorded is not None:
            return function(*arguments)
        return call_within(seconds, function, *arguments)

    def _time_for(self, component: Component, which: Call) -> tuple[float | None, str]:
        """How many seconds a call has, and the reason code if they do not suffice."""
        step, stage, _, _ = which
        own = None if component.timeout_ms is None else component.timeout_ms / 1000
        left = None if self._deadline is None or step is None else self._deadline - time.perf_counter()
        if left is not None and (own is None or left < own):
            return left, "decision_timeout"
        return own, f"{stage}_timeout"

    def _note(self, patient: _Patient, which: Call, code: str) -> None:
        step, stage, name, seq = which
        off_for = self.off_for if patient.lateness.overrun() >= self.off_after else 0
        if off_for:
            patient.lateness.overruns = 0
            patient.lateness.off_until = (self._step if step is None else step) + 1 + off_for
            _log.warning("%s took too long or died too often; it is switched off for %d decisions", name, off_for)
        self.overruns.append(Overrun(step, stage, name, code, seq, off_for))

    def _undo(self, patient: _Patient) -> None:
        """See to it that what was broken off leaves no mark; a process that died has left none here."""
        patient.lateness.broken = True
        for state, key, data in (*self._extracted, *self._learned):
            state.put_back(key, data)

    def _concerns(self, component: Component) -> bool:
        return self.timed or is_isolated(component)

    def _patient(self, component: Component, name: str) -> _Patient:
        return self._patients.setdefault(id(component), _Patient(component, name))


def _died(stage: str) -> str:
    return f"{stage}_error:{ProcessDied.__name__}"


def _before(states: Iterable[KeyedState[Any]], key: Key) -> list[_Before]:
    """What is remembered of a key, and in global scope."""
    keys = (key,) if key is None else (key, None)
    return [(state, k, state.export(k) if k in state else None) for state in states for k in keys]


def _key_of(fact: Fact) -> Key:
    if isinstance(fact, Decided):
        return fact.context.key
    return fact.order.key if isinstance(fact, Executed | Settled) else None
