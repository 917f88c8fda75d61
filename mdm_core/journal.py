"""The journal of a run: what was about to be done, what came of it, and every input that is not an event.

A line is written before what it tells of takes effect. Intents are on the disk before a broker is asked; recorded
inputs (receipts, commands, time-outs, the wall clock) are written before the pipeline learns of them. So the events
and the journal together say all that a run decided from.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, Union

import msgspec

from mdm_core.errors import MdmError
from mdm_core.rundir import cut_torn_line, open_private, sync_directory
from mdm_core.values import Fact, Kind, Outcome, Status

JOURNAL_FILE = "journal.jsonl"

MakeFact: TypeAlias = Callable[[int], Fact]

_BUFFERED = 1 << 16


class JournalFailed(MdmError):
    """The journal cannot be written; nothing may be done any more."""

    exit_code = 1


class Entry(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """A line of the journal.

    Attributes:
        n: Its number, from 1.
    """

    n: int


class Intent(Entry, frozen=True, tag="intent"):
    """An order that is about to be given.

    Attributes:
        step: The decision's number.
        key: The idempotency key.
        action: The action.
        payload: Hash of what is ordered.
    """

    step: int
    key: str
    action: str
    payload: str


class Answered(Entry, frozen=True, tag="receipt"):
    """An answer of the broker. ``done`` and ``failed`` end the order; otherwise more is to come.

    Attributes:
        step: The decision's number.
        attempt: From 1.
        status: As in ``Receipt``.
        kind: As in ``Receipt``.
        latency_ms: How long the attempt took.
        retry_after_ms: As in ``Receipt``.
        reference: As in ``Receipt``, redacted.
        by_core: Whether the broker raised, took too long or answered no receipt, and core made this one.
    """

    step: int
    attempt: int
    status: Status
    kind: Kind
    latency_ms: float
    retry_after_ms: int | None = None
    reference: str | None = None
    by_core: bool = False


class Ended(Entry, frozen=True, tag="outcome"):
    """The end of an order that its last receipt does not tell of by itself.

    Attributes:
        step: The decision's number.
        status: ``failed``, ``unknown``, ``denied`` or ``skipped``.
        attempts: How often the broker was asked.
        in_doubt: Whether it is unknown because a process died that was about to give it.
    """

    step: int
    status: Outcome
    attempts: int
    in_doubt: bool = False


class Command(Entry, frozen=True, tag="command"):
    """A command of the operator. The reason is for people and stands, redacted, in the audit log alone.

    Attributes:
        name: ``stop`` or ``release``.
        user: Who gave it.
        at: When, as ISO 8601 text.
    """

    name: str
    user: str
    at: str


class TimedOut(Entry, frozen=True, tag="timeout"):
    """A component that took too long, or whose process died.

    Attributes:
        step: The decision's number, or None while a receipt or command was learned from.
        stage: Where.
        component: Its name in the pipeline.
        code: The reason code.
        seq: Number of the fact that was learned from, or None.
    """

    step: int | None
    stage: str
    component: str
    code: str
    seq: int | None = None


class SwitchedOff(Entry, frozen=True, tag="switched_off"):
    """A component that took too long or died too often, and is not asked for a while. It follows from the time-outs.

    Attributes:
        step: The decision after which it is not.
        component: Its name in the pipeline.
        decisions: For how many decisions.
    """

    step: int
    component: str
    decisions: int


class Clock(Entry, frozen=True, tag="clock"):
    """The wall clock as a decision saw it.

    Attributes:
        step: The decision's number.
        now_ms: Milliseconds since 1970.
    """

    step: int
    now_ms: int


class Checkpoint(Entry, frozen=True, tag="checkpoint"):
    """What everything before came to; nothing is pending and nothing waits.

    Attributes:
        step: The next decision's number.
        file: Name of the file in the run's ``checkpoints``.
        sha256: Hash of the file.
    """

    step: int
    file: str
    sha256: str


class Applied(Entry, frozen=True, tag="applied"):
    """The pipeline learns of receipts and commands.

    Attributes:
        before: The step before which it does.
        through: Number of the last line that it learns of; those up to there which it has not learned of are meant.
    """

    before: int
    through: int


AnyEntry: TypeAlias = Union[Intent, Answered, Ended, Command, TimedOut, SwitchedOff, Clock, Applied, Checkpoint]  # noqa: UP007 - msgspec reads it
_INPUTS = (Answered, Ended, Command)


class Journal:
    """Writes the journal of a run. Two threads may write: the run's own and the one that hears the operator.

    Args:
        run_dir: Directory of the run.
        after: Number of the last line that is there already; what stands behind it is half a line, and is cut off.

    Raises:
        JournalFailed: The file cannot be made or mended.

    Attributes:
        waiting: Inputs that the pipeline has not learned of, each with its number.
    """

    def __init__(self, run_dir: Path, after: int = 0) -> None:
        self._path = run_dir / JOURNAL_FILE
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._encode = msgspec.json.Encoder().encode
        self._n = after
        self.waiting: list[tuple[int, MakeFact]] = []
        self._clean = True
        self._broken: JournalFailed | None = None
        try:
            self._fd = open_private(self._path, os.O_RDWR | os.O_APPEND)
            cut_torn_line(self._fd)
            sync_directory(run_dir)
        except OSError as error:
            raise _failed(error) from error

    def add(self, kind: type[Entry], *fields: Any) -> None:
        """Write a line.

        Args:
            kind: Its type.
            fields: Its fields after the number.

        Raises:
            JournalFailed: It could not be written.
        """
        with self._lock:
            self._add(kind, fields)

    def add_input(self, kind: type[Entry], *fields: Any, fact: MakeFact, durable: bool = False) -> None:
        """Write a recorded input, and keep it until the pipeline learns of it.

        Args:
            kind: Its type.
            fields: Its fields after the number.
            fact: Makes the fact from its number.
            durable: Return only when the line is on the disk.

        Raises:
            JournalFailed: It could not be written.
        """
        with self._lock:
            self.waiting.append((self._add(kind, fields), fact))
            if durable:
                self._write(durable=True)

    @property
    def last(self) -> int:
        """Number of the last line."""
        return self._n

    def take_inputs(self, before: int) -> list[MakeFact]:
        """Write down that the pipeline is about to learn of what is waiting, and hand it out.

        Args:
            before: The step before which it does.

        Raises:
            JournalFailed: It could not be written.
        """
        with self._lock:
            taken = self.waiting[:]
            self.waiting.clear()
            if taken:
                self._add(Applied, (before, taken[-1][0]))
        return [fact for _, fact in taken]

    def add_checkpoint(self, step: int, file: str, sha256: str) -> bool:
        """Write down that a checkpoint is on the disk, and wait until this is, too.

        Args:
            step: The next decision's number.
            file: Its file.
            sha256: The file's hash.

        Returns:
            False if an input has come meanwhile, which the checkpoint would hide: then it does not count.

        Raises:
            JournalFailed: It could not be written.
        """
        with self._lock:
            if self.waiting:
                return False
            self._add(Checkpoint, (step, file, sha256))
            self._write(durable=True)
            return True

    def flush(self, durable: bool = False) -> None:
        """Hand what is buffered to the operating system.

        Args:
            durable: Also wait until it is on the disk.

        Raises:
            JournalFailed: It could not be written.
        """
        with self._lock:
            self._write(durable)

    def close(self) -> None:
        """Write out and close.

        Raises:
            JournalFailed: It could not be written.
        """
        with self._lock:
            if self._fd >= 0:
                try:
                    self._write(durable=True)
                finally:
                    os.close(self._fd)
                    self._fd = -1

    def _add(self, kind: type[Entry], fields: tuple[Any, ...]) -> int:
        # Not into the buffer, where half a line would stay behind if a field cannot be encoded.
        line = self._encode(kind(self._n + 1, *fields))
        self._n += 1
        buffer = self._buffer
        buffer += line
        buffer += b"\n"
        if len(buffer) > _BUFFERED:
            self._write(durable=False)
        return self._n

    def _write(self, durable: bool) -> None:
        # A disk that failed once may have lost any of what it was given since, and say of the next that all is well.
        if self._broken is not None:
            raise self._broken
        buffer = self._buffer
        try:
            while buffer:
                self._clean = False
                del buffer[: os.write(self._fd, buffer)]
            if durable and not self._clean:
                os.fdatasync(self._fd)
                self._clean = True
        except OSError as error:
            self._broken = _failed(error)
            raise self._broken from error


def read_journal(run_dir: Path) -> Iterator[AnyEntry]:
    """Read the journal of a run.

    Args:
        run_dir: Directory of the run.

    Yields:
        The lines in order. A last line that a crash left without its end is left out.

    Raises:
        JournalFailed: A line is not one of a journal, or is missing.
    """
    decode = msgspec.json.Decoder(AnyEntry).decode
    with (run_dir / JOURNAL_FILE).open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                entry: AnyEntry = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise JournalFailed(f"{JOURNAL_FILE}:{number}: not a line of a journal: {error}") from None
            if entry.n != number:
                raise JournalFailed(f"{JOURNAL_FILE}:{number}: line {number} is missing or was changed")
            yield entry


def is_input(entry: AnyEntry) -> bool:
    """Whether a line is one that ``Applied`` speaks of."""
    return isinstance(entry, _INPUTS)


def _failed(error: OSError) -> JournalFailed:
    return JournalFailed(f"{JOURNAL_FILE} failed: {type(error).__name__}: {error.strerror}")
