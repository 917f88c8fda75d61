"""Choose the numbers of both pipelines: ``python -m mdm_api_limits.fit --data examples/api_limits/data``.

The reputation's three numbers are those with the highest likelihood on the requests of mail servers before September
2002, the bucket of the shop is the smallest that throttles at most one request in a thousand in the first year.
scipy is needed here and nowhere else.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from mdm_core import Build, DataSource, Record
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from mdm_api_limits.orders import OrderLines
from mdm_api_limits.packages import MAIL, RETAIL
from mdm_api_limits.relays import RelayRequests

RELAYS_END = "2002-09-01T00:00:00+00:00"
"""From here on the mail servers are for judging alone."""
ORDERS_END = "2010-12-01T00:00:00+00:00"
"""From here on the shop's orders are for judging alone."""
RATE = 60
"""Requests a minute that every client of the shop may go on making."""
TOLERATED = 0.001
BURSTS = range(100, 2001, 100)

Table = NDArray[np.float64]


def before(source: DataSource, end: str) -> Iterable[dict[str, Any]]:
    """Give the requests before an instant.

    Args:
        source: The requests in order of time, opened.
        end: The instant, in ISO 8601.
    """
    last = datetime.fromisoformat(end).timestamp() * 1000
    for record in source.records():
        if isinstance(record, Record):
            if record.event["timestamp_ms"] >= last:
                return
            yield record.event


def fit_reputation(requests: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Find the three numbers of ``api-limits.reputation`` with the highest likelihood.

    Args:
        requests: Events with ``known`` and ``good``.

    Returns:
        ``good``, ``client_worth`` and ``network_worth``, two digits each.
    """
    rows = [(*_counts(event["known"]), *_counts(event["known"]["network"]), event["good"]) for event in requests]
    table = np.array(rows, dtype=np.float64)
    found = minimize(_loss, np.zeros(3), args=(table,), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-8})
    good, client, network = _parameters(found.x)
    return {"good": round(good, 2), "client_worth": round(client, 2), "network_worth": round(network, 2)}


def _counts(known: dict[str, Any]) -> tuple[int, int]:
    return known["good"], known["good"] + known["abuse"]


def _parameters(x: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(1 / (1 + np.exp(-x[0]))), float(np.exp(x[1])), float(np.exp(x[2]))


def _loss(x: NDArray[np.float64], table: Table) -> float:
    good, client_worth, network_worth = _parameters(x)
    mine, seen, around, seen_around, outcome = table.T
    mean = (around + network_worth * good) / (seen_around + network_worth)
    probability = (mine + client_worth * mean) / (seen + client_worth)
    return float(-np.log(np.where(outcome == 1, probability, 1 - probability).clip(1e-12)).mean())


def throttled(requests: Sequence[tuple[int, str]], burst: int, rate: int = RATE) -> float:
    """Tell which share of requests token buckets throttle.

    Args:
        requests: Minute and client of each, in order.
        burst: Tokens of a full bucket.
        rate: Tokens that it gains in a minute.
    """
    buckets: dict[str, tuple[int, int]] = {}
    refused = 0
    for minute, client in requests:
        tokens, since = buckets.get(client, (burst, minute))
        tokens = min(burst, tokens + (minute - since) * rate)
        refused += tokens < 1
        buckets[client] = (max(tokens - 1, 0), minute)
    return refused / len(requests)


def choose_burst(requests: Sequence[tuple[int, str]]) -> int:
    """Find the smallest bucket, in hundreds, that throttles at most one request in a thousand.

    Args:
        requests: Minute and client of each, in order.
    """
    return next(burst for burst in BURSTS if throttled(requests, burst) <= TOLERATED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers to set."""
    parser = argparse.ArgumentParser(prog="python -m mdm_api_limits.fit", description="Choose the numbers.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with the packages")
    folder = parser.parse_args(arguments).data.resolve()
    relays, orders = RelayRequests(path=folder / MAIL.file), OrderLines(path=folder / RETAIL.file)
    for source in (relays, orders):
        source.open(Build())
    for name, value in fit_reputation(before(relays, RELAYS_END)).items():
        print(f"pipeline.toml: set {name} = {value}")  # noqa: T201
    minutes = [(event["timestamp_ms"] // 60_000, event["client"]) for event in before(orders, ORDERS_END)]
    burst = choose_burst(minutes)
    share = throttled(minutes, burst)
    print(f"retail.toml: set burst = {burst}, which throttles {share:.4%} of {len(minutes):,}")  # noqa: T201


if __name__ == "__main__":
    main()
