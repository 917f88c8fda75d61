"""Events that are there already: for tests, notebooks and small examples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import attrs
from mdm_core import DataSource, Position, Record, Reject, option

from mdm_reference.positions import to_number


@attrs.define
class MemorySource(DataSource):
    """Gives the events of a list; the position of an event is its number, from 1."""

    events: list[dict[str, Any]] = option(help="the events, in order")
    _after: int = attrs.field(init=False, default=0, repr=False)

    def records(self) -> Iterator[Record | Reject]:
        """Yield the events; an item that is no dict is yielded as ``Reject`` with reason ``not_an_object``."""
        for number, event in enumerate(islice(self.events, self._after, None), self._after + 1):
            # The type says dict, but a list that was made in Python can hold anything.
            known: object = event
            if isinstance(known, dict):
                yield Record(event, number)
            else:
                yield Reject("not_an_object", number, repr(known)[:200])

    def seek(self, position: Position) -> None:
        """Go on after an event.

        Args:
            position: Number of the last event that is not wanted again.

        Raises:
            ValueError: The position is no number of an event.
        """
        self._after = to_number(position)

    @property
    def length(self) -> int:
        """How many events there are."""
        return len(self.events)
