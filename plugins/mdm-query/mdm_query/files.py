"""The files of a run that can be asked: its packets, in one file or in many, its audit log and its dead letters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from mdm_core import PastRun, UsageError
from mdm_core.rundir import DEAD_LETTER_FILE, RUN_FILE, is_running

_PACKETS, _AUDIT = "trace-jsonl.packets", "trace-jsonl.audit"
_PATTERN = re.compile(r"[*?\[]")


@attrs.frozen
class Files:
    """What there is to be asked.

    Attributes:
        packets: The files of the trace in the order of the steps, closed ones first.
        audit: Those of the audit log.
        dead_letters: That of the dead letters, if there is one.
        key: Dotted path of the key in the event, if there is one.
        id: Dotted path of the event's id, if there is one.
        running: Whether the run is going on, so that a last line may not be whole yet.
    """

    packets: list[Path]
    audit: list[Path]
    dead_letters: list[Path]
    key: str | None
    id: str | None
    running: bool

    @classmethod
    def find(cls, run: str, runs_dir: Path) -> Files:
        """Find the files of a run.

        Args:
            run: Its id, or the path of its directory.
            runs_dir: Where runs are kept.

        Raises:
            UsageError: There is no such run, it keeps no packets as JSON lines, or a part of them is missing.
        """
        past = PastRun.find(run, runs_dir)
        directory, config = past.directory.absolute(), past.run["config"]
        if _PATTERN.search(str(directory)):
            raise UsageError(f"{directory}: a path with *, ? or [ cannot be asked; rename the directory")
        paths = {table.get("use"): str(table.get("path")) for table in reversed(_tables(config.get("trace")))}
        if _PACKETS not in paths:
            raise UsageError(f'run {run!r} keeps no packets that can be asked: no [[trace]] has use = "{_PACKETS}"')
        for path in paths.values():
            # What run.json says may come from a stranger.
            if not (directory / path).resolve().is_relative_to(directory.resolve()):
                raise UsageError(f"{path}: is outside the directory of the run; {RUN_FILE} has been changed")
        pipeline = config.get("pipeline", {})
        return cls(
            parts_of(directory / paths[_PACKETS]),
            parts_of(directory / paths[_AUDIT]) if _AUDIT in paths else [],
            _existing(directory / DEAD_LETTER_FILE),
            pipeline.get("key"),
            pipeline.get("id"),
            is_running(directory),
        )

    @property
    def all(self) -> list[Path]:
        """All files."""
        return [*self.packets, *self.audit, *self.dead_letters]


def parts_of(path: Path) -> list[Path]:
    """List the files of a trace: ``traces.000001.jsonl.gz`` was closed first, ``traces.jsonl`` is written last.

    Args:
        path: The file that is written last.

    Returns:
        Those that are there, in order.

    Raises:
        UsageError: One in the middle is missing.
    """
    name = re.compile(rf"{re.escape(path.stem)}\.(\d{{6,}}){re.escape(path.suffix)}(?:\.gz)?")
    entries = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    closed: dict[int, Path] = {}
    for entry in entries:
        match = name.fullmatch(entry.name)
        if match is not None:
            closed.setdefault(int(match[1]), entry)  # sorted, so that one not packed comes before its packed copy
    missing = sorted(set(range(min(closed, default=0), max(closed, default=0))) - set(closed))
    if missing:
        raise UsageError(f"{path}: part {missing[0]:06d} is missing, and later ones are there; restore it from a copy")
    return [*(closed[number] for number in sorted(closed)), *_existing(path)]


def is_torn(path: Path) -> bool:
    """Whether the last line of a file was never finished.

    Args:
        path: The file, not compressed.
    """
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return False
        file.seek(-1, 2)
        return file.read(1) != b"\n"


def _existing(path: Path) -> list[Path]:
    return [path] if path.is_file() else []


def _tables(section: Any) -> list[Mapping[str, Any]]:
    return [section] if isinstance(section, Mapping) else list(section or ())
