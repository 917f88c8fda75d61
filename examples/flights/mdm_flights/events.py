"""The events: one departure each, with what was known when it left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mdm_flights.data import NEVER, local
from mdm_flights.known import Past

LATE = 15
"""A flight is late if it arrives more than so many minutes after its schedule."""

EVENT: dict[str, Any] = {
    "id": "id",
    "timestamp_ms": "timestamp_ms",
    "carrier": "carrier",
    "tail": "tailnum",
    "route": {"origin": "origin", "dest": "dest", "distance": "distance"},
    "schedule": {"hour": "hour", "weekday": "weekday", "block": "block"},
    "delay": {"dep": "dep_delay"},
    "known": {
        "origin_overrun": "origin_overrun",
        "dest_overrun": "dest_overrun",
        "carrier_overrun": "carrier_overrun",
        "line_overrun": "line_overrun",
        "origin_ground": "origin_ground",
        "dest_ground": "dest_ground",
        "departures": "departures",
    },
    "late": "late",
}
"""The shape of an event, with the name of a column in each place."""


def add_known(flights: pd.DataFrame) -> pd.DataFrame:
    """Add what an event says beyond the package's own columns.

    Two numbers are averaged over the latest flights whose arrival has happened: the overrun, minutes from gate to gate
    beyond the scheduled block; and the ground time, minutes from gate to gate less those in the air, which is taxiing
    at both ends.

    Args:
        flights: What ``read_flights`` gives, or some of it.

    Returns:
        The same with ``origin_overrun`` (over 20 flights from the same origin), ``dest_overrun`` (10 to the same
        destination), ``carrier_overrun`` (10 of the same carrier from the same origin), ``line_overrun`` (10 of the
        same carrier on the same route), ``origin_ground`` and ``dest_ground`` (10 each); ``departures``, how many
        flights left the same origin in the 60 minutes before; ``id``, ``timestamp_ms``, ``weekday`` (of the schedule,
        0 is Monday) and ``late``, None for a flight that did not arrive.
    """
    departure, arrival = flights["departure"].to_numpy(), flights["arrival"].to_numpy()
    elapsed = np.where(arrival == NEVER, 0, arrival - departure)
    overrun = elapsed - flights["block"].to_numpy()
    ground = elapsed - flights["air_time"].fillna(0).to_numpy(np.int64)

    def arrived(*same: str) -> Past:
        return Past.of(_groups(flights, *same), arrival, departure)

    left = np.where(flights["dep_delay"].isna(), NEVER, departure)
    origins = _groups(flights, "origin")
    origin, dest = arrived("origin"), arrived("dest")
    return flights.assign(
        id=flights["carrier"] + flights["flight"].astype(str) + "-" + flights["row"].astype(str),
        timestamp_ms=departure * 60_000,
        weekday=(local(flights["scheduled"].to_numpy(), "America/New_York") // 1440 + 3) % 7,
        origin_overrun=origin.mean(overrun, 20),
        dest_overrun=dest.mean(overrun, 10),
        carrier_overrun=arrived("carrier", "origin").mean(overrun, 10),
        line_overrun=arrived("carrier", "origin", "dest").mean(overrun, 10),
        origin_ground=origin.mean(ground, 10),
        dest_ground=dest.mean(ground, 10),
        departures=Past.of(origins, left, departure).count - Past.of(origins, left, departure - 60).count,
        late=flights["arr_delay"].gt(LATE).astype(object).where(arrival != NEVER, None),
    )


def events(flights: pd.DataFrame, shape: Mapping[str, Any] = EVENT) -> Iterator[dict[str, Any]]:
    """Make events of rows.

    Args:
        flights: What ``add_known`` gives, or a part of it.
        shape: The shape of an event.

    Returns:
        Nested dicts of int, float, str, bool and None.
    """
    columns = [_plain(flights[at]) if isinstance(at, str) else events(flights, at) for at in shape.values()]
    return (dict(zip(shape, values, strict=True)) for values in zip(*columns, strict=True))


def _plain(column: pd.Series[Any]) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()


def _groups(flights: pd.DataFrame, *same: str) -> Any:
    codes = np.zeros(len(flights), np.int64)
    for name in same:
        number, names = pd.factorize(flights[name])
        codes = codes * len(names) + number
    return codes
