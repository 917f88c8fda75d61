"""Telling what a machine drew at random from what a person wrote."""

from __future__ import annotations

import re
from collections import Counter
from math import log2

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+\Z")
_PLACEHOLDER = re.compile(
    r"null|none|nil|undefined|true|false|n/?a|nan|unset|not[-_ ]?set|empty|(?:your|my)[-_].*|change[-_]?me|example"
    r"|x{3,}|[*•·]+|\.{2,}|-+|_+|\?+|#+|<.*>?|\[.*\]?|\$\{?[A-Za-z_]\w*\}?|\{\{?[^{}]*\}?\}?|%\w*%?|:\w+|@\w+",
    re.IGNORECASE,
)
_CLASSES = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
_MIN_BITS = 3.0
_SHORTEST = 16


def entropy(text: str) -> float:
    """Compute the Shannon entropy of a text.

    Args:
        text: The text.

    Returns:
        Bits per character; 0 for an empty text.
    """
    length = len(text)
    return -sum(n / length * log2(n / length) for n in Counter(text).values())


def looks_random(text: str) -> bool:
    """Tell whether a text looks like a key that a machine drew: long, of mixed characters, and no identifier.

    Args:
        text: A text without spaces.

    Returns:
        False also for a UUID and for plain hexadecimal, which is what most identifiers and hashes are written in.
    """
    if len(text) < _SHORTEST or _UUID.match(text) or _HEX.match(text):
        return False
    return looks_drawn(text) and sum(1 for kind in _CLASSES if kind.search(text)) == len(_CLASSES)


def looks_drawn(text: str) -> bool:
    """Tell whether a text could have been drawn by a machine, identifiers and hashes included.

    Args:
        text: A text without spaces.
    """
    return len(text) >= _SHORTEST and any(c.isdigit() for c in text) and entropy(text[:256]) >= _MIN_BITS


def looks_mixed(text: str) -> bool:
    """Tell whether a text mixes letters and digits as no word does, and is more than a repetition.

    Args:
        text: A text without spaces.
    """
    digits = sum(map(str.isdigit, text))
    return 0 < digits < len(text) and entropy(text[:256]) >= _MIN_BITS


def is_wordlike(text: str) -> bool:
    """Tell whether a text reads as words: letters alone, each word in one case or with a capital first.

    Args:
        text: A text without spaces.
    """
    parts = re.split(r"[-'’./]", text)
    return all(part.isalpha() and (part.islower() or part.isupper() or part.istitle()) for part in parts if part)


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands in a secret's place without being one: ``null``, ``***``, ``${PASSWORD}``.

    Args:
        text: What stands in a secret's place.
    """
    return _PLACEHOLDER.fullmatch(text) is not None
