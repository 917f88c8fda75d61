"""HTML and SVG in which every text that is not markup is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias

_VOID = frozenset({"meta", "link", "input", "br", "col"})


class Markup(str):
    """A text that is markup already. Nothing else makes one of a text that comes from a run."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Make an element.

    Args:
        name: Its name.
        children: What it holds; a text is escaped, None is nothing.
        attributes: ``cls`` is ``class``, an underscore stands for a hyphen; True has no value, None and False is left
            out.
    """
    told = "".join(
        f' {_named(key)}="{text(_plain(value))}"' if value is not True else f" {_named(key)}"
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Put several parts one after the other.

    Args:
        children: A text is escaped, None is nothing.
    """
    return Markup("".join(map(_made, children)))


def text(value: str) -> Markup:
    """Escape a text; what cannot be seen, or turns the direction of reading, is written out.

    Args:
        value: The text.
    """
    seen = value if value.isprintable() else "".join(map(_visible, value))
    return Markup(escape(seen))


def _visible(char: str) -> str:
    return char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()


def _made(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    return text(child) if isinstance(child, str) else "".join(map(_made, child))


def _named(key: str) -> str:
    return "class" if key == "cls" else key.rstrip("_").replace("_", "-")


def _plain(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
