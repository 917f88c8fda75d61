"""How messages are worded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_LONGEST = 200
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Complete a message about an unknown word.

    Args:
        word: What the user wrote.
        known: What there is.

    Returns:
        `` (did you mean 'x'?)`` or an empty text.
    """
    close = get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_line(error: BaseException) -> str:
    """Write an exception as one line: its type and its message, or the beginning of a long one."""
    text = " ".join(str(error).split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def listing(words: Iterable[str]) -> str:
    """Write words as a sorted list, or ``none``."""
    return ", ".join(sorted(words)) or "none"


def toml_key(key: str) -> str:
    """Write a key as TOML does: quoted where it has to be."""
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


def spelled(path: KeyPath) -> str:
    """Write a path as people read it: keys joined by dots, items by their number from 1.

    Args:
        path: Such as ``("weights", "delay.dep")`` or ``("layers", 1, "size")``.

    Returns:
        Such as ``weights."delay.dep"`` or ``layers #2 size``.
    """
    return "".join(_parts(path)).strip()


def _parts(path: KeyPath) -> Iterator[str]:
    before: str | int = 0
    for key in path:
        if isinstance(key, int):
            yield f" #{key + 1}"
        else:
            yield f".{toml_key(key)}" if isinstance(before, str) else f" {toml_key(key)}"
        before = key
