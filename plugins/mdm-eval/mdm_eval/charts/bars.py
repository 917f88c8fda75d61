"""Bars side by side, each with its name and its number."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from mdm_eval.charts.markup import Child, Markup, tag
from mdm_eval.charts.numbers import named
from mdm_eval.charts.plot import WIDTH

_BAR, _GAP, _NAME = 16.0, 12.0, 15.0
_ROOM = 124.0


@attrs.frozen
class Bar:
    """One bar.

    Attributes:
        value: Its length.
        told: The number next to it.
        cls: Its colour.
        tip: What is told when one points at it.
    """

    value: float
    told: str
    cls: str
    tip: str


def bars(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> Markup:
    """Draw groups of horizontal bars, from zero, on one scale.

    Args:
        title: What they show, for those who do not see it.
        groups: Name of each group, and its bars.
    """
    longest = max((bar.value for _, group in groups for bar in group), default=0.0) or 1.0
    parts: list[Child] = []
    top = 4.0
    for name, group in groups:
        parts.append(tag("text", named(name), x=2.0, y=top + _NAME - 4, cls="label"))
        top += _NAME
        for bar in group:
            parts += _drawn(bar, top, bar.value / longest * (WIDTH - _ROOM))
            top += _BAR + 2
        top += _GAP
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH:g} {top:g}", role="group", aria_label=title, cls="chart")


def _drawn(bar: Bar, top: float, length: float) -> list[Child]:
    return [
        tag("rect", x=2.0, y=top, width=max(length, 1.0 if bar.value else 0.0), height=_BAR, cls=f"bar {bar.cls}"),
        tag("text", bar.told, x=length + 8, y=top + _BAR - 4, cls="tick"),
        tag(
            "rect", x=0.0, y=top, width=WIDTH, height=_BAR, cls="hit", role="img", aria_label=bar.tip, data_tip=bar.tip
        ),
    ]
