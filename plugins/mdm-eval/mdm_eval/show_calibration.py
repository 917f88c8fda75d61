"""A calibration, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator

import click

from mdm_eval.calibrating import Calibrated
from mdm_eval.calibration import Logistic
from mdm_eval.intervals import Estimate
from mdm_eval.show import curve_lines, figure, n, span
from mdm_eval.showing import table


def show_calibration(found: Calibrated) -> None:
    """Print a calibration.

    Args:
        found: The calibration.
    """
    for line in _lines(found):
        click.echo(line)


def _lines(found: Calibrated) -> Iterator[str]:
    fitted, shown = found.fitted, found.shown
    yield f"run {found.run_id}: {found.method} calibration"
    yield f"fitted on {fitted.cases:,} cases, steps {fitted.first_step:,} to {fitted.last_step:,}: {_map(found)}"
    yield f"shown on {shown.cases:,} others, steps {shown.first_step:,} to {shown.last_step:,}"
    yield ""
    yield from _scores(found)
    yield ""
    yield from _actions(found)
    yield ""
    yield "reliability after calibration (bar: how often it happened, │: mean probability)"
    yield from curve_lines(found.quality.after)


def _map(found: Calibrated) -> str:
    if isinstance(found.map, Logistic):
        return f"a {found.map.a:.4f}, b {found.map.b:.4f}, c {found.map.c:.4f}"
    return f"{len(found.map.x):,} points"


def _scores(found: Calibrated) -> Iterator[str]:
    before, after = found.quality.before, found.quality.after
    changes = {"brier": found.quality.brier_change, "log_loss": found.quality.log_loss_change}
    names = {
        "brier": "Brier score",
        "log_loss": "log loss",
        "ece": "calibration error, equal width",
        "ece_equal_mass": "calibration error, equal size",
        "roc_auc": "ROC AUC",
    }
    rows = [
        (label, *_with_span(getattr(before, name)), *_with_span(getattr(after, name)), _change(changes.get(name)))
        for name, label in names.items()
    ]
    chance = after.by_chance["ece"].p95
    yield from table(("", "before", "95 % interval", "after", "95 % interval", "change"), rows)
    yield f"  by chance the calibration error (equal width) would be up to {chance:.4f}"


def _actions(found: Calibrated) -> Iterator[str]:
    costs = found.costs
    expected = "" if found.expected_threshold is None else f"; {found.expected_threshold:.4f} if it were exactly right"
    yield f"threshold {found.threshold:.4f}, which costs least with fp={costs.fp:g}, fn={costs.fn:g}{expected}"
    rows = [
        (name, n(q.tp), n(q.fp), n(q.fn), figure(q.precision.value), figure(q.recall.value), *_with_span(q.cost))
        for name, q in (("as decided", found.quality.decided), ("at the threshold", found.quality.retuned))
    ]
    yield from table(("", "acted rightly", "wrongly", "missed", "precision", "recall", "cost", "95 % interval"), rows)


def _with_span(estimate: Estimate) -> tuple[str, str]:
    return figure(estimate.value), span(estimate)


def _change(change: Estimate | None) -> str:
    return "" if change is None else f"{change.value:+.4f} ({change.low:+.4f} to {change.high:+.4f})"
