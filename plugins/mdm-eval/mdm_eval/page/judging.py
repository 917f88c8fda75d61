"""The sections about how right the decisions were, and for whom."""

from __future__ import annotations

from collections.abc import Iterator

from mdm_eval.charts.effects import estimates
from mdm_eval.charts.markup import Markup, tag
from mdm_eval.charts.numbers import count, day, figure, interval, named, share
from mdm_eval.charts.plot import Figure
from mdm_eval.charts.quality import cost, reliability, roc, spread
from mdm_eval.confusion import Quality
from mdm_eval.drift import Drift
from mdm_eval.evaluation import Segment
from mdm_eval.intervals import NOTHING, Estimate
from mdm_eval.page.blocks import charts, said, scrolled, section, table
from mdm_eval.report.document import Report
from mdm_eval.scored import Probabilities

_MOST_DRIFTS = 20
_OF_CALIBRATION = (
    "Chance makes a calibration error too large. Its interval is without that, so it can lie below the figure, and "
    "an error below what it is by chance says nothing against the model."
)
_QUALITIES = ("precision", "recall", "f1", "specificity", "accuracy", "cost")


def quality(found: Report) -> Markup:
    """Decisions and probabilities against outcomes."""
    evaluation = found.evaluation
    decided, scored = evaluation.whole.decided, evaluation.whole.probabilities
    if decided is None:
        return section(
            "quality", "Was it right?", said("No outcome is known, so nothing is said about right or wrong.")
        )
    costs = found.costs
    known = said(
        f"Of {count(evaluation.whole.decisions)} decisions the outcome of {count(evaluation.with_outcome)} is known. "
        f"A wrong action costs {costs.fp:g}, a missed one {costs.fn:g}, a right one {costs.tp:g}, rightly doing "
        f"nothing {costs.tn:g}. Intervals hold the truth in 95 of 100 cases if decisions are independent of each other."
    )
    tables = tag("div", _confusion(decided), _quality_table(decided, evaluation.wanted), cls="side")
    parts = [known, tables]
    if scored is not None:
        parts.append(_score_table(scored, evaluation.score))
        parts.append(said(_OF_CALIBRATION))
        parts.append(charts(*_curves(found, decided, scored)))
    return section("quality", "Was it right?", *parts)


def drift(found: Report) -> Markup:
    """Whether features and probabilities are still what they were."""
    stability = found.evaluation.stability
    if stability is None or not stability.drifts:
        return section("drift", "Drift", said("The run, or its first period, is too short to tell whether it drifts."))
    timed = found.timeline.unit == "ms"
    later = stability.periods[1:]
    heads = ["", "largest", "", *(day(p.since) if timed else count(p.since) for p in later)]
    rows = [[named(d.name), figure(d.largest, 3), d.verdict, *_shaded(d)] for d in stability.drifts[:_MOST_DRIFTS]]
    more = len(stability.drifts) - len(rows)
    note = (
        f"Population stability index of each period against the first, of {len(stability.periods)} periods of equal "
        f"length. Below 0.1, or within what chance explains, it is stable, below 0.25 moved, else shifted. Features "
        f"are told from {count(stability.sampled)} decisions spread over the run, confidence and probability from all."
        + (f" {more} more that moved less are in --json." if more > 0 else "")
    )
    return section("drift", "Drift", said(note), table(heads, rows, "Drift against the first period (PSI)", "heat"))


def segments(found: Report) -> Markup | None:
    """The same figures for each part of the decisions."""
    parts = found.evaluation.segments
    if not parts:
        return None
    by = found.asked.get("by", "")
    heads = (by, "decisions", "acted", "precision", "recall", "ROC AUC", "calibration error")
    rows = [
        [named(p.name) + (" (!)" if p.small else ""), count(p.decisions), share(p.acted.value), *_told(p)]
        for p in parts
    ]
    few = "(!) marks parts with too few cases: conclude nothing from them. " if any(p.small for p in parts) else ""
    note = said(few + _OF_CALIBRATION)
    return section("segments", f"By {named(by)}", charts(*_segment_charts(parts)), table(heads, rows, f"By {by}"), note)


def _curves(found: Report, decided: Quality, scored: Probabilities) -> Iterator[Figure]:
    yield reliability(scored.curve, scored.cases)
    if found.curves is not None:
        yield roc(found.curves, (figure(scored.roc_auc.value, 3), interval(scored.roc_auc)), decided)
        yield cost(found.curves, decided)
        yield spread(found.curves)


def _confusion(q: Quality) -> Markup:
    rows = [
        ("it was right to act", (q.tp, "acted rightly", "good"), (q.fn, "missed", "bad")),
        ("it was not", (q.fp, "acted wrongly", "bad"), (q.tn, "rightly left alone", "good")),
    ]
    body = [
        tag("tr", tag("th", name, scope="row"), *(_confused(*cell, q.cases) for cell in cells)) for name, *cells in rows
    ]
    head = tag("tr", tag("td"), tag("th", "acted", scope="col"), tag("th", "did not act", scope="col"))
    caption = tag("caption", "Confusion matrix", cls="shown")
    return scrolled(tag("table", caption, tag("thead", head), tag("tbody", *body), cls="confusion"), "Confusion matrix")


def _confused(number: int, name: str, cls: str, cases: int) -> Markup:
    told = f"{name}, {share(number / cases if cases else None)}"
    return tag("td", tag("b", count(number)), tag("span", told), cls=cls)


def _quality_table(decided: Quality, wanted: Quality | None) -> Markup:
    judged = [("decided", decided)] + ([("as proposed", wanted)] if wanted is not None and wanted != decided else [])
    heads = ["", *(part for name, _ in judged for part in (name, "95 % interval"))]
    rows = [[name, *(cell for _, q in judged for cell in _pair(getattr(q, name)))] for name in _QUALITIES]
    return table(heads, rows, "Decisions against outcomes")


def _score_table(found: Probabilities, score: str) -> Markup:
    parts, chance = found.decomposition, found.by_chance
    rows = [
        (label, *_pair(estimate), figure(chance[key].p95) if key in chance else "")
        for label, key, estimate in (
            ("ROC AUC", "roc_auc", found.roc_auc),
            ("average precision", "average_precision", found.average_precision),
            ("Brier score", "brier", found.brier),
            ("  skill against the base rate", "", Estimate(found.brier_skill)),
            ("  reliability (less is better)", "", Estimate(parts.reliability)),
            ("  resolution (more is better)", "", Estimate(parts.resolution)),
            ("  uncertainty", "", Estimate(parts.uncertainty)),
            ("log loss", "log_loss", found.log_loss),
            ("calibration error, equal width", "ece", found.ece),
            ("calibration error, equal size", "ece_equal_mass", found.ece_equal_mass),
            ("largest calibration error", "mce", Estimate(found.mce)),
        )
    ]
    caption = (
        f"Probabilities ({score}) against outcomes: {count(found.cases)} cases, it happened in {count(found.positives)}"
    )
    return table(("", "figure", "95 % interval", "by chance up to"), rows, caption)


def _pair(estimate: Estimate) -> tuple[str, str]:
    return figure(estimate.value), interval(estimate)


def _shaded(drift: Drift) -> Iterator[Markup]:
    for value in drift.psi:
        level = 0 if value is None or value < 0.1 else 1 if value < 0.25 else 2 if value < 1 else 3
        yield tag("td", figure(value, 2), cls=f"d{level}")


def _told(part: Segment) -> list[str]:
    decided, scored = part.decided, part.probabilities
    found = [NOTHING, NOTHING] if decided is None else [decided.precision, decided.recall]
    found += [NOTHING, NOTHING] if scored is None else [scored.roc_auc, scored.ece]
    return [_with_interval(estimate) for estimate in found]


def _with_interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return figure(estimate.value, 3)
    return f"{figure(estimate.value, 3)} ({figure(estimate.low, 3)} to {figure(estimate.high, 3)})"


def _segment_charts(parts: list[Segment]) -> Iterator[Figure]:
    note = "The largest parts; strokes are 95 % intervals. From zero, so that lengths can be compared."
    shown = [part for part in parts if not part.small][:16]
    for name in ("precision", "recall"):
        found = [(p.name, getattr(p.decided, name)) for p in shown if p.decided is not None]
        if found:
            yield estimates(name.capitalize(), name, found, note, True)
