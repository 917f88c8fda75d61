"""Giving events a second time: from the source that the run has read, or from what its trace holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from mdm_core import Build, ConfigError, DataSource, Event, MdmError, PastRun, PluginError, Position, Record, Reject
from mdm_core.admission import without
from mdm_core.checkpoints import read_checkpoint
from mdm_core.contracts import Component
from mdm_core.dead_letters import read_letters
from mdm_core.lifecycle import open_all, with_children
from mdm_core.redacting import Redaction

from mdm_eval.comparing import Packet, alike
from mdm_eval.facts import checkpoints
from mdm_eval.marks import is_marked
from mdm_eval.packets import HIDDEN
from mdm_eval.rebuilding import source_of

Fed: TypeAlias = tuple[Packet | None, Event, Position]
"""A packet, or None for a step that the trace does not hold; its event; and the event's position."""


class NoSource(MdmError):
    """The source cannot be read again, or no longer gives what the run has read."""


class Unrecorded(str):
    """Stands for the position of an event, which packets do not hold.

    Attributes:
        asked: How often somebody wanted to know it: as the event's id, or as the seed of chance.
    """

    asked: int = 0

    def __str__(self) -> str:
        self.asked += 1
        return "unrecorded"


def open_source(past: PastRun, build: Build, opened: list[Component]) -> DataSource:
    """Open the run's source, if it is still the one that the run has read.

    The last checkpoint holds what the source said of itself, not redacted, when the run had come that far. A source
    that cannot say what it reads is not opened: what it gives now may be wanted by somebody else.

    Args:
        past: The run.
        build: The surroundings.
        opened: Gets what has to be closed.

    Raises:
        NoSource: Why not.
    """
    saved = (read_checkpoint(past.directory, entry) for entry in reversed(checkpoints(past.journal())))
    last = next((s for s in saved if s is not None), None)
    if last is None:
        raise NoSource("no checkpoint of the run says what it has read")
    if last.identity is None:
        raise NoSource("it cannot say what it reads, so nobody knows whether it would give the same")
    try:
        source = cast(DataSource, source_of(past).component)
        open_all(with_children(source), build, opened)
        source.resume(None, last.identity)
    except (ConfigError, PluginError) as error:
        raise NoSource(" ".join(str(error).split())) from None
    return source


def from_source(
    past: PastRun, source: DataSource, packets: Iterable[Packet], outcome: str | None, redaction: Redaction
) -> Iterator[Fed]:
    """Give each packet its event, as the source gives it again.

    Args:
        past: The run.
        source: Its source, opened.
        packets: The run's packets.
        outcome: Dotted path of the label, which packets do not hold.
        redaction: What inputs went through before they were recorded.

    Yields:
        Also the events of steps of which the trace holds no packet.

    Raises:
        NoSource: The source gives other events than were recorded, or failed.
    """
    records = _records(source, {letter.position for letter in read_letters(past.directory)})
    step = 0
    for packet in packets:
        while True:
            record = next(records, None)
            if record is None:
                raise NoSource(f"it ends before the event of step {packet['step']}")
            if step == packet["step"]:
                break
            yield None, record.event, record.position
            step += 1
        if not _is_recorded(record.event, packet["input"], outcome, redaction):
            raise NoSource(f"its event at {record.position!r} is not the one that was recorded at step {step}")
        yield packet, record.event, record.position
        step += 1


def from_trace(packets: Iterable[Packet], position: Unrecorded) -> Iterator[Fed]:
    """Give each packet the event that it holds.

    Args:
        packets: The run's packets.
        position: Stands for the position of all of them.
    """
    for packet in packets:
        yield packet, packet["input"], position


def _records(source: DataSource, dead: set[Position]) -> Iterator[Record]:
    """The events that were decided about."""
    try:
        for item in source.records():
            if isinstance(item, Record):
                if item.position not in dead:
                    yield item
            elif not isinstance(item, Reject):  # it has nothing more, and waits
                return
    except Exception as error:
        raise NoSource(f"it failed: {type(error).__name__}") from error


def _is_recorded(event: Event, recorded: Any, outcome: str | None, redaction: Redaction) -> bool:
    rest = event if outcome is None else without(event, outcome)[0]
    if rest == recorded or _is_hidden(recorded):
        return True
    return alike(redaction.mapping({"input": rest}).get("input"), recorded)


def _is_hidden(recorded: Any) -> bool:
    return isinstance(recorded, Mapping) and list(recorded) == [HIDDEN] and is_marked(recorded[HIDDEN])
