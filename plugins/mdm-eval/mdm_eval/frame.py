"""The decisions of a run as columns, read in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from math import inf, nan
from typing import Any, TypeAlias

import attrs
import numpy as np
from mdm_core.admission import ABSENT, getter

from mdm_eval.columns import Bools, Codes, Floats, Ints, Measures
from mdm_eval.features import FeatureSample

Packet: TypeAlias = Mapping[str, Any]

HOLD = "HOLD"
FROM_CONFIDENCE = "confidence (of HOLD: 1 - confidence)"
_TOGETHER = 4096


@attrs.frozen
class Reading:
    """What of the packets is wanted.

    Attributes:
        probability: The parameter of the proposal that holds the probability of acting rightly.
        by: Name of a feature, or dotted path in the event or in ``external``, that divides decisions into segments.
        since_ms: Decisions before this time are left out.
        until_ms: Decisions from this time on are left out.
        action: The action that is judged; None judges every action but HOLD.
    """

    probability: str = "probability"
    by: str | None = None
    since_ms: float | None = None
    until_ms: float | None = None
    action: str | None = None


@attrs.frozen(eq=False)
class Frame:
    """Columns, one row per decision.

    Attributes:
        step: Number of the decision in its run.
        now_ms: The pipeline's time; NaN without a clock.
        proposed: What the model wanted.
        final: What came of it.
        allowed: Whether the final decision may be carried out.
        failed_closed: Whether a component failed, so that nothing was done.
        confidence: The proposal's.
        probability: Probability of the outcome, as the model gave it; NaN where it gave none.
        score: Where the probability comes from.
        latency_us: How long deciding took, in microseconds.
        mismatch: Flags and reason codes of what modulators did, as a pair of tuples; absent where they did nothing.
        outcome: What turned out to be true; absent where it is not known.
        segment: By what decisions are divided; absent everywhere if they are not.
        sample: Features of some of the rows.
        action: The action that is judged, or None for every one but HOLD.
    """

    step: Ints
    now_ms: Floats
    proposed: Codes
    final: Codes
    allowed: Bools
    failed_closed: Bools
    confidence: Floats
    probability: Floats
    score: str
    latency_us: Floats
    mismatch: Codes
    outcome: Codes
    segment: Codes
    sample: FeatureSample
    action: str | None

    def __len__(self) -> int:
        return len(self.step)

    @property
    def wanted(self) -> Bools:
        """Whether the model wanted the action that is judged."""
        return is_action(self.proposed, self.action)

    @property
    def acted(self) -> Bools:
        """Whether the action that is judged was decided and allowed."""
        return is_action(self.final, self.action) & self.allowed


def is_action(actions: Codes, action: str | None) -> Bools:
    """Say where an action is the one that is judged.

    Args:
        actions: A column of actions.
        action: The one that is judged; None for every one but HOLD.
    """
    judged = [name != HOLD if action is None else name == action for name in actions.values]
    return np.array([*judged, False], dtype=np.bool_)[actions.numbers]


def read_frame(packets: Iterable[Packet], reading: Reading) -> Frame:
    """Read packets into columns; of a packet no more is kept than these hold.

    Args:
        packets: In the order of their steps.
        reading: What of them is wanted.
    """
    columns = _Columns(reading)
    rows = map(columns.row, within(packets, reading))
    while together := list(islice(rows, _TOGETHER)):
        columns.extend(together)
    return columns.frame()


class _Columns:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._segment_of = segment_getter(reading.by)
        self._step, self._now_ms, self._latency, self._latency_ms = (Measures() for _ in range(4))
        self._allowed, self._failed_closed, self._confidence, self._probability = (Measures() for _ in range(4))
        self._proposed, self._final, self._mismatch, self._outcome, self._segment = (Codes() for _ in range(5))
        self._sample = FeatureSample()

    def row(self, packet: Packet) -> tuple[Any, ...]:
        """Give what is wanted of one packet, in the order of ``extend``."""
        external, mdm, final = packet["external"].get, packet["mdm"], packet["final_action"]
        self._sample.offer(mdm["features"])
        return (
            packet["step"],
            external("now_ms"),
            external("mdm.latency_us"),
            packet["latency_ms"],
            final["allowed"],
            external("mdm.fail_closed", False),
            mdm["confidence"],
            mdm["params"].get(self._reading.probability),
            mdm["action"],
            final["action"],
            packet["mismatch"] and _marks(packet["mismatch"]),
            external("eval.outcome"),
            self._segment_of(packet),
        )

    def extend(self, rows: list[tuple[Any, ...]]) -> None:
        """Take some rows."""
        columns: tuple[Codes | Measures, ...] = (
            self._step,
            self._now_ms,
            self._latency,
            self._latency_ms,
            self._allowed,
            self._failed_closed,
            self._confidence,
            self._probability,
            self._proposed,
            self._final,
            self._mismatch,
            self._outcome,
            self._segment,
        )
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)

    def frame(self) -> Frame:
        """Give all rows."""
        failed_closed = self._failed_closed.values == 1.0
        confidence, probability = self._confidence.values, self._probability.values
        score = f"mdm.params.{self._reading.probability}"
        if np.isnan(probability).all():
            acts = is_action(self._proposed, self._reading.action)
            probability = np.where(failed_closed, nan, np.where(acts, confidence, 1.0 - confidence))
            score = FROM_CONFIDENCE
        exact = self._latency.values
        return Frame(
            step=self._step.values.astype(np.int64),
            now_ms=self._now_ms.values,
            proposed=self._proposed,
            final=self._final,
            allowed=self._allowed.values == 1.0,
            failed_closed=failed_closed,
            confidence=confidence,
            probability=probability,
            score=score,
            latency_us=np.where(np.isnan(exact), self._latency_ms.values * 1000.0, exact),
            mismatch=self._mismatch,
            outcome=self._outcome,
            segment=self._segment,
            sample=self._sample,
            action=self._reading.action,
        )


def within(packets: Iterable[Packet], reading: Reading) -> Iterator[Packet]:
    """Leave out the packets that are not of the time in question.

    Args:
        packets: The packets.
        reading: What of them is wanted.
    """
    low = -inf if reading.since_ms is None else reading.since_ms
    high = inf if reading.until_ms is None else reading.until_ms
    if (low, high) == (-inf, inf):
        return iter(packets)
    return (packet for packet in packets if low <= (packet["external"].get("now_ms") or nan) < high)


def _marks(mismatch: Packet) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(mismatch["flags"]), tuple(mismatch["reason_codes"])


def segment_getter(by: str | None) -> Callable[[Packet], Any]:
    """Make what reads a packet's value of something that divides decisions.

    Args:
        by: Name of a feature, or dotted path in the event or else in the context, such as ``mdm.arm``; None: nothing.

    Returns:
        A function of the packet; None where there is no such value.
    """
    if by is None:
        return lambda _: None
    get = getter(by)

    def segment(packet: Packet) -> Any:
        features = packet["mdm"]["features"]
        if by in features:
            return features[by]
        for place in (packet["input"], packet["external"]):
            try:
                return get(place)
            except ABSENT:
                continue
        return None

    return segment
