"""Copies in both directions: what is handed out cannot change what is recorded, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from math import isfinite
from numbers import Integral, Real
from typing import Any, Final

from mdm_core import ContractError

_SCALARS: Final = frozenset({bool, float, int, str, type(None)})


def detached(value: Any) -> Any:
    """Copy what is handed out, to any depth.

    Args:
        value: Anything; a ``Context`` is handed out as a plain dict of its items.

    Returns:
        The same in new containers.
    """
    if isinstance(value, dict):
        return {k: v if type(v) in _SCALARS else detached(v) for k, v in value.items()}
    if type(value) is list:
        return [v if type(v) in _SCALARS else detached(v) for v in value]
    return value if type(value) in _SCALARS else deepcopy(value)


def plain(value: Any) -> Any:
    """Copy what was handed in, to any depth, into what a packet can hold.

    Args:
        value: Text, a finite number, a truth value, None, or a list, tuple or mapping of these.

    Returns:
        The same, of builtin types.

    Raises:
        ContractError: It is something else.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Real):
        return _plain_number(value)
    if isinstance(value, Mapping):
        return plain_table(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise ContractError("parameters and metadata hold text, numbers, truth values, lists and tables")


def plain_table(table: Mapping[Any, Any]) -> dict[str, Any]:
    """Copy a table that was handed in, as ``plain`` does.

    Args:
        table: Text to anything that ``plain`` takes.

    Raises:
        ContractError: It holds something else.
    """
    return {plain_text(name): plain(item) for name, item in table.items()}


def plain_text(value: Any) -> str:
    """Copy a text into the builtin type, of which an enumeration may be a subclass.

    Args:
        value: A text.

    Raises:
        ContractError: It is none.
    """
    if not isinstance(value, str):
        raise ContractError("must be text")
    return str.__str__(value)


def _plain_number(value: Real) -> int | float:
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    if not isfinite(number):
        raise ContractError("a number must be finite")
    return number
