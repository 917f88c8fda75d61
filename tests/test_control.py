"""The operator's stop and release: heard at once, on the disk before it is answered, and by nothing kept from it."""

from __future__ import annotations

import os
import pwd
import resource
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import attrs
import msgspec
import pytest

from mdm_core import Commanded, UsageError, control
from mdm_core.control import LONGEST_REASON, SOCKET_FILE, Control, ControlFailed, Reply, Request, send
from mdm_core.journal import Command, Journal, read_journal
from mdm_core.rundir import RunLock

USER = pwd.getpwuid(os.getuid()).pw_name


@attrs.define
class Listening:
    """A run as its operator sees it: a directory with a lock, a journal and a socket."""

    run_dir: Path
    lock: RunLock = attrs.field(init=False)
    journal: Journal = attrs.field(init=False)
    control: Control = attrs.field(init=False)
    woken: list[bool] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.lock = RunLock(self.run_dir)
        self.lock.acquire()
        self.journal = Journal(self.run_dir)
        self.control = Control(self.run_dir, self.journal, lambda: 17, self.wake)

    def wake(self) -> None:
        """Note whether it is stopped."""
        self.woken.append(self.control.stopped)

    def commands(self) -> list[str]:
        """The commands that are in the file."""
        return [entry.name for entry in read_journal(self.run_dir) if isinstance(entry, Command)]

    def connect(self) -> socket.socket:
        """A client that has not said anything yet."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(str(self.run_dir / SOCKET_FILE))
        return client

    def say(self, data: bytes) -> Reply:
        """Send bytes and give the answer."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return msgspec.json.decode(client.recv(4096), type=Reply)

    def close(self) -> None:
        """End the run."""
        self.control.close()
        self.journal.close()
        self.lock.release()


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Listening]:
    """A run that does not listen yet."""
    (tmp_path / "r-1").mkdir()
    listening = Listening(tmp_path / "r-1")
    yield listening
    listening.close()


@pytest.fixture
def run(closed: Listening) -> Listening:
    """A run that listens."""
    closed.control.open()
    return closed


class TestCommands:
    def test_a_stop_is_in_force_and_on_the_disk(self, run: Listening) -> None:
        """When the sender goes on, nothing acts any more, and the journal tells by whom."""
        before = time.time()
        send(run.run_dir, Request("stop", "too eager"))
        assert run.control.stopped
        (entry,) = read_journal(run.run_dir)
        assert isinstance(entry, Command)
        assert ("stop", USER) == (entry.name, entry.user)
        (heard,) = run.control.heard
        assert ("stop", "too eager", USER, entry.at) == (heard.name, heard.reason, heard.user, heard.at)
        assert before - 0.001 <= datetime.fromisoformat(heard.at).timestamp() <= time.time()
        assert b"too eager" not in (run.run_dir / "journal.jsonl").read_bytes()

    def test_a_release_lets_go_on(self, run: Listening) -> None:
        """Two stops in a row need one release, and everything is on record."""
        for name in ("stop", "stop", "release"):
            send(run.run_dir, Request(name))
        assert not run.control.stopped
        assert [True, True] == run.woken
        assert ["stop", "stop", "release"] == run.commands() == [heard.name for heard in run.control.heard]

    def test_the_pipeline_is_to_learn_of_it(self, run: Listening) -> None:
        """With the number that its turn gives, and the time of the pipeline's clock then."""
        send(run.run_dir, Request("stop", "why"))
        (make,) = run.journal.take_inputs(3)
        assert Commanded(5, "stop", "why", USER, 17) == make(5)

    def test_it_is_answered_within_100_ms(self, run: Listening) -> None:
        """A write to the disk included."""
        took: list[float] = []
        while len(took) < 50 and min(took, default=1) >= 0.1:  # for it may only be the machine that was late
            started = time.perf_counter()
            send(run.run_dir, Request("stop"))
            took.append(time.perf_counter() - started)
        assert min(took) < 0.1

    @pytest.mark.parametrize(
        ("reason", "kept"),
        [("x" * 600, "x" * LONGEST_REASON), ("\udcff!", "?!"), ("😀" * 500, "😀" * 500), ("\0" * 500, "\0" * 500)],
        ids=["long", "no text", "wide", "control"],
    )
    def test_no_reason_keeps_a_run_from_being_stopped(self, reason: str, kept: str, run: Listening) -> None:
        """One that is too long is cut, and what is no text is replaced."""
        send(run.run_dir, Request("stop", reason))
        assert run.control.stopped
        assert kept == run.control.heard[0].reason

    def test_a_journal_that_cannot_be_written(self, run: Listening) -> None:
        """The stop is in force all the same, and who sent it learns that it is not on the disk; no release is."""
        run.journal.close()
        with pytest.raises(ControlFailed, match=r"did not take the command: JournalFailed: journal\.jsonl failed"):
            send(run.run_dir, Request("stop"))
        assert run.control.stopped
        with pytest.raises(ControlFailed):
            send(run.run_dir, Request("release"))
        assert run.control.stopped


NO_REQUESTS = [
    b"",
    b"\0",
    b"stop",
    b"null",
    b"[" * 4000,
    b'{"name":"dance"}',
    b'{"name":"stop","force":true}',
    b'{"name":"stop","reason":7}',
    b'{"name":"stop","reason":"\xff"}',
    b'{"name":"stop","reason":"\\ud800"}',
    b'{"name":"stop","reason":"' + b"x" * 10_000 + b'"}',
]


class TestHostileClients:
    @pytest.mark.parametrize("data", NO_REQUESTS, ids=range(len(NO_REQUESTS)))
    def test_what_is_no_request(self, data: bytes, run: Listening) -> None:
        """It is refused, changes nothing, and the next command is heard."""
        with suppress(ConnectionError):  # what is too long is not read to its end
            assert run.say(data).problem
        assert (False, []) == (run.control.stopped, run.commands())
        send(run.run_dir, Request("stop"))
        assert ["stop"] == run.commands()

    def test_one_that_sends_without_end(self, run: Listening) -> None:
        """It is cut off."""
        with run.connect() as client, pytest.raises(ConnectionError):
            client.sendall(b"x" * 10_000_000)
        send(run.run_dir, Request("stop"))

    def test_those_that_say_nothing(self, run: Listening) -> None:
        """They keep the next one waiting for a few seconds at most, which is less than it waits for an answer."""
        silent = [run.connect() for _ in range(2)]
        send(run.run_dir, Request("stop"))
        assert run.control.stopped
        for client in silent:
            client.close()

    def test_one_that_says_little_by_little(self, run: Listening) -> None:
        """Neither does it."""
        begun, enough = threading.Event(), threading.Event()

        def dribble() -> None:
            with run.connect() as client, suppress(OSError):
                while not enough.wait(0.1):
                    client.sendall(b" ")
                    begun.set()

        thread = threading.Thread(target=dribble)
        thread.start()
        assert begun.wait(30)
        try:
            send(run.run_dir, Request("stop"))
            assert run.control.stopped
        finally:
            enough.set()
            thread.join()

    def test_one_that_does_not_wait_for_the_answer(self, run: Listening) -> None:
        """What it said counts."""
        with run.connect() as client:
            client.sendall(b'{"name":"stop"}')
        send(run.run_dir, Request("release"))
        assert ["stop", "release"] == run.commands()

    def test_a_process_with_too_many_open_files(self, run: Listening) -> None:
        """A broker that leaks connections is just what is to be stopped: it is heard as soon as there is room."""
        first, second = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        path = str(run.run_dir / SOCKET_FILE)
        before = _sockets()
        first.connect(path)
        while not (accepted := _sockets() - before):
            time.sleep(0.001)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(accepted), hard))
        filled = _fill_descriptors()
        try:
            second.connect(path)
            second.sendall(b'{"name":"stop"}')
            second.shutdown(socket.SHUT_WR)
            first.shutdown(socket.SHUT_WR)  # and not closed, for that would make room
            time.sleep(0.2)
            assert not run.control.stopped
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in filled:
                os.close(fd)
        second.settimeout(30)
        assert b'{"problem":""}' == second.recv(4096)
        first.close()
        second.close()
        assert run.control.stopped


def _sockets() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.add(int(name))
    return found


def _fill_descriptors() -> list[int]:
    filled = []
    with suppress(OSError):
        while True:
            filled.append(os.open(os.devnull, os.O_RDONLY))
    return filled


class TestSocket:
    def test_only_the_owner_of_the_run_may_use_it(self, run: Listening) -> None:
        """Whoever may connect may stop."""
        assert 0o600 == stat.S_IMODE((run.run_dir / SOCKET_FILE).stat().st_mode)

    def test_a_directory_with_a_long_path(self, tmp_path: Path) -> None:
        """The address of a socket may have 107 bytes; that of a run may have more."""
        deep = tmp_path.joinpath(*["long" * 20] * 3)
        deep.mkdir(parents=True)
        run = Listening(deep)
        run.control.open()
        send(deep, Request("stop"))
        assert ["stop"] == run.commands()
        run.close()
        assert not (deep / SOCKET_FILE).exists()

    def test_what_a_killed_run_has_left(self, closed: Listening) -> None:
        """Its socket is replaced."""
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(closed.run_dir / SOCKET_FILE))
        closed.control.open()
        send(closed.run_dir, Request("stop"))
        assert closed.control.stopped

    def test_a_run_that_could_not_be_stopped_does_not_begin(self, closed: Listening) -> None:
        """It says why, and what to do."""
        (closed.run_dir / SOCKET_FILE).mkdir()
        with pytest.raises(
            UsageError, match=r"cannot hold the socket by which `mdm stop` reaches the run: .+--runs-dir"
        ):
            closed.control.open()

    def test_closing_leaves_nothing(self, run: Listening) -> None:
        """No socket, no thread, also with a client that says nothing and does not go."""
        with run.connect():
            run.control.close()
        assert not (run.run_dir / SOCKET_FILE).exists()
        assert "mdm-control" not in [thread.name for thread in threading.enumerate()]


class TestNobodyListens:
    def test_a_run_that_has_ended(self, run: Listening) -> None:
        """There is nothing to stop, and it says so."""
        run.close()
        with pytest.raises(UsageError, match="run 'r-1' is not going on: nothing acts, and there is nothing to stop"):
            send(run.run_dir, Request("stop"))

    def test_a_run_that_begins(self, closed: Listening) -> None:
        """It holds its lock and does not listen yet."""
        with pytest.raises(ControlFailed, match=r"does not answer \(FileNotFoundError\): it begins, ends or hangs"):
            send(closed.run_dir, Request("stop"))

    @pytest.mark.parametrize(
        ("says", "error"), [(b"", "DecodeError"), (b'{"problem":"\xff"}', "UnicodeDecodeError"), (None, "TimeoutError")]
    )
    def test_one_that_does_not_answer_as_a_run_does(
        self, says: bytes | None, error: str, closed: Listening, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sender does not take it for obedience, and does not wait for ever."""
        monkeypatch.setattr(control, "_PATIENCE_S", 0.2)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(closed.run_dir / SOCKET_FILE))
            listener.listen()
            pool = ThreadPoolExecutor()
            accepted = pool.submit(listener.accept)
            if says is not None:
                pool.submit(lambda: _answer(accepted, says))
            with pytest.raises(ControlFailed, match=rf"does not answer \({error}\)"):
                send(closed.run_dir, Request("stop"))
            accepted.result()[0].close()
            pool.shutdown()


def _answer(accepted: Future[Any], says: bytes) -> None:
    with accepted.result()[0] as connection:
        connection.recv(4096)
        connection.sendall(says)


class TestCommandLine:
    def test_a_run_that_there_never_was(self, mdm: Callable[..., CompletedProcess[str]]) -> None:
        """Exit code 2, and where to look."""
        refused = mdm("stop", "r-2")
        assert 2 == refused.returncode
        assert "mdm: no run 'r-2' in runs; `mdm runs` lists them, --runs-dir names another place\n" == refused.stderr

    def test_a_reason_that_is_too_long(self, mdm: Callable[..., CompletedProcess[str]]) -> None:
        """It is refused before anything is sent."""
        refused = mdm("stop", "r-1", "--reason", "x" * 501)
        assert (2, True) == (refused.returncode, "at most 500 characters" in refused.stderr)
