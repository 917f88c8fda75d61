"""The sections about other runs, other models and other pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mdm_eval.charts.bars import Bar, bars
from mdm_eval.charts.markup import Child, Markup, tag
from mdm_eval.charts.numbers import (
    NOTHING,
    count,
    duration,
    figure,
    instant,
    interval,
    named,
    share,
    signed,
    signed_interval,
)
from mdm_eval.charts.plot import Figure
from mdm_eval.effects import Change, Effects
from mdm_eval.intervals import Estimate
from mdm_eval.page.blocks import MOST_OPTIONS, charts, folded, listed, said, scrolled, section, table
from mdm_eval.report.challengers import Arm, Challenger, fewest_keys, told_keys
from mdm_eval.report.comparison import Comparison, Example, Side
from mdm_eval.report.document import Report
from mdm_eval.report.pairing import Kind

_MOST_KINDS = 12
_TOLD = {"cost": "cost per decision"}
_HEADS = ("event", "key", "time (UTC)", "from and to", "outcome", "there", "here")


def flips(found: Report) -> Markup | None:
    """Which decisions differ from those of another run."""
    comparison = found.comparison
    if comparison is None:
        return None
    known = "ids" if comparison.by == "id" else "steps"
    told = said(
        f"{share(comparison.flips.value)} ({interval(comparison.flips, True)}) of the {count(comparison.pairs)} "
        f"events that both runs have decided came out differently than in run ",
        tag("b", named(comparison.against)),
        f". Events are known by their {known}; {count(comparison.only_here)} decisions of this run and "
        f"{count(comparison.only_there)} of the other are about events that only one of them has.",
    )
    rows = [(named(name), count(was), count(is_)) for name, (was, is_) in comparison.actions.items()]
    return section(
        "flips",
        f"Against run {named(comparison.against)}",
        told,
        charts(_kind_bars("What flipped", comparison.kinds, comparison.pairs)),
        table(("", "there", "here"), rows, "What came of the same events"),
        _effects(comparison.effects, "there", "here"),
        _changed(comparison),
        _examples(comparison),
    )


def challengers(found: Report) -> Markup | None:
    """Champion against challenger."""
    if not found.challengers and not found.arms:
        return None
    parts: list[Child] = [part for one in found.challengers for part in _challenger(one)]
    return section("challengers", "Champion against challenger", *parts, *_arms(found.arms))


def _challenger(found: Challenger) -> Iterator[Child]:
    yield tag("h3", f"Shadow {named(found.name)}")
    yield said(
        f"It decided about {count(found.decisions)} events ({count(found.skipped)} skipped, {count(found.failed)} "
        f"failed) and would have done otherwise in {share(found.differs.value)} ({interval(found.differs, True)}). "
        f"It carried nothing out. {told_keys(found.keys)}"
    )
    rows = [("acted", *map(count, found.acted)), ("denied", *map(count, found.denied))]
    yield (
        charts(_kind_bars(f"Where {named(found.name)} differs", found.kinds, found.decisions)) if found.kinds else None
    )
    yield table(("", "champion", "challenger"), rows, f"What came of the same events, shadow {found.name}")
    yield _effects(found.effects, "champion", "challenger", found.roc_auc)


def _arms(arms: Sequence[Arm]) -> Iterator[Child]:
    if not arms:
        return
    yield tag("h3", "Canary")
    yield said(
        "Each event was decided by one of these; they have different events, so less can be told from the same number. "
        f"{told_keys(fewest_keys(arms))}"
    )
    heads = [
        "",
        *(named(arm.name) for arm in arms),
        *(f"{named(arm.name)} less main, 95 % interval" for arm in arms[1:]),
    ]
    yield table(heads, _arm_rows(arms), "Canary against main")


def _arm_rows(arms: Sequence[Arm]) -> Iterator[Sequence[Child]]:
    blank = [""] * (len(arms) - 1)
    yield ["decisions", *(count(arm.decisions) for arm in arms), *blank]
    if arms[0].keys is not None:
        yield ["keys", *(count(arm.keys or 0) for arm in arms), *blank]
    for name in ("acted", "denied", "failed_closed"):
        values = [getattr(arm, name) for arm in arms]
        yield [name.replace("_", " "), *(share(v.value) for v in values), *_gained(arms, name)]
    for name in ("precision", "recall", "cost"):
        found = [None if arm.decided is None else getattr(arm.decided, name) for arm in arms]
        if any(found):
            yield [
                _TOLD.get(name, name),
                *(figure(None if e is None else e.value) for e in found),
                *_gained(arms, name),
            ]
    yield ["latency, median", *(duration(arm.latency_p50_us) for arm in arms), *blank]
    yield ["latency, 99 % below", *(duration(arm.latency_p99_us) for arm in arms), *blank]


def _gained(arms: Sequence[Arm], name: str) -> Iterator[str]:
    for arm in arms[1:]:
        gain = arm.differences.get(name, Estimate(None))
        ends = f" ({signed_interval(gain)})" if gain.low is not None else ""
        yield "" if gain.value is None else f"{signed(gain.value)}{ends}"


def _kind_bars(title: str, kinds: Sequence[Kind], whole: int) -> Figure | None:
    if not kinds:
        return None
    kept = kinds[:_MOST_KINDS]
    groups = [
        (f"{kind.before} → {kind.after}", [Bar(kind.decisions, count(kind.decisions), "s1", _kind_told(kind, whole))])
        for kind in kept
    ]
    rows = [
        (
            f"{named(k.before)} → {named(k.after)}",
            *(count(k.decisions), share(k.decisions / whole), count(k.right), count(k.wrong)),
        )
        for k in kinds
    ]
    note = f"All {count(sum(kind.decisions for kind in kinds))} decisions that differ."
    return Figure(title, bars(title, groups), note, (("", "decisions", "share", "right to act", "not"), rows))


def _kind_told(kind: Kind, whole: int) -> str:
    told = f"{kind.before} → {kind.after}: {count(kind.decisions)} ({share(kind.decisions / whole)})"
    known = f"\nright to act in {count(kind.right)}, not in {count(kind.wrong)}" if kind.right + kind.wrong else ""
    return told + known


def _effects(effects: Effects | None, before: str, after: str, area: Estimate | None = None) -> Markup | None:
    if effects is None:
        return None
    names = ("precision", "recall", "cost", "per_decision")
    rows = [_change(name.replace("per_decision", "cost per decision"), getattr(effects, name)) for name in names]
    if area is not None and area.value is not None:
        rows.append(("ROC AUC", "", "", signed(area.value), signed_interval(area)))
    caption = f"Change over {count(effects.known)} known outcomes of the same events"
    return table(("", before, after, "change", "95 % interval"), rows, caption)


def _change(name: str, change: Change) -> tuple[str, ...]:
    gained = change.change
    return name, figure(change.before), figure(change.after), signed(gained.value), signed_interval(gained)


def _changed(found: Comparison) -> Markup | None:
    rows = [
        (named(where), _option(was), _option(is_)) for where, was, is_ in [*found.configuration, *found.distributions]
    ]
    if not rows:
        return said("Both runs have the same configuration and the same versions.")
    made = table(("", "there", "here"), rows[:MOST_OPTIONS], "Options and versions that differ")
    return made if len(rows) <= _MOST_KINDS else folded(f"{len(rows)} options and versions that differ", made)


def _option(value: object) -> str:
    return NOTHING if value is None else named(value)


def _examples(found: Comparison) -> Markup | None:
    if not found.examples:
        return None
    all_of = found.flips.value is not None and len(found.examples) == round(found.flips.value * found.pairs)
    taken = (
        "All of them."
        if all_of
        else (
            f"{count(len(found.examples))} of {count(sum(kind.decisions for kind in found.kinds))}, "
            "taken evenly over the run from each kind."
        )
    )
    kinds = dict.fromkeys(f"{named(e.before.decided)} → {named(e.after.decided)}" for e in found.examples)
    return tag(
        "div",
        tag("h3", "Examples"),
        said(taken, tag("span", " On paper the first 40.", cls="paper")),
        _filters(kinds),
        _example_table(found.examples),
        cls="examples",
    )


def _filters(kinds: Iterable[str]) -> Markup:
    """Fields that narrow the table; without scripts they are not shown."""
    options = [tag("option", "all kinds", value=""), *(tag("option", kind, value=kind) for kind in kinds)]
    truths = [
        ("", "all outcomes"),
        ("right to act", "right to act"),
        ("not", "not right to act"),
        (NOTHING, "not known"),
    ]
    return tag(
        "form",
        tag("label", "from and to ", tag("select", *options, id="flip-kind")),
        tag("label", "outcome ", tag("select", *(tag("option", t, value=v) for v, t in truths), id="flip-outcome")),
        tag("label", "text ", tag("input", type="search", id="flip-text", placeholder="id, key, reason, flag")),
        tag("output", "", id="flip-count", aria_live="polite"),
        cls="filters",
        hidden=True,
    )


def _example_table(examples: Sequence[Example]) -> Markup:
    rows = [
        tag(
            "tr",
            tag("th", named(e.id) if e.id else f"step {e.after.step}", scope="row", data_head=_HEADS[0]),
            *(tag("td", cell, data_head=head) for head, cell in zip(_HEADS[1:], _cells(e), strict=True)),
        )
        for e in examples
    ]
    head = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in _HEADS)))
    caption = tag("caption", "Decisions that differ")
    return scrolled(
        tag("table", caption, head, tag("tbody", *rows), id="flips-table", cls="texts"), "Decisions that differ"
    )


def _cells(e: Example) -> list[Child]:
    return [
        NOTHING if e.key is None else named(e.key),
        NOTHING if e.at_ms is None else instant(e.at_ms),
        f"{named(e.before.decided)} → {named(e.after.decided)}",
        NOTHING if e.outcome is None else "right to act" if e.outcome else "not",
        _side(e.before),
        _side(e.after),
    ]


def _side(side: Side) -> Markup:
    told = [f"step {side.step}: {named(side.proposed)} proposed, confidence {figure(side.confidence, 3)}"]
    told += [f"reasons {', '.join(map(named, side.reasons[:5]))}"] if side.reasons else []
    told += [f"by {', '.join(map(named, side.flags[:5]))}"] if side.flags else []
    return listed(told, "plain")
