"""A run: nothing lost, nothing acted upon unguarded, nothing written that should not be, however it ends."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import attrs
import pytest

from mdm_core import (
    Action,
    Broker,
    Build,
    Component,
    ConfigError,
    Context,
    DataSource,
    Decided,
    Event,
    Executed,
    Fact,
    Failure,
    FeatureExtractor,
    Features,
    FinalDecision,
    Idle,
    MismatchInfo,
    Modulator,
    Observer,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
    Record,
    Redactor,
    Reject,
    Run,
    Summary,
    TraceSink,
    UsageError,
    keyed_state,
    option,
)
from mdm_core.rundir import is_running, open_private

Install: TypeAlias = Callable[..., Path]
Items: TypeAlias = list[Any]

CANARY = "canary-4111111111111111"
VARYING = ("mdm.latency_us", "exec.total_latency_ms", "run_id")

PROBE = """
import mdm_core as m
from mdm_core import hookimpl

COMPONENTS = []

def _register(kind, register):
    for component in COMPONENTS:
        if issubclass(component, kind):
            register(component.__name__.lower(), component)

@hookimpl
def mdm_register_data_sources(register): _register(m.DataSource, register)
@hookimpl
def mdm_register_feature_extractors(register): _register(m.FeatureExtractor, register)
@hookimpl
def mdm_register_proposal_models(register): _register(m.ProposalModel, register)
@hookimpl
def mdm_register_modulators(register): _register(m.Modulator, register)
@hookimpl
def mdm_register_brokers(register): _register(m.Broker, register)
@hookimpl
def mdm_register_redactors(register): _register(m.Redactor, register)
@hookimpl
def mdm_register_trace_sinks(register): _register(m.TraceSink, register)
@hookimpl
def mdm_register_observers(register): _register(m.Observer, register)
"""


@attrs.define
class Listed(DataSource):
    """Yields what a test has put in the list; raises what is an exception."""

    items: ClassVar[Items] = []

    def records(self) -> Iterator[Record | Reject | Idle]:
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            yield item

    @property
    def length(self) -> int | None:
        return len(self.items)

    def identity(self) -> dict[str, Any] | None:
        return {"items": len(self.items)}


@attrs.define
class Endless(DataSource):
    """Never ends, and has nothing every now and then."""

    def records(self) -> Iterator[Record | Reject | Idle]:
        n = 0
        while True:
            yield Record({"k": "a", "t": n, "x": n}, n)
            yield Idle()
            n += 1


@attrs.define
class Sum:
    n: int = 0
    total: float = 0.0


@attrs.define
class Sums(FeatureExtractor):
    """Counts and sums per key."""

    max_keys: int = option(100, ge=1, help="how many keys are remembered")
    states = keyed_state(Sum, max_keys="max_keys")

    def extract(self, event: Event, context: Context) -> Features:
        state = self.states[context.key]
        state.n += 1
        state.total += event["x"] / 7
        return {"n": state.n, "total": state.total, "x": event["x"]}


@attrs.define
class Odd(ProposalModel):
    """Proposes to act on odd numbers."""

    weights: Path | None = option(None, help="a file, which is not read")
    token: str = option("", secret=True, help="a secret")
    fails_at: int = option(-1, help="the number at which it raises")

    def propose(self, features: Features, context: Context) -> Proposal:
        x = features["x"]
        assert isinstance(x, int)
        if x == self.fails_at:
            raise ValueError(CANARY)
        action = Action.ACT if x % 2 else Action.HOLD
        return Proposal(action, context.random.random(), [f"x{x}"], {"x": x, "secret": CANARY})


@attrs.define
class Veto(Modulator):
    """Denies multiples of five, and notes every fact in the order in which it comes."""

    noted: list[str] = attrs.field(init=False, factory=list)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if context.features["x"] % 5:  # type: ignore[operator]
            return decision
        return FinalDecision(Action.HOLD, False, ["five"], MismatchInfo(["fives"], ["fives:yes"]))

    def observe(self, fact: Fact) -> None:
        if isinstance(fact, Decided):
            self.noted.append(f"D{fact.context.step}")
        elif isinstance(fact, Executed):
            self.noted.append(f"E{fact.seq}")


@attrs.define
class Hands(Broker):
    """Remembers what it was asked to carry out; answers or raises what it is told to."""

    answers: ClassVar[dict[int, Any]] = {}
    orders: list[Order] = attrs.field(init=False, factory=list)

    def execute(self, order: Order) -> Receipt:
        self.orders.append(order)
        answer = self.answers.get(len(self.orders) - 1, Receipt("done"))
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]


@attrs.define
class Lines(TraceSink):
    """Writes JSON lines; raises at the given write."""

    path: str = option("traces.jsonl", help="the file")
    fails_at: int = option(-1, help="the number of the write that fails, from 0")
    _lines: list[str] = attrs.field(init=False, factory=list, repr=False)
    _file: Path = attrs.field(init=False, factory=Path, repr=False)

    def open(self, build: Build) -> None:
        assert build.run_dir is not None
        self._file = build.run_dir / self.path

    def write(self, record: Mapping[str, Any]) -> None:
        if len(self._lines) == self.fails_at:
            raise OSError(28, "No space left on device", CANARY)
        self._lines.append(json.dumps(record) + "\n")

    def flush(self, durable: bool = False) -> None:
        with os.fdopen(open_private(self._file, os.O_WRONLY | os.O_TRUNC), "w") as file:
            file.writelines(self._lines)


@attrs.define
class AuditLines(Lines):
    """The same for audit events."""

    accepts: ClassVar[Literal["packets", "audit"]] = "audit"
    path: str = option("security_audit.jsonl", help="the file")


@attrs.define
class Mask(Redactor):
    """Hides `secret` and `password` at any depth."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return {k: "[REDACTED]" if k in ("secret", "password") else self._inner(v) for k, v in data.items()}

    def _inner(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.redact(value)
        return [self._inner(item) for item in value] if isinstance(value, list | tuple) else value


@attrs.define
class MaskByKey(Mask):
    """The same, telling core which keys it hides."""

    def hides(self, key: str) -> bool:
        return key in ("secret", "password")


@attrs.define
class MaskFails(Redactor):
    """Cannot redact."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RuntimeError(CANARY)


@attrs.define
class Watcher(Observer):
    """Counts what it is told; raises where it is asked to."""

    fails_at: str = option("", help="the method that raises")
    told: dict[str, int] = attrs.field(init=False, factory=dict)

    def _note(self, what: str) -> None:
        self.told[what] = self.told.get(what, 0) + 1
        if what == self.fails_at:
            raise RuntimeError(CANARY)

    def on_run_start(self, run: Mapping[str, Any]) -> None:
        self._note("start")

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        self._note("decision")

    def on_error(self, failure: Failure) -> None:
        self._note("error")

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
        self._note("end")
        return {"share": 0.5}


@attrs.define(slots=False)
class Door(Component):
    """Notes on a list shared by all when it opens and closes; raises where it is asked to."""

    order: ClassVar[list[str]] = []
    breaks: str = option("", help="open or close")

    def open(self, build: Build) -> None:
        self._note("open")

    def close(self) -> None:
        self._note("close")

    def _note(self, what: str) -> None:
        self.order.append(f"{what} {type(self).__name__}")
        if what == self.breaks:
            raise ConfigError("cannot open") if what == "open" else RuntimeError(CANARY)


@attrs.define
class DoorSource(Door, Listed):
    """A source that tells."""


@attrs.define
class DoorFeatures(Door, Sums):
    """Features that tell."""


@attrs.define
class DoorBroker(Door, Hands):
    """A broker that tells."""


@attrs.define
class DoorSink(Door, Lines):
    """A sink that tells."""

    def open(self, build: Build) -> None:
        Lines.open(self, build)
        Door.open(self, build)


COMPONENTS = [Listed, Endless, Sums, Odd, Veto, Hands, Lines, AuditLines, Mask, MaskByKey, MaskFails, Watcher]
COMPONENTS += [DoorSource, DoorFeatures, DoorBroker, DoorSink]

SECTIONS: dict[str, Any] = {
    "pipeline": {"key": "k", "timestamp": "t"},
    "source": {"use": "probe.listed"},
    "features": {"use": "probe.sums"},
    "model": {"use": "probe.odd"},
    "modulators": [{"use": "probe.veto"}],
    "redaction": {"use": "probe.mask"},
    "trace": [{"use": "probe.lines"}, {"use": "probe.auditlines"}],
}


def content(directory: Path) -> str:
    """Everything that a run has written."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return "\n".join(path.read_bytes().decode(errors="backslashreplace") for path in files)


def events(count: int) -> Items:
    """Good events of three keys, each with a secret."""
    return [Record({"k": f"k{n % 3}", "t": 1000 + n, "x": n, "secret": CANARY}, n) for n in range(count)]


def toml(sections: Mapping[str, Any]) -> str:
    """Write tables as TOML."""
    lines = []
    for section, tables in sections.items():
        for table in tables if isinstance(tables, list) else [tables]:
            lines.append(f"[[{section}]]" if isinstance(tables, list) else f"[{section}]")
            lines += [f"{key} = {json.dumps(value).replace(': ', ' = ')}" for key, value in table.items()]
    return "\n".join(lines)


@attrs.define
class Began:
    """A run that is over."""

    run: Run
    summary: Summary
    directory: Path

    def lines(self, name: str) -> list[dict[str, Any]]:
        """A file of JSON lines in the run's directory; empty if there is none."""
        path = self.directory / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def packets(self) -> list[dict[str, Any]]:
        """The trace."""
        return self.lines("traces.jsonl")

    @property
    def audit(self) -> list[str]:
        """The names of the audit events."""
        return [event["event"] for event in self.lines("security_audit.jsonl")]

    @property
    def letters(self) -> list[tuple[Any, str]]:
        """Position and reason of every dead letter."""
        return [(letter["position"], letter["reason"]) for letter in self.lines("dead_letter.jsonl")]

    @property
    def broker(self) -> Hands:
        """The broker."""
        built = self.run.plan.broker
        assert built is not None
        assert isinstance(built.component, Hands)
        return built.component

    @property
    def veto(self) -> Veto:
        """The modulator."""
        found = self.run.plan.parts.modulators[0].component
        assert isinstance(found, Veto)
        return found

    def written(self) -> str:
        """All that is on the disk, in one text."""
        return content(self.directory)


class Begin:
    """Runs pipelines of probe components in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runs_dir = directory / "runs"

    def pipeline(self, **sections: Any) -> Path:
        """Write a pipeline file: the usual sections with these in their place, without those that are None."""
        chosen = {name: table for name, table in {**SECTIONS, **sections}.items() if table is not None}
        path = self.directory / "pipeline.toml"
        path.write_text(toml(chosen))
        return path

    def make(self, items: Items, *, run_id: str = "r-1", limit: int | None = None, **sections: Any) -> Run:
        """Make a run over these items."""
        Listed.items = items
        return Run.from_config(self.pipeline(**sections), run_id=run_id, runs_dir=self.runs_dir, limit=limit)

    def __call__(self, items: Items, **options: Any) -> Began:
        """Make a run over these items and let it end."""
        run = self.make(items, **options)
        summary = run.run()
        return Began(run, summary, Path(summary.run_dir))


@pytest.fixture
def begin(install: Install, tmp_path: Path) -> Iterator[Begin]:
    """Runs over the probe plugin, installed."""
    install("probe", {"probe_plugin": PROBE})
    importlib.import_module("probe_plugin").COMPONENTS.extend(COMPONENTS)
    Door.order.clear()
    yield Begin(tmp_path)
    Listed.items, Hands.answers = [], {}


def without_what_varies(packet: Mapping[str, Any]) -> dict[str, Any]:
    """A packet without the fields in which two runs may differ."""
    external = {k: v for k, v in packet["external"].items() if k not in VARYING}
    return {**packet, "run_id": "", "latency_ms": 0, "external": external}


class TestEveryEvent:
    def test_is_one_packet_or_one_dead_letter(self, begin: Begin) -> None:
        """Whatever a source yields, it is accounted for, in its order, with its position and the reason."""
        good = events(4)
        items = [
            good[0],
            Reject("invalid_json", "line 2", "{"),
            Record({"t": 1, "x": 1}, 7),
            good[1],
            Record("text", 8),  # type: ignore[arg-type]
            Record(None, 9),  # type: ignore[arg-type]
            Idle(),
            Record({"k": "a", "t": "soon", "x": 1}, 10),
            Record({"k": 1.5, "t": 1, "x": 1}, 11),
            good[2],
            good[3],
        ]
        began = begin(items)
        assert [packet["step"] for packet in began.packets] == [0, 1, 2, 3]
        assert [packet["input"]["x"] for packet in began.packets] == [0, 1, 2, 3]
        assert began.letters == [
            ("line 2", "invalid_json"),
            (7, "missing_key"),
            (8, "not_an_object"),
            (9, "not_an_object"),
            (10, "invalid_timestamp"),
            (11, "invalid_key"),
        ]
        summary = began.summary
        assert (summary.events, summary.decided, sum(summary.dead_letters.values())) == (10, 4, 6)
        assert (summary.dead_letters) == {
            "invalid_json": 1,
            "missing_key": 1,
            "not_an_object": 2,
            "invalid_timestamp": 1,
            "invalid_key": 1,
        }
        assert (summary.status, summary.exit_code) == ("done", 0)

    def test_that_fails_closed_is_a_packet(self, begin: Begin) -> None:
        """The run goes on, and the next event is decided as ever."""
        began = begin(events(6), model={"use": "probe.odd", "fails_at": 3})
        assert [p["external"]["mdm.fail_closed"] for p in began.packets if p["step"] == 3] == [True]
        assert [p["final_action"]["action"] for p in began.packets if p["step"] in (1, 3, 5)] == ["ACT", "HOLD", "HOLD"]
        assert began.summary.failed_closed == 1
        assert began.summary.errors == {"model_error:ValueError": 1}
        assert began.audit.count("failed_closed") == 1

    @pytest.mark.parametrize("limit", [0, 1, 4, 9, 99])
    def test_counts_towards_the_limit(self, limit: int, begin: Begin) -> None:
        """Packets and dead letters count, pauses do not."""
        good = events(7)
        items = [good[0], Idle(), Reject("bad", 1), good[1], Idle(), Reject("bad", 2), *good[2:]]
        began = begin(items, limit=limit)
        expected = min(limit, 9)
        assert (expected, "done") == (began.summary.events, began.summary.status)
        assert expected == len(began.packets) + len(began.letters)
        assert (0 if limit else 5) == began.summary.exit_code

    def test_of_a_source_that_never_ends(self, begin: Begin) -> None:
        """Only the limit ends it."""
        began = begin([], source={"use": "probe.endless"}, limit=50)
        assert (began.summary.events, len(began.packets), began.summary.status) == (50, 50, "done")

    def test_without_any_the_run_says_so(self, begin: Begin) -> None:
        """A source that was empty is exit code 5, and all files are there all the same."""
        began = begin([])
        assert (began.summary.exit_code, began.summary.events, began.summary.status) == (5, 0, "done")
        assert began.audit == ["run_started", "run_ended"]


class TestTheSameDecision:
    def test_two_runs_write_the_same(self, begin: Begin) -> None:
        """Byte for byte, apart from the run's id and the latencies."""
        sections = {"broker": {"use": "probe.hands"}, "pipeline": {"key": "k", "timestamp": "t", "seed": 5}}
        first = begin(events(100), run_id="one", **sections)
        second = begin(events(100), run_id="two", **sections)
        assert len(first.packets) == 100
        for one, other in zip(first.packets, second.packets, strict=True):
            assert json.dumps(without_what_varies(one)) == json.dumps(without_what_varies(other))

    def test_a_plain_loop_decides_the_same(self, begin: Begin) -> None:
        """What `decide` answers in a notebook is what the run has acted on."""
        began = begin(events(60), redaction={"use": "none"}, model={"use": "probe.odd", "fails_at": 7})
        with Pipeline.from_config(begin.directory / "pipeline.toml") as pipeline:
            decided = [pipeline.decide(record.event, position=record.position) for record in events(60)]
        loop = [json.loads(json.dumps(decision.packet().to_dict())) for decision in decided]
        assert [without_what_varies(p) for p in began.packets] == [without_what_varies(p) for p in loop]

    def test_watching_changes_nothing(self, begin: Begin) -> None:
        """With observers, also with one that raises, the decisions are those without."""
        alone = begin(events(20), run_id="alone")
        watched = begin(events(20), run_id="watched", observers=[{"use": "probe.watcher"}])
        dropped = begin(events(20), run_id="dropped", observers=[{"use": "probe.watcher", "fails_at": "decision"}])
        expected = [without_what_varies(p) for p in alone.packets]
        assert expected == [without_what_varies(p) for p in watched.packets]
        assert expected == [without_what_varies(p) for p in dropped.packets]

    def test_several_runs_in_several_threads(self, begin: Begin) -> None:
        """Each decides as it would alone."""
        expected = [without_what_varies(p) for p in begin(events(80)).packets]
        runs = [begin.make(events(80), run_id=f"t-{n}") for n in range(4)]
        summaries: list[Summary] = []
        threads = [threading.Thread(target=lambda run=run: summaries.append(run.run())) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [summary.status for summary in summaries] == ["done"] * 4
        for summary in summaries:
            lines = (Path(summary.run_dir) / "traces.jsonl").read_text().splitlines()
            assert expected == [without_what_varies(json.loads(line)) for line in lines]


class TestSourceFails:
    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (ValueError(CANARY), "ValueError"),
            (OSError(5, "Input/output error", CANARY), "OSError: Input/output error"),
            (SystemExit(CANARY), "SystemExit"),
        ],
        ids=repr,
    )
    def test_what_was_decided_before_is_kept(self, error: BaseException, told: str, begin: Begin) -> None:
        """The run has failed, says why without what the exception quotes, and everything before is written."""
        began = begin([*events(3), error, *events(3)])
        summary = began.summary
        assert (summary.status, summary.exit_code, summary.events) == ("failed", 1, 3)
        assert f"source probe.listed failed: {told}" == summary.reason
        assert len(began.packets) == 3
        assert began.audit == ["run_started", "error", "run_ended"]
        assert {f"source_error:{type(error).__name__}": 1} == summary.errors
        assert CANARY not in began.written()


class TestTraceFails:
    @pytest.mark.parametrize("fails_at", [0, 1, 5])
    def test_nothing_is_done_after_it(self, fails_at: int, begin: Begin) -> None:
        """What cannot be recorded must not be acted upon: the group at hand, here of one, is the last."""
        trace = [{"use": "probe.lines", "fails_at": fails_at}, {"use": "probe.auditlines"}]
        odd = [Record({"k": "a", "t": n, "x": 2 * n + 1}, n) for n in range(20)]
        pipeline = {"key": "k", "timestamp": "t", "group": 1}
        began = begin(odd, pipeline=pipeline, trace=trace, broker={"use": "probe.hands"}, modulators=None)
        assert fails_at + 1 == len(began.broker.orders)
        assert (began.summary.status, began.summary.exit_code) == ("failed", 1)
        assert began.summary.reason == "trace sink probe.lines failed: OSError: No space left on device"
        assert fails_at == began.summary.decided == len(began.packets)
        assert began.audit[-1] == "run_ended"
        assert CANARY not in began.written()

    def test_an_audit_log_that_fails_is_a_trace_that_fails(self, begin: Begin) -> None:
        """From its first event on."""
        trace = [{"use": "probe.lines"}, {"use": "probe.auditlines", "fails_at": 0}]
        began = begin(events(9), trace=trace, broker={"use": "probe.hands"})
        assert (began.summary.status, began.summary.events, began.broker.orders) == ("failed", 0, [])
        assert set(began.summary.errors) == {"trace_error:OSError"}

    def test_dead_letters_that_cannot_be_written(self, begin: Begin, tmp_path: Path) -> None:
        """They are part of the trace, and a link in their place leads nowhere."""

        class Links(Lines):
            def open(self, build: Build) -> None:
                super().open(build)
                assert build.run_dir is not None
                (build.run_dir / "dead_letter.jsonl").symlink_to(tmp_path / "victim")

        importlib.import_module("probe_plugin").COMPONENTS.append(Links)
        began = begin([*events(2), Reject("bad", 3), *events(2)], trace=[{"use": "probe.links"}])
        assert (began.summary.status, began.summary.decided) == ("failed", 2)
        assert began.summary.reason.startswith("dead_letter.jsonl failed: OSError: Too many levels of symbolic links")
        assert not (tmp_path / "victim").exists()


class TestBroker:
    def test_only_what_is_allowed_and_not_hold_is_carried_out(self, begin: Begin) -> None:
        """Odd numbers but the multiples of five, in the order of the events."""
        began = begin(events(20), broker={"use": "probe.hands"})
        assert [order.params["x"] for order in began.broker.orders] == [1, 3, 7, 9, 11, 13, 17, 19]
        statuses = [packet["external"].get("exec.status") for packet in began.packets]
        assert [status for status in statuses if status] == ["done"] * 8
        assert (began.summary.carried_out, began.summary.executions) == ({"ACT": 8}, {"done": 8})
        assert began.summary.denied == {"fives": 2}
        assert (began.summary.proposed, began.summary.allowed) == ({"ACT": 10}, {"ACT": 8})

    def test_a_denial_that_says_stop_is_not_carried_out(self, begin: Begin) -> None:
        """STOP is an action, but what was denied is denied."""

        class Stops(Veto):
            def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
                return FinalDecision(Action.STOP, context.features["x"] == 3, [], self._why(context))

            def _why(self, context: Context) -> MismatchInfo | None:
                return None if context.features["x"] == 3 else MismatchInfo(["ops"], ["ops:red"])

        importlib.import_module("probe_plugin").COMPONENTS.append(Stops)
        began = begin(events(9), modulators=[{"use": "probe.stops"}], broker={"use": "probe.hands"})
        assert [(order.action, order.features["x"]) for order in began.broker.orders] == [(Action.STOP, 3)]
        assert began.summary.denied == {"ops": 3}

    def test_without_a_broker_nothing_is_carried_out(self, begin: Begin) -> None:
        """What would have been allowed is counted all the same."""
        began = begin(events(20))
        assert (began.summary.allowed, began.summary.carried_out, began.summary.executions) == ({"ACT": 8}, {}, {})
        assert not [p for p in began.packets if "exec.status" in p["external"]]

    @pytest.mark.parametrize("answer", [RuntimeError(CANARY), None, "done", Receipt("odd")], ids=repr)  # type: ignore[arg-type]
    def test_one_that_fails_leaves_the_outcome_unknown(self, answer: Any, begin: Begin) -> None:
        """The decision stays what it is, the next event is decided and carried out."""
        Hands.answers = {1: answer}
        began = begin(events(12), broker={"use": "probe.hands"})
        statuses = {p["step"]: p["external"]["exec.status"] for p in began.packets if "exec.status" in p["external"]}
        assert statuses == {1: "done", 3: "unknown", 7: "done", 9: "done", 11: "done"}
        packet = began.packets[3]
        assert (
            packet["final_action"]["action"],
            packet["final_action"]["allowed"],
            packet["mismatch"],
        ) == ("ACT", True, None)
        assert "mdm.fail_closed" not in packet["external"]
        assert began.summary.executions == {"done": 4, "unknown": 1}
        assert began.summary.carried_out == {"ACT": 4}
        assert began.audit.count("error") == 1
        assert CANARY not in began.written()

    def test_orders_have_names_of_their_own(self, begin: Begin) -> None:
        """Each event's order has another key, the same event's in another run too."""
        one = begin(events(20), broker={"use": "probe.hands"}, run_id="one").broker.orders
        two = begin(events(20), broker={"use": "probe.hands"}, run_id="two").broker.orders
        assert len({order.idempotency_key for order in (*one, *two)}) == 16


class TestReceipts:
    """They are applied in groups of steps, never by the clock, and always in the order of the steps."""

    def noted(self, begin: Begin, items: Items, **pipeline: Any) -> list[str]:
        """The order in which decisions and receipts were learned of."""
        table = {"key": "k", "timestamp": "t", **pipeline}
        return begin(items, pipeline=table, broker={"use": "probe.hands"}).veto.noted

    def acts(self, count: int) -> Items:
        """Events that are all acted upon."""
        return [Record({"k": "a", "t": n, "x": 10 * n + 1}, n) for n in range(count)]

    def test_one_by_one(self, begin: Begin) -> None:
        """With a group of one each is known to the next decision."""
        assert self.noted(begin, self.acts(3), group=1) == ["D0", "E1", "D1", "E2", "D2", "E3"]

    def test_four_at_a_time(self, begin: Begin) -> None:
        """Before the steps divisible by four, and at the end."""
        expected = "D0 D1 D2 D3 E1 E2 E3 E4 D4 D5 D6 D7 E5 E6 E7 E8 D8 E9"
        assert expected.split() == self.noted(begin, self.acts(9), group=4)

    def test_64_at_a_time_by_default(self, begin: Begin) -> None:
        """With the clock of the events."""
        noted = self.noted(begin, self.acts(70))
        expected = [*(f"D{n}" for n in range(64)), *(f"E{n}" for n in range(1, 65)), *(f"D{n}" for n in range(64, 70))]
        assert [*expected, *(f"E{n}" for n in range(65, 71))] == noted

    def test_at_once_with_the_wall_clock(self, begin: Begin) -> None:
        """Where time passes while waiting, nothing is kept waiting."""
        assert self.noted(begin, self.acts(2), clock="wall") == ["D0", "E1", "D1", "E2"]

    def test_when_the_source_pauses(self, begin: Begin) -> None:
        """A pause is used for what is due."""
        items = self.acts(4)
        items.insert(3, Idle())
        assert self.noted(begin, items, group=64) == ["D0", "D1", "D2", "E1", "E2", "E3", "D3", "E4"]

    def test_what_cannot_be_decided_is_no_step(self, begin: Begin) -> None:
        """Dead letters do not move the boundaries."""
        items = self.acts(5)
        items[1:1] = [Reject("bad", 1), Record({}, 2), Reject("bad", 3)]
        assert self.noted(begin, items, group=4) == ["D0", "D1", "D2", "D3", "E1", "E2", "E3", "E4", "D4", "E5"]

    def test_a_packet_says_which_it_knew_of(self, begin: Begin) -> None:
        """`mdm.feedback_seq` is the number of the last receipt applied before the decision."""
        began = begin(self.acts(9), pipeline={"key": "k", "timestamp": "t", "group": 4}, broker={"use": "probe.hands"})
        known = [packet["external"].get("mdm.feedback_seq") for packet in began.packets]
        assert known == [None] * 4 + [4] * 4 + [8]


class TestRedaction:
    def test_no_secret_is_written(self, begin: Begin) -> None:
        """Not in packets, dead letters, audit log, run.json or summary.json."""
        bad = Record({"t": 1, "secret": CANARY, "deep": [{"password": CANARY}]}, 5)
        began = begin([*events(9), bad, Reject("invalid_json", 6, CANARY)], model={"use": "probe.odd", "fails_at": 3})
        assert CANARY not in began.written()
        assert "[REDACTED]" == began.packets[0]["input"]["secret"] == began.packets[1]["mdm"]["params"]["secret"]
        assert began.summary.redaction_failures == 0

    def test_a_redactor_that_fails_lets_nothing_pass(self, begin: Begin) -> None:
        """Every payload is replaced and counted; what was decided is still told, and the run goes on."""
        sections = {"redaction": {"use": "probe.maskfails"}, "broker": {"use": "probe.hands"}}
        began = begin([*events(9), Record({"secret": CANARY}, 9), Reject("bad", 10, CANARY)], **sections)
        assert (began.summary.status, began.summary.decided, len(began.letters)) == ("done", 9, 2)
        assert CANARY not in began.written()
        failed = {"redaction": "[REDACTION FAILED]"}
        assert [failed] * 9 == [packet["input"] for packet in began.packets]
        assert [packet["final_action"]["action"] for packet in began.packets[:2]] == ["HOLD", "ACT"]
        assert failed == json.loads((began.directory / "run.json").read_text())
        assert {json.dumps(failed)} == {json.dumps(event) for event in began.lines("security_audit.jsonl")}
        assert began.summary.redaction_failures >= 9 + 1
        assert [order.params["x"] for order in began.broker.orders] == [1, 3, 7]

    def test_telling_core_which_keys_are_hidden_changes_nothing(self, begin: Begin) -> None:
        """Byte for byte the same files, whichever way it is done."""
        items = [*events(9), Record({"t": 1, "deep": [{"password": CANARY, "x": (1, {"secret": 2})}]}, 5)]
        one = begin(items, run_id="one")
        other = begin(items, run_id="other", redaction={"use": "probe.maskbykey"})
        for name in ("dead_letter.jsonl", "traces.jsonl"):
            first, second = one.lines(name), other.lines(name)
            for packet in (*first, *second):
                packet.pop("latency_ms", None), packet.pop("run_id", None)
                packet.get("external", {}).pop("run_id", None), packet.get("external", {}).pop("mdm.latency_us", None)
            assert json.dumps(first) == json.dumps(second)
        assert len(one.packets) + len(one.letters) == 10

    def test_none_has_to_be_asked_for(self, begin: Begin) -> None:
        """A run that writes needs a redactor, or the word that it needs none."""
        with pytest.raises(ConfigError, match=r"section \[redaction\] is missing"):
            begin.make([], redaction=None)
        began = begin(events(1), redaction={"use": "none"})
        assert began.packets[0]["input"]["secret"] == CANARY

    def test_logs_are_redacted(self, begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
        """While the run goes on mappings in log records go through its redactor; afterwards they are left out."""

        @attrs.define
        class Logs(Lines):
            def write(self, record: Mapping[str, Any]) -> None:
                logging.getLogger("mdm.probe").warning("%s", {"secret": CANARY, "open": 1})

        from mdm_core import get_logger

        logger = get_logger("probe")
        importlib.import_module("probe_plugin").COMPONENTS.append(Logs)
        with caplog.at_level(logging.DEBUG, "mdm"):
            begin(events(1), trace=[{"use": "probe.logs"}])
            logger.warning("%s", {"open": 1})
        assert caplog.messages == ["{'secret': '[REDACTED]', 'open': 1}", "[REDACTED]"]


class TestObservers:
    def test_they_are_told_everything(self, begin: Begin) -> None:
        """Start, every decision, every error, and the end, where they may say what they found."""
        began = begin(events(9), observers=[{"use": "probe.watcher"}], model={"use": "probe.odd", "fails_at": 3})
        watcher = began.run.plan.observers[0].component
        assert isinstance(watcher, Watcher)
        assert watcher.told == {"start": 1, "decision": 9, "error": 1, "end": 1}
        assert began.summary.findings == {"probe.watcher": {"share": 0.5}}
        assert json.loads((began.directory / "summary.json").read_text())["findings"] == {
            "probe.watcher": {"share": 0.5}
        }

    def test_one_that_raises_is_dropped_and_counted(self, begin: Begin) -> None:
        """The run goes on without it, and says so."""
        began = begin(events(9), observers=[{"use": "probe.watcher", "fails_at": "decision"}])
        watcher = began.run.plan.observers[0].component
        assert isinstance(watcher, Watcher)
        assert watcher.told == {"start": 1, "decision": 1}
        assert began.summary.errors == {"observer_error:RuntimeError": 1}
        assert (
            began.summary.status,
            began.summary.exit_code,
            len(began.packets),
            began.summary.findings,
        ) == ("done", 0, 9, {})


class TestFiles:
    def test_they_are_private(self, begin: Begin) -> None:
        """Nobody but the owner may look into a run."""
        began = begin([*events(3), Reject("bad", 4)])
        assert stat.S_IMODE(began.directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((began.directory / "checkpoints").stat().st_mode) == 0o700
        files = [path for path in began.directory.rglob("*") if path.is_file()]
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
        names = [
            "000000000000-000000000000",
            "dead_letter.jsonl",
            "journal.jsonl",
            "lock",
            "run.json",
            "security_audit.jsonl",
            "summary.json",
            "traces.jsonl",
        ]
        assert dict.fromkeys(names, 0o600) == dict(sorted(modes.items()))

    def test_what_is_needed_to_repeat_the_run(self, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
        """run.json holds configuration, distributions, hashes, seed and source, and no secret."""
        monkeypatch.setenv("PROBE_TOKEN", CANARY)
        weights = begin.directory / "weights.json"
        weights.write_text("{}")
        model = {"use": "probe.odd", "weights": "weights.json", "token": {"env": "PROBE_TOKEN"}}
        began = begin(events(2), model=model, pipeline={"key": "k", "timestamp": "t", "seed": 7})
        run = json.loads((began.directory / "run.json").read_text())
        assert CANARY not in json.dumps(run)
        assert run["config"]["model"]["token"] == {"env": "PROBE_TOKEN"}
        assert (run["run_id"], run["seed"], run["schema_version"]) == ("r-1", 7, "0.1.3")
        assert run["distributions"] == {"mdm-core": "1.0.0", "decision-schema": "0.1.3", "mdm-probe": "1.0.0"}
        assert {"weights.json": hashlib.sha256(b"{}").hexdigest()} == run["files"]
        assert run["source"] == {"items": 2}
        assert str(begin.directory.absolute()) == run["base_dir"]
        assert run["config"]["trace"][0] == {"use": "probe.lines", "path": "traces.jsonl", "fails_at": -1}

    def test_the_hash_of_the_configuration_is_that_of_what_runs(self, begin: Begin) -> None:
        """The same for the same settings, however they are written; another for any other."""

        def hashed(run_id: str, **sections: Any) -> str:
            run = json.loads((begin([], run_id=run_id, **sections).directory / "run.json").read_text())
            return str(run["config_sha256"])

        first = hashed("a")
        assert first == hashed("b", model={"use": "probe.odd", "fails_at": -1})
        assert first != hashed("c", model={"use": "probe.odd", "fails_at": 1})

    def test_the_summary_is_written(self, begin: Begin) -> None:
        """summary.json is what `run` returns, with the time of its end."""
        began = begin(events(9))
        written = json.loads((began.directory / "summary.json").read_text())
        assert written.pop("ended_at").endswith("Z")
        assert began.summary.to_dict() == written

    def test_keys_that_were_forgotten_are_told(self, begin: Begin) -> None:
        """A bound that was too small does not go unnoticed."""
        began = begin(events(9), features={"use": "probe.sums", "max_keys": 2})
        assert began.summary.evicted_keys == {"0.probe.sums.states": 7}
        assert begin(events(9), run_id="other").summary.evicted_keys == {}

    def test_a_run_is_never_repeated_under_its_id(self, begin: Begin) -> None:
        """Nothing of an earlier run is touched."""
        before = begin(events(3)).written()
        with pytest.raises(UsageError, match="run 'r-1' exists already"):
            begin(events(5))
        assert before == content(begin.runs_dir / "r-1")

    def test_it_is_locked_while_it_runs(self, begin: Begin) -> None:
        """Others can see that it goes on, and that it is over."""
        seen: list[bool] = []

        class Looks(Lines):
            def write(self, record: Mapping[str, Any]) -> None:
                seen.append(is_running(self._file.parent))

        importlib.import_module("probe_plugin").COMPONENTS.append(Looks)
        began = begin(events(1), trace=[{"use": "probe.looks"}])
        assert seen == [True]
        assert not is_running(began.directory)


class TestLifeCycle:
    DOORS: ClassVar[dict[str, Any]] = {
        "source": {"use": "probe.doorsource"},
        "features": {"use": "probe.doorfeatures"},
        "broker": {"use": "probe.doorbroker"},
        "trace": [{"use": "probe.doorsink"}],
    }

    def test_all_are_opened_and_closed(self, begin: Begin) -> None:
        """Closed in the opposite order, each once."""
        begin(events(1), **self.DOORS)
        names = ["DoorFeatures", "DoorSource", "DoorBroker", "DoorSink"]
        assert [*(f"open {n}" for n in names), *(f"close {n}" for n in reversed(names))] == Door.order

    @pytest.mark.parametrize("section", ["features", "source", "broker", "trace"])
    def test_what_cannot_open_leaves_nothing_behind(self, section: str, begin: Begin) -> None:
        """Whatever was opened is closed, no directory stays, and the id can be used again."""
        table = {**(self.DOORS[section][0] if section == "trace" else self.DOORS[section]), "breaks": "open"}
        run = begin.make([], **{**self.DOORS, section: [table] if section == "trace" else table})
        with pytest.raises(ConfigError, match=r"^probe\.door\w+: cannot open$"):
            run.run()
        opened = [name.removeprefix("open ") for name in Door.order if name.startswith("open ")]
        closed = [name.removeprefix("close ") for name in Door.order if name.startswith("close ")]
        assert opened == closed[::-1]
        assert list(begin.runs_dir.iterdir()) == []
        assert begin(events(1)).summary.status == "done"

    def test_what_cannot_close_does_not_keep_the_others_open(self, begin: Begin) -> None:
        """The run is what it was, and everything else is closed."""
        broken = {**self.DOORS, "broker": {"use": "probe.doorbroker", "breaks": "close"}}
        began = begin(events(3), **broken)
        assert Door.order[4:] == ["close DoorSink", "close DoorBroker", "close DoorSource", "close DoorFeatures"]
        assert (began.summary.status, len(began.packets)) == ("done", 3)

    @pytest.mark.parametrize("items", [[ValueError()], events(3)], ids=["source", "trace"])
    def test_a_run_that_fails_closes_all(self, items: Items, begin: Begin) -> None:
        """However it ends."""
        trace = [{"use": "probe.doorsink"}, {"use": "probe.lines", "path": "more.jsonl", "fails_at": 1}]
        began = begin(items, **{**self.DOORS, "trace": trace})
        assert began.summary.status == "failed"
        assert len([name for name in Door.order if name.startswith("close ")]) == 4

    def test_progress_is_reported(self, begin: Begin) -> None:
        """Now and then and at the end, with the total if the source knows it and the limit if that is less."""
        told: list[tuple[int, int | None]] = []
        begin.make(events(1100)).run(lambda done, total: told.append((done, total)))
        assert told == [(512, 1100), (1024, 1100), (1100, 1100)]
        told.clear()
        begin.make(events(1100), run_id="r-2", limit=600).run(lambda done, total: told.append((done, total)))
        assert told == [(512, 600), (600, 600)]


PIPE = """
import json, sys
import attrs
from mdm_core import DataSource, Record, hookimpl

@attrs.define
class Pipe(DataSource):
    run_dir = None

    def open(self, build):
        self.run_dir = build.run_dir

    def records(self):
        n = 0
        while True:
            (self.run_dir / "waiting").write_text(str(n))
            try:
                line = sys.stdin.buffer.readline()
            except Exception:
                continue
            if not line:
                return
            yield Record(json.loads(line), n)
            n += 1

@hookimpl
def mdm_register_data_sources(register):
    register("lines", Pipe)
"""

SIGNALLED = """\
[pipeline]
key = "who"
[source]
use = {source}
[features]
use = "toy.fields"
[model]
use = "toy.threshold"
[[trace]]
use = "toy.lines"
[[trace]]
use = "toy.audit"
[redaction]
use = "toy.mask"
"""


@attrs.define
class Process:
    """A real `mdm run` in a process of its own."""

    popen: subprocess.Popen[bytes]
    directory: Path

    def wait_for(self, name: str, content: str = "") -> None:
        """Wait until a file of the run is there and holds a text."""
        deadline = time.monotonic() + 30
        path = self.directory / name
        while not (path.exists() and content in path.read_text()):
            assert self.popen.poll() is None, self.popen.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ended(self, number: signal.Signals) -> tuple[int, dict[str, Any]]:
        """Send a signal; give the exit code and the summary."""
        self.popen.send_signal(number)
        # Without closing standard input, for its end would wake the source up as well.
        self.popen.wait(timeout=30)
        out, err = self.popen.communicate()
        assert b"Traceback" not in err
        assert b"run r-1: stopped" in out
        return self.popen.returncode, json.loads((self.directory / "summary.json").read_text())

    def packets(self) -> list[dict[str, Any]]:
        """The trace, every line of which must be whole."""
        return [json.loads(line) for line in (self.directory / "traces.jsonl").read_text().splitlines()]


class TestSignals:
    @pytest.fixture
    def start(self, toy: Path, install: Install, tmp_path: Path) -> Iterator[Callable[[str], Process]]:
        """Start `mdm run` over a source of the toy plugin or over standard input."""
        assert toy.is_dir()
        install("pipe", {"pipe_plugin": PIPE})
        started: list[subprocess.Popen[bytes]] = []

        def start(source: str) -> Process:
            pipeline = tmp_path / "pipeline.toml"
            pipeline.write_text(SIGNALLED.replace("{source}", source))
            popen = subprocess.Popen(
                [sys.executable, "-S", "-m", "mdm_core", "run", str(pipeline), "--run-id", "r-1"],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            started.append(popen)
            return Process(popen, tmp_path / "runs" / "r-1")

        yield start
        for popen in started:
            popen.kill()
            popen.communicate()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_source_that_waits(self, number: signal.Signals, start: Callable[[str], Process]) -> None:
        """A run that is blocked on a pipe ends at once, with what it had read decided and written."""
        process = start('"pipe.lines"')
        assert process.popen.stdin is not None
        process.popen.stdin.write(b'{"who": "a", "n": 1}\n{"who": "b", "n": 9}\n')
        process.popen.stdin.flush()
        process.wait_for("waiting", "2")
        assert is_running(process.directory)
        code, summary = process.ended(number)
        assert (1, "stopped", f"{number.name} received", 2) == (
            code,
            summary["status"],
            summary["reason"],
            summary["events"],
        )
        assert [packet["final_action"]["action"] for packet in process.packets()] == ["HOLD", "ACT"]
        audit = [json.loads(line)["event"] for line in (process.directory / "audit.jsonl").read_text().splitlines()]
        assert audit == ["run_started", "run_ended"]
        assert not is_running(process.directory)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_source_that_is_busy(self, number: signal.Signals, start: Callable[[str], Process]) -> None:
        """A run in full swing ends after the event at hand; every decision is in the trace, whole."""
        process = start('"toy.numbers"\ncount = 1_000_000_000')
        process.wait_for("traces.jsonl", "\n")
        code, summary = process.ended(number)
        assert (1, "stopped", f"{number.name} received") == (code, summary["status"], summary["reason"])
        steps = [packet["step"] for packet in process.packets()]
        assert list(range(summary["decided"])) == steps
        assert len(steps) > 0

    def test_a_kill_that_nobody_can_catch(self, start: Callable[[str], Process]) -> None:
        """The run is no longer running, has no summary, and `mdm runs` can tell that it died."""
        process = start('"pipe.lines"')
        process.wait_for("waiting", "0")
        assert is_running(process.directory)
        process.popen.kill()
        process.popen.communicate(timeout=30)
        assert not is_running(process.directory)
        assert not (process.directory / "summary.json").exists()
        assert (process.directory / "run.json").exists()


@attrs.define
class Tells(Sums):
    """Gives what the list says."""

    answers: ClassVar[list[Any]] = []

    def extract(self, event: Event, context: Context) -> Features:
        answer = self.answers[context.step % len(self.answers)]
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]


def add(*classes: type) -> None:
    importlib.import_module("probe_plugin").COMPONENTS.extend(classes)


class TestBreaches:
    @pytest.mark.parametrize("item", [{"k": "a"}, None, "text", 5, (1, 2)], ids=repr)
    def test_what_a_source_must_not_yield(self, item: Any, begin: Begin) -> None:
        """It is no event and no pause: the source has broken its contract, and nothing is lost silently."""
        began = begin([*events(2), item, *events(2)])
        assert ("failed", 2) == (began.summary.status, began.summary.events)
        assert "source probe.listed failed: ContractError" == began.summary.reason

    def test_a_refused_feature_hides_no_secret(self, begin: Begin) -> None:
        """Features that broke the contract are not written, for nobody has looked inside."""
        add(Tells)
        Tells.answers = [{"x": {"password": CANARY}}]
        began = begin(events(2), features={"use": "probe.tells"}, redaction={"use": "probe.maskbykey"}, modulators=None)
        assert CANARY not in began.written()
        assert [{}, {}] == [p["mdm"]["features"] for p in began.packets]

    @pytest.mark.parametrize("answer", [{"x": ...}, {("a", "b"): 1.0, "x": 1}, {"x": {1}}, [...]], ids=repr)
    def test_features_that_cannot_be_written_do_not_end_the_run(self, answer: Any, begin: Begin) -> None:
        """Every event ends as one packet."""
        add(Tells)
        Tells.answers = [answer]
        began = begin(events(3), features={"use": "probe.tells"}, modulators=None)
        assert ("done", 3, 3) == (began.summary.status, len(began.packets), began.summary.failed_closed)

    def test_a_component_that_exits(self, begin: Begin) -> None:
        """`sys.exit` in a component fails closed; the run goes on."""
        add(Tells)
        Tells.answers = [{"x": 1}, SystemExit(3), {"x": 1}]
        began = begin(events(3), features={"use": "probe.tells"}, modulators=None)
        assert ("done", 3) == (began.summary.status, len(began.packets))

    def test_a_sink_that_exits(self, begin: Begin) -> None:
        """`sys.exit` in a sink is a trace that failed."""

        class Exits(Lines):
            def write(self, record: Mapping[str, Any]) -> None:
                raise SystemExit(3)

        add(Exits)
        assert "failed" == begin(events(3), trace=[{"use": "probe.exits"}]).summary.status

    def test_an_observer_that_raises_at_the_end_is_counted(self, begin: Begin) -> None:
        """In the summary that is written after it."""
        began = begin(events(3), observers=[{"use": "probe.watcher", "fails_at": "end"}])
        assert {"observer_error:RuntimeError": 1} == began.summary.errors

    def test_an_observer_that_raises_at_the_end_of_a_failed_run(self, begin: Begin) -> None:
        """With an audit log that cannot be written either, the run still ends with a summary."""
        trace = [{"use": "probe.auditlines", "fails_at": 1}]
        began = begin(events(3), trace=trace, observers=[{"use": "probe.watcher", "fails_at": "end"}])
        assert "failed" == began.summary.status
        assert (began.directory / "summary.json").exists()

    @pytest.mark.parametrize("where", ["identity", "progress", "length", "hides"])
    def test_any_other_error_closes_all(self, where: str, begin: Begin) -> None:
        """Whatever goes wrong in a run, components are closed and the lock is let go of."""

        class Bad(DoorSource):
            def identity(self) -> dict[str, Any] | None:
                if where == "identity":
                    raise RuntimeError(CANARY)
                return None

            @property
            def length(self) -> int | None:
                if where == "length":
                    raise RuntimeError(CANARY)
                return None

        class BadMask(MaskByKey):
            def hides(self, key: str) -> bool:
                if where == "hides":
                    raise RuntimeError(CANARY)
                return False

        add(Bad, BadMask)
        run = begin.make(events(600), source={"use": "probe.bad"}, redaction={"use": "probe.badmask"})

        def progress(_done: int, _total: int | None) -> None:
            if where == "progress":
                raise RuntimeError(CANARY)

        summary = run.run(progress)
        assert ("done" if where == "hides" else "failed") == summary.status
        assert ["open Bad", "close Bad"] == Door.order
        assert (begin.runs_dir / "r-1" / "summary.json").exists()

    def test_a_receipt_that_cannot_be_learned_is_an_error_not_a_denial(self, begin: Begin) -> None:
        """The audit log says error: no decision failed closed; and it names the component."""

        class Cannot(Veto):
            def observe(self, fact: Fact) -> None:
                if isinstance(fact, Executed):
                    raise RuntimeError(CANARY)

        add(Cannot)
        began = begin(
            events(9), modulators=[{"use": "probe.cannot"}, {"use": "probe.veto"}], broker={"use": "probe.hands"}
        )
        told = [e for e in began.lines("security_audit.jsonl") if e["event"] in ("error", "failed_closed")]
        assert {("error", "probe.cannot")} == {(e["event"], e["component"]) for e in told}
        assert 0 == began.summary.failed_closed
        second = began.run.plan.parts.modulators[1].component
        assert isinstance(second, Veto)
        assert ["E1", "E2", "E3"] == [n for n in second.noted if n.startswith("E")]

    def test_two_observers_of_one_component_keep_their_findings(self, begin: Begin) -> None:
        """Neither hides what the other found."""
        began = begin(events(3), observers=[{"use": "probe.watcher"}, {"use": "probe.watcher"}])
        assert 2 == len(began.summary.findings)
