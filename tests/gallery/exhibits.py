"""The gallery: components that are broken on purpose, each with the check that has to catch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from mdm_core import Component

C = TypeVar("C", bound=type[Component])


@attrs.frozen
class Exhibit:
    """One broken component.

    Attributes:
        check: The check that has to catch it.
        cls: The component.
        options: Its options.
        also: Other checks that catch it as well, and why that cannot be helped.
        rest: What else ``Subject.of`` is given.
    """

    check: str
    cls: type[Component]
    options: Mapping[str, Any]
    also: Mapping[str, str]
    rest: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.check}-{self.cls.__name__}"


GALLERY: list[Exhibit] = []


def broken(
    check: str, options: Mapping[str, Any] | None = None, also: Mapping[str, str] | None = None, **rest: Any
) -> Callable[[C], C]:
    """Put a class into the gallery.

    Args:
        check: The check that has to catch it.
        options: Its options.
        also: Other checks that catch it as well, and why that cannot be helped.
        rest: What else ``Subject.of`` is given.
    """

    def add(cls: C) -> C:
        GALLERY.append(Exhibit(check, cls, options or {}, also or {}, rest))
        return cls

    return add
