"""Walking through data of any shape: first a quick look for anything to hide, then a copy of what must change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum
from functools import lru_cache
from typing import Any

from mdm_redaction.classifier import Verdicts

MASK = "[REDACTED]"

MAX_DEPTH = 100
"""Containers inside containers that are followed; what lies deeper is hidden."""

_LEAVES = frozenset({str, int, float, bool, type(None), bytes})
_NO_SEQUENCES = (str, bytes, bytearray, memoryview, range)


class Shape(Enum):
    """How a type holds other values."""

    LEAF = "none"
    FIELDS = "under keys"
    ITEMS = "in a row"


@lru_cache(maxsize=1024)
def shape_of(kind: type) -> Shape:
    """Tell how a type holds other values.

    Args:
        kind: The type of a value.
    """
    if issubclass(kind, Mapping) or _field_names(kind) is not None:
        return Shape.FIELDS
    if issubclass(kind, Sequence | Set) and not issubclass(kind, _NO_SEQUENCES):
        return Shape.ITEMS
    return Shape.LEAF


def is_clean(data: Mapping[str, Any], hidden: Verdicts) -> bool:
    """Look quickly whether there is nothing to hide.

    Args:
        data: A mapping.
        hidden: What is known of each key.

    Returns:
        True if nothing is to hide; False if something may be, also when there are too many containers to be sure
        without counting their depth.
    """
    found: list[Any] = [data]
    append = found.append
    for container in found:
        if isinstance(container, dict):
            for key, value in container.items():
                if hidden[key]:
                    return False
                if value.__class__ not in _LEAVES:
                    append(value)
        elif container.__class__ is list or container.__class__ is tuple:
            if not _LEAVES.issuperset(map(type, container)):
                found += container
        elif shape_of(container.__class__) is not Shape.LEAF:
            return False
        if len(found) > MAX_DEPTH:
            return False
    return True


class Walk:
    """One pass over one piece of data that hides what must be hidden.

    Only the containers on the way to something hidden are copied. A container that holds itself is hidden where it
    does.

    Args:
        hidden: What is known of each key.
        drop: Leave hidden items out instead of masking their values.
    """

    def __init__(self, hidden: Verdicts, drop: bool) -> None:
        self._hidden = hidden
        self._drop = drop
        # The values stand beside the results so that no id is used twice during the walk.
        self._seen: dict[int, tuple[Any, Any]] = {}

    def clean(self, value: Any, depth: int = 0) -> Any:
        """Hide what must be hidden in a value.

        Args:
            value: The value; it is not changed.
            depth: How many containers it lies in.

        Returns:
            The value itself if nothing in it is to hide, else what may be written of it.
        """
        shape = shape_of(value.__class__)
        if shape is Shape.LEAF:
            return value
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        if depth >= MAX_DEPTH:
            return MASK
        self._seen[id(value)] = (value, MASK)
        result = self._items(value, depth) if shape is Shape.ITEMS else self._fields(value, depth)
        self._seen[id(value)] = (value, result)
        return result

    def _fields(self, value: Any, depth: int) -> Any:
        kept: dict[Any, Any] = {}
        changed = False
        for key, item in _pairs(value):
            if self._hidden[key]:
                masked = item.__class__ is str and item == MASK
                changed = changed or self._drop or not masked
                if not self._drop:
                    kept[key] = item if masked else MASK
            elif item.__class__ in _LEAVES:
                kept[key] = item
            else:
                kept[key] = self.clean(item, depth + 1)
                changed = changed or kept[key] is not item
        return kept if changed else value

    def _items(self, value: Iterable[Any], depth: int) -> Any:
        items = list(value)
        if _LEAVES.issuperset(map(type, items)):
            return value
        kept = [self.clean(item, depth + 1) for item in items]
        if all(new is old for new, old in zip(kept, items, strict=True)):
            return value
        return tuple(kept) if isinstance(value, tuple) else kept


def _pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return [(name, getattr(value, name)) for name in _field_names(type(value)) or () if hasattr(value, name)]


def _field_names(kind: type) -> Iterable[str] | None:
    """The fields of a named tuple, attrs class, data class or msgspec struct; None for anything else."""
    if issubclass(kind, tuple):
        return getattr(kind, "_fields", None)
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return [attribute.name for attribute in attributes]
    return getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", None)
