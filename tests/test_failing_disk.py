"""A disk that is full, over its quota, broken or not to be written on: nothing more is done, and the run can go on."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from crash_calls import Fault
from crash_machine import IDEMPOTENT, Ended, Machine, Outcome, differences

from mdm_core.journal import Command, Journal, JournalFailed, read_journal

Make = Callable[..., Machine]

EVERY = int(os.environ.get("MDM_EVERY", "23"))
_NEW_NAMESPACES = 0x10000000 | 0x00020000  # CLONE_NEWUSER | CLONE_NEWNS
_CAPABILITIES_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
ERRORS = [errno.ENOSPC, errno.EIO, errno.EDQUOT]

# What is done without, and whose failure therefore changes nothing: old checkpoints that cannot be removed, a
# directory that is made though it is there.
HARMLESS = ("unlink 0", "mkdir checkpoints", "unlink control")
TOLD_AS = {"traces.jsonl": "crash.lines", "audit.jsonl": "crash.audit", "checkpoints": "checkpoint"}


def fails(machine: Machine, run_id: str, at: int, error: int, for_ever: bool, resume: bool = False) -> Ended:
    """Run, and let a call fail, and perhaps all that come after it."""
    count = lambda: machine.attempts().total()  # noqa: E731
    return machine.run(run_id, resume=resume, layer=lambda disk: Fault(disk, at, error, for_ever, count))


def told_of(ended: Ended, run_id: str) -> str:
    """What the message must have in it: the file whose call failed; a directory is synced for some file's sake."""
    if ended.report["failed"].startswith(HARMLESS):
        return ""
    name = str(ended.report["failed"]).split()[1].removeprefix(".").removesuffix(".new")
    if name in (run_id, "runs"):
        return ""
    return "checkpoint" if name[0] == "0" else TOLD_AS.get(name, name)


def is_as_whole(machine: Machine, run_id: str, whole: Outcome) -> None:
    """Hold that a run came to the same as one that was never interrupted."""
    assert [] == differences(whole.packets, machine.packets(run_id))
    assert whole == machine.outcome(run_id)
    assert Counter(machine.keys(run_id)[step] for step in whole.done) == machine.effects()


class TestEveryCall:
    @pytest.mark.parametrize("for_ever", [False, True])
    def test_fails(self, make_machine: Make, for_ever: bool) -> None:
        """No act comes after it, the run fails and names the file; after its resume all is as if nothing had been."""
        machine = make_machine(*IDEMPOTENT)
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        for at in range(1 + for_ever, len(calls) + 1, EVERY):
            machine.forget_world()
            run_id, error = f"r{at:04}", ERRORS[at % 3]
            ended = fails(machine, run_id, at, error, for_ever)
            first = calls.index("mkdir checkpoints") + 1  # the others find that it is there
            if str(ended.report["failed"]).startswith(HARMLESS) and not for_ever and at != first:
                assert 0 == ended.code
                continue
            assert ended.code in (1, 2), (calls[at - 1], ended)
            assert os.strerror(error) in ended.said, (calls[at - 1], ended)
            assert told_of(ended, run_id) in ended.said, ended
            assert ended.report["attempts"] == machine.attempts().total(), ended
            if not machine.has_begun(run_id):
                assert not machine.attempts()
                continue
            machine.resume_and_die(run_id)
            is_as_whole(machine, run_id, whole)

    @pytest.mark.parametrize("for_ever", [False, True])
    def test_fails_in_the_resume(self, make_machine: Make, for_ever: bool) -> None:
        """The same if it fails while the run is gone on with: it can be gone on with again."""
        machine = make_machine(*IDEMPOTENT)
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        for at in range(2 - for_ever, 50, EVERY):
            machine.forget_world()
            run_id = f"r{at:04}"
            assert machine.dies(run_id, len(calls) // 2)
            before = machine.journal(run_id)
            ended = fails(machine, run_id, at, errno.EIO, for_ever, resume=True)
            if ended.code:
                assert told_of(ended, run_id) in ended.said, ended
                assert ended.report["attempts"] == machine.attempts().total(), ended
            assert before == machine.journal(run_id)[: len(before)]
            machine.resume_and_die(run_id)
            is_as_whole(machine, run_id, whole)


class TestJournal:
    @pytest.mark.parametrize("name", ["write", "fdatasync"])
    def test_is_written_no_more(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After one failure every other attempt fails, though the disk may say by then that all is well."""

        def broken(*_: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

        journal = Journal(tmp_path)
        journal.add(Command, "stop", "me", "now")
        journal.flush(durable=True)
        monkeypatch.setattr(os, name, broken)
        journal.add(Command, "release", "me", "now")
        for attempt in (journal.flush, journal.close):
            with pytest.raises(JournalFailed, match=r"journal.jsonl failed: OSError: Input/output error"):
                attempt(durable=True) if attempt == journal.flush else attempt()
            monkeypatch.undo()
        assert ["stop", "release"][: 1 + (name == "fdatasync")] == [
            entry.name for entry in read_journal(tmp_path) if isinstance(entry, Command)
        ]


class TestRealLimits:
    @pytest.mark.parametrize("size", [700, 1500, 3000, 6000, 12000, 24000])
    def test_of_the_size_of_a_file(self, make_machine: Make, size: int) -> None:
        """RLIMIT_FSIZE: whatever file reaches it first, the run fails, and goes on when there is room."""
        self.hold(make_machine(*IDEMPOTENT), lambda _: largest(size), "File too large")

    @pytest.mark.parametrize("size", [8, 12, 16, 24, 32, 48, 64, 80])
    def test_of_the_disk(self, make_machine: Make, size: int) -> None:
        """A file system of so many KiB: when it is full, the run fails, and goes on when there is room."""
        if subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
            pytest.skip("no file system may be mounted here")
        self.hold(make_machine(*IDEMPOTENT), lambda disk: only(size, disk), "No space left on device")

    def hold(self, machine: Machine, limit: Callable[[Path], AbstractContextManager[None]], said: str) -> None:
        machine.calls("whole")
        whole = machine.outcome("whole")
        machine.forget_world()
        ended = machine.run("r0001", around=limit(machine.disk("r0001")))
        assert ended.code in (1, 2)
        assert said in ended.said
        if machine.has_begun("r0001"):
            machine.resume_and_die("r0001")
            is_as_whole(machine, "r0001", whole)
        else:
            assert not machine.attempts()

    def test_of_a_directory_that_is_only_to_be_read(self, make_machine: Make) -> None:
        """A run does not begin in it, and a run that is there already does not go on; both say where and why."""
        machine = make_machine(*IDEMPOTENT)
        machine.calls("whole")
        whole = machine.outcome("whole")
        machine.forget_world()
        machine.dies("r0001", 80)
        machine.disk("r0002").mkdir()
        closed = [machine.disk("r0002"), machine.directory("r0001"), machine.directory("r0001") / "checkpoints"]
        for directory in closed:
            directory.chmod(0o500)
        attempts = machine.attempts()
        for run_id, resume in (("r0002", False), ("r0001", True)):
            ended = machine.run(run_id, resume=resume, around=unprivileged())
            assert 2 == ended.code
            assert str(machine.runs(run_id)) in ended.said
            assert "Permission denied" in ended.said
        assert attempts == machine.attempts()
        for directory in closed:
            directory.chmod(0o700)
        machine.resume_and_die("r0001")
        is_as_whole(machine, "r0001", whole)


@contextmanager
def largest(size: int) -> Iterator[None]:
    """Let no file of this process have more bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def only(size: int, disk: Path) -> Iterator[None]:
    """Let this process see a file system of so many KiB in the disk's place; what is on it then is left on the disk."""
    libc, left = ctypes.CDLL(None, use_errno=True), disk.with_suffix(".left")
    maps = {"uid_map": f"0 {os.getuid()} 1", "setgroups": "deny", "gid_map": f"0 {os.getgid()} 1"}
    assert 0 == libc.unshare(_NEW_NAMESPACES), os.strerror(ctypes.get_errno())
    for name, text in maps.items():
        Path("/proc/self", name).write_text(text)
    mounted = libc.mount(b"tmpfs", bytes(disk), b"tmpfs", 0, f"size={size}k".encode())
    assert 0 == mounted, os.strerror(ctypes.get_errno())
    yield
    shutil.copytree(disk, left, ignore=shutil.ignore_patterns("control"))
    assert 0 == libc.umount(bytes(disk)), os.strerror(ctypes.get_errno())
    shutil.copytree(left, disk, dirs_exist_ok=True)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Let permissions hold for root, too."""
    header, nothing = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()
    assert 0 == ctypes.CDLL(None).capset(header, nothing)
    yield
