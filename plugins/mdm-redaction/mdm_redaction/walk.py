"""Walking through data of any shape: first a quick look for anything to hide, then a copy of what must change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeGuard

from mdm_redaction.classifier import Verdicts

MASK = "[REDACTED]"

MAX_DEPTH = 100
"""Containers inside containers that are followed; what lies deeper is hidden."""

_LEAVES = frozenset({str, int, float, bool, type(None), bytes})
_NO_SEQUENCES = (str, bytes, bytearray, memoryview, range)


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
        elif isinstance(container, list | tuple) and not hasattr(container, "_fields"):
            if not _LEAVES.issuperset(map(type, container)):
                found.extend(container)
        elif container.__class__ not in _LEAVES and _is_container(container):
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
        if value.__class__ in _LEAVES or not _is_container(value):
            return value
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        if depth >= MAX_DEPTH:
            return MASK
        self._seen[id(value)] = (value, MASK)
        result = self._items(value, depth) if _is_plain_sequence(value) else self._fields(value, depth)
        self._seen[id(value)] = (value, result)
        return result

    def _fields(self, value: Any, depth: int) -> Any:
        changed = False
        kept: dict[Any, Any] = {}
        for key, item in _pairs(value):
            if not self._hidden[key]:
                kept[key] = self.clean(item, depth + 1)
            elif not self._drop:
                kept[key] = item if item.__class__ is str and item == MASK else MASK
            changed = changed or kept.get(key, self) is not item
        return kept if changed else value

    def _items(self, value: Iterable[Any], depth: int) -> Any:
        items = list(value)
        kept = [self.clean(item, depth + 1) for item in items]
        if all(new is old for new, old in zip(kept, items, strict=True)):
            return value
        return tuple(kept) if isinstance(value, tuple) else kept


def _is_container(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_plain_sequence(value) or _field_names(value) is not None


def _is_plain_sequence(value: Any) -> TypeGuard[Iterable[Any]]:
    if isinstance(value, _NO_SEQUENCES) or _field_names(value) is not None:
        return False
    return isinstance(value, Sequence | Set)


def _pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return [(name, getattr(value, name)) for name in _field_names(value) or () if hasattr(value, name)]


def _field_names(value: Any) -> Iterable[str] | None:
    """The fields of a named tuple, data class, attrs class or msgspec struct; None for anything else."""
    kind = type(value)
    if isinstance(value, tuple):
        return getattr(kind, "_fields", None)
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return [attribute.name for attribute in attributes]
    return getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", None)
