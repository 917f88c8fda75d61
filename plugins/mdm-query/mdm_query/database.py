"""A database in memory that can read the files of one run and nothing else, and write nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import duckdb
from mdm_core import UsageError

from mdm_query.files import Files, is_torn
from mdm_query.sources import quoted, sources, unreadable
from mdm_query.views import VIEWS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY = "1GB"
_MOST_THREADS = 4  # each has buffers of its own
_LONGEST = 300


@contextmanager
def database(files: Files) -> Iterator[DuckDBPyConnection]:
    """Open a database with the views of a run.

    Args:
        files: The files of the run.

    Yields:
        A connection on which nothing but SELECT can be done any more.

    Raises:
        UsageError: Lines of the files are damaged.
    """
    with TemporaryDirectory(prefix="mdm-query-") as spill, duckdb.connect(":memory:", config=_config(spill)) as open_:
        with told():
            torn = _passes_torn_lines(open_, files)
            for name, sql in sources(files, torn).items():
                open_.execute(f"create view {name} as {sql}")
            for view in VIEWS:
                open_.execute(f"create view {view.name} as {view.sql}")
            _lock(open_, files, spill)
        yield open_


def select(connection: DuckDBPyConnection, sql: str) -> None:
    """Begin a query; its rows are fetched from the connection, and made as they are fetched.

    Args:
        connection: An open database.
        sql: One SELECT.

    Raises:
        UsageError: It is none, or cannot be answered.
    """
    with told():
        statements = connection.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise UsageError("a query is one SELECT; nothing can be changed, written or loaded")
        connection.execute(statements[0])


@contextmanager
def told() -> Iterator[None]:
    """Turn what DuckDB has to say into one line.

    Raises:
        UsageError: What went wrong.
    """
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UsageError(
            f"the query needs more than {_MEMORY} of memory, or room for what it sorts; select fewer columns or rows"
        ) from None
    except duckdb.PermissionException as error:
        raise UsageError(f"{_line(error)}; a query reads the files of its run alone") from None
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException) as error:
        raise UsageError(f"{_line(error)}; `mdm trace query RUN --views` lists what there is") from None
    except duckdb.Error as error:
        raise UsageError(_line(error)) from None


def _config(spill: str) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": _MEMORY,
        "threads": min(os.cpu_count() or 1, _MOST_THREADS),
        "temp_directory": spill,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,  # else a SELECT could read the variables of this program
    }


def _lock(connection: DuckDBPyConnection, files: Files, spill: str) -> None:
    allowed = ", ".join(quoted(str(path)) for path in files.all)
    connection.execute(f"set allowed_paths = [{allowed}]")
    connection.execute(f"set allowed_directories = [{quoted(spill)}]")
    for setting in ("timezone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
        connection.execute(f"set {setting}")


def _passes_torn_lines(connection: DuckDBPyConnection, files: Files) -> bool:
    """Whether a last line may not be whole. DuckDB passes over one or over any, so the others are looked at first."""
    torn = [path for path in files.all if path.suffix != ".gz" and is_torn(path)]
    if not torn and not files.running:
        return False
    for paths in (files.packets, files.audit, files.dead_letters):
        damaged = connection.execute(unreadable(paths)).fetchall()[0][0] if paths else 0
        if damaged > 1:
            raise UsageError(f"{paths[-1]}: {damaged} lines are damaged; `mdm trace verify` tells more")
        if damaged:
            click.echo(f"mdm: {paths[-1]}: one line is not whole and is passed over", err=True)
    return True


def _line(error: duckdb.Error) -> str:
    """The first lines of a message, as far as they say what is wrong."""
    text = str(error).partition("\n\n")[0].partition("\nTry setting")[0].partition("\nLINE ")[0]
    text = " ".join(text.split()).rstrip(".;")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
