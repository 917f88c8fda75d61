"""A run on disk: private to its owner, to one process at a time, and never reached through a link."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mdm_core import UsageError
from mdm_core.rundir import (
    LOCK_FILE,
    RUN_FILE,
    RunLock,
    create_run_dir,
    find_run,
    is_running,
    list_runs,
    new_run_id,
    now_text,
    open_private,
    read_json,
    write_json,
)

HOLD_LOCK = """
import sys, time
from pathlib import Path
from mdm_core.rundir import RunLock
assert RunLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def mode(path: Path) -> int:
    """The permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


class TestCreating:
    def test_the_directory_is_private(self, tmp_path: Path) -> None:
        """Only its owner may look into it, whatever the umask allows."""
        before = os.umask(0)
        try:
            directory = create_run_dir(tmp_path / "deep" / "runs", "r-1")
        finally:
            os.umask(before)
        assert tmp_path / "deep" / "runs" / "r-1" == directory
        assert (mode(directory), mode(directory.parent)) == (0o700, 0o700)

    def test_a_run_that_exists_is_refused(self, tmp_path: Path) -> None:
        """Nothing is ever written into an earlier run."""
        create_run_dir(tmp_path, "r-1")
        with pytest.raises(UsageError) as error:
            create_run_dir(tmp_path, "r-1")
        assert f"run 'r-1' exists already in {tmp_path}: choose another --run-id, or leave it out" == str(error.value)

    @pytest.mark.parametrize(
        "run_id", ["", ".", "..", "../x", "a/b", "/x", ".hidden", "-x", "a b", "ü", "x" * 81, "\n"]
    )
    def test_an_id_that_is_no_name_is_refused(self, run_id: str, tmp_path: Path) -> None:
        """No id leads out of the directory, hides, or looks like an option."""
        with pytest.raises(UsageError, match="use up to 80 letters, digits"):
            create_run_dir(tmp_path, run_id)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_in_the_way_is_named(self, tmp_path: Path) -> None:
        """The message says what is wrong and what to do."""
        (tmp_path / "runs").write_text("")
        with pytest.raises(UsageError) as error:
            create_run_dir(tmp_path / "runs", "r-1")
        assert f"{tmp_path / 'runs'}: is a file; choose another --runs-dir" == str(error.value)
        with pytest.raises(UsageError, match="cannot be made: Not a directory; choose another --runs-dir"):
            create_run_dir(tmp_path / "runs" / "below", "r-1")

    def test_ids_sort_by_time_and_differ(self) -> None:
        """A new id is a name that can be used, and no two are the same."""
        ids = [new_run_id() for _ in range(20)]
        assert len(set(ids)) > 15
        assert sorted(i[:15] for i in ids) == [i[:15] for i in ids]

    def test_times_are_utc_text(self) -> None:
        """To the millisecond, with a Z."""
        assert time.strptime(now_text()[:19], "%Y-%m-%dT%H:%M:%S")
        assert now_text()[23:] == "Z"


class TestFinding:
    def test_by_id_or_path(self, tmp_path: Path) -> None:
        """A run is named by its id or by its directory."""
        directory = create_run_dir(tmp_path, "r-1")
        write_json(directory / RUN_FILE, {})
        assert directory == find_run("r-1", tmp_path) == find_run(str(directory), Path("elsewhere"))

    def test_an_unknown_run_is_a_usage_error(self, tmp_path: Path) -> None:
        """With a guess at what was meant and where to look."""
        write_json(create_run_dir(tmp_path, "r-1") / RUN_FILE, {})
        create_run_dir(tmp_path, "r-2")
        with pytest.raises(UsageError) as error:
            find_run("r-11", tmp_path)
        assert str(error.value) == (
            f"no run 'r-11' in {tmp_path} (did you mean 'r-1'?); `mdm runs` lists them, --runs-dir names another place"
        )

    def test_runs_are_listed_oldest_first(self, tmp_path: Path) -> None:
        """What is no run is left out; without a directory there are none."""
        for name in ("b", "a", "c"):
            write_json(create_run_dir(tmp_path, name) / RUN_FILE, {})
        (tmp_path / "other").mkdir()
        (tmp_path / "file").write_text("")
        assert [path.name for path in list_runs(tmp_path)] == ["a", "b", "c"]
        assert list(list_runs(tmp_path / "nowhere")) == []


class TestFiles:
    def test_a_file_is_private(self, tmp_path: Path) -> None:
        """Only its owner may read it, whatever the umask allows."""
        before = os.umask(0)
        try:
            os.close(open_private(tmp_path / "x", os.O_WRONLY))
            write_json(tmp_path / "y", {})
        finally:
            os.umask(before)
        assert (mode(tmp_path / "x"), mode(tmp_path / "y")) == (0o600, 0o600)

    def test_a_symbolic_link_is_refused(self, tmp_path: Path) -> None:
        """Nobody can make a run write somewhere else."""
        victim = tmp_path / "victim"
        victim.write_text("precious")
        (tmp_path / "x").symlink_to(victim)
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            open_private(tmp_path / "x", os.O_WRONLY | os.O_TRUNC)
        (tmp_path / ".y.new").symlink_to(victim)
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            write_json(tmp_path / "y", {"a": 1})
        assert victim.read_text() == "precious"

    def test_a_document_is_replaced_whole(self, tmp_path: Path) -> None:
        """It is indented for people, ends in a line, and leaves nothing else behind."""
        write_json(tmp_path / "x.json", {"long": "x" * 1000})
        write_json(tmp_path / "x.json", {"a": 1})
        assert (tmp_path / "x.json").read_text() == '{\n  "a": 1\n}\n'
        assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
        assert read_json(tmp_path / "x.json") == {"a": 1}

    def test_a_link_in_a_documents_place_is_replaced_not_followed(self, tmp_path: Path) -> None:
        """What it leads to stays as it is."""
        victim = tmp_path / "victim"
        victim.write_text("precious")
        (tmp_path / "x.json").symlink_to(victim)
        write_json(tmp_path / "x.json", {})
        assert victim.read_text() == "precious"
        assert not (tmp_path / "x.json").is_symlink()

    @pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff", b'{"a": "\xff"}'])
    def test_a_document_that_cannot_be_read_is_none(self, content: bytes | None, tmp_path: Path) -> None:
        """Missing, cut off, or something else than an object."""
        if content is not None:
            (tmp_path / "x.json").write_bytes(content)
        assert read_json(tmp_path / "x.json") is None


class TestLock:
    def test_one_at_a_time(self, tmp_path: Path) -> None:
        """A second lock is refused until the first is let go of."""
        first, second = RunLock(tmp_path), RunLock(tmp_path)
        assert not is_running(tmp_path)
        assert first.acquire()
        assert is_running(tmp_path)
        assert not second.acquire()
        first.release()
        assert not is_running(tmp_path)
        assert second.acquire()
        second.release()
        second.release()

    def test_the_lock_ends_with_its_process(self, tmp_path: Path) -> None:
        """However it ends: after a kill that nobody can catch the run is no longer running."""
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", HOLD_LOCK, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            assert is_running(tmp_path)
            assert not RunLock(tmp_path).acquire()
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        assert not is_running(tmp_path)
        assert (tmp_path / LOCK_FILE).exists()
        assert RunLock(tmp_path).acquire()

    def test_the_lock_is_private_and_no_link(self, tmp_path: Path) -> None:
        """A lock through a link would lock something else."""
        RunLock(tmp_path).acquire()
        assert mode(tmp_path / LOCK_FILE) == 0o600
        (tmp_path / LOCK_FILE).unlink()
        (tmp_path / LOCK_FILE).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UsageError, match="symbolic links"):
            RunLock(tmp_path).acquire()
        assert not is_running(tmp_path)
