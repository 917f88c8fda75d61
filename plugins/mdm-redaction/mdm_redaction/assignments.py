"""Secrets in text that a name beside them gives away: ``password=…``, ``"apiKey": "…"``, ``--token …``, ``<pin>…``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from mdm_redaction.detector import Detector, Finder, Span, lower_case
from mdm_redaction.randomness import is_placeholder, is_wordlike, looks_random
from mdm_redaction.vocabulary import ANCHORS, ASKING, BOARD_PARTS, COUNTING, NAME_GATE, any_of, of_bytes
from mdm_redaction.words import readings

Hides = Callable[[str], bool]

_OPENING = r"(?:\\{0,63}[\"'`]|%22|%27|&quot;|&#34;)"
_SIGN = (
    rf"(?:{_OPENING}|[\])]){{0,2}}+\s{{0,4}}+"
    r"(?P<sign>=>|:=|=(?!=)|:(?![:/])|%3[ad])(?P<gap>(?:\s|\\[nt]|%20|\+){0,4})"
)
_SIGN_GATE = r"(?:\\*[\"'`]|%2[27]|&quot;|&#34;|[\])])*\s*(?:[=:]|%3[ADad])"
_KEY_GATE = r"(?i:\bkeys?|\bauth|\bpass)(?:\\*[\"'`]|%22)?\s*(?:[=:]|%3[ADad])+>?[\s\"'`\\]*[A-Za-z0-9+/_=.-]{16}"
_QUOTE = re.compile(_OPENING)
_BARE = re.compile(
    r"(?:[^\s\"'`&;<>,%\\\x00]++|%(?!26|22|27|3B|0A)|\\(?![nrt\"'])|[,;](?![\s\x00]|[\w.-]{1,40}(?:[=:]|\Z)|\Z))+"
)
_LONGEST = 4096
_DRAWN = re.compile(r"[A-Za-z0-9+/_~.=-]{16,200}")
_LINE = re.compile(r"[^\r\n\"'\x00]{1,8000}")
_OF_KEYS = re.compile(r"[A-Za-z0-9_. -]*")
_HEADER = re.compile(r"(?:set-?)?cookie\Z|(?:proxy-)?authorization\Z", re.IGNORECASE)
_CODE = re.compile(r"(?:new |await )?[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)*[(\[]?")
_NUMERIC = re.compile(r"[\d.,:%/-]{1,11}\Z")
_COUNTED = re.compile(r"auth|conn|cookie|cred|key|sess|sig|token", re.IGNORECASE)
_FOR_WORDS = re.compile("pass|pw|senha|contrase|wort|secret")
_ENDS = re.compile(r"[ \t]*(?:[\r\n\x00;,|\"'`})\]&]|\\n|\Z)")
_LAST_OF_KEY = 80
_NEW_NAME = (None, None)  # a name that is seen for the first time takes as long as so many other places
_TELLING = ASKING | BOARD_PARTS | COUNTING

_NO_PASSWORDS = frozenset(
    """
    accepted active allowed and any are available bad blank bool boolean bytes cannot changed checked cleared
    compromised
    configured copied correct created deleted denied details disabled does email enabled encrypted error exists expired
    expires failed failure field file for forgot forgotten found from generated good granted has hash hashed hidden
    ignored in incorrect info input int integer invalid is issued it key leaked length locked login long mandatory
    masked match matches mismatch missing must needed never new no none not number ok okay old only optional or pending
    policy present protected provided read received redacted refreshed rejected removed renewed required requires reset
    reused revoked rotated same saved secret secure security see sent set short should skipped stale str string strong
    success successful text the this to too token unchanged unique unknown unsupported update updated use used user
    username valid validated value verified wait wants was weak when will with wrong yes you your
    """.split()
)


def assignment_detectors(hides: Hides, extra: Iterable[str] = ()) -> list[Detector]:
    """Make the detectors that go by names.

    Args:
        hides: Tells of a key whether it names a secret.
        extra: Names that are secret for this user alone.

    Returns:
        The detectors.
    """
    # A name is looked for by its first word; the rest, and whether it is one, the classifier tells.
    own = [words[0] for name in extra for words in [next(readings(name))] if words]
    anchors = (*ANCHORS, *own)
    names = "|".join([NAME_GATE, *(rf"(?i:{of_bytes(word)})[\w.\x80-\xff-]*" for word in own)])
    return [
        Detector(
            "secrets",
            "values assigned to names that are secret, in text",
            _assigned(re.compile(rf"(?P<name>(?:{any_of(anchors)})[\w.-]{{0,40}}+){_SIGN}"), hides),
            rf"(?:{names}){_SIGN_GATE}|{_KEY_GATE}",
            anchors,
        ),
        Detector(
            "secrets",
            "values of command-line flags and elements whose names are secret",
            _flagged(hides),
            rf"(?:[-<\"']|(?:ENV|ARG|setenv)\s+)[\w:.-]*(?:{names})[\s\"'>\\]",
            anchors,
        ),
    ]


def _assigned(assignment: re.Pattern[str], hides: Hides) -> Finder:
    def find(text: str) -> Iterator[Span | None]:
        position, lower = 0, lower_case(text)
        names: set[str] = set()
        while (match := assignment.search(lower, position)) is not None:
            key = _key(text, match)
            if key not in names:
                names.add(key)
                yield from _NEW_NAME
            span = _value(text, match, key, hides)
            yield span
            position = match.end() if span is None else max(span[1], match.end())

    return find


def _value(text: str, match: re.Match[str], key: str, hides: Hides) -> Span | None:
    """The span of what is assigned, if it is a secret by its name and can be one by its form."""
    quote = _QUOTE.match(text, match.end())
    if not _is_secret_name(key, hides):
        return _random_value(text, match, quote) if _is_bare_key(key) else None
    if quote is not None:
        start, end = _quoted(text, quote)
        fits = end > start and not is_placeholder(text[start:end]) and _may_be_digits(key, text[start:end])
        return (start, end) if fits else None
    if match["sign"] == ":" and _HEADER.search(key):
        line = _LINE.match(text, match.end())
        return line.span() if line is not None and _is_header(line.group().split()) else None
    found = _BARE.match(text, match.end(), match.end() + _LONGEST)
    if found is None:
        return None
    start, end = found.start(), found.start() + len(found.group().rstrip(" \t.,:;!?)]}"))
    return (start, end) if _fits(text, key, match, start, end) else None


def _key(text: str, match: re.Match[str]) -> str:
    """The name that is assigned to, with up to two words before it."""
    # Backwards, for a regular expression can only be anchored where it begins, and rstrip takes its time.
    before = text[max(0, match.start() - _LAST_OF_KEY) : match.start()][::-1]
    last = before[: _OF_KEYS.match(before).end()].split(" ", 3)[:3]  # type: ignore[union-attr]
    return " ".join(last)[::-1] + text[match.start() : match.end("name")]


def _is_secret_name(key: str, hides: Hides) -> bool:
    words = key.split(" ")
    if hides(words[-1]):
        # `output pin: 4` and `total tokens: 7` are no secrets, as the keys output_pin and total_tokens are none.
        counted = len(words) > 1 and words[-2].lower() in _TELLING
        return not counted or hides(f"{words[-2]}_{words[-1]}")
    # `api key: …`
    return words[-1].isalpha() and any(hides("_".join(words[-n:])) for n in range(2, len(words) + 1))


def _is_bare_key(key: str) -> bool:
    return key.rpartition(" ")[2].lower() in ("key", "keys", "auth", "pass")


def _random_value(text: str, match: re.Match[str], quote: re.Match[str] | None) -> Span | None:
    found = _DRAWN.match(text, match.end() if quote is None else quote.end())
    return found.span() if found is not None and looks_random(found.group()) else None


def _quoted(text: str, quote: re.Match[str]) -> Span:
    start, opening = quote.end(), quote.group()
    if opening[-1] in "\"'`" and len(opening) == 1:
        closing = re.compile(rf"(?<!\\)(?:\\\\)*{opening}|\x00")
    else:
        closing = re.compile(re.escape(opening) + r"|\x00")
    limit = start + _LONGEST
    end = closing.search(text, start, limit)
    if end is None:
        return start, min(limit, len(text))
    return start, end.end() - (0 if end.group() == "\x00" else len(opening)) - (end.group() == "\x00")


def _fits(text: str, key: str, match: re.Match[str], start: int, end: int) -> bool:
    value = text[start:end]
    if not value or is_placeholder(value) or not _may_be_digits(key, value):
        return False
    if _is_code(value, bool(match["gap"])) and (match["gap"] or match["sign"] != ":"):
        return False
    if not match["gap"] and match["sign"] != ":":
        return True
    if not is_wordlike(value.strip("()[]{}")):
        return True
    if value.lower() in _NO_PASSWORDS or not _FOR_WORDS.search(key.lower()):
        return False
    return _ENDS.match(text, end) is not None


def _is_header(words: list[str]) -> bool:
    return not all(map(is_wordlike, words)) and not any(map(is_placeholder, words[:2]))


def _is_code(value: str, apart: bool) -> bool:
    """Whether a value is a call or an attribute: ``get_token(``, and ``self.token`` if it stands apart."""
    found = _CODE.match(value)
    if found is None:
        return False
    return found.group().endswith(("(", "[")) or (apart and found.end() == len(value) and "." in value)


def _may_be_digits(key: str, value: str) -> bool:
    return _NUMERIC.match(value) is None or _COUNTED.search(key.rpartition(" ")[2]) is None


_FLAG = re.compile(r"(?<![\w-])--?([A-Za-z][\w-]{1,50})[ \t]{1,3}([\"']?)([^\s\x00\"'-][^\s\x00\"']{0,500})")
_SET = re.compile(r"\b(?:ENV|ARG|setenv)[ \t]{1,3}(\w{1,60})[ \t]{1,3}([^\s\x00\"']{1,500})")
_ELEMENT = re.compile(r"<([\w:.-]{1,60})(?:\s[^<>\x00]{0,200})?>([^<>\x00]{1,2000})</")
_Q = r"\\{0,63}[\"']"
_IS = rf"(?:{_Q})?\s{{0,2}}[:=]\s{{0,2}}{_Q}"
_NAMED = rf"\b(?:name|key|id|header|field|param|variable|label){_IS}(?P<name>[\w. -]{{1,60}}){_Q}"
_VALUED = rf"\b(?:value|val|content|data){_IS}(?P<value>[^\"'\x00]{{0,999}}[^\"'\\\x00])"
_NAME_FIRST = re.compile(rf"{_NAMED}[^<>\x00]{{0,80}}?{_VALUED}")
_VALUE_FIRST = re.compile(rf"{_VALUED}{_Q}[\s,;]{{0,4}}(?:{_Q})?{_NAMED}")


def _flagged(hides: Hides) -> Finder:
    def find(text: str) -> Iterator[Span | None]:
        for literal, pattern, group in (
            ("-", _FLAG, 3),
            ("</", _ELEMENT, 2),
            (" ", _SET, 2),
        ):
            if literal not in text:
                continue
            for match in pattern.finditer(text):
                secret = hides(match[1]) and not is_placeholder(match[group])
                yield match.span(group) if secret else None
        if "val" in text or "content" in text or "data" in text:
            yield from _pairs(text, hides)

    return find


def _pairs(text: str, hides: Hides) -> Iterator[Span | None]:
    """What stands beside its name: ``name="pin" value="…"``, ``"value": "…", "name": "pin"``."""
    for pattern in (_NAME_FIRST, _VALUE_FIRST):
        for match in pattern.finditer(text):
            secret = hides(match["name"]) and not is_placeholder(match["value"])
            yield match.span("value") if secret else None
