"""The entry of the command line: subcommands are imported when they are invoked, errors become one line."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from mdm_core._version import __version__

DEBUG_VARIABLE = "MDM_DEBUG"
_GROUP = "mdm.commands"
_OWN = {name: f"mdm_core.cli.{name}" for name in ("check", "plugins", "run", "runs")}


class Commands(click.Group):
    """Core's subcommands, and those that plugins add under the entry-point group ``mdm.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all subcommands."""
        return sorted({*_OWN, *_entry_points()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        if cmd_name in _OWN:
            command: click.Command = import_module(_OWN[cmd_name]).command
            return command
        entry = _entry_points().get(cmd_name)
        return None if entry is None else _load(entry)


def _entry_points() -> dict[str, Any]:
    import importlib_metadata  # `mdm run` and `mdm --version` need no scan for commands

    return {entry.name: entry for entry in importlib_metadata.entry_points(group=_GROUP)}


def _load(entry: Any) -> click.Command:
    try:
        command: click.Command = entry.load()
    except (Exception, SystemExit) as error:
        problem = f"command {entry.name!r} of {entry.dist.name} cannot be imported: {type(error).__name__}: {error}"
        return click.Command(entry.name, callback=lambda: _refuse(problem), short_help=f"broken: {error}")
    return command


def _refuse(problem: str) -> None:
    raise click.UsageError(problem)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mdm", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Put a model in charge of actions, and keep it honest.

    Standard output is data, standard error is talk.

    Exit codes: 0 done, 1 the run stopped or found something, 2 usage or configuration, 3 internal error, 5 no events.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli(standalone_mode=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 1
    except Exception as error:
        code = _report(error)
    sys.exit(code)


def _report(error: Exception) -> int:
    from mdm_core.errors import MdmError

    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()
    if isinstance(error, MdmError):
        for line in str(error).splitlines():
            click.echo(f"mdm: {line}", err=True)
        return error.exit_code
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    click.echo(
        f"mdm: internal error: {type(error).__name__} at {where}; set {DEBUG_VARIABLE}=1 for the traceback, "
        f"and please report it",
        err=True,
    )
    return 3
