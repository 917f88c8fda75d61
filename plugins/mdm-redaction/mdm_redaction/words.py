"""Splitting a key into words, whatever its case and separators."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from mdm_redaction.vocabulary import RUN_TOGETHER

_BETWEEN_NAMES = re.compile(r"[^\w\s-]+")
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_NO_LETTERS = re.compile(r"[\W_\d]+")
_LETTER = r"[^\W\d_A-Z]"
# `APIKey` and `APIkey` need different rules for where an acronym ends, and no rule fits both.
# One of these stands in everything that `RUN_TOGETHER` finds.
_PARTS = (
    *(
        "key",
        "code",
        "pass",
        "wor",
        "pwd",
        "pswd",
        "secret",
        "token",
        "author",
        "conn",
        "cookie",
        "cred",
        "csrf",
        "cvv",
    ),
    *("jwt", "seed", "sess", "signature", "xsrf"),
)
_CAMEL = re.compile(rf"[A-Z]+(?!{_LETTER})|[A-Z]?{_LETTER}+|\d+")
_ACRONYM_FIRST = re.compile(rf"[A-Z]{{2,}}|[A-Z]?{_LETTER}+|[A-Z]|\d+")
_ANY_CASE = re.compile(r"[^\W\d_]+|\d+")


def names_in(key: str) -> list[str]:
    """Split a dotted key into its names.

    Args:
        key: A key such as ``client.api_key.len``; brackets, slashes and the like separate as dots do.

    Returns:
        The names, such as ``client``, ``api_key`` and ``len``, without accents and invisible characters.
    """
    return [name for name in _BETWEEN_NAMES.split(_plain(key)) if name]


def normal_form(name: str) -> str:
    """Write a name so that it is the same in any case and with any separators.

    Args:
        name: A name.

    Returns:
        Its letters and digits in lower case.
    """
    return _BETWEEN_WORDS.sub("", _plain(name)).lower()


def letters_of(key: str) -> str:
    """Write a key so that only its letters are left.

    Args:
        key: A key.

    Returns:
        Its letters in lower case, those of all its names in a row.
    """
    return _NO_LETTERS.sub("", _plain(key)).lower()


def readings(name: str) -> Iterator[list[str]]:
    """Read a name as words, the likeliest way first.

    Args:
        name: One name, without dots.

    Yields:
        Words and numbers in lower case; what was run together around a secret word is taken apart.
    """
    seen: list[list[str]] = []
    # In lower case there is but one way.
    for pattern in (_ANY_CASE,) if name.islower() else (_CAMEL, _ACRONYM_FIRST, _ANY_CASE):
        words = [part for word in pattern.findall(name) for part in _taken_apart(word.lower())]
        if words not in seen:
            seen.append(words)
            yield words


@lru_cache(maxsize=4096)
def _taken_apart(word: str) -> list[str]:
    if not any(part in word for part in _PARTS):
        return [word] if word else []
    parts, end = [], 0
    for match in RUN_TOGETHER.finditer(word):
        parts += [word[end : match.start()], match.group()]
        end = match.end()
    return [part for part in (*parts, word[end:]) if part]


@lru_cache(maxsize=64)  # for the same is asked several times in a row
def _plain(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in ("Mn", "Cf"))
