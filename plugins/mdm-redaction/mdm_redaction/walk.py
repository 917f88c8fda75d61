"""Walking through data of any shape: first a quick look for anything to hide, then a copy of what must change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum
from functools import lru_cache
from typing import Any

from mdm_redaction.classifier import Verdicts
from mdm_redaction.marks import MASK, Mark, is_marks

MAX_DEPTH = 100
"""Containers inside containers that are followed; what lies deeper is hidden."""

_LEAVES = frozenset({str, int, float, bool, type(None), bytes})
_CONTAINERS: frozenset[type[Any]] = frozenset({dict, list, tuple})
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
    """One pass over one piece of data; what is to be done with keys and leaves its subclasses say.

    Only the containers on the way to something that changes are copied. A container that holds itself is masked where
    it does, and so is what lies deeper than is followed.
    """

    def __init__(self) -> None:
        # The values stand beside the results so that no id is used twice during the walk.
        self._seen: dict[int, tuple[Any, Any]] = {}

    def leaf(self, value: Any, depth: int) -> Any:
        """Give what may be written of something that holds no other values.

        Args:
            value: Such as a text or a number.
            depth: How many containers it lies in.
        """
        return value

    def entry(self, key: Any, value: Any, depth: int) -> tuple[Any, Any] | None:
        """Give what may be written of a key and its value.

        Args:
            key: The key.
            value: The value.
            depth: How many containers the value lies in.

        Returns:
            Key and value, themselves if nothing in them is to hide; None to leave both out.
        """
        return key, self.clean(value, depth)

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
            return self.leaf(value, depth)
        if id(value) in self._seen:
            return self._seen[id(value)][1]
        if depth >= MAX_DEPTH:
            return MASK
        if value.__class__ in _CONTAINERS and not value:
            return value
        self._seen[id(value)] = (value, MASK)
        result = self._items(value, depth) if shape is Shape.ITEMS else self.fields(value, depth)
        self._seen[id(value)] = (value, result)
        return result

    def fields(self, value: Any, depth: int) -> Any:
        """Hide what must be hidden in a mapping, or in an object with fields.

        Args:
            value: It.
            depth: How many containers it lies in.
        """
        kept: dict[Any, Any] = {}
        changed = False
        for key, item in pairs(value):
            entry = self.entry(key, item, depth + 1)
            if entry is None:
                changed = True
                continue
            changed = changed or entry[1] is not item or entry[0] is not key
            kept[key if entry[0] is key else _free(entry[0], kept)] = entry[1]
        return kept if changed else value

    def _items(self, value: Iterable[Any], depth: int) -> Any:
        items = list(value)
        kept = [self.clean(item, depth + 1) for item in items]
        if all(new is old for new, old in zip(kept, items, strict=True)):
            return value
        return tuple(kept) if isinstance(value, tuple) else kept


class KeyWalk(Walk):
    """Hides what stands under secret keys.

    Args:
        hidden: What is known of each key.
        mark: What stands in the place of something hidden; None to leave it out with its key.
    """

    def __init__(self, hidden: Verdicts, mark: Mark | None) -> None:
        super().__init__()
        self._hidden = hidden
        self._mark = mark

    def entry(self, key: Any, value: Any, depth: int) -> tuple[Any, Any] | None:
        """Hide the value of a secret key."""
        if not self._hidden[key]:
            return key, value if value.__class__ in _LEAVES else self.clean(value, depth)
        if self._mark is None:
            return None
        return key, marked(value, self._mark)


def marked(value: Any, mark: Mark) -> Any:
    """Put a mark in the place of a value, unless it is one.

    Args:
        value: The value.
        mark: Makes the mark.
    """
    return value if value.__class__ is str and is_marks(value) else mark(value)


def pairs(value: Any) -> Iterable[tuple[Any, Any]]:
    """Give the keys and values of a mapping, or of an object with fields.

    Args:
        value: It.
    """
    if isinstance(value, Mapping):
        return value.items()
    return [(name, getattr(value, name)) for name in _field_names(type(value)) or () if hasattr(value, name)]


def _free(key: Any, taken: Mapping[Any, Any]) -> Any:
    # Keys that were told apart by what is hidden now must not become one.
    free, number = key, len(taken)
    while free in taken:
        number += 1
        free = f"{key}#{number}"
    return free


def _field_names(kind: type) -> Iterable[str] | None:
    """The fields of a named tuple, attrs class, data class or msgspec struct; None for anything else."""
    if issubclass(kind, tuple):
        return getattr(kind, "_fields", None)
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return [attribute.name for attribute in attributes]
    return getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", None)
