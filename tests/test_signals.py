"""Ending a run: the first signal asks, and breaks off nothing but a wait; the second ends the process at once."""

from __future__ import annotations

import json
import os
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
from typing import Any

import attrs
import pytest

from mdm_core.failures import BreakOff
from mdm_core.journal import Answered, Ended, read_journal
from mdm_core.signals import Interrupted, StopSignals

BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture
def handlers() -> Iterator[list[object]]:
    """The handlers before; they are put back, whatever the test does."""
    before = [signal.getsignal(number) for number in BOTH]
    yield list(before)
    for number, handler in zip(BOTH, before, strict=True):
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

    def test_no_handler_of_exceptions_catches_it(self) -> None:
        """A source that catches every Exception cannot swallow the wish to stop, nor is it a component's failure."""
        assert not issubclass(Interrupted, Exception)
        assert issubclass(Interrupted, BreakOff)

    def test_the_handlers_are_put_back(self, handlers: list[object]) -> None:
        """After the run signals do what they did before, also if the run raised."""
        with pytest.raises(KeyError), StopSignals():
            raise KeyError
        assert handlers == [signal.getsignal(number) for number in BOTH]

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


WAITS = """
import os, time
import attrs
from mdm_core import Broker, Receipt, hookimpl, option

@attrs.define
class Waits(Broker):
    does: str = option("hang", help="what it does")
    _file = attrs.field(init=False, default=None)

    def open(self, build):
        (build.run_dir / "pid").write_text(str(os.getpid()))
        self._file = (build.run_dir / "asked").open("w", buffering=1)

    def execute(self, order):
        self._file.write("execute\\n")
        while self.does == "hang":
            try:
                time.sleep(60)
            except BaseException:
                pass
        return Receipt("retry", "rate_limited", 60_000) if self.does == "retry" else Receipt("pending")

    def poll(self):
        self._file.write("poll\\n")
        return iter(())

@hookimpl
def mdm_register_brokers(register): register("waits", Waits)
"""

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"
group = 1
[source]
use = "toy.numbers"
count = 3
[features]
use = "toy.fields"
[model]
use = "toy.threshold"
threshold = 0.0
[broker]
use = "waits.waits"
does = "DOES"
[execution]
total_timeout_ms = 100_000
max_in_flight = ROOM
[[trace]]
use = "toy.lines"
[redaction]
use = "toy.mask"
"""


@attrs.define
class Going:
    """A run that goes on in a process of its own."""

    run_dir: Path
    ended: Future[CompletedProcess[str]]

    def wait_for(self, asked: str, times: int = 1) -> None:
        """Wait until the broker was asked this so many times, and what comes after it has begun."""
        path, deadline = self.run_dir / "asked", time.monotonic() + 30
        while not (path.exists() and path.read_text().count(asked) >= times):
            assert not self.ended.done(), self.ended.result()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, once."""
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int((self.run_dir / "pid").read_text()), number)

    def statuses(self) -> list[str]:
        """What the packets say came of each decision."""
        lines = (self.run_dir / "traces.jsonl").read_text().splitlines()
        return [json.loads(line)["external"]["exec.status"] for line in lines]

    def stopped_by(self, number: signal.Signals) -> dict[str, Any]:
        """Send a signal, hold that the run ends soon and cleanly, and give its summary."""
        started = time.monotonic()
        self.send(number)
        ended = self.ended.result()
        assert time.monotonic() - started < 5
        summary: dict[str, Any] = json.loads((self.run_dir / "summary.json").read_text())
        assert ("stopped", f"{number.name} received") == (summary["status"], summary["reason"])
        assert (1, "") == (ended.returncode, ended.stderr.partition("Traceback")[2])
        return summary


@pytest.fixture
def go(
    toy: Path,
    install: Callable[..., Path],
    write_pipeline: Callable[[str], Path],
    mdm_process: Callable[..., CompletedProcess[str]],
) -> Iterator[Callable[..., Going]]:
    """Start `mdm run` over three events that are acted upon, with a broker that does this."""
    assert toy.is_dir()
    install("waits", {"waits_plugin": WAITS})
    started: list[Going] = []

    def start(does: str, room: int = 100) -> Going:
        pipeline = write_pipeline(PIPELINE.replace("DOES", does).replace("ROOM", str(room)))
        ended = pool.submit(mdm_process, "run", pipeline, "--run-id", "r-1")
        started.append(Going(pipeline.parent / "runs" / "r-1", ended))
        return started[-1]

    with ThreadPoolExecutor() as pool:
        yield start
        for going in started:
            if not going.ended.done():
                going.send(signal.SIGKILL)


class TestRun:
    @pytest.mark.parametrize("number", BOTH)
    def test_while_a_retry_waits(self, number: signal.Signals, go: Callable[..., Going]) -> None:
        """The order is given up, told of, and nothing is begun after it."""
        going = go("retry")
        going.wait_for("execute")
        going.stopped_by(number)
        assert ["failed"] == going.statuses()
        told = [e.status for e in read_journal(going.run_dir) if isinstance(e, Answered | Ended)]
        assert ["retry", "failed"] == told

    @pytest.mark.parametrize("number", BOTH)
    def test_while_the_end_waits_for_pending_orders(self, number: signal.Signals, go: Callable[..., Going]) -> None:
        """They stay pending, in the packets and in the summary."""
        going = go("pending")
        going.wait_for("execute", 3)
        assert {"pending": 3} == going.stopped_by(number)["executions"]
        assert ["pending"] * 3 == going.statuses()

    def test_while_an_order_waits_for_room(self, go: Callable[..., Going]) -> None:
        """It is skipped, and was never begun."""
        going = go("pending", room=1)
        going.wait_for("poll", 3)
        going.stopped_by(signal.SIGINT)
        assert ["pending", "skipped"] == going.statuses()
        assert 1 == (going.run_dir / "asked").read_text().count("execute")

    @pytest.mark.parametrize("number", BOTH)
    def test_while_a_broker_hangs(self, number: signal.Signals, go: Callable[..., Going]) -> None:
        """The first waits for it, whatever it catches; the second does not."""
        going = go("hang")
        going.wait_for("execute")
        going.send(number)
        time.sleep(0.2)
        assert not going.ended.done()
        started = time.monotonic()
        going.send(number)
        assert -number == going.ended.result().returncode
        assert time.monotonic() - started < 2
        assert not (going.run_dir / "summary.json").exists()
        assert ["Intent"] == [type(entry).__name__ for entry in read_journal(going.run_dir)]
