"""How messages are worded."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Complete a message about an unknown word.

    Args:
        word: What the user wrote.
        known: What there is.

    Returns:
        ``, did you mean 'x'?`` or an empty text.
    """
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def one_line(error: BaseException) -> str:
    """Write an exception as one line: its type and its message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def listing(words: Iterable[str]) -> str:
    """Write words as a sorted list, or ``none``."""
    return ", ".join(sorted(words)) or "none"
