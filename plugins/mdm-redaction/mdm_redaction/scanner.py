"""Looking through texts with many detectors, and putting marks in the place of what they find."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from mdm_redaction.decoding import decoded
from mdm_redaction.detector import SEPARATOR, Detector, same
from mdm_redaction.gate import gate_for
from mdm_redaction.marks import MASK, Mark, has_letter, without_marks
from mdm_redaction.triage import Triage

Detectors: TypeAlias = Sequence[Detector]
_Found: TypeAlias = tuple[int, int, Detector | None]

_LEAST_PLACES = 1600
_CHARACTERS_A_PLACE = 40
_ROUNDS = 3
_LONG = 16_384
# A long text that wakes more detectors is a list of secrets, or made to take long.
_MANY = 60
_SHORTEST = 6
_REPLACED = "\ufffd"


class Scanner:
    """Finds what must not be written in texts. It remembers nothing.

    Texts are looked through together, as one text with separators, because the same work on each would cost more.

    Args:
        groups: What is looked for, in groups that ``gate_for`` takes.
        mark: What stands in the place of something found.
    """

    def __init__(self, groups: Sequence[Detectors], mark: Mark) -> None:
        self._mark = mark
        self._gate = gate_for(groups)
        self._triage = Triage(detector for group in groups for detector in group)

    def is_clean(self, joined: str) -> bool:
        """Tell whether there is nothing to find.

        Args:
            joined: Texts with a separator before and after each.

        Returns:
            False also if a detector failed.
        """
        plain = decoded(joined)
        return self._has_none(joined) and (plain is joined or self._has_none(plain))

    def _has_none(self, joined: str) -> bool:
        detectors = self._triage.of(joined) if self._gate is None else self._gate(joined)
        try:
            return not (detectors and _found(joined, detectors, _Places(len(joined))))
        except Exception:
            return False

    def changed(self, texts: Iterable[str]) -> dict[str, str]:
        """Find what must not be written in texts.

        What comes out is looked through again until nothing more is found, so that a second pass has nothing to do. A
        text in which a detector fails, or that never comes to an end, is replaced as a whole; so are all of them if so
        many places look suspicious that looking at each would take too long, in all rounds together.

        Args:
            texts: The texts.

        Returns:
            What may be written of those that must change.
        """
        now = {text: text for text in texts}
        size = sum(map(len, now))
        long, places = size > _LONG, _Places(size)
        dirty = list(now)
        for _ in range(_ROUNDS):
            self._settle(now, dirty, long, places)
            dirty = self._decode(now, long, places)
            if not dirty:
                break
        now |= dict.fromkeys(dirty, MASK)
        return {text: new for text, new in now.items() if new != text}

    def _settle(self, now: dict[str, str], pending: list[str], long: bool, places: _Places) -> None:
        """Redact texts until nothing more is found in what they have become; long ones only as often as time allows."""
        # A mark brings no literal but its own, so that no other detectors can wake up later.
        detectors = self._triage.of(SEPARATOR.join([*(now[text] for text in pending), self._mark(""), ""]))
        rounds = _ROUNDS if not long else 2 if len(detectors) <= _MANY else 1
        for _ in range(rounds):
            results = self._all({now[text] for text in pending}, detectors, places)
            pending = [text for text in pending if now[text] in results]
            now |= {text: results[now[text]] for text in pending}
            if long:
                now |= {text: MASK for text in pending if decoded(now[text]) is not now[text]}
                pending = [text for text in pending if now[text] != MASK]
            if not pending:
                return
        now |= dict.fromkeys(pending, MASK)

    def _decode(self, now: dict[str, str], long: bool, places: _Places) -> list[str]:
        """Take those texts as they are without encoding that show more to hide then, and say which."""
        plain = {text: decoded(new) for text, new in now.items()}
        encoded = {text: new for text, new in plain.items() if new is not now[text]}
        if not encoded:
            return []
        shown = set(encoded.values())
        found = self._all(shown, self._triage.of(SEPARATOR.join(shown)), places)
        dirty = {text: MASK if long else found[new] for text, new in encoded.items() if new in found}
        now |= dirty
        return [] if long else list(dirty)

    def _all(self, texts: Collection[str], detectors: Detectors, places: _Places) -> dict[str, str]:
        """What becomes of texts that must change."""
        # What separates the texts must not stand in them.
        safe = {text: text.replace(SEPARATOR, _REPLACED) for text in texts}
        results = self._together([*dict.fromkeys(safe.values())], detectors, places)
        return {text: results[now] for text, now in safe.items() if results.get(now, now) != now}

    def _together(self, texts: Sequence[str], detectors: Detectors, places: _Places) -> dict[str, str]:
        joined = SEPARATOR + SEPARATOR.join(texts) + SEPARATOR
        if self._gate is not None:
            detectors = self._gate(joined)
        if not texts or not detectors:
            return {}
        try:
            redacted = self._redacted(joined, detectors, places)[1:-1].split(SEPARATOR)
            return dict(zip(texts, redacted, strict=True))
        except _TooManyPlaces:
            return {text: MASK for text in texts if len(text) >= _SHORTEST}
        except Exception:
            if len(texts) == 1:
                return {texts[0]: MASK}
        half = len(texts) // 2
        return self._together(texts[:half], detectors, places) | self._together(texts[half:], detectors, places)

    def _redacted(self, text: str, detectors: Detectors, places: _Places) -> str:
        found = _found(text, detectors, places)
        if not found:
            return text
        parts, end = [], 0
        for start, stop, detector in _merged(found):
            normal = same if detector is None else detector.normal
            parts += [text[end:start], self._mark(normal(text[start:stop]))]
            end = stop
        return "".join([*parts, text[end:]])


class _Places:
    """How many places there is time to look at."""

    def __init__(self, characters: int) -> None:
        self.left = max(_LEAST_PLACES, characters // _CHARACTERS_A_PLACE)


def _found(text: str, detectors: Detectors, places: _Places) -> list[_Found]:
    unmarked = without_marks(text)
    found: list[_Found] = []
    for detector in detectors:
        for span in detector.find(text):
            places.left -= 1
            if places.left < 0:
                raise _TooManyPlaces
            if span is not None and (unmarked is text or not _is_marked(text, unmarked, *span)):
                found.append((*span, detector))
    return found


def _is_marked(text: str, unmarked: str, start: int, end: int) -> bool:
    """Whether there is a mark in a span, and nothing else that could be hidden."""
    return text[start:end] != unmarked[start:end] and not has_letter(unmarked, start, end)


def _merged(found: list[_Found]) -> list[_Found]:
    """The spans in order; those that overlap become one."""
    found.sort(key=lambda each: (each[0], -each[1]))
    merged = found[:1]
    for start, stop, detector in found[1:]:
        last_start, last_stop, _ = merged[-1]
        if start >= last_stop:
            merged.append((start, stop, detector))
        elif stop > last_stop:
            merged[-1] = (last_start, stop, None)
    return merged


class _TooManyPlaces(Exception):
    pass
