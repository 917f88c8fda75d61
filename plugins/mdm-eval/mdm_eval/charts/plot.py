"""A chart in the making: axes first, then marks, then what is told when one points at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

import attrs

from mdm_eval.charts.markup import Child, Markup, tag
from mdm_eval.charts.scales import Scale

WIDTH, HEIGHT = 420.0, 270.0
LEFT, TOP, BOTTOM = 64.0, 14.0, 44.0
_LINE, _EDGE = 13.0, 24.0

Point: TypeAlias = tuple[float, float]
Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]


@attrs.frozen
class Figure:
    """A chart with all that belongs to it.

    Attributes:
        title: What it shows.
        svg: The chart.
        note: How it is to be read, and what was sampled or added up.
        table: The same as a table: heads and rows.
    """

    title: str
    svg: Markup
    note: str
    table: Table


@attrs.define
class Plot:
    """An SVG that is put together.

    Attributes:
        title: What it shows, for those who do not see it.
        x: Scale of the horizontal axis.
        y: Scale of the vertical axis.
        height: Its height.
    """

    title: str
    x: Scale
    y: Scale
    height: float = HEIGHT
    _parts: list[Child] = attrs.field(factory=list, init=False)
    _labels: list[tuple[float, str, str]] = attrs.field(factory=list, init=False)

    def axes(self, x_name: str, y_name: str) -> None:
        """Draw both axes with their names, units included."""
        floor = self.y.start
        for value, told in self.y.ticks:
            at = self.y(value)
            self._parts.append(tag("line", x1=self.x.start, x2=self.x.end, y1=at, y2=at, cls="grid"))
            self.text(self.x.start - 6, at + 4, told, "tick end")
        for value, told in self.x.ticks:
            at = self.x(value)
            self._parts.append(tag("line", x1=at, x2=at, y1=floor, y2=floor + 4, cls="axis"))
            if at > WIDTH - _EDGE:
                self.text(WIDTH, floor + 16, told, "tick end")
            else:
                self.text(at, floor + 16, told, "tick middle")
        self._parts.append(tag("line", x1=self.x.start, x2=self.x.end, y1=floor, y2=floor, cls="axis"))
        self.text((self.x.start + self.x.end) / 2, self.height - 6, x_name, "name middle")
        middle = (self.y.start + self.y.end) / 2
        turn = f"rotate(-90 11 {middle:.1f})"
        self._parts.append(tag("text", y_name, x=11.0, y=middle, cls="name middle", transform=turn))

    def line(self, points: Iterable[Point | None], cls: str) -> None:
        """Draw a line through points; None leaves a gap."""
        path, pen = [], "M"
        for point in points:
            if point is None:
                pen = "M"
                continue
            path.append(f"{pen}{self.x(point[0]):.1f} {self.y(point[1]):.1f}")
            pen = "L"
        self._parts.append(tag("path", d="".join(path), cls=f"line {cls}"))

    def dot(self, at: Point, cls: str, radius: float = 3.5) -> None:
        """Draw a point."""
        self._parts.append(tag("circle", cx=self.x(at[0]), cy=self.y(at[1]), r=radius, cls=f"dot {cls}"))

    def bar(self, low: Point, high: Point, cls: str) -> None:
        """Draw a bar between two corners."""
        left, right = sorted((self.x(low[0]), self.x(high[0])))
        top, bottom = sorted((self.y(low[1]), self.y(high[1])))
        self._parts.append(tag("rect", x=left, y=top, width=right - left, height=bottom - top, cls=f"bar {cls}"))

    def text(self, x: float, y: float, told: str, cls: str) -> None:
        """Write something at a place."""
        self._parts.append(tag("text", told, x=x, y=y, cls=cls))

    def label(self, value: float, told: str, cls: str) -> None:
        """Name a line at its right end; names that would overlap move apart."""
        self._labels.append((self.y(value), told, cls))

    def hit(self, left: float, right: float, told: str) -> None:
        """Tell something when one points at what stands between two places."""
        top = min(self.y.start, self.y.end)
        size = {"width": max(right - left, 1.0), "height": abs(self.y.start - self.y.end)}
        self._parts.append(tag("rect", x=left, y=top, cls="hit", role="img", aria_label=told, data_tip=told, **size))

    def svg(self) -> Markup:
        """Give the chart."""
        self._write_labels()
        box = f"0 0 {WIDTH:g} {self.height:g}"
        return tag("svg", *self._parts, viewBox=box, role="group", aria_label=self.title, cls="chart")

    def _write_labels(self) -> None:
        below = -_LINE
        for at, told, cls in sorted(self._labels):
            below = max(at + 4, below + _LINE)
            self.text(self.x.end + 5, below, told, f"label {cls}")


def hits_between(plot: Plot, places: Sequence[float], told: Sequence[str]) -> None:
    """Divide the width of a chart among places, so that one is pointed at by being near.

    Args:
        plot: The chart.
        places: Where the values stand, ascending.
        told: What is told of each.
    """
    middles = [(a + b) / 2 for a, b in pairwise(places)]
    edges = [plot.x.start, *middles, plot.x.end]
    for (low, high), text in zip(pairwise(edges), told, strict=True):
        plot.hit(low, high, text)
