"""What cannot be gone on with is refused: what is wrong, and what to do. Nothing is touched, so it can be mended."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import crash_plugin
import pytest
from crash_machine import IDEMPOTENT, Machine, Outcome

from mdm_core.journal import Checkpoint
from mdm_core.rundir import RunLock

Make = Callable[..., Machine]

CHANGED = "run 'r0001' cannot be gone on with, because this has changed: {}; put it back, or start a new run"
LINKS = "Too many levels of symbolic links"


@pytest.fixture
def crashed(make_machine: Make) -> tuple[Machine, Outcome]:
    """A machine on which the run ``r0001`` has died, and what it should have come to."""
    machine = make_machine(*IDEMPOTENT)
    calls = machine.calls("whole")
    whole = machine.outcome("whole")
    machine.forget_world()
    assert machine.dies("r0001", len(calls) * 5 // 8)
    return machine, whole


def refused(machine: Machine, message: str, run_id: str = "r0001", settings: list[str] | None = None) -> None:
    """Hold that going on is refused with this message, and that nothing is done."""
    attempts, journal = machine.attempts(), machine.journal(run_id)
    ended = machine.run(run_id, resume=True, settings=settings)
    assert message == ended.said.replace(str(machine.folder), "…")
    assert ended.code in (1, 2)
    assert attempts == machine.attempts()
    assert journal == machine.journal(run_id)


def goes_on(machine: Machine, whole: Outcome, run_id: str = "r0001") -> None:
    """Hold that the run can be gone on with, and comes to what it should have."""
    machine.resume_and_die(run_id)
    assert whole == machine.outcome(run_id)


class TestWhatHasChanged:
    @pytest.mark.parametrize(
        ("setting", "change"),
        [
            ("model.bias=0.25", "config.model.bias was 0.0 and is 0.25"),
            ("features.max_keys=6", "config.features.max_keys was 5 and is 6"),
            ("durability.mode='fast'", 'config.durability.mode was "group" and is "fast"'),
            ("pipeline.group=16", "config.pipeline.group was 8 and is 16"),
            ("pipeline.outcome='hit'", 'config.pipeline.outcome was not there and is "hit"'),
        ],
    )
    def test_an_option(self, crashed: tuple[Machine, Outcome], setting: str, change: str) -> None:
        """Its place, its value before and its value now are named."""
        machine, whole = crashed
        refused(machine, CHANGED.format(change), settings=[*IDEMPOTENT, setting])
        goes_on(machine, whole)

    def test_several(self, crashed: tuple[Machine, Outcome]) -> None:
        """All are named."""
        refused(
            crashed[0],
            CHANGED.format("config.model.bias was 0.0 and is 0.25; config.model.every was 3 and is 4"),
            settings=[*IDEMPOTENT, "model.bias=0.25", "model.every=4"],
        )

    @pytest.mark.parametrize(
        ("more", "change"),
        [
            (True, 'config.modulators #2 was not there and is "crash.stale"'),
            (False, 'config.modulators #1 use was "crash.guard" and is "crash.stale"'),
        ],
    )
    def test_a_component(self, crashed: tuple[Machine, Outcome], more: bool, change: str) -> None:
        """One more, or another in its place, is as much of a change as another value."""
        machine, _ = crashed
        text = machine.pipeline.read_text()
        machine.pipeline.write_text(
            text + '[[modulators]]\nuse = "crash.stale"\n' if more else text.replace("crash.guard", "crash.stale")
        )
        machine.settings.append("model.every=3")
        refused(machine, CHANGED.format(change))

    def test_the_version_of_a_plugin(
        self, crashed: tuple[Machine, Outcome], plugin_dir: Path, install: Callable[..., Path]
    ) -> None:
        """The distribution and both versions are named."""
        machine, whole = crashed
        shutil.rmtree(plugin_dir / "mdm_crash-1.0.0.dist-info")
        install("crash", {}, value="crash_plugin", version="1.0.1")
        machine.settings.append("model.every=3")  # as by default; a plan of its own
        refused(machine, CHANGED.format('distributions.mdm-crash was "1.0.0" and is "1.0.1"'))
        machine.settings.pop()
        goes_on(machine, whole)

    def test_python(self, crashed: tuple[Machine, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
        """Another Python may compute another float."""
        version = platform.python_version()
        monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
        refused(crashed[0], CHANGED.format(f'python was "{version}" and is "3.99.0"'))

    def test_the_file_of_a_model(self, make_machine: Make) -> None:
        """Its name and both hashes are named."""
        machine = make_machine(*IDEMPOTENT, 'model.weights="weights.json"')
        weights = machine.folder / "weights.json"
        weights.write_text("1")
        machine.calls("whole")
        whole = machine.outcome("whole")
        machine.forget_world()
        assert machine.dies("r0001", 60)
        weights.write_text("2")
        one, two = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
        refused(machine, CHANGED.format(f'files."weights.json" was "{one}" and is "{two}"'))
        weights.unlink()
        refused(machine, CHANGED.format(f'files."weights.json" was "{one}" and is not there'))
        weights.write_text("1")
        goes_on(machine, whole)

    def test_the_source(self, crashed: tuple[Machine, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
        """It says of itself that it is another one."""
        monkeypatch.setattr(crash_plugin.Numbers, "identity", lambda _: {"count": 121})
        refused(crashed[0], "crash.numbers: it is no longer the source that the run has read; start a new run")
        monkeypatch.undo()
        goes_on(*crashed)

    @pytest.mark.parametrize("at", [30, 60])
    def test_a_source_that_cannot_go_back(self, make_machine: Make, at: int) -> None:
        """Also if nothing was read before the last checkpoint: what it gives now is not what it gave then."""
        machine = make_machine(*IDEMPOTENT)
        text = machine.pipeline.read_text()
        machine.pipeline.write_text(re.sub(r'"crash.numbers"\nnap = .*', '"crash.one_pass"', text))
        assert machine.dies("r0001", at)
        refused(machine, "crash.one_pass: it cannot go back to where the run ended; start a new run")

    def test_a_sink_that_cannot_give_back(self, make_machine: Make) -> None:
        """What it has already would be written again."""
        machine = make_machine(*IDEMPOTENT)
        machine.pipeline.write_text(machine.pipeline.read_text() + '[[trace]]\nuse = "crash.forgetful"\n')
        assert machine.dies("r0001", 60)
        refused(
            machine,
            "crash.forgetful cannot give back what it was given, so the run cannot be gone on with; start a new run",
        )


class TestCheckpoints:
    def files(self, machine: Machine) -> list[Path]:
        return sorted((machine.directory("r0001") / "checkpoints").iterdir())

    @pytest.mark.parametrize("cut", [0, 1, 100])
    def test_a_damaged_one(self, crashed: tuple[Machine, Outcome], cut: int) -> None:
        """The one before it is taken, and nobody can tell."""
        machine, whole = crashed
        *_, before, last = self.files(machine)
        assert before.stat().st_size > 100
        data = last.read_bytes()
        last.write_bytes(data[:-cut] if cut else bytes([data[0] ^ 1]) + data[1:])
        goes_on(machine, whole)

    def test_a_missing_one(self, crashed: tuple[Machine, Outcome]) -> None:
        """The one before it is taken, and nobody can tell."""
        machine, whole = crashed
        self.files(machine)[-1].unlink()
        goes_on(machine, whole)

    def test_none(self, crashed: tuple[Machine, Outcome]) -> None:
        """Without any there is nothing to go back to."""
        machine, whole = crashed
        for path in self.files(machine):
            path.rename(path.with_suffix(".away"))
        refused(machine, "run 'r0001' has no checkpoint that can be read; start a new run")
        for path in self.files(machine):
            path.rename(path.with_suffix(""))
        goes_on(machine, whole)

    def test_the_last_two_are_kept(self, crashed: tuple[Machine, Outcome]) -> None:
        """Those that the journal tells of; what a crash has left besides them takes no place of theirs."""
        machine, whole = crashed
        *_, last = self.files(machine)
        for stray in ("999999999998-999999999998", ".999999999999-999999999999.new"):
            last.with_name(stray).write_bytes(last.read_bytes())
        goes_on(machine, whole)
        told = [entry.file for entry in machine.journal("r0001") if isinstance(entry, Checkpoint)]
        assert told[-1] != last.name
        assert told[-2:] == [path.name for path in self.files(machine)]


class TestJournal:
    @pytest.mark.parametrize(
        ("number", "damage", "message"),
        [
            (9, lambda line: line[:-9] + b"\n", "journal.jsonl:9: not a line of a journal: Input data was truncated"),
            (9, lambda _: b"\n", "journal.jsonl:9: not a line of a journal: Input data was truncated"),
            (9, lambda _: b"", "journal.jsonl:9: line 9 is missing or was changed"),
            (1, lambda _: b"", "journal.jsonl:1: line 1 is missing or was changed"),
            (9, lambda line: line * 2, "journal.jsonl:10: line 10 is missing or was changed"),
            (
                9,
                lambda line: b"\0" * (len(line) - 1) + b"\n",
                "journal.jsonl:9: not a line of a journal: JSON is malformed: invalid character (byte 0)",
            ),
            (
                9,
                lambda _: b'{"type":"wish","n":9}\n',
                "journal.jsonl:9: not a line of a journal: Invalid value 'wish' - at `$.type`",
            ),
        ],
    )
    def test_damaged_in_its_middle(
        self, crashed: tuple[Machine, Outcome], number: int, damage: Callable[[bytes], bytes], message: str
    ) -> None:
        """What stood there cannot be known, so nothing is done; the line is named."""
        machine, whole = crashed
        path = machine.directory("r0001") / "journal.jsonl"
        data = path.read_bytes()
        lines = data.splitlines(keepends=True)
        lines[number - 1] = damage(lines[number - 1])
        path.write_bytes(b"".join(lines))
        attempts = machine.attempts()
        ended = machine.run("r0001", resume=True)
        assert (1, message) == (ended.code, ended.said)
        assert attempts == machine.attempts()
        path.write_bytes(data)
        goes_on(machine, whole)


class TestRuns:
    def test_one_that_goes_on(self, crashed: tuple[Machine, Outcome]) -> None:
        """Two processes would act twice."""
        machine, whole = crashed
        lock = RunLock(machine.directory("r0001"))
        assert lock.acquire()
        refused(machine, "run 'r0001' is going on; `mdm stop r0001` stops it")
        lock.release()
        goes_on(machine, whole)

    def test_one_that_is_done(self, crashed: tuple[Machine, Outcome]) -> None:
        """There is nothing to go on with."""
        machine, whole = crashed
        goes_on(machine, whole)
        refused(machine, "run 'r0001' has ended and cannot be gone on with; start a new run")
        assert whole == machine.outcome("r0001")

    def test_one_that_does_not_exist(self, crashed: tuple[Machine, Outcome]) -> None:
        """Where it was looked for is named, and how to look oneself."""
        refused(
            crashed[0],
            "no run 'r0009' in …/disks/r0009/runs; `mdm runs` lists them, --runs-dir names another place",
            run_id="r0009",
        )

    @pytest.mark.parametrize("run_id", ["../r0001", "runs/r0001", "/etc", "", ".", "r" * 81, "r0001/", "r0001\0"])
    def test_what_is_no_run_id(self, crashed: tuple[Machine, Outcome], run_id: str) -> None:
        """A run id leads nowhere else, though a run may be there."""
        machine, whole = crashed
        shutil.copytree(machine.directory("r0001"), machine.disk("r0001") / "r0001", ignore=lambda *_: ["control"])
        ended = machine.run("r0001", resume=True, named=run_id)
        message = f"run id {run_id!r}: use up to 80 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        assert (2, message) == (ended.code, ended.said)
        goes_on(machine, whole)


class TestSymbolicLinks:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("lock", f"…/lock: cannot be opened: {LINKS}; see to it that it can be"),
            ("run.json", "…: holds no run.json that can be read; start a new run"),
            ("journal.jsonl", f"journal.jsonl failed: OSError: {LINKS}"),
            ("dead_letter.jsonl", f"…/dead_letter.jsonl: cannot be read: {LINKS}; see to it that it can be"),
            ("checkpoints", "run 'r0001' has no checkpoint that can be read; start a new run"),
        ],
    )
    def test_in_the_directory_of_a_run(self, crashed: tuple[Machine, Outcome], name: str, message: str) -> None:
        """Nothing is read or written through one."""
        machine, whole = crashed
        path, elsewhere = machine.directory("r0001") / name, machine.folder / "elsewhere"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
        attempts = machine.attempts()
        ended = machine.run("r0001", resume=True)
        assert message == ended.said.replace(str(machine.directory("r0001")), "…")
        assert ended.code in (1, 2)
        assert attempts == machine.attempts()
        path.unlink()
        elsewhere.rename(path)
        goes_on(machine, whole)

    def test_in_place_of_a_checkpoint(self, crashed: tuple[Machine, Outcome]) -> None:
        """It is none; the one before it is taken."""
        machine, whole = crashed
        *_, last = sorted((machine.directory("r0001") / "checkpoints").iterdir())
        last.rename(machine.folder / "elsewhere")
        last.symlink_to(machine.folder / "elsewhere")
        goes_on(machine, whole)


class TestLimit:
    def test_it_counts_from_the_beginning_of_the_run(self, make_machine: Make) -> None:
        """A run that was to end after so many events does so after its resume, too."""
        machine = make_machine(*IDEMPOTENT)
        assert 0 == machine.run("whole", limit=90).code
        whole = machine.outcome("whole")
        for at in range(40, 110, 13):
            machine.forget_world()
            assert machine.dies("r0001", at, limit=90)
            assert 0 == machine.run("r0001", resume=True, limit=90).code
            assert whole == machine.outcome("r0001")
            shutil.rmtree(machine.disk("r0001"))

    def test_one_that_is_passed_already(self, crashed: tuple[Machine, Outcome]) -> None:
        """Nothing more is read."""
        machine, _ = crashed
        intended = machine.keys("r0001")
        assert 0 == machine.run("r0001", resume=True, limit=10).code
        assert machine.summary("r0001")["events"] < 120
        assert intended == machine.keys("r0001")
