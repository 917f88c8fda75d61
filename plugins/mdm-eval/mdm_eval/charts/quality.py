"""Charts of probabilities against outcomes: reliability, ROC, cost."""

from __future__ import annotations

from collections.abc import Sequence

from mdm_eval.charts.numbers import count, figure, interval, share
from mdm_eval.charts.plot import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Figure, Plot, hits_between
from mdm_eval.charts.scales import linear, shares
from mdm_eval.confusion import Quality
from mdm_eval.reliability import Bin
from mdm_eval.report.curves import Curves, Cut

_FLOOR = HEIGHT - BOTTOM
_SQUARE = WIDTH - 12.0
_ROWS = 21


def reliability(curve: Sequence[Bin], cases: int) -> Figure:
    """Draw the reliability diagram: how often it happened where the model said how likely it was.

    Args:
        curve: Bins of equal width.
        cases: How many cases they hold.
    """
    title = "Reliability diagram"
    plot = Plot(title, shares(1.0, LEFT, _SQUARE), shares(1.0, _FLOOR, TOP))
    plot.axes("probability that the model gave", "how often it happened")
    plot.line([(0.0, 0.0), (1.0, 1.0)], "even")
    for part in curve:
        if part.share.low is not None and part.share.high is not None:
            plot.line([(part.mean, part.share.low), (part.mean, part.share.high)], "whisker s1")
    points = [(part.mean, part.share.value or 0.0) for part in curve]
    plot.line(points, "s1")
    for point in points:
        plot.dot(point, "s1")
    tips = [
        f"given {share(part.low)} to {share(part.high)}, {share(part.mean)} on average\n"
        f"happened in {share(part.share.value)} ({interval(part.share, True)})\n{count(part.cases)} cases"
        for part in curve
    ]
    hits_between(plot, [plot.x(mean) for mean, _ in points], tips)
    rows = [
        (
            f"{share(part.low)} to {share(part.high)}",
            *(count(part.cases), share(part.mean), share(part.share.value), interval(part.share, True)),
        )
        for part in curve
    ]
    note = (
        f"{count(cases)} cases, added up in {len(curve)} parts of equal width. On the dashed line probabilities are "
        "exactly right; vertical strokes are 95 % intervals."
    )
    return Figure(title, plot.svg(), note, (("given", "cases", "mean", "happened", "95 % interval"), rows))


def spread(found: Curves) -> Figure:
    """Draw how probabilities are spread, by what happened.

    Args:
        found: The curves.
    """
    title = "Probabilities given"
    parts = len(found.histogram)
    most = max(happened + other for happened, other in found.histogram)
    plot = Plot(title, shares(1.0, LEFT, WIDTH - 80), linear(0.0, most, _FLOOR, TOP))
    plot.axes("probability that the model gave", "decisions")
    tips = []
    for n, (happened, other) in enumerate(found.histogram):
        low, high = n / parts, (n + 1) / parts
        plot.bar((low, 0.0), (high, float(happened)), "s2")
        plot.bar((low, float(happened)), (high, float(happened + other)), "s3")
        tips.append(f"given {share(low)} to {share(high)}\nhappened {count(happened)}\ndid not {count(other)}")
    hits_between(plot, [plot.x((n + 0.5) / parts) for n in range(parts)], tips)
    plot.text(plot.x.end + 5, TOP + 16, "did not", "label s3")
    plot.text(plot.x.end + 5, TOP + 30, "happened", "label s2")
    rows = [
        (f"{share(n / parts)} to {share((n + 1) / parts)}", count(happened), count(other))
        for n, (happened, other) in enumerate(found.histogram)
    ]
    note = f"{count(found.cases)} cases in {parts} parts of equal width; bars stand on top of each other."
    return Figure(title, plot.svg(), note, (("given", "happened", "did not"), rows))


def roc(found: Curves, area: tuple[str, str], decided: Quality | None) -> Figure:
    """Draw the ROC curve, and where the decisions are.

    Args:
        found: The curves.
        area: The area under it and its interval, as texts.
        decided: Final decisions against outcomes.
    """
    title = "ROC curve"
    plot = Plot(title, shares(1.0, LEFT, _SQUARE), shares(1.0, _FLOOR, TOP))
    plot.axes("acted on wrongly, of what was to be left alone", "found, of what was to be acted on")
    plot.line([(0.0, 0.0), (1.0, 1.0)], "even")
    plot.line([(cut.fallout, cut.recall) for cut in found.roc], "s1")
    plot.text(plot.x(0.98), plot.y(0.14), f"area {area[0]}", "label s1 end")
    plot.text(plot.x(0.98), plot.y(0.08), area[1], "tick end")
    cuts = _evenly(found.roc)
    hits_between(plot, [plot.x(cut.fallout) for cut in cuts], [_told(cut) for cut in cuts])
    _mark_decided(plot, decided)
    note = (
        f"{count(found.cases)} cases, {count(found.distinct)} different probabilities, of which {len(found.roc)} are "
        "drawn. The ring is what was decided, guards included; on the dashed line the model would be guessing."
    )
    return Figure(title, plot.svg(), note, _cut_table(cuts))


def cost(found: Curves, decided: Quality | None) -> Figure:
    """Draw what each threshold would have cost.

    Args:
        found: The curves.
        decided: Final decisions against outcomes.
    """
    title = "Cost of each threshold"
    paid = None if decided is None else decided.cost.value
    values = [cut.cost for cut in found.costs] + ([] if paid is None else [paid])
    plot = Plot(title, shares(1.0, LEFT, WIDTH - 74), linear(min(0.0, *values), max(values), _FLOOR, TOP))
    plot.axes("probability from which it is acted", "cost per decision")
    plot.line([(cut.threshold, cut.cost) for cut in found.costs], "s1")
    if paid is not None:
        plot.line([(0.0, paid), (1.0, paid)], "s2 dashed")
        plot.label(paid, f"paid {figure(paid, 3)}", "s2")
    plot.dot((min(found.best.threshold, 1.0), found.best.cost), "s1 ring", 5.0)
    plot.label(found.best.cost, f"best {figure(found.best.cost, 3)}", "s1")
    cuts = found.costs[:: max(1, len(found.costs) // 40)]
    hits_between(plot, [plot.x(cut.threshold) for cut in cuts], [_told(cut) for cut in cuts])
    note = (
        f"What a decision would have cost had it been acted from each probability on, without guards; "
        f"{len(found.costs)} thresholds are drawn. The best is {figure(found.best.threshold, 3)}; chosen on the same "
        "cases, so it would do a little worse on others. The dashed line is what decisions did cost."
    )
    return Figure(title, plot.svg(), note, _cut_table(cuts))


def _mark_decided(plot: Plot, decided: Quality | None) -> None:
    if decided is not None and decided.recall.value is not None and decided.specificity.value is not None:
        at = (1 - decided.specificity.value, decided.recall.value)
        plot.dot(at, "s2 ring", 5.0)
        plot.text(plot.x(at[0]) + 10, plot.y(at[1]) + 14, "decided", "label s2")


def _evenly(cuts: Sequence[Cut]) -> list[Cut]:
    """Points at different places of the horizontal axis, some forty of them."""
    step = max(1, len(cuts) // 40)
    return [*cuts[:-1:step], cuts[-1]]


def _told(cut: Cut) -> str:
    from_ = "nothing acted on" if cut.threshold > 1 else f"acted from {figure(cut.threshold, 3)} on"
    return (
        f"{from_}\nfound {share(cut.recall)}, wrongly acted on {share(cut.fallout)}\n"
        f"precision {figure(cut.precision, 3)}, cost {figure(cut.cost, 4)}"
    )


def _cut_table(cuts: Sequence[Cut]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    heads = ("threshold", "acted", "recall", "wrongly acted on", "precision", "cost")
    kept = cuts[:: max(1, len(cuts) // _ROWS)]
    rows = [
        (
            "above all" if cut.threshold > 1 else figure(cut.threshold, 3),
            *(share(cut.acted), share(cut.recall), share(cut.fallout), figure(cut.precision, 3), figure(cut.cost)),
        )
        for cut in kept
    ]
    return heads, rows
