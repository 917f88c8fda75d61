"""``mdm completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that makes a shell complete mdm's commands, options and files.

    bash: put `eval "$(mdm completion bash)"` into ~/.bashrc; zsh: the same with zsh into ~/.zshrc; fish: write what is
    printed to ~/.config/fish/completions/mdm.fish.
    """
    from mdm_core.cli.main import cli

    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(cli, {}, "mdm", "_MDM_COMPLETE").source())
