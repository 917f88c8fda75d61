"""The job by hand, as fast as CPython allows: what mdm's speed is measured against.

Generic in that nothing about the events is written down except the entity field, the time field and the weights.
Flattening, windows, masking of secrets and scoring happen in one walk over the event; the windows keep plain running
sums, which drift, as mdm's do not.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable
from math import exp, sqrt
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import msgspec
import orjson

from benchmarks import job

_SECRET = re.compile(r"(?:api|private|access)key|secret|passw(?:or)?d|token|authorization|credential|signature")
_MASK = "[REDACTED]"
_LOADS = msgspec.json.Decoder().decode
_REASON_MIN = 0.25


class _Window:
    __slots__ = ("mean_name", "n", "name", "q", "s", "std_name", "values", "w_raw", "w_z")

    def __init__(self, name: str) -> None:
        self.values = deque([0.0] * job.WINDOW, job.WINDOW)
        self.n, self.s, self.q = 0, 0.0, 0.0
        self.w_z, self.w_raw = _weights(name)
        self.name, self.mean_name, self.std_name = (sys.intern(name + end) for end in ("", ".mean", ".std"))


def _weights(name: str) -> tuple[float | None, float]:
    w_z, w_raw = job.WEIGHTS.get(f"{name}.z"), job.WEIGHTS.get(name, 0.0)
    return (None, 0.0) if w_z is None and not w_raw else (w_z or 0.0, w_raw)


class _Lazy(dict[Any, Any]):
    """A dict that makes what is missing, so that the loop pays for a name once."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __missing__(self, key: Any) -> Any:
        made = self[key] = self._make(key)
        return made


def _secret(key: str) -> bool:
    return _SECRET.search(re.sub(r"[-_\s]", "", key.lower())) is not None


def _level(prefix: str) -> tuple[_Lazy, _Lazy]:
    def window(key: str) -> _Window | None:
        return None if _secret(key) or (not prefix and key == job.TIME) else _Window(prefix + key)

    def below(key: str) -> tuple[_Lazy, _Lazy] | None:
        return None if _secret(key) else _level(f"{prefix}{key}.")

    return _Lazy(window), _Lazy(below)


def _redact(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _MASK if _secret(k) else _redact(v) for k, v in value.items()}
    return [_redact(v) for v in value] if isinstance(value, list) else value


def run(
    source: Path,
    target: Path,
    *,
    run_id: str = "bench",
    clock: Callable[[], int] = perf_counter_ns,
    loads: Callable[[bytes], Any] = _LOADS,
    dumps: Callable[..., bytes] = orjson.dumps,
    newline: int = orjson.OPT_APPEND_NEWLINE,
    root: Callable[[float], float] = sqrt,
    e_to: Callable[[float], float] = exp,
    size: int = job.WINDOW,
    bias: float = job.BIAS,
    threshold: float = job.THRESHOLD,
    entity: str = job.ENTITY,
    at_least: float = _REASON_MIN,
    mask: str = _MASK,
    version: str = "0.1.3",
) -> int:
    """Do the job; constants are arguments because locals are faster than globals.

    Returns:
        The number of events.
    """
    step = 0
    entities, secret = _Lazy(lambda _: _level("")), _Lazy(_secret)
    low = ["low_signal"]
    finals = {action: {"action": action} for action in ("ACT", "HOLD")}
    at_most = -at_least
    with source.open("rb", 1 << 20) as events, target.open("wb", 1 << 20) as out:
        write = out.write
        for line in events:
            started = clock()
            event = loads(line)
            windows, below = entities[event[entity]]
            features: dict[str, float] = {}
            summary: dict[str, float] = {}
            reasons: list[str] = []
            score = bias
            todo = [(event, windows, below)]
            for mapping, windows, below in todo:
                for key, x in mapping.items():
                    kind = type(x)
                    if kind is str:
                        if secret[key]:
                            mapping[key] = mask
                        continue
                    if kind is float or kind is int:
                        w = windows[key]
                        if w is None:
                            if secret[key]:
                                mapping[key] = mask
                            continue
                        values = w.values
                        old = values[0]
                        values.append(x)
                        s = w.s = w.s + x - old
                        q = w.q = w.q + x * x - old * old
                        n = w.n
                        if n < size:
                            n += 1
                            w.n = n
                        mean = s / n
                        std = q / n - mean * mean
                        std = root(std) if std > 0.0 else 0.0
                        name = w.name
                        features[name] = x
                        features[w.mean_name] = mean
                        features[w.std_name] = std
                        c = w.w_z
                        if c is not None:
                            c = c * (x - mean) / std + w.w_raw * x if std > 1e-9 else w.w_raw * x
                            score += c
                            summary[name] = c
                            if c >= at_least or c <= at_most:
                                reasons.append(name)
                    elif kind is dict:
                        inner = below[key]
                        if inner is None:
                            mapping[key] = mask
                            continue
                        todo.append((x, *inner))
                    elif kind is list:
                        mapping[key] = mask if secret[key] else _redact(x)
            p = 1.0 / (1.0 + e_to(-score))
            action, confidence = ("ACT", p) if p >= threshold else ("HOLD", 1.0 - p)
            write(
                dumps(
                    {
                        "run_id": run_id,
                        "step": step,
                        "input": event,
                        "external": features,
                        "mdm": {
                            "action": action,
                            "confidence": confidence,
                            "reasons": reasons or low,
                            "params": {"threshold": threshold, "score": score},
                            "features_summary": summary,
                        },
                        "final_action": finals[action],
                        "latency_ms": (clock() - started) * 1e-6,
                        "mismatch": None,
                        "schema_version": version,
                    },
                    None,
                    newline,
                )
            )
            step += 1
    return step
