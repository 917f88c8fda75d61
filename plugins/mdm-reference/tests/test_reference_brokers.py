"""Brokers: what they answer, what they keep, and what the file broker writes, reads again and refuses."""

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mdm_core import Action, Build, ConfigError, OptionError, Order, Receipt

from mdm_reference.brokers import NullBroker, PaperBroker
from mdm_reference.file_broker import FileBroker

DONE = Receipt("done")
FIRST = '{"idempotency_key":"k1","action":"ACT","key":"UA","params":{"score":0.5}}\n'


def order(key: str, action: Action = Action.ACT, params: dict[str, Any] | None = None) -> Order:
    """Make an order."""
    return Order(action, {"score": 0.5} if params is None else params, "UA", {"x": 1.0}, key)


def opened(run_dir: Path | None = None, path: str = "actions.jsonl", base_dir: Path | None = None) -> FileBroker:
    """Open a file broker."""
    broker = FileBroker(path)
    broker.open(Build(run_dir=run_dir, base_dir=base_dir or Path()))
    return broker


def refused(run_dir: Path, path: str = "actions.jsonl") -> str:
    """Open a file broker that cannot be opened, close it as core does, and see that nothing stays open."""
    before = len(os.listdir("/proc/self/fd"))
    broker = FileBroker(path)
    with pytest.raises(ConfigError) as caught:
        broker.open(Build(run_dir=run_dir))
    broker.close()
    assert before == len(os.listdir("/proc/self/fd"))
    return str(caught.value)


class TestNullBroker:
    def test_done(self) -> None:
        """Every order is done."""
        assert [DONE, DONE] == [NullBroker().execute(order(key)) for key in ("a", "a")]


class TestPaperBroker:
    def test_counts(self) -> None:
        """Orders are counted in all and by action, and each has its own reference."""
        broker = PaperBroker()
        actions = [Action.ACT, Action.EXIT, Action.ACT]
        receipts = [broker.execute(order(str(n), action)) for n, action in enumerate(actions)]
        assert [Receipt("done", reference=f"paper-{n}") for n in (1, 2, 3)] == receipts
        assert (3, 0, {"ACT": 2, "EXIT": 1}) == (broker.orders, broker.repeats, broker.by_action)

    def test_repeat(self) -> None:
        """A repeated key gets the receipt of the first time and counts as a repeat only."""
        broker = PaperBroker()
        first = [broker.execute(order(key)) for key in "ab"]
        assert first == [broker.execute(order(key)) for key in "ab"]
        assert (2, 2, {"ACT": 2}) == (broker.orders, broker.repeats, broker.by_action)
        assert {"repeats": 2} == broker.counts()

    def test_remembers_the_latest(self) -> None:
        """The keys that were used last are remembered, and no more than asked for."""
        broker = PaperBroker(remember=2)
        for key in "abac":
            broker.execute(order(key))
        assert ["paper-1", "paper-3", "paper-4"] == [broker.execute(order(key)).reference for key in "acb"]

    def test_memory(self) -> None:
        """However many orders come, memory stays the same."""
        broker = PaperBroker(remember=100)
        for n in range(1_000):
            broker.execute(order(str(n)))
        tracemalloc.start()
        try:
            for n in range(1_000, 20_000):
                broker.execute(order(str(n)))
            grown = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert grown < 60_000


class TestFileBroker:
    def test_line(self, tmp_path: Path) -> None:
        """An action is one JSON line with idempotency key, action, key and params, there when the broker answers."""
        broker = opened(tmp_path)
        assert DONE == broker.execute(order("k1"))
        assert FIRST == (tmp_path / "actions.jsonl").read_text()
        broker.close()

    def test_outside_a_run(self, tmp_path: Path) -> None:
        """Outside a run the file stands next to the pipeline file; directories are made."""
        broker = opened(path="out/deep/a.jsonl", base_dir=tmp_path)
        broker.execute(order("k1"))
        broker.close()
        assert FIRST == (tmp_path / "out/deep/a.jsonl").read_text()

    def test_only_the_owner_reads(self, tmp_path: Path) -> None:
        """The file is for its owner alone, also if it was there already and whatever the umask."""
        path = tmp_path / "actions.jsonl"
        before = os.umask(0)
        try:
            opened(tmp_path).close()
            made = stat.S_IMODE(path.stat().st_mode)
            path.chmod(0o644)
            opened(tmp_path).close()
        finally:
            os.umask(before)
        assert (0o600, 0o600) == (made, stat.S_IMODE(path.stat().st_mode))

    def test_repeat(self, tmp_path: Path) -> None:
        """A key that the file holds is done and not written again, in the same process and after a restart."""
        for _ in range(2):
            broker = opened(tmp_path)
            assert [DONE, DONE] == [broker.execute(order("k1")), broker.execute(order("k1"))]
            broker.close()
        assert FIRST == (tmp_path / "actions.jsonl").read_text()

    def test_resolve(self, tmp_path: Path) -> None:
        """What the file holds is done, anything else has failed."""
        (tmp_path / "actions.jsonl").write_text(FIRST)
        broker = opened(tmp_path)
        assert (DONE, Receipt("failed", "error")) == (broker.resolve("k1"), broker.resolve("k2"))
        broker.close()

    @pytest.mark.parametrize("cut", range(1, len(FIRST)))
    def test_torn_tail(self, tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture) -> None:
        """A last line that was not written whole is cut, whatever is left of it, and its order carried out again."""
        path = tmp_path / "actions.jsonl"
        second = FIRST.replace("k1", "k2")
        path.write_text(FIRST + second[:cut])
        with caplog.at_level(logging.WARNING, "mdm.reference"):
            broker = opened(tmp_path)
        assert [f"{path}: cut line 2, which was not written whole"] == caplog.messages
        assert DONE == broker.execute(order("k2"))
        broker.close()
        assert FIRST + second == path.read_text()

    @pytest.mark.parametrize("content", ["{}\n", FIRST + "x\n" + FIRST, FIRST + "\n", "[1]\n", "\udcff\n", "notes"])
    def test_other_files_are_left_alone(self, tmp_path: Path, content: str) -> None:
        """A file that holds something else is refused with the line, and not touched."""
        path = tmp_path / "actions.jsonl"
        data = content.encode(errors="surrogateescape")
        path.write_bytes(data)
        line = 2 if content.startswith(FIRST) else 1
        expected = f"line {line} of {path} is no action; move the file away or choose another path"
        assert expected == refused(tmp_path)
        assert data == path.read_bytes()

    @pytest.mark.parametrize("path", ["/tmp/x", "../x", "a/../../x", "a/..", "", ".", "a\0b"])
    def test_stays_inside(self, path: str) -> None:
        """A path that is absolute, goes up or names no file is refused when the broker is made."""
        with pytest.raises(OptionError) as caught:
            FileBroker(path)
        expected = f"FileBroker.path: must be the path of a file inside the run's directory, got {path!r}"
        assert expected == str(caught.value)

    def test_links_do_not_lead_out(self, tmp_path: Path) -> None:
        """A link does not lead out of the run's directory, neither as the file nor as a directory above it."""
        run_dir, outside = tmp_path / "run", tmp_path / "outside"
        run_dir.mkdir()
        outside.mkdir()
        (run_dir / "dir").symlink_to(outside)
        (run_dir / "file").symlink_to(outside / "file")
        expected = f"{run_dir}/dir/file leads out of {run_dir} by a link; choose another path"
        assert expected == refused(run_dir, "dir/file")
        assert "leads out" in refused(run_dir, "dir/new/file")
        assert f"{run_dir}/file cannot be written: it is a link; choose another path" == refused(run_dir, "file")
        assert [] == list(outside.iterdir())

    def test_hard_links_do_not_lead_out(self, tmp_path: Path) -> None:
        """A file that has another name, perhaps outside, is not written to."""
        outside = tmp_path / "outside"
        outside.touch()
        (tmp_path / "run").mkdir()
        os.link(outside, tmp_path / "run" / "file")
        expected = f"{tmp_path}/run/file is also a file under another name; choose another path"
        assert expected == refused(tmp_path / "run", "file")

    @pytest.mark.parametrize(
        "path",
        ["run.json", "journal.jsonl", "checkpoints/x", "traces.jsonl", "traces.1.jsonl", "lock", ".hidden", "control"],
    )
    def test_files_of_the_run(self, path: str) -> None:
        """The names of what the run itself writes are refused when the broker is made."""
        with pytest.raises(OptionError) as caught:
            FileBroker(path)
        assert f"FileBroker.path: must not be a name that the run itself may use, got {path!r}" == str(caught.value)

    @pytest.mark.parametrize("path", ["runway.jsonl", "tracesOfX", "sub/run.json", "orders.run"])
    def test_names_like_them(self, path: str) -> None:
        """Names that only look like those of the run are taken."""
        assert path == FileBroker(path).path

    def test_directories_are_private(self, tmp_path: Path) -> None:
        """Every directory that is made is for its owner alone, whatever the umask."""
        before = os.umask(0)
        try:
            opened(tmp_path, "out/deep/a.jsonl").close()
        finally:
            os.umask(before)
        modes = [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("out", "out/deep")]
        assert [0o700, 0o700] == modes

    def test_zeros_at_the_end(self, tmp_path: Path) -> None:
        """Zeros that a power failure left in the place of a line are cut like half a line."""
        path = tmp_path / "actions.jsonl"
        for tail in (b"\0" * 100, FIRST[:30].encode() + b"\0" * 100):
            path.write_bytes(FIRST.encode() + tail)
            opened(tmp_path).close()
            assert FIRST == path.read_text()

    def test_one_process_at_a_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """While another process has the file it is not opened; once it is gone, its keys are known."""
        monkeypatch.setattr("mdm_reference.file_broker._PATIENCE_S", 0.1)
        with child(HOLDS, tmp_path) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert "k0\n" == process.stdout.readline()
            expected = f"another process writes {tmp_path}/actions.jsonl; wait until it has ended"
            assert expected == refused(tmp_path)
            monkeypatch.setattr("mdm_reference.file_broker._PATIENCE_S", 30)
            threading.Timer(0.2, process.kill).start()
            broker = opened(tmp_path)
        assert (DONE, DONE) == (broker.resolve("k0"), broker.execute(order("k0")))
        assert {"repeats": 1} == broker.counts()
        broker.close()

    def test_no_plain_file(self, tmp_path: Path) -> None:
        """Directories and pipes are refused without waiting for anybody."""
        (tmp_path / "dir").mkdir()
        os.mkfifo(tmp_path / "pipe")
        assert f"{tmp_path}/pipe is no plain file; choose another path" == refused(tmp_path, "pipe")
        expected = f"{tmp_path}/dir cannot be written: Is a directory; choose another path"
        assert expected == refused(tmp_path, "dir")

    @pytest.mark.parametrize("value", [object(), "\ud800", {1.5j: 1}])
    def test_params_that_are_no_json(self, tmp_path: Path, value: object) -> None:
        """Params that cannot be written are rejected, and the next order is carried out."""
        broker = opened(tmp_path)
        assert Receipt("failed", "rejected") == broker.execute(order("k0", params={"x": value}))
        assert DONE == broker.execute(order("k1"))
        broker.close()
        assert FIRST == (tmp_path / "actions.jsonl").read_text()

    def test_all_actions(self, tmp_path: Path) -> None:
        """Actions are written by their names and read back after a restart, with keys of every kind."""
        broker = opened(tmp_path)
        orders: list[tuple[str | int | None, Action]] = [("UA", Action.EXIT), (7, Action.CANCEL), (None, Action.STOP)]
        for key, action in orders:
            broker.execute(Order(action, {}, key, {}, action.value))
        broker.close()
        broker = opened(tmp_path)
        assert [DONE] * 3 == [broker.resolve(name) for name in ("EXIT", "CANCEL", "STOP")]
        broker.close()
        lines = [json.loads(line) for line in (tmp_path / "actions.jsonl").read_text().splitlines()]
        assert [("EXIT", "UA"), ("CANCEL", 7), ("STOP", None)] == [(line["action"], line["key"]) for line in lines]


HOLDS = """
import sys
from pathlib import Path
from mdm_core import Action, Build, Order
from mdm_reference.file_broker import FileBroker
broker = FileBroker()
broker.open(Build(run_dir=Path(sys.argv[1])))
broker.execute(Order(Action.ACT, {}, None, {}, "k0"))
print("k0", flush=True)
sys.stdin.read()
"""
FULL_DISK = """
import resource, sys
from pathlib import Path
from mdm_core import Action, Build, Order
from mdm_reference.file_broker import FileBroker
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
broker = FileBroker()
broker.open(Build(run_dir=Path(sys.argv[1])))
for n, length in enumerate([800, 300, 20, 50]):
    receipt = broker.execute(Order(Action.ACT, {"x": "y" * length}, None, {}, f"k{n}"))
    print(receipt.status, receipt.kind, broker.resolve(f"k{n}").status)
"""
WRITES = """
import itertools, sys
from pathlib import Path
from mdm_core import Action, Build, Order
from mdm_reference.file_broker import FileBroker
broker = FileBroker()
broker.open(Build(run_dir=Path(sys.argv[1])))
for n in itertools.count():
    assert broker.execute(Order(Action.ACT, {"x": "y" * 5000}, None, {}, f"k{n}")).status == "done"
    print(f"k{n}", flush=True)
"""
STUCK = """
import fcntl, os, resource
from mdm_core import Action, Order
from mdm_reference.file_broker import FileBroker
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
broker = FileBroker()
broker._fd = fd = os.memfd_create("actions", os.MFD_ALLOW_SEALING)
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
kept = os.dup(fd)
for n, length in enumerate([20, 500, 20]):
    receipt = broker.execute(Order(Action.ACT, {"x": "y" * length}, None, {}, f"k{n}"))
    print(receipt.status, receipt.kind, broker.resolve(f"k{n}").status)
print(os.fstat(kept).st_size)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from mdm_core import Action, Build, Order
from mdm_reference.file_broker import FileBroker
broker = FileBroker()
broker.open(Build(run_dir=Path(sys.argv[1])))
for n in range(3):
    broker.execute(Order(Action.ACT, {}, None, {}, f"k{n}"))
os.kill(os.getpid(), signal.SIGKILL)
"""


@contextmanager
def child(code: str, run_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run code in a process of its own, beside this one."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(run_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def process(code: str, run_dir: Path) -> "subprocess.CompletedProcess[str]":
    """Run code in a process of its own."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(run_dir)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


class TestFileBrokerUnderDuress:
    def test_full_disk(self, tmp_path: Path) -> None:
        """An order that the disk has no room for has failed, leaves no part of a line, and others go on."""
        done = process(FULL_DISK, tmp_path)
        assert [
            "done ok done",
            "failed error failed",
            "done ok done",
            "failed error failed",
        ] == done.stdout.splitlines()
        lines = (tmp_path / "actions.jsonl").read_text().splitlines()
        assert ["k0", "k2"] == [json.loads(line)["idempotency_key"] for line in lines]

    def test_part_that_stays(self, tmp_path: Path) -> None:
        """Where a part of a line cannot be taken back, its order is unknown and nothing is written after it."""
        done = process(STUCK, tmp_path)
        assert ["done ok done", "unknown error failed", "failed error failed", "200"] == done.stdout.splitlines()

    def test_killed(self, tmp_path: Path) -> None:
        """What was answered before the process was killed is done for the next one, and nothing else."""
        assert -signal.SIGKILL == process(KILLED, tmp_path).returncode
        broker = opened(tmp_path)
        assert ["done"] * 3 + ["failed"] == [broker.resolve(f"k{n}").status for n in range(4)]
        broker.close()

    def test_killed_anywhere(self, tmp_path: Path) -> None:
        """However often it is killed while writing, what was told as done is there, and no key is there twice."""
        told: set[str] = set()
        for round_ in range(5):
            with child(WRITES, tmp_path) as writer:
                assert writer.stdout is not None
                seen = [writer.stdout.readline() for _ in range(30 * (round_ + 1))]
                writer.kill()
                seen += writer.stdout.readlines()
            told |= {line.strip() for line in seen if line.endswith("\n")}
            broker = opened(tmp_path)
            assert {"done"} == {broker.resolve(key).status for key in told}
            broker.close()
        lines = [json.loads(line)["idempotency_key"] for line in (tmp_path / "actions.jsonl").read_text().splitlines()]
        assert len(set(lines)) == len(lines) >= len(told) > 100
