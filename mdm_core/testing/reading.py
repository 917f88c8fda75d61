"""Reading a source, as far as checks need it."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Any, Final, cast

from mdm_core.contracts import Component, DataSource
from mdm_core.testing.checks import Broken, Inapplicable
from mdm_core.values import Idle, Position, Record, Reject
from mdm_core.wording import one_line

MOST: Final = 200
"""Items that are looked at; a source may have millions."""
_IDLES: Final = 20


def source_of(component: Component) -> DataSource:
    """The component as the source that it is."""
    return cast(DataSource, component)


def read(component: Component, most: int = MOST) -> list[Record | Reject]:
    """Read the first items of a source; pauses are left out.

    Args:
        component: The source, opened.
        most: How many.

    Raises:
        Broken: It raised, or gave something else.
        Inapplicable: It waits for ever.
    """
    items: list[Record | Reject] = []
    pauses = 0
    stream: Any = None
    try:
        stream = source_of(component).records()
        for item in islice(stream, most + _IDLES):
            if isinstance(item, Idle):
                pauses += 1
            elif isinstance(item, Record | Reject):
                items.append(item)
            else:
                raise Broken(f"records gave a {type(item).__name__} after {len(items)} items")
            if len(items) == most or pauses == _IDLES:
                break
    except Broken:
        raise
    except Exception as error:
        raise Broken(
            f"records raised {one_line(error)} after {len(items)} items; a generator that raises is dead"
        ) from error
    finally:
        leave(stream)
    if not items:
        raise Inapplicable("it gave nothing to look at; give options with which it has events")
    return items


def leave(stream: Any) -> None:
    """Leave a generator in the middle; whether it takes that well is a check of its own."""
    with suppress(Exception):
        stream.close()


def seek(component: Component, position: Position) -> None:
    """Make a source go on after a position.

    Raises:
        Inapplicable: It cannot go back.
    """
    try:
        source_of(component).seek(position)
    except NotImplementedError:
        raise Inapplicable("it cannot go back, which is allowed; a run that reads it cannot be resumed") from None


def positions(items: list[Record | Reject]) -> list[Any]:
    """Where items stand."""
    return [item.position for item in items]
