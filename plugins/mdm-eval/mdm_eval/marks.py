"""Telling what redaction has hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MASKS = ("[REDACTED", "[REDACTION FAILED")
"""How the texts begin that stand in the place of something hidden and are all alike, wherever in a text they are."""

MARKS = (*MASKS, "[HMAC:")
"""The same, with tokens, which are as good as what they stand for where it only has to be told apart."""


def is_marked(value: Any) -> bool:
    """Whether a value holds, at any depth, something that stands in the place of what was hidden.

    Args:
        value: What JSON can hold.
    """
    kind = type(value)
    if kind is str:
        return "[" in value and any(mark in value for mark in MARKS)
    if isinstance(value, Mapping):
        return any(map(is_marked, value.values())) or any(map(is_marked, value))
    if isinstance(value, list | tuple):
        return any(map(is_marked, value))
    return False


def marked_paths(value: Any, path: str = "") -> Iterator[str]:
    """Name what is hidden in a value.

    Args:
        value: What JSON can hold.
        path: Where it stands.

    Yields:
        Dotted paths.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from marked_paths(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from marked_paths(inner, path)
    elif is_marked(value):
        yield path
