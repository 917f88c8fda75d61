"""Redactors with and without google-re2, and real runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from mdm_core import Run

Redact: TypeAlias = Callable[[dict[str, Any]], Any]

PIPELINE = """\
[pipeline]
key = "user"
timestamp = "at"
id = "id"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
include = ["amount"]

[model]
use = "reference.logistic"
weights = { amount = 0.1 }
missing = "ignore"

[[trace]]
use = "trace-jsonl.packets"

[[trace]]
use = "trace-jsonl.audit"

"""


@pytest.fixture(params=["with re2", "without re2"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with google-re2, if it is installed, and as if it were not."""
    if request.param == "without re2":
        monkeypatch.setitem(sys.modules, "re2", None)
    else:
        pytest.importorskip("re2")
    return str(request.param)


@pytest.fixture
def run_on(tmp_path: Path) -> Callable[[str, list[Any]], Path]:
    """Run a whole pipeline on events, with a redaction as given, and return the folder that the run has written."""

    def run(redaction: str, events: list[Any]) -> Path:
        lines = [event if isinstance(event, bytes) else msgspec.json.encode(event) for event in events]
        (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        (tmp_path / "pipeline.toml").write_text(PIPELINE + redaction)
        runs = tmp_path / "runs"
        Run.from_config(tmp_path / "pipeline.toml", runs_dir=runs, run_id="r").run()
        return runs / "r"

    return run
