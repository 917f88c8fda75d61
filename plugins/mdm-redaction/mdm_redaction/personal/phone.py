"""Telephone numbers."""

from __future__ import annotations

import re

from mdm_redaction.detector import Detector, beginning, by_pattern, in_any_case, words_before
from mdm_redaction.personal.numbers import THINGS, digits_of, is_about, is_apart

_PHONES = frozenset("call cell fax handy mob mobile phone ruf rufnummer sms tel telefon telephone whatsapp".split())
_SHORTEST = 9
_CALLED = (
    *("phone", "telephone", "tel", "mobile", "mob", "cell", "fax", "call", "sms", "text", "whatsapp", "signal", "dial"),
    *("ring", "reach(?: me| us)?(?: at| on)?", "contact", "hotline", "handy", "telefon", "telefono", "teléfono"),
    *(
        "téléphone",
        "móvil",
        "movil",
        "portable",
        "celular",
        "rufnummer",
        "mobil",
        "msisdn",
        "telefoon",
        "numer",
        "tfno",
    ),
    *("电话", "電話", "手机"),
)
_SEP = r"(?:[ \u00a0.\-/]| ?\(| ?\) ?| ?- ?|\(0\))"
_NATIONAL = (
    r"\(\d{3}\) ?\d{3}[-. ]\d{4}"
    r"|1[-. ][2-9]\d{2}[-. ][2-9]\d{2}[-. ]\d{4}"
    r"|[2-9]\d{2}([-. ])[2-9]\d{2}\1\d{4}"
    r"|0[1-9](?:[ .-]\d{2}){4}"
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,4}"
    r"|\(0\d{2,4}\) ?\d{3,4}[ -]?\d{3,4}"
    r"|0\d{2,4} ?/ ?\d{4,9}"
    r"|07\d{3} ?\d{6}|07\d{2} \d{3} \d{3,4}"
    r"|0(?:1[567]\d|3[0-9]|4\d{2})[ -]\d{6,8}"
    r"|0\d{1,3}[ /-]\d{5,9}"
    r"|0\d{2,3}[ /-]\d{3}(?:[ -]\d{2,4}){1,2}"
    r"|8 ?\(\d{3}\) ?\d{3}-\d{2}-\d{2}"
    r"|[6789]\d{2}[ ]\d{3}[ ]\d{3}"
    r"|\(\d{2}\) ?9?\d{4}-\d{4}"
)


def _is_international(match: re.Match[str]) -> bool:
    digits = digits_of(match[1])
    if not _has_one_point(match[1]):
        return False
    if not digits.startswith("00"):
        return 8 <= len(digits) <= 15
    text, start = match.string, match.start(1)
    # Without a plus a number of nothing but digits may be any number.
    apart = len(digits) < len(match[1]) or not _PHONES.isdisjoint(words_before(text, start))
    return apart and 10 <= len(digits) <= 17 and is_apart(text, start, match.end(1))


def _has_one_point(number: str) -> bool:
    # `+37.774929` is a coordinate.
    return number.count(".") != 1


def _is_national(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    if len(digits_of(match.group())) < _SHORTEST:
        return False
    return is_apart(text, start, end) and not is_about(THINGS, words_before(text, start))


def _is_told(match: re.Match[str]) -> bool:
    return 7 <= len(digits_of(match[1])) <= 17 and _has_one_point(match[1])


def phone_detectors() -> list[Detector]:
    """Make the detectors of telephone numbers."""
    return [
        Detector(
            "phone",
            "telephone numbers with a country's code: +… or 00…",
            by_pattern(
                rf"(?<![A-Za-z0-9.+])(\+[1-9]\d{{0,2}}(?:{_SEP}?\d){{6,14}}|00[1-9]\d?(?:{_SEP}?\d){{7,13}})"
                r"(?!\d|[.:]\d)",
                _is_international,
                group=1,
            ),
            # Without points, or with two and more.
            gate=r"\+[1-9](?:(?:(?:[ ()/-]|\xc2\xa0)*[0-9]){6}|(?:(?:[ ()/-]|\xc2\xa0|[0-9])*\.){2})"
            r"|[^0-9A-Za-z.+]00[1-9](?:(?:[ .()/-]|\xc2\xa0)*[0-9]){7}",
            literals=("+", "00"),
            normal=digits_of,
        ),
        Detector(
            "phone",
            "telephone numbers as they are written within a country",
            by_pattern(rf"(?<![A-Za-z0-9])(?:{_NATIONAL})(?:(?: ?x|,? ext\.? ?)\d{{1,6}})?", _is_national),
            gate=rf"[^0-9A-Za-z](?:{_NATIONAL.replace(chr(92) + '1', '[-. ]')})",
            normal=digits_of,
        ),
        Detector(
            "phone",
            "numbers beside a word for telephone",
            in_any_case(
                rf"(?:{beginning(_CALLED)})s?+[\s_.-]{{0,2}}+(?:number|num|no|nr|nummer|#|is|was|me|us|at|on|to|:|=)?[\s_.:：=#\"'(-]{{0,4}}+"
                rf"(?:number|num|no|nr|is|at|on)?+[\s.:=#\"'-]{{0,3}}+(\+?\(?\d(?:{_SEP}?\d){{5,14}})(?![\d:]|\.\d)",
                _is_told,
                group=1,
            ),
            gate=rf"[^A-Za-z](?i:{'|'.join(_CALLED)})[^0-9\x00]*[0-9](?:(?:[ .()/-]|\xc2\xa0)*[0-9]){{5}}",
            literals=(
                *(
                    "tel",
                    "phon",
                    "mob",
                    "cell",
                    "fax",
                    "call",
                    "sms",
                    "text",
                    "whatsapp",
                    "signal",
                    "dial",
                    "ring",
                    "reach",
                ),
                *("contact", "hotline", "handy", "tél", "móvil", "movil", "portable", "celular", "rufnummer", "msisdn"),
                *("numer", "tfno", "电话", "電話", "手机"),
            ),
            leading=True,
            normal=digits_of,
        ),
    ]
