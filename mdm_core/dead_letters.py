"""Dead letters: what a run could not decide, and trying it once more as a run of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import msgspec

from mdm_core.contracts import DataSource
from mdm_core.errors import ConfigError, UsageError
from mdm_core.options import component
from mdm_core.plan import Plan
from mdm_core.rundir import DEAD_LETTER_FILE, cut_torn_line, now_text, open_private, sync_directory
from mdm_core.values import Build, Idle, Position, Record, Reject

RETRIED_FILE = "retried.jsonl"


class Letter(msgspec.Struct, frozen=True):
    """A line of ``dead_letter.jsonl``.

    Attributes:
        position: Where it stands in the source.
        reason: A stable code.
        excerpt: The beginning of it, redacted.
    """

    position: Position
    reason: str
    excerpt: str = ""


class Retried(msgspec.Struct, frozen=True):
    """A line of ``retried.jsonl``: letters that another run has tried again.

    Attributes:
        run_id: The other run.
        at: When it began, as ISO 8601 text.
        positions: Where the letters stand in the source.
    """

    run_id: str
    at: str
    positions: list[Position]


def read_letters(run_dir: Path) -> Iterator[Letter]:
    """Read the dead letters of a run, in order; half a line that a crash has left at the end is passed over.

    Args:
        run_dir: Directory of the run.

    Raises:
        UsageError: A line is no dead letter.
    """
    yield from _lines(run_dir / DEAD_LETTER_FILE, Letter)


def read_retried(run_dir: Path) -> dict[Position, str]:
    """Read which dead letters of a run were tried again, and in which run.

    Args:
        run_dir: Directory of the run.

    Raises:
        UsageError: A line does not tell of that.
    """
    return {place: mark.run_id for mark in _lines(run_dir / RETRIED_FILE, Retried) for place in mark.positions}


def mark_retried(run_dir: Path, run_id: str, positions: Iterable[Position]) -> None:
    """Write down, durably, that a run is about to try dead letters again, so that no other one does.

    Args:
        run_dir: Directory of the run that they are of.
        run_id: The run that tries them again.
        positions: Where they stand in the source.

    Raises:
        OSError: It could not be written.
    """
    line = msgspec.json.encode(Retried(run_id, now_text(), list(positions))) + b"\n"
    fd = open_private(run_dir / RETRIED_FILE, os.O_RDWR | os.O_APPEND)
    try:
        cut_torn_line(fd)
        while line:
            line = line[os.write(fd, line) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_directory(run_dir)


@attrs.define
class Chosen(DataSource):
    """Gives, of the events of another source, those that stand at some positions.

    A position at which the other source has nothing any more is yielded as ``Reject`` with the reason ``not_found``.

    Args:
        source: The other source.
        positions: The positions.
        identity_then: What the other source said of itself when the positions were noted.
        retry_of: Id of the run that noted them.
        begin: Called before the first event is read.
    """

    source: DataSource = component(help="the source to choose from")  # noqa: RUF009 - a field of attrs
    positions: Collection[Position] = attrs.field(kw_only=True)
    identity_then: dict[str, Any] | None = attrs.field(kw_only=True)
    retry_of: str = attrs.field(kw_only=True)
    begin: Callable[[], object] = attrs.field(kw_only=True)
    _after: Position | None = attrs.field(init=False, default=None)

    def open(self, build: Build) -> None:
        """Make sure that the positions are still those of the source.

        Raises:
            ConfigError: They are not, or the source cannot be read again.
        """
        self.source.resume(None, self.identity_then)

    def records(self) -> Iterator[Record | Reject | Idle]:
        """Yield the chosen events in the order of the source, and then what was not found."""
        if self._after is None:
            self.begin()
        left = set(self.positions)
        behind = self._after is None
        for item in self.source.records() if left else ():
            if isinstance(item, Idle):
                yield item
            elif item.position in left:
                left.discard(item.position)
                if behind:
                    yield item
                behind = behind or item.position == self._after
            if not left:
                return
        missing = [position for position in self.positions if position in left]
        if self._after in left:
            missing = missing[missing.index(self._after) + 1 :]
        yield from (Reject("not_found", position) for position in missing)

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        """Go on with a run that was trying these positions again.

        Args:
            position: The position of the last event that is not wanted again, or None to begin at the first.
            identity: What ``identity`` said then.

        Raises:
            ConfigError: It was trying others.
        """
        if not isinstance(identity, dict) or self._tells() != {key: identity.get(key) for key in self._tells()}:
            raise ConfigError(f"the run has not tried these dead letters of run {self.retry_of!r} again")
        self._after = position

    @property
    def length(self) -> int:
        """How many events there are."""
        return len(self.positions)

    def identity(self) -> dict[str, Any]:
        """Tell whose dead letters they are, how many, and what the source says of itself."""
        return {**self._tells(), "source": self.source.identity()}

    def _tells(self) -> dict[str, Any]:
        return {"retry_of": self.retry_of, "letters": len(self.positions)}


def retrying(
    plan: Plan, run_dir: Path, run: dict[str, Any], positions: Collection[Position], begin: Callable[[], object]
) -> Plan:
    """Make the plan of a run that tries dead letters again.

    Args:
        plan: What is to be done with every event.
        run_dir: Directory of the run that the letters are of.
        run: What its ``run.json`` holds.
        positions: Where they stand in the source.
        begin: Called before the first event is read.
    """
    identity = run.get("source")
    if isinstance(identity, dict) and "retry_of" in identity:
        identity = identity["source"]
    inner = plan.source.component
    assert isinstance(inner, DataSource)
    chosen = Chosen(
        source=inner, positions=positions, identity_then=identity, retry_of=run_dir.resolve().name, begin=begin
    )
    chosen.component_id = inner.component_id
    return attrs.evolve(plan, source=attrs.evolve(plan.source, component=chosen))


def _lines(path: Path, kind: type[Any]) -> Iterator[Any]:
    decode = msgspec.json.Decoder(kind).decode
    try:
        file = _open(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; see to it that it can be") from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise UsageError(f"{path}:{number}: was not written by mdm, or was changed; correct it") from None


def _open(path: Path) -> BinaryIO:
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK))
