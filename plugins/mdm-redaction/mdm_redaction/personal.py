"""Detectors of personal data, by kind."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator

from mdm_redaction.checksums import luhn, mod97
from mdm_redaction.detector import Detector, Span, begins, by_pattern, words_before
from mdm_redaction.national import IDS, NationalId

KINDS = ("email", "phone", "card", "iban", "ip", "national_id")
"""The kinds of personal data that can be switched on."""

_LETTERS = "\u00c0-\u024f\u0370-\u1fff\u3040-\u9fff\uac00-\ud7a3"
_LABEL = rf"[A-Za-z0-9{_LETTERS}-]{{1,63}}+"
_DOT = r"(?:\.| ?[\[({](?:dot|DOT)[\])}] ?| (?:DOT|dot) )"
_DOTS = re.compile(_DOT)
_DOMAIN = re.compile(
    rf"(?:@| ?[\[({{](?:at|AT)[\])}}] ?| (?:AT|at) (?=[\w-]{{1,40}} (?:DOT|dot) ))"
    rf"{_LABEL}(?:{_DOT}{_LABEL}){{1,8}}+",
    re.ASCII,
)
_NAME_REVERSED = re.compile(r"[\w.+'&=*%-]{1,64}|\"[^\"\s\x00]{1,62}\"")
_LONGEST_NAME = 64
_TOP = re.compile(rf"(?:xn--[a-z0-9-]{{2,40}}|[A-Za-z{_LETTERS}]{{2,24}})(?![A-Za-z0-9{_LETTERS}])")
_HOSTLY = frozenset("git hg svn".split())
_NO_DOMAINS = frozenset(
    """
    avif bmp bz2 c cfg conf cpp css csv dll exe gif go gz h html ico ini jar java jpeg jpg js json jsx kt lock log lua
    map md mount mp3 mp4 o path pdf php png py rb rs scss service sh slice so socket sql svg swap swift tar target timer
    toml ts tsx txt vue war webp whl xml yaml yml zip
    """.split()
)

_CARD_LENGTHS = {
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
_IBAN_LENGTHS = dict(
    pair.split(":")
    for pair in (
        "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DJ:27 "
        "DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HN:28 HR:21 HU:28 "
        "IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 "
        "MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24 "
        "SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30"
    ).split()
)
_VERSIONS = frozenset(
    """
    build chapter chrome chromium clause dotnet driver edge fig figure firefox firmware kernel oid opera python release
    rev revision safari sec sect section table v ver version §
    """.split()
)
_ORDERS = frozenset(
    """
    article batch case commit ean epoch event gtin hash id imei invoice isbn item lot order parcel part po product ref
    reference request serial session sha shipment sku ticket timestamp trace tracking transaction ts upc uuid #
    """.split()
)
_NUMBERS = frozenset("code id no nr num number".split())
_CARDS = frozenset("amex american card carta carte cc discover express kreditkarte maestro mastercard pan tarjeta visa".split())
_PHONES = frozenset("call cell fax handy mob mobile phone ruf rufnummer sms tel telefon telephone whatsapp".split())


def digits_of(text: str) -> str:
    """Give the digits of a text alone."""
    return "".join(filter(str.isdigit, text))


def plain_of(text: str) -> str:
    """Give the letters and digits of a text alone, in upper case."""
    return "".join(filter(str.isalnum, text)).upper()


def lower_of(text: str) -> str:
    """Give an e-mail address in lower case and as it is written without encoding."""
    return text.lower().replace("%40", "@").replace("%2e", ".").replace("\\u0040", "@")


def _is_about(things: frozenset[str], words: list[str]) -> bool:
    """Whether the words before a number say that it is that of a thing, such as ``order no``."""
    if words and words[-1] in things:
        return True
    return len(words) > 1 and words[-1] in _NUMBERS and words[-2] in things


def _is_apart(text: str, start: int, end: int) -> bool:
    """Whether a number is neither the continuation nor the beginning of a longer one."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return (
        begins(text, start)
        and not (before[-1:] in ("-", ".", "_", "/", ",") and before[:1].isalnum())
        and not after[:1].isalnum()
        and not (after[:1] in ("-", ".", "_", "/", ",") and after[1:].isdigit())
    )


def _emails(text: str) -> Iterator[Span | None]:
    for match in _DOMAIN.finditer(text):
        yield _email_span(text, match)


def _email_span(text: str, match: re.Match[str]) -> Span | None:
    at, end = match.span()
    name = _NAME_REVERSED.match(text[max(0, at - _LONGEST_NAME) : at][::-1])
    if name is None or not any(map(str.isalnum, name.group())):
        return None
    start = at - name.end()
    stop = _end_of_domain(text[at:end])
    if stop is None or name.group()[::-1].lower() in _HOSTLY or text[start - 3 : start] == "://":
        return None
    return start, at + stop


def _end_of_domain(domain: str) -> int | None:
    """Where a domain ends with a top level; None if it does nowhere."""
    for dot in reversed([*_DOTS.finditer(domain)]):
        top = _TOP.match(domain, dot.end())
        if top is not None:
            return None if top.group().lower() in _NO_DOMAINS else top.end()
    return None


def _is_international(match: re.Match[str]) -> bool:
    digits = digits_of(match[1])
    if not _has_one_point(match[1]):
        return False
    if not digits.startswith("00"):
        return 8 <= len(digits) <= 15
    text, start = match.string, match.start(1)
    # Without a plus a number of nothing but digits may be any number.
    apart = len(digits) < len(match[1]) or not _PHONES.isdisjoint(words_before(text, start))
    return apart and 10 <= len(digits) <= 17 and _is_apart(text, start, match.end(1))


def _has_one_point(number: str) -> bool:
    # `+37.774929` is a coordinate.
    return number.count(".") != 1


def _is_national(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    return _is_apart(text, start, end) and not _is_about(_ORDERS, words_before(text, start))


def _is_told_phone(match: re.Match[str]) -> bool:
    return 6 <= len(digits_of(match[1])) <= 17 and _has_one_point(match[1])


def _is_card(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    digits = digits_of(match.group())
    if not luhn(digits) or len(set(digits)) < 2 or not _is_apart(text, start, end):
        return False
    words = words_before(text, start)
    if not _CARDS.isdisjoint(words):
        return True
    return _is_issued(digits) and not _is_about(_ORDERS, words)


def _is_issued(digits: str) -> bool:
    length = len(digits)
    return any(length in _CARD_LENGTHS.get(digits[:n], ()) for n in (1, 2, 3, 4))


def _ibans(text: str) -> Iterator[tuple[int, int] | None]:
    for match in _IBAN.finditer(text):
        yield _iban_span(match)


def _iban_span(match: re.Match[str]) -> tuple[int, int] | None:
    """The first characters of a match that make an IBAN of its country's length."""
    length = _IBAN_LENGTHS.get(match.group()[:2].upper())
    if length is None or not begins(match.string, match.start()):
        return None
    left = int(length)
    for position, character in enumerate(match.group()):
        left -= character.isalnum()
        if not left:
            end = match.start() + position + 1
            plain = plain_of(match.group()[: position + 1])
            follows = match.string[end : end + 1]
            return (match.start(), end) if mod97(plain) and not follows.isalnum() else None
    return None


_IBAN = re.compile(r"[A-Za-z]{2}\d{2}(?:(?:[ \u00a0-]|%20)?[A-Za-z0-9]){11,30}", re.ASCII)


def _is_ipv4(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    parts = match.group().split(".")
    if not all(part == str(int(part)) and int(part) < 256 for part in parts) or not begins(text, start):
        return False
    before, after = text[start - 1 : start], text[end : end + 2]
    if before in (".", "-") or after[:1].isalnum() or (after[:1] in ".-" and after[1:].isdigit()):
        return False
    if match.group().endswith(".0.0") or parts[0] in ("0", "127", "255"):
        return False
    return not _is_about(_VERSIONS, words_before(text, start))


def _is_ipv6(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    address = match.group()
    after = text[end : end + 1]
    if not begins(text, start) or text[start - 1 : start] in (":", ".") or after.isalnum() or after == ":":
        return False
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return len(address) > 4 and any(c.isdigit() for c in address) and not parsed.is_loopback


_CALLED = (
    r"(?:phone|telephone|tel|mobile|mob|cell|fax|call|sms|text|whatsapp|signal|dial|ring|reach(?: me| us)?(?: at| on)?|"
    r"contact|hotline|handy|telefon|telefono|teléfono|téléphone|móvil|movil|portable|celular|rufnummer|mobil|msisdn|"
    r"telefoon|numer|tfno|电话|電話|手机)"
)
_PLUS = r"(?:\+|%2B|\\u002b|＋)"
_SEP = r"(?:[ \u00a0.\-/]|%20| ?\(| ?\) ?| ?- ?|\(0\))"
_NATIONAL_PHONES = (
    r"\(\d{3}\) ?\d{3}[-. ]\d{4}"
    r"|1[-. ][2-9]\d{2}[-. ][2-9]\d{2}[-. ]\d{4}"
    r"|[2-9]\d{2}([-. ])[2-9]\d{2}\1\d{4}"
    r"|0[1-9](?:[ .-]\d{2}){4}"
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,4}"
    r"|\(0\d{2,4}\) ?\d{3,4}[ -]?\d{3,4}"
    r"|0\d{2,4} ?/ ?\d{4,9}"
    r"|07\d{3} ?\d{6}|07\d{2} \d{3} \d{3,4}"
    r"|0(?:1[567]\d|3[0-9]|4\d{2})[ -]\d{6,8}"
    r"|[6789]\d{2}[ ]\d{3}[ ]\d{3}"
    r"|\(\d{2}\) ?9?\d{4}-\d{4}"
)



def _email() -> Iterator[Detector]:
    yield Detector(
        "email",
        "e-mail addresses, also with %40, [at] and international names",
        _emails,
        gate=r"(?:@|%40|\\u0040|＠|&#64;|[\[({](?i:at)[\])}] ?| (?i:at) )[A-Za-z0-9\x80-\xff-]+(?:\.|%2E| ?[\[({](?i:dot)| (?i:dot) )",
        literals=("@", "%40", "\\u0040", "＠", "&#64;", "at]", "at)", "at}", " dot "),
        normal=lower_of,
    )


def _phone() -> Iterator[Detector]:
    yield Detector(
        "phone",
        "telephone numbers with a country's code: +… or 00…",
        by_pattern(
            rf"(?<![A-Za-z0-9.+])({_PLUS}[1-9]\d{{0,2}}(?:{_SEP}?\d){{6,14}}|00[1-9]\d?(?:{_SEP}?\d){{7,13}})(?!\d|[.:]\d)",
            _is_international,
            group=1,
        ),
        gate=r"(?:\+|%2B|\\u002b|＋)[1-9](?:(?:[ .()/-]|\xc2\xa0|%20)*[0-9]){6}|(?:^|[^0-9A-Za-z.+])00[1-9](?:(?:[ .()/-]|\xc2\xa0|%20)*[0-9]){7}",
        literals=("+", "%2b", "\\u002b", "＋", "00"),
        normal=digits_of,
    )
    yield Detector(
        "phone",
        "telephone numbers as they are written within a country",
        by_pattern(rf"(?:{_NATIONAL_PHONES})(?:(?: ?x|,? ext\.? ?)\d{{1,6}})?", _is_national),
        gate=rf"(?:^|[^0-9A-Za-z])(?:{_NATIONAL_PHONES.replace(chr(92) + '1', '[-. ]')})",
        normal=digits_of,
    )
    yield Detector(
        "phone",
        "numbers beside a word for telephone",
        by_pattern(
            rf"\b{_CALLED}s?[\s_.-]{{0,2}}(?:number|num|no|nr|nummer|#|is|was|me|us|at|on|to|:|=)?[\s_.:=#\"'(-]{{0,4}}"
            rf"(?:number|num|no|nr|is|at|on)?[\s.:=#\"'-]{{0,3}}(\+?\(?\d(?:{_SEP}?\d){{5,14}})(?![\d:]|\.\d)",
            _is_told_phone,
            group=1,
            flags=re.IGNORECASE,
        ),
        gate=rf"\b(?i:{_CALLED})[^0-9\x00]*[0-9](?:(?:[ .()/-]|\xc2\xa0|%20)*[0-9]){{5}}",
        literals=("tel", "phon", "mob", "cell", "fax", "call", "sms", "text", "whatsapp", "signal", "dial", "ring")
        + ("reach", "contact", "hotline", "handy", "tél", "móvil", "movil", "portable", "celular", "rufnummer")
        + ("msisdn", "numer", "tfno", "电话", "電話", "手机"),
        leading=True,
        normal=digits_of,
    )


def _card() -> Iterator[Detector]:
    yield Detector(
        "card",
        "numbers of payment cards with a right check digit",
        by_pattern(r"[2-689]\d{3}(?:([ \u00a0-]?)\d{4}(?:\1\d{4}){2}(?:\1\d{3})?|([ -])\d{6}\2\d{4,5}|\d{9,15})", _is_card),
        gate=r"(?:^|[^0-9A-Za-z.])[2-689][0-9]{3}(?:(?:\xc2\xa0|[ -])?[0-9]){9}",
        normal=digits_of,
    )


def _iban() -> Iterator[Detector]:
    yield Detector(
        "iban",
        "IBANs of the right length with a right check number",
        _ibans,
        gate=rf"(?:^|[^A-Za-z0-9]|%[0-9A-F][0-9A-F]|\\[nrt])(?i:{'|'.join(_IBAN_LENGTHS)})[0-9][0-9]"
        r"(?:(?:[ -]|\xc2\xa0|%20)?[A-Za-z0-9]){11}",
        normal=plain_of,
    )


def _ip() -> Iterator[Detector]:
    yield Detector(
        "ip",
        "IPv4 addresses, but those of networks and of the machine itself",
        by_pattern(r"\d{1,3}(?:\.\d{1,3}){3}", _is_ipv4),
        gate=r"(?:^|[^0-9.])[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    )
    yield Detector(
        "ip",
        "IPv6 addresses",
        by_pattern(
            r"(?:[0-9A-Fa-f]{1,4}:){2,7}(?::[0-9A-Fa-f]{1,4}){0,6}(?:(?:(?<=:)|:)(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4}|:)?"
            r"|[0-9A-Fa-f]{1,4}::(?:[0-9A-Fa-f]{1,4}:){0,6}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4})?"
            r"|::(?:ffff:|FFFF:)(?:\d{1,3}\.){3}\d{1,3}",
            _is_ipv6,
        ),
        gate=r"[0-9A-Fa-f]:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]|[0-9A-Fa-f]::|::[0-9A-Fa-f]|:[0-9A-Fa-f]+::",
        literals=(":",),
    )


def _national() -> Iterator[Detector]:
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
        by_pattern(
            rf"(?<![A-Za-z])(?:{called})(?![a-z]{{0,2}}\s?\d{{1,4}}\b\s[a-z])[^\x00\n]{{0,28}}?(?<![A-Za-z0-9])((?i:{known.shape}))(?![A-Za-z0-9])",
            is_valid,
            group=1,
        ),
        gate=rf"(?:{called})[^\x00\n]*?(?:{known.shape})",
        literals=tuple(word.lower() for word in known.called),
        leading=True,
        normal=plain_of,
    )


def _lone_ids(ids: tuple[NationalId, ...], letters: bool) -> Detector:
    shapes = [(re.compile(known.alone, re.ASCII), known) for known in ids]

    def is_valid(match: re.Match[str]) -> bool:
        if not _is_apart(match.string, match.start(), match.end()):
            return False
        return any(shape.fullmatch(match.group()) and _is_valid(known, match.group()) for shape, known in shapes)

    union = "|".join(known.alone for known in ids)
    head = r"(?=[A-Z]{1,6}[ .-]?\d)" if letters else r"(?=\d(?:[ .+/A-Y-]?\d){6}|[XYZ])"
    return Detector(
        "national_id",
        "without a word beside them: " + ", ".join(known.name for known in ids),
        by_pattern(rf"\b{head}(?:{union})(?![A-Za-z0-9])", is_valid),
        gate=rf"(?:^|[^A-Za-z0-9]|%[0-9A-F][0-9A-F]|\\[nrt])(?:{union})",
        normal=plain_of,
    )


def _is_valid(known: NationalId, number: str) -> bool:
    try:
        return known.valid(plain_of(number))
    except (ValueError, IndexError, KeyError):
        return False


_DETECTORS: dict[str, Callable[[], Iterator[Detector]]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "ip": _ip,
    "national_id": _national,
}


def personal_detectors(kinds: Collection[str]) -> list[Detector]:
    """Make the detectors of kinds of personal data.

    Args:
        kinds: Of ``KINDS``.

    Returns:
        The detectors.
    """
    return [detector for kind in KINDS if kind in kinds for detector in _DETECTORS[kind]()]
