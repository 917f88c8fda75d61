"""A real run over events whose truth is known, and the commands that ask about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from math import exp
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import attrs
import pytest
from click.testing import CliRunner
from mdm_core import PastRun, Run
from mdm_core.cli.main import cli

EVENTS = 4000
T0 = 1_700_000_000_000
HOUR = 3_600_000

PIPELINE = """\
[pipeline]
key = "site"
timestamp = "at"
id = "id"
outcome = "bad"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
include = ["x", "colour"]
categories = ["colour"]
stats = []

[model]
use = "reference.logistic"
weights = { x = 1.5 }
bias = -0.5
threshold = 0.4

[[modulators]]
use = "guards.policy"
deny_if = "x > 1.8"
name = "extreme"

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "redaction.keys"
"""


@attrs.frozen
class Ran:
    """A run on disk.

    Attributes:
        runs_dir: Where it is kept.
        events: The events that it has decided, in order.
    """

    runs_dir: Path
    events: list[dict[str, Any]]

    @property
    def past(self) -> PastRun:
        """The run, for those who ask what it decided."""
        return PastRun.find("r", self.runs_dir)

    @property
    def packets(self) -> list[Mapping[str, Any]]:
        """Its packets."""
        return list(self.past.packets())


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


Mdm: TypeAlias = Callable[..., Said]


def make_events(events: int = EVENTS) -> list[dict[str, Any]]:
    """Make events whose outcome has the probability ``1 / (1 + exp(-x))``; of every fiftieth it is not known."""
    random = Random(20)
    made = []
    for n in range(events):
        x = random.gauss(0.0 if n < events / 2 else 0.4, 1.5)
        site = "tiny" if n % 200 == 7 else random.choice(["north", "south"])
        event = {"id": f"e{n}", "at": T0 + n * HOUR, "site": site, "x": x, "colour": "red" if n % 3 else "blue"}
        bad = random.random() < 1 / (1 + exp(-x))
        made.append(event if n % 50 == 49 else {**event, "bad": bad})
    return made


def make_run(
    directory: Path, events: list[dict[str, Any]], *overrides: str, without: str = "", instead: str = ""
) -> Ran:
    """Decide events in a real run; something else can stand in the place of a part of the pipeline."""
    directory.mkdir(exist_ok=True)
    (directory / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (directory / "pipeline.toml").write_text(PIPELINE.replace(without, instead) if without else PIPELINE)
    runs = directory / "runs"
    summary = Run.from_config(directory / "pipeline.toml", overrides, run_id="r", runs_dir=runs).run()
    assert len(events) == summary.decided
    return Ran(runs, events)


@pytest.fixture(scope="session")
def ran_once(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run; nobody may change it."""
    return make_run(tmp_path_factory.mktemp("ran"), make_events())


@pytest.fixture
def ran(ran_once: Ran, tmp_path: Path) -> Ran:
    """A copy of the run, which may be changed."""
    shutil.copytree(ran_once.runs_dir, tmp_path / "runs")
    return Ran(tmp_path / "runs", ran_once.events)


@pytest.fixture(scope="session")
def run_of() -> Callable[..., Ran]:
    """Decide events in a real run."""
    return make_run


@pytest.fixture
def mdm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mdm:
    """Call ``mdm`` where nothing else is."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Said:
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        error = result.exception
        if error is None or isinstance(error, SystemExit):
            return Said(result.exit_code, result.stdout, result.stderr)
        return Said(getattr(error, "exit_code", 3), result.stdout, str(error))

    return call
