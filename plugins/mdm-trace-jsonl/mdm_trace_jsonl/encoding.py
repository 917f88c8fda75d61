"""Strict JSON for anything: what JSON cannot hold is replaced, and nothing makes it raise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum
from typing import Any

import msgspec

encode = msgspec.json.Encoder().encode

MAX_DEPTH = 100
"""Containers inside containers that are followed once plain encoding has failed."""


def encodable(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Turn a value that could not be encoded into one that can.

    What can be encoded stays as it is: numbers that are not finite become null, bytes become base64, sets become
    lists, enums their values. Otherwise lone surrogates become U+FFFD, keys that are no text become text, scalars and
    arrays with ``item`` or ``tolist`` become what these give, and anything else, what lies deeper than ``MAX_DEPTH``
    and a container inside itself become ``[UNENCODABLE type]``.

    Args:
        value: Any value.
        within: Ids of the containers that hold the value.

    Returns:
        A value whose encoding is strict JSON.
    """
    try:
        return msgspec.Raw(encode(value))
    except Exception:
        pass
    if id(value) in within or len(within) >= MAX_DEPTH:
        return _unencodable(value)
    try:
        return _replaced(value, (*within, id(value)))
    except Exception:
        return _unencodable(value)


def _replaced(value: Any, within: tuple[int, ...]) -> Any:
    if isinstance(value, Enum):
        return encodable(value.value, within)
    if isinstance(value, str | int | float):
        return _scalar(value)
    if isinstance(value, Mapping):
        return {_key(key): encodable(item, within) for key, item in value.items()}
    if isinstance(value, Sequence | Set):
        return [encodable(item, within) for item in value]
    fields = _field_names(value)
    if fields is not None:
        return {name: encodable(getattr(value, name), within) for name in fields if hasattr(value, name)}
    convert = getattr(value, "tolist", None) or getattr(value, "item", None)
    return _unencodable(value) if convert is None else encodable(convert(), within)


def _scalar(value: str | int | float) -> Any:
    if isinstance(value, str):
        # By way of UTF-16 two surrogates that belong together become one character again.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int):
        return msgspec.Raw(str(int.__int__(value)).encode())
    return float.__float__(value)


def _key(key: Any) -> str:
    try:
        text = next(iter(msgspec.json.decode(encode({key: None}))))
    except Exception:
        text = str(key.value if isinstance(key, Enum) else key)
    return str(_scalar(text))


def _field_names(value: Any) -> Iterable[str] | None:
    """The fields of an attrs class, msgspec struct or data class, which plain encoding writes as an object."""
    kind = type(value)
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return [attribute.name for attribute in attributes]
    return getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", None)


def _unencodable(value: Any) -> str:
    return f"[UNENCODABLE {type(value).__name__}]"
