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

_STARTS = (b"[REDACT", b"[HMAC:")
_PARTS = ("input", "external", "mdm")
_MOST_PLACES, _MOST_NAMES = 500, 10_000
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
        self._clean: set[str] = set()
        self._encode = msgspec.msgpack.Encoder().encode

    def watch(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        """Look at packets on their way; ``final_action``, which repeats ``mdm``, is left out."""
        for packet in packets:
            self._packets += 1
            if self._may_hide(packet):
                self._count(packet)
            yield packet

    def masks(self) -> Masks:
        """Give what was counted."""
        places = [Masked(place, kind, times) for (place, kind), times in self._counts.most_common()]
        return Masks(self._packets, self._touched, places)

    def _may_hide(self, packet: Packet) -> bool:
        """Look for marks in the packet's bytes, which is several times faster than walking through it."""
        try:
            text = self._encode((packet["input"], packet["external"], packet["mdm"]))
        except (TypeError, ValueError, OverflowError):  # such as an integer of more than 64 bits
            return True
        return any(start in text for start in _STARTS)

    def _count(self, packet: Packet) -> None:
        hidden: set[tuple[str, str]] = set()
        for part in _PARTS:
            self._look(packet[part], part, hidden)
        self._touched += bool(hidden)
        for found in hidden:
            known = found in self._counts or len(self._counts) < _MOST_PLACES
            self._counts[found if known else (_OTHER, found[1])] += 1

    def _look(self, value: Any, place: str, hidden: set[tuple[str, str]]) -> None:
        kind = type(value)
        if kind is str:
            if "[" in value:
                hidden.update((place, kind) for mark, kind in KINDS.items() if mark in value)
        elif kind is dict:
            if not value.keys() <= self._clean:
                self._look_at_names(value, place, hidden)
            for key, inner in value.items():
                kind = type(inner)
                if kind is dict or kind is list or (kind is str and "[" in inner):
                    self._look(inner, f"{place}.{key}", hidden)
        elif kind is list:
            for inner in value:
                self._look(inner, place, hidden)

    def _look_at_names(self, value: Mapping[str, Any], place: str, hidden: set[tuple[str, str]]) -> None:
        for key in value.keys() - self._clean:
            if "[" in key:
                self._look(key, f"{place} (name of a field)", hidden)
            elif len(self._clean) < _MOST_NAMES:
                self._clean.add(key)
