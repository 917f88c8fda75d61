"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])


def pipeline_argument(function: F) -> F:
    """``PIPELINE.toml`` and ``--set``."""
    function = click.option(
        "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one key; VALUE is TOML."
    )(function)
    return click.argument("pipeline", metavar="PIPELINE.toml", type=click.Path(path_type=Path))(function)


def run_argument(function: F) -> F:
    """``RUN``."""
    return click.argument("run", metavar="RUN")(function)


def runs_dir_option(function: F) -> F:
    """``--runs-dir``."""
    return click.option(
        "--runs-dir", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept."
    )(function)


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")(function)


def echo_json(data: Any) -> None:
    """Print a JSON document on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=2).decode())
