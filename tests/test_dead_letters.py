"""Dead letters: shown as they are, tried again once, from the source that the run has read."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mdm_reference import MemorySource

from mdm_core import ConfigError, Position, Record, Reject
from mdm_core.cli import main
from mdm_core.dead_letters import Chosen, Letter, mark_retried, read_letters, read_retried
from mdm_core.errors import UsageError
from mdm_core.rundir import RunLock

Mdm = Callable[..., "subprocess.CompletedProcess[str]"]

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"

[model]
use = "reference.linear"
weights = { n = 1.0 }
threshold = 0.0

[broker]
use = "reference.file"

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "redaction.keys"
"""
# The event of line 3 has no key, that of line 6 none either; lines 2 and 5 are no events; line 4 is blank.
EVENTS = [
    b'{"who":"a","at":1,"n":1}',
    b"{bad",
    b'{"user":"b","at":2,"n":2,"password":"canary"}',
    b"",
    b"\x1b[31mred",
    b'{"user":"c","at":3,"n":3}',
    b'{"who":"a","at":4,"n":4}',
]
BY_USER = ("--set", "pipeline.key='user'")


@pytest.fixture
def mdm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mdm:
    """Run ``mdm`` with the plugins that are installed, in a directory with a pipeline and its events."""
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(EVENTS) + b"\n")
    (tmp_path / "pipeline.toml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        command = ["mdm", *map(str, args)]
        monkeypatch.setattr(sys, "argv", command)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(command, int(ended.value.code or 0), out, err)

    return run


def lines(path: str) -> list[Any]:
    """Read JSON lines."""
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


class TestShow:
    def test_table(self, mdm: Mdm) -> None:
        """Position, reason and excerpt stand in columns, then the number of each reason; nothing is shown raw."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        shown = mdm("dead-letter", "show", "r")
        assert 0 == shown.returncode
        assert [
            "2  invalid_json  [REDACTED 4 characters]",
            '3  missing_key   {"user":"b","at":2,"n":2,"password":"[REDACTED]"}',
            "5  invalid_json  [REDACTED 8 characters]",
            '6  missing_key   {"user":"c","at":3,"n":3}',
            "",
            "2  invalid_json",
            "2  missing_key",
        ] == shown.stdout.splitlines()

    def test_control_characters(self, mdm: Mdm) -> None:
        """What would move the cursor or change the direction of writing is shown by its number."""
        Path("pipeline.toml").write_text(PIPELINE.replace("redaction.keys", "none"))
        mdm("run", "pipeline.toml", "--run-id", "r")
        with Path("runs/r/dead_letter.jsonl").open("a") as file:
            file.write('{"position":"\\u001b[2J","reason":"\\u202ex","excerpt":"\\u0007\\u009b"}\n')
        shown = mdm("dead-letter", "show", "r").stdout
        assert "\\x1b[31mred" in shown
        assert "\\x1b[2J  \\u202ex       \\x07\\x9b" in shown
        assert all(c.isprintable() or c == "\n" for c in shown)

    def test_some(self, mdm: Mdm) -> None:
        """One reason, and the last ones of many, can be asked for."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        shown = mdm("dead-letter", "show", "r", "--reason", "invalid_json", "--limit", "1")
        assert ["5  invalid_json  [REDACTED 8 characters]", "", "2  invalid_json"] == shown.stdout.splitlines()
        assert "the last 1 of 2; --limit shows more\n" == shown.stderr

    def test_json(self, mdm: Mdm) -> None:
        """With --json all of it comes as one document."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        shown = json.loads(mdm("dead-letter", "show", "r", "--json").stdout)
        assert ("r", {"invalid_json": 2, "missing_key": 2}, 0) == (shown["run_id"], shown["counts"], shown["retried"])
        expected = {"position": 2, "reason": "invalid_json", "excerpt": "[REDACTED 4 characters]", "retried_in": None}
        assert (expected, 4) == (shown["letters"][0], len(shown["letters"]))

    def test_none(self, mdm: Mdm) -> None:
        """A run without dead letters says so."""
        Path("events.jsonl").write_bytes(EVENTS[0])
        mdm("run", "pipeline.toml", "--run-id", "r")
        shown = mdm("dead-letter", "show", "r")
        assert (0, "", "no dead letters\n") == (shown.returncode, shown.stdout, shown.stderr)

    def test_unknown_reason(self, mdm: Mdm) -> None:
        """A reason that no letter has is refused with those that are there."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        for command in ("show", "retry"):
            refused = mdm("dead-letter", command, "r", "--reason", "mising_key")
            expected = "no dead letter has the reason 'mising_key' (did you mean 'missing_key'?)"
            assert f"mdm: {expected}; its reasons are invalid_json, missing_key\n" == refused.stderr
            assert 2 == refused.returncode


class TestFile:
    def test_torn_tail(self, tmp_path: Path) -> None:
        """Half a line that a crash has left is passed over when read, and cut when something is written."""
        whole = b'{"position":1,"reason":"x","excerpt":"y"}\n'
        (tmp_path / "dead_letter.jsonl").write_bytes(whole + whole[:20])
        assert [Letter(1, "x", "y")] == list(read_letters(tmp_path))
        (tmp_path / "retried.jsonl").write_bytes(b'{"run_id":"a","at":"now","posit')
        mark_retried(tmp_path, "b", [1, "two"])
        assert {1: "b", "two": "b"} == read_retried(tmp_path)
        assert 1 == len(lines(str(tmp_path / "retried.jsonl")))

    @pytest.mark.parametrize("line", [b"x\n", b"{}\n", b'{"position":null,"reason":"x"}\n', b"\xff\n", b"[1]\n"])
    def test_other_lines(self, tmp_path: Path, line: bytes) -> None:
        """A line that is no dead letter is named."""
        path = tmp_path / "dead_letter.jsonl"
        path.write_bytes(b'{"position":1,"reason":"x"}\n' + line)
        with pytest.raises(UsageError) as caught:
            list(read_letters(tmp_path))
        assert f"{path}:2: was not written by mdm, or was changed; correct it" == str(caught.value)

    def test_links(self, tmp_path: Path) -> None:
        """A link in the place of the file is not followed."""
        (tmp_path / "secret").write_text("")
        for name in ("dead_letter.jsonl", "retried.jsonl"):
            (tmp_path / name).symlink_to(tmp_path / "secret")
        with pytest.raises(UsageError, match="cannot be read: Too many levels of symbolic links"):
            list(read_letters(tmp_path))
        with pytest.raises(OSError, match="symbolic links"):
            mark_retried(tmp_path, "b", [1])


class TestRetry:
    def test_with_a_pipeline_that_was_corrected(self, mdm: Mdm) -> None:
        """The letters' own events are decided and acted upon in a run of its own, in their order, and no others."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        retried = mdm("dead-letter", "retry", "r", "--reason", "missing_key", "--run-id", "s", *BY_USER)
        assert 0 == retried.returncode
        assert "run s: tries 2 dead letters of run r again\n" == retried.stderr.splitlines(keepends=True)[0]
        assert [2, 3] == [packet["input"]["n"] for packet in lines("runs/s/traces.jsonl")]
        assert ["b", "c"] == [action["key"] for action in lines("runs/s/actions.jsonl")]
        assert 2 == len(lines("runs/r/actions.jsonl"))
        run = json.loads(Path("runs/s/run.json").read_text())
        assert ("r", 2) == (run["source"]["retry_of"], run["source"]["letters"])

    def test_once(self, mdm: Mdm) -> None:
        """A letter that was tried again is not tried a third time; the others still can be."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        mdm("dead-letter", "retry", "r", "--reason", "missing_key", "--run-id", "s", *BY_USER)
        again = mdm("dead-letter", "retry", "r", "--reason", "missing_key", "--run-id", "t", *BY_USER)
        assert (0, "run r has no dead letters that were not tried again\n") == (again.returncode, again.stderr)
        assert not Path("runs/t").exists()
        assert 1 == mdm("dead-letter", "retry", "r", "--run-id", "u").returncode
        assert [2, 5] == [letter["position"] for letter in lines("runs/u/dead_letter.jsonl")]
        shown = json.loads(mdm("dead-letter", "show", "r", "--json").stdout)
        assert ["u", "s", "u", "s"] == [letter["retried_in"] for letter in shown["letters"]]
        assert "(again in s)" in mdm("dead-letter", "show", "r").stdout

    def test_of_a_retry(self, mdm: Mdm) -> None:
        """What a retry could not decide either are dead letters of its own, which can be tried again in turn."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        assert 1 == mdm("dead-letter", "retry", "r", "--run-id", "s").returncode
        assert [2, 3, 5, 6] == [letter["position"] for letter in lines("runs/s/dead_letter.jsonl")]
        assert 0 == mdm("dead-letter", "retry", "s", "--run-id", "t", *BY_USER).returncode
        assert [2, 3] == [packet["input"]["n"] for packet in lines("runs/t/traces.jsonl")]

    def test_a_line_that_was_too_long(self, mdm: Mdm) -> None:
        """What was refused as too long is decided with a higher limit, wherever the pipeline's file is by then."""
        mdm("run", "pipeline.toml", "--run-id", "r", "--set", "source.max_line_bytes=30")
        other = Path("elsewhere.toml")
        other.write_text(PIPELINE.replace('"who"', '"user"'))
        assert 0 == mdm("dead-letter", "retry", "r", "--reason", "line_too_long", "--pipeline", other).returncode

    def test_changed_source(self, mdm: Mdm) -> None:
        """A source that is no longer the same is refused; nothing is marked, and it can be tried when it is back."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        path = Path("events.jsonl")
        content = path.read_bytes()
        path.write_bytes(content.replace(b"canary", b"Canary"))
        refused = mdm("dead-letter", "retry", "r", *BY_USER)
        assert 2 == refused.returncode
        assert "is no longer the file that the run has read" in refused.stderr
        path.write_bytes(content + b'{"who":"d","at":9,"n":9}\n')
        assert 0 == mdm("dead-letter", "retry", "r", "--reason", "missing_key", "--run-id", "s", *BY_USER).returncode
        assert [2, 3] == [packet["input"]["n"] for packet in lines("runs/s/traces.jsonl")]

    def test_standard_input(self, mdm: Mdm, tmp_path: Path) -> None:
        """What was piped in cannot be read again, and that is said."""
        command = [
            sys.executable,
            "-m",
            "mdm_core",
            "run",
            "pipeline.toml",
            "--run-id",
            "r",
            "--set",
            "source.path='-'",
        ]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(command, input=b"\n".join(EVENTS), env=env, capture_output=True, check=True)
        refused = mdm("dead-letter", "retry", "r", "--set", "source.path='-'")
        assert 2 == refused.returncode
        assert "standard input cannot be read again; start a new run, or one that reads a file" in refused.stderr

    def test_another_broker(self, mdm: Mdm) -> None:
        """Who has tried with a broker that pretends does not act for real by leaving --set away."""
        mdm("run", "pipeline.toml", "--run-id", "r", "--set", "broker.use='reference.paper'")
        refused = mdm("dead-letter", "retry", "r")
        expected = "the broker in pipeline.toml is not that of run 'r'"
        assert f"mdm: {expected}; give --pipeline pipeline.toml if it is meant, or --set what was set then\n" == (
            refused.stderr
        )
        assert 2 == refused.returncode
        meant = mdm("dead-letter", "retry", "r", "--pipeline", "pipeline.toml", "--run-id", "s", *BY_USER)
        assert 0 == meant.returncode
        assert 2 == len(lines("runs/s/actions.jsonl"))

    def test_while_it_runs(self, mdm: Mdm) -> None:
        """A run that is going on, or whose letters somebody else tries, is left alone."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        lock = RunLock(Path("runs/r"))
        assert lock.acquire()
        refused = mdm("dead-letter", "retry", "r", *BY_USER)
        lock.release()
        expected = "mdm: run 'r' is going on, or its letters are being tried again; wait for its end\n"
        assert (2, expected) == (refused.returncode, refused.stderr)

    def test_nothing_is_marked_before_it_begins(self, mdm: Mdm) -> None:
        """A retry that cannot begin marks nothing."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        Path("runs/s").mkdir()
        assert 2 == mdm("dead-letter", "retry", "r", "--run-id", "s").returncode
        assert 2 == mdm("dead-letter", "retry", "r", "--set", "model.threshold='x'").returncode
        assert {} == read_retried(Path("runs/r"))

    def test_marks_that_cannot_be_read(self, mdm: Mdm) -> None:
        """Where it cannot be known which letters were tried again, none is."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        path = Path("runs/r/retried.jsonl")
        path.mkdir()
        refused = mdm("dead-letter", "retry", "r", "--run-id", "s", *BY_USER)
        expected = f"mdm: {path}: cannot be read: Is a directory; see to it that it can be\n"
        assert (2, expected) == (refused.returncode, refused.stderr)

    def test_marking_fails(self) -> None:
        """Where it cannot be written down that letters are tried again, no event is read."""

        def full() -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        source = MemorySource([{"n": 1}])
        chosen = Chosen(source=source, positions=[1], identity_then=None, retry_of="r", begin=full)
        with pytest.raises(OSError, match="No space left"):
            next(chosen.records())

    def test_pipeline_that_is_gone(self, mdm: Mdm) -> None:
        """A run whose pipeline file is gone says which file is missing."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        Path("pipeline.toml").unlink()
        refused = mdm("dead-letter", "retry", "r")
        assert 2 == refused.returncode
        assert "pipeline.toml" in refused.stderr


KILLED = """
import os, signal, sys
from mdm_core.cli import main
from mdm_reference.file_broker import FileBroker
execute = FileBroker.execute
at = sys.argv[-1]
def killed(self, order):
    if order.key == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(self, order)
FileBroker.execute = killed
sys.argv = "mdm dead-letter retry r --reason missing_key --run-id s --set pipeline.key='user'".split()
main()
"""


class TestChosen:
    EVENTS: ClassVar = [{"n": n} for n in range(1, 10)]

    def chosen(self, positions: list[Position]) -> Chosen:
        """Choose from nine events."""
        source = MemorySource(self.EVENTS)
        return Chosen(source=source, positions=positions, identity_then=None, retry_of="r", begin=lambda: None)

    def test_in_the_order_of_the_source(self) -> None:
        """Events come in the order of the source, and then, rejected, what is not there any more."""
        chosen = self.chosen([8, 99, 3, "x"])
        expected = [Record({"n": 3}, 3), Record({"n": 8}, 8), Reject("not_found", 99), Reject("not_found", "x")]
        assert expected == list(chosen.records())
        assert 4 == chosen.length

    @pytest.mark.parametrize("number", range(5))
    def test_goes_on(self, number: int) -> None:
        """After any of them it goes on with the next."""
        positions: list[Position] = [8, 99, 3, "x"]
        everything = list(self.chosen(positions).records())
        chosen = self.chosen(positions)
        position = everything[number - 1].position if number else None  # type: ignore[union-attr]
        chosen.resume(position, json.loads(json.dumps(self.chosen(positions).identity())))
        assert everything[number:] == list(chosen.records())

    @pytest.mark.parametrize("identity", [None, {}, {"retry_of": "s", "letters": 1}, {"retry_of": "r", "letters": 2}])
    def test_of_others(self, identity: dict[str, Any] | None) -> None:
        """What a run over other letters has come to is refused."""
        with pytest.raises(ConfigError, match="the run has not tried these dead letters of run 'r' again"):
            self.chosen([1]).resume(1, identity)


class TestRetryThatDied:
    @pytest.mark.parametrize("at", ["b", "c"])
    def test_goes_on(self, mdm: Mdm, at: str) -> None:
        """A retry that was killed is gone on with; in the end each of its letters was acted upon once."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        assert -9 == subprocess.run([sys.executable, "-c", KILLED, at], env=env, capture_output=True).returncode
        assert {3: "s", 6: "s"} == read_retried(Path("runs/r"))
        gone_on = mdm("dead-letter", "retry", "r", "--resume", "s", *BY_USER)
        assert (0, 2) == (gone_on.returncode, len(lines("runs/s/traces.jsonl")))
        assert ["b", "c"] == [action["key"] for action in lines("runs/s/actions.jsonl")]

    def test_not_by_run(self, mdm: Mdm) -> None:
        """``mdm run --resume`` does not take a retry for a run over the whole source."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", KILLED, "b"], env=env, capture_output=True)
        refused = mdm("run", "pipeline.toml", "--resume", "s", *BY_USER)
        assert 2 == refused.returncode
        assert "no longer the file that the run has read: it has read something else" in refused.stderr

    def test_of_another_run(self, mdm: Mdm) -> None:
        """A run that has not tried the letters again cannot be gone on with as if it had."""
        mdm("run", "pipeline.toml", "--run-id", "r")
        refused = mdm("dead-letter", "retry", "r", "--resume", "x")
        assert (2, "mdm: run 'x' has not tried dead letters of run 'r' again\n") == (refused.returncode, refused.stderr)
        both = mdm("dead-letter", "retry", "r", "--resume", "x", "--reason", "missing_key")
        assert 2 == both.returncode
        assert "take --run-id and --reason away" in both.stderr
