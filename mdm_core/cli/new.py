"""``mdm new``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from mdm_core.errors import PluginError, UsageError
from mdm_core.kinds import BY_SECTION
from mdm_core.scaffolding import BLUEPRINTS, create_plugin, missing_needs, plugin_name
from mdm_core.wording import listing


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
    """Make a plugin NAME that works, to be changed.

    It is a distribution with one component, its tests, a pipeline, docs and CI.
    """
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
    missing = missing_needs(BLUEPRINTS[kind])
    if missing:
        click.echo(f"its tests and its pipeline need {listing(missing)} besides: install that first", err=True)


@command.command("pipeline")
@click.option("--source", metavar="ID", help="Where events come from.")
@click.option("--features", metavar="ID", multiple=True, help="What is computed from an event; may be repeated.")
@click.option("--model", metavar="ID", help="What wants an action.")
@click.option("--modulator", "modulators", metavar="ID", multiple=True, help="A guard; may be repeated, in order.")
@click.option("--broker", metavar="ID", help="What carries actions out; without it, nothing is carried out.")
@click.option("--trace", metavar="ID", multiple=True, help="What keeps packets or audit events; may be repeated.")
@click.option("--observer", "observers", metavar="ID", multiple=True, help="What watches; may be repeated.")
@click.option(
    "--redaction", metavar="ID", default="redaction.keys", show_default=True, help="What hides secrets, or none."
)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Set one option; VALUE is TOML.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there.")
def pipeline(output: Path | None, overrides: tuple[str, ...], **chosen: str | tuple[str, ...] | None) -> None:
    """Write a pipeline file of these components.

    It has all their options; what is not set is a comment. An ID is one that `mdm plugins` lists. What `mdm check`
    would refuse is refused.
    """
    from mdm_core.cli.draft import draft

    ids = {section: [c] if isinstance(c, str) else list(c or ()) for section, c in chosen.items()}
    for section in ("source", "features", "model"):
        if not ids[section]:
            raise UsageError(f"--{section} is missing; {_installed(section)}")
    text = draft({section: ids[section] for section in BY_SECTION if ids[section]}, overrides)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{output}: is there already; choose another file") from None
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}; choose another file") from None
    click.echo(f"{output}: written; next: mdm check {output}", err=True)


def _installed(section: str) -> str:
    from mdm_core.plugins import Registry

    kind, registry = BY_SECTION[section], Registry()
    found = []
    for name in registry.installed:
        with suppress(PluginError):  # `mdm doctor` tells of those
            found += [c.id for c in registry.components(name).values() if c.kind is kind]
    return f"{kind.name}s that are installed: {listing(found)}"
