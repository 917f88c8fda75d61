"""``mdm check-plugin``."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mdm_core.cli.options import echo_json, json_option
from mdm_core.errors import UsageError

if TYPE_CHECKING:
    from mdm_core.testing.running import Outcome
    from mdm_core.testing.subject import Subject

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow", "inapplicable": None}


@click.command("check-plugin")
@click.argument("name")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option; of a whole plugin, COMPONENT.KEY=VALUE. VALUE is TOML, or else text.",
)
@click.option("--events", type=click.Path(path_type=Path), help="Events to ask about, as JSON lines.")
@click.option("--key", default="key", show_default=True, help="Dotted path of the key in the events.")
@click.option(
    "--timestamp", default="timestamp_ms", show_default=True, help="Dotted path of the time, in milliseconds."
)
@click.option(
    "--context",
    "items",
    multiple=True,
    metavar="KEY=VALUE",
    help="An item of every context, such as eval.outcome=true.",
)
@click.option(
    "--skip", "skips", multiple=True, metavar="ID=REASON", help="Leave a check out, and say why; COMPONENT.ID=REASON."
)
@click.option("--limit-ms", type=float, default=10.0, show_default=True, help="Longest time of a call, by the median.")
@json_option
def command(
    name: str,
    options: Sequence[str],
    events: Path | None,
    key: str,
    timestamp: str,
    items: Sequence[str],
    skips: Sequence[str],
    limit_ms: float,
    as_json: bool,
) -> None:
    """Check whether a plugin's components keep their contracts.

    NAME is plugin.component or the name of a plugin. Exit 1 if a check failed; docs/TESTING.md lists them with their
    reasons. A broker is really given orders: check one that acts with the options of a test account, or of an endpoint
    of your own. What brokers and sinks write beside the pipeline file goes to a folder that is removed; the files that
    others read are looked for here.
    """
    from mdm_core.testing.running import check_component, measure_us
    from mdm_core.testing.subject import Subject

    rest: dict[str, Any] = {"key": key, "timestamp": timestamp, "limit_ms": limit_ms}
    rest["context"] = {name: _value(value) for name, value in map(_setting, items)}
    if events is not None:
        rest["events"] = _read(events)
    ids = _ids(name)
    whole = ids != [name]
    reports: list[dict[str, Any]] = []
    for component_id in ids:
        short = component_id.rpartition(".")[2]
        subject = Subject.of(
            component_id, _table(_mine(options, short, whole)), base_dir=_base_dir(component_id), **rest
        )
        outcomes = check_component(subject, dict(_mine(skips, short, whole, or_all=True)))
        cost_us = measure_us(subject)
        reports.append(_report(subject, outcomes, cost_us))
        if not as_json:
            _show(subject, outcomes, cost_us)
    if as_json:
        echo_json(reports)
    if any(check["status"] == "failed" for report in reports for check in report["checks"]):
        sys.exit(1)


def _ids(name: str) -> list[str]:
    """The components that are meant; those of which two kinds have the same name, with their section."""
    from mdm_core.plugins import Registry

    if "." in name:
        return [name]
    found = list(Registry().components(name).values())
    twice = {c.id for c in found if sum(c.id == other.id for other in found) > 1}
    return [f"{c.kind.section}:{c.id}" if c.id in twice else c.id for c in found]


def _base_dir(component_id: str) -> Path | None:
    # The orders and packets of the checks are made up and must not reach the files of real ones.
    from mdm_core.testing.subject import find

    return None if find(component_id).kind.section in ("broker", "trace") else Path.cwd()


def _mine(settings: Sequence[str], component: str, whole: bool, or_all: bool = False) -> Iterator[tuple[str, str]]:
    """What is said of one component: everything, unless a whole plugin is checked."""
    for setting in settings:
        name, value = _setting(setting)
        first, dot, inner = name.partition(".")
        if not whole or (or_all and not dot):
            yield name, value
        elif first == component:
            yield inner, value
        elif not dot:
            raise UsageError(f"--option {name}: say of which component, such as {component}.{name}=…")


def _setting(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals or not name:
        raise UsageError(f"{setting!r}: write NAME=VALUE")
    return name, value


def _table(settings: Iterator[tuple[str, str]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in settings:
        *outer, last = name.split(".")
        target = table
        for part in outer:
            target = target.setdefault(part, {})
        target[last] = _value(value)
    return table


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _read(path: Path) -> list[dict[str, Any]]:
    import msgspec

    try:
        found = [
            msgspec.json.decode(line, type=dict[str, Any]) for line in path.read_bytes().splitlines() if line.strip()
        ]
    except OSError as error:
        raise UsageError(f"--events {path}: cannot be read: {error.strerror}; give a file of JSON lines") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--events {path}: not JSON lines ({error}); write one object a line") from None
    if not found:
        raise UsageError(f"--events {path}: holds no events; write one object a line")
    return found


def _report(subject: Subject, outcomes: Sequence[Outcome], cost_us: float | None) -> dict[str, Any]:
    return {
        "component": subject.name,
        "kind": subject.kind.name,
        "cost_us": None if cost_us is None else round(cost_us, 3),
        "checks": [{"id": o.id, "status": o.status, "message": o.message} for o in outcomes],
    }


def _show(subject: Subject, outcomes: Sequence[Outcome], cost_us: float | None) -> None:
    click.secho(subject.name, bold=True, nl=False)
    cost = "" if cost_us is None else f", {cost_us:.1f} µs a call"
    click.echo(f"  ({subject.kind.name}{cost})")
    for outcome in outcomes:
        click.echo("  ", nl=False)
        click.secho(f"{outcome.status:<13}", fg=_COLOURS[outcome.status], nl=False)
        click.echo(f"{outcome.id:<24} {outcome.message}".rstrip())
    counts = [f"{sum(o.status == s for o in outcomes)} {s}" for s in _COLOURS if any(o.status == s for o in outcomes)]
    click.echo(f"  {', '.join(counts)}\n")
