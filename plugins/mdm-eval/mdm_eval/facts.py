"""The recorded inputs of a run, read from its journal as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from mdm_core.journal import (
    JOURNAL_FILE,
    AnyEntry,
    Applied,
    Checkpoint,
    Clock,
    Intent,
    JournalFailed,
    TimedOut,
    is_input,
)
from mdm_core.limits import Call
from mdm_core.replay import RecordedInputs


class StreamedInputs(RecordedInputs):
    """The recorded inputs of a run, of which no more is in memory than the next decision needs.

    The journal is in the order in which things happened: whatever concerns a step stands before the first line that
    concerns a later one. The file is read on when a run that is going on has written more.

    Args:
        run_dir: Directory of the run.

    Attributes:
        timeouts: Calls of components that took too long or whose process died, as far as the journal was read.
    """

    def __init__(self, run_dir: Path) -> None:
        super().__init__(())
        path = run_dir / JOURNAL_FILE
        self._file: Any = path.open("rb") if path.exists() else None
        self._decode = msgspec.json.Decoder(AnyEntry).decode
        self._line = 0
        self._waiting: list[Any] = []
        self._due: list[tuple[int, list[Any]]] = []
        self._times: dict[int, int] = {}
        self._reached = -1
        self._step = -1
        self._batch: list[Any] = []

    def before(self, step: int) -> list[Any]:
        """What was learned before a step, and before the steps that were passed over.

        Args:
            step: The decision's number; asked again about the same step, it answers the same.
        """
        if step != self._step:
            self._read_past(step)
            self._forget(step)
            self._step, self._batch = step, []
            while self._due and self._due[0][0] <= step:
                self._batch += self._due.pop(0)[1]
        return self._batch

    def now_ms(self, step: int) -> int | None:
        """The wall clock at a step, or None if the run did not go by it or its journal ends before.

        Args:
            step: The decision's number.
        """
        self._read_past(step)
        return self._times.get(step)

    def close(self) -> None:
        """Close the journal."""
        if self._file is not None:
            self._file.close()

    def _read_past(self, step: int) -> None:
        while self._reached <= step:
            entry = self._next()
            if entry is None:
                return
            self._take(entry)

    def _take(self, entry: AnyEntry) -> None:
        if is_input(entry):
            self._waiting.append(entry)
        elif isinstance(entry, Applied):
            self._due.append((entry.before, [i for i in self._waiting if i.n <= entry.through]))
            self._waiting = [i for i in self._waiting if i.n > entry.through]
            self._reached = max(self._reached, entry.before)
        elif isinstance(entry, TimedOut):
            self.timeouts[entry.step, entry.stage, entry.component, entry.seq] = entry.code
            self._reached = max(self._reached, -1 if entry.step is None else entry.step)
        elif isinstance(entry, Clock):
            self._times[entry.step] = entry.now_ms
            self._reached = max(self._reached, entry.step)
        elif isinstance(entry, Intent | Checkpoint):
            self._reached = max(self._reached, entry.step)

    def _forget(self, step: int) -> None:
        late: list[Call] = [call for call in self.timeouts if call[0] is not None and call[0] < step]
        for call in late:
            del self.timeouts[call]
        for past in [past for past in self._times if past < step]:
            del self._times[past]

    def _next(self) -> AnyEntry | None:
        line = b"" if self._file is None else self._file.readline()
        if not line.endswith(b"\n"):  # the end, or half a line that is still being written
            if line:
                self._file.seek(-len(line), 1)
            return None
        self._line += 1
        try:
            entry: AnyEntry = self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JournalFailed(f"{JOURNAL_FILE}:{self._line}: not a line of a journal: {error}") from None
        if entry.n != self._line:
            raise JournalFailed(f"{JOURNAL_FILE}:{self._line}: line {self._line} is missing or was changed")
        return entry


def checkpoints(entries: Iterator[AnyEntry]) -> list[Checkpoint]:
    """The last two checkpoints of which a journal tells, the older one first.

    Args:
        entries: The journal.
    """
    found: list[Checkpoint] = []
    for entry in entries:
        if isinstance(entry, Checkpoint):
            found = [*found[-1:], entry]
    return found
