"""The types of CSV columns: what texts look like, and how they become values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

Value: TypeAlias = int | float | bool | str
Convert: TypeAlias = Callable[[str], Value]

# Up to 18 digits fit into 64 bits, which every reader of JSON keeps exact.
_INT = r"[+-]?[0-9]{1,18}"
_FLOAT = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
# A number would lose the zeros of "007" and the plus of "+4412345678".
_LOSSLESS = r"(?!\+|-?0[0-9])"
_LONG_NUMBER = re.compile(r"[+-]?[0-9]{19,}")
_BOOLS = {"true": True, "false": False}


def infer(texts: Iterable[str]) -> str:
    """Find the type that fits all texts of a column.

    Args:
        texts: Texts of the column; empty ones do not count.

    Returns:
        ``int``, ``float``, ``bool`` or ``str``.
    """
    kinds = {_kind(text) for text in texts if text}
    if len(kinds) == 1:
        return kinds.pop()
    return "float" if kinds == {"int", "float"} else "str"


def _kind(text: str) -> str:
    if _LONG_NUMBER.fullmatch(text):
        return "str"
    for kind, convert in INFERRED.items():
        try:
            convert(text)
        except ValueError:
            continue
        return kind
    raise AssertionError("every text is a str")


def _number(pattern: str, parse: Convert) -> Convert:
    matches = re.compile(pattern).fullmatch

    def convert(text: str) -> Value:
        if not matches(text):
            raise ValueError("it is no such number")
        return parse(text)

    return convert


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("it is out of range")
    return value


def _bool(text: str) -> bool:
    value = _BOOLS.get(text.lower())
    if value is None:
        raise ValueError("it is neither true nor false")
    return value


DECLARED: dict[str, Convert] = {
    "int": _number(_INT, int),
    "float": _number(_FLOAT, _finite),
    "bool": _bool,
    "str": str,
}
"""The conversion to each type that a user may declare; it raises ``ValueError`` for a text that does not fit."""

INFERRED: dict[str, Convert] = {
    **DECLARED,
    "int": _number(_LOSSLESS + _INT, int),
    "float": _number(_LOSSLESS + _FLOAT, _finite),
}
"""As ``DECLARED``, for types that were inferred: a text that would lose something by it does not fit."""
