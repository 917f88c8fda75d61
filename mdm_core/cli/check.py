"""``mdm check``."""

from __future__ import annotations

from pathlib import Path

import click

from mdm_core.cli.options import echo_json, json_option, pipeline_argument
from mdm_core.contracts import Component
from mdm_core.lifecycle import close_all, open_all, with_children
from mdm_core.plan import Plan


@click.command("check")
@pipeline_argument
@json_option
def command(pipeline: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check a pipeline file: plugins, options, and whether source and model can be opened. Nothing is run."""
    plan = Plan.from_config(pipeline, overrides)
    opened: list[Component] = []
    try:
        with plan.parts.pipeline(plan.config.path.parent) as deciding:
            open_all(with_children(plan.source.component), deciding.build, opened)
            notices = [(part.component_id, part.notice) for part in (*opened, *deciding.components()) if part.notice]
    finally:
        close_all(opened)
    for name, notice in notices:
        click.echo(f"{name}: {notice}", err=True)
    if as_json:
        echo_json({"ok": True, "components": [built.id for _, built in plan.built()]})
    else:
        click.echo(f"{pipeline}: fine ({', '.join(built.id for _, built in plan.built())})")
