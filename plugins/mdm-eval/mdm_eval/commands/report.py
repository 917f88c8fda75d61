"""``mdm report``."""

from __future__ import annotations

from pathlib import Path

import click
from mdm_core import UsageError
from mdm_core.cli.options import echo_json, json_option

from mdm_eval.asking import Question
from mdm_eval.commands.options import by_option, cost_option, periods_option, question_options


@click.command("report")
@question_options
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page that opens in any browser.")
@click.option("--against", metavar="OTHER", help="Another run over the same events, to be compared with.")
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File of the public key that must have signed the trace; may be given several times.",
)
@by_option
@cost_option
@periods_option
@json_option
def report(
    question: Question,
    html: Path | None,
    against: str | None,
    public_keys: tuple[Path, ...],
    cost: str,
    periods: int,
    as_json: bool,
) -> None:
    """Tell everything about RUN in one document: a page for people (--html), or JSON for programs.

    The page is one file, needs no network and no other file, and can be printed.
    """
    from mdm_eval.costs import Costs
    from mdm_eval.report.document import report as gather

    if html is None and not as_json:
        raise UsageError("say what to make of it: --html report.html, --json, or both")
    if html is not None and not html.absolute().parent.is_dir():
        raise UsageError(f"--html {html}: there is no directory {html.parent}; make it first")
    found = gather(question, against, Costs.parse(cost), periods, public_keys)
    if html is not None:
        from mdm_eval.page.page import write_page

        write_page(found, html)
        click.echo(f"written to {html} ({html.stat().st_size / 1e6:.2f} MB)", err=True)
    if as_json:
        echo_json(found.to_dict())
