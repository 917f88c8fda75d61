"""Going through the packets of a run once: the one that is wanted, and how features vary."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from mdm_core import PastRun, UsageError
from mdm_core.admission import ABSENT, getter
from mdm_core.dead_letters import read_letters

from mdm_eval.comparing import Packet
from mdm_eval.features import FeatureSample
from mdm_eval.marks import is_marked
from mdm_eval.packets import nothing_decided, packets_of

_MOST_TEXTS = 50


@attrs.frozen
class Variation:
    """How a feature varies over a run.

    Attributes:
        spread: Standard deviation; 0 for what never changes, and for text.
        whole: Whether all its values are whole numbers.
        texts: Values of a text, those that came first.
    """

    spread: float = 0.0
    whole: bool = False
    texts: tuple[str, ...] = ()


@attrs.frozen
class Survey:
    """What a run has recorded.

    Attributes:
        packet: The packet that is wanted.
        variations: Feature to how it varies, from 50,000 to 100,000 decisions spread over the run.
    """

    packet: Packet
    variations: dict[str, Variation]

    @classmethod
    def make(cls, past: PastRun, step: int | None, event_id: str | None) -> Survey:
        """Go through the packets.

        Args:
            past: The run.
            step: Number of the decision that is wanted, or None.
            event_id: Id of its event, or None; of several the last one is meant.

        Raises:
            UsageError: There is no such decision.
        """
        sample, wanted, read_id = FeatureSample(), None, _reader(past, event_id)
        lowest = highest = None
        hidden = False
        for packet in packets_of(past):
            number = packet["step"]
            lowest, highest = number if lowest is None else lowest, number
            sample.offer(packet["mdm"]["features"])
            found = None if read_id is None else read_id(packet)
            hidden = hidden or is_marked(found)
            if number == step or (found is not None and found == event_id):
                wanted = packet
        if wanted is None:
            if lowest is None:
                raise nothing_decided(past)
            raise UsageError(_missing(past, step, event_id, f"its steps are {lowest} to {highest}", hidden))
        return cls(wanted, {name: _variation(column) for name, column in sample.columns.items()})


def _reader(past: PastRun, event_id: str | None) -> Any:
    if event_id is None:
        return None
    path = past.run["config"].get("pipeline", {}).get("id")
    if path is None:
        raise UsageError(
            f"run {past.directory.name!r} reads no id from its events; give the number of the decision instead"
        )
    if is_marked(path):
        raise UsageError(
            f"run {past.directory.name!r}: what names the id was redacted; give the number of the decision"
        )
    get = getter(path)

    def read(packet: Packet) -> str | None:
        try:
            return str(get(packet["input"]))
        except ABSENT:
            return None

    return read


def _missing(past: PastRun, step: int | None, event_id: str | None, there: str, hidden: bool) -> str:
    name = past.directory.name
    if step is not None:
        return f"run {name!r} has no step {step}; {there}"
    if hidden:
        return f"run {name!r}: ids of events were redacted; give the number of the decision, {there}"
    letters = sum(1 for _ in read_letters(past.directory))
    refused = f"; {letters:,} events were refused, `mdm dead-letter show {name}` shows them" if letters else ""
    return f"run {name!r} has decided about no event {event_id!r}{refused}"


def _variation(column: Any) -> Variation:
    if column.texts is not None:
        return Variation(texts=tuple(text for text in column.texts if not is_marked(text))[:_MOST_TEXTS])
    values = column.values
    values = values[np.isfinite(values)]
    if not len(values):
        return Variation()
    return Variation(float(values.std()), bool((values == np.floor(values)).all()))
