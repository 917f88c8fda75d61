"""Checks for data sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from mdm_core.errors import ConfigError
from mdm_core.options import option_fields
from mdm_core.testing.case import Case, need, through_json
from mdm_core.testing.checks import Broken, Inapplicable, check
from mdm_core.testing.plain import difference, plain, shown
from mdm_core.testing.reading import MOST, leave, positions, read, seek, source_of
from mdm_core.values import Idle, Record, Reject
from mdm_core.wording import one_line

_BAD_LINE = b'\xff\xfe{"no": "event", \x00 ]]\n'
_OTHER = {"mdm-check": "this is another source"}


@check(
    "records",
    "What a source yields is what everything else relies on: events with text keys, and where they stand.",
    "source",
)
def records(case: Case) -> None:
    with case.opened() as component:
        items = read(component)
    for item in items:
        need(type(item.position) in (int, str), f"the position {shown(item.position)} is neither number nor text")
        if isinstance(item, Record):
            fine = isinstance(item.event, dict) and all(isinstance(name, str) for name in item.event)
            need(fine, f"at {item.position} the event is no dict with text keys: {shown(item.event)}")
        else:
            fine = isinstance(item.reason, str) and bool(item.reason) and isinstance(item.excerpt, str)
            need(fine, f"at {item.position} the reject has no reason")
    need(
        any(isinstance(item, Record) for item in items),
        "it yields rejects alone; give options with which it has events",
    )


@check("positions-rise", "A position names one event, and a resumed run goes on behind it.", "source")
def positions_rise(case: Case) -> None:
    with case.opened() as component:
        found = positions(read(component))
    twice = [position for number, position in enumerate(found) if position in found[:number]]
    need(not twice, f"the position {shown(twice[0] if twice else None)} comes twice")
    numbers = [position for position in found if isinstance(position, int)]
    need(numbers == sorted(numbers), "positions that are numbers do not rise")


@check("seek-exact", "An event that is skipped is lost, and one that comes twice is acted upon twice.", "source")
def seek_exact(case: Case) -> None:
    with case.opened() as component:
        items = read(component)
    for number in _places(items):
        with case.opened() as component:
            seek(component, items[number].position)
            rest = _rest(component, items[number + 1 :], whole=len(items) < MOST)
        _same(items[number + 1 :], rest, f"after seek({items[number].position!r})")


@check("resume-exact", "A run that is resumed must read on behind the last event that it has decided.", "source")
def resume_exact(case: Case) -> None:
    with case.opened() as component:
        items = read(component)
    _refuses_if_it_cannot_seek(case, items[0])
    for number in _places(items):
        saved = _identity_after(case, number + 1)
        with case.opened() as component:
            _resume(component, items[number].position, saved)
            rest = _rest(component, items[number + 1 :], whole=len(items) < MOST)
        _same(items[number + 1 :], rest, f"after resume({items[number].position!r}, …)")
    with case.opened() as component:
        _resume(component, None, _identity_after(case, 0))
        _same(items, read(component, len(items)), "after resume(None, …)")


def _refuses_if_it_cannot_seek(case: Case, item: Record | Reject) -> None:
    with case.opened() as component:
        try:
            source_of(component).seek(item.position)
            return
        except NotImplementedError:
            pass
    saved = _identity_after(case, 1)
    with case.opened() as component:
        try:
            source_of(component).resume(item.position, saved)
        except ConfigError:
            raise Inapplicable("it cannot go back, and says so") from None
    raise Broken("it cannot seek, and resume goes on all the same, from the first event; raise ConfigError")


def _identity_after(case: Case, count: int) -> Any:
    """What the journal has of a source when so many items were read."""
    with case.opened() as component:
        source = source_of(component)
        stream = source.records()
        while count and (item := next(stream, None)) is not None:
            count -= not isinstance(item, Idle)
        identity = source.identity()
        leave(stream)
    return through_json("its identity", identity)


def _resume(component: Any, position: Any, identity: Any) -> None:
    try:
        source_of(component).resume(position, identity)
    except Exception as error:
        raise Broken(f"resume({position!r}, …) with what identity() said raised {one_line(error)}") from error


@check("resume-refuses-others", "Going on in the middle of another file decides about the wrong events.", "source")
def resume_refuses_others(case: Case) -> None:
    with case.opened() as component:
        items = read(component, 3)
    for position in (items[0].position, None):
        with case.opened() as component:
            try:
                source_of(component).resume(position, _OTHER)
            except ConfigError:
                continue
            except Exception as error:
                raise Broken(
                    f"another source's identity made resume raise {one_line(error)}, not ConfigError"
                ) from error
            raise Broken("resume goes on although the identity is another source's; raise ConfigError")


@check("identity-stable", "A source that says another identity every time can never be resumed.", "source")
def identity_stable(case: Case) -> None:
    with case.opened() as one, case.opened() as other:
        first = through_json("its identity", source_of(one).identity())
        second = through_json("its identity", source_of(other).identity())
    changed = difference(first, second)
    need(changed is None, f"of the same source, identity() says something else every time: {changed}")


@check("rejects-bad-input", "A generator that raises is dead, and with it everything that follows.", "source")
def rejects_bad_input(case: Case) -> None:
    with case.opened() as component:
        items = read(component)
    damaged = _damaged_file(case, component) or _damaged_list(component)
    with case.opened(component=damaged) as component:
        found = read(component, MOST + 1)
    rejects = [item for item in found if isinstance(item, Reject)]
    need(len(rejects) > sum(isinstance(i, Reject) for i in items), "what is no event is not yielded as Reject")
    kept = [plain(item.event) for item in found if isinstance(item, Record)]
    lost = [item.position for item in items if isinstance(item, Record) and plain(item.event) not in kept]
    need(not lost or len(items) >= MOST, f"with a bad line among them, other events are lost: {lost[:3]}")


def _damaged_file(case: Case, component: Any) -> Any:
    for field in option_fields(type(component)):
        value = getattr(component, field.name)
        path = case.base_dir / value if isinstance(value, str | Path) and str(value) else None
        if path is not None and path.is_file() and path.suffix != ".gz":
            damaged = case.directory / f"damaged-{path.name}"
            lines = path.read_bytes().splitlines(keepends=True)
            damaged.write_bytes(b"".join([*lines[:2], _BAD_LINE, *lines[2:]]))
            return attrs.evolve(component, **{field.name: type(value)(damaged)})
    return None


def _damaged_list(component: Any) -> Any:
    for field in option_fields(type(component)):
        value = getattr(component, field.name)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return attrs.evolve(component, **{field.name: [*value[:2], ["no event"], *value[2:]]})
    raise Inapplicable("its options name no file of lines and no list of events, so there is nothing to damage")


@check("length-honest", "Progress is shown against the length.", "source")
def length_honest(case: Case) -> None:
    with case.opened() as component:
        length: object = source_of(component).length
        items = read(component)
    if length is None:
        raise Inapplicable("it does not know its length, which is allowed")
    need(type(length) is int and length >= 0, f"length is {shown(length)}; it must be a whole number or None")
    count = sum(isinstance(item, Record) for item in items)
    need(isinstance(length, int) and length >= count, f"length is {length}, and there are {count} records or more")


@check("ack-harmless", "Core says what is safely recorded while it reads; that must not disturb the reading.", "source")
def ack_harmless(case: Case) -> None:
    with case.opened() as component:
        expected = read(component)
    with case.opened() as component:
        items: list[Record | Reject] = []
        stream = source_of(component).records()
        while len(items) < len(expected) and (item := next(stream, None)) is not None:
            if not isinstance(item, Idle):
                items.append(item)
                _ack(component, item.position)
        leave(stream)
    _same(expected, items, "with ack after every event")


def _ack(component: Any, position: Any) -> None:
    try:
        source_of(component).ack(position)
    except Exception as error:
        raise Broken(f"ack({position!r}) raised {one_line(error)}") from error


@check("stops-midway", "A run that is stopped leaves a source in the middle, and closes it.", "source")
def stops_midway(case: Case) -> None:
    with case.opened() as component:
        stream: Any = source_of(component).records()
        next(stream, None)
        try:
            if hasattr(stream, "close"):
                stream.close()
            component.close()
        except Exception as error:
            raise Broken(f"left in the middle and closed, it raised {one_line(error)}") from error


def _places(items: list[Record | Reject]) -> list[int]:
    return sorted({0, len(items) // 2, len(items) - 1})


def _rest(component: Any, expected: list[Record | Reject], whole: bool) -> list[Record | Reject]:
    """Read what is left, and one more if there should be none."""
    most = len(expected) + whole
    try:
        return read(component, most) if most else []
    except Inapplicable:
        return []


def _same(expected: list[Any], items: list[Any], when: str) -> None:
    wanted, found = positions(expected), positions(items)
    need(wanted == found, f"{when} the positions {shown(found[:5])} come instead of {shown(wanted[:5])}")
    changed = difference(plain(expected), plain(items))
    need(changed is None, f"{when} an event is another: {changed}")
