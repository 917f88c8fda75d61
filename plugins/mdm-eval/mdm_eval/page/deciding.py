"""The sections about what was decided, and when."""

from __future__ import annotations

from collections.abc import Iterator

from mdm_eval.charts.bars import Bar, bars
from mdm_eval.charts.markup import Markup
from mdm_eval.charts.numbers import count, duration, figure, instant, interval, named, share
from mdm_eval.charts.plot import Figure
from mdm_eval.charts.timelines import actions, denials, latencies, latency, volume
from mdm_eval.intervals import Estimate
from mdm_eval.page.blocks import charts, folded, listed, said, section, table, tiles
from mdm_eval.report.document import Report

_MOST_CODES = 40


def summary(found: Report) -> Markup:
    """The figures that matter most, and what to know before anything is concluded."""
    warnings = list(found.evaluation.warnings) + ([] if found.comparison is None else found.comparison.warnings)
    told = listed(warnings, "warnings") if warnings else None
    return section("summary", "In short", tiles(_tiles(found)), told)


def decided(found: Report) -> Markup:
    """What models wanted, and what came of it."""
    evaluation = found.evaluation
    guards = evaluation.guards
    denied = share(guards.denied.value) if guards.guards else "none"
    what = said(
        f"Guards denied {denied} of {count(guards.proposals)} proposals to act; "
        f"{share(guards.failed_closed.value) if guards.failed_closed.value else 'none'} of all decisions failed closed."
    )
    return section(
        "decided",
        "What was decided",
        what,
        charts(_action_bars(found), _denial_bars(found)),
        _guard_table(found),
        _codes(found),
    )


def over_time(found: Report) -> Markup:
    """Actions and denials over time."""
    line = found.timeline
    if len(line.spans) < 2:
        return section("time", "Over time", said("The run is too short to be shown over time."))
    return section("time", "Over time", charts(actions(line), denials(line), volume(line)))


def latency_section(found: Report) -> Markup:
    """How long deciding took."""
    percentiles = found.evaluation.latency_us
    if not found.latencies:
        return section("latency", "Latency", said("The run has not recorded how long deciding took."))
    known = any(span.latency_p50_us is not None for span in found.timeline.spans)
    row = ["time to decide", *(duration(value) for value in percentiles.values())]
    told = table(["", *percentiles], [row], "Percentiles of all decisions")
    over = latency(found.timeline) if known and len(found.timeline.spans) > 1 else None
    what = said("The time from an event's admission to its decision, without reading and carrying out.")
    return section("latency", "Latency", what, told, charts(latencies(found.latencies, percentiles), over))


def _tiles(found: Report) -> Iterator[tuple[str, str, str]]:
    evaluation = found.evaluation
    whole = evaluation.whole
    yield "decisions", count(whole.decisions), f"{count(evaluation.with_outcome)} with a known outcome"
    yield "acted", share(whole.acted.value), interval(whole.acted, True)
    yield "proposals denied", share(evaluation.guards.denied.value), interval(evaluation.guards.denied, True)
    if whole.decided is not None:
        for name, estimate in (("precision", whole.decided.precision), ("recall", whole.decided.recall)):
            yield name, figure(estimate.value, 3), interval(estimate)
        yield "cost per decision", figure(whole.decided.cost.value), interval(whole.decided.cost)
    if whole.probabilities is not None:
        yield "ROC AUC", figure(whole.probabilities.roc_auc.value, 3), interval(whole.probabilities.roc_auc)
        yield "calibration error", figure(whole.probabilities.ece.value), interval(whole.probabilities.ece)
    if found.comparison is not None:
        flips = found.comparison.flips
        yield "decided differently", share(flips.value), interval(flips, True)
    trace = found.provenance.verification
    yield "trace", trace.verdict, trace.by


def _action_bars(found: Report) -> Figure:
    proposed, final = found.evaluation.proposed, found.evaluation.final
    whole = found.evaluation.whole.decisions
    names = dict.fromkeys([*proposed, *final])
    groups = [
        (
            name,
            [
                Bar(n, f"{what} {count(n)}", cls, f"{name}, {what}: {count(n)} ({share(n / whole)})")
                for what, cls, n in (("proposed", "s5", proposed.get(name, 0)), ("decided", "s1", final.get(name, 0)))
            ],
        )
        for name in names
    ]
    title = "Actions"
    rows = [
        (named(name), *(told for n in counts for told in (count(n), share(n / whole))))
        for name in names
        for counts in [(proposed.get(name, 0), final.get(name, 0))]
    ]
    note = "All decisions: what the model proposed, and what was decided. A denial is decided as HOLD or STOP."
    return Figure(title, bars(title, groups), note, (("action", "proposed", "share", "decided", "share"), rows))


def _denial_bars(found: Report) -> Figure | None:
    if not found.denied:
        return None
    whole = found.evaluation.whole.decisions
    kept = list(found.denied.items())[:12]
    groups = [(flag, [Bar(n, count(n), "s2", f"{flag}: {count(n)} ({share(n / whole)})")]) for flag, n in kept]
    title = "Denials by flag"
    more = f" The {len(kept)} most frequent of {len(found.denied)} flags." if len(found.denied) > len(kept) else ""
    note = f"All decisions that were not allowed, failures included; one can have several flags.{more}"
    rows = [(named(flag), count(n), share(n / whole)) for flag, n in list(found.denied.items())[:_MOST_CODES]]
    return Figure(title, bars(title, groups), note, (("flag", "denials", "of all decisions"), rows))


def _guard_table(found: Report) -> Markup | None:
    guards = found.evaluation.guards.guards
    if not guards:
        return None
    rows = [
        (
            *(named(g.flag), count(g.denied), share(g.rate.value)),
            *(count(g.missed), count(g.averted), count(g.unknown), figure(g.net.value, 0), _ends(g.net)),
        )
        for g in guards[:_MOST_CODES]
    ]
    heads = ("guard", "denied", "of proposals", "missed", "averted", "not known", "saved less cost", "95 % interval")
    return table(heads, rows, "What guards cost and saved")


def _ends(net: Estimate) -> str:
    return "" if net.low is None or net.high is None else f"{net.low:,.0f} to {net.high:,.0f}"


def _codes(found: Report) -> Markup | None:
    codes = found.evaluation.guards.reason_codes
    if not codes:
        return None
    kept = list(codes.items())[:_MOST_CODES]
    more = f" (the {len(kept)} most frequent of {count(len(codes))}; --json has all)" if len(codes) > len(kept) else ""
    rows = [(named(code), count(times)) for code, times in kept]
    return folded(f"Reason codes of guards and failures{more}", table(("code", "decisions"), rows, "Reason codes"))


def period(found: Report) -> str:
    """From when to when it was decided."""
    since, until = found.evaluation.since_ms, found.evaluation.until_ms
    return "" if since is None or until is None else f"{instant(since)} to {instant(until)} UTC"
