"""Going on with a run that died: nothing is lost, nothing is done twice, and nobody can tell that it died."""

import json
import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from mdm_core import Run
from mdm_core.journal import JOURNAL_FILE, Checkpoint, Intent, read_journal

EVENTS = 120
DEAD = 9
EFFECT = 33  # bytes of an effect, which the world does not do by halves

PLUGIN = """\
import json
import os
from pathlib import Path

import attrs
from mdm_core import (
    Action, Broker, DataSource, FeatureExtractor, FinalDecision, Idle, MismatchInfo, Modulator, Proposal, ProposalModel,
    Receipt, Record, Reject, Executed, Decided, TraceSink, hookimpl, keyed_state, option,
)


@attrs.define
class Numbers(DataSource):
    count: int = option(120, help="number of events")
    _after: int = attrs.field(init=False, default=-1)

    def records(self):
        for n in range(self._after + 1, self.count):
            if n % 17 == 5:
                yield Reject("odd_line", n, "?")
            elif n % 23 == 7:
                yield Record({"n": n}, n)
            else:
                yield Record({"n": n, "who": f"k{n * n % 7}", "at": 1000 + n, "secret": "canary"}, n)

    def seek(self, position):
        self._after = position

    def identity(self):
        return {"count": self.count}


@attrs.define
class Sum:
    n: int = 0
    total: float = 0.0


@attrs.define
class Sums(FeatureExtractor):
    states = keyed_state(Sum, max_keys=5)

    def extract(self, event, context):
        state = self.states[context.key]
        state.n += 1
        state.total += event["n"] / 7
        return {"n": event["n"], "seen": state.n, "total": state.total}


@attrs.define
class Model(ProposalModel):
    bias: float = option(0.0, help="added to the confidence")

    def propose(self, features, context):
        acts = features["n"] % 3 == 0
        confidence = min(1.0, context.random.random() + self.bias)
        return Proposal(Action.ACT if acts else Action.HOLD, confidence, ["r"], {"total": features["total"]})


@attrs.define
class Learned:
    done: int = 0
    failed: int = 0


@attrs.define
class Guard(Modulator):
    states = keyed_state(Learned)

    def modulate(self, proposal, decision, context):
        learned = self.states[None]
        if learned.failed % 5 != 3:
            return decision
        mismatch = MismatchInfo(["failures"], [f"failures:{learned.failed}"])
        return FinalDecision(Action.HOLD, False, ["failures"], mismatch)

    def observe(self, fact):
        if isinstance(fact, Executed):
            learned = self.states[None]
            learned.done += fact.receipt.status == "done"
            learned.failed += fact.receipt.status == "failed"
        elif isinstance(fact, Decided) and not fact.final.allowed:
            self.states[None].failed += 1


@attrs.define
class Hands(Broker):
    file: str = option(help="where effects are written")
    repeats: bool = option(False, help="whether a repeated order takes effect once")
    resolves: bool = option(False, help="whether it can be asked what came of an order")

    @property
    def idempotent(self):
        return self.repeats

    def keys(self):
        text = Path(self.file).read_text() if Path(self.file).exists() else ""
        return {line for line in text.splitlines()}

    def execute(self, order):
        if order.params["total"] > 40:
            return Receipt("failed", "rejected")
        if not (self.repeats and order.idempotency_key in self.keys()):
            fd = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(fd, order.idempotency_key.encode() + b"\\n")
            os.close(fd)
        return Receipt("done")

    def resolve(self, key):
        if not self.resolves:
            raise NotImplementedError
        return Receipt("done" if key in self.keys() else "failed")


@attrs.define
class Lines(TraceSink):
    name: str = option("traces.jsonl", help="file")
    size: int = option(2000, help="size of the buffer")
    _buffer: bytearray = attrs.field(init=False, factory=bytearray)
    _fd: int = attrs.field(init=False, default=-1)

    def open(self, build):
        self._fd = os.open(build.run_dir / self.name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        text = os.pread(self._fd, 1 << 30, 0)
        os.ftruncate(self._fd, text.rfind(b"\\n") + 1)

    def write(self, record):
        self._buffer += json.dumps(record).encode() + b"\\n"
        if len(self._buffer) > self.size:
            self.flush()

    def flush(self, durable=False):
        while self._buffer:
            del self._buffer[: os.write(self._fd, self._buffer)]
        if durable:
            os.fdatasync(self._fd)

    def mark(self):
        return {"at": os.fstat(self._fd).st_size + len(self._buffer)}

    def since(self, mark):
        text = os.pread(self._fd, 1 << 30, 0 if mark is None else mark["at"])
        return map(json.loads, text.splitlines())

    def close(self):
        if self._fd >= 0:
            self.flush()
            os.close(self._fd)


@attrs.define
class Audit(Lines):
    accepts = "audit"
    name: str = option("audit.jsonl", help="file")
    size: int = option(0, help="size of the buffer")


@hookimpl
def mdm_register_data_sources(register):
    register("numbers", Numbers)


@hookimpl
def mdm_register_feature_extractors(register):
    register("sums", Sums)


@hookimpl
def mdm_register_proposal_models(register):
    register("model", Model)


@hookimpl
def mdm_register_modulators(register):
    register("guard", Guard)


@hookimpl
def mdm_register_brokers(register):
    register("hands", Hands)


@hookimpl
def mdm_register_trace_sinks(register):
    register("lines", Lines)
    register("audit", Audit)
"""

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"
group = 8
[source]
use = "crash.numbers"
[features]
use = "crash.sums"
[model]
use = "crash.model"
[[modulators]]
use = "crash.guard"
[broker]
use = "crash.hands"
file = "{effects}"
{broker}
[durability]
mode = "{mode}"
checkpoint_events = 20
[redaction]
use = "none"
[[trace]]
use = "crash.lines"
[[trace]]
use = "crash.audit"
"""

_CALLS = ("write", "fdatasync", "fsync", "replace", "rename", "ftruncate")


@attrs.define
class Machine:
    """Runs a pipeline in processes that die when they are told to."""

    folder: Path
    pipeline: Path
    effects: Path

    def run(self, run_id: str, *, resume: bool = False, dies_at: int | None = None, torn: bool = False) -> int:
        """Run in a process of its own; give its exit status, DEAD if it has died.

        Args:
            run_id: Id of the run.
            resume: Whether to go on with it.
            dies_at: Number of the call to the operating system at which the process dies.
            torn: Whether a write at which it dies is half done.
        """
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        status = 70
        try:
            run = Run.from_config(self.pipeline, run_id=run_id, runs_dir=self.folder / "runs", resume=resume)
            if dies_at is not None:
                _die(dies_at, torn)
            status = run.run().exit_code
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def calls(self, run_id: str) -> int:
        """Run to the end, and count the calls to the operating system."""
        read, write = os.pipe()
        child = os.fork()
        if not child:
            counted = _die(None, False)
            Run.from_config(self.pipeline, run_id=run_id, runs_dir=self.folder / "runs").run()
            os.close(read)
            _REAL["write"](write, str(counted[0]).encode())
            os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        number = int(os.read(read, 20))
        os.close(read)
        return number

    def lines(self, run_id: str, name: str) -> list[dict[str, Any]]:
        """The lines of a file of a run; each must be whole."""
        path = self.folder / "runs" / run_id / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def packets(self, run_id: str) -> list[dict[str, Any]]:
        """The packets of a run, without what may differ from run to run."""
        packets = self.lines(run_id, "traces.jsonl")
        for packet in packets:
            del packet["run_id"], packet["latency_ms"], packet["external"]["run_id"]
            for name in ("mdm.latency_us", "exec.total_latency_ms"):
                packet["external"].pop(name, None)
        return packets

    def keys(self, run_id: str) -> dict[int, str]:
        """Step to idempotency key, as intended."""
        return {e.step: e.key for e in read_journal(self.folder / "runs" / run_id) if isinstance(e, Intent)}

    def has_begun(self, run_id: str) -> bool:
        """Whether a run came to its first event; if not, there is nothing to go on with."""
        path = self.folder / "runs" / run_id
        if not (path / JOURNAL_FILE).exists():
            return False
        return any(isinstance(entry, Checkpoint) for entry in read_journal(path))

    def done(self) -> Counter[str]:
        """Idempotency key to how often it took effect."""
        return Counter(self.effects.read_text().splitlines() if self.effects.exists() else [])


_REAL = {name: getattr(os, name) for name in _CALLS}


def _die(at: int | None, torn: bool) -> list[int]:
    count = [0]

    def wrap(name: str) -> Callable[..., Any]:
        real = _REAL[name]

        def call(*arguments: Any, **named: Any) -> Any:
            count[0] += 1
            if count[0] == at:
                if torn and name == "write" and len(arguments[1]) > EFFECT:
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os._exit(DEAD)
            return real(*arguments, **named)

        return call

    for name in _CALLS:
        setattr(os, name, wrap(name))
    return count


@pytest.fixture
def machine(toy: Path, install: Callable[..., Path], tmp_path: Path) -> Callable[..., Machine]:
    """Make a pipeline whose broker writes its effects to a file."""
    assert toy == install("crash", {"crash_plugin": PLUGIN})

    def make(broker: str = "repeats = true", mode: str = "group") -> Machine:
        effects, pipeline = tmp_path / "effects", tmp_path / "pipeline.toml"
        pipeline.write_text(PIPELINE.format(effects=effects, broker=broker, mode=mode))
        return Machine(tmp_path, pipeline, effects)

    return make


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


class TestKilled:
    @pytest.mark.parametrize("mode", ["strict", "group", "fast"])
    @pytest.mark.parametrize("torn", [False, True])
    def test_with_a_broker_that_knows_an_order_again(
        self, machine: Callable[..., Machine], mode: str, torn: bool
    ) -> None:
        """At whatever call it dies: the same packets, dead letters and audit events, and each effect once."""
        made = machine(mode=mode)
        calls = made.calls("whole")
        whole, letters = made.packets("whole"), made.lines("whole", "dead_letter.jsonl")
        expected = {key for step, key in made.keys("whole").items() if whole[step]["external"]["exec.status"] == "done"}
        assert expected == set(made.done())
        for at in moments(calls, 7 if mode == "group" else 29):
            made.effects.unlink(missing_ok=True)
            run_id = f"r-{at}"
            if made.run(run_id, dies_at=at, torn=torn) == 0:
                assert at > 0.9 * calls  # a run may need some calls fewer than another, for some of them go by the clock
                continue
            if not made.has_begun(run_id):
                continue
            assert 0 == made.run(run_id, resume=True), at
            assert [] == differences(whole, made.packets(run_id)), at
            assert letters == made.lines(run_id, "dead_letter.jsonl"), at
            done = {k for s, k in made.keys(run_id).items() if whole[s]["external"]["exec.status"] == "done"}
            assert Counter(done) == made.done(), at
