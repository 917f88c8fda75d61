"""Answers of components as plain values, so that two can be compared whatever they are made of."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

_SCALARS: Final = frozenset((int, str, bool, type(None)))


def plain(value: Any) -> Any:
    """Bring a value to lists, dicts and scalars; NaN is equal to itself then.

    Args:
        value: Anything.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, float):
        return "(nan)" if math.isnan(value) else value
    if attrs.has(kind):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(kind)}
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def copied(value: Any) -> Any:
    """Copy dicts and lists, all the way down; what else an event holds is shared."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def difference(before: Any, after: Any) -> str | None:
    """Say in a few words where two plain values differ; None if they do not.

    Args:
        before: What ``plain`` gave.
        after: What ``plain`` gave.
    """
    if before == after:
        return None
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *after]:
            if key not in before or key not in after:
                return f"{key!r} is {'new' if key in after else 'gone'}"
            inner = difference(before[key], after[key])
            if inner is not None:
                return f"{key!r}: {inner}"
    return f"{shown(before)} became {shown(after)}"


def shown(value: Any) -> str:
    """Write a value for a message, cut to a readable length."""
    text = ascii(value)
    return text if len(text) <= 160 else f"{text[:160]}…"


def fingerprint(directory: Path) -> dict[str, str]:
    """Say what the files in a directory hold: relative path to hash."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
