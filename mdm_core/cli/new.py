"""``mdm new``."""

from __future__ import annotations

from pathlib import Path

import click

from mdm_core.scaffolding import BLUEPRINTS, create_plugin, plugin_name


@click.group("new")
def command() -> None:
    """Begin a plugin or a pipeline."""


@command.command("plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(BLUEPRINTS)), required=True, help="What its first component is.")
@click.option(
    "--dir",
    "parent",
    default=".",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where its directory is made.",
)
def plugin(name: str, kind: str, parent: Path) -> None:
    """Make a plugin NAME: a distribution with one component that works, its tests, a pipeline, docs and CI."""
    made = plugin_name(name)
    files = create_plugin(made, BLUEPRINTS[kind], parent)
    for file in files:
        click.echo(file)
    directory = parent / f"mdm-{made}"
    click.echo(
        f"next: cd {directory} && python -m pip install --no-deps --editable . && python -m pytest && "
        f"mdm run pipeline.toml\n"
        f"then make it yours, and choose a licence before you publish it: README.md says how",
        err=True,
    )
