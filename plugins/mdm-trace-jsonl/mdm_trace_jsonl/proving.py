"""Holding everything that a run has chained against its chains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
from mdm_core import UsageError
from mdm_core.rundir import RUN_FILE, SUMMARY_FILE, find_run, is_running, now_text, read_json

from mdm_trace_jsonl.chaining import file_sha256
from mdm_trace_jsonl.reports import Expected, Finding, Position
from mdm_trace_jsonl.segments import Segments
from mdm_trace_jsonl.verifying import verify

_DEFAULT_FILES = {"trace-jsonl.packets": "traces.jsonl", "trace-jsonl.audit": "security_audit.jsonl"}
_CHAIN = re.compile(r"(?P<stem>.+)\.chain(?P<suffix>\.[^.]*)?")
_CLOSED = re.compile(r".+\.\d{6,}")
_FORMAT = 1


class Checkpoint(msgspec.Struct, frozen=True):
    """Where the chains of a run stood, to be kept where nobody can change it who can change the run.

    Attributes:
        run_id: Id of the run.
        made_at: When, as ISO 8601 text.
        positions: Where each chain stood.
        format: Version of all this.
    """

    run_id: str
    made_at: str
    positions: list[Position]
    format: int = _FORMAT


@attrs.frozen
class Evidence:
    """What there is to be held against each other.

    Attributes:
        directory: Directory of the run.
        names: The traces that have a chain, or should have one.
        unchained: The traces that should have none.
        expected: What their chains must agree with.
    """

    directory: Path
    names: tuple[str, ...]
    unchained: tuple[str, ...]
    expected: Expected

    @classmethod
    def find(cls, run: str, runs_dir: Path) -> Evidence:
        """Find what a run has chained.

        Args:
            run: Id of the run, path of its directory, or path of a trace.
            runs_dir: Where runs are kept.

        Raises:
            UsageError: There is no such run, or it has chained nothing.
        """
        alone = Path(run) if Segments(Path(run)).exist() else None
        directory = _directory(run, runs_dir) if alone is None else alone.parent
        document = _read(directory / RUN_FILE)
        claimed = dict(_claimed(document.get("config", {})))
        chained = {name for name, chain in claimed.items() if chain} | set(_there(directory))
        if alone is not None:
            chained = {alone.name}
        if not chained:
            raise UsageError(
                f"run {run!r} has no chain to verify: its sinks have chain = false, or an older version has written it"
            )
        summary = _read(directory / SUMMARY_FILE)
        expected = Expected(
            run_id=document.get("run_id"),
            run_sha256=file_sha256(directory / RUN_FILE),
            ended=summary.get("status") in ("done", "stopped"),
            running=is_running(directory),
        )
        return cls(directory, tuple(sorted(chained)), tuple(sorted(set(claimed) - chained)), expected)

    def verify(self, keys: Sequence[str], checkpoint: Checkpoint | None) -> list[Finding]:
        """Hold every trace against its chain.

        Args:
            keys: Public keys, in hexadecimal, one of which must have signed each seal.
            checkpoint: Where the chains stood earlier, or None.

        Raises:
            UsageError: The checkpoint is another run's.
        """
        if checkpoint is not None and self.expected.run_id not in (None, checkpoint.run_id):
            raise UsageError(
                f"the checkpoint is of run {checkpoint.run_id!r}, not {self.expected.run_id!r}; name this run's"
            )
        positions = {} if checkpoint is None else {position.file: position for position in checkpoint.positions}
        expected = attrs.evolve(self.expected, keys=tuple(keys))
        return [
            verify(Segments(self.directory / name), name, attrs.evolve(expected, checkpoint=positions.get(name)))
            for name in sorted({*self.names, *positions})
        ]

    def checkpoint(self, findings: Sequence[Finding]) -> Checkpoint:
        """Say where the chains stand.

        Args:
            findings: What came of verifying them.
        """
        positions = [finding.position for finding in findings if finding.position is not None]
        return Checkpoint(self.expected.run_id or self.directory.name, now_text(), positions)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: The file.

    Raises:
        UsageError: It cannot be read or is none.
    """
    try:
        checkpoint = msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; name the file of the checkpoint") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UsageError(f"{path}: is no checkpoint; name a file that `mdm trace checkpoint` has written") from None
    if checkpoint.format != _FORMAT:
        raise UsageError(f"{path}: has format {checkpoint.format}, not {_FORMAT}; use the version that has written it")
    return checkpoint


def _directory(run: str, runs_dir: Path) -> Path:
    """Find a run, even one whose ``run.json`` is gone."""
    for directory in (runs_dir / run, Path(run)):
        if directory.is_dir() and any(_there(directory)):
            return directory
    return find_run(run, runs_dir)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path) or {}
    except UnicodeDecodeError:
        return {}


def _claimed(config: Any) -> Iterator[tuple[str, bool]]:
    """What ``run.json`` says of traces and chains; it may be anything."""
    tables = config.get("trace") if isinstance(config, dict) else None
    for table in tables if isinstance(tables, list) else [tables]:
        if isinstance(table, dict) and table.get("use") in tuple(_DEFAULT_FILES):
            yield str(table.get("path", _DEFAULT_FILES[table["use"]])), table.get("chain") is True


def _there(directory: Path) -> Iterator[str]:
    for path in directory.iterdir():
        match = _CHAIN.fullmatch(path.name)
        if match is not None and not _CLOSED.fullmatch(match["stem"]):
            yield match["stem"] + (match["suffix"] or "")
