"""Telling what a machine drew at random from what a person wrote."""

from __future__ import annotations

import re

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+\Z")
_PLACEHOLDER = re.compile(
    r"null|none|nil|undefined|true|false|n/?a|nan|unset|not[-_ ]?set|empty|(?:your|my)[-_].*|change[-_]?me|example"
    r"|x{3,}|[*•·]+|\.{2,}|-+|_+|\?+|#+|<.*>?|\[.*\]?|\$\{?[A-Za-z_]\w*\}?|\{\{?[^{}]*\}?\}?|%[A-Za-z_]\w*%|%[sdr]|%\(\w*\)s|:[a-z]\w*|@[a-z]\w*",
    re.IGNORECASE,
)
_CLASSES = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))
_LETTER = re.compile("[A-Za-z]")
_DIFFERENT = 8
_LOOKED_AT = 128
_SHORTEST = 16


def looks_random(text: str) -> bool:
    """Tell whether a text looks like a key that a machine drew: long, of mixed characters, and no identifier.

    Args:
        text: A text without spaces.

    Returns:
        False also for a UUID and for plain hexadecimal, which is what most identifiers and hashes are written in.
    """
    if len(text) < _SHORTEST or _UUID.match(text) or _HEX.match(text):
        return False
    return looks_drawn(text) and all(kind.search(text) for kind in _CLASSES)


def looks_drawn(text: str) -> bool:
    """Tell whether a text could have been drawn by a machine, identifiers and hashes included.

    Args:
        text: A text without spaces.
    """
    text = text[:_LOOKED_AT]
    return len(text) >= _SHORTEST and _CLASSES[-1].search(text) is not None and _is_varied(text)


def looks_mixed(text: str) -> bool:
    """Tell whether a text mixes letters and digits as no word does, and is more than a repetition.

    Args:
        text: A text without spaces.
    """
    head = text[:_LOOKED_AT]
    return _CLASSES[-1].search(head) is not None and _LETTER.search(head) is not None and _is_varied(head)


def _is_varied(text: str) -> bool:
    return len(set(text[:_LOOKED_AT])) >= _DIFFERENT


def is_wordlike(text: str) -> bool:
    """Tell whether a text reads as words: letters alone, each word in one case or with a capital first.

    Args:
        text: A text without spaces.
    """
    parts = re.split(r"[-'’./]", text[:_LOOKED_AT])
    return all(part.isalpha() and (part.islower() or part.isupper() or part.istitle()) for part in parts if part)


def is_placeholder(text: str) -> bool:
    """Tell whether a text stands in a secret's place without being one: ``null``, ``***``, ``${PASSWORD}``.

    Args:
        text: What stands in a secret's place.
    """
    return len(text) < _LOOKED_AT and _PLACEHOLDER.fullmatch(text) is not None
