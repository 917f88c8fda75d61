"""Components in a process of their own, with real processes that hang, crash and end."""

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mdm_core import (
    Action,
    Build,
    Commanded,
    ConfigError,
    Decision,
    Executed,
    Order,
    Pipeline,
    Receipt,
    Run,
    Settled,
)
from mdm_core.channel import Start
from mdm_core.failures import ProcessDied
from mdm_core.isolation import Isolation
from mdm_core.lifecycle import with_children

# Generous, because the machine may be busy; what hangs would do so for a minute.
LIMIT_MS, SOON_S = 500, 30

PLUGIN = '''\
"""Components that do what no time limit in their own process can break off, when the event asks for it."""

import ctypes
import os
import re
import signal
import sys
import time
from pathlib import Path

import attrs
from mdm_core import (
    Action, Broker, ConfigError, FeatureExtractor, FinalDecision, MismatchInfo, Modulator, Observer, Proposal,
    ProposalModel, Receipt, Redactor, StageError, TraceSink, component, hookimpl, keyed_state, option,
)


def misbehave(how):
    if how == "hangs":
        ctypes.PyDLL(None).sleep(60)  # which keeps every other thread of the process waiting, too
    elif how == "backtracks":
        re.match("(a+)+$", "a" * 60 + "b")
    elif how == "segfaults":
        ctypes.string_at(0)
    elif how == "exits":
        os._exit(3)
    elif how == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "raises":
        return 1 / 0
    elif how == "fails":
        raise StageError("native_error", "Hidden")
    elif how == "exits in Python":
        sys.exit("canary")
    elif how == "prints":
        print("printed")
        os.write(1, b"written\\n")
        os.system("echo by a program")
    elif how == "reads":
        input()
    elif how == "terminates":
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    elif how == "forks":
        os.fork()
    elif how == "leaves a copy":
        if os.fork() == 0:
            time.sleep(60)
    elif how == "says so and hangs":
        print("it hangs", flush=True)
        misbehave("hangs")


class Native:
    def open(self, build):
        path = build.base_dir / "opened"
        if f" {self.component_id}\\n" in (path.read_text() if path.exists() else ""):  # it is started once more
            time.sleep(float(os.environ.get("RESTART_S", 0)))
        with path.open("a") as file:
            file.write(f"{os.getpid()} {self.component_id}\\n")


@attrs.define
class Seen:
    count: int = 0
    total: float = 0.0


@attrs.define(slots=False)
class Memory(Native, FeatureExtractor):
    """Counts and adds up per key, and over all."""

    max_keys: int = option(100, help="keys remembered")
    states = keyed_state(Seen, max_keys="max_keys")

    def extract(self, event, context):
        mine = self.states.peek(context.key) if event.get("peek") else self.states[context.key]
        all_of_them = self.states[None]
        mine.count += 1
        all_of_them.total += event.get("x", 0.1)
        context["native.seen"] = [mine.count]
        context["native.at"] = context.pop("now_ms", None)
        misbehave(event.get("features"))
        if event.get("stranger"):
            self.states["somebody else"].count += 1
        return {"x": event.get("x", 0.1), "seen": mine.count, "total": all_of_them.total, **event.get("more", {})}


@attrs.define(slots=False)
class Model(Native, ProposalModel):
    """Draws, and knows how often its key was decided about."""

    states = keyed_state(Seen)
    twice: bool = option(False, help="draw twice")

    def propose(self, features, context):
        misbehave(features.get("model"))
        known = self.states.peek(context.key)
        draw = context.random.random()
        wanted = {"unpicklable": lambda: 0, "large": b"x" * (65 << 20)}.get(features.get("answer"), {})
        if wanted:
            return Proposal(Action.ACT, draw, ["drawn"], {"it": wanted})
        if features.get("answer") == "none":
            return None
        return Proposal(Action.ACT, draw, ["drawn"], {"known": known.count if known else 0})

    def observe(self, fact):
        order = getattr(fact, "order", None)
        context = getattr(fact, "context", None)
        if order is not None and (state := self.states.peek(order.key)) is not None:
            state.total += getattr(fact, "latency_ms", 0.5)
        elif context is not None:
            context["native.learned"] = context.random.random()
            self.states[context.key].count += 1
            misbehave(context.features.get("observe"))
        elif getattr(fact, "name", "") == "stop":
            self.states[None].count += 1


@attrs.define(slots=False)
class Around(Native, ProposalModel):
    """Passes on what the model inside proposes."""

    notice = ""
    model: ProposalModel = component(help="the model inside")
    states = keyed_state(Seen)

    def open(self, build):
        super().open(build)
        self.notice = f"around {self.model.component_id}"

    def propose(self, features, context):
        self.states[context.key]
        return self.model.propose(features, context)

    def observe(self, fact):
        self.states[None].count += 1
        context = getattr(fact, "context", None)
        if context is not None:
            context["native.drawn_after"] = context.random.random()


@attrs.define(slots=False)
class Guard(Native, Modulator):
    """Denies what is below a share of confidence, in words of its own."""

    share: float = option(0.3, help="the share")

    def modulate(self, proposal, decision, context):
        misbehave(context.features.get("guard"))
        if context["native.seen"] == [3]:
            return FinalDecision(Action.ACT, True, ["third"], MismatchInfo([], ["guard:third"]), None, None, {"n": 3})
        if proposal.confidence >= self.share:
            return decision
        return FinalDecision(Action.HOLD, False, ["low"], MismatchInfo(["low"], ["low:share"]), None, None, {})


@attrs.define(slots=False)
class Hands(Native, Broker):
    """Answers at once, or later, or not at all, by the order's features."""

    idempotent = True
    token: str = option("", secret=True, help="a secret")
    pending: list = attrs.field(init=False, factory=list)

    def execute(self, order):
        misbehave(order.features.get("broker"))
        if order.features.get("later"):
            self.pending.append(order.idempotency_key)
            return Receipt("pending")
        return Receipt("done", reference=f"{self.token[:1]}{order.params}")

    def poll(self):
        for key in self.pending:
            yield key, Receipt("done", reference="polled")
            if key == "bad":
                raise ZeroDivisionError
        self.pending.clear()

    def resolve(self, idempotency_key):
        return Receipt("done", reference="resolved")


@attrs.define(slots=False)
class Lines(Native, TraceSink):
    """Writes what it gets into a file of the run's directory."""

    def open(self, build):
        super().open(build)
        self.file = (build.run_dir / "native.txt").open("a")

    def write(self, record):
        misbehave(record["input"].get("trace"))
        self.file.write(f"{record['step']} {record['final_action']['action']}\\n")

    def flush(self, durable=False):
        self.file.flush()

    def close(self):
        self.file.write("closed\\n")
        self.file.close()


@attrs.define(slots=False)
class Hide(Native, Redactor):
    """Hides one key by name."""

    def redact(self, data):
        misbehave(data.get("input", {}).get("redaction"))
        return {k: "[REDACTED]" if k == "hidden" else self.redact(v) if isinstance(v, dict) else v
                for k, v in data.items()}


@attrs.define(slots=False)
class HideByKey(Hide):
    """The same, and says so key by key."""

    def hides(self, key):
        return key == "hidden"


@attrs.define(slots=False)
class Watch(Native, Observer):
    """Counts what it is told."""

    seen: dict = attrs.field(init=False, factory=dict)

    def tell(self, what):
        self.seen[what] = self.seen.get(what, 0) + 1

    def on_decision(self, packet):
        self.tell("decisions")
        misbehave(packet["input"].get("observer"))

    def on_error(self, failure):
        self.tell("errors")

    def on_run_end(self, summary):
        return self.seen


@attrs.define(slots=False)
class Broken(ProposalModel):
    """Cannot be opened."""

    how: str = option("", help="how it fails")

    def open(self, build):
        if self.how == "config":
            raise ConfigError(["the first thing; mend it", "the second thing; mend it"])
        if self.how:
            misbehave(self.how)
            raise ValueError("no such model")

    def propose(self, features, context):
        return Proposal(Action.HOLD, 1.0)


@hookimpl
def mdm_register_feature_extractors(register):
    register("memory", Memory)


@hookimpl
def mdm_register_proposal_models(register):
    register("model", Model)
    register("around", Around)
    register("broken", Broken)


@hookimpl
def mdm_register_modulators(register):
    register("guard", Guard)


@hookimpl
def mdm_register_brokers(register):
    register("hands", Hands)


@hookimpl
def mdm_register_trace_sinks(register):
    register("lines", Lines)


@hookimpl
def mdm_register_redactors(register):
    register("hide", Hide)
    register("hide_by_key", HideByKey)


@hookimpl
def mdm_register_observers(register):
    register("watch", Watch)
'''

PIPELINE = """\
[pipeline]
key = "k"
timestamp = "t"
group = 1
[features]
use = "native.memory"
[model]
use = "native.around"
[model.model]
use = "native.model"
[[modulators]]
use = "native.guard"
"""

RUN = f"""\
{PIPELINE}
[execution]
attempts = 1
attempt_timeout_ms = {LIMIT_MS}
[source]
use = "toy.events"
events = [
    {{ k = "a", t = 1, hidden = "h", more = {{ later = true }} }},
    {{ k = "b", t = 2 }},
    {{ k = "a", t = 3 }},
    {{ k = "b", t = 4, model = "x", more = {{ model = "raises" }} }},
    {{ k = "a", t = 5 }},
]
[broker]
use = "native.hands"
[redaction]
use = "native.hide"
[[trace]]
use = "toy.lines"
[[trace]]
use = "native.lines"
[[observers]]
use = "native.watch"
"""

ALL = ("features", "model", "modulators.1", "broker", "redaction", "trace.2", "observers.1")
Decide = Callable[..., Decision]


@pytest.fixture
def native(toy: Path, install: Callable[..., Path]) -> Path:
    """The plugin ``native`` beside ``toy``, installed."""
    assert toy == install("native", {"native_plugin": PLUGIN})
    return toy


@pytest.fixture
def pipeline(native: Path, write_pipeline: Callable[[str], Path]) -> Iterator[Callable[..., Pipeline]]:
    """Open pipelines, in which the sections named are isolated; they are closed at the end."""
    assert native.is_dir()
    opened: list[Pipeline] = []

    def make(*isolated: str, **options: Any) -> Pipeline:
        overrides = [f"{name}={json.dumps(value)}" for name, value in options.items()]
        made = Pipeline.from_config(write_pipeline(PIPELINE), [*_isolated(*isolated), *overrides])
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.close()


def _isolated(*sections: str) -> list[str]:
    return [f'{section}.isolate="process"' for section in sections]


def event(step: int, key: str = "a", **fields: Any) -> dict[str, Any]:
    return {"k": key, "t": step * 1000, **fields}


def asking(step: int, what: str, how: str) -> dict[str, Any]:
    """An event at which a component is asked to misbehave."""
    return event(step, **({"features": how} if what == "features" else {"more": {what: how}}))


def steady(decision: Decision) -> dict[str, Any]:
    """A packet without what differs between two runs."""
    packet = decision.packet().to_dict()
    external = {name: value for name, value in packet["external"].items() if name != "mdm.latency_us"}
    return {**packet, "external": [*external.items()], "latency_ms": 0}


def snapshots(pipeline: Pipeline) -> list[tuple[str, bytes]]:
    return [(name, state.snapshot()) for name, state in pipeline.states()]


def isolation_of(component: Any) -> Isolation:
    """What isolates a component."""
    isolation: Isolation = component.open.func.__self__
    return isolation


def process_of(component: Any) -> int:
    """The number of the process of an isolated component."""
    isolation = isolation_of(component)
    assert isolation._process is not None
    return isolation._process._child.pid


def is_running(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def soon(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold."""
    end = time.monotonic() + SOON_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def facts(decision: Decision, seq: int) -> Iterator[Executed | Settled | Commanded]:
    """What may be learned after a decision."""
    final, context = decision.final, decision.context
    order = Order(final.action, final.params or {}, context.key, decision.features, f"key {decision.step}")
    yield Executed(seq + 1, Receipt("failed", "error"), order, 1, 1.25, None)
    yield Settled(seq + 2, order, "failed", None)
    yield Commanded(seq + 3, "stop", "", "me", None)
    yield Commanded(seq + 4, "release", "", "me", None)


EVENTS = [
    event(1, "a"),
    event(2, "b", x=0.25),
    event(3, "a", x=0.7, peek=True),
    event(4, "a", x=0.7),
    event(5, "c"),
    event(6, "a", features="raises"),
    event(6, "d"),
    event(7, "b", more={"model": "raises"}),
    event(8, "b", more={"model": "fails"}),
    event(9, "c", more={"guard": "exits in Python"}),
    event(10, "a", more={"answer": "none"}),
    event(11, "a", x=float("nan")),
    event(12, "e", more={"observe": "raises"}),
    event(13, "b"),
    event(14, "b", more={"text": "ö\ud800", "none": None, "truth": True}),
    event(15, "b", features="fails"),
    event(16, "a"),
]


class TestSameDecision:
    @pytest.mark.parametrize("isolated", [("features",), ("model",), ("modulators.1",), ALL[:3]], ids="+".join)
    def test_packets_failures_and_states_are_the_same(
        self, pipeline: Callable[..., Pipeline], isolated: tuple[str, ...]
    ) -> None:
        """What is decided, drawn, learned, forgotten, and told of failures is the same as in one process."""
        here, apart = (pipeline(*sections, **{"features.max_keys": 2}) for sections in ((), isolated))
        for number, about in enumerate(EVENTS):
            decided = [each.decide(dict(about), {"given": [number]}) for each in (here, apart)]
            assert steady(decided[0]) == steady(decided[1])
            assert decided[0].failure == decided[1].failure
            learned = [
                [p.observe(f) for f in facts(d, 4 * number)] for p, d in zip((here, apart), decided, strict=True)
            ]
            assert learned[0] == learned[1]
            assert snapshots(here) == snapshots(apart)
        native = {"0.native.memory.states", "1.native.model.states", "2.native.around.states"}
        assert native <= {name for name, _ in snapshots(apart)}
        assert {"0.native.memory.states": 8} == {name: s.evicted for name, s in apart.states() if s.evicted}

    def test_there_was_something_to_compare(self, pipeline: Callable[..., Pipeline]) -> None:
        """The events above bring about actions, denials, changes and failures in every stage."""
        here = pipeline(**{"features.max_keys": 2})
        decided = [here.decide(about) for about in EVENTS]
        reasons = {reason for d in decided for reason in d.final.reasons}
        codes = {"features_error:ZeroDivisionError", "model_error:ZeroDivisionError", "native_error:Hidden"}
        codes |= {"modulator_error:SystemExit", "model_error:ContractError", "observe_error:ZeroDivisionError"}
        assert {"drawn", "low", "third", *codes} == reasons
        assert {"native_plugin.py"} == {
            d.failure.place.partition(":")[0] for d in decided if d.failure and d.failure.error == "ZeroDivisionError"
        }

    def test_a_run_leaves_the_same(self, native: Path, write_pipeline: Callable[[str], Path], tmp_path: Path) -> None:
        """With every component isolated, a run acts, records, redacts and counts as it does in one process."""
        left = []
        for name, sections in (("here", ()), ("apart", ALL)):
            summary = Run.from_config(
                write_pipeline(RUN), _isolated(*sections), run_id=name, runs_dir=tmp_path / "runs"
            ).run()
            directory = tmp_path / "runs" / name
            packets = [json.loads(line) for line in (directory / "traces.jsonl").read_text().splitlines()]
            for packet in packets:
                kept = {k: v for k, v in packet["external"].items() if "latency" not in k and k != "run_id"}
                packet |= {"external": kept, "run_id": "", "latency_ms": 0}
            counts = (summary.status, summary.executions, summary.errors, summary.findings, summary.denied)
            left.append((packets, counts, (directory / "native.txt").read_text()))
        assert left[0] == left[1]
        packets, (status, executions, errors, findings, _), lines = left[1]
        assert ("done", {"model_error:ZeroDivisionError": 1}) == (status, errors)
        assert sum(executions.values()) >= 1
        assert {"native.watch": {"decisions": 5, "errors": 1}} == findings
        assert "[REDACTED]" == packets[0]["input"]["hidden"]
        assert "closed" == lines.splitlines()[-1]

    def test_notices_and_open_happen_in_the_process_alone(
        self, pipeline: Callable[..., Pipeline], tmp_path: Path
    ) -> None:
        """What the user must know is said; and what is isolated is opened in its own process alone."""
        made = pipeline("model")
        assert "around native.model" == made.model.notice
        opened = [line.split() for line in (tmp_path / "opened").read_text().splitlines()]
        here, there = str(os.getpid()), str(process_of(made.model))
        assert [
            [here, "native.memory"],
            [there, "native.model"],
            [there, "native.around"],
            [here, "native.guard"],
        ] == opened


class TestHangs:
    @pytest.mark.parametrize("how", ["hangs", "backtracks"])
    @pytest.mark.parametrize(("section", "what"), [("features", "features"), ("modulators.1", "guard")])
    def test_it_is_killed_in_time(self, pipeline: Callable[..., Pipeline], section: str, what: str, how: str) -> None:
        """What no bytecode ends costs its time limit, the event leaves no mark, and the next is decided as ever."""
        made = pipeline(section, **{f"{section}.timeout_ms": LIMIT_MS})
        made.decide(event(1))
        before = made.features[0].states.export("a")  # type: ignore[attr-defined]
        began = time.monotonic()
        failed = made.decide(asking(2, what, how))
        assert time.monotonic() - began < SOON_S
        assert [{"guard": "modulator"}.get(what, what) + "_timeout"] == failed.final.reasons
        assert before == made.features[0].states.export("a")  # type: ignore[attr-defined]
        again = made.decide(event(3))
        assert (None, 2) == (again.failure, again.features["seen"])

    @pytest.mark.parametrize("what", ["model", "observe"])
    def test_one_that_also_learns(self, pipeline: Callable[..., Pipeline], tmp_path: Path, what: str) -> None:
        """What it was to learn when it was killed, it has not learned; from all else it learns, in one new process."""
        made = pipeline("model", **{"model.timeout_ms": LIMIT_MS})
        decided = [made.decide(about) for about in (event(1), asking(2, what, "hangs"), event(3))]
        assert [None, f"{what}_timeout", None] == [d.failure.reason_code if d.failure else None for d in decided]
        inner, outer = (part.states for part in with_children(made.model))  # type: ignore[attr-defined]
        assert (2 if what == "observe" else 3, 3) == (inner.peek("a").count, outer.peek(None).count)
        opened = [line.split() for line in (tmp_path / "opened").read_text().splitlines()]
        assert 2 == len({process for process, name in opened if name == "native.around"})

    def test_in_a_thread_that_no_signal_reaches(self, pipeline: Callable[..., Pipeline]) -> None:
        """In another thread than the main one a process is killed in time as well."""
        found: list[tuple[float, list[str]]] = []

        def decide() -> None:
            made = pipeline("modulators.1", **{"modulators.1.timeout_ms": LIMIT_MS})
            for step, about in enumerate([event(1), asking(2, "guard", "hangs"), event(3)]):
                began = time.monotonic()
                decision = made.decide(about)
                found.append(((time.monotonic() - began) * (step == 1), decision.final.reasons))

        thread = threading.Thread(target=decide)
        thread.start()
        thread.join()
        assert ["modulator_timeout"] == found[1][1]
        assert found[1][0] < SOON_S
        assert found[2][1] in (["drawn"], ["low"])

    def test_a_whole_decision(self, pipeline: Callable[..., Pipeline]) -> None:
        """The limit of a whole decision ends a call in a process, too."""
        made = pipeline("modulators.1", **{"pipeline.timeout_ms": 2 * LIMIT_MS})
        assert ["decision_timeout"] == made.decide(asking(1, "guard", "hangs")).final.reasons
        assert made.decide(event(2)).failure is None

    def test_a_copy_of_it_ends_with_it(self, pipeline: Callable[..., Pipeline]) -> None:
        """A copy that a component has made of its process is killed with it and keeps nobody waiting."""
        made = pipeline("model")
        made.decide(asking(1, "model", "leaves a copy"))
        group = process_of(made.model)
        assert 2 == len(_group(group))
        began = time.monotonic()
        assert ["model_error:ProcessDied"] == made.decide(asking(2, "model", "segfaults")).final.reasons
        assert time.monotonic() - began < SOON_S
        assert soon(lambda: not _group(group))


def _group(number: int) -> list[str]:
    stats = [path.read_text().rpartition(")")[2].split() for path in _readable("/proc/[0-9]*/stat")]
    return [stat[0] for stat in stats if stat[2] == str(number) and stat[0] != "Z"]


def _readable(pattern: str) -> Iterator[Path]:
    for path in Path("/").glob(pattern.lstrip("/")):
        if path.exists():
            yield path


class TestDies:
    @pytest.mark.parametrize(
        ("what", "how"),
        [("features", "segfaults"), ("model", "exits"), ("guard", "is killed"), ("observe", "segfaults")],
    )
    def test_it_fails_closed_and_is_started_again(self, pipeline: Callable[..., Pipeline], what: str, how: str) -> None:
        """A process that ends fails one decision closed, takes no state with it, and is there for the next event."""
        section = {"features": "features", "guard": "modulators.1"}.get(what, "model")
        made = pipeline(section)
        made.decide(event(1))
        before = dict(snapshots(made))
        failed = made.decide(asking(2, what, how))
        stage = {"guard": "modulator"}.get(what, what)
        assert ([f"{stage}_error:ProcessDied"], "ProcessDied") == (
            failed.final.reasons,
            failed.failure.error if failed.failure else "",
        )
        if what in ("features", "observe"):
            name = {"features": "0.native.memory.states", "observe": "1.native.model.states"}[what]
            assert before[name] == dict(snapshots(made))[name]
        again = made.decide(event(3))
        assert (None, 2 if what == "features" else 3) == (again.failure, again.features["seen"])

    def test_how_it_died_is_logged(self, pipeline: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture) -> None:
        """Which component's process ended, and by which signal or exit code, stands in the log."""
        made = pipeline("model")
        made.decide(asking(1, "model", "segfaults"))
        made.decide(asking(2, "model", "exits"))
        said = [record.getMessage() for record in caplog.records if record.name == "mdm.isolation"]
        assert [
            f"native.around: its process ended: {how}" for how in ("signal 11 (Segmentation fault)", "exit code 3")
        ] == said

    def test_it_may_die_again_and_again(self, pipeline: Callable[..., Pipeline]) -> None:
        """Twenty processes later there is no zombie, no file left open, and the state is what it should be."""
        made = pipeline("features", **{"pipeline.switch_off_after": 100})
        made.decide(event(0))
        files, children = len(os.listdir("/proc/self/fd")), _children()
        for step in range(1, 21):
            assert ["features_error:ProcessDied"] == made.decide(asking(step, "features", "exits")).final.reasons
        assert 2 == made.decide(event(21)).features["seen"]
        assert (files, len(children)) == (len(os.listdir("/proc/self/fd")), len(_children()))
        made.close()
        assert len(children) - 1 == len(_children())

    def test_too_often(self, pipeline: Callable[..., Pipeline]) -> None:
        """After several deaths in a row it is left out for a while, as after time-outs; starting it takes its time."""
        made = pipeline("model", **{"pipeline.switch_off_after": 2, "pipeline.switch_off_for": 2})
        dead, off = ["model_error:ProcessDied"], ["model_switched_off"]
        decided = [made.decide(asking(step, "model", "exits")).final.reasons for step in range(5)]
        assert [dead, dead, off, off, dead] == decided
        assert made.decide(event(6)).failure is None
        assert made.limits is not None
        assert [0, 2, 0] == [overrun.off_for for overrun in made.limits.overruns]

    def test_without_time_limits_only_what_may_die_is_watched(self, pipeline: Callable[..., Pipeline]) -> None:
        """What runs in the run's own process is called as it is."""
        made = pipeline("modulators.1")
        assert made.model.propose == made.main._propose
        (guard, _) = made.main._modulate[0]
        assert guard != made.modulators[0].modulate

    def test_between_two_calls(self, pipeline: Callable[..., Pipeline]) -> None:
        """One that is killed while nobody asks it fails the next decision, and no more."""
        made = pipeline("model")
        made.decide(event(1))
        os.kill(process_of(made.model), signal.SIGKILL)
        assert ["model_error:ProcessDied"] == made.decide(event(2)).final.reasons
        assert made.decide(event(3)).failure is None


def _children() -> list[str]:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()


class TestAnswers:
    @pytest.mark.parametrize("answer", ["unpicklable", "large"])
    def test_what_cannot_be_brought_over(self, pipeline: Callable[..., Pipeline], answer: str) -> None:
        """An answer that cannot be pickled or is beyond all measure breaks the contract, and ends nothing."""
        made = pipeline("model")
        process = process_of(made.model)
        failed = made.decide(asking(1, "answer", answer))
        assert ["model_error:ContractError"] == failed.final.reasons
        assert made.decide(event(2)).failure is None
        assert process == process_of(made.model)

    def test_what_cannot_be_sent(self, pipeline: Callable[..., Pipeline]) -> None:
        """A value that the caller gave and that cannot be pickled fails the decision closed, and ends nothing."""
        made = pipeline("modulators.1")
        process = process_of(made.modulators[0])
        failed = made.decide(event(1, x=1.0), {"given": lambda: 0})
        assert failed.failure is not None
        assert "modulator" == failed.failure.stage
        assert made.decide(event(2)).failure is None
        assert process == process_of(made.modulators[0])

    def test_the_state_of_another_key(self, pipeline: Callable[..., Pipeline]) -> None:
        """A component that uses the state of another key is refused, because it would not be kept."""
        made = pipeline("features")
        assert ["features_error:ContractError"] == made.decide(event(1, stranger=True)).final.reasons

    def test_the_answer_of_a_copy(self, pipeline: Callable[..., Pipeline]) -> None:
        """When a component forks, what the copy answers is not taken for the answer to a later call."""
        made = pipeline("modulators.1")
        channel = isolation_of(made.modulators[0])._process._channel  # type: ignore[union-attr]
        decided = [made.decide(asking(0, "guard", "forks"))]
        assert soon(lambda: bool(channel._received or select.select([channel._end], [], [], 0)[0]))
        decided += [made.decide(event(step)) for step in range(1, 4)]
        assert [None, "ProcessDied", None, None] == [d.failure.error if d.failure else None for d in decided]

    def test_it_cannot_write_where_data_goes(self, native: Path, pipeline: Callable[..., Pipeline]) -> None:
        """What a component prints goes to standard error, by whatever way it prints, and it has nothing to read."""
        code = (
            "import json; from mdm_core import Pipeline; p = Pipeline.from_config('pipeline.toml', "
            "['model.isolate=\"process\"'])\n"
            "for how in ('reads', 'prints'):\n"
            "    print(p.decide({'k': 'a', 't': 1, 'more': {'model': how}}).final.reasons[0])\n"
            "p.close()"
        )
        pipeline()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": ""}
        ran = subprocess.run(
            [sys.executable, "-S", "-c", code],
            cwd=native.parent,
            env=environment,
            input="x\n",
            capture_output=True,
            text=True,
            check=True,
        )
        refused, decided = ran.stdout.splitlines()
        assert "model_error:EOFError" == refused
        assert decided in ("drawn", "low")
        assert {"printed", "written", "by a program"} == set(ran.stderr.splitlines())


class TestKinds:
    """What is no part of deciding: broker, trace sink, redactor and observer."""

    @pytest.fixture
    def run(
        self,
        native: Path,
        write_pipeline: Callable[[str], Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Callable[..., Run]:
        """Make a run with one section isolated, whose third event asks for something; to start again takes long."""

        monkeypatch.setenv("RESTART_S", str(1.2 * LIMIT_MS / 1000))

        def make(section: str, more: str, *overrides: str) -> Run:
            text = RUN.replace('{ k = "a", t = 3 }', f'{{ k = "a", t = 3, {more} }}')
            path = write_pipeline(text)
            return Run.from_config(path, [*_isolated(section), *overrides], run_id="r", runs_dir=tmp_path / "runs")

        return make

    @pytest.mark.parametrize(("how", "code"), [("hangs", "broker_timeout"), ("segfaults", "broker_error:ProcessDied")])
    def test_broker(self, run: Callable[..., Run], how: str, code: str) -> None:
        """Nobody knows what became of the order, so a broker that can tell is asked; the next is carried out."""
        made = run(
            "broker", f'more = {{ broker = "{how}" }}', "modulators.1.share=0.0", "execution.total_timeout_ms=9000"
        )
        summary = made.run()
        assert {code: 1, "model_error:ZeroDivisionError": 1} == summary.errors
        assert {"done": 4} == summary.executions

    @pytest.mark.parametrize(("how", "code"), [("hangs", "trace_timeout"), ("exits", "trace_error:ProcessDied")])
    def test_trace_sink(self, run: Callable[..., Run], tmp_path: Path, how: str, code: str) -> None:
        """The run ends, exit code 1, and what was written before is there."""
        summary = run("trace.2", f'trace = "{how}"', f"trace.2.timeout_ms={LIMIT_MS}").run()
        assert ("failed", 1, 1) == (summary.status, summary.exit_code, summary.errors[code])

    @pytest.mark.parametrize(
        ("how", "code"), [("hangs", "redaction_timeout"), ("segfaults", "redaction_error:ProcessDied")]
    )
    def test_redactor(self, run: Callable[..., Run], tmp_path: Path, how: str, code: str) -> None:
        """The payload is replaced, and the next is redacted again."""
        summary = run("redaction", f'redaction = "{how}", hidden = "canary"', f"redaction.timeout_ms={LIMIT_MS}").run()
        assert ("done", 1, 1) == (summary.status, summary.redaction_failures, summary.errors[code])
        traces = (tmp_path / "runs" / "r" / "traces.jsonl").read_text()
        assert "canary" not in traces
        assert 5 == len(traces.splitlines())

    def test_a_redactor_that_hides_by_key(self, run: Callable[..., Run]) -> None:
        """Core may ask a redactor key by key if it has a method for that, and only then."""
        plain, by_key = (run("redaction", "x = 1", f'redaction.use="native.{use}"') for use in ("hide", "hide_by_key"))
        assert plain.plan.redactor is not None
        assert by_key.plan.redactor is not None
        assert not hasattr(plain.plan.redactor.component, "hides")
        summary = by_key.run()
        assert ("done", 0) == (summary.status, summary.redaction_failures)

    @pytest.mark.parametrize(("how", "code"), [("hangs", "observer_timeout"), ("exits", "observer_error:ProcessDied")])
    def test_observer(self, run: Callable[..., Run], how: str, code: str) -> None:
        """It is dropped, and the run goes on."""
        summary = run("observers.1", f'observer = "{how}"', f"observers.1.timeout_ms={LIMIT_MS}").run()
        assert ("done", 1, 5, {}) == (summary.status, summary.errors[code], summary.decided, summary.findings)

    def test_only_what_is_its_own_is_asked_there(self, native: Path, write_pipeline: Callable[[str], Path]) -> None:
        """What a component leaves as the contract has it is answered here; what it says of itself stays."""
        plan = Run.from_config(write_pipeline(RUN), _isolated("broker", "observers.1", "model")).plan
        assert plan.broker is not None
        broker, observer = plan.broker.component, plan.observers[0].component
        assert {"open", "close", "execute", "poll", "resolve"} == _replaced(broker)
        assert {"open", "close", "on_decision", "on_error", "on_run_end"} == _replaced(observer)
        assert [{"open", "close", "propose", "observe"}] * 2 == [
            _replaced(part) for part in with_children(plan.parts.model.component)
        ]
        assert ("native.hands", True) == (broker.component_id, broker.idempotent)  # type: ignore[attr-defined]

    def test_answers_before_an_error(self, native: Path, write_pipeline: Callable[[str], Path]) -> None:
        """Receipts that ``poll`` gave before it failed are not lost."""
        plan = Run.from_config(write_pipeline(RUN), _isolated("broker")).plan
        assert plan.broker is not None
        broker: Any = plan.broker.component
        broker.open(Build(base_dir=native.parent))
        try:
            for key in ("good", "bad", "never"):
                broker.execute(Order(Action.ACT, {}, "a", {"later": True}, key))
            polled = broker.poll()
            assert ["good", "bad"] == [next(polled)[0], next(polled)[0]]
            with pytest.raises(Exception, match=r"^$") as failed:
                next(polled)
            assert "ZeroDivisionError" == type(failed.value).__name__
            with pytest.raises(NotImplementedError):
                broker.cancel("good")
        finally:
            broker.close()


def _replaced(component: Any) -> set[str]:
    return {name for name, value in vars(component).items() if callable(value)}


class TestLife:
    def test_it_ends_with_the_pipeline(self, pipeline: Callable[..., Pipeline]) -> None:
        """When the pipeline is closed, its processes are gone."""
        made = pipeline("features", "model", "modulators.1")
        processes = {process_of(c) for c in (*made.features, made.model, *made.modulators)}
        assert [3, True] == [len(processes), all(map(is_running, processes))]
        made.close()
        assert not any(map(is_running, processes))

    def test_it_ends_with_the_run_that_is_killed(self, native: Path, pipeline: Callable[..., Pipeline]) -> None:
        """A process that hangs in C ends when the process that asked it is killed."""
        pipeline()
        code = (
            "from mdm_core import Pipeline; p = Pipeline.from_config('pipeline.toml', ['model.isolate=\"process\"'])\n"
            "print(p.model.open.func.__self__._process._child.pid, flush=True)\n"
            "p.decide({'k': 'a', 't': 1, 'more': {'model': 'says so and hangs'}})"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-S", "-c", code]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=native.parent, env=environment, text=True, **pipes) as parent:
            assert parent.stdout is not None
            assert parent.stderr is not None
            process = int(parent.stdout.readline())
            assert "it hangs\n" == parent.stderr.readline()
            assert is_running(process)
            parent.kill()
        assert soon(lambda: not is_running(process))

    def test_it_does_not_end_with_the_thread_that_opened_it(self, pipeline: Callable[..., Pipeline]) -> None:
        """A pipeline that one thread opened is used by another after the first has ended."""
        opened: list[Pipeline] = []
        thread = threading.Thread(target=lambda: opened.append(pipeline("model")))
        thread.start()
        thread.join()
        assert opened[0].decide(event(1)).failure is None

    def test_signals_are_for_the_run(self, pipeline: Callable[..., Pipeline]) -> None:
        """An interrupt or a request to end leaves the process alone: what becomes of the call is the run's to say."""
        made = pipeline("model")
        process = process_of(made.model)
        assert made.decide(asking(1, "model", "terminates")).failure is None
        assert process == process_of(made.model)
        assert os.getsid(process) != os.getsid(0)

    @pytest.mark.parametrize("how", ["config", "other", "exits in Python"])
    def test_what_cannot_be_opened(self, native: Path, write_pipeline: Callable[[str], Path], how: str) -> None:
        """The message is the one that there is without isolation, and names the part."""
        path = write_pipeline(PIPELINE.replace('"native.model"', f'"native.broken"\nhow = "{how}"'))
        said = []
        for isolated in ((), ("model",)):
            with pytest.raises(ConfigError) as refused:
                Pipeline.from_config(path, _isolated(*isolated))
            said.append(refused.value.problems)
        assert said[0] == said[1]
        assert said[1][0].startswith("native.broken: ")

    def test_what_dies_as_it_is_opened(self, native: Path, write_pipeline: Callable[[str], Path]) -> None:
        """A component that crashes as it is opened is refused like any other that cannot be opened."""
        path = write_pipeline(PIPELINE.replace('"native.model"', '"native.broken"\nhow = "segfaults"'))
        with pytest.raises(ConfigError, match=r"^native\.broken: cannot be opened: ProcessDied: signal 11 ") as refused:
            Pipeline.from_config(path, _isolated("model"))
        assert isinstance(refused.value.__cause__, ProcessDied)

    def test_options_are_checked_before(self, native: Path, write_pipeline: Callable[[str], Path]) -> None:
        """What is wrong with a table is found here, with its line, and no process is started for it."""
        path = write_pipeline(PIPELINE.replace('"native.memory"', '"native.memory"\nmax_key = 3\nisolate = "process"'))
        with pytest.raises(ConfigError, match=r"pipeline\.toml:7 \[features\] max_key: unknown option"):
            Pipeline.from_config(path)

    def test_a_secret_comes_from_the_environment(
        self, native: Path, write_pipeline: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process reads a secret from its own environment; it stands in no command line."""
        monkeypatch.setenv("TOKEN", "zcanary")
        overrides = ['broker.token={ env = "TOKEN" }', *_isolated("broker")]
        plan = Run.from_config(write_pipeline(RUN), overrides).plan
        assert plan.broker is not None
        broker: Any = plan.broker.component
        broker.open(Build(base_dir=native.parent))
        try:
            assert "z{}" == broker.execute(Order(Action.ACT, {}, "a", {}, "key")).reference
            assert "canary" not in Path(f"/proc/{process_of(broker)}/cmdline").read_text()
        finally:
            broker.close()
        sent = pickle.dumps(Start(broker.open.func.__self__._blueprint, None, []))
        assert b"canary" not in sent
        assert b"TOKEN" in sent

    def test_a_component_may_be_opened_again(self, pipeline: Callable[..., Pipeline], tmp_path: Path) -> None:
        """After it was closed, a pipeline of the same components works again, in new surroundings."""
        made = pipeline("model")
        made.close()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        again = Pipeline(features=made.features, model=made.model, key="k", timestamp="t", base_dir=elsewhere)
        try:
            assert again.decide(event(1)).failure is None
        finally:
            again.close()
        opened = [line.split()[1] for line in (elsewhere / "opened").read_text().splitlines()]
        assert ["native.memory", "native.model", "native.around"] == opened
