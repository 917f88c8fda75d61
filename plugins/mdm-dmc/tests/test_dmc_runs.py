"""Whole runs: what the trace shows, with the installed decision-schema and with another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mdm_core import Run

PipelineFile: TypeAlias = Callable[[str], Path]

STANDIN = Path(__file__).parent / "standin"
OTHER_SCHEMA = Path(__file__).parents[3] / "tests" / "standin"

FRAGILE = """\
import math
from dmc_core.dmc.modulator import modulate
from dmc_core.dmc.policy import GuardPolicy

def fragile(proposal, policy, context):
    amount = proposal.params["amount"]
    if amount == 13:
        raise RuntimeError(f"canary {proposal.params}")
    final, mismatch = modulate(proposal, policy, context)
    if amount == 14:
        return final
    if amount == 15:
        return type(final)(final.action, params={"amount": math.nan}), mismatch
    if amount == 99:
        return type(final)(final.action, params={"amount": 50}), mismatch
    return final, mismatch
"""

PIPELINE = """
[source]
use = "toydmc.events"
events = [
    { key = "a", at = 100000, amount = 1 },
    { key = "a", at = 50000, amount = 2 },
    { key = "a", at = 100100, amount = 13 },
    { key = "a", at = 100200, amount = 14 },
    { key = "a", at = 100300, amount = 15 },
    { key = "a", at = 100400, amount = 99 },
    { key = "a", at = 100500, amount = 0 },
    { key = "a", at = 100600, amount = 3 },
]

[[modulators]]
use = "dmc.modulate"
function = "fragile_dmc:fragile"
policy = { staleness_ms = 1000, max_error_rate = 0.9 }

[broker]
use = "toydmc.lines"

[redaction]
use = "none"

[[trace]]
use = "toydmc.trace"
"""


def shape(packet: dict[str, Any]) -> list[Any]:
    """Give what a packet says of its decision."""
    final, mismatch = packet["final_action"], packet["mismatch"]
    told = None if mismatch is None else (mismatch["flags"], mismatch["reason_codes"])
    amount = final["params"].get("amount")
    return [final["action"], final["allowed"], amount, told, packet["external"].get("mdm.fail_closed")]


def failed(name: str) -> list[Any]:
    """Give the shape of a decision that failed closed."""
    return ["HOLD", False, None, (["modulator_error"], [f"modulator_error:{name}"]), True]


SHAPES = [
    ["ACT", True, 1, None, None],
    ["HOLD", False, 2, (["staleness"], ["too_old"]), None],
    failed("RuntimeError"),
    failed("ContractError"),
    failed("ContractError"),
    ["ACT", True, 50, ([], ["dmc:params"]), None],
    ["HOLD", True, 0, None, None],
    ["ACT", True, 3, None, None],
]
ORDERS = [["ACT", {"amount": amount, "to": {"who": "a"}}] for amount in (1, 50, 3)]


def lines(path: Path) -> list[Any]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def pipeline(pipeline_file: PipelineFile, plugins: Path) -> Path:
    """Write a pipeline with a core that fails now and then, and install that core."""
    (plugins / "fragile_dmc.py").write_text(FRAGILE)
    return pipeline_file(PIPELINE)


def check(run_dir: Path) -> None:
    """Check the trace of the run, and what was carried out."""
    packets = lines(run_dir / "traces.jsonl")
    assert SHAPES == [shape(packet) for packet in packets]
    assert {9} == {len(packet) for packet in packets}
    assert {"who": "a"} == packets[1]["final_action"]["params"]["to"]
    assert {"amount": 2, "to": {"who": "a"}} == packets[1]["mdm"]["params"]
    assert ORDERS == lines(run_dir / "orders.jsonl")
    files = [path for path in run_dir.rglob("*") if path.is_file()]
    assert [] == [path for path in files if b"canary" in path.read_bytes()]


class TestTrace:
    @pytest.mark.usefixtures("standin")
    def test_of_a_run(self, pipeline: Path, tmp_path: Path) -> None:
        """Allowed, denied, failed closed, changed: each has its shape in the trace; only what is allowed is done."""
        summary = Run.from_config(pipeline, run_id="r", runs_dir=tmp_path / "runs").run()
        assert ("done", 8, 3) == (summary.status, summary.decided, summary.failed_closed)
        assert {"ACT": 3} == dict(summary.carried_out)
        check(tmp_path / "runs" / "r")

    @pytest.mark.parametrize("schema", [None, OTHER_SCHEMA], ids=["installed", "data classes"])
    def test_of_the_command(self, pipeline: Path, plugins: Path, schema: Path | None) -> None:
        """The command gives the same trace, whichever decision-schema is installed, and no word of an exception."""
        first = [] if schema is None else [str(schema)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([*first, str(STANDIN), *sys.path])}
        # -S: the path is complete, and .pth files would put other things before it.
        command = [sys.executable, "-S", "-m", "mdm_core", "run", pipeline.name, "--run-id", "r", "--json"]
        done = subprocess.run(command, cwd=pipeline.parent, env=env, capture_output=True, text=True, timeout=60)
        assert 0 == done.returncode, done.stderr
        assert "canary" not in done.stdout + done.stderr
        check(pipeline.parent / "runs" / "r")
        version = lines(pipeline.parent / "runs" / "r" / "traces.jsonl")[0]["schema_version"]
        assert (schema is not None) == (version == "0.2.3")

    def test_without_a_core(self, pipeline_file: PipelineFile) -> None:
        """A run whose core is not installed does not begin, and says what to install where."""
        path = pipeline_file(PIPELINE.replace('function = "fragile_dmc:fragile"\n', ""))
        command = [sys.executable, "-S", "-m", "mdm_core", "run", path.name]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, cwd=path.parent, env=env, capture_output=True, text=True, timeout=60)
        assert 2 == done.returncode
        assert done.stderr.startswith("mdm: dmc.modulate: dmc_core is not installed; ")
        assert 1 == done.stderr.count("\n")
        assert not [*path.parent.glob("runs/*")]
