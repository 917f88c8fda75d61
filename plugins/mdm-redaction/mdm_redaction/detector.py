"""What a detector is: where in a text it looks, what it finds, and how quickly it can tell that there is nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

import attrs

SEPARATOR = "\x00"
"""Stands between the texts that are looked through together; no detector may match across it."""

UNBROKEN = 15
"""Length of the shortest key that is known by how it begins."""

Span: TypeAlias = tuple[int, int]
Finder: TypeAlias = Callable[[str], Iterator[Span | None]]

_WORDS = re.compile(r"[^\W\d_]+|[#§]")
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
        gate: An expression of RE2, on bytes of UTF-8, that matches in every text in which ``find`` finds something. It
            begins at the edge of a word or with a text, and counts as little as it can: what counts from anywhere
            makes its automaton explode.
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


def by_pattern(
    pattern: str, check: Callable[[re.Match[str]], bool] | None = None, *, group: int = 0, flags: int = 0
) -> Finder:
    """Make a finder from an expression.

    Args:
        pattern: The expression, every repetition bounded; character classes are those of ASCII.
        check: Says of a match whether it is one.
        group: The group that is to be hidden.
        flags: More flags for the expression.

    Returns:
        The finder.
    """
    finditer = re.compile(pattern, re.ASCII | flags).finditer

    def find(text: str) -> Iterator[Span | None]:
        for match in finditer(text):
            yield match.span(group) if check is None or check(match) else None

    return find


def words_before(text: str, start: int) -> list[str]:
    """Give the last words before a place in a text, in lower case.

    Args:
        text: The text.
        start: The place.

    Returns:
        At most three; numbers are no words.
    """
    return _WORDS.findall(text[max(0, start - _BEFORE) : start].lower())[-3:]


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
