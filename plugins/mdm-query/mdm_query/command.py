"""``mdm trace query``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mdm_core import UsageError
from mdm_core.cli.options import run_argument, runs_dir_option

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@click.command("query")
@run_argument
@click.argument("sql", metavar="[SQL]", required=False)
@click.option("--views", is_flag=True, help="List what can be asked, with an example each, and ask nothing.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How rows are written; a table cuts long cells off.",
)
@runs_dir_option
def query(run: str, sql: str | None, views: bool, style: str, runs_dir: Path) -> None:
    """Ask the trace of RUN a question in SQL: one SELECT over the views that --views lists.

    For example: "select action, count(*) from decisions group by action". Nothing can be changed, and nothing but the
    files of the run can be read.
    """
    if (sql is None) is not views:
        raise UsageError("give a SELECT, or --views, which lists what can be asked")
    from mdm_query.database import database
    from mdm_query.files import Files

    with database(Files.find(run, runs_dir)) as connection:
        if sql is None:
            _show_views(connection, run, style)
        else:
            _answer(connection, sql, style)


def _answer(connection: DuckDBPyConnection, sql: str, style: str) -> None:
    from mdm_query.database import select, told
    from mdm_query.formats import FORMATS, Rows, fetched

    select(connection, sql)
    columns = connection.description or []
    rows = fetched(connection.fetchmany)
    with told():
        FORMATS[style](Rows([c[0] for c in columns], [str(c[1]) for c in columns], rows), sys.stdout)


def _show_views(connection: DuckDBPyConnection, run: str, style: str) -> None:
    from mdm_query.formats import FORMATS, Rows
    from mdm_query.views import VIEWS

    kinds = {view.name: dict(_kinds(connection, view.name)) for view in VIEWS}
    if style != "table":
        rows = [
            (v.name, name, kinds[v.name][name], about, v.example) for v in VIEWS for name, about in v.columns.items()
        ]
        FORMATS[style](Rows(["view", "column", "type", "about", "example"], ["VARCHAR"] * 5, rows), sys.stdout)
        return
    for view in VIEWS:
        click.echo(f"{view.name}: {view.about}")
        for name, about in view.columns.items():
            click.echo(f"  {name:<14} {kinds[view.name][name]:<10} {about}")
        click.echo(f'  mdm trace query {run} "{view.example}"\n')


def _kinds(connection: DuckDBPyConnection, view: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(f"describe {view}").fetchall()]
