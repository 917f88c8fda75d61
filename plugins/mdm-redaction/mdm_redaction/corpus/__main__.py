"""``python -m mdm_redaction.corpus``: how much is found, and how much is hidden that should not be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from random import Random
from typing import Any

import attrs
import msgspec

from mdm_redaction import corpus
from mdm_redaction.by_value import StandardRedactor
from mdm_redaction.personal import KINDS

Redact = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@attrs.define
class Row:
    """What came of the events of one kind.

    Attributes:
        kind: The kind.
        events: How many there were.
        good: How many came out right.
        wrong: Some that did not, as they came out.
    """

    kind: str
    events: int = 0
    good: int = 0
    wrong: list[Any] = attrs.field(factory=list)


def measure(samples: Iterable[corpus.Sample], redact: Redact) -> dict[str, Row]:
    """Redact events and count those that came out right.

    An event with something to hide is right if nothing of that is left; a clean one if it came back itself.

    Args:
        samples: The events.
        redact: The redactor.

    Returns:
        Kind to what came of it.
    """
    rows: dict[str, Row] = {}
    for sample in samples:
        row = rows.setdefault(sample.kind, Row(sample.kind))
        redacted = redact(sample.event)
        row.events += 1
        if _is_right(sample, redacted):
            row.good += 1
        else:
            row.wrong.append(redacted)
    return rows


def _is_right(sample: corpus.Sample, redacted: Mapping[str, Any]) -> bool:
    if not sample.hidden:
        return redacted is sample.event
    texts = [*_texts(redacted)]
    return not any(part in text for part in sample.hidden for text in texts)


def _texts(value: Any) -> Iterable[str]:
    """Every text that can be read out of data, those in JSON included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
        if value[:1] in ("{", "[", '"'):
            with suppress(msgspec.DecodeError):
                yield from _texts(msgspec.json.decode(value))
    else:
        yield str(value)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m mdm_redaction.corpus", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=200, help="events of each kind")
    parser.add_argument("--wrong", type=int, default=0, help="show so many of each kind that came out wrong")
    options = parser.parse_args(arguments)
    r = Random(options.seed)
    redact = StandardRedactor(personal=list(KINDS)).redact
    write = sys.stdout.write
    for title, draw in (
        ("keys and tokens", corpus.secrets),
        ("personal data", corpus.personal),
        ("clean", corpus.clean),
    ):
        rows = measure(draw(r, options.each), redact)
        right = "unchanged" if title == "clean" else "hidden"
        write(f"\n| {title} | events | {right} |\n|---|---|---|\n")
        for row in rows.values():
            write(f"| {row.kind} | {row.events} | {row.good / row.events:.2%} |\n")
            for wrong in row.wrong[: options.wrong]:
                write(f"    {wrong}\n")
        good, events = sum(row.good for row in rows.values()), sum(row.events for row in rows.values())
        write(f"| **all** | {events} | **{good / events:.2%}** |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
