"""Printing reports: tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import msgspec


def print_json_with(document: Mapping[str, Any], name: str, items: Iterable[Any]) -> None:
    """Print a JSON document that ends with a list, which need not be in memory.

    Args:
        document: The document without the list.
        name: The list's name.
        items: Its items.
    """
    encode = msgspec.json.Encoder(enc_hook=str).encode
    head = encode(document)[:-1].decode()
    click.echo(f"{head},{encode(name).decode()}:[", nl=False)
    for number, item in enumerate(items):
        click.echo(("," if number else "") + encode(item).decode(), nl=False)
    click.echo("]}")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "  ") -> Iterable[str]:
    """Lay out a table; the first column is text, the others are numbers.

    Args:
        heads: Names of the columns.
        rows: The cells.
        indent: Stands before each line.

    Returns:
        The lines.
    """
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        first = line[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        yield (indent + "  ".join([first, *rest])).rstrip()
