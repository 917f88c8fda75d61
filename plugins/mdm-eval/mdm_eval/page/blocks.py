"""What the page is made of: sections, tables, figures, tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mdm_eval.charts.markup import Child, Markup, tag
from mdm_eval.charts.plot import Figure

MOST_OPTIONS = 500
"""Options that the page shows; a model can have thousands of weights."""


def section(name: str, title: str, *children: Child) -> Markup:
    """Make a section that can be gone to.

    Args:
        name: Its name in the address.
        title: Its heading.
        children: What it holds.
    """
    return tag("section", tag("h2", title, id=f"{name}-h"), *children, id=name, aria_labelledby=f"{name}-h")


def said(*children: Child) -> Markup:
    """Make a paragraph."""
    return tag("p", *children)


def charts(*figures: Figure | None) -> Markup:
    """Put charts next to each other, as many as there is room for."""
    return tag("div", *(drawn(figure) for figure in figures if figure is not None), cls="charts")


def drawn(figure: Figure) -> Markup:
    """Show a chart, with what it says as a table behind it."""
    heads, rows = figure.table
    return tag(
        "figure",
        tag("h3", figure.title),
        figure.svg,
        tag("figcaption", figure.note),
        folded(f"{figure.title} as a table", table(heads, rows, figure.title)),
    )


def folded(title: str, *children: Child) -> Markup:
    """Show something only when it is asked for."""
    return tag("details", tag("summary", title), *children)


def table(heads: Sequence[Child], rows: Iterable[Sequence[Child]], caption: str, cls: str = "") -> Markup:
    """Make a table; the first column names the rows.

    Args:
        heads: Names of the columns; none where the caption says enough.
        rows: The cells; one that is markup of a ``td`` stays as it is.
        caption: What it holds, for those who do not see what stands around it.
        cls: What kind of table.
    """
    head = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))) if heads else None
    body = [tag("tr", tag("th", row[0], scope="row"), *(_cell(cell) for cell in row[1:])) for row in rows]
    made = tag("table", tag("caption", caption), head, tag("tbody", *body), cls=cls or None)
    return scrolled(made, caption)


def scrolled(content: Markup, name: str) -> Markup:
    """Let something that is too wide be moved in its own frame."""
    return tag("div", content, cls="scroll", tabindex="0", role="region", aria_label=name)


def tiles(found: Iterable[tuple[str, str, str]]) -> Markup:
    """Show a few figures large.

    Args:
        found: Name, figure, and what stands below it.
    """
    made = [
        tag("div", tag("dt", name), tag("dd", tag("b", value), tag("span", below)), cls="tile")
        for name, value, below in found
    ]
    return tag("dl", *made, cls="tiles")


def listed(items: Iterable[Child], cls: str = "") -> Markup:
    """Make a list."""
    return tag("ul", *(tag("li", item) for item in items), cls=cls or None)


def _cell(cell: Child) -> Markup:
    return cell if isinstance(cell, Markup) and cell.startswith("<td") else tag("td", cell)
