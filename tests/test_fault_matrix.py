"""Every fault in every kind of component, provoked for real in a run."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from fault_matrix import CODES, EFFECTS, FAULTS, HARMLESS, KINDS, table

from mdm_core import Run, Summary
from mdm_core.redacting import FAILED

pytestmark = pytest.mark.usefixtures("own_time")

EVENTS = 9
FAULTY = 4

PLUGIN = '''\
"""One component of every kind; each does what is asked of it, once, at its fifth call."""

import attrs
from mdm_core import (
    Action, Broker, DataSource, FeatureExtractor, FinalDecision, Modulator, Observer, Proposal, ProposalModel, Receipt,
    Record, Redactor, TraceSink, hookimpl, option,
)


class OwnBase(BaseException):
    pass


def recurse():
    recurse()


@attrs.define(slots=False)
class Faulty:
    fault: str = option("", help="what is wrong with it")
    calls: int = attrs.field(init=False, default=0)

    def answer(self, good, **bad):
        """Give the good answer, or raise, hang or give a bad one when it is time for that."""
        fault, self.calls = self.fault, self.calls + 1
        if self.calls != 5 or not fault:
            return good
        if fault == "hangs":
            while True:
                pass
        if fault == "recurses":
            recurse()
        errors = dict(raises=RuntimeError, base=OwnBase, interrupt=KeyboardInterrupt, exit=SystemExit)
        errors["generator_exit"] = GeneratorExit
        if fault in errors:
            raise errors[fault]("canary")
        return {"none": None, "wrong_type": object(), **bad}[fault]


@attrs.define(slots=False)
class Source(Faulty, DataSource):
    def records(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.calls >= 9:
            raise StopIteration
        n = self.calls
        return self.answer(Record({"k": "a", "t": n, "x": n}, n))


@attrs.define(slots=False)
class Features(Faulty, FeatureExtractor):
    def extract(self, event, context):
        x = event["x"]
        return self.answer(
            {"x": x, "y": 1.0},
            nan={"x": x, "y": float("nan")},
            infinite={"x": x, "y": float("-inf")},
            too_many={f"f{n}": n for n in range(101)},
            too_long={"x": x, "y": "y" * 1001},
        )


@attrs.define(slots=False)
class Model(Faulty, ProposalModel):
    def propose(self, features, context):
        def proposal(confidence=0.5, reasons=("r",)):
            made = Proposal(Action.ACT, 0.5, list(reasons), {})
            # As from a contract that checks nothing.
            object.__setattr__(made, "confidence", confidence)
            return made

        return self.answer(
            proposal(),
            nan=proposal(float("nan")),
            infinite=proposal(float("inf")),
            out_of_range=proposal(1.5),
            too_many=proposal(reasons=["r"] * 101),
            too_long=proposal(reasons=["r" * 1001]),
        )


@attrs.define(slots=False)
class Guard(Faulty, Modulator):
    def modulate(self, proposal, decision, context):
        return self.answer(
            decision,
            too_many=FinalDecision(Action.ACT, True, ["r"] * 101),
            too_long=FinalDecision(Action.ACT, True, ["r"], None, None, None, {"p": "p" * 1001}),
        )


@attrs.define(slots=False)
class Hands(Faulty, Broker):
    asked: int = attrs.field(init=False, default=0)

    def execute(self, order):
        self.asked += 1
        return self.answer(
            Receipt("done"),
            nan=Receipt("retry", "rate_limited", float("nan")),
            infinite=Receipt("retry", "rate_limited", float("inf")),
            too_long=Receipt("done", reference="r" * 1001),
        )


@attrs.define(slots=False)
class Sink(Faulty, TraceSink):
    def write(self, record):
        self.answer(None)


@attrs.define(slots=False)
class Hider(Faulty, Redactor):
    def redact(self, data):
        return self.answer(dict(data)) if "step" in data and "input" in data else dict(data)


@attrs.define(slots=False)
class Watcher(Faulty, Observer):
    seen: int = attrs.field(init=False, default=0)

    def on_decision(self, packet):
        self.seen += 1
        self.answer(None)


@hookimpl
def mdm_register_data_sources(register):
    register("source", Source)


@hookimpl
def mdm_register_feature_extractors(register):
    register("features", Features)


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
    register("sink", Sink)


@hookimpl
def mdm_register_redactors(register):
    register("hider", Hider)


@hookimpl
def mdm_register_observers(register):
    register("watcher", Watcher)
'''

PIPELINE = """\
[pipeline]
key = "k"
timestamp = "t"
group = 1
max_features = 100
max_text = 1000
[execution]
attempts = 1
attempt_timeout_ms = 50
[source]
use = "faulty.source"
[features]
use = "faulty.features"
timeout_ms = 50
[model]
use = "faulty.model"
timeout_ms = 50
[[modulators]]
use = "faulty.guard"
timeout_ms = 50
[broker]
use = "faulty.hands"
[redaction]
use = "faulty.hider"
timeout_ms = 50
[[trace]]
use = "toy.lines"
[[trace]]
use = "toy.audit"
[[trace]]
use = "faulty.sink"
timeout_ms = 50
[[observers]]
use = "faulty.watcher"
timeout_ms = 50
"""

SECTION = {
    "features": "features",
    "model": "model",
    "modulator": "modulators.1",
    "broker": "broker",
    "source": "source",
    "trace sink": "trace.3",
    "redactor": "redaction",
    "observer": "observers.1",
}
DECIDING = ("features", "model", "modulator")
CELLS = [(kind, fault) for kind in KINDS for fault in CODES[kind]]


@attrs.define
class Ended:
    """A run that has ended, and what it left."""

    run: Run
    summary: Summary

    @property
    def directory(self) -> Path:
        return self.run.runs_dir / self.run.run_id

    @property
    def packets(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "traces.jsonl").read_text().splitlines()]

    @property
    def orders(self) -> int:
        assert self.run.plan.broker is not None
        return self.run.plan.broker.component.asked  # type: ignore[attr-defined, no-any-return]

    def written(self) -> str:
        files = [path for path in self.directory.rglob("*") if path.is_file()]
        return "".join(path.read_bytes().decode(errors="backslashreplace") for path in files)


Provoke = Callable[[str, str], Ended]


@pytest.fixture
def provoke(toy: Path, install: Callable[..., Path], write_pipeline: Callable[[str], Path], tmp_path: Path) -> Provoke:
    """Run nine events, the fifth call of one component being faulty."""
    assert toy == install("faulty", {"faulty_plugin": PLUGIN})

    def run(kind: str, fault: str) -> Ended:
        made = Run.from_config(write_pipeline(PIPELINE), [f'{SECTION[kind]}.fault="{fault}"'], runs_dir=tmp_path / "r")
        ended = Ended(made, made.run())
        assert "canary" not in ended.written().replace('"fault": "canary"', "")
        return ended

    return run


# A model that recurses may end in a callback of hypothesis's own, which counts what the garbage collector does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestDeciding:
    @pytest.mark.parametrize(("kind", "fault"), [cell for cell in CELLS if cell[0] in DECIDING])
    def test_it_fails_closed_and_the_next_event_is_decided(self, provoke: Provoke, kind: str, fault: str) -> None:
        """HOLD, not allowed, with a stable flag and reason code; every other event is acted upon."""
        ended = provoke(kind, fault)
        code = CODES[kind][fault]
        packet = ended.packets.pop(FAULTY)
        assert {"action": "HOLD", "allowed": False, "reasons": [code], "params": {}} == packet["final_action"]
        assert ([f"{kind}_error"], [code]) == (packet["mismatch"]["flags"], packet["mismatch"]["reason_codes"])
        assert packet["external"]["mdm.fail_closed"] is True
        others = [p for p in ended.packets if p["step"] != FAULTY]
        assert [("ACT", "done")] * (EVENTS - 1) == [
            (p["final_action"]["action"], p["external"]["exec.status"]) for p in others
        ]
        assert ("done", 1, {code: 1}) == (ended.summary.status, ended.summary.failed_closed, ended.summary.errors)

    @pytest.mark.parametrize("fault", [fault for kind, fault in HARMLESS if kind == "features"])
    def test_a_number_that_is_none(self, provoke: Provoke, fault: str) -> None:
        """A feature that is no finite number is None, and the decision goes on."""
        ended = provoke("features", fault)
        assert {"x": FAULTY, "y": None} == ended.packets[FAULTY]["mdm"]["features"]
        assert (EVENTS, 0) == (ended.orders, ended.summary.failed_closed)


class TestBroker:
    @pytest.mark.parametrize("fault", CODES["broker"])
    def test_nobody_knows_what_happened(self, provoke: Provoke, fault: str) -> None:
        """The receipt is unknown, the decision stands, and the next order is carried out."""
        ended = provoke("broker", fault)
        statuses = [packet["external"]["exec.status"] for packet in ended.packets]
        assert ["done"] * FAULTY + ["unknown"] + ["done"] * (EVENTS - FAULTY - 1) == statuses
        packet = ended.packets[FAULTY]
        assert ("ACT", True) == (packet["final_action"]["action"], packet["final_action"]["allowed"])
        assert packet["external"]["exec.fail_closed"] is True
        assert "mdm.fail_closed" not in packet["external"]
        assert ("done", {CODES["broker"][fault]: 1}) == (ended.summary.status, ended.summary.errors)
        assert {"done": EVENTS - 1, "unknown": 1} == ended.summary.executions


class TestSource:
    @pytest.mark.parametrize("fault", CODES["source"])
    def test_the_run_ends(self, provoke: Provoke, fault: str) -> None:
        """What came before is decided, acted upon and recorded; exit code 1."""
        ended = provoke("source", fault)
        assert ("failed", 1, {CODES["source"][fault]: 1}) == (
            ended.summary.status,
            ended.summary.exit_code,
            ended.summary.errors,
        )
        assert FAULTY == len(ended.packets) == ended.orders

    def test_one_that_hangs(self, provoke: Provoke) -> None:
        """It is waited for, until the operator ends the run."""
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        ended = provoke("source", "hangs")
        assert ("stopped", "SIGINT received") == (ended.summary.status, ended.summary.reason)
        assert FAULTY == len(ended.packets) == ended.orders


class TestTraceSink:
    @pytest.mark.parametrize("fault", CODES["trace sink"])
    def test_nothing_is_done_any_more(self, provoke: Provoke, fault: str) -> None:
        """What cannot be recorded is the last that was acted upon; exit code 1."""
        ended = provoke("trace sink", fault)
        assert ("failed", 1, {CODES["trace sink"][fault]: 1}) == (
            ended.summary.status,
            ended.summary.exit_code,
            ended.summary.errors,
        )
        assert FAULTY + 1 == ended.orders


class TestRedactor:
    @pytest.mark.parametrize("fault", CODES["redactor"])
    def test_the_payload_is_replaced(self, provoke: Provoke, fault: str) -> None:
        """What could not be redacted is not written; everything goes on."""
        ended = provoke("redactor", fault)
        packet = ended.packets[FAULTY]
        assert {"redaction": FAILED} == packet["input"]
        assert ("done", {CODES["redactor"][fault]: 1}) == (ended.summary.status, ended.summary.errors)
        assert (1, EVENTS) == (ended.summary.redaction_failures, ended.orders)
        assert [n for n in range(EVENTS) if n != FAULTY] == [
            p["input"]["x"] for p in ended.packets if p["step"] != FAULTY
        ]


class TestObserver:
    @pytest.mark.parametrize("fault", CODES["observer"])
    def test_it_is_dropped(self, provoke: Provoke, fault: str) -> None:
        """It is told no more, and nothing else changes."""
        ended = provoke("observer", fault)
        seen: int = ended.run.plan.observers[0].component.seen  # type: ignore[attr-defined]
        assert FAULTY + 1 == seen
        assert ("done", {CODES["observer"][fault]: 1}) == (ended.summary.status, ended.summary.errors)
        assert EVENTS == len(ended.packets) == ended.orders


class TestTable:
    def test_it_has_a_cell_for_everything(self) -> None:
        """One row per fault and one column per kind, and what stands in a cell is what the tests above expect."""
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table()]
        assert [*KINDS] == rows[0][1:]
        assert [*EFFECTS.values()] == [cell.strip("*") for cell in rows[2][1:]]
        assert [*FAULTS.values()] == [row[0] for row in rows[3:]]
        cells = {(k, f): row[n] for f, row in zip(FAULTS, rows[3:], strict=True) for n, k in enumerate(KINDS, 1)}
        codes = {cell: text for cell, text in cells.items() if text.startswith("`")}
        assert {(kind, fault): f"`{CODES[kind][fault]}`" for kind, fault in CELLS} == codes
        assert dict(HARMLESS) == {cell: text for cell, text in cells.items() if text and cell not in codes}
