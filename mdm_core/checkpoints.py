"""Checkpoints: what a run has come to, so that it can be gone on with from there."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from mdm_core.config import DurabilityOptions
from mdm_core.journal import Checkpoint, Journal
from mdm_core.limits import Lateness
from mdm_core.rundir import replace_file, sync_directory
from mdm_core.values import Position

FOLDER = "checkpoints"
_FORMAT = 1
_NAME = re.compile(r"[0-9]{12,}-[0-9]{12,}")


class Engine(msgspec.Struct, frozen=True):
    """What the pipeline remembers besides the states of its components.

    Attributes:
        step: The next decision's number.
        now_ms: Highest time seen.
        feedback_seq: Number of the last recorded input that was learned of.
        stopped: Whether an operator has stopped it.
        lateness: Component to when it took too long.
        shadows: Shadow to what it has come to, counted.
    """

    step: int
    now_ms: int
    feedback_seq: int
    stopped: bool
    lateness: dict[str, Lateness]
    shadows: dict[str, dict[str, int]] = {}


class Saved(msgspec.Struct, frozen=True):
    """The content of a checkpoint.

    Attributes:
        run_id: Id of the run.
        read: Records read from the source.
        position: Position of the last one, or None.
        identity: What the source said of itself then.
        engine: What the pipeline remembers.
        salt: Salt of the hashes that stand for keys.
        states: Name to keyed state, in which hashes stand for keys.
        tally: What was counted.
        executed: What was counted of execution.
        redaction: What was counted of redaction.
        marks: Where each trace sink stood.
        dead_letters: How many dead letters there were.
        format: Version of all this.
    """

    run_id: str
    read: int
    position: Position | None
    identity: dict[str, Any] | None
    engine: Engine
    salt: bytes
    states: dict[str, bytes]
    tally: dict[str, Any]
    executed: dict[str, Any]
    redaction: dict[str, Any]
    marks: list[dict[str, Any] | None]
    dead_letters: int
    format: int = _FORMAT


def write_checkpoint(run_dir: Path, saved: Saved) -> tuple[str, str]:
    """Write a checkpoint, whole and durable or not at all.

    Args:
        run_dir: Directory of the run.
        saved: Its content.

    Returns:
        Name and hash of the file, for the journal.

    Raises:
        OSError: It could not be written.
    """
    data = msgspec.msgpack.encode(saved)
    folder = run_dir / FOLDER
    if folder.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{saved.engine.step:012d}-{saved.read:012d}"
    replace_file(folder / name, data)
    # The folder itself, and the files that sinks have made since the last one.
    sync_directory(run_dir)
    return name, hashlib.sha256(data).hexdigest()


def read_checkpoint(run_dir: Path, entry: Checkpoint) -> Saved | None:
    """Read a checkpoint; None if it is missing, changed, or of another version.

    Args:
        run_dir: Directory of the run.
        entry: What the journal says of it.
    """
    if not _NAME.fullmatch(entry.file) or (run_dir / FOLDER).is_symlink():
        return None
    try:
        fd = os.open(run_dir / FOLDER / entry.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            return None
        saved = msgspec.msgpack.decode(data, type=Saved)
    except (OSError, msgspec.DecodeError):
        return None
    return saved if saved.format == _FORMAT else None


def forget_old(run_dir: Path, kept: Collection[str]) -> None:
    """Remove all checkpoints but some, and what a crash has left of others.

    Args:
        run_dir: Directory of the run.
        kept: Names of those that stay; the journal must tell of each already.
    """
    for path in (run_dir / FOLDER).iterdir():
        if path.name not in kept:
            with suppress(OSError):
                path.unlink()


class Checkpoints:
    """Writes checkpoints when they are due.

    Args:
        options: The table ``[durability]``.
        save: Gives what is to be saved.

    Attributes:
        salt: Salt of the hashes that stand for keys; one for the whole run.
        kept: Names of the last two.
    """

    def __init__(self, options: DurabilityOptions, save: Callable[[], Saved]) -> None:
        self._options = options
        self._save = save
        self._read = 0
        self._next = self._earliest = 0.0
        self.salt = secrets.token_bytes(16)
        self.kept: list[str] = []

    def due(self, read: int) -> bool:
        """Whether a checkpoint is due.

        Args:
            read: Records read from the source.
        """
        now = time.monotonic()
        enough = read - self._read >= self._options.checkpoint_events
        return now >= self._next or (enough and now >= self._earliest)

    def write(self, run_dir: Path, journal: Journal) -> None:
        """Write a checkpoint; nothing may be pending or waiting.

        Args:
            run_dir: Directory of the run.
            journal: Tells of it.

        Raises:
            OSError: It could not be written.
            JournalFailed: It could not be told of.
        """
        started = time.monotonic()
        saved = self._save()
        name, sha256 = write_checkpoint(run_dir, saved)
        if journal.add_checkpoint(saved.engine.step, name, sha256):
            self.kept = [*self.kept[-1:], name]
            forget_old(run_dir, self.kept)
        now = time.monotonic()
        self._read = saved.read
        # However large the state, the run spends nineteen twentieths of its time on other things.
        self._earliest = now + 19 * (now - started)
        self._next = max(self._earliest, now + self._options.checkpoint_seconds)
