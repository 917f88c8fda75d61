"""CSV rows out of lines, each with the number of the line that it starts on."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator

import attrs
from mdm_core import Idle

_BEGINNING = 800  # bytes, of which an excerpt is made


@attrs.define
class Row:
    """One row, or what is none.

    Attributes:
        cells: The texts of its fields; none for a blank line, or for several of them.
        position: Number of the line that it starts on, from 1.
        last: Number of the line that it ends on.
        line: The beginning of the first of its lines.
        size: Length of all of them, in bytes.
        problem: Why it cannot be used: ``invalid_csv``, ``not_utf8``, ``line_too_long`` or ``row_too_long``; empty if
            it can.
    """

    cells: list[str]
    position: int
    last: int
    line: bytes
    size: int
    problem: str


def read_rows(batches: Iterator[list[bytes]], delimiter: str, limit: int, first: int = 1) -> Iterator[Row | Idle]:
    """Read rows; a quoted field may hold newlines.

    Where quotes do not match, or the lines of a row are longer than the limit together, only the first of them is
    given up and reading goes on with the next line, so that a stray quote does not take the rest of the file with it.
    A field holds at most ``csv.field_size_limit()`` characters, 131,072 unless the process changed it.

    Args:
        batches: Lines without their newlines; an empty batch when there is nothing at the moment.
        delimiter: The character between two fields.
        limit: Longest line, in bytes, that is taken, and longest row.
        first: Number of the first line.

    Yields:
        Rows, and ``Idle`` between rows when there is nothing at the moment.
    """
    lines = _Lines(batches, limit, first)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        blank = lines.blank()
        if blank is not None:
            yield blank
        try:
            cells = next(reader)
        except StopIteration:
            if lines.ended:
                return
            yield Idle()
        except csv.Error as error:
            lines.put_back()
            yield lines.row([], "row_too_long" if isinstance(error, _RowTooLong) else "invalid_csv")
            lines.next_row()
        else:
            yield lines.row(cells, lines.problem)
            lines.next_row()


class _RowTooLong(csv.Error):
    pass


class _Lines:
    """Feeds the csv reader and remembers the lines of the row that it is reading.

    It stops when there is nothing at the moment; the csv reader may be asked again all the same.
    """

    def __init__(self, batches: Iterator[list[bytes]], limit: int, first: int) -> None:
        self._batches = batches
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._taken: list[bytes] = []
        self._size = 0
        self._position = first
        self.problem = ""
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while not self._waiting:
            self._fill()
        size = self._size + len(self._waiting[0])
        if self._taken and size > self._limit:
            raise _RowTooLong
        line = self._waiting.popleft()
        self._size = size
        self._taken.append(line)
        return self._text(line) + "\n"

    def blank(self) -> Row | None:
        """Pass over blank lines where a row would begin, for the csv reader takes its time over each."""
        first = self._position
        while self._waiting and not self._waiting[0]:
            self._waiting.popleft()
            self._position += 1
        return Row([], first, self._position - 1, b"", 0, "") if self._position > first else None

    def row(self, cells: list[str], problem: str) -> Row:
        last = self._position + len(self._taken) - 1
        return Row(cells, self._position, last, self._taken[0][:_BEGINNING], self._size, problem)

    def next_row(self) -> None:
        self._position += len(self._taken)
        self._taken.clear()
        self._size = 0
        self.problem = ""

    def put_back(self) -> None:
        self._waiting.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]
        self._size = len(self._taken[0])

    def _fill(self) -> None:
        batch = next(self._batches, None)
        self.ended = batch is None
        if batch is None or not (batch or self._taken):
            raise StopIteration
        self._waiting.extend(batch)

    def _text(self, line: bytes) -> str:
        if len(line) > self._limit:
            self.problem = "line_too_long"
            return ""
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.problem = "not_utf8"
            return line.decode("utf-8", "replace")
