"""Figures side by side with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from mdm_eval.charts.markup import Child, tag
from mdm_eval.charts.numbers import figure, interval, named, share
from mdm_eval.charts.plot import WIDTH, Figure
from mdm_eval.charts.scales import Scale, linear, shares
from mdm_eval.intervals import Estimate

_ROW, _NAMES = 24.0, 108.0


def estimates(title: str, axis: str, found: Sequence[tuple[str, Estimate]], note: str, as_shares: bool) -> Figure:
    """Draw figures with their intervals, one below the other, on one scale.

    Args:
        title: What they show.
        axis: Name of the scale, with its unit.
        found: Names and figures.
        note: How it is to be read.
        as_shares: Whether they are shares.
    """
    known = [(name, estimate) for name, estimate in found if estimate.value is not None]
    ends = [end for _, e in known for end in (e.value, e.low, e.high) if end is not None]
    floor = _ROW * len(known) + 8
    low, high = min([*ends, 0.0]), max([*ends, 0.0])
    scale = shares(high, _NAMES, WIDTH - 14, low) if as_shares else linear(low, high, _NAMES, WIDTH - 14)
    parts: list[Child] = []
    for value, told in scale.ticks:
        at = scale(value)
        parts.append(tag("line", x1=at, x2=at, y1=4.0, y2=floor, cls="axis" if value == 0 else "grid"))
        parts.append(tag("text", told, x=at, y=floor + 15, cls="tick middle"))
    for row, (name, estimate) in enumerate(known):
        parts += _drawn(named(name), estimate, row * _ROW + 20, scale, as_shares)
    parts.append(tag("text", axis, x=(_NAMES + WIDTH) / 2, y=floor + 34, cls="name middle"))
    svg = tag("svg", *parts, viewBox=f"0 0 {WIDTH:g} {floor + 40:g}", role="group", aria_label=title, cls="chart")
    shown = share if as_shares else figure
    rows = [(named(name), shown(e.value), interval(e, as_shares)) for name, e in known]
    return Figure(title, svg, note, (("", "figure", "95 % interval"), rows))


def _drawn(name: str, estimate: Estimate, at: float, scale: Scale, as_shares: bool) -> list[Child]:
    shown = share if as_shares else figure
    assert estimate.value is not None
    tip = f"{name}: {shown(estimate.value)} ({interval(estimate, as_shares)})"
    parts: list[Child] = [tag("text", name if len(name) < 17 else name[:15] + "…", x=2.0, y=at + 4, cls="label")]
    if estimate.low is not None and estimate.high is not None:
        low, high = scale(estimate.low), scale(estimate.high)
        parts.append(tag("line", x1=low, x2=high, y1=at, y2=at, cls="line whisker s1"))
    parts.append(tag("circle", cx=scale(estimate.value), cy=at, r=4.0, cls="dot s1"))
    top = at - _ROW / 2
    parts.append(
        tag("rect", x=0.0, y=top, width=WIDTH, height=_ROW, cls="hit", role="img", aria_label=tip, data_tip=tip)
    )
    return parts
