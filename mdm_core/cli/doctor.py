"""``mdm doctor``."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from mdm_core.cli.options import echo_json, json_option, runs_dir_option
from mdm_core.diagnosis import diagnose

_COLOURS = {"ok": "green", "note": "yellow", "wrong": "red"}


@click.command("doctor")
@click.argument("pipeline", metavar="[PIPELINE.toml]", required=False, type=click.Path(path_type=Path))
@runs_dir_option
@json_option
@click.pass_context
def command(ctx: click.Context, pipeline: Path | None, runs_dir: Path, as_json: bool) -> None:
    """Find what is wrong with this installation, and say what to do.

    With a pipeline file, it also looks at what that needs. Every plugin is imported. Secrets are masked. Exit code 1 if
    something is wrong.
    """
    findings = diagnose(pipeline, runs_dir)
    wrong = sum(found.state == "wrong" for found in findings)
    if as_json:
        echo_json({"ok": not wrong, "findings": [attrs.asdict(found) for found in findings]})
    else:
        width = max(len(found.part) for found in findings)
        for found in findings:
            click.secho(f"{found.state:<6}", fg=_COLOURS[found.state], nl=False)
            click.echo(f"{found.part:<{width}}  {found.text}")
        click.echo(f"{wrong} wrong" if wrong else "nothing is wrong", err=True)
    ctx.exit(1 if wrong else 0)
