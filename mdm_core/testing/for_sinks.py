"""Checks for trace sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import attrs

from mdm_core.contracts import Component, TraceSink
from mdm_core.testing.case import Case, need, through_json
from mdm_core.testing.checks import Broken, Inapplicable, check
from mdm_core.testing.material import UNICODE, features_of
from mdm_core.testing.plain import difference, plain
from mdm_core.testing.player import Player, audit_of, packet_of
from mdm_core.wording import one_line

_ACCEPTS: Final = ("packets", "audit")
_ODD: Final = {
    "nan": float("nan"),
    "whole": 10**30,
    "bytes": b"\xff",
    "time": datetime(2026, 1, 1, tzinfo=UTC),
    "text": UNICODE,
    "set": {1},
    "type": object,
    "": {7: None},
}


@attrs.frozen
class _Shelf:
    """A run's directory, and records to write into it."""

    case: Case
    run_dir: Path

    @contextmanager
    def opened(self) -> Iterator[TraceSink]:
        with self.case.opened(self.case.build(run_dir=self.run_dir)) as component:
            yield cast(TraceSink, component)


def _shelf(case: Case) -> _Shelf:
    return _Shelf(case, case.run_dir())


def _records(case: Case, sink: Component) -> list[dict[str, Any]]:
    player = Player(sink, case.subject)
    made = audit_of if cast(TraceSink, sink).accepts == "audit" else packet_of
    steps = [attrs.evolve(step, event=features_of(step.event)) for step in case.steps]
    return [made(step, player.context_of(step)) for step in steps]


def _write(sink: TraceSink, records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        try:
            sink.write(record)
        except Exception as error:
            raise Broken(f"write raised {one_line(error)}") from error


def _flush(sink: TraceSink, durable: bool) -> None:
    try:
        sink.flush(durable=True) if durable else sink.flush()
    except Exception as error:
        raise Broken(f"flush({'durable=True' if durable else ''}) raised {one_line(error)}") from error


def _given(give: Callable[[], Iterable[Any]], name: str) -> list[Any]:
    try:
        return [plain(record) for record in give()]
    except NotImplementedError:
        raise Inapplicable("it cannot give back what it was given; a run that it writes cannot be resumed") from None
    except Exception as error:
        raise Broken(f"{name} raised {one_line(error)}") from error


def _same(records: list[dict[str, Any]], found: list[Any], where: str) -> None:
    wanted = [plain(through_json("the record", record)) for record in records]
    need(len(wanted) == len(found), f"{where} gives {len(found)} records; {len(wanted)} were written")
    for number, (record, other) in enumerate(zip(wanted, found, strict=True)):
        changed = difference(record, other)
        need(changed is None, f"{where} gives record {number} back changed: {changed}")


@check("accepts", "Core gives a sink what it says it accepts, and nothing if it says something else.", "trace")
def accepts(case: Case) -> None:
    told = vars(case.subject.cls).get("accepts", case.make().accepts)  # type: ignore[attr-defined]
    need(told in _ACCEPTS, f"accepts is {told!r}; it must be 'packets' or 'audit'")


@check("reads-back", "A trace that is not what was written proves nothing.", "trace")
def reads_back(case: Case) -> None:
    shelf = _shelf(case)
    with shelf.opened() as sink:
        records = _records(case, sink)
        _write(sink, records)
        _flush(sink, durable=True)
        _same(records, _given(lambda: sink.since(None), "since"), "since(None)")
        _same(records, _given(lambda: sink.read(shelf.run_dir), "read"), "read, while it is open,")
    closed = cast(TraceSink, case.make())
    _same(records, _given(lambda: closed.read(shelf.run_dir), "read"), "read, when it was never opened,")


@check("flush", "Core flushes before anything was written, and makes durable at every checkpoint.", "trace")
def flush(case: Case) -> None:
    with _shelf(case).opened() as sink:
        for durable in (False, True):
            _flush(sink, durable)
        _write(sink, _records(case, sink)[:3])
        for durable in (False, True, True):
            _flush(sink, durable)


@check("goes-on", "A run that is resumed goes on with its trace and must not begin it anew.", "trace")
def goes_on(case: Case) -> None:
    shelf = _shelf(case)
    with shelf.opened() as sink:
        records = _records(case, sink)
        half = len(records) // 2
        _write(sink, records[:half])
        _flush(sink, durable=True)
    with shelf.opened() as sink:
        _write(sink, records[half:])
        _flush(sink, durable=True)
        _same(records, _given(lambda: sink.since(None), "since"), "since(None), opened again,")


@check("mark-since", "A checkpoint keeps a mark; what stands behind it must not be written twice.", "trace")
def mark_since(case: Case) -> None:
    shelf = _shelf(case)
    with shelf.opened() as sink:
        records = _records(case, sink)
        half = len(records) // 2
        _write(sink, records[:half])
        _flush(sink, durable=True)
        mark = through_json("its mark", sink.mark())
        if mark is None:
            raise Inapplicable("it cannot tell where the next record will stand, which is allowed")
        _write(sink, records[half:])
        _flush(sink, durable=True)
        _same(records[half:], _given(lambda: sink.since(mark), "since"), "since(mark)")
    with shelf.opened() as sink:
        _same(records[half:], _given(lambda: sink.since(mark), "since"), "since(mark), in another process,")


@check(
    "odd-records", "What events hold reaches the trace; a value that JSON cannot hold must not end the run.", "trace"
)
def odd_records(case: Case) -> None:
    shelf = _shelf(case)
    with shelf.opened() as sink:
        records = _records(case, sink)
        place = "details" if sink.accepts == "audit" else "input"
        _write(
            sink,
            [{**record, place: {name: value}} for record, (name, value) in zip(records, _ODD.items(), strict=False)],
        )
        _flush(sink, durable=True)
        found = _given(lambda: sink.since(None), "since")
        need(len(found) == len(_ODD), f"of {len(_ODD)} records with odd values, {len(found)} are kept")
