"""Real runs, rotated and compressed, and the command that asks about them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
from click.testing import CliRunner
from mdm_core import PastRun, Run
from mdm_core.cli.main import cli

EVENTS = 400
T0 = 1_700_000_000_000

PIPELINE = """\
[pipeline]
key = "who.name"
timestamp = "at"
id = "id"
outcome = "bad"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
include = ["x", "new", "colour"]
categories = ["colour"]
stats = []

[features.derived]
half = "x / 2"

[model]
use = "reference.logistic"
weights = { x = 1.5, "colour=red" = 0.25, new = 0.5 }
bias = -0.5
threshold = 0.4

[[modulators]]
use = "guards.policy"
deny_if = "x > 1.8"
name = "extreme"

[[modulators]]
use = "guards.cooldown"
duration = "2s"
scope = "global"

[broker]
use = "reference.paper"

[[trace]]
use = "trace-jsonl.packets"
rotate_bytes = 60000

[[trace]]
use = "trace-jsonl.audit"

[redaction]
use = "redaction.keys"
"""


@attrs.frozen
class Said:
    """What a command came to.

    Attributes:
        code: Exit code.
        out: Standard output.
        err: Standard error, or the message of the error.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, as JSON."""
        return json.loads(self.out)


@attrs.frozen
class Ran:
    """A run on disk.

    Attributes:
        directory: Its directory.
    """

    directory: Path

    @property
    def packets(self) -> list[Mapping[str, Any]]:
        """Its packets, as the reader of mdm-trace-jsonl gives them."""
        return list(PastRun.find(str(self.directory)).packets())

    @property
    def audit(self) -> list[Mapping[str, Any]]:
        """Its audit log."""
        return list(PastRun.find(str(self.directory)).audit())

    def ask(self, sql: str, *options: str) -> Said:
        """Ask a question in SQL."""
        return call("trace", "query", str(self.directory), sql, *options)

    def rows(self, sql: str) -> list[list[Any]]:
        """Ask a question that can be answered."""
        said = self.ask(sql, "--format", "json")
        assert (0, "") == (said.code, said.err)
        return [list(row.values()) for row in said.json]


Call: TypeAlias = Callable[..., Said]


def call(*arguments: str) -> Said:
    """Call ``mdm``."""
    result = CliRunner().invoke(cli, list(arguments))
    error = result.exception
    if error is None or isinstance(error, SystemExit):
        return Said(result.exit_code, result.stdout, result.stderr)
    return Said(getattr(error, "exit_code", 3), result.stdout, str(error))


def make_event(n: int) -> dict[str, Any]:
    """Make an event; every fortieth is none that can be decided, and every fiftieth lacks a feature."""
    event = {
        "id": f"e{n}",
        "at": T0 + n * 700,
        "who": {"name": f"k{n % 3}"},
        "x": (n % 37) / 10 - 1.2,
        "new": n % 5 == 0,
        "colour": ["red", "blue", 'it\'s "odd"'][n % 3],
        "password": "hunter2",
        "bad": n % 7 == 0,
    }
    if n % 40 == 39:
        del event["at"]
    if n % 50 == 11:
        event["x"] = None
    return event


def make_run(directory: Path, pipeline: str = PIPELINE) -> Ran:
    """Decide events in a real run."""
    directory.mkdir(exist_ok=True)
    (directory / "events.jsonl").write_text("".join(json.dumps(make_event(n)) + "\n" for n in range(EVENTS)))
    (directory / "pipeline.toml").write_text(pipeline)
    Run.from_config(directory / "pipeline.toml", run_id="r", runs_dir=directory / "runs").run()
    return Ran(directory / "runs/r")


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run; nobody may change it."""
    return make_run(tmp_path_factory.mktemp("ran"))


@pytest.fixture
def copy(ran: Ran, tmp_path: Path) -> Ran:
    """A copy of the run, which may be changed."""
    return Ran(Path(shutil.copytree(ran.directory, tmp_path / "it's a run")))


@pytest.fixture(scope="session")
def run_of() -> Callable[..., Ran]:
    """Decide events in a real run by another pipeline file."""
    return make_run


@pytest.fixture(scope="session")
def mdm() -> Call:
    """Call ``mdm``."""
    return call


@pytest.fixture(scope="session")
def pipeline() -> str:
    """The pipeline file of the run."""
    return PIPELINE
