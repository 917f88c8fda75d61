"""Dotted names for the fields of nested events, worked out once per path and then looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from sys import intern
from typing import Any, Final, Generic, TypeVar

V = TypeVar("V")

MAX_PATHS: Final = 50_000  # paths remembered, a long one counting as several; beyond, they are worked out anew
MAX_NAME: Final = 256  # characters of a dotted name; a field with a longer one is no feature
_LONG: Final = 64


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
        shared: As ``numbers``, for those whose name something else in the same event may have; they have none there.
    """

    __slots__ = ("_names", "_prefix", "lengths", "levels", "numbers", "shared", "texts", "truths")

    def __init__(self, names: Names, prefix: str = "") -> None:
        self._names = names
        self._prefix = prefix
        self.numbers = Remembered(self._number)
        self.shared: dict[str, tuple[Any, ...]] = {}
        self.truths = Remembered(self._truth)
        self.texts = Remembered(self._text)
        self.lengths = Remembered(self._length)
        self.levels = Remembered(self._level)

    def forget(self) -> None:
        """Forget all fields, of the levels below too; levels refer to themselves, so that nobody else soon would."""
        todo = [self]
        for level in todo:
            todo.extend(level.levels.values())
            for known in (level.numbers, level.truths, level.texts, level.lengths, level.levels, level.shared):
                known.clear()

    def share(self, key: str) -> None:
        """Take note that a field's name is not its own."""
        names = self.numbers.get(key)
        if names is not None:
            self.numbers[key] = None
            self.shared[key] = names

    def _number(self, key: str) -> tuple[Any, ...] | None:
        name = self._taken(key)
        if name is None:
            return None
        names = (name, *(None if stat is None else intern(f"{name}.{stat}") for stat in self._names.stats))
        if self._names.claim(name, self, key):
            return names
        self.shared[key] = names
        return None

    def _truth(self, key: str) -> str | None:
        return self._claimed(self._taken(key), key)

    def _text(self, key: str) -> str | None:
        name = self._name(key)
        return self._claimed(name if self._is_short(name) and self._names.rules.takes_text(name) else None, key)

    def _length(self, key: str) -> str | None:
        name = self._taken(key)
        return None if name is None else self._claimed(intern(f"{name}.len"), key)

    def _level(self, key: str) -> Level:
        return Level(self._names, f"{self._name(key)}.")

    def _taken(self, key: str) -> str | None:
        name = self._name(key)
        return name if self._is_short(name) and self._names.rules.takes(name) else None

    def _claimed(self, name: str | None, key: str) -> str | None:
        if name is not None:
            self._names.claim(name, self, key)
        return name

    def _is_short(self, name: str) -> bool:
        return len(name) <= MAX_NAME

    def _name(self, key: str) -> str:
        name = intern(f"{self._prefix}{key}")
        self._names.remember(name)
        return name


class Names:
    """The names of an event's fields, level by level; all are forgotten when there are more than ``MAX_PATHS``.

    Args:
        rules: Which fields become features.
        stats: The statistics of a number, which are the last parts of their names; None leaves a gap.

    Attributes:
        top: The level of the event itself.
    """

    __slots__ = ("_contested", "_count", "_owners", "_suffixes", "rules", "stats", "top")

    def __init__(self, rules: FieldRules, stats: Sequence[str | None]) -> None:
        self.rules = rules
        self.stats = tuple(stats)
        self.top = Level(self)
        self._suffixes = frozenset(stat for stat in stats if stat is not None)
        self._count = 0
        self._owners: dict[str, tuple[Level, str]] = {}
        self._contested: set[str] = set()

    def begin(self) -> Level:
        """Give the level of an event that is about to be flattened.

        Names are forgotten here alone, so that what one event gives never depends on those before it.
        """
        if self._count > MAX_PATHS:
            self._forget()
        return self.top

    def remember(self, name: str) -> None:
        """Count a path; names that never come again must not fill the memory."""
        self._count += 1 + len(name) // _LONG

    def claim(self, name: str, level: Level, key: str) -> bool:
        """Take note of what a field is called.

        Args:
            name: The dotted name.
            level: The level of the field.
            key: The field.

        Returns:
            Whether nothing else is called that: no field that is spelled otherwise, and no statistic of one.
        """
        owner = self._owners.setdefault(name, (level, key))
        base, _, last = name.rpartition(".")
        if owner != (level, key) or (last in self._suffixes and base in self._owners):
            self._contest(name)
        for suffix in self._suffixes:
            if (statistic := f"{name}.{suffix}") in self._owners:
                self._contest(statistic)
        return name not in self._contested

    def _contest(self, name: str) -> None:
        self._contested.add(name)
        level, key = self._owners[name]
        level.share(key)

    def _forget(self) -> None:
        self.top.forget()
        self._count = 0
        self._owners.clear()
        self._contested.clear()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
