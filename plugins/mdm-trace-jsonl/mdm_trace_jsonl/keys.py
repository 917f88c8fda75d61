"""``mdm keys``."""

from __future__ import annotations

from pathlib import Path

import click

from mdm_trace_jsonl.signing import new_key


@click.group("keys")
def keys() -> None:
    """Make keys that sign traces."""


@keys.command("new")
@click.argument("name", metavar="NAME", type=click.Path(path_type=Path))
def new(name: Path) -> None:
    """Make a key: NAME.key, which only you may read, and NAME.pub for those who verify.

    Nothing is ever overwritten. Whoever has NAME.key can sign in your name: keep it away from the runs.
    """
    private, public = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pub")
    key = new_key(private, public)
    click.echo(key)
    click.echo(f"private key: {private}, public key: {public}", err=True)
    click.echo(f'sign with it: signing_key = "{private}" under [[trace]], a path seen from the pipeline file', err=True)
