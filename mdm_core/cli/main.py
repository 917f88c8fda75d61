"""The entry of the command line: subcommands are imported when they are invoked, errors become one line."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING

import click

from mdm_core._version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from mdm_core.scanning import Plugin

DEBUG_VARIABLE = "MDM_DEBUG"
_GROUP = "mdm.commands"
OWN = {
    name: f"mdm_core.cli.{name.replace('-', '_')}"
    for name in (
        "check",
        "check-plugin",
        "completion",
        "dead-letter",
        "doctor",
        "new",
        "plugins",
        "release",
        "run",
        "runs",
        "schema",
        "stop",
    )
}


class Commands(click.Group):
    """Core's subcommands, and those that plugins add under the entry-point group ``mdm.commands``.

    An entry point named ``trace.query`` adds the subcommand ``query`` to another plugin's group ``trace``, or to one
    that is made for it.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all subcommands."""
        return sorted({*OWN, *(name.partition(".")[0] for name in _theirs())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand."""
        if cmd_name in OWN:
            command: click.Command = import_module(OWN[cmd_name]).command
            return command
        theirs = _theirs()
        added = {name.partition(".")[2]: c for name, c in theirs.items() if name.startswith(f"{cmd_name}.")}
        claims = theirs.get(cmd_name, [])
        if not added:
            return load_command(cmd_name, claims) if claims else None
        group = (
            load_command(cmd_name, claims)
            if claims
            else click.Group(cmd_name, help="Commands that plugins have added.")
        )
        return _Extended(group, claims, added) if isinstance(group, click.Group) else _alone(group, added)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names and options; no subcommand is imported for it."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name) for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands; a plugin's is not imported for it, and so can neither break nor slow the help."""
        rows = [(name, import_module(module).command.get_short_help_str(90)) for name, module in sorted(OWN.items())]
        origins: dict[str, list[Plugin]] = {}
        for name, claims in _theirs().items():
            origins.setdefault(name.partition(".")[0], []).extend(claims)
        rows += [(name, _from(claims)) for name, claims in sorted(origins.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        plugins = {claim.distribution: _summary(claim) for claims in origins.values() for claim in claims}
        if told := sorted((name, summary) for name, summary in plugins.items() if summary):
            with formatter.section("Where commands come from; `mdm COMMAND --help` tells what each does"):
                formatter.write_dl(told)


class _Extended(click.Group):
    """A plugin's group of commands, with those that other plugins add, each imported when it is invoked."""

    def __init__(self, group: click.Group, claims: list[Plugin], added: dict[str, list[Plugin]]) -> None:
        self.__dict__.update(group.__dict__)
        self._group = group
        self._claims = claims
        self._added = added

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self._group.list_commands(ctx), *self._added})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own, added = self._group.get_command(ctx, cmd_name), self._added.get(cmd_name)
        if added is None:
            return own
        return load_command(f"{self.name} {cmd_name}", added if own is None else [*self._claims, *added])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name: self._group.get_command(ctx, name) for name in self._group.list_commands(ctx)}
        rows = {name: command.get_short_help_str(90) for name, command in own.items() if command is not None}
        rows |= {name: _from(claims) for name, claims in self._added.items() if name not in rows}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows.items()))


def _theirs() -> dict[str, list[Plugin]]:
    from mdm_core.scanning import installed  # `mdm run` and `mdm --version` need no scan for commands

    return {name: claims for name, claims in installed(_GROUP).items() if name.partition(".")[0] not in OWN}


def _from(claims: list[Plugin]) -> str:
    return f"From {' and '.join(dict.fromkeys(map(str, claims)))}."


def _summary(plugin: Plugin) -> str:
    entry = plugin.entry_point
    try:
        return str(entry.dist.metadata["Summary"] or "") if entry and entry.dist else ""
    except Exception:  # metadata that is broken must not break the help
        return ""


def _alone(command: click.Command, added: dict[str, list[Plugin]]) -> click.Command:
    for name, claims in added.items():
        origin = " and ".join(map(str, claims))
        told = f"command '{command.name} {name}' ({origin}) is left out: {command.name!r} takes no subcommands"
        click.echo(f"mdm: {told}; tell its author", err=True)
    return command


def load_command(name: str, claims: list[Plugin]) -> click.Command:
    """Import a plugin's command.

    Args:
        name: As the user types it.
        claims: The distributions that claim it.

    Raises:
        PluginError: It cannot be used.
    """
    from mdm_core.errors import PluginError
    from mdm_core.wording import one_line

    origin = " and ".join(map(str, claims))
    if len(claims) > 1:
        raise PluginError(f"command {name!r} is claimed by {origin}; uninstall all but one of them")
    try:
        assert claims[0].entry_point is not None
        command = claims[0].entry_point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"command {name!r} ({origin}) cannot be imported: {one_line(error)}; install what it needs, or reinstall it"
        ) from error
    if not isinstance(command, click.Command):
        raise PluginError(f"command {name!r} ({origin}) is not a click command; tell its author")
    return command


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
        code = cli(prog_name="mdm", standalone_mode=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except click.ClickException as error:
        code = _refuse(error)
    except (click.Abort, KeyboardInterrupt):
        code = 1
    except Exception as error:
        code = _report(error)
    sys.exit(code)


def _refuse(error: click.ClickException) -> int:
    message = error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    if not isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = f"mdm: {' '.join(message.split())} `{context.command_path if context else 'mdm'} --help` tells more."
    click.echo(message, err=True)
    return error.exit_code


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
