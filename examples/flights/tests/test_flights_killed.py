"""The year is killed in the middle and gone on with. It takes minutes, so only ``./dev soak`` does it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import pytest

PIPELINE = Path(__file__).parent.parent / "pipeline.toml"
FLIGHTS = 336_776
# Times, and what depends on them.
TIMES = {"mdm.latency_us", "exec.total_latency_ms"}

pytestmark = pytest.mark.skipif(
    "MDM_KILLS" not in os.environ, reason="`./dev soak` kills the year, which takes minutes"
)


def mdm(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    broker = ["--set", 'broker.use="reference.file"', "--set", 'broker.path="orders.jsonl"']
    command = [sys.executable, "-m", "mdm_core", "run", str(PIPELINE), *broker, "--runs-dir", str(folder), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def run_to_its_end(folder: Path, *words: str) -> None:
    with mdm(folder, *words) as process:
        _, talk = process.communicate(timeout=600)
    assert 0 == process.returncode, talk.decode()


def packets(folder: Path) -> Iterator[dict[str, Any]]:
    """The packets of the run, without times."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with (folder / "r" / "traces.jsonl").open("rb") as lines:
        for packet in map(decode, lines):
            external = {key: value for key, value in packet["external"].items() if key not in TIMES}
            yield {**packet, "external": external, "latency_ms": None}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run_to_its_end(folder, "--run-id", "r")
    return folder


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_trace_is_that_of_an_uninterrupted_run(whole: Path, share: float, tmp_path: Path) -> None:
    """After kill -9 and a resume every decision is as in the run that was left alone, and no order was given twice."""
    enough = (whole / "r" / "traces.jsonl").stat().st_size * share
    trace = tmp_path / "r" / "traces.jsonl"
    with mdm(tmp_path, "--run-id", "r") as process:
        while not trace.exists() or trace.stat().st_size < enough:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert -signal.SIGKILL == process.returncode
    run_to_its_end(tmp_path, "--resume", "r")
    number = 0
    for before, after in zip_longest(packets(whole), packets(tmp_path)):
        assert before == after
        number += 1
    assert FLIGHTS == number
    orders = Counter(
        msgspec.json.decode(line)["idempotency_key"]
        for line in (tmp_path / "r" / "orders.jsonl").read_bytes().splitlines()
    )
    assert {1} == set(orders.values())
    verified = subprocess.run(
        [sys.executable, "-m", "mdm_core", "trace", "verify", "r", "--runs-dir", str(tmp_path)], capture_output=True
    )
    assert 0 == verified.returncode, verified.stdout.decode()
