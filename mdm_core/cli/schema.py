"""``mdm schema``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from mdm_core.errors import UsageError
from mdm_core.json_schema import pipeline_schema
from mdm_core.plugins import Registry


@click.command("schema")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there, in place of what is there."
)
def command(output: Path | None) -> None:
    """Print the JSON Schema of pipeline files, for editors, from the plugins that are installed.

    A plugin that is broken is left out, and told on standard error.
    """
    schema = pipeline_schema(Registry())
    for problem in schema.problems:
        click.echo(f"left out: {problem}", err=True)
    text = msgspec.json.format(msgspec.json.encode(schema.document), indent=2).decode() + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}; choose another file") from None
    click.echo(f"{output}: written; put `#:schema {output}` on the first line of a pipeline file", err=True)
