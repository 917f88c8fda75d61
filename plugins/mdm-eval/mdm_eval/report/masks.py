"""What was redacted: how often something stands in the place of a value, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import msgspec

from mdm_eval.frame import Packet

KINDS = {"[REDACTED": "mask", "[HMAC:": "token", "[REDACTION FAILED": "redaction failed"}
"""How what stands in the place of something begins, to what it is."""

_BYTES = [mark.encode() for mark in KINDS]
_PARTS = ("input", "external", "mdm")
_MOST_PLACES = 500
_OTHER = "(other places)"


@attrs.frozen
class Masked:
    """A place in packets where values were hidden.

    Attributes:
        place: Dotted path; a list counts as one place.
        kind: ``mask``, ``token`` or ``redaction failed``.
        packets: How many packets have it there.
    """

    place: str
    kind: str
    packets: int


@attrs.frozen
class Masks:
    """What was redacted in the packets of a run.

    Attributes:
        packets: How many packets were looked at.
        touched: How many of them have something hidden.
        places: Where, the most frequent first; after 500 places all others together.
    """

    packets: int
    touched: int
    places: list[Masked]


class MaskCount:
    """Counts what is hidden in packets."""

    def __init__(self) -> None:
        self._packets = self._touched = 0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def watch(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """Look at packets on their way; ``final_action``, which repeats ``mdm``, is left out."""
        for packet in packets:
            self._packets += 1
            text = self._encode([packet[part] for part in _PARTS])
            if any(mark in text for mark in _BYTES):
                self._count(packet)
            yield packet

    def masks(self) -> Masks:
        """Give what was counted."""
        places = [Masked(place, kind, times) for (place, kind), times in self._counts.most_common()]
        return Masks(self._packets, self._touched, places)

    def _count(self, packet: Packet) -> None:
        self._touched += 1
        for found in {found for part in _PARTS for found in _hidden(packet[part], part)}:
            known = found in self._counts or len(self._counts) < _MOST_PLACES
            self._counts[found if known else (_OTHER, found[1])] += 1


def _hidden(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "[" in value:
            yield from ((place, kind) for mark, kind in KINDS.items() if mark in value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _hidden(inner, f"{place}.{key}")
            yield from _hidden(key, f"{place} (name of a field)")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _hidden(inner, place)
