"""Signals and the operator's commands to a run in a process of its own, whatever it is waiting for.

The first signal asks, and breaks off nothing but a wait; the second ends the process at once.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeAlias

import attrs
import pytest

from mdm_core.control import Request, send
from mdm_core.failures import BreakOff
from mdm_core.journal import Answered, Command, Ended, Intent, read_journal
from mdm_core.signals import Interrupted, StopSignals

USER = pwd.getpwuid(os.getuid()).pw_name
BOTH = [signal.SIGINT, signal.SIGTERM]
HANDLED = [*BOTH, signal.SIGURG]


@pytest.fixture
def handlers() -> Iterator[list[object]]:
    """The handlers before; they are put back, whatever the test does."""
    before = [signal.getsignal(number) for number in HANDLED]
    yield list(before)
    for number, handler in zip(HANDLED, before, strict=True):
        signal.signal(number, handler)


class TestAsking:
    @pytest.mark.parametrize("number", BOTH)
    def test_a_signal_asks(self, number: signal.Signals, handlers: list[object]) -> None:
        """It is noted by its name and interrupts nothing while a decision is made or carried out."""
        with StopSignals() as signals:
            assert handlers[0] is not signal.getsignal(signal.SIGINT)
            assert signals.asked == ""
            os.kill(os.getpid(), number)
            assert f"{number.name} received" == signals.asked

    @pytest.mark.parametrize("what", ["reading", "waiting"])
    def test_a_wait_is_broken_off(self, what: str, handlers: list[object]) -> None:
        """That of the source for input, and that of a retry for its time."""
        with StopSignals() as signals:
            setattr(signals, what, True)
            with pytest.raises(Interrupted):
                os.kill(os.getpid(), signal.SIGTERM)
            assert (False, False) == (signals.reading, signals.waiting)

    @pytest.mark.parametrize("what", ["", "reading", "waiting"])
    def test_another_thread_breaks_off_a_retry(self, what: str, handlers: list[object]) -> None:
        """Its wait and nothing else: a source is not asked again after it was interrupted."""
        with StopSignals() as signals, ThreadPoolExecutor(1) as pool:
            setattr(signals, what or "asked", what)
            broken_off = False
            try:
                pool.submit(signals.wake).result()
                time.sleep(0.01)
            except Interrupted:
                broken_off = True
            assert (what == "waiting", "") == (broken_off, signals.asked)

    def test_no_handler_of_exceptions_catches_it(self) -> None:
        """A source that catches every Exception cannot swallow the wish to stop, nor is it a component's failure."""
        assert not issubclass(Interrupted, Exception)
        assert issubclass(Interrupted, BreakOff)

    def test_the_handlers_are_put_back(self, handlers: list[object]) -> None:
        """After the run signals do what they did before, also if the run raised."""
        with pytest.raises(KeyError), StopSignals():
            raise KeyError
        assert handlers == [signal.getsignal(number) for number in HANDLED]

    def test_in_another_thread_signals_are_left_alone(self, handlers: list[object]) -> None:
        """Python delivers them to the main thread only, so a run elsewhere does not touch them."""
        found: list[object] = []

        def run() -> None:
            with StopSignals() as signals:
                found.extend([signals.asked, signal.getsignal(signal.SIGINT)])

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert ["", handlers[0]] == found


STUBBORN = """
import os, signal
from mdm_core.signals import StopSignals

with StopSignals() as signals:
    os.kill(os.getpid(), signal.{first})
    assert signals.asked == "{first} received"
    while True:
        try:
            os.kill(os.getpid(), signal.{second})
        except BaseException:
            pass
"""


class TestTheSecond:
    @pytest.mark.parametrize(
        ("first", "second"),
        [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)],
    )
    def test_nothing_keeps_it_from_ending_the_process(self, first: signal.Signals, second: signal.Signals) -> None:
        """Whoever started the process sees by which signal it ended."""
        code = STUBBORN.format(first=first.name, second=second.name)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=30)
        assert -second == ended.returncode
        assert b"" == ended.stderr


ACTS = """
import os, time
import attrs
from mdm_core import Broker, DataSource, Idle, Receipt, Record, hookimpl, option

@attrs.define
class Ticks(DataSource):
    count: int = option(0, help="number of events; 0 is without end")

    def records(self):
        n = 0
        while not self.count or n < self.count:
            n += 1
            yield Record({"n": n, "who": "a", "at": n}, n)
            if n % 100 == 0:
                yield Idle()

@attrs.define
class Hands(Broker):
    does: str = option("done", help="what it does")
    _attempts = attrs.field(init=False, default=None)
    _polls = attrs.field(init=False, default=None)

    def open(self, build):
        (build.run_dir / "pid").write_text(str(os.getpid()))
        self._attempts = (build.run_dir / "attempts").open("wb", buffering=0)
        self._polls = (build.run_dir / "polls").open("wb", buffering=0)

    def execute(self, order):
        self._attempts.write(b"%020d\\n" % time.monotonic_ns())
        while self.does == "hang":
            self._polls.write(b"hang\\n")
            try:
                time.sleep(0.01)
            except BaseException:
                pass
        return Receipt("retry", "rate_limited", 95_000) if self.does == "retry" else Receipt(self.does)

    def poll(self):
        self._polls.write(b"poll\\n")
        return iter(())

@hookimpl
def mdm_register_data_sources(register): register("ticks", Ticks)
@hookimpl
def mdm_register_brokers(register): register("hands", Hands)
"""

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"
group = 1
[source]
use = "acts.ticks"
count = COUNT
[features]
use = "toy.fields"
[model]
use = "toy.threshold"
threshold = 0.0
[broker]
use = "acts.hands"
does = "DOES"
[execution]
total_timeout_ms = 100_000
max_in_flight = ROOM
[[trace]]
use = "toy.lines"
[[trace]]
use = "toy.audit"
[redaction]
use = "toy.mask"
"""

# However busy the machine is; what is broken off would go on for a minute and more.
SOON_S = 80

Mdm: TypeAlias = Callable[..., "CompletedProcess[str]"]


@attrs.define
class Going:
    """A run that goes on in a process of its own."""

    run_dir: Path
    ended: Future[CompletedProcess[str]]

    def attempts(self) -> list[int]:
        """When each attempt began."""
        return [int(line) for line in (self.run_dir / "attempts").read_bytes().splitlines() if len(line) == 20]

    def wait_for(self, name: str, size: int = 1) -> None:
        """Wait until a file that the broker writes has at least this size."""
        path, deadline = self.run_dir / name, time.monotonic() + SOON_S
        while not path.exists() or path.stat().st_size < size:
            assert not self.ended.done(), self.ended.result()
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def wait_for_more(self, name: str = "attempts", size: int = 1) -> None:
        """Wait until a file that the broker writes has grown: another attempt has begun."""
        self.wait_for(name, (self.run_dir / name).stat().st_size + size)

    def is_pending(self, number: signal.Signals) -> bool:
        """Whether a signal has been sent and not come yet."""
        status = dict(line.split(":\t") for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return bool(int(status["ShdPnd"], 16) >> number - 1 & 1)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return int((self.run_dir / "pid").read_text())

    def send(self, number: signal.Signals) -> None:
        """Send a signal, once."""
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid, number)

    def stopped_by(self, number: signal.Signals) -> dict[str, Any]:
        """Send a signal, hold that the run ends soon and cleanly, and give its summary."""
        self.send(number)
        ended = self.ended.result(timeout=SOON_S)
        summary: dict[str, Any] = json.loads((self.run_dir / "summary.json").read_text())
        assert ("stopped", f"{number.name} received") == (summary["status"], summary["reason"])
        assert (1, "") == (ended.returncode, ended.stderr.partition("Traceback")[2])
        return summary

    def statuses(self) -> list[str]:
        """What the packets say came of each decision."""
        return [packet["external"]["exec.status"] for packet in self._lines("traces.jsonl")]

    def audit(self) -> list[dict[str, Any]]:
        """The audit log of what the operator did."""
        return [line for line in self._lines("audit.jsonl") if line["event"].startswith("operator_")]

    def _lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_dir / name).read_text().splitlines()]


@pytest.fixture
def go(
    toy: Path, install: Callable[..., Path], write_pipeline: Callable[[str], Path], mdm_process: Mdm
) -> Iterator[Callable[..., Going]]:
    """Start `mdm run` with a broker that does this, and wait for its first attempt."""
    assert toy.is_dir()
    install("acts", {"acts_plugin": ACTS})
    started: list[Going] = []

    def start(does: str, count: int = 0, room: int = 100) -> Going:
        words = {"DOES": does, "COUNT": str(count), "ROOM": str(room)}
        text = PIPELINE
        for word, value in words.items():
            text = text.replace(word, value)
        pipeline = write_pipeline(text)
        ended = pool.submit(mdm_process, "run", pipeline, "--run-id", "r-1")
        started.append(Going(pipeline.parent / "runs" / "r-1", ended))
        started[-1].wait_for("attempts")
        return started[-1]

    with ThreadPoolExecutor() as pool:
        yield start
        for going in started:
            if not going.ended.done():
                going.send(signal.SIGKILL)


class TestSignals:
    @pytest.mark.parametrize("number", BOTH)
    def test_while_a_retry_waits(self, number: signal.Signals, go: Callable[..., Going]) -> None:
        """The order is given up, told of, and nothing is begun after it."""
        going = go("retry")
        time.sleep(0.05)
        going.stopped_by(number)
        assert ["failed"] == going.statuses()
        told = [e.status for e in read_journal(going.run_dir) if isinstance(e, Answered | Ended)]
        assert ["retry", "failed"] == told

    @pytest.mark.parametrize("number", BOTH)
    def test_while_the_end_waits_for_pending_orders(self, number: signal.Signals, go: Callable[..., Going]) -> None:
        """They stay pending, in the packets and in the summary."""
        going = go("pending", count=3)
        going.wait_for("attempts", 63)
        time.sleep(0.05)
        assert {"pending": 3} == going.stopped_by(number)["executions"]
        assert ["pending"] * 3 == going.statuses()

    def test_while_an_order_waits_for_room(self, go: Callable[..., Going]) -> None:
        """It is skipped, and was never begun."""
        going = go("pending", room=1)
        going.wait_for("polls", 100)
        going.stopped_by(signal.SIGINT)
        assert ["pending", "skipped"] == going.statuses()
        assert 1 == len(going.attempts())

    @pytest.mark.parametrize("number", BOTH)
    def test_while_a_broker_hangs(self, number: signal.Signals, go: Callable[..., Going]) -> None:
        """The first waits for it, whatever it catches; the second does not."""
        going = go("hang")
        going.send(number)
        while going.is_pending(number):  # else the second would be no other
            time.sleep(0.001)
        going.wait_for_more("polls", 100)
        assert not going.ended.done()
        going.send(number)
        assert -number == going.ended.result(timeout=SOON_S).returncode
        assert not (going.run_dir / "summary.json").exists()
        entries = read_journal(going.run_dir)
        assert [Intent] == [type(entry) for entry in entries if isinstance(entry, Intent | Answered | Ended)]


class TestCommands:
    def test_from_another_terminal(self, go: Callable[..., Going], mdm_process: Mdm) -> None:
        """`mdm stop` stops, `mdm release` lets go on, and both say so."""
        going = go("done")
        stopped = mdm_process("stop", "r-1", "--reason", "too eager \udcff")
        returned = time.monotonic_ns()
        assert (0, "") == (stopped.returncode, stopped.stdout)
        assert "run r-1: stopped; it denies every action until `mdm release r-1`\n" == stopped.stderr
        time.sleep(0.2)
        assert max(going.attempts()) < returned
        released = mdm_process("release", going.run_dir)
        assert (0, "run r-1: released; it acts again\n") == (released.returncode, released.stderr)
        going.wait_for_more()
        assert going.stopped_by(signal.SIGTERM)["denied"]["ops_health"] > 0
        stop, release = going.audit()
        assert ("operator_stop", "too eager ?", USER) == (stop["event"], stop["reason"], stop["user"])
        assert ("operator_release", USER) == (release["event"], release["user"])
        names = [entry.name for entry in read_journal(going.run_dir) if isinstance(entry, Command)]
        assert ["stop", "release"] == names

    def test_no_attempt_begins_after_it_has_returned(self, go: Callable[..., Going]) -> None:
        """However fast the run acts, over and over."""
        going = go("done")
        for _ in range(10):
            send(going.run_dir, Request("stop"))
            returned = time.monotonic_ns()
            time.sleep(0.01)
            assert max(going.attempts()) < returned
            send(going.run_dir, Request("release"))
            going.wait_for_more()

    def test_while_a_broker_hangs(self, go: Callable[..., Going]) -> None:
        """The command returns at once, and the order that comes after finds it in force."""
        going = go("hang")
        send(going.run_dir, Request("stop"))
        assert 1 == len(going.attempts())
        going.wait_for_more("polls")
        assert ["stop"] == [entry.name for entry in read_journal(going.run_dir) if isinstance(entry, Command)]

    def test_while_an_order_waits_to_be_tried_again(self, go: Callable[..., Going]) -> None:
        """It waits no longer but is denied, the run goes on, and once it is released it acts again."""
        going = go("retry")
        time.sleep(0.05)
        send(going.run_dir, Request("stop"))
        going.wait_for("traces.jsonl")
        assert 1 == len(going.attempts())
        assert ["denied"] == [entry.status for entry in read_journal(going.run_dir) if isinstance(entry, Ended)]
        send(going.run_dir, Request("release"))
        going.wait_for("attempts", 42)
        going.stopped_by(signal.SIGINT)
        assert ["operator_stop", "operator_release"] == [line["event"] for line in going.audit()]

    def test_a_run_that_was_killed(self, go: Callable[..., Going], mdm: Mdm) -> None:
        """It does not go on, so there is nothing to stop; exit code 2."""
        going = go("done")
        going.send(signal.SIGKILL)
        assert -signal.SIGKILL == going.ended.result().returncode
        for name in ("stop", "release"):
            refused = mdm(name, "r-1")
            assert 2 == refused.returncode
            problem = f"mdm: run 'r-1' is not going on: nothing acts, and there is nothing to {name}\n"
            assert problem == refused.stderr
