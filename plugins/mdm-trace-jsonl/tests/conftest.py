"""What the tests share: a run's directory, sinks in it, and keys."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mdm_core import Build

from mdm_trace_jsonl import PacketSink
from mdm_trace_jsonl.proving import Checkpoint, Evidence
from mdm_trace_jsonl.reports import Finding
from mdm_trace_jsonl.signing import new_key

OpenSink: TypeAlias = Callable[..., PacketSink]
Verify: TypeAlias = Callable[..., Finding]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run that says that its packets have a chain."""
    directory = tmp_path / "r1"
    directory.mkdir()
    run = {"run_id": "r1", "config": {"trace": [{"use": "trace-jsonl.packets", "chain": True}]}}
    (directory / "run.json").write_text(json.dumps(run))
    return directory


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that does not let anybody wait, for tests that close and open hundreds of files."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, os.fstat)


@pytest.fixture
def open_sink(run_dir: Path) -> OpenSink:
    """Opens a sink of packets in the run."""

    def opened(directory: Path = run_dir, **options: Any) -> PacketSink:
        sink = PacketSink(**options)
        sink.open(Build(run_dir=directory, run_id="r1"))
        return sink

    return opened


@pytest.fixture
def verify(run_dir: Path) -> Verify:
    """Verifies the packets of the run."""

    def verified(
        directory: Path = run_dir, keys: tuple[str, ...] = (), checkpoint: Checkpoint | None = None
    ) -> Finding:
        (finding,) = Evidence.find(str(directory), directory.parent).verify(keys, checkpoint)
        return finding

    return verified


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A private key's file and its public key in hexadecimal."""
    folder = tmp_path_factory.mktemp("keys")
    public = new_key(folder / "k.key", folder / "k.pub")
    return str(folder / "k.key"), public
