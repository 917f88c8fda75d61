"""What an earlier process has left of a run, and whether it can be gone on with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import attrs
import msgspec

from mdm_core.checkpoints import Saved, read_checkpoint
from mdm_core.errors import MdmError, UsageError
from mdm_core.journal import (
    Answered,
    AnyEntry,
    Applied,
    Checkpoint,
    Clock,
    Command,
    Ended,
    Intent,
    TimedOut,
    read_journal,
)
from mdm_core.rundir import DEAD_LETTER_FILE, RUN_FILE, SUMMARY_FILE, cut_torn_line, read_json
from mdm_core.values import Outcome
from mdm_core.wording import spelled

_MUST_BE_THE_SAME = ("config", "distributions", "files", "schema_version", "python")


class ResumeFailed(MdmError):
    """The run cannot be gone on with: what was recorded and what comes now do not fit together."""

    exit_code = 1


@attrs.define
class Record:
    """What the journal tells of one order.

    Attributes:
        intent: That it was about to be given.
        receipts: The broker's answers.
        ended: How it ended, if its last receipt does not say so.
    """

    intent: Intent
    receipts: list[Answered] = attrs.field(factory=list)
    ended: Ended | None = None

    @property
    def outcome(self) -> Outcome | None:
        """What came of it; None if the process ended before it was known."""
        if self.ended is not None:
            return self.ended.status
        statuses = [receipt.status for receipt in self.receipts]
        if "done" in statuses[-1:]:
            return "done"
        return "failed" if "failed" in statuses[-1:] and "unknown" not in statuses else None


@attrs.define
class Remains:
    """What an earlier process has left of a run.

    Attributes:
        run_dir: Directory of the run.
        run: What ``run.json`` holds.
        file: The name of the checkpoint to go on from.
        saved: The checkpoint.
        entries: The journal behind it.
        last: Number of the journal's last line.
    """

    run_dir: Path
    run: Mapping[str, Any]
    file: str
    saved: Saved
    entries: list[AnyEntry]
    last: int

    @classmethod
    def of(cls, run_dir: Path) -> Remains:
        """Read what is left of a run.

        Args:
            run_dir: Directory of the run.

        Raises:
            UsageError: There is nothing to go on with.
            JournalFailed: The journal is damaged in its middle.
        """
        run, summary = read_json(run_dir / RUN_FILE), read_json(run_dir / SUMMARY_FILE)
        if run is None:
            raise UsageError(f"{run_dir}: holds no run.json that can be read; start a new run")
        if summary is not None and summary.get("status") == "done":
            raise UsageError(f"run {run_dir.name!r} has ended and cannot be gone on with; start a new run")
        last, stretches = 0, list[tuple[Checkpoint, list[AnyEntry]]]()
        for entry in read_journal(run_dir):
            last = entry.n
            if isinstance(entry, Checkpoint):
                stretches = [*stretches[-1:], (entry, [])]
            elif stretches:
                stretches[-1][1].append(entry)
        for number in reversed(range(len(stretches))):
            checkpoint = stretches[number][0]
            saved = read_checkpoint(run_dir, checkpoint)
            if saved is not None and saved.run_id == run_dir.name:
                behind = [entry for _, entries in stretches[number:] for entry in entries]
                return cls(run_dir, run, checkpoint.file, saved, behind, last)
        raise UsageError(f"run {run_dir.name!r} has no checkpoint that can be read; start a new run")

    def dead_letters(self) -> int:
        """How many dead letters stand behind the checkpoint; half a line at the end is cut off.

        Raises:
            UsageError: The file cannot be read or mended.
        """
        path = self.run_dir / DEAD_LETTER_FILE
        try:
            with os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                cut_torn_line(file.fileno())
                return max(0, sum(1 for _ in file) - self.saved.dead_letters)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}; see to it that it can be") from None

    def check(self, run: Mapping[str, Any]) -> None:
        """Refuse to go on with another configuration, or with other versions.

        Args:
            run: What ``run.json`` would hold if the run began now, redacted.

        Raises:
            UsageError: What has changed.
        """
        now = msgspec.json.decode(msgspec.json.encode({key: run.get(key) for key in _MUST_BE_THE_SAME}, enc_hook=str))
        before = {key: self.run.get(key) for key in _MUST_BE_THE_SAME}
        changes = [*_changes((), before, now)]
        if changes:
            raise UsageError(
                f"run {self.run_dir.name!r} cannot be gone on with, because this has changed: {'; '.join(changes)}; "
                f"put it back, or start a new run"
            )

    @property
    def stopped(self) -> bool:
        """Whether an operator has stopped the run and not released it."""
        commands = [entry.name for entry in self.entries if isinstance(entry, Command)]
        return commands[-1] == "stop" if commands else self.saved.engine.stopped

    def orders(self) -> dict[int, Record]:
        """What the journal tells of orders behind the checkpoint, by step."""
        found: dict[int, Record] = {}
        for entry in self.entries:
            if isinstance(entry, Intent):
                found[entry.step] = Record(entry)
            elif isinstance(entry, Answered):
                found[entry.step].receipts.append(entry)
            elif isinstance(entry, Ended):
                found[entry.step].ended = entry
        return found

    def frontier(self) -> int:
        """The first step of which the journal tells nothing."""
        steps = [self.saved.engine.step]
        for entry in self.entries:
            if isinstance(entry, Applied):
                steps.append(entry.before)
            elif isinstance(entry, Intent | Clock | TimedOut) and entry.step is not None:
                steps.append(entry.step + 1)
        return max(steps)


def essence(packet: Mapping[str, Any]) -> bytes:
    """Hash what was decided, without what may differ from one process to the next.

    Args:
        packet: A packet, redacted, as a sink has it or as it is given to one.
    """
    mdm, final, mismatch = packet["mdm"], packet["final_action"], packet["mismatch"] or {}
    what = (
        [mdm.get(key) for key in ("action", "confidence", "reasons")],
        [final.get(key) for key in ("action", "allowed", "reasons")],
        [mismatch.get(key) for key in ("flags", "reason_codes")],
    )
    return hashlib.blake2b(json.dumps(what, default=list).encode(), digest_size=16).digest()


def _changes(path: tuple[str | int, ...], before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _changes((*path, key), before.get(key), now.get(key))
    elif isinstance(before, list) and isinstance(now, list):
        for number, (old, new) in enumerate(zip_longest(before, now)):
            yield from _changes((*path, number), old, new)
    elif before != now:
        yield f"{spelled(path)} was {_shown(before)} and is {_shown(now)}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("use", "other")
    return "not there" if value is None else "other" if isinstance(value, list) else json.dumps(value)
