"""Numbers of payment cards."""

from __future__ import annotations

import re

from mdm_redaction.checksums import luhn
from mdm_redaction.detector import Detector, by_pattern, words_before
from mdm_redaction.personal.numbers import THINGS, digits_of, is_about, is_apart

CARDS = frozenset(
    "amex american card carta carte cc discover express kreditkarte maestro mastercard pan tarjeta visa".split()
)
"""Words that make a number one of a payment card."""

# First digits, by issuer, to the lengths of its numbers (ISO/IEC 7812 and the issuers' own ranges).
_LENGTHS = {
    "4": (16, 19),
    **dict.fromkeys(map(str, range(51, 56)), (16,)),
    **dict.fromkeys(map(str, range(2221, 2721)), (16,)),
    **dict.fromkeys(("34", "37"), (15,)),
    **dict.fromkeys(("6011", "65", *map(str, range(644, 650))), (16, 19)),
    **dict.fromkeys(map(str, range(3528, 3590)), (16, 19)),
    **dict.fromkeys(("36", "38", "39", *map(str, range(300, 306)), "3095"), (14, 16)),
    **dict.fromkeys(("62", "81"), (16, 17, 18, 19)),
    **dict.fromkeys(("5018", "5020", "5038", "5893", "6304", "6759", "6761", "6762", "6763"), (13, 15, 16, 18, 19)),
    **dict.fromkeys((*map(str, range(2200, 2205)), "9792", "60", "82", "508", "5067", "6277", "6362", "6363"), (16,)),
    **dict.fromkeys(("5060", "5061"), (16, 18, 19)),
}


def _is_card(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    digits = digits_of(match.group())
    if not luhn(digits) or len(set(digits)) < 2 or not is_apart(text, start, end):
        return False
    words = words_before(text, start)
    if not CARDS.isdisjoint(words):
        return True
    return _is_issued(digits) and not is_about(THINGS, words)


def _is_issued(digits: str) -> bool:
    length = len(digits)
    return any(length in _LENGTHS.get(digits[:n], ()) for n in (1, 2, 3, 4))


def card_detectors() -> list[Detector]:
    """Make the detector of payment cards."""
    return [
        Detector(
            "card",
            "numbers of payment cards with a right check digit",
            by_pattern(
                r"[2-689]\d{3}(?:([ \u00a0-]?)\d{4}(?:\1\d{4}){2}(?:\1\d{3})?|([ -])\d{6}\2\d{4,5}"
                r"|([ -])\d{4}\3\d{4}\3\d{3}|\d{9,15})",
                _is_card,
            ),
            gate=r"(?:[^0-9A-Za-z.]|[^0-9A-Za-z]\.)"
            r"(?:[2-689](?:(?:\xc2\xa0|[ -])?[0-9]){13}|(?i:card|visa|pan|cc)[^0-9\x00]*[0-9])",
            normal=digits_of,
        )
    ]
