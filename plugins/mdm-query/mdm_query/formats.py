"""Rows as people and programs read them, written as they come."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any, TextIO, TypeAlias

import attrs
import msgspec
from mdm_core import UsageError

Row: TypeAlias = Sequence[Any]

_MEASURED = 1000
_WIDEST = 60
_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


@attrs.frozen
class Rows:
    """What a query has found.

    Attributes:
        names: Names of the columns.
        kinds: Their types, as DuckDB calls them.
        rows: The rows; they can be gone through once.
    """

    names: list[str]
    kinds: list[str]
    rows: Iterable[Row]


def write_table(found: Rows, out: TextIO) -> None:
    """Write aligned columns; a long cell is cut off. The first thousand rows say how wide a column is.

    Args:
        found: The rows.
        out: Where to.
    """
    rows = ([_short(value) for value in row] for row in found.rows)
    first = list(islice(rows, _MEASURED))
    heads = [_short(name) for name in found.names]
    widths = [max(map(len, column)) for column in zip(heads, *first, strict=True)]
    right = [_is_number(kind) for kind in found.kinds]
    for row in chain([heads], first, rows):
        cells = (
            f"{cell:>{width}}" if is_right else f"{cell:<{width}}"
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        out.write("  ".join(cells).rstrip() + "\n")


def write_csv(found: Rows, out: TextIO) -> None:
    """Write comma-separated values with a header; null is an empty cell, and what holds more than one value is JSON.

    Args:
        found: The rows.
        out: Where to.
    """
    text = printable if out.isatty() else str
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(text, found.names))
    writer.writerows([text(_text(value)) for value in row] for row in found.rows)


def write_json(found: Rows, out: TextIO) -> None:
    """Write an array of objects, one a line.

    Args:
        found: The rows.
        out: Where to.

    Raises:
        UsageError: Two columns have the same name.
    """
    twice = next((name for name in found.names if found.names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two columns are called {twice!r}; give one of them another name with AS")
    convert = [_raw if kind == "JSON" else _as_it_is for kind in found.kinds]
    lines = (
        _encode({n: c(v) for n, c, v in zip(found.names, convert, row, strict=True)}).decode() for row in found.rows
    )
    out.write("[" + next(lines, ""))
    out.writelines(f",\n {line}" for line in lines)
    out.write("]\n")


FORMATS: dict[str, Callable[[Rows, TextIO], None]] = {"table": write_table, "csv": write_csv, "json": write_json}


def fetched(fetch: Callable[[int], Sequence[Row]]) -> Iterator[Row]:
    """Give rows one by one.

    Args:
        fetch: Gives the next rows, as many as it is asked for at most.
    """
    while rows := fetch(_MEASURED):
        yield from rows


def printable(text: str) -> str:
    """Make text harmless for a terminal: events come from strangers.

    Args:
        text: Any text.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, bool | list | tuple | dict):
        return _encode(value).decode()
    return value.hex() if isinstance(value, bytes) else str(value)


def _short(value: Any) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else printable(_text(value))
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _is_number(kind: str) -> bool:
    return kind.partition("(")[0].endswith(("INT", "INTEGER", "DOUBLE", "FLOAT", "DECIMAL"))


def _raw(value: str | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(value.encode())


def _as_it_is(value: Any) -> Any:
    return value
