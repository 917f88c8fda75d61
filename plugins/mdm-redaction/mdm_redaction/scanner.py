"""Looking through texts with many detectors, and putting marks in the place of what they find."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from mdm_redaction.detector import SEPARATOR, Detector, same
from mdm_redaction.gate import gate_for
from mdm_redaction.marks import MASK, Mark, has_letter, without_marks

_Found: TypeAlias = tuple[int, int, Detector | None]

_LEAST_PLACES = 2000
_CHARACTERS_A_PLACE = 16
_ROUNDS = 3


class Scanner:
    """Finds what must not be written in texts. It remembers nothing.

    Texts are looked through together, as one text with separators, because the same work on each would cost more.

    Args:
        detectors: What is looked for.
        mark: What stands in the place of something found.
    """

    def __init__(self, detectors: Iterable[Detector], mark: Mark) -> None:
        self._detectors = tuple(detectors)
        self._mark = mark
        self._gate = gate_for(self._detectors)

    def is_clean(self, joined: str) -> bool:
        """Tell whether there is nothing to find.

        Args:
            joined: Texts with a separator before and after each.

        Returns:
            False also if a detector failed.
        """
        if self._gate is not None and not self._gate(joined):
            return True
        try:
            return not self._found(joined)
        except Exception:
            return False

    def changed(self, texts: Iterable[str]) -> dict[str, str]:
        """Find what must not be written in texts.

        What comes out is looked through again until nothing more is found, so that a second pass has nothing to do. A
        text in which a detector fails, or that never comes to an end, is replaced as a whole; so are all of them if so
        many places look suspicious that looking at each would take too long.

        Args:
            texts: The texts.

        Returns:
            What may be written of those that must change.
        """
        now = {text: text for text in texts}
        pending = list(now)
        for _ in range(_ROUNDS):
            results = self._all({now[text] for text in pending})
            pending = [text for text in pending if results.get(now[text], now[text]) != now[text]]
            now |= {text: results[now[text]] for text in pending}
            if not pending:
                break
        now |= dict.fromkeys(pending, MASK)
        return {text: new for text, new in now.items() if new != text}

    def _all(self, texts: Collection[str]) -> dict[str, str]:
        together = [text for text in texts if SEPARATOR not in text]
        results = self._together(together)
        results |= {text: self._alone(text) for text in texts if SEPARATOR in text}
        return results

    def _together(self, texts: Sequence[str]) -> dict[str, str]:
        joined = SEPARATOR + SEPARATOR.join(texts) + SEPARATOR
        if not texts or (self._gate is not None and not self._gate(joined)):
            return {}
        try:
            redacted = self._redacted(joined)[1:-1].split(SEPARATOR)
            return dict(zip(texts, redacted, strict=True))
        except _TooManyPlaces:
            return dict.fromkeys(texts, MASK)
        except Exception:
            if len(texts) == 1:
                return {texts[0]: MASK}
        half = len(texts) // 2
        return self._together(texts[:half]) | self._together(texts[half:])

    def _alone(self, text: str) -> str:
        try:
            return self._redacted(text)
        except Exception:
            return MASK

    def _redacted(self, text: str) -> str:
        found = self._found(text)
        if not found:
            return text
        parts, end = [], 0
        for start, stop, detector in _merged(found):
            normal = same if detector is None else detector.normal
            parts += [text[end:start], self._mark(normal(text[start:stop]))]
            end = stop
        return "".join([*parts, text[end:]])

    def _found(self, text: str) -> list[_Found]:
        lower, unmarked = text.lower(), without_marks(text)
        found: list[_Found] = []
        places = max(_LEAST_PLACES, len(text) // _CHARACTERS_A_PLACE)
        for detector in self._detectors:
            if detector.literals and not any(literal in lower for literal in detector.literals):
                continue
            for span in detector.find(text):
                places -= 1
                if places < 0:
                    raise _TooManyPlaces
                if span is not None and (unmarked is text or has_letter(unmarked, *span)):
                    found.append((*span, detector))
        return found


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
