"""A run on disk: ``runs/<run_id>/``, private to its owner and to one process at a time."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from mdm_core.errors import UsageError
from mdm_core.wording import did_you_mean

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"
DEAD_LETTER_FILE = "dead_letter.jsonl"
LOCK_FILE = "lock"

_BLOCK = 1 << 16
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def now_text() -> str:
    """The wall clock as ISO 8601 text in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_run_id() -> str:
    """Make a run id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def check_run_id(run_id: str) -> None:
    """Refuse what could lead out of the directory in which runs are kept.

    Args:
        run_id: A run's id.

    Raises:
        UsageError: It is none.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"run id {run_id!r}: use up to 80 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )


def create_run_dir(runs_dir: Path, run_id: str) -> Path:
    """Make the directory of a new run.

    Args:
        runs_dir: Where runs are kept; made if it does not exist.
        run_id: The run's id.

    Returns:
        The directory.

    Raises:
        UsageError: The id is not one, is taken, or the directory cannot be made.
    """
    check_run_id(run_id)
    directory = runs_dir / run_id
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        runs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
        for made in missing:
            sync_directory(made.parent)
    except FileExistsError:
        if not runs_dir.is_dir():
            raise UsageError(f"{runs_dir}: is a file; choose another --runs-dir") from None
        raise UsageError(
            f"run {run_id!r} exists already in {runs_dir}: choose another --run-id, or leave it out"
        ) from None
    except OSError as error:
        raise UsageError(f"{directory}: cannot be made: {error.strerror}; choose another --runs-dir") from None
    return directory


def find_run(run: str, runs_dir: Path) -> Path:
    """Find the directory of an earlier run.

    Args:
        run: Its id, or the path of its directory.
        runs_dir: Where runs are kept.

    Returns:
        The directory.

    Raises:
        UsageError: There is no such run.
    """
    for directory in (runs_dir / run, Path(run)):
        if (directory / RUN_FILE).is_file():
            return directory
    known = [path.name for path in list_runs(runs_dir)]
    raise UsageError(
        f"no run {run!r} in {runs_dir}{did_you_mean(run, known)}; `mdm runs` lists them, --runs-dir names another place"
    )


def list_runs(runs_dir: Path) -> Iterator[Path]:
    """The directories of all runs, oldest id first."""
    if runs_dir.is_dir():
        yield from sorted(path for path in runs_dir.iterdir() if (path / RUN_FILE).is_file())


def open_private(path: Path, flags: int) -> int:
    """Open a file that only its owner may read, never through a symbolic link.

    Args:
        path: The file.
        flags: As for ``os.open``.

    Returns:
        The file descriptor.
    """
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def sync_directory(directory: Path) -> None:
    """Wait until the names of a directory's files are on the disk, without which a file is lost all the same."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def cut_torn_line(fd: int) -> int:
    """Cut off what stands behind the last end of a line: the half line that a crash has left.

    Args:
        fd: A file that is open for reading and writing.

    Returns:
        How many bytes were cut off.
    """
    end = size = os.fstat(fd).st_size
    while end:
        begin = max(0, end - _BLOCK)
        found = os.pread(fd, end - begin, begin).rfind(b"\n")
        end = begin + found + 1
        if found >= 0:
            break
    if end < size:
        os.ftruncate(fd, end)
    return size - end


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON document for people, whole and durable or not at all.

    Args:
        path: The file.
        data: What JSON can hold.
    """
    replace_file(path, msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, whole and durable or not at all.

    Args:
        path: The file.
        data: Its content.
    """
    temporary = path.with_name(f".{path.name}.new")
    with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON document, or None if there is none that can be read without following a symbolic link."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            return msgspec.json.decode(file.read(), type=dict[str, Any])
    except (OSError, ValueError):  # not UTF-8, or no JSON object
        return None


class RunLock:
    """Keeps a run's directory for one process; the kernel lets go of it when the process ends, however it ends.

    Args:
        directory: The run's directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Try to take the lock.

        Returns:
            False if another process has it.

        Raises:
            UsageError: The file cannot be made.
        """
        try:
            fd = open_private(self._path, os.O_RDWR)
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be opened: {error.strerror}; see to it that it can be") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        """Let go of the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_running(directory: Path) -> bool:
    """Whether a process has the run at this moment."""
    try:
        fd = os.open(directory / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
