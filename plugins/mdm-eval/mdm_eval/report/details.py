"""What two runs are compared by: which event each decision is about, and why it came out as it did."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from mdm_core.admission import ABSENT, getter

from mdm_eval.columns import Codes, Ints
from mdm_eval.frame import Packet
from mdm_eval.marks import MASKS
from mdm_eval.report.texts import Texts

_MOST_REASONS = 100_000
_LONGEST = 200


class Details:
    """Of each decision the event's id and key, and the reasons.

    Args:
        pipeline: The run's ``[pipeline]``.

    Attributes:
        by_id: Whether every event has an id, and none was masked.
        ids: The ids; empty texts where there is none.
        keys: The keys.
        reasons: The final decision's reasons; absent once there are more than 100,000 different ones.
    """

    def __init__(self, pipeline: Mapping[str, Any]) -> None:
        self._id, self._key = (_reader(pipeline.get(name)) for name in ("id", "key"))
        self.by_id = pipeline.get("id") is not None
        self.ids, self.keys, self.reasons = Texts(), Codes(), Codes()
        self._hashes = array("q")

    def watch(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """Look at packets on their way."""
        for packet in packets:
            self._take(packet)
            yield packet

    def identities(self, by_id: bool, step: Ints) -> Ints:
        """Give a number that stands for the event of each decision, and for those alone.

        It is the id's hash of 64 bits: of a million ids, two have the same with a probability of 3 in 100 million.

        Args:
            by_id: Whether events are known by their ids; if not, by the steps.
            step: The steps.
        """
        return np.array(self._hashes) if by_id else step

    def _take(self, packet: Packet) -> None:
        event = packet["input"]
        name = self._id(event)
        text = "" if name is None else str(name)[:_LONGEST]
        self.by_id = self.by_id and name is not None and not any(mark in text for mark in MASKS)
        self.ids.append(text)
        self._hashes.append(hash(name) if isinstance(name, str | int) else hash(text))
        self.keys.extend((self._key(event),))
        reasons = tuple(map(str, packet["final_action"]["reasons"]))
        self.reasons.extend((reasons if len(self.reasons.values) < _MOST_REASONS else None,))


def _reader(path: str | None) -> Callable[[Any], Any]:
    if path is None:
        return lambda _: None
    get = getter(path)

    def read(event: Any) -> Any:
        try:
            return get(event)
        except ABSENT:
            return None

    return read
