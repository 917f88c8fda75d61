"""Dotted names for the fields of nested events, worked out once per path and then looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from sys import intern
from typing import Any, Final, Generic, TypeVar

V = TypeVar("V")

MAX_PATHS: Final = 50_000  # paths remembered; beyond, they are worked out anew


class FieldRules:
    """Which fields become features.

    Args:
        reserved: Names that never do, such as that of the key.
        include: Patterns as in file names (``*``, ``?``, ``[…]``); of numbers, truths and lists, those that match one
            do. No pattern means all.
        exclude: Patterns of those that do not.
        categories: Patterns of the texts that do.
    """

    def __init__(
        self,
        reserved: frozenset[str] = frozenset(),
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        categories: Sequence[str] = (),
    ) -> None:
        self._reserved = reserved
        self._include = include or ("*",)
        self._exclude = exclude
        self._categories = categories

    def takes(self, name: str) -> bool:
        """Say whether a number, truth or list of this dotted name becomes a feature."""
        return _matches(name, self._include) and self._is_free(name)

    def takes_text(self, name: str) -> bool:
        """Say whether a text of this dotted name becomes a feature."""
        return _matches(name, self._categories) and self._is_free(name)

    def _is_free(self, name: str) -> bool:
        return name not in self._reserved and not _matches(name, self._exclude)


class Remembered(dict[str, V], Generic[V]):
    """What was worked out for the keys of one mapping.

    Args:
        work_out: Gives the value for a key that is new.
    """

    def __init__(self, work_out: Callable[[str], V]) -> None:
        self._work_out = work_out

    def __missing__(self, key: str) -> V:
        value = self[key] = self._work_out(key)
        return value


class Level:
    """The fields of one mapping in an event; None stands for a field that is no feature.

    Args:
        names: What to remember of all levels.
        prefix: The dotted name of the mapping and a dot, or an empty text.

    Attributes:
        numbers: A number's name, and the names of its statistics.
        truths: A truth's name.
        texts: A text's name.
        lengths: The name of a list's length.
        levels: The levels below.
    """

    __slots__ = ("_names", "_prefix", "lengths", "levels", "numbers", "texts", "truths")

    def __init__(self, names: Names, prefix: str = "") -> None:
        self._names = names
        self._prefix = prefix
        self.numbers = Remembered(self._number)
        self.truths = Remembered(self._truth)
        self.texts = Remembered(self._text)
        self.lengths = Remembered(self._length)
        self.levels = Remembered(self._level)

    def _number(self, key: str) -> tuple[Any, ...] | None:
        name = self._taken(key)
        if name is None:
            return None
        return (name, *(None if stat is None else intern(f"{name}.{stat}") for stat in self._names.stats))

    def _truth(self, key: str) -> str | None:
        return self._taken(key)

    def _text(self, key: str) -> str | None:
        name = self._name(key)
        return name if self._names.rules.takes_text(name) else None

    def _length(self, key: str) -> str | None:
        name = self._taken(key)
        return None if name is None else intern(f"{name}.len")

    def _level(self, key: str) -> Level:
        return Level(self._names, f"{self._name(key)}.")

    def _taken(self, key: str) -> str | None:
        name = self._name(key)
        return name if self._names.rules.takes(name) else None

    def _name(self, key: str) -> str:
        self._names.remember()
        return intern(f"{self._prefix}{key}")


class Names:
    """The names of an event's fields, level by level; all are forgotten when there are more than ``MAX_PATHS``.

    Args:
        rules: Which fields become features.
        stats: The statistics of a number, which are the last parts of their names; None leaves a gap.

    Attributes:
        top: The level of the event itself.
    """

    __slots__ = ("_count", "rules", "stats", "top")

    def __init__(self, rules: FieldRules, stats: Sequence[str | None]) -> None:
        self.rules = rules
        self.stats = tuple(stats)
        self.top = Level(self)
        self._count = 0

    def remember(self) -> None:
        """Count a path; names that never come again must not fill the memory."""
        self._count += 1
        if self._count > MAX_PATHS:
            self._count = 0
            self.top = Level(self)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
