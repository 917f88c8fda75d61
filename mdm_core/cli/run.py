"""``mdm run``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from mdm_core.cli.options import echo_json, json_option, pipeline_argument, runs_dir_option
from mdm_core.cli.show import show_plan, show_summary
from mdm_core.contracts import TraceSink
from mdm_core.plan import Plan
from mdm_core.run import Progress, Run


@click.command("run")
@pipeline_argument
@click.option("--limit", type=click.IntRange(min=0), help="End after this many events.")
@click.option("--run-id", metavar="ID", help="Id of the run; by default one that sorts by time.")
@click.option("--resume", metavar="ID", help="Go on with a run that died, failed or was stopped.")
@runs_dir_option
@json_option
@click.option("--plan", "plan_only", is_flag=True, help="Print the resolved pipeline and run nothing.")
@click.option("-v", "--verbose", is_flag=True, help="Show log messages on standard error.")
@click.pass_context
def command(
    ctx: click.Context,
    pipeline: Path,
    overrides: tuple[str, ...],
    limit: int | None,
    run_id: str | None,
    resume: str | None,
    runs_dir: Path,
    as_json: bool,
    plan_only: bool,
    verbose: bool,
) -> None:
    """Run a pipeline over its source and show what it decided."""
    if verbose:
        _show_log()
    plan = Plan.from_config(pipeline, overrides)
    if plan_only:
        _show_plan(plan, as_json)
        return
    if resume is not None and run_id is not None:
        raise click.UsageError("--resume names the run; take --run-id away")
    run = Run(plan, run_id=resume or run_id, runs_dir=runs_dir, limit=limit, resume=resume is not None)
    with progress_bar() as progress:
        summary = run.run(progress, started=lambda: say_what_runs(run))
    if as_json:
        echo_json(summary.to_dict())
    else:
        show_summary(summary)
    ctx.exit(summary.exit_code)


def _show_log() -> None:
    # Not the root logger: what other libraries log is not redacted.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger = logging.getLogger("mdm")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)


def _show_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        echo_json({"config": plan.resolved(), "distributions": plan.distributions()})
    else:
        show_plan(plan)


def say_what_runs(run: Run) -> None:
    plan = run.plan
    click.echo(f"run {run.run_id}: {_way(plan)}", err=True)
    if plan.broker is not None and not plan.parts.modulators:
        click.echo("no guards: proposals are carried out as the model makes them", err=True)
    elif plan.broker is not None and plan.parts.canary is not None and not plan.parts.canary.arm.modulators:
        click.echo("no guards in the canary: its proposals are carried out as its model makes them", err=True)
    for component in run.components():
        if component.notice:
            click.echo(f"{component.component_id}: {component.notice}", err=True)
    if not any(cast(TraceSink, sink.component).accepts == "packets" for sink in plan.sinks):
        click.echo("no trace: what is decided is counted and not kept", err=True)


def _way(plan: Plan) -> str:
    broker = plan.broker.id if plan.broker is not None else "no broker, nothing is carried out"
    features = " + ".join(b.id for b in plan.parts.features)
    modulators = [b.id for b in plan.parts.modulators]
    return " → ".join([plan.source.id, features, plan.parts.model.id, *modulators, broker])


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar with rate and time left on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:,.0f} events/s")

    columns = (TextColumn("{task.completed:,.0f} events"), BarColumn(), TaskProgressColumn(), Rate())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task("run", total=None)

    def show(done: int, total: int | None) -> None:
        bar.start()  # with the first figure, so that what is said before stands alone
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.stop()
