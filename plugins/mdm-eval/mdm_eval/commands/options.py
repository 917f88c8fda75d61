"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from mdm_core.cli.options import run_argument, runs_dir_option

from mdm_eval.asking import Question

_OPTIONS = [
    click.option("--since", metavar="TIME", help="Only decisions from this time on, such as 2026-01-31T00:00:00Z."),
    click.option("--until", metavar="TIME", help="Only decisions before this time."),
    click.option("--action", metavar="ACTION", help="The action that is judged.  [default: every one but HOLD]"),
    click.option("--positive", metavar="VALUE", help="The outcome that it is right to act on.  [default: true or 1]"),
    click.option(
        "--probability",
        metavar="PARAM",
        default="probability",
        show_default=True,
        help="The parameter of the proposal that is its probability; without it the confidence counts.",
    ),
    runs_dir_option,
]


def question_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``RUN`` and what is asked of it; the command gets them as ``question``."""

    @wraps(function)
    def ask(
        run: str,
        runs_dir: Path,
        probability: str,
        action: str | None,
        positive: str | None,
        since: str | None,
        until: str | None,
        by: str | None = None,
        **others: Any,
    ) -> Any:
        action = action.upper() if action else None
        return function(Question(run, runs_dir, probability, action, positive, since, until, by), **others)

    wrapped: Callable[..., Any] = ask
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return run_argument(wrapped)


def by_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--by``."""
    help_text = "Also each part by itself: 'key', name of a feature, or dotted path in the event."
    return click.option("--by", metavar="NAME", help=help_text)(function)


def cost_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--cost``."""
    return click.option(
        "--cost",
        metavar="fp=1,fn=5",
        default="fp=1,fn=1",
        show_default=True,
        help="What mistakes cost; tp and tn can have a cost too, or below zero a gain.",
    )(function)


def periods_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--periods``."""
    return click.option(
        "--periods",
        type=click.IntRange(min=2, max=1000),
        default=10,
        show_default=True,
        help="Into how many parts of equal length the time is divided to see drift.",
    )(function)
