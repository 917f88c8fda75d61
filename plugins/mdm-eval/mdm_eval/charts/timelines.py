"""Charts of a run over time."""

from __future__ import annotations

from collections.abc import Sequence

from mdm_eval.charts.numbers import count, duration, instant, named, share
from mdm_eval.charts.plot import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Figure, Plot, hits_between
from mdm_eval.charts.scales import Scale, instants, linear, shares, steps, times
from mdm_eval.report.timeline import Span, Timeline

_FLOOR, _RIGHT = HEIGHT - BOTTOM, WIDTH - 84
_COLOURS = ("s2", "s1", "s3", "s4")
_MOST_FLAGS = 4


def volume(found: Timeline) -> Figure:
    """Draw how many decisions there were.

    Args:
        found: The run over time.
    """
    title = "Decisions"
    plot = Plot(title, _axis(found, WIDTH - 12), linear(0.0, max(s.decisions for s in found.spans), _FLOOR, TOP))
    plot.axes(_name(found), f"decisions per {_width(found)}")
    for span in found.spans:
        plot.bar((span.since, 0.0), (span.until, float(span.decisions)), "s1")
    _hits(plot, found, [f"{count(span.decisions)} decisions" for span in found.spans])
    rows = [(_when(found, span), count(span.decisions)) for span in found.spans]
    return Figure(title, plot.svg(), _note(found), (("from", "decisions"), rows))


def actions(found: Timeline) -> Figure:
    """Draw how many decisions acted, were denied and should have acted.

    Args:
        found: The run over time.
    """
    title = "Actions and denials"
    columns: dict[str, tuple[str, list[float | None]]] = {
        "acted": ("s1", [_part(span.acted, span.decisions) for span in found.spans]),
        "denied": ("s2", [_part(span.denied, span.decisions) for span in found.spans]),
        "right to act": ("s3", [_part(span.positives, span.known) for span in found.spans]),
        "failed closed": ("s4", [_part(span.failed_closed, span.decisions) for span in found.spans]),
    }
    kept = {name: column for name, column in columns.items() if any(column[1]) or name == "acted"}
    note = " How often it was right to act is told of decisions with an outcome." if "right to act" in kept else ""
    return _shares(title, found, kept, "share of decisions", note)


def denials(found: Timeline) -> Figure | None:
    """Draw the denials of each guard; the few that deny most.

    Args:
        found: The run over time.

    Returns:
        The chart; None if nothing was denied.
    """
    if not found.flags:
        return None
    kept = list(found.flags.items())[:_MOST_FLAGS]
    columns: dict[str, tuple[str, list[float | None]]] = {
        named(flag): (cls, [_part(n, s.decisions) for n, s in zip(numbers, found.spans, strict=True)])
        for (flag, numbers), cls in zip(kept, _COLOURS, strict=False)
    }
    more = len(found.flags) - len(kept)
    note = f" Of {len(found.flags)} guards the {len(kept)} that denied most." if more else ""
    return _shares("Denials by guard", found, columns, "share of decisions", note)


def latency(found: Timeline) -> Figure:
    """Draw how long deciding took.

    Args:
        found: The run over time.
    """
    title = "Latency over time"
    known = [us for span in found.spans for us in (span.latency_p50_us, span.latency_p99_us) if us is not None]
    plot = Plot(title, _axis(found, _RIGHT), times(min(known), max(known), _FLOOR, TOP))
    plot.axes(_name(found), "time to decide (log scale)")
    columns = (
        ("99 %", "s2", [span.latency_p99_us for span in found.spans]),
        ("median", "s1", [span.latency_p50_us for span in found.spans]),
    )
    for name, cls, values in columns:
        _draw(plot, found, values, name, cls)
    tips = [f"median {duration(s.latency_p50_us)}\n99 % below {duration(s.latency_p99_us)}" for s in found.spans]
    _hits(plot, found, tips)
    rows = [(_when(found, s), duration(s.latency_p50_us), duration(s.latency_p99_us)) for s in found.spans]
    return Figure(title, plot.svg(), _note(found), (("from", "median", "99 % below"), rows))


def latencies(found: Sequence[tuple[float, int]], percentiles: dict[str, float]) -> Figure:
    """Draw how many decisions took how long.

    Args:
        found: Microseconds to the number of decisions that took from there to the next.
        percentiles: Their names and values.
    """
    title = "Latency of decisions"
    ratio = 10 ** (1 / 10)
    scale = times(found[0][0], found[-1][0] * ratio, LEFT, WIDTH - 12)
    plot = Plot(title, scale, linear(0.0, max(n for _, n in found), _FLOOR, TOP))
    plot.axes("time to decide (log scale)", "decisions")
    for us, number in found:
        plot.bar((us, 0.0), (us * ratio, float(number)), "s1")
    marked = [(name, value) for name, value in percentiles.items() if name in ("p50", "p99")]
    for row, (name, value) in enumerate(marked):
        plot.line([(value, plot.y.low), (value, plot.y.high)], "mark")
        plot.text(plot.x(value) + 5, TOP + 10 + 14 * row, f"{name} {duration(value)}", "tick")
    tips = [f"{duration(us)} to {duration(us * ratio)}\n{count(number)} decisions" for us, number in found]
    hits_between(plot, [plot.x(us * ratio**0.5) for us, _ in found], tips)
    told = ", ".join(f"{name} {duration(value)}" for name, value in percentiles.items())
    rows = [(duration(us), duration(us * ratio), count(number)) for us, number in found]
    note = f"All decisions, added up in ten parts to a power of ten. {told}."
    return Figure(title, plot.svg(), note, (("from", "to", "decisions"), rows))


def _shares(
    title: str, found: Timeline, columns: dict[str, tuple[str, list[float | None]]], name: str, note: str = ""
) -> Figure:
    highest = max((value for _, values in columns.values() for value in values if value is not None), default=0.0)
    plot = Plot(title, _axis(found, _RIGHT), shares(highest, _FLOOR, TOP))
    plot.axes(_name(found), name)
    for label, (cls, values) in columns.items():
        _draw(plot, found, values, label, cls)
    tips = [
        "\n".join(f"{label} {share(values[n])}" for label, (_, values) in columns.items())
        + f"\n{count(found.spans[n].decisions)} decisions"
        for n in range(len(found.spans))
    ]
    _hits(plot, found, tips)
    rows = [
        (_when(found, span), count(span.decisions), *(share(values[n]) for _, values in columns.values()))
        for n, span in enumerate(found.spans)
    ]
    return Figure(title, plot.svg(), _note(found) + note, (("from", "decisions", *columns), rows))


def _draw(plot: Plot, found: Timeline, values: Sequence[float | None], name: str, cls: str) -> None:
    points = [(_middle(span), value) for span, value in zip(found.spans, values, strict=True)]
    plot.line([None if value is None else (at, value) for at, value in points], cls)
    last = next((value for value in reversed(values) if value is not None), None)
    if last is not None:
        plot.label(last, name if len(name) < 14 else name[:12] + "…", cls)


def _axis(found: Timeline, end: float) -> Scale:
    low, high = found.spans[0].since, found.spans[-1].until
    return instants(low, high, LEFT, end) if found.unit == "ms" else steps(low, high, LEFT, end)


def _hits(plot: Plot, found: Timeline, told: Sequence[str]) -> None:
    tips = [f"{_when(found, span)}\n{text}" for span, text in zip(found.spans, told, strict=True)]
    hits_between(plot, [plot.x(_middle(span)) for span in found.spans], tips)


def _part(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _middle(span: Span) -> float:
    return (span.since + span.until) / 2


def _when(found: Timeline, span: Span) -> str:
    return instant(span.since) if found.unit == "ms" else f"step {count(span.since)}"


def _name(found: Timeline) -> str:
    return "time (UTC)" if found.unit == "ms" else "number of the decision"


def _width(found: Timeline) -> str:
    if found.unit == "steps":
        return f"{count(found.width)} steps"
    for size, name in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second")):
        if found.width >= size:
            number = found.width / size
            return name if number == 1 else f"{number:.3g} {name}s"
    return f"{found.width:g} ms"


def _note(found: Timeline) -> str:
    return f"All decisions, added up over {_width(found)} each; the first and the last stretch may be shorter."
