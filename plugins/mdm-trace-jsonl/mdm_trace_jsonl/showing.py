"""Packets as people read them, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_TOP_REASONS = 3
_LONGEST = 24


def printable(text: str) -> str:
    """Make text harmless for a terminal: events come from strangers.

    Args:
        text: Any text.

    Returns:
        The text with everything that is not printable written as an escape.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def verdict(packet: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Say what became of a proposal, and why.

    Args:
        packet: The packet.

    Returns:
        ``allowed``, ``denied`` or ``failed closed``; and the flags of a denial, or else the reason codes.
    """
    mismatch = packet["mismatch"] or {}
    flags, codes = mismatch.get("flags") or [], mismatch.get("reason_codes") or []
    if packet["external"].get("mdm.fail_closed"):
        return "failed closed", codes
    if packet["final_action"].get("allowed", True):
        return "allowed", codes
    return "denied", flags


def table(packets: Sequence[Mapping[str, Any]], key: str | None, id: str | None) -> Iterator[str]:  # noqa: A002
    """Write packets as aligned lines, one each, after a line of headings.

    Args:
        packets: The packets.
        key: Dotted path of the key in the input, or None.
        id: Dotted path of the event's id in the input, or None.

    Yields:
        The lines.
    """
    if not packets:
        return
    paths = {name: path for name, path in (("key", key), ("id", id)) if path is not None}
    rows = [("step", *paths, "proposed", "conf", "final", "verdict", "reasons")]
    rows += [_row(packet, paths.values()) for packet in packets]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(packet: Mapping[str, Any], paths: Iterable[str]) -> tuple[str, ...]:
    mdm = packet["mdm"]
    outcome, why = verdict(packet)
    reasons = mdm.get("reasons") or []
    more = f" +{len(reasons) - _TOP_REASONS}" if len(reasons) > _TOP_REASONS else ""
    return (
        str(packet["step"]),
        *(_short(_at(packet["input"], path)) for path in paths),
        _short(mdm.get("action")),
        value_text(mdm.get("confidence"), ".3f"),
        _short(packet["final_action"].get("action")),
        printable(f"{outcome}: {', '.join(map(str, why))}" if why else outcome),
        printable(", ".join(map(str, reasons[:_TOP_REASONS]))) + more,
    )


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, Mapping) else None
    return data


def _short(value: Any) -> str:
    text = printable("" if value is None else str(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def value_text(value: Any, form: str = ".6g") -> str:
    """Write a scalar.

    Args:
        value: The scalar.
        form: How to format a float.

    Returns:
        Text that is harmless for a terminal; an empty one for None.
    """
    if isinstance(value, float):
        return format(value, form)
    return printable("" if value is None else str(value))
