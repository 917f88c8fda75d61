"""The plugin ``crash``: a pipeline small enough to be killed at every call, whose broker acts on a world outside.

The world is a file of effects, a line for each. It survives what happens to the run, and nothing in it is undone.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import attrs
import msgspec

from mdm_core import (
    Action,
    Broker,
    Build,
    Context,
    Decided,
    Event,
    Executed,
    Fact,
    FeatureExtractor,
    Features,
    FinalDecision,
    Idle,
    MismatchInfo,
    Modulator,
    Observer,
    Order,
    Position,
    Proposal,
    ProposalModel,
    Receipt,
    Record,
    Redactor,
    Reject,
    Settled,
    TraceSink,
    hookimpl,
    keyed_state,
    option,
)
from mdm_core.contracts import DataSource
from mdm_core.control import Request, send

Register = Callable[[str, type[Any]], None]

_COMMANDS: dict[int, Literal["stop", "release"]] = {40: "stop", 70: "release"}


@attrs.define
class Numbers(DataSource):
    """Counts; some lines are no events, and some events have no key."""

    count: int = option(120, help="number of events")
    idle: int = option(0, help="events after which there is nothing for a moment; 0 is never")
    nap: str = option("", help="file that says how many milliseconds each event takes to come, if it is there")
    keys: int = option(7, help="number of different keys, about")
    commands: str = option("", help="file names begin so that tell which commands were given; none without it")
    breaks: str = option("", help="while this file exists, it fails after half of the events")
    _after: int = attrs.field(init=False, default=-1)
    _run_dir: Path | None = attrs.field(init=False, default=None)

    def open(self, build: Build) -> None:
        self._run_dir = build.run_dir

    def records(self) -> Iterator[Record | Reject | Idle]:
        nap_s = float(Path(self.nap).read_text()) / 1000 if Path(self.nap).is_file() else 0
        for n in range(self._after + 1, self.count):
            if nap_s:
                time.sleep(nap_s)
            if self.breaks and n == self.count // 2 and Path(self.breaks).exists():
                raise ValueError("canary")
            if self.commands and n in _COMMANDS:
                self._command(_COMMANDS[n])
            if n % 17 == 5:
                yield Reject("odd_line", n, "?")
            elif n % 23 == 7:
                yield Record({"n": n}, n)
            else:
                yield Record({"n": n, "who": f"canary-{n * n % self.keys}", "at": 1000 + n}, n)
            if self.idle and n % self.idle == 0:
                yield Idle()

    def _command(self, name: Literal["stop", "release"]) -> None:
        """Command the run as its operator would, once and for all runs."""
        given = Path(f"{self.commands}.{name}")
        if self._run_dir is not None and not given.exists():
            given.touch()
            send(self._run_dir, Request(name, "as agreed"))

    def seek(self, position: Position) -> None:
        self._after = int(position)

    def identity(self) -> dict[str, Any]:
        return {"count": self.count}


@attrs.define
class OnePass(DataSource):
    """Counts, and cannot go back, like standard input."""

    def records(self) -> Iterator[Record | Reject | Idle]:
        return Numbers().records()


@attrs.define
class Sum:
    n: int = 0
    total: float = 0.0


@attrs.define
class Sums(FeatureExtractor):
    """Counts and adds up per key; forgets keys that were not seen for long."""

    max_keys: int = option(5, help="number of keys that are remembered")
    slow: str = option("", help="while this file exists, every tenth event takes longer than anybody waits")
    states = keyed_state(Sum, max_keys="max_keys")

    def extract(self, event: Event, context: Context) -> Features:
        state = self.states[context.key]
        state.n += 1
        state.total += event["n"] / 7
        if self.slow and event["n"] % 10 == 3 and Path(self.slow).exists():
            while True:
                pass
        return {"n": event["n"], "seen": state.n, "total": state.total}


@attrs.define
class Model(ProposalModel):
    """Acts at every third event, with a confidence drawn by chance."""

    bias: float = option(0.0, help="added to the confidence")
    weights: Path | None = option(None, help="a file that the model is read from")
    every: int = option(3, help="acts at every event whose number is divisible by this")
    dies: str = option("", help="while this file exists, the process ends at every fortieth event")

    def propose(self, features: Features, context: Context) -> Proposal:
        number = int(features["n"] or 0)
        if self.dies and number % 40 == 3 and Path(self.dies).exists():
            os._exit(3)
        acts = number % self.every == 0
        confidence = min(1.0, context.random.random() + self.bias)
        return Proposal(Action.ACT if acts else Action.HOLD, confidence, ["r"], {"total": features["total"]})


@attrs.define
class Learned:
    done: int = 0
    failed: int = 0


@attrs.define
class Guard(Modulator):
    """Denies after some failures; knows of them from receipts alone, so it depends on what was recorded of them."""

    states = keyed_state(Learned)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        learned = self.states[None]
        if learned.failed % 5 != 3:
            return decision
        mismatch = MismatchInfo(["failures"], [f"failures:{learned.failed}"])
        return FinalDecision(Action.HOLD, False, ["failures"], mismatch)

    def observe(self, fact: Fact) -> None:
        learned = self.states[None]
        if isinstance(fact, Executed):
            learned.done += fact.receipt.status == "done"
            learned.failed += fact.receipt.status == "failed"
        elif isinstance(fact, Settled):
            learned.failed += fact.outcome == "failed"
        elif isinstance(fact, Decided) and not fact.final.allowed:
            learned.failed += 1


@attrs.define
class Stale(Modulator):
    """Denies by the clock alone: what comes in an odd millisecond."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if context["now_ms"] % 2 == 0:
            return decision
        return FinalDecision(Action.HOLD, False, ["odd"], MismatchInfo(["odd"], [f"odd:{context['now_ms']}"]))


@attrs.define
class Hands(Broker):
    """Acts by a line in a file."""

    world: str = option(help="where effects are written")
    repeats: bool = option(False, help="whether a repeated order takes effect once")
    resolves: bool = option(False, help="whether it can be asked what came of an order")
    pends: int = option(0, help="polls after which it answers; 0 is at once")
    most: float = option(40.0, help="orders whose total is greater are rejected")
    stumbles: bool = option(False, help="whether attempts come to nothing, or nobody knows to what")
    nap_ms: float = option(0.0, help="how long an attempt takes")
    _open: dict[str, int] = attrs.field(init=False, factory=dict)

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        return self.repeats

    def execute(self, order: Order) -> Receipt:
        number, key = int(order.features["n"] or 0), order.idempotency_key
        attempt = self._note("attempts", key)
        if float(order.features["total"] or 0) > self.most:
            return Receipt("failed", "rejected")
        if self.stumbles:
            if number % 15 == 12 or (number % 6 == 0 and attempt == 1):
                return Receipt("retry", "rate_limited")
            if number % 9 == 3 and attempt == 1:
                self._act(key)
                raise ConnectionError
        self._act(key)
        if self.nap_ms:
            time.sleep(self.nap_ms / 1000)
        if self.pends:
            self._open[key] = 0
        return Receipt("pending" if self.pends else "done")

    def resolve(self, idempotency_key: str) -> Receipt:
        if not self.resolves:
            raise NotImplementedError
        return Receipt("done" if idempotency_key in self._lines("effects") else "failed")

    def poll(self) -> Iterator[tuple[str, Receipt]]:
        for key in list(self._open):
            self._open[key] += 1
            if self._open[key] >= self.pends:
                del self._open[key]
                yield key, Receipt("done")

    def _act(self, key: str) -> None:
        if not (self.repeats and key in self._lines("effects")):
            self._note("effects", key)

    def _note(self, name: str, key: str) -> int:
        fd = os.open(f"{self.world}.{name}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, key.encode() + b"\n")
        finally:
            os.close(fd)
        return self._lines(name)[key]

    def _lines(self, name: str) -> Counter[str]:
        path = Path(f"{self.world}.{name}")
        return Counter(path.read_text().splitlines() if path.exists() else [])


@attrs.define
class Lines(TraceSink):
    """Keeps packets as JSON lines."""

    name: str = option("traces.jsonl", help="file")
    size: int = option(2000, help="size of the buffer")
    _buffer: bytearray = attrs.field(init=False, factory=bytearray)
    _fd: int = attrs.field(init=False, default=-1)

    def open(self, build: Build) -> None:
        assert build.run_dir is not None
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._fd = os.open(build.run_dir / self.name, flags, 0o600)
        text = os.pread(self._fd, 1 << 30, 0)
        if not text.endswith(b"\n"):
            os.ftruncate(self._fd, text.rfind(b"\n") + 1)

    def write(self, record: Mapping[str, Any]) -> None:
        self._buffer += msgspec.json.encode(record) + b"\n"
        if len(self._buffer) > self.size:
            self.flush()

    def flush(self, durable: bool = False) -> None:
        while self._buffer:
            del self._buffer[: os.write(self._fd, self._buffer)]
        if durable:
            os.fdatasync(self._fd)

    def mark(self) -> dict[str, Any]:
        return {"at": os.fstat(self._fd).st_size + len(self._buffer)}

    def since(self, mark: dict[str, Any] | None) -> Iterator[Mapping[str, Any]]:
        text = os.pread(self._fd, 1 << 30, 0 if mark is None else mark["at"])
        return map(msgspec.json.decode, text.splitlines())

    def close(self) -> None:
        if self._fd >= 0:
            try:
                self.flush()
            finally:
                os.close(self._fd)


@attrs.define
class Audit(Lines):
    """Keeps audit events as JSON lines, each at once."""

    accepts: ClassVar[Literal["packets", "audit"]] = "audit"
    name: str = option("audit.jsonl", help="file")
    size: int = option(0, help="size of the buffer")


@attrs.define
class Torn(Redactor):
    """Fails at every fifth event."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if data.get("input", {}).get("n", 1) % 5 == 0:
            raise ValueError
        return data


@attrs.define
class Forgetful(TraceSink):
    """Cannot give back what it was given."""

    def write(self, record: Mapping[str, Any]) -> None:
        pass


@attrs.define
class Figures(Observer):
    """Adds up what was decided."""

    _steps: Counter[int] = attrs.field(init=False, factory=Counter)
    _total: float = attrs.field(init=False, default=0.0)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        self._steps[packet["step"]] += 1
        self._total += packet["mdm"]["features"].get("total", 0.0)

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"decisions": len(self._steps), "seen": self._steps.total(), "total": self._total}


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    register("numbers", Numbers)
    register("one_pass", OnePass)


@hookimpl
def mdm_register_feature_extractors(register: Register) -> None:
    register("sums", Sums)


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    register("model", Model)


@hookimpl
def mdm_register_modulators(register: Register) -> None:
    register("guard", Guard)
    register("stale", Stale)


@hookimpl
def mdm_register_brokers(register: Register) -> None:
    register("hands", Hands)


@hookimpl
def mdm_register_redactors(register: Register) -> None:
    register("torn", Torn)


@hookimpl
def mdm_register_trace_sinks(register: Register) -> None:
    register("lines", Lines)
    register("audit", Audit)
    register("forgetful", Forgetful)


@hookimpl
def mdm_register_observers(register: Register) -> None:
    register("figures", Figures)
