"""The journal: every line whole, numbered and in time, or nothing is done any more."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from mdm_core import Commanded, Fact
from mdm_core.journal import (
    Answered,
    AnyEntry,
    Applied,
    Clock,
    Command,
    Ended,
    Intent,
    Journal,
    JournalFailed,
    SwitchedOff,
    TimedOut,
    is_input,
    read_journal,
)

ENTRIES: list[AnyEntry] = [
    Intent(1, 0, "a" * 32, "ACT", "b" * 16),
    Answered(2, 0, 1, "retry", "rate_limited", 1.25, 500, "ref"),
    Answered(3, 0, 2, "done", "ok", 0.5),
    Ended(4, 3, "failed", 3),
    Command(5, "stop", "root", "2026-01-01T00:00:00.000Z"),
    TimedOut(6, 4, "model", "toy.slow", "model_timeout"),
    TimedOut(7, None, "observe", "toy.slow", "observe_timeout", 9),
    SwitchedOff(8, 4, "toy.slow", 100),
    Clock(9, 5, 1_700_000_000_000),
    Applied(10, 6, 5),
]


def fact(seq: int) -> Fact:
    """A fact that only matters by its number."""
    return Commanded(seq, "stop", "", "root", None)


def lines(run_dir: Path) -> list[bytes]:
    """The lines as they are in the file."""
    return (run_dir / "journal.jsonl").read_bytes().splitlines(keepends=True)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A new journal."""
    return Journal(tmp_path)


class TestWriting:
    def test_what_is_written_is_read(self, journal: Journal, tmp_path: Path) -> None:
        """Line by line, numbered from one, whatever its type."""
        for entry in ENTRIES:
            fields = [getattr(entry, name) for name in entry.__struct_fields__[1:]]
            journal.add(type(entry), *fields)
        journal.close()
        assert list(read_journal(tmp_path)) == ENTRIES

    def test_its_text_is_what_other_tools_read(self, journal: Journal, tmp_path: Path) -> None:
        """JSON with the type first, and nothing in it that says nothing."""
        journal.add(Answered, 0, 2, "done", "ok", 0.5)
        journal.close()
        (line,) = lines(tmp_path)
        assert line == b'{"type":"receipt","n":1,"step":0,"attempt":2,"status":"done","kind":"ok","latency_ms":0.5}\n'

    def test_only_the_inputs_are_learned_from(self) -> None:
        """Receipts, ends and commands."""
        assert [entry.n for entry in ENTRIES if is_input(entry)] == [2, 3, 4, 5]

    def test_a_line_waits_for_the_flush(self, journal: Journal, tmp_path: Path) -> None:
        """One write for many lines; closing writes as well, and once is enough."""
        journal.add(Clock, 0, 1)
        assert lines(tmp_path) == []
        journal.flush()
        assert 1 == len(lines(tmp_path))
        journal.add(Clock, 1, 2)
        journal.close()
        journal.close()
        assert [0, 1] == [entry.step for entry in read_journal(tmp_path) if isinstance(entry, Clock)]

    def test_it_does_not_gather_for_ever(self, journal: Journal, tmp_path: Path) -> None:
        """A run that never acts never flushes, and yet its clock does not fill the memory."""
        for step in range(10_000):
            journal.add(Clock, step, 1_700_000_000_000)
        assert (tmp_path / "journal.jsonl").stat().st_size > 300_000

    def test_durable_is_on_the_disk(self, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The disk is waited for with the line in the file, and not when nothing is new."""
        seen: list[int] = []
        sync = os.fdatasync

        def fdatasync(fd: int) -> None:
            sync(fd)
            seen.append(os.fstat(fd).st_size)

        monkeypatch.setattr(os, "fdatasync", fdatasync)
        journal.add(Clock, 0, 1)
        journal.flush()
        assert seen == []
        for _ in range(2):
            journal.flush(durable=True)
        assert [(tmp_path / "journal.jsonl").stat().st_size] == seen
        journal.add_input(Command, "stop", "root", "now", fact=fact, durable=True)
        assert [seen[0], (tmp_path / "journal.jsonl").stat().st_size] == seen

    def test_a_line_that_cannot_be_written_leaves_no_mark(self, journal: Journal, tmp_path: Path) -> None:
        """Neither half of it, nor whatever stood in that memory before, nor a number that is missing."""
        journal.add(Clock, 0, 1)
        for bad in ("\ud800", object()):
            with pytest.raises((UnicodeEncodeError, TypeError)):
                journal.add(Answered, 0, 1, "done", "ok", 0.5, None, bad)
        journal.add(Clock, 1, 2)
        journal.close()
        assert [Clock(1, 0, 1), Clock(2, 1, 2)] == list(read_journal(tmp_path))


class TestFile:
    def test_only_its_owner_may_read_it(self, journal: Journal, tmp_path: Path) -> None:
        """It tells what was done, and by whom it was stopped."""
        journal.close()
        assert 0o600 == stat.S_IMODE((tmp_path / "journal.jsonl").stat().st_mode)

    def test_it_is_never_written_through_a_link(self, tmp_path: Path) -> None:
        """Somebody who may write into the directory must not choose where the journal goes."""
        (tmp_path / "journal.jsonl").symlink_to(tmp_path / "victim")
        with pytest.raises(JournalFailed, match=r"journal\.jsonl failed: OSError: Too many levels of symbolic links"):
            Journal(tmp_path)
        assert not (tmp_path / "victim").exists()

    def test_after_it_is_closed_nothing_is_written(self, journal: Journal) -> None:
        """A command that comes too late fails, and is not lost in silence."""
        journal.close()
        with pytest.raises(JournalFailed):
            journal.add_input(Command, "stop", "root", "now", fact=fact, durable=True)


class TestInputs:
    def test_they_wait_until_they_are_learned_from(self, journal: Journal, tmp_path: Path) -> None:
        """Once, in their order; the journal tells before which step, and up to which line."""
        for step in range(3):
            journal.add(Intent, step, "k", "ACT", "p")
            journal.add_input(Ended, step, "failed", 1, fact=fact)
        assert [1, 2, 3] == [make(n).seq for n, make in enumerate(journal.take_inputs(7), 1)]  # type: ignore[union-attr]
        assert (journal.take_inputs(8), journal.waiting) == ([], [])
        journal.add_input(Ended, 9, "failed", 1, fact=fact)
        journal.take_inputs(9)
        journal.close()
        applied = [entry for entry in read_journal(tmp_path) if isinstance(entry, Applied)]
        assert [Applied(7, 7, 6), Applied(9, 9, 8)] == applied

    def test_two_threads_at_once(self, journal: Journal, tmp_path: Path) -> None:
        """No number twice, none missing, no line in another, and every input is learned from exactly once."""
        learned: list[int] = []

        def command() -> None:
            for _ in range(20):
                journal.add_input(Command, "stop", "root", "now" * 100, fact=fact, durable=True)

        threads = [threading.Thread(target=command) for _ in range(4)]
        for thread in threads:
            thread.start()
        step = 0
        while any(thread.is_alive() for thread in threads) or journal.waiting:
            journal.add(Clock, step, 1)
            learned += [1 for _ in journal.take_inputs(step)]
            journal.flush()
            step += 1
        journal.close()
        entries = list(read_journal(tmp_path))
        assert 80 == len(learned) == sum(isinstance(entry, Command) for entry in entries)
        through = [entry.through for entry in entries if isinstance(entry, Applied)]
        assert sorted(set(through)) == through
        assert all(entry.through < entry.n for entry in entries if isinstance(entry, Applied))


FULL_DISK = """
import resource
import attrs
import mdm_core.acting
from mdm_core import Broker, Receipt, hookimpl

# A machine that stops for a moment is not to end the group early.
mdm_core.acting._LINGER_NS = 1 << 60

@attrs.define
class Full(Broker):
    run_dir = None

    def open(self, build):
        self.run_dir = build.run_dir

    def execute(self, order):
        with (self.run_dir / "done").open("a") as file:
            file.write(order.key)
        if order.features["n"] == 99:
            # From here on no file may be much longer than the journal is already, as on a disk that is full.
            size = (self.run_dir / "journal.jsonl").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + ROOM, resource.RLIM_INFINITY))
        return Receipt("done")

@hookimpl
def mdm_register_brokers(register):
    register("full", Full)
"""

Mdm = Callable[..., "CompletedProcess[str]"]


class TestFullDisk:
    @pytest.mark.parametrize(("room", "missing"), [(100, "receipts"), (1600, "intents")])
    def test_no_order_without_its_intent(
        self,
        room: int,
        missing: str,
        toy: Path,
        install: Callable[..., Path],
        write_pipeline: Callable[[str], Path],
        mdm_process: Mdm,
    ) -> None:
        """When the journal cannot be written the run ends, and of the group at hand nothing is carried out."""
        assert toy.is_dir()
        install("disk", {"disk_plugin": FULL_DISK.replace("ROOM", str(room))})
        pipeline = write_pipeline(PIPELINE)
        ended = mdm_process("run", pipeline, "--run-id", "r-1")
        run_dir = pipeline.parent / "runs" / "r-1"
        assert 1 == ended.returncode
        assert "journal.jsonl failed: OSError: File too large" in ended.stdout
        assert "Traceback" not in ended.stderr
        assert 100 == len((run_dir / "done").read_text()) / len("k0")
        entries = list(read_journal(run_dir))
        assert {*range(100)} <= {entry.step for entry in entries if isinstance(entry, Intent)}
        torn = lines(run_dir)[-1]
        assert not torn.endswith(b"\n")
        assert (missing == "intents") == any(isinstance(entry, Intent) and entry.step >= 100 for entry in entries)


PIPELINE = """\
[pipeline]
key = "who"
group = 10
[source]
use = "toy.numbers"
count = 10_000
[features]
use = "toy.fields"
[model]
use = "toy.threshold"
threshold = 0.0
[broker]
use = "disk.full"
[redaction]
use = "toy.mask"
"""


class TestReading:
    @pytest.fixture
    def whole(self, journal: Journal, tmp_path: Path) -> Path:
        """A journal with three lines."""
        for step in range(3):
            journal.add(Clock, step, step)
        journal.close()
        return tmp_path / "journal.jsonl"

    @pytest.mark.parametrize("cut", [1, 5, 30])
    def test_a_last_line_that_a_crash_has_torn(self, cut: int, whole: Path) -> None:
        """It was never in force, and is left out; even if only its end is missing."""
        os.truncate(whole, whole.stat().st_size - cut)
        assert [1, 2] == [entry.n for entry in read_journal(whole.parent)]

    def test_an_empty_journal(self, whole: Path) -> None:
        """Nothing was done."""
        os.truncate(whole, 0)
        assert [] == list(read_journal(whole.parent))

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            (b'"n":2,', b'"n":7,', "2: line 2 is missing or was changed"),
            (b'{"type":"clock","n":2,"step":1,"now_ms":1}\n', b"", "2: line 2 is missing or was changed"),
            (b'"clock","n":2', b'"poem","n":2', "2: not a line of a journal: Invalid value 'poem'"),
            (b'"step":1', b'"step":"x"', "2: not a line of a journal: Expected `int`, got `str`"),
            (b'"step":1,', b"", "2: not a line of a journal: Object missing required field `step`"),
            (b'"n":2,"step":1,"now_ms":1}', b'"n":2,"st', "2: not a line of a journal: JSON is malformed"),
            (b'"clock","n":2', b'"\xff","n":2', "2: not a line of a journal: 'utf-8' codec can't decode"),
            (b'{"type":"clock","n":2', b"\0\0\0\0", "2: not a line of a journal: JSON is malformed"),
        ],
    )
    def test_a_line_that_is_not_as_it_was_written(self, old: bytes, new: bytes, problem: str, whole: Path) -> None:
        """It is refused with its place, after what stands before it."""
        text = whole.read_bytes()
        assert 1 == text.count(old)
        whole.write_bytes(text.replace(old, new))
        entries = read_journal(whole.parent)
        assert 1 == next(entries).n
        with pytest.raises(JournalFailed) as failed:
            next(entries)
        assert str(failed.value).startswith(f"journal.jsonl:{problem}")
        assert 1 == failed.value.exit_code
