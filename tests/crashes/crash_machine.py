"""A machine on which runs die: each runs in a process of its own, and what it has left can be looked at."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import attrs
from crash_calls import DEAD, Death, Layer, PowerLoss

import mdm_core.acting
import mdm_core.checkpoints
from mdm_core import MdmError, Run
from mdm_core.journal import JOURNAL_FILE, AnyEntry, Checkpoint, Intent, read_journal
from mdm_core.journal import Ended as OrderEnded
from mdm_core.plan import Plan

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"
group = 8
[source]
use = "crash.numbers"
nap = "FOLDER/nap"
[features]
use = "crash.sums"
[model]
use = "crash.model"
[[modulators]]
use = "crash.guard"
[broker]
use = "crash.hands"
world = "FOLDER/world"
[execution]
backoff_ms = 0
backoff_jitter_ms = 0
[durability]
mode = "group"
checkpoint_events = 20
[redaction]
use = "none"
[[trace]]
use = "crash.lines"
[[trace]]
use = "crash.audit"
[[observers]]
use = "crash.figures"
"""

IDEMPOTENT = ["broker.repeats=true"]
RESOLVES = ["broker.resolves=true"]
NEITHER: list[str] = []

_OF_A_PROCESS = ("run_id", "latency_ms")
_TIMES = ("run_id", "mdm.latency_us", "exec.total_latency_ms")
_NOT_COMPARED = ("run_id", "run_dir", "seconds", "events_per_s", "latency_us", "ended_at")


@attrs.frozen
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit status; ``DEAD`` if it has died at a call, negative if a signal has ended it.
        said: What it had to say to the user: why the run failed or could not begin.
        report: What a layer had to report.
    """

    code: int
    said: str = ""
    report: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Outcome:
    """All that must not depend on whether, where and how often a run died.

    Attributes:
        packets: The packets, without times.
        letters: The dead letters.
        audit: The audit log, without times and without the beginnings and the end of the run.
        summary: The summary, without times.
        done: The steps whose orders were carried out.
    """

    packets: list[dict[str, Any]]
    letters: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    summary: dict[str, Any]
    done: list[int]


@attrs.define
class Machine:
    """Runs a pipeline in processes that die when they are told to.

    Attributes:
        folder: Everything is below it.
        settings: ``section.key=value``, in TOML, besides what stands in the pipeline file.
    """

    folder: Path
    settings: list[str]
    _plans: dict[tuple[str, ...], Plan] = attrs.field(init=False, factory=dict)

    def disk(self, run_id: str) -> Path:
        """The directory that is the disk of a run, each of which has one of its own; the world is outside."""
        return self.folder / "disks" / run_id

    def runs(self, run_id: str) -> Path:
        """Where a run is kept; not there before it begins."""
        return self.disk(run_id) / "runs"

    @property
    def pipeline(self) -> Path:
        """The pipeline file."""
        path = self.folder / "pipeline.toml"
        if not path.exists():
            path.write_text(PIPELINE.replace("FOLDER", str(self.folder)))
        return path

    def run(
        self,
        run_id: str,
        *,
        resume: bool = False,
        layer: Callable[[Path], Layer] | None = None,
        around: AbstractContextManager[object] | None = None,
        limit: int | None = None,
        settings: list[str] | None = None,
        named: str | None = None,
    ) -> Ended:
        """Run in a process of its own, and wait for its end.

        Args:
            run_id: Id of the run.
            resume: Whether to go on with it.
            layer: Made in the process, and put between it and its disk.
            around: Entered in the process before the run begins, and left when it has ended.
            limit: Events after which the run ends.
            settings: In place of the machine's own.
            named: What the user says in place of the id.
        """
        plan = self._plan(self.settings if settings is None else settings)
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        self.disk(run_id).mkdir(parents=True, exist_ok=True)

        def does() -> int:
            return self._run(plan, run_id, resume, layer, around or nullcontext(), limit, report, named)

        with Child.forked(does) as child:
            code = child.wait()
        if not report.exists():
            return Ended(code)
        said = json.loads(report.read_text())
        return Ended(code, said["said"], said["report"])

    def nap(self, ms: float) -> None:
        """Let each event of every run from now on take so long to come."""
        (self.folder / "nap").write_text(str(ms))

    def start(self, run_id: str, *, resume: bool = False) -> Child:
        """Run in a process of its own, by the real clocks and on the real disk, and do not wait.

        Args:
            run_id: Id of the run.
            resume: Whether to go on with it.
        """
        plan = self._plan(self.settings)
        return Child.forked(lambda: Run(plan, run_id=run_id, runs_dir=self.runs(run_id), resume=resume).run().exit_code)

    def wait_for(self, what: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 20
        while not what():
            assert time.monotonic() < deadline, [path.read_text() for path in self.folder.rglob("summary.json")]
            time.sleep(0.002)

    def calls(self, run_id: str) -> list[str]:
        """Run to the end, and give the calls that a run makes to its disk."""
        ended = self.run(run_id, layer=Layer)
        assert 0 == ended.code, ended
        return list(ended.report["calls"])

    def dies(self, run_id: str, at: int, *, torn: bool = False, resume: bool = False, limit: int | None = None) -> bool:
        """Run, and die at a call; False if the run ended before.

        Args:
            run_id: Id of the run.
            at: Number of the call.
            torn: Whether a write at which it dies is half done.
            resume: Whether to go on with the run.
            limit: Events after which the run ends.
        """
        ended = self.run(run_id, resume=resume, layer=lambda disk: Death(disk, at, torn), limit=limit)
        assert ended.code in (0, DEAD), ended
        return ended.code == DEAD

    def loses_power(self, run_id: str, at: int, chance: Random | None, resume: bool = False) -> None:
        """Run, and let the machine lose its power at a call.

        Args:
            run_id: Id of the run.
            at: Number of the call.
            chance: Draws what is left of what was not synced; without it, nothing is.
            resume: Whether to go on with the run.
        """
        ended = self.run(run_id, resume=resume, layer=lambda disk: PowerLoss(disk, at, chance))
        assert ended.code in (0, DEAD), ended

    def resume_and_die(self, run_id: str, *moments: int, torn: bool = False) -> None:
        """Go on with a run again and again, die each time, and go on at last to its end.

        Args:
            run_id: Id of the run.
            moments: Number of the call at which each of them dies.
            torn: Whether a write at which it dies is half done.
        """
        for at in moments:
            if not self.has_ended(run_id):
                self.dies(run_id, at, torn=torn, resume=True)
        if not self.has_ended(run_id):
            ended = self.run(run_id, resume=True)
            assert 0 == ended.code, (run_id, moments, ended)

    def has_ended(self, run_id: str) -> bool:
        """Whether a run came to its end."""
        path = self.directory(run_id) / "summary.json"
        return path.exists() and json.loads(path.read_text())["status"] == "done"

    def _plan(self, settings: list[str]) -> Plan:
        """A plan that was never run: every process has its own copy of it."""
        if tuple(settings) not in self._plans:
            self._plans[tuple(settings)] = Plan.from_config(self.pipeline, settings)
        return self._plans[tuple(settings)]

    def _run(
        self,
        plan: Plan,
        run_id: str,
        resume: bool,
        layer: Callable[[Path], Layer] | None,
        around: AbstractContextManager[object],
        limit: int | None,
        report: Path,
        named: str | None,
    ) -> int:
        # What depends on the clock, so that each run of the same pipeline makes the same calls.
        mdm_core.acting._LINGER_NS = 1 << 60
        vars(mdm_core.checkpoints)["time"] = SimpleNamespace(monotonic=lambda: 1.0)
        said_id = run_id if named is None else named
        run = Run(plan, run_id=said_id, runs_dir=self.runs(run_id), resume=resume, limit=limit)
        seen = None if layer is None else layer(self.disk(run_id))
        if seen is not None:
            seen.install()
        with around:
            try:
                summary = run.run()
                code, said = summary.exit_code, summary.reason
            except MdmError as error:
                code, said = error.exit_code, str(error)
        found = {} if seen is None else {"calls": [str(call) for call in seen.calls], **seen.report}
        report.write_text(json.dumps({"said": said, "report": found}))
        return code

    def directory(self, run_id: str) -> Path:
        """The directory of a run."""
        return self.runs(run_id) / run_id

    def lines(self, run_id: str, name: str) -> list[dict[str, Any]]:
        """The lines of a file of a run; each must be whole."""
        path = self.directory(run_id) / name
        text = path.read_text() if path.exists() else ""
        assert text[-1:] in ("\n", ""), (path, text[-200:])
        return [json.loads(line) for line in text.splitlines()]

    def packets(self, run_id: str) -> list[dict[str, Any]]:
        """The packets of a run, without what may differ from run to run."""
        packets = self.lines(run_id, "traces.jsonl")
        for packet in packets:
            for name in _OF_A_PROCESS:
                del packet[name]
            for name in _TIMES:
                packet["external"].pop(name, None)
        return packets

    def letters(self, run_id: str) -> list[dict[str, Any]]:
        """The dead letters of a run."""
        return self.lines(run_id, "dead_letter.jsonl")

    def audit(self, run_id: str) -> list[dict[str, Any]]:
        """The audit log of a run, without its beginnings and its end and without times."""
        return [
            {name: value for name, value in event.items() if name not in ("at", "run_id", "commanded_at")}
            for event in self.lines(run_id, "audit.jsonl")
            if event["event"] not in ("run_started", "run_resumed", "run_ended")
        ]

    def summary(self, run_id: str) -> dict[str, Any]:
        """How a run ended, without what may differ from run to run."""
        found = json.loads((self.directory(run_id) / "summary.json").read_text())
        return {name: value for name, value in found.items() if name not in _NOT_COMPARED}

    def outcome(self, run_id: str) -> Outcome:
        """All that must not depend on whether, where and how often a run died."""
        done = [step for step, status in self.statuses(run_id).items() if status == "done"]
        return Outcome(self.packets(run_id), self.letters(run_id), self.audit(run_id), self.summary(run_id), done)

    def statuses(self, run_id: str) -> dict[int, str]:
        """Step to what its packet says came of its order."""
        packets = self.lines(run_id, "traces.jsonl")
        return {p["step"]: p["external"]["exec.status"] for p in packets if "exec.status" in p["external"]}

    def journal(self, run_id: str) -> list[AnyEntry]:
        """The journal of a run."""
        path = self.directory(run_id)
        return list(read_journal(path)) if (path / JOURNAL_FILE).exists() else []

    def keys(self, run_id: str) -> dict[int, str]:
        """Step to idempotency key, as intended."""
        return {entry.step: entry.key for entry in self.journal(run_id) if isinstance(entry, Intent)}

    def has_begun(self, run_id: str) -> bool:
        """Whether a run came to its first event; if not, there is nothing to go on with."""
        run = self.directory(run_id) / "run.json"
        return run.exists() and any(isinstance(entry, Checkpoint) for entry in self.journal(run_id))

    def effects(self) -> Counter[str]:
        """Idempotency key to how often it took effect."""
        return self._of_world("effects")

    def attempts(self) -> Counter[str]:
        """Idempotency key to how often the broker was asked."""
        return self._of_world("attempts")

    def _of_world(self, name: str) -> Counter[str]:
        path = self.folder / f"world.{name}"
        return Counter(path.read_text().splitlines() if path.exists() else [])

    def forget_world(self) -> None:
        """Let nothing have happened."""
        for path in self.folder.glob("world.*"):
            path.unlink()


class Child:
    """A process of ours.

    Args:
        pid: Its number.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    @classmethod
    def forked(cls, does: Callable[[], int]) -> Child:
        """Fork a process that does something, which gives its exit status."""
        pid = os.fork()
        if pid:
            return cls(pid)
        code = 70
        try:
            code = does()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    @classmethod
    def command(cls, words: list[str]) -> Child:
        """Start ``mdm`` with these words, as from a shell; what it says is not kept."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        # -S: the path is complete, and .pth files would bring back plugins that are really installed.
        command = [sys.executable, "-S", "-m", "mdm_core", *words]
        silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
        return cls(os.posix_spawn(sys.executable, command, environment, file_actions=silent))

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._code is None:
            self.kill()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if there is anybody to send it to."""
        if not self.has_ended():
            os.kill(self.pid, number)

    def kill(self, after_s: float = 0.0) -> int:
        """Wait a while, send SIGKILL, and give the exit status."""
        time.sleep(after_s)
        self.send(signal.SIGKILL)
        return self.wait()

    def has_ended(self) -> bool:
        """Whether it is over."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code is not None

    def wait(self) -> int:
        """Give the exit status."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code


def without(summary: dict[str, Any], *names: str) -> dict[str, Any]:
    """A summary without some of its figures."""
    return {name: value for name, value in summary.items() if name not in names}


def differences(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Any]:
    """Where two lists of packets differ, part by part."""
    found: list[Any] = [] if len(before) == len(after) else [("number of packets", len(before), len(after))]
    for old, new in zip(before, after, strict=False):
        for part in old:
            if old[part] != new[part] and part == "external":
                keys = {*old[part], *new[part]}
                parts = {k: (old[part].get(k), new[part].get(k)) for k in keys if old[part].get(k) != new[part].get(k)}
                found.append((old["step"], parts))
            elif old[part] != new[part]:
                found.append((old["step"], part, old[part], new[part]))
    return found


def moments(calls: int, every: int) -> Iterator[int]:
    """Some of the calls at which a process may die, the first and the last among them."""
    yield from range(1, calls, every)
    yield calls


def check_accounts(machine: Machine, run_id: str, count: int = 120) -> None:
    """Hold what holds whatever the broker is: each input once, each effect intended and at most once, no status a lie.

    Args:
        machine: The machine.
        run_id: Id of a run that has ended.
        count: Number of events of its source.
    """
    packets, effects, keys = machine.lines(run_id, "traces.jsonl"), machine.effects(), machine.keys(run_id)
    assert list(range(len(packets))) == [packet["step"] for packet in packets]
    read = [packet["input"]["n"] for packet in packets] + [letter["position"] for letter in machine.letters(run_id)]
    assert list(range(count)) == sorted(read), sorted(set(range(count)) ^ set(read)) or sorted(read)
    assert {1} >= set(effects.values()), effects
    assert set(effects) <= set(keys.values())
    acting = [p["step"] for p in packets if p["final_action"]["allowed"] and p["final_action"]["action"] != "HOLD"]
    statuses = machine.statuses(run_id)
    assert acting == sorted(keys) == sorted(statuses)
    for step, status in statuses.items():
        expected = {"done": {1}, "pending": {1}, "unknown": {0, 1}}.get(status, {0})
        assert effects[keys[step]] in expected, (step, status)
    doubtful = [entry.step for entry in machine.journal(run_id) if isinstance(entry, OrderEnded) and entry.in_doubt]
    told = [event["step"] for event in machine.audit(run_id) if event.get("reason_code") == "outcome_unknown"]
    assert sorted(doubtful) == sorted(told)
    assert len(doubtful) == machine.summary(run_id)["errors"].get("outcome_unknown", 0)
