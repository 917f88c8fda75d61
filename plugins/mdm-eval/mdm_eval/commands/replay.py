"""``mdm replay``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from mdm_core.cli.options import json_option, run_argument, runs_dir_option

from mdm_eval.show_trial import change_rows

if TYPE_CHECKING:
    from mdm_eval.replaying import ReplayReport

_SHOWN = 20


@click.command("replay")
@run_argument
@click.option(
    "--config",
    metavar="PIPELINE.toml",
    type=click.Path(path_type=Path),
    help="Decide by this pipeline file, in place of what the run has recorded.",
)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one key; VALUE is TOML.")
@click.option("--allow-versions", is_flag=True, help="Go on where other versions are installed than the run had.")
@runs_dir_option
@json_option
@click.pass_context
def replay(
    ctx: click.Context,
    run: str,
    config: Path | None,
    overrides: tuple[str, ...],
    allow_versions: bool,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Decide about the events of RUN again, and verify that every decision is the same.

    Exit code 1 if one is not, or could not be decided again.
    """
    from mdm_core import PastRun

    from mdm_eval.progress import progress_bar
    from mdm_eval.rebuilding import refuse_other_versions
    from mdm_eval.replaying import replay as decide_again
    from mdm_eval.session import Wanted
    from mdm_eval.showing import print_json_with

    past = PastRun.find(run, runs_dir)
    if not allow_versions:
        refuse_other_versions(past)
    with progress_bar(past, "replayed") as progress:
        report = decide_again(past, Wanted(config, overrides), progress)
    if as_json:
        print_json_with(report.to_dict(), "differences", report.differences)
    else:
        _show(report)
    ctx.exit(0 if report.verified else 1 if report.packets else 5)


def _show(report: ReplayReport) -> None:
    told = "every decision is the same" if report.verified else "not every decision is the same"
    if not report.packets:
        told = "nothing was decided"
    click.echo(f"replay of {report.run_id}: ", nl=False)
    click.secho(told, fg="green" if report.verified else "red", bold=True)
    for name, value in _rows(report):
        click.echo(f"  {name:<21} {value}")
    for difference in islice(report.differences, _SHOWN):
        click.echo()
        for line in _lines(difference):
            click.echo(line)
    if report.different > _SHOWN:
        click.echo(f"\n… and {report.different - _SHOWN:,} more; --json gives all of them")


def _rows(report: ReplayReport) -> Iterator[tuple[str, str]]:
    yield from change_rows(report)
    yield "decisions", f"{report.packets:,}"
    yield "the same", f"{report.same:,}"
    yield "different", _counted(report.different, report.fields)
    for (before_label, now_label), number in report.flips.most_common():
        yield "", f"{before_label} → {now_label}: {number:,}"
    for reason, number in report.unknown.most_common():
        yield "not decided again", f"{number:,}: {reason}"
    yield "from the source", f"{report.from_source:,}" + (f" ({report.source})" if report.source else "")
    yield "from recorded inputs", f"{report.from_inputs:,}"
    yield (
        "from their features",
        f"{report.from_features:,}" + (" (model and guards alone)" if report.from_features else ""),
    )
    if report.missing:
        yield "not in the trace", f"{report.missing:,} steps before the last one"
    if report.ended:
        yield "ended early", report.ended
    if any(report.orders.values()):
        yield "answers to orders", ", ".join(f"{n:,} {name}" for name, n in report.orders.items() if n)
    yield "took", f"{report.seconds:,.1f} s"


def _counted(total: int, parts: Mapping[str, int]) -> str:
    told = ", ".join(f"{name} {n:,}" for name, n in sorted(parts.items(), key=lambda item: (-item[1], item[0])))
    return f"{total:,} ({told})" if told else f"{total:,}"


def _lines(difference: Mapping[str, Any]) -> Iterator[str]:
    yield f"step {difference['step']}"
    for name, pair in difference["fields"].items():
        yield f"  {name:<19} {pair['recorded']!r} → {pair['now']!r}"
