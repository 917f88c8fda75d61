"""``python -m mdm_redaction.corpus``: how much is found, and how much is hidden that should not be."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any
from unittest.mock import patch

import attrs
import msgspec

from mdm_redaction import corpus
from mdm_redaction.by_value import StandardRedactor
from mdm_redaction.corpus.worst import hunt
from mdm_redaction.personal import KINDS

_LEAST, _MOST = 250, 350
_ROUNDS = 5
_TRIES = 3
_AGAIN = 15
_ENGINES: Sequence[tuple[str, dict[str, Any]]] = (
    ("with google-re2, if it is installed", {}),
    ("without google-re2", {"re2": None}),
)

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
    parser.add_argument("--speed", action="store_true", help="measure times instead")
    parser.add_argument("--hunt", type=float, metavar="SECONDS", help="search for what takes longest instead")
    options = parser.parse_args(arguments)
    for line in _lines(options):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0


def _lines(options: argparse.Namespace) -> Iterator[str]:
    if options.hunt is not None:
        return _hunted(options.seed, options.hunt)
    return _speed(options.seed) if options.speed else _tables(options.seed, options.each, options.wrong)


def _tables(seed: int, each: int, show: int) -> Iterator[str]:
    r = Random(seed)
    redact = StandardRedactor(personal=list(KINDS)).redact
    for title, draw in (
        ("keys and tokens", corpus.secrets),
        ("personal data", corpus.personal),
        ("clean", corpus.clean),
    ):
        rows = measure(draw(r, each), redact)
        yield f"| {title} | events | {'unchanged' if title == 'clean' else 'hidden'} |"
        yield "|---|---|---|"
        for row in rows.values():
            yield f"| {row.kind} | {row.events} | {row.good / row.events:.2%} |"
            yield from (f"    {wrong}" for wrong in row.wrong[:show])
        good, events = sum(row.good for row in rows.values()), sum(row.events for row in rows.values())
        yield f"| **all** | {events} | **{good / events:.2%}** |"
        yield ""


def _speed(seed: int) -> Iterator[str]:
    for engine, hidden in _ENGINES:
        for kinds in ([], list(KINDS)):
            with patch.dict(sys.modules, hidden):
                redactors = [StandardRedactor(personal=kinds).redact for _ in range(_TRIES)]
            yield f"{engine}, personal = {kinds}"
            yield from _times(seed, redactors)


def _times(seed: int, redactors: Sequence[Redact]) -> Iterator[str]:
    redact = redactors[0]
    for what, draw in (("an ordinary", _ordinary_events), ("a suspicious, but", _suspicious_events)):
        rounds = [[*draw(seed + n)] for n in range(_ROUNDS)]  # each event once, so that none is known
        micro = min(_seconds(redact, events) / len(events) * 1e6 for events in rounds)
        size = sum(len(msgspec.json.encode(event)) for event in rounds[0]) / len(rounds[0])
        yield f"  {what} clean event of {size:.0f} bytes on average: {micro:.1f} µs"
    hostile = [*corpus.hostile(Random(seed), mixtures=100)]
    # Each redactor sees each event once, for it remembers keys.
    slowest, name = max((min(_seconds(redact, [event]) for redact in redactors), name) for name, event in hostile)
    yield f"  the slowest of {len(hostile)} hostile events of 64 KiB: {slowest * 1e3:.0f} ms, {name}"


def _hunted(seed: int, seconds: float) -> Iterator[str]:
    for engine, hidden in _ENGINES:
        with patch.dict(sys.modules, hidden):
            redact = StandardRedactor(personal=list(KINDS)).redact
        yield f"{engine}, personal = {list(KINDS)}"
        recipe = [recipe for _, recipe in hunt(redact, Random(seed), seconds)][-1]
        times = sorted(_seconds(redact, [recipe.event(Random(n))]) for n in range(_AGAIN))
        least, middle = times[0] * 1e3, times[_AGAIN // 2] * 1e3
        yield f"  the slowest found, {_AGAIN} times: {least:.0f} ms at least, {middle:.0f} ms in the middle; {recipe}"


def _ordinary_events(seed: int) -> Iterator[corpus.Event]:
    r = Random(seed)
    for n in range(1000):
        yield {
            "event_id": f"{r.getrandbits(64):016x}",
            "user_id": f"u{r.randrange(10**6)}",
            "at": 1_700_000_000_000 + n,
            "amount": round(r.random() * 100, 2),
            "route": r.choice(["EWR-ORD", "JFK-LAX"]),
            "items": [{"sku": f"AB-{r.randrange(9999)}", "price": r.random(), "quantity": 2}],
            "text": f"order shipped after review {r.randrange(10**5)} by worker {r.randrange(99)} in region north",
            "flags": {"first": True, "score": r.random(), "coupon": None},
        }


def _suspicious_events(seed: int) -> Iterator[corpus.Event]:
    """Clean events of the corpus, of which many look as if they held something, a few in one."""
    r = Random(seed)
    samples = [*corpus.clean(r, 200)]
    r.shuffle(samples)
    event: corpus.Event = {}
    for sample in samples:
        event |= sample.event
        size = len(msgspec.json.encode(event))
        if size >= _LEAST:
            if size <= _MOST:
                yield event
            event = {}


def _seconds(redact: Redact, events: Iterable[corpus.Event]) -> float:
    """Time that the processor took, so that other processes count less."""
    started = time.process_time()
    for event in events:
        redact(event)
    return time.process_time() - started


if __name__ == "__main__":
    sys.exit(main())
