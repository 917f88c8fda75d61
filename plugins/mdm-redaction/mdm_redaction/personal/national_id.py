"""National numbers of persons."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mdm_redaction.detector import Detector, behind_words, by_pattern
from mdm_redaction.personal.national import IDS, NationalId
from mdm_redaction.personal.numbers import is_apart, plain_of

_WITHIN = 40


def national_id_detectors() -> Iterator[Detector]:
    """Make the detectors of national numbers: one for each that needs its name beside it, two for the others."""
    for known in IDS:
        if known.called:
            yield _called_id(known)
    lone = [known for known in IDS if known.alone]
    for letters in (True, False):
        yield _lone_ids(tuple(known for known in lone if known.alone[1].isupper() == letters), letters)


def _called_id(known: NationalId) -> Detector:
    def is_valid(match: re.Match[str]) -> bool:
        return _is_valid(known, match[1])

    called = "|".join(re.escape(word) if word.isupper() else f"(?i:{re.escape(word)})" for word in known.called)
    return Detector(
        "national_id",
        known.name,
        behind_words(
            known.called,
            rf"(?<![A-Za-z])(?:{called})(?![a-z]{{0,2}}\s?\d{{1,4}}\b\s[a-z])[^\x00\n]{{0,28}}?(?<![A-Za-z0-9])((?i:{known.shape}))(?![A-Za-z0-9])",
            is_valid,
            group=1,
            within=_WITHIN,
        ),
        gate=rf"[^A-Za-z](?:{called})[^\x00\n]*[0-9]",
        literals=tuple(word.lower() for word in known.called),
        leading=True,
        normal=plain_of,
    )


def _lone_ids(ids: tuple[NationalId, ...], letters: bool) -> Detector:
    shapes = [(re.compile(known.alone, re.ASCII), known) for known in ids]

    def is_valid(match: re.Match[str]) -> bool:
        if not is_apart(match.string, match.start(), match.end()):
            return False
        return any(shape.fullmatch(match.group()) and _is_valid(known, match.group()) for shape, known in shapes)

    union = "|".join(known.alone for known in ids)
    head = r"(?=[A-Z]{1,6}[ .-]?\d)" if letters else r"(?=\d(?:\d|[ .-]\d\d)(?:[ .+/A-Y-]?\d){4}|[XYZ])"
    return Detector(
        "national_id",
        "without a word beside them: " + ", ".join(known.name for known in ids),
        by_pattern(rf"\b(?<![A-Za-z0-9][-._]){head}(?:{union})(?![A-Za-z0-9])", is_valid),
        gate=rf"[^A-Za-z0-9](?:{union})[^A-Za-z0-9]",
        normal=plain_of,
    )


def _is_valid(known: NationalId, number: str) -> bool:
    try:
        return known.valid(plain_of(number))
    except (ValueError, IndexError, KeyError):
        return False
