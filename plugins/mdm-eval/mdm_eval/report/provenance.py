"""Where a run comes from, and whether its trace is what was written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import attrs
import msgspec
from mdm_core import PastRun
from mdm_core.rundir import SUMMARY_FILE, read_json

_TOLD = ("run_id", "started_at", "pipeline", "config_sha256", "schema_version", "python", "seed")
_ENDED = ("status", "reason", "ended_at", "events", "decided", "dead_letters", "redaction_failures", "executions")


@attrs.frozen
class Verification:
    """Whether the trace is what was written.

    Attributes:
        verdict: ``verified``, ``altered``, or ``not verified``.
        by: What has looked.
        told: What it found, or why it could not look.
        limits: What it cannot show.
    """

    verdict: Literal["verified", "altered", "not verified"]
    by: str
    told: list[str]
    limits: list[str]


@attrs.frozen
class Provenance:
    """Where a run comes from.

    Attributes:
        run: What ``run.json`` says, but for what follows.
        ended: What ``summary.json`` says of how it ended; empty while it goes on.
        source: Identity of what was read.
        distributions: Distribution to version.
        files: File to SHA-256.
        configuration: Every option by its dotted path, secrets masked.
        verification: Whether the trace is what was written.
        told_by: Distribution and version of what has made the report.
    """

    run: dict[str, Any]
    ended: dict[str, Any]
    source: dict[str, Any]
    distributions: dict[str, str]
    files: dict[str, str]
    configuration: dict[str, Any]
    verification: Verification
    told_by: str


class Verifying:
    """Has ``mdm trace verify`` look at a run while something else is done.

    Args:
        directory: Directory of the run.
        public_keys: Files of the public keys that must have signed.
    """

    def __init__(self, directory: Path, public_keys: Sequence[Path] = ()) -> None:
        keys = [part for path in public_keys for part in ("--public-key", str(path))]
        command = [sys.executable, "-m", "mdm_core", "trace", "verify", str(directory.resolve()), "--json", *keys]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Verifying:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def result(self) -> Verification:
        """Wait for what it finds."""
        out, err = self._process.communicate()
        try:
            found = msgspec.json.decode(out, type=dict[str, Any])
            return _verdict(found)
        except (msgspec.DecodeError, KeyError, TypeError):
            return Verification("not verified", "mdm trace verify", err.strip().splitlines()[-1:], [])


def provenance_of(past: PastRun, verification: Verification) -> Provenance:
    """Gather where a run comes from.

    Args:
        past: The run.
        verification: What was found of its trace.
    """
    run, ended = past.run, read_json(past.directory / SUMMARY_FILE) or {}
    return Provenance(
        run={name: run[name] for name in _TOLD if name in run},
        ended={name: ended[name] for name in _ENDED if name in ended},
        source=dict(run.get("source") or {}),
        distributions=dict(run.get("distributions") or {}),
        files=dict(run.get("files") or {}),
        configuration=dict(flat(run["config"])),
        verification=verification,
        told_by=f"mdm-eval {version('mdm-eval')}",
    )


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Give every option by its dotted path.

    Args:
        value: A configuration, or a part of it.
        path: Where it stands.

    Yields:
        Path and value; an empty table or list is a value.
    """
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, inner in enumerate(value):
            yield from flat(inner, f"{path}[{number}]")
    else:
        yield path, value


def _verdict(found: Mapping[str, Any]) -> Verification:
    files, wrong = found["files"], not found["ok"]
    told = [line for file in files for line in _told(file)]
    chained = [file for file in files if file["lines"]]
    verdict: Literal["verified", "altered", "not verified"] = "verified" if chained else "not verified"
    return Verification("altered" if wrong else verdict, "mdm trace verify", told, list(found["cannot_show"]))


def _told(file: Mapping[str, Any]) -> Iterator[str]:
    signed = f", {file['signed']:,} seals signed" if file.get("signed") else ""
    yield f"{file['file']}: {file['lines']:,} lines{signed}"
    yield from (f"{file['file']}: {problem}" for problem in file["problems"])
    yield from (f"{file['file']}: {remark}" for remark in file["remarks"])
