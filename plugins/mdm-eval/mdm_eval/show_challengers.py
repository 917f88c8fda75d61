"""Champion against challenger, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from mdm_eval.effects import Change
from mdm_eval.intervals import Estimate
from mdm_eval.report.challengers import Arm, Challenger, fewest_keys, told_keys
from mdm_eval.show import figure, n, plain, share
from mdm_eval.showing import table

_MOST_KINDS = 10


def show_challengers(challengers: Iterable[Challenger], arms: Sequence[Arm]) -> None:
    """Print how each shadow compares with what was decided, and the canary with the main arm.

    Args:
        challengers: The shadows.
        arms: The arms of a canary, the main one first; none without a canary.
    """
    for block in (*map(_shadow, challengers), *(_canary(arms[0], arm) for arm in arms[1:])):
        for line in block:
            click.echo(line)
        click.echo()


def _shadow(found: Challenger) -> Iterator[str]:
    left_out = f"; {n(found.skipped)} skipped" if found.skipped else ""
    left_out += f"; {n(found.failed)} failed" if found.failed else ""
    yield f"shadow {plain(found.name)} against what was decided: {n(found.decisions)} decisions{left_out}"
    agreed = 1.0 - found.differs.value if found.differs.value is not None else None
    yield f"  {told_keys(found.keys)}"
    yield f"  the same in {share(agreed)}, other in {share(found.differs.value)}{_percents(found.differs)}"
    (acted, acts), (denied, denies) = found.acted, found.denied
    rows = [
        _row("acted", _share(acted, found.decisions), _share(acts, found.decisions), found.acts_more),
        ("denied", _share(denied, found.decisions), _share(denies, found.decisions), "", ""),
    ]
    effects = found.effects
    if effects is not None:
        rows += [
            _changed("precision", effects.precision),
            _changed("recall", effects.recall),
            _changed("cost per decision", effects.per_decision),
            _row("ROC AUC", "", "", found.roc_auc),
        ]
    yield from table(("", "decided", "shadow", "change", "95 % interval"), rows)
    for kind in found.kinds[:_MOST_KINDS]:
        truth = f" (right to act in {n(kind.right)}, not in {n(kind.wrong)})" if kind.right + kind.wrong else ""
        yield f"  {plain(kind.before)} → {plain(kind.after)}: {n(kind.decisions)}{truth}"


def _canary(main: Arm, arm: Arm) -> Iterator[str]:
    yield f"arm {plain(arm.name)} against {plain(main.name)}, which have decided about other events each"
    yield f"  {told_keys(fewest_keys((main, arm)))}"
    names = {"acted": "acted", "denied": "denied", "failed_closed": "failed closed"}
    rows: list[tuple[str, ...]] = [("decisions", n(main.decisions), n(arm.decisions), "", "")]
    if main.keys is not None and arm.keys is not None:
        rows.append(("keys", n(main.keys), n(arm.keys), "", ""))
    for name, told in names.items():
        before, after = getattr(main, name), getattr(arm, name)
        rows.append(_row(told, share(before.value), share(after.value), arm.differences[name]))
    if main.decided is not None and arm.decided is not None:
        for name, told in {"precision": "precision", "recall": "recall", "cost": "cost per decision"}.items():
            before, after = getattr(main.decided, name), getattr(arm.decided, name)
            rows.append(_row(told, figure(before.value), figure(after.value), arm.differences[name]))
    for name, told in {"latency_p50_us": "latency p50, µs", "latency_p99_us": "latency p99, µs"}.items():
        rows.append((told, _whole(getattr(main, name)), _whole(getattr(arm, name)), "", ""))
    yield from table(("", plain(main.name), plain(arm.name), "change", "95 % interval"), rows)


def _row(name: str, before: str, after: str, gained: Estimate) -> tuple[str, ...]:
    if gained.value is None:
        return name, before, after, "-", ""
    interval = "" if gained.low is None or gained.high is None else f"{gained.low:+.4f} to {gained.high:+.4f}"
    return name, before, after, f"{gained.value:+.4f}", interval


def _changed(name: str, change: Change) -> tuple[str, ...]:
    return _row(name, figure(change.before), figure(change.after), change.change)


def _percents(estimate: Estimate) -> str:
    return "" if estimate.low is None or estimate.high is None else f" ({estimate.low:.1%} to {estimate.high:.1%})"


def _share(part: int, whole: int) -> str:
    return share(part / whole if whole else None)


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
