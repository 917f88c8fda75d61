"""What is found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from mdm_eval.confusion import Quality
from mdm_eval.drift import Stability
from mdm_eval.evaluation import Evaluation, Segment
from mdm_eval.guards import Guards
from mdm_eval.intervals import NOTHING, Estimate
from mdm_eval.outcomes import Counts
from mdm_eval.scored import Probabilities
from mdm_eval.showing import table
from mdm_eval.times import shown

_MOST_DRIFTS = 12
_BAR = 30
_LONGEST = 48
_JOINS = {
    "joined": "outcome told in time",
    "late": "told too late, not counted",
    "absent": "nothing told, and the window is over",
    "waiting": "nothing told, the window is not over",
    "missing": "nothing told",
    "disputed": "reviewers do not agree, or are not sure",
    "redacted": "event id redacted, cannot be found",
}


def show_evaluation(found: Evaluation, by: str | None) -> None:
    """Print an evaluation; warnings go to standard error.

    Args:
        found: The evaluation.
        by: What divides its segments.
    """
    for block in _blocks(found, by):
        for line in block:
            click.echo(line)
        click.echo()
    for warning in found.warnings:
        click.echo(f"warning: {_printable(warning)}", err=True)


def show_join(counts: Counts) -> None:
    """Print what came of a join; what was passed over goes to standard error.

    Args:
        counts: What came of it.
    """
    told = {text: getattr(counts, name) for name, text in _JOINS.items()}
    rows = [(text, n(count)) for text, count in told.items() if count]
    for line in table(("decisions", n(counts.decisions)), rows):
        click.echo(line)
    if counts.superseded:
        click.echo(f"{counts.superseded:,} lines were superseded by later ones", err=True)
    if counts.unknown:
        click.echo(f"{counts.unknown:,} lines tell of events that this run has not decided", err=True)
    for reason, lines in counts.invalid.items():
        click.echo(f"{lines:,} lines tell nothing: {reason}", err=True)


def n(count: int) -> str:
    """A count for people."""
    return f"{count:,}"


def share(value: float | None) -> str:
    """A share for people, in percent."""
    return "-" if value is None else f"{value:.1%}"


def figure(value: float | None) -> str:
    """A figure for people, to four digits after the point."""
    return "-" if value is None else f"{value:.4f}"


def span(estimate: Estimate) -> str:
    """An interval for people."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def plain(text: str) -> str:
    """A text that comes from events: short, and with nothing that a terminal obeys."""
    return _printable(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def curve_lines(found: Probabilities) -> Iterator[str]:
    """The reliability curve as a table with bars.

    Args:
        found: The probabilities.
    """
    rows = [
        (f"{b.low:.3f} to {b.high:.3f}", n(b.cases), figure(b.mean), figure(b.share.value), span(b.share))
        for b in found.curve
    ]
    lines = list(table(("probability", "cases", "mean", "happened", "95 % interval"), rows))
    yield lines[0]
    for line, b in zip(lines[1:], found.curve, strict=True):
        yield f"{line:<{len(lines[0])}}  {_bar(b.share.value or 0.0, b.mean)}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _bar(share: float, expected: float) -> str:
    """How often it happened, with a mark where it should be."""
    cells = ["█" if at < round(share * _BAR) else " " for at in range(_BAR + 1)]
    cells[round(expected * _BAR)] = "│"
    return "".join(cells).rstrip()


def _blocks(found: Evaluation, by: str | None) -> Iterator[Iterable[str]]:
    yield _head(found)
    yield _actions(found)
    if found.whole.decided is not None and found.wanted is not None:
        yield _quality(found.whole.decided, found.wanted)
    if found.whole.probabilities is not None:
        yield _probabilities(found.whole.probabilities, found.score)
        yield ["reliability (bar: how often it happened, │: mean probability)", *curve_lines(found.whole.probabilities)]
    yield _guards(found.guards)
    yield _latency(found)
    if found.stability is not None:
        yield from _stability(found.stability, found.since_ms is not None)
    if found.segments:
        yield _segments(found.segments, by or "")


def _head(found: Evaluation) -> Iterator[str]:
    since, until = found.since_ms, found.until_ms
    when = "" if since is None or until is None else f", {shown(since)} to {shown(until)} UTC"
    joined = f", {found.joined:,} of them joined" if found.joined else ""
    yield f"run {found.run_id}: {found.whole.decisions:,} decisions{when}"
    yield f"outcome known of {found.with_outcome:,}{joined}"


def _actions(found: Evaluation) -> Iterable[str]:
    whole = found.whole.decisions
    names = dict.fromkeys([*found.proposed, *found.final])
    rows = [
        (plain(name), n(proposed), share(proposed / whole), n(final), share(final / whole))
        for name in names
        for proposed, final in [(found.proposed.get(name, 0), found.final.get(name, 0))]
    ]
    return table(("action", "proposed", "share", "decided", "share"), rows)


def _quality(decided: Quality, wanted: Quality) -> Iterator[str]:
    yield from table(
        ("right or wrong", "acted rightly", "acted wrongly", "missed", "left alone rightly"),
        [
            (name, n(judged.tp), n(judged.fp), n(judged.fn), n(judged.tn))
            for name, judged in _with_guards(decided, wanted)
        ],
    )
    yield ""
    names = ("precision", "recall", "f1", "specificity", "accuracy", "cost")
    judged = _with_guards(decided, wanted)
    heads = ["", *(part for name, _ in judged for part in (name, "95 % interval"))]
    yield from table(heads, [_row(name, [getattr(quality, name) for _, quality in judged]) for name in names])


def _with_guards(decided: Quality, wanted: Quality) -> list[tuple[str, Quality]]:
    return [("decided", decided)] if decided == wanted else [("decided", decided), ("as proposed", wanted)]


def _row(name: str, estimates: Sequence[Estimate]) -> list[str]:
    return [name, *(part for estimate in estimates for part in (figure(estimate.value), span(estimate)))]


def _probabilities(found: Probabilities, score: str) -> Iterator[str]:
    yield f"probability: {score}, {found.cases:,} cases, it happened in {found.positives:,}"
    chance = found.by_chance
    parts = found.decomposition
    rows = [
        (label, figure(estimate.value), span(estimate), figure(chance[key].p95) if key in chance else "")
        for label, key, estimate in (
            ("ROC AUC", "roc_auc", found.roc_auc),
            ("average precision", "average_precision", found.average_precision),
            ("Brier score", "brier", found.brier),
            ("  skill", "brier_skill", Estimate(found.brier_skill)),
            ("  reliability", "reliability", Estimate(parts.reliability)),
            ("  resolution", "resolution", Estimate(parts.resolution)),
            ("  uncertainty", "uncertainty", Estimate(parts.uncertainty)),
            ("log loss", "log_loss", found.log_loss),
            ("calibration error, equal width", "ece", found.ece),
            ("calibration error, equal size", "ece_equal_mass", found.ece_equal_mass),
            ("largest calibration error", "mce", Estimate(found.mce)),
        )
    ]
    yield from table(("", "figure", "95 % interval", "by chance up to"), rows)


def _guards(found: Guards) -> Iterator[str]:
    denied = f"denied {share(found.denied.value)} of" if found.guards else "denied none of"
    failed = f"{share(found.failed_closed.value)} of the decisions failed closed"
    yield f"guards {denied} {found.proposals:,} proposals; {failed}"
    rows = [
        (plain(g.flag), n(g.denied), share(g.rate.value), n(g.missed), n(g.averted), n(g.unknown), _amount(g.net))
        for g in found.guards
    ]
    if rows:
        yield from table(("guard", "denied", "share", "missed", "averted", "unknown", "saved less cost"), rows)
    for code, times in found.reason_codes.items():
        yield f"  {plain(code)}  {times:,}"


def _amount(net: Estimate) -> str:
    if net.value is None or net.low is None or net.high is None:
        return "-"
    return f"{net.value:,.0f} ({net.low:,.0f} to {net.high:,.0f})"


def _latency(found: Evaluation) -> Iterable[str]:
    figures = ", ".join(f"{name} {value:,.0f}" for name, value in found.latency_us.items())
    return [f"latency in µs: {figures}"]


def _stability(found: Stability, timed: bool) -> Iterator[Iterable[str]]:
    first = found.periods[0]
    rows = [
        (shown(p.since) if timed else n(round(p.since)), n(p.decisions), share(p.acted), share(p.positives))
        for p in found.periods
    ]
    yield table(("period from" if timed else "period from step", "decisions", "acted", "happened"), rows)
    later = (str(k + 2) for k in range(len(found.periods) - 1))
    drifts = [
        (plain(d.name), f"{d.largest:.3f}", d.verdict, *("-" if v is None else f"{v:.2f}" for v in d.psi))
        for d in found.drifts[:_MOST_DRIFTS]
    ]
    more = len(found.drifts) - _MOST_DRIFTS
    note = [f"  and {more} more; --json has all"] if more > 0 else []
    if not first.decisions or not drifts:
        note = ["  the first period is too short to compare the others with; try fewer --periods"]
    yield [*table(("drift against the first period (PSI)", "largest", "", *later), drifts), *note]


def _segments(segments: Sequence[Segment], by: str) -> Iterable[str]:
    rows = [
        (plain(part.name) + (" (!)" if part.small else ""), n(part.decisions), share(part.acted.value), *_judged(part))
        for part in segments
    ]
    return table((by, "decisions", "acted", "precision", "recall", "ROC AUC", "calibration error"), rows)


def _judged(part: Segment) -> list[str]:
    decided, probabilities = part.decided, part.probabilities
    of_actions = (NOTHING, NOTHING) if decided is None else (decided.precision, decided.recall)
    of_scores = (NOTHING, NOTHING) if probabilities is None else (probabilities.roc_auc, probabilities.ece)
    return [_short(estimate) for estimate in (*of_actions, *of_scores)]


def _short(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}{'':17}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
