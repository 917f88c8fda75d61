"""Events of 64 KiB that are made to take long: what a careless expression would look at again and again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from mdm_redaction.formats import FORMATS
from mdm_redaction.personal.national import IDS
from mdm_redaction.vocabulary import ANCHORS

SIZE = 65_536
"""Bytes of each event, about."""

PIECES = (
    *(
        "a",
        "A",
        "1",
        "-",
        ".",
        "@",
        "a@",
        "a@a.",
        "+1 ",
        "0",
        "00",
        "(",
        "1.",
        "1.1.",
        "255.",
        "::",
        "a:",
        "f:",
        "f:f:",
    ),
    *("://", "://a:", "://a:b@", "://a@", "eyJ", "eyJa.", "=", ":", '"', "\\", '\\"', "\\u0040", "%40", "%3D", "%25"),
    *("&#64;", "<", "<key>", "<password>a</password>", "--key x ", "--password ", "key=", "key: ", "apikey=", "token="),
    *("token = x ", "password is ", "password=", "pw=", "code is ", "verification code is 123456 ", " at a dot ", "＠"),
    *("a [at] b [dot] ", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "Bearer ", "bearer a1b2c3d4 ", "Basic YTpi "),
    *("$1$", "{SHA}", "Maaaaaaaaaaaaaaaaaaaaaaa.", "+AStA", "8Q~a", "AzFu", "aa-us1", "curl -u a:", "sshpass -p "),
    *("login a password ", 'name="key" value="', "[REDACTED]", "[REDACTED", "[HMAC:", "password=[REDACTED]", "{", "[["),
    *('{"password":1,', "4111111111111111 ", "4111 ", "12345678901234567890", "DE89 3704 ", "GB82 WEST ", "tel: 12"),
    *("call 12345 ", "ssn 123-45-", "id card ", "12345678Z ", "X1234567L,", "123-45-6789 ", "123.456.789-09,"),
    *("AB123456C ", "ABCDEF12A12A123A ", "756.1234.5678.97 ", "1 1 1 ", "1-", "1,", "\x00", "\u200b", "é@", "漢", "😀"),
    *("\n", "  ", "Cookie: ", "cookie: a=b", "authorization: x\n", "192.168.1.1 ", "2001:db8::1 ", "::ffff:1.2.3.4 "),
    *("0171 1234567 ", "(415) 555-2671 ", "06 12 34 56 78 ", "5KJ", "a1B2c3D4e5F6g7H8 ", "token a1b2c3d4e5f6g7h8i9 "),
    *ANCHORS,
    *(known.prefixes[0] + "a1" for known in FORMATS),
)
_WORDS = [
    *ANCHORS,
    *(prefix for known in FORMATS for prefix in known.prefixes),
    *(word for known in IDS for word in known.called),
]


def hostile(r: Random, mixtures: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Make the events.

    Args:
        r: The generator.
        mixtures: How many random mixtures of pieces to add to the repetitions of one.

    Yields:
        What it is, and the event.
    """
    for piece in PIECES:
        yield f"{piece!r} repeated", {"text": (piece * (SIZE // len(piece.encode()) + 1))[:SIZE]}
    for _ in range(mixtures):
        pieces = r.choices(PIECES, k=r.randint(2, 6))
        length = sum(len(piece.encode()) for piece in pieces) / len(pieces)
        yield f"a mixture of {pieces}", {"text": "".join(r.choices(pieces, k=int(SIZE / length)))}
    yield from _shapes()


def _shapes() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "many addresses", {"a": [f"user{i}@x.co" for i in range(4400)]}
    yield "many short texts", {"a": [f"ab{i}" for i in range(7000)]}
    yield "many texts in JSON", {"a": [f'{{"pin":{i}}}' for i in range(4200)]}
    yield "many texts that begin as JSON", {"a": [f'{{"key{i}' for i in range(5500)]}
    yield "many plain keys", {f"k{i}ab": 1 for i in range(6000)}
    yield "many keys that look secret", {f"key{i:x}ab": 1 for i in range(5000)}
    yield "many keys with secrets in them", {f"u{i}@x.co": 1 for i in range(4500)}
    yield "many keys that tell of their value", {"a": [{"phone": f"555{i:04}"} for i in range(2800)]}
    yield "many secret keys", {"a": [{"pin": i} for i in range(4500)]}
    yield "many names and values", {"a": [{"name": "token", "value": f"x{i}"} for i in range(1900)]}
    yield "many large numbers", {"a": [4111111111111111 + i for i in range(3800)]}
    yield "many empty lists", {"a": [[] for _ in range(20_000)]}
    yield "many texts with a NUL", {"a": [f"\x00key={i}" for i in range(5000)]}
    yield "numbers in one text", {"a": ",".join(str(4111111111111111 + i * 10) for i in range(3800))}
    yield "JSON of many secrets", {"a": json.dumps([{"password": "x"}] * 3400)}
    yield "JSON in JSON", {"a": _nested()}
    yield "everything that wakes a detector", {"a": " ".join(_WORDS * (SIZE // len(" ".join(_WORDS)) + 1))[:SIZE]}
    yield "the same, and behind each a key", {"a": " a1B2c3D4e5F6g7H8 ".join(_WORDS * 9)[:SIZE]}
    yield "the same once, and digits", {"a": " ".join(_WORDS) + " 1 2 3 4" * (SIZE // 10)}
    yield "brackets", {"a": "[" * 30_000 + "]" * 30_000}


def _nested() -> str:
    text = '"a"'
    for _ in range(12):
        text = json.dumps([text])
    return text
