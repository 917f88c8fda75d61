"""Deciding by its words whether a key names a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import pairwise
from typing import Any

from mdm_redaction.vocabulary import (
    ABOUT,
    ASKING,
    BOARD_PARTS,
    CARRIERS,
    COUNTING,
    SECRET,
    SECRET_ALONE,
    SECRET_AT_END,
    STEM,
)
from mdm_redaction.words import letters_of, names_in, normal_form, readings

MAX_KEY = 512
"""Longest key, in characters, that is looked at; a longer one is no name, and what it holds is hidden."""

_REMEMBERED = 16_384
_SHORTEST_PART = 4


class Classifier:
    """Tells whether a key names a secret.

    Args:
        extra: Names that are secret too; each is found wherever its words follow one another in a key.
        keep: Names that are never secret, whatever their words; in a dotted key the other names still count.
    """

    def __init__(self, extra: Iterable[str] = (), keep: Iterable[str] = ()) -> None:
        self._extra = frozenset(map(normal_form, extra))
        self._longest = max((len(form) for form in self._extra), default=0)
        self._keep = frozenset(tuple(map(normal_form, names_in(key))) for key in keep)

    def __call__(self, key: object) -> bool:
        """Tell whether what stands under a key must be hidden.

        Args:
            key: The key; one that is no text is read as the text that would be written for it.

        Returns:
            True for a key that names a secret, and for one that cannot be read.
        """
        text = _text_of(key)
        if text is None or len(text) > MAX_KEY:
            return True
        if not self._can_be_secret(text):
            return False
        names = self._without_kept(names_in(text))
        doubtful = names if len(names) == 1 else filter(self._can_be_secret, names)
        return any(map(self._is_secret, doubtful)) or (len(names) > 1 and _spelled_across(names))

    def _can_be_secret(self, text: str) -> bool:
        if STEM.search(letters_of(text)):
            return True
        return bool(self._extra) and any(form in normal_form(text) for form in self._extra)

    def _without_kept(self, names: list[str]) -> list[str]:
        if not self._keep:
            return names
        forms = list(map(normal_form, names))
        kept: set[int] = set()
        for start in range(len(names)):
            for path in self._keep:
                if tuple(forms[start : start + len(path)]) == path:
                    kept.update(range(start, start + len(path)))
        # An empty name in the place of a kept one, so that its neighbours are not read as one.
        return ["" if position in kept else name for position, name in enumerate(names)]

    def _is_secret(self, name: str) -> bool:
        ways: Iterable[list[str]] = filter(None, readings(name))
        if self._extra:
            ways = list(ways)
            if any(map(self._has_extra, ways)):
                return True
        return next((verdict for words in ways if (verdict := _verdict(words)) is not None), False)

    def _has_extra(self, words: Sequence[str]) -> bool:
        return not self._extra.isdisjoint(self._runs(words)) or any(map(self._is_part, words))

    def _runs(self, words: Sequence[str]) -> Iterator[str]:
        for start in range(len(words)):
            run = ""
            for word in words[start:]:
                run += word
                if len(run) > self._longest:
                    break
                yield run

    def _is_part(self, word: str) -> bool:
        forms = (form for form in self._extra if len(form) >= _SHORTEST_PART)
        return any(word.startswith(form) or word.endswith(form) for form in forms)


class Verdicts(dict[Any, bool]):
    """What a classifier said of each key, remembered in bounded memory.

    Args:
        classify: The classifier.
    """

    def __init__(self, classify: Callable[[object], bool]) -> None:
        self._classify = classify

    def __missing__(self, key: object) -> bool:
        verdict = self._classify(key)
        if type(key) is str and len(key) <= MAX_KEY:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[key] = verdict
        return verdict


def _text_of(key: object) -> str | None:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    try:
        return key.decode("latin-1") if isinstance(key, bytes) else str(key)
    except Exception:
        return None


def _verdict(words: Sequence[str]) -> bool | None:
    """True for a secret, False for what only tells of one, None where there is none."""
    words = [word for word in words if not word.isdecimal()]
    secrets = set(_secrets(words))
    if not secrets:
        return None
    if words[-1] in ABOUT or not ASKING.isdisjoint(words):
        return False
    return secrets != {"tokens"} or COUNTING.isdisjoint(words)


def _secrets(words: Sequence[str]) -> Iterator[str]:
    yield from filter(_is_secret_word, words)
    yield from filter(_is_secret_word, (a + b for a, b in pairwise(words)))
    if len(words) == 1 and words[0] in SECRET_ALONE:
        yield words[0]
    *before, last = ["", *_without_carriers(words)]
    if last in SECRET_AT_END and not (last == "pin" and before[-1] in BOARD_PARTS):
        yield last


def _without_carriers(words: Sequence[str]) -> Sequence[str]:
    end = len(words)
    while end and words[end - 1] in CARRIERS:
        end -= 1
    return words[:end]


def _is_secret_word(word: str) -> bool:
    return word in SECRET or (word.endswith("s") and word[:-1] in SECRET)


def _spelled_across(names: Sequence[str]) -> bool:
    """Whether two names of one word each say it together, as in `api.key`."""
    single = [words[0] if len(words) == 1 else "" for words in (next(readings(name)) for name in names)]
    return any(a and b and _is_secret_word(a + b) for a, b in pairwise(single))
