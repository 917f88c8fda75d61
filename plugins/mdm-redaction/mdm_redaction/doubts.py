"""Telling many keys at once that cannot name anything from those that must be looked at one by one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from mdm_redaction.classifier import MAX_KEY
from mdm_redaction.detector import SEPARATOR
from mdm_redaction.vocabulary import any_of
from mdm_redaction.words import letters_of

_NO_LETTERS = bytes(code for code in range(1, 128) if not chr(code).isalpha())
_LEAST = 12_288
_SHARE = 4


class Doubts:
    """Finds the keys that may name a secret, or tell what their value is.

    Args:
        stems: One of them stands in the letters of each such key.
    """

    def __init__(self, stems: Iterable[str]) -> None:
        letters = sorted(set(map(letters_of, stems)))
        self._stem = re.compile(any_of(filter(str.isascii, letters)).encode())

    def harmless(self, keys: Collection[str]) -> set[str]:
        """Give the keys that name nothing.

        Args:
            keys: Keys.
        """
        plain = [key for key in keys if key.isascii() and len(key) <= MAX_KEY]
        letters = SEPARATOR.join(plain).encode().lower().translate(None, _NO_LETTERS).split(SEPARATOR.encode())
        if len(letters) != len(plain):
            return set()
        return {key for key, form in zip(plain, letters, strict=True) if not self._stem.search(form)}

    @staticmethod
    def too_many(doubtful: Iterable[str], size: int) -> set[str]:
        """Give the keys that there is no time to look at.

        Args:
            doubtful: Keys that may name something.
            size: Characters of all keys, those that name nothing included.

        Returns:
            Those behind the first 12,288 characters, or behind the first quarter if that is more.
        """
        left, late = max(_LEAST, size // _SHARE), set()
        for key in doubtful:
            left -= len(key)
            if left < 0:
                late.add(key)
        return late
