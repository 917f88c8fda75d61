"""What a detector is: where in a text it looks, what it finds, and how quickly it can tell that there is nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import TypeAlias

import attrs

SEPARATOR = "\x00"
"""Stands between the texts that are looked through together; no detector may match across it."""

UNBROKEN = 15
"""Length of the shortest key that is known by how it begins."""

Span: TypeAlias = tuple[int, int]
Finder: TypeAlias = Callable[[str], Iterator[Span | None]]
Check: TypeAlias = Callable[[re.Match[str]], bool]

_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_WORDS = re.compile(r"[^\W\d_]+|[#§]")
_SENTENCE_END = re.compile(r"(?<!\b\w\w)(?<!\b\w\w\w)[.!?]\s")
_DIGIT = re.compile("[0-9]")
_BEFORE = 30


def same(text: str) -> str:
    """Leave a text as it is."""
    return text


@attrs.frozen
class Detector:
    """Finds one kind of thing that must not be written.

    Attributes:
        kind: ``secrets``, or the kind of personal data.
        name: What it finds, for people.
        find: Gives the spans of what it found; None for each place that it looked at in vain, so that the places can
            be counted. It takes time in proportion to the text.
        gate: An expression of RE2, on bytes of UTF-8, that matches in every text in which ``find`` finds something, if
            there is a separator before and after the text. It begins at the edge of a word, and counts as little as
            it can: what counts from anywhere makes an automaton of many states, which takes long to build.
        literals: Texts in lower case of which one stands in every text in which ``find`` finds something; none if
            nothing is known.
        leading: Whether each literal stands where a word begins.
        unbroken: Whether what it finds begins with a literal and goes on for ``UNBROKEN`` characters without a space.
        normal: Writes what was found so that the same thing is always written the same, for tokens.
    """

    kind: str
    name: str
    find: Finder
    gate: str
    literals: tuple[str, ...] = ()
    leading: bool = False
    unbroken: bool = False
    normal: Callable[[str], str] = same


def by_pattern(pattern: str, check: Check | None = None, *, group: int = 0) -> Finder:
    """Make a finder from an expression.

    Args:
        pattern: The expression, every repetition bounded; character classes are those of ASCII.
        check: Says of a match whether it is one.
        group: The group that is to be hidden.

    Returns:
        The finder.
    """
    finditer = re.compile(pattern, re.ASCII).finditer

    def find(text: str) -> Iterator[Span | None]:
        for match in finditer(text):
            yield match.span(group) if check is None or check(match) else None

    return find


def in_any_case(pattern: str, check: Check | None = None, *, group: int = 0) -> Finder:
    """Make a finder from an expression in lower case that is to match in any case.

    Args:
        pattern: As in ``by_pattern``.
        check: As in ``by_pattern``; it sees the text as it is.
        group: As in ``by_pattern``.

    Returns:
        The finder.
    """
    # `re` is several times slower where case does not count, so that only what was found is looked at in that way.
    search, match_at = re.compile(pattern, re.ASCII).search, re.compile(pattern, re.ASCII | re.IGNORECASE).match

    def find(text: str) -> Iterator[Span | None]:
        lower, position = lower_case(text), 0
        while (found := search(lower, position)) is not None:
            match = match_at(text, found.start())
            yield match.span(group) if match is not None and (check is None or check(match)) else None
            position = max(found.end(), position + 1)

    return find


def behind_words(words: Iterable[str], pattern: str, check: Check, *, group: int, within: int) -> Finder:
    """Make a finder from an expression that begins with one of several words.

    There are so many such expressions that looking for the words of all of them with ``re`` would take too long.

    Args:
        words: The words.
        pattern: As in ``by_pattern``.
        check: As in ``by_pattern``.
        group: As in ``by_pattern``.
        within: In so many characters behind the word there is a digit, if the expression matches.

    Returns:
        The finder.
    """
    match_at, literals = re.compile(pattern, re.ASCII).match, [word.lower() for word in words]

    def find(text: str) -> Iterator[Span | None]:
        lower = lower_case(text)
        for word in literals:
            start = lower.find(word)
            while start >= 0:
                end = start + len(word)
                match = match_at(text, start) if _DIGIT.search(text, end, end + within) else None
                if match is not None:
                    yield match.span(group) if check(match) else None
                    end = match.end()
                start = lower.find(word, end)

    return find


def beginning(words: Iterable[str]) -> str:
    """Write words as an expression that finds them where a word begins.

    It begins with the first letters, for which ``re`` looks several times faster than for a place behind no letter.

    Args:
        words: Expressions in lower case, each beginning with a letter that stands for itself.
    """
    by_first: dict[str, list[str]] = defaultdict(list)
    for word in words:
        by_first[word[0]].append(word[1:])
    return "|".join(rf"{first}(?<![a-z]{first})(?:{'|'.join(rest)})" for first, rest in by_first.items())


@lru_cache(maxsize=1)  # for one detector after the other asks for the same
def lower_case(text: str) -> str:
    """Write a text in lower case, in as many characters."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.translate(_TO_LOWER)


def words_before(text: str, start: int) -> list[str]:
    """Give the last words before a place in a text, in lower case.

    Args:
        text: The text.
        start: The place.

    Returns:
        At most three, of the same sentence; numbers are no words.
    """
    before = text[max(0, start - _BEFORE) : start].rpartition(SEPARATOR)[2].lower()
    end = _SENTENCE_END.search(before)
    return _WORDS.findall(before if end is None else before[end.end() :])[-3:]


def begins(text: str, start: int) -> bool:
    """Tell whether a word begins at a place in a text.

    Args:
        text: The text.
        start: The place.
    """
    return not text[start - 1 : start].isalnum()


def at_word(match: re.Match[str]) -> bool:
    """Tell whether a match begins where a word does."""
    return begins(match.string, match.start())
