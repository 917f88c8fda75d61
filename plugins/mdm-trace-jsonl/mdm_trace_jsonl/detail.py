"""One packet as people read it, with everything in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from mdm_trace_jsonl.showing import printable, value_text, verdict

_STYLES = {"allowed": "green", "denied": "red", "failed closed": "bold red"}


def whole(packet: Mapping[str, Any]) -> Iterator[Text | Table]:
    """Write one packet with everything in it.

    Args:
        packet: The packet.

    Yields:
        What rich can print.
    """
    mdm, final = packet["mdm"], packet["final_action"]
    outcome, why = verdict(packet)
    yield _heading(f"run {packet['run_id']}, step {packet['step']}")
    yield _text(f"  proposed  {mdm.get('action')}, confidence {value_text(mdm.get('confidence'))}")
    yield (
        _text(f"  final     {final.get('action')}, ")
        .append(outcome, _STYLES[outcome])
        .append(printable(": " + ", ".join(map(str, why)) if why else ""))
    )
    yield _text(f"  reasons   {', '.join(map(str, mdm.get('reasons') or [])) or 'none'}")
    yield _text(f"  latency   {_latency(packet)}, contract {packet['schema_version']}")
    yield from _features(mdm.get("features") or {}, mdm.get("features_summary") or {})
    for title, content in _rest(packet):
        yield _heading(title)
        yield _json(content)


def _latency(packet: Mapping[str, Any]) -> str:
    us = packet["external"].get("mdm.latency_us")
    # Other writers of packets know whole milliseconds only, rounded up.
    return f"{us:,.1f} µs" if isinstance(us, int | float) else f"{packet['latency_ms']} ms"


def _features(features: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[Text | Table]:
    if not features:
        return
    yield _heading("features")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    grid.add_column("name", overflow="fold")
    grid.add_column("value", justify="right", overflow="fold")
    grid.add_column("moved the score", justify="right")
    for name in sorted(features, key=lambda name: (-_size(summary.get(name)), name)):
        grid.add_row(_text(name), _text(value_text(features[name])), _text(value_text(summary.get(name), "+.4f")))
    yield grid


def _size(contribution: Any) -> float:
    return abs(contribution) if isinstance(contribution, int | float) else -1.0


def _rest(packet: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "input", packet["input"]
    yield "parameters", packet["mdm"].get("params")
    yield "final action", packet["final_action"]
    if packet["mismatch"] is not None:
        yield "mismatch", packet["mismatch"]
    yield "context", packet["external"]


def _heading(title: str) -> Text:
    return Text(printable(title), style="bold")


def _text(text: str) -> Text:
    return Text(printable(text))


def _json(content: Any) -> Text:
    lines = msgspec.json.format(msgspec.json.encode(content), indent=2).decode().splitlines()
    return Text("\n".join(f"  {printable(line)}" for line in lines))
