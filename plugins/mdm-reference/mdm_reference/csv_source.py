"""Events as rows of a CSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, TypeAlias

import attrs
from mdm_core import Build, ConfigError, Idle, Position, Record, Reject, option

from mdm_reference.csv_rows import Row, read_rows
from mdm_reference.csv_types import DECLARED, INFERRED, Convert, infer
from mdm_reference.files import FileSource, excerpt

_Item: TypeAlias = Row | Idle
_Column: TypeAlias = tuple[str, Convert]

_HELD: Final = 16 << 20  # bytes of rows that wait for the types of their columns; then those must do
_PER_FIELD: Final = 64  # bytes that a short text takes besides its characters
_LONGEST_NAME: Final = 64  # characters of a column's name in a reason


def _check_delimiter(value: str) -> None:
    if len(value) != 1 or value in '"\r\n':
        raise ValueError(f'must be one character such as "," or "\\t", got {value!r}')


def _check_types(value: dict[str, str]) -> None:
    for name, kind in value.items():
        if kind not in DECLARED:
            raise ValueError(f"column {name!r} must be one of {', '.join(DECLARED)}, got {kind!r}")


@attrs.define
class CsvSource(FileSource):
    """Reads one event per row; the first row names the columns.

    The position of an event is the number of the line on which its row starts, from 1. The types of the columns are
    inferred from the first ``sample`` rows and kept: ``int``, ``float``, ``bool`` (true or false, in any case) or
    ``str``. A column that is empty in all of them is ``str``, and so is one with texts that a number would not keep
    (``007``, ``+44``, more than 18 digits). An empty field is None. A row that does not fit is yielded as ``Reject``
    with one of the reasons ``column_type:NAME``, ``field_count``, ``invalid_csv``, ``not_utf8``, ``line_too_long``,
    ``row_too_long``.
    """

    delimiter: str = option(",", help="the character between two fields", check=_check_delimiter)
    types: dict[str, str] = option(
        {}, help="types of columns that are not to be inferred: int, float, bool or str", check=_check_types
    )
    sample: int = option(1000, ge=1, help="how many rows the types of the other columns are inferred from")
    _names: list[str] = attrs.field(init=False, factory=list, repr=False)
    _kinds: list[str] = attrs.field(init=False, factory=list, repr=False)
    _items: Iterator[_Item] = attrs.field(init=False, default=iter(()), repr=False)

    def open(self, build: Build) -> None:
        """Open the file and read its header.

        Args:
            build: The surroundings.

        Raises:
            ConfigError: The file cannot be read, or its header leaves a column without a name, names one twice, or
                lacks one of ``types``.
        """
        super().open(build)
        self._items = self._rows()
        self._names = self._header()

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        """Go on where an earlier run ended, with the types that its columns had.

        Args:
            position: The position of the last event that is not wanted again, or None to begin at the first.
            identity: What ``identity`` said in the earlier run when that event had been read.

        Raises:
            ConfigError: The file is no longer the one that was read, or it is standard input or a pipe.
        """
        super().resume(position, identity)
        if position is not None and identity is not None:
            self._kinds = identity.get("types", [])
            if len(self._kinds) != len(self._names):
                raise ConfigError(f"{self._opened().shown()} has other columns than the run has read; start a new run")

    def identity(self) -> dict[str, Any] | None:
        """Give what the other sources of files give, and the types of the columns as far as they are inferred."""
        identity = super().identity()
        return None if identity is None else {**identity, "types": self._kinds}

    def records(self) -> Iterator[Record | Reject | Idle]:
        """Yield the events in the order of their rows, and ``Idle`` when a pipe has nothing at the moment.

        Unless ``types`` names every column, nothing comes before ``sample`` rows, or the end, have been read.

        Raises:
            OSError: Reading failed, a ``.gz`` file is damaged, or the file is shorter than the position to go on from.
        """
        held: list[Row] = []
        if not (self._kinds or self.types.keys() >= set(self._names)):
            yield from self._hold(held)
        self._kinds = self._kinds or self._infer([row.cells for row in held if not row.problem])
        columns = self._columns()
        for item in self._rows_after() if self._after else chain(held, self._items):
            if isinstance(item, Idle):
                yield item
            elif item.cells or item.problem:
                yield _event(item, columns)
            else:
                self.skipped += item.last - item.position + 1

    @property
    def length(self) -> int | None:
        """How many lines a plain file has after its header, blank ones included; None for anything else."""
        lines = self._opened().count_lines()
        return None if lines is None else max(0, lines - 1)

    def _rows(self, first: int = 1) -> Iterator[_Item]:
        lines = self._opened().lines(self.max_line_bytes, first - 1)
        return read_rows(lines, self.delimiter, self.max_line_bytes, first)

    def _rows_after(self) -> Iterator[_Item]:
        rows = self._rows(self._after)
        if next(rows, None) is None:
            raise self._opened().too_short(self._after, self._after - 1)
        return rows

    def _last_line(self) -> int:
        row = next(self._rows(self._after), None)
        return row.last if isinstance(row, Row) else self._after

    def _header(self) -> list[str]:
        row = self._first_row()
        if row is None:
            raise ConfigError(f"{self._opened().shown()} is empty; its first line has to name the columns")
        if row.problem:
            where = f"the header of {self._opened().shown()} on line {row.position}"
            raise ConfigError(f"{where} cannot be read ({row.problem}); correct it")
        self._check_names(row.cells)
        return row.cells

    def _first_row(self) -> Row | None:
        rows = (item for item in self._items if isinstance(item, Row) and (item.cells or item.problem))
        try:
            return next(rows, None)
        except OSError as error:
            raise ConfigError(
                f"{self._opened().shown()} cannot be read: {error.strerror}; give it a whole file"
            ) from None

    def _check_names(self, names: list[str]) -> None:
        where = f"the header of {self._opened().shown()}"
        unnamed = [str(place) for place, name in enumerate(names, 1) if not name]
        twice = [repr(name) for name, count in Counter(names).items() if name and count > 1]
        absent = [repr(name) for name in self.types if name not in names]
        problems = []
        if unnamed:
            problems.append(f"{where} has no name for column {', '.join(unnamed)}; give every column a name")
        if twice:
            problems.append(f"{where} names {', '.join(twice)} more than once; rename all but one")
        if absent:
            has = ", ".join(map(repr, names))
            problems.append(f"{where} has no column {', '.join(absent)}, which types names; it has {has}")
        if problems:
            raise ConfigError(problems)

    def _hold(self, held: list[Row]) -> Iterator[Idle]:
        weight = 0
        for item in self._items:
            if isinstance(item, Idle):
                yield item
                continue
            if item.cells and len(item.cells) != len(self._names):
                # Only its first line is of use, and it may have a great many fields.
                item.cells, item.problem = [], item.problem or "field_count"
            held.append(item)
            weight += len(item.line) + (item.size + _PER_FIELD * len(item.cells) if item.cells else 0)
            if len(held) == self.sample or weight > _HELD:
                return

    def _infer(self, sample: list[list[str]]) -> list[str]:
        whole = [cells for cells in sample if cells]
        return [
            self.types.get(name) or infer(cells[place] for cells in whole) for place, name in enumerate(self._names)
        ]

    def _columns(self) -> list[_Column]:
        return [
            (name, (DECLARED if name in self.types else INFERRED)[kind])
            for name, kind in zip(self._names, self._kinds, strict=True)
        ]


def _event(row: Row, columns: list[_Column]) -> Record | Reject:
    if row.problem:
        return _reject(row, row.problem)
    if len(row.cells) != len(columns):
        return _reject(row, "field_count")
    event = {}
    for (name, convert), text in zip(columns, row.cells, strict=True):
        try:
            event[name] = convert(text) if text else None
        except ValueError:
            return _reject(row, f"column_type:{name[:_LONGEST_NAME]}")
    return Record(event, row.position)


def _reject(row: Row, reason: str) -> Reject:
    return Reject(reason, row.position, excerpt(row.line))
