"""``mdm trace verify`` and ``mdm trace checkpoint``: what is found, how it is named, and what is said to stay open."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result
from mdm_core import Build, Run, UsageError

from mdm_trace_jsonl import AuditSink, PacketSink
from mdm_trace_jsonl.commands import trace
from mdm_trace_jsonl.proving import Evidence
from mdm_trace_jsonl.reports import Finding
from mdm_trace_jsonl.signing import new_key

OpenSink: TypeAlias = Callable[..., PacketSink]
Verify: TypeAlias = Callable[..., Finding]

EVENTS = 1000
PIPELINE = """
[pipeline]
key = "user"
timestamp = "at"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"

[model]
use = "reference.linear"
weights = { amount = 0.5 }
threshold = 1

[[trace]]
use = "trace-jsonl.packets"
signing_key = "k.key"
rotate_bytes = 150_000

[[trace]]
use = "trace-jsonl.audit"
signing_key = "k.key"

[redaction]
use = "none"
"""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of several segments, signed; beside it ``k.pub``."""
    folder = tmp_path_factory.mktemp("sealed")
    chance = random.Random(1)
    events = [{"user": f"u{n % 7}", "at": 1000 * n, "amount": chance.random() * 5} for n in range(EVENTS)]
    events[500]["user"] = None
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "p.toml").write_text(PIPELINE)
    new_key(folder / "k.key", folder / "k.pub")
    summary = Run.from_config(folder / "p.toml", run_id="sealed", runs_dir=folder / "runs").run()
    assert "done" == summary.status
    return folder / "runs" / "sealed"


@pytest.fixture
def copy(sealed: Path, tmp_path: Path) -> Path:
    """A copy of the run to be tampered with."""
    return shutil.copytree(sealed, tmp_path / "sealed")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(trace, [str(argument) for argument in arguments], catch_exceptions=False)


def problems(run: Path, *keys: str) -> list[str]:
    return [
        problem for finding in Evidence.find(str(run), run.parent).verify(keys, None) for problem in finding.problems
    ]


def replace_line(path: Path, number: int, line: bytes | None) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1 : number] = [] if line is None else [line]
    path.write_bytes(b"".join(lines))


class TestUntouched:
    def test_says_so_with_counts(self, sealed: Path) -> None:
        """All is well, in so many lines and segments, sealed so often; and what could not be shown is said."""
        result = invoke("verify", sealed)
        packets, segments = EVENTS - 1, len(list(sealed.glob("traces*.gz"))) + 1
        assert 0 == result.exit_code
        lines = result.stdout.splitlines()
        assert "security_audit.jsonl: 2 lines as written, in 1 segment" == lines[0]
        assert f"traces.jsonl: {packets} lines as written, in {segments} segments" == lines[2]
        assert lines[3].endswith(f"; {segments} seals, signatures not checked without --public-key")
        assert (
            f"all well: nothing was changed, taken out, added or put in another order in {packets + 2:,} lines"
            == lines[-1]
        )
        assert 2 == result.stderr.count("not shown: whether")

    def test_with_everything_nothing_stays_open(self, sealed: Path, tmp_path: Path) -> None:
        """With the public key and a checkpoint kept elsewhere every seal is checked and nothing is left to be said."""
        (tmp_path / "checkpoint").write_text(invoke("checkpoint", sealed).stdout)
        public = sealed.parents[1] / "k.pub"
        result = invoke("verify", sealed, "--public-key", public, "--checkpoint", tmp_path / "checkpoint")
        assert (0, "") == (result.exit_code, result.stderr)
        assert 2 == result.stdout.count("signed by the key that was given")

    def test_as_json(self, sealed: Path) -> None:
        """For programs the same comes as JSON."""
        result = json.loads(invoke("verify", sealed, "--json").stdout)
        assert ("sealed", True, 2) == (result["run_id"], result["ok"], len(result["cannot_show"]))
        assert [("security_audit.jsonl", 2), ("traces.jsonl", EVENTS - 1)] == [
            (file["file"], file["lines"]) for file in result["files"]
        ]

    def test_by_id(self, sealed: Path) -> None:
        """A run is named by its id as elsewhere."""
        assert 0 == invoke("verify", "sealed", "--runs-dir", sealed.parent).exit_code

    def test_a_single_trace(self, sealed: Path) -> None:
        """The path of a trace means that one alone."""
        result = invoke("verify", sealed / "traces.jsonl")
        assert (0, False) == (result.exit_code, "security_audit" in result.stdout)

    def test_does_not_change_anything(self, sealed: Path) -> None:
        """Verifying only reads."""
        before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sealed.iterdir() if path.is_file()}
        invoke("verify", sealed)
        assert before == {
            path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sealed.iterdir() if path.is_file()
        }


class Mutation:
    """Changes one thing in a run, and knows what has to be named for it.

    Attributes:
        name: What was done, for a person who has to find out why it was not found.
        names: Texts, one of which has to be in a problem.
    """

    KINDS = (
        "byte",
        "byte",
        "byte",
        "byte",
        "delete",
        "insert",
        "duplicate",
        "swap",
        "truncate",
        "swap files",
        "remove",
    )

    def __init__(self, run: Path, chance: random.Random) -> None:
        self._run = run
        self._chance = chance
        self._files = sorted(
            path.name
            for path in run.iterdir()
            if path.name.startswith(("traces", "security")) or path.name == "run.json"
        )
        self.kind = chance.choice(self.KINDS)
        self._path = run / chance.choice([f for f in self._files if self.kind in ("byte", "remove") or "run" not in f])
        self.name = f"{self.kind} in {self._path.name}"
        self.names = [self._path.name.replace(".chain", ""), self._path.name]
        getattr(self, self.kind.replace(" ", "_"))(bytearray(self._path.read_bytes()))

    def byte(self, content: bytearray) -> None:
        place = self._chance.randrange(len(content))
        content[place] ^= self._chance.randrange(1, 256)
        self._write(content)
        if self._path.suffix == ".jsonl" and "chain" not in self._path.name:
            line = bytes(content[:place]).count(b"\n") + 1
            self.names = [f"{self._path.name}, line{s} {first}" for first in self._block(line) for s in ("", "s")]

    def delete(self, content: bytearray) -> None:
        lines = self._lines(content)
        del lines[self._chance.randrange(len(lines))]
        self._write(b"".join(lines))

    def insert(self, content: bytearray) -> None:
        lines = self._lines(content)
        lines.insert(self._chance.randrange(len(lines)), self._chance.choice([b'{"step":1}\n', b"\n", b"x\n"]))
        self._write(b"".join(lines))

    def duplicate(self, content: bytearray) -> None:
        lines = self._lines(content)
        place = self._chance.randrange(len(lines))
        lines.insert(place, lines[place])
        self._write(b"".join(lines))

    def swap(self, content: bytearray) -> None:
        lines = self._lines(content)
        if len(lines) > 1:
            one, other = self._chance.sample(range(len(lines)), 2)
            lines[one], lines[other] = lines[other], lines[one]
        self._write(b"".join(lines))

    def truncate(self, content: bytearray) -> None:
        self._write(content[: self._chance.randrange(len(content))])

    def swap_files(self, content: bytearray) -> None:
        other = self._run / self._chance.choice([f for f in self._files if f != self._path.name and "run" not in f])
        self._write(other.read_bytes())
        other.write_bytes(content)
        self.names += [other.name, other.name.replace(".chain", "")]

    def remove(self, content: bytearray) -> None:
        self._path.unlink()

    def _write(self, content: bytes | bytearray) -> None:
        if self._path.suffix == ".gz" and self.kind not in ("byte", "truncate", "swap files"):
            content = gzip.compress(content)
        self._path.write_bytes(content)

    def _lines(self, content: bytearray) -> list[bytes]:
        whole = gzip.decompress(content) if self._path.suffix == ".gz" else bytes(content)
        return whole.splitlines(keepends=True)

    def _block(self, line: int) -> Iterator[int]:
        """The first line of the block that has to be named for a line."""
        chain = self._run / self._path.name.replace(".jsonl", ".chain.jsonl")
        for link in map(json.loads, chain.read_text().splitlines()):
            if link["type"] == "block" and link["line"] <= line < link["line"] + link["lines"]:
                yield link["line"]


class TestMutations:
    COUNT = 1000

    def test_all_are_found_and_named(self, sealed: Path, tmp_path: Path) -> None:
        """Of a thousand random changes none is missed, and what is said of each names the file, block or line."""
        chance = random.Random(20260101)
        there = {path.name: path.read_bytes() for path in sealed.iterdir() if path.is_file()}
        run = tmp_path / "sealed"
        run.mkdir()
        done: Counter[str] = Counter()
        while done.total() < self.COUNT:
            for path in run.iterdir():
                path.unlink()
            for name, content in there.items():
                (run / name).write_bytes(content)
            mutation = Mutation(run, chance)
            if there == {path.name: path.read_bytes() for path in run.iterdir()}:
                continue
            found = problems(run)
            assert found, mutation.name
            assert any(name in problem for name in mutation.names for problem in found), (mutation.name, found)
            done[mutation.kind] += 1
        assert set(Mutation.KINDS) == set(done)


class TestNamed:
    def test_a_changed_line(self, copy: Path) -> None:
        """One changed byte is told by the 64 lines around it, and nothing else is."""
        path = copy / "traces.jsonl"
        line = path.read_bytes().splitlines(keepends=True)[69]
        replace_line(path, 70, line.replace(b'"amount":', b'"amouns":'))
        (problem,) = problems(copy)
        assert problem.startswith("traces.jsonl, lines 65 to 128: are not what was written")

    def test_a_line_taken_out(self, copy: Path) -> None:
        """A line that is missing is told by its block; the blocks behind it are found where they now are."""
        replace_line(copy / "traces.jsonl", 70, None)
        (problem,) = problems(copy)
        assert problem.startswith("traces.jsonl, lines 65 to 128: are not what was written")

    def test_a_line_added_between_blocks(self, copy: Path) -> None:
        """A line between two blocks that are whole is told by its place and size."""
        lines = (copy / "traces.jsonl").read_bytes().splitlines(keepends=True)
        (copy / "traces.jsonl").write_bytes(b"".join([*lines[:64], b'{"evil":1}\n', *lines[64:]]))
        assert ["traces.jsonl, just before what was line 65: 11 bytes were added"] == problems(copy)

    def test_lines_added_at_the_end(self, copy: Path) -> None:
        """What stands behind the end of a closed trace is told."""
        path = copy / "traces.jsonl"
        count = path.read_bytes().count(b"\n")
        with path.open("ab") as file:
            file.write(b'{"evil":1}\n')
        assert [f"traces.jsonl, lines from {count + 1} on: were added after the last one that was written"] == problems(
            copy
        )

    def test_a_missing_end(self, copy: Path) -> None:
        """Blocks behind the end of the file are told as missing, the one that it breaks off in as changed."""
        path = copy / "traces.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:70]))
        broken, gone = problems(copy)
        assert broken.startswith("traces.jsonl, lines 65 to 128: are not what was written")
        assert f"traces.jsonl, lines 129 to {len(lines)}: are missing" == gone

    def test_a_hash_alone(self, copy: Path) -> None:
        """If only a hash was changed, the lines behind it are cleared."""
        chain = copy / "traces.chain.jsonl"
        lines = chain.read_bytes().splitlines(keepends=True)
        number = next(n for n, line in enumerate(lines, 1) if b'"block"' in line)
        changed = lines[number - 1][:-5] + (b"0" if lines[number - 1][-5:-4] != b"0" else b"1") + lines[number - 1][-4:]
        replace_line(chain, number, changed)
        assert [f"traces.chain.jsonl, line {number}: its hash was changed"] == problems(copy)

    def test_the_same_lines_compressed_anew(self, copy: Path) -> None:
        """Another compressed file is noticed even if it holds the same lines."""
        packed = copy / "traces.000002.jsonl.gz"
        packed.write_bytes(gzip.compress(gzip.decompress(packed.read_bytes())))
        assert ["traces.000002.jsonl.gz: is not the compressed file that was written"] == problems(copy)

    def test_run_json(self, copy: Path) -> None:
        """A run.json that was changed, even by a blank, is told once for each trace."""
        path = copy / "run.json"
        path.write_bytes(path.read_bytes() + b" ")
        assert ["run.json: is not what it was when the run began"] * 2 == problems(copy)

    def test_several_at_once(self, copy: Path) -> None:
        """Changes in several places are told one by one."""
        path = copy / "traces.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        replace_line(path, 130, lines[129].replace(b"run_id", b"run_ID"))
        replace_line(path, 3, None)
        replace_line(copy / "security_audit.jsonl", 2, b"{}\n")
        audit, first, second = problems(copy)
        assert audit.startswith("security_audit.jsonl, line")
        assert first.startswith("traces.jsonl, lines 1 to 64:")
        assert second.startswith("traces.jsonl, lines 129 to ")

    def test_exit_code_and_words(self, copy: Path) -> None:
        """For people: which line is wrong, and how many problems there are; exit code 1."""
        replace_line(copy / "traces.jsonl", 1, b"{}\n")
        result = invoke("verify", copy)
        assert 1 == result.exit_code
        assert "  wrong: traces.jsonl, lines 1 to 64:" in result.stdout
        assert "NOT as it was written: 1 problem" == result.stdout.splitlines()[-1]

    def test_what_is_quoted_is_harmless(self, copy: Path) -> None:
        """Control characters that somebody has written into a chain do not reach the terminal."""
        chain = copy / "traces.chain.jsonl"
        chain.write_bytes(chain.read_bytes().replace(b'"file":"traces.jsonl"', b'"file":"\\u001b[2J"', 1))
        result = invoke("verify", copy)
        assert "tells of file \\x1b[2J, not traces.jsonl" in result.stdout
        assert "\x1b" not in result.output

    def test_a_symbolic_link(self, copy: Path, tmp_path: Path) -> None:
        """A file in another place is not verified in its stead."""
        for name in ("traces.jsonl", "traces.chain.jsonl"):
            shutil.move(copy / name, tmp_path / name)
            (copy / name).symlink_to(tmp_path / name)
        found = problems(copy)
        assert "traces.jsonl: cannot be read: Too many levels of symbolic links" in found
        assert "traces.chain.jsonl: cannot be read: Too many levels of symbolic links" in found


class TestChainRemoved:
    def test_altogether(self, copy: Path) -> None:
        """A chain that run.json says there was is missed."""
        (copy / "security_audit.chain.jsonl").unlink()
        assert [
            "security_audit.chain.jsonl: cannot be read: No such file or directory",
            "security_audit.jsonl, lines from 1 on: were added after the last one that was written",
            "security_audit.jsonl: was never closed, and the run ended orderly: its end was taken away",
        ] == problems(copy)

    def test_with_its_trace(self, copy: Path) -> None:
        """A trace that is gone with its chain is missed as well."""
        (copy / "security_audit.chain.jsonl").unlink()
        (copy / "security_audit.jsonl").unlink()
        assert "security_audit.jsonl: is missing, and its chain too" in problems(copy)

    def test_and_denied(self, copy: Path) -> None:
        """A run.json that now says there was none does not hide the chains that are left."""
        path = copy / "run.json"
        path.write_text(path.read_text().replace('"chain": true', '"chain": false'))
        assert "run.json: is not what it was when the run began" in problems(copy)

    @pytest.mark.parametrize("content", [None, b"", b"\xff", b"[]", b'{"config": 5}', b'{"config": {"trace": 5}}'])
    def test_without_a_run(self, content: bytes | None, copy: Path) -> None:
        """A run.json that is gone or garbage does not keep the traces from being verified."""
        (copy / "run.json").unlink()
        if content is not None:
            (copy / "run.json").write_bytes(content)
        assert ["run.json: is not what it was when the run began"] * 2 == problems(copy)

    def test_there_never_was_one(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A run without any chain is refused with what to do."""
        open_sink(chain=False).close()
        (run_dir / "run.json").write_text("{}")
        with pytest.raises(UsageError, match="has no chain to verify: its sinks have chain = false"):
            invoke("verify", run_dir)


class TestSigned:
    def written_anew(self, run: Path, key: str | None) -> None:
        """What somebody can do who may write everything and has a key of his own: write it all anew, chain included."""
        lines = [json.loads(line) for line in (run / "security_audit.jsonl").read_text().splitlines()]
        for path in run.glob("security*"):
            path.unlink()
        sink = AuditSink(signing_key=key)
        sink.open(Build(run_dir=run, run_id="sealed"))
        for line in lines:
            sink.write({**line, "forged": True})
        sink.close()

    def test_shows_what_a_chain_alone_cannot(self, copy: Path, key: tuple[str, str]) -> None:
        """Without the public key a trace that was written anew is well; with it, it is not."""
        public = json.loads((copy / "traces.chain.jsonl").read_text().splitlines()[-1])["key"]
        self.written_anew(copy, key[0])
        assert [] == problems(copy)
        assert [
            "security_audit.chain.jsonl, line 3: is not signed by the key that was given",
            "security_audit.jsonl: has no seal that is signed by the key that was given",
        ] == problems(copy, public)
        assert [] == problems(copy, public, key[1])

    def test_an_unsigned_one(self, copy: Path) -> None:
        """A seal without a signature is none when a public key is given."""
        public = json.loads((copy / "traces.chain.jsonl").read_text().splitlines()[-1])["key"]
        self.written_anew(copy, None)
        assert "security_audit.chain.jsonl, line 3: is not signed by the key that was given" in problems(copy, public)

    def test_a_wrong_key_file(self, sealed: Path) -> None:
        """A private key or any other file in the public key's place is refused."""
        with pytest.raises(UsageError, match=r"is no Ed25519 public key; name the \.pub file"):
            invoke("verify", sealed, "--public-key", sealed.parents[1] / "k.key")
        with pytest.raises(UsageError, match="cannot be read: No such file"):
            invoke("verify", sealed, "--public-key", sealed / "nothing")


class TestCheckpoint:
    @pytest.fixture
    def growing(self, open_sink: OpenSink, run_dir: Path, tmp_path: Path) -> tuple[Path, Path]:
        """A trace of 100 lines with a checkpoint of then, and 100 lines more."""
        for first in (0, 100):
            sink = open_sink(rotate_bytes=1000)
            for step in range(first, first + 100):
                sink.write({"step": step})
            sink.close()
            if not first:
                (tmp_path / "checkpoint").write_text(invoke("checkpoint", run_dir).stdout)
                shutil.copytree(run_dir, tmp_path / "earlier")
        return run_dir, tmp_path / "checkpoint"

    def test_of_a_trace_that_has_grown(self, growing: tuple[Path, Path]) -> None:
        """An earlier checkpoint agrees with all that was written since."""
        run, checkpoint = growing
        assert 0 == invoke("verify", run, "--checkpoint", checkpoint).exit_code

    def test_shows_an_end_that_was_cut_off(
        self, growing: tuple[Path, Path], open_sink: OpenSink, tmp_path: Path
    ) -> None:
        """A trace that was put back to an earlier, orderly end is well by itself, and not against the checkpoint."""
        run, _ = growing
        later = tmp_path / "later"
        later.write_text(invoke("checkpoint", run).stdout)
        earlier = shutil.move(tmp_path / "earlier", tmp_path / "r0" / "r1")
        assert 0 == invoke("verify", earlier).exit_code
        result = invoke("verify", earlier, "--checkpoint", later)
        assert 1 == result.exit_code
        assert "traces.jsonl: does not reach to the checkpoint: 100 lines missing at its end" in result.stdout

    def test_of_another_history(self, growing: tuple[Path, Path], tmp_path: Path) -> None:
        """A trace that was written anew does not agree with the checkpoint of the first."""
        run, checkpoint = growing
        changed = json.loads(checkpoint.read_text())
        changed["positions"][0]["hash"] = "0" * 64
        checkpoint.write_text(json.dumps(changed))
        assert "is not what the checkpoint says" in invoke("verify", run, "--checkpoint", checkpoint).stdout

    def test_in_a_segment_that_was_removed(self, open_sink: OpenSink, run_dir: Path, tmp_path: Path) -> None:
        """A checkpoint in a segment that need not be kept any more shows nothing, and that is said."""
        checkpoint = tmp_path / "checkpoint"
        for first in (0, 100):
            sink = open_sink(rotate_bytes=500, keep_segments=2)
            for step in range(first, first + 100):
                sink.write({"step": step})
            sink.close()
            if not first:
                checkpoint.write_text(invoke("checkpoint", run_dir).stdout)
        result = invoke("verify", run_dir, "--checkpoint", checkpoint)
        assert 0 == result.exit_code
        assert "note: the checkpoint is in segment 3, which was removed because it need not be kept" in result.stdout

    def test_of_a_damaged_trace_there_is_none(self, copy: Path) -> None:
        """What is wrong is not vouched for."""
        replace_line(copy / "traces.jsonl", 1, b"{}\n")
        result = invoke("checkpoint", copy)
        assert (1, "") == (result.exit_code, result.stdout)
        assert "mdm: traces.jsonl, lines 1 to 64: are not what was written" in result.stderr

    def test_of_another_run(self, growing: tuple[Path, Path], sealed: Path) -> None:
        """A checkpoint of another run is refused."""
        with pytest.raises(UsageError, match="the checkpoint is of run 'r1', not 'sealed'"):
            invoke("verify", sealed, "--checkpoint", growing[1])

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1]"])
    def test_that_is_none(self, content: bytes, sealed: Path, tmp_path: Path) -> None:
        """A file that is no checkpoint is refused."""
        (tmp_path / "checkpoint").write_bytes(content)
        with pytest.raises(UsageError, match="is no checkpoint; name a file"):
            invoke("verify", sealed, "--checkpoint", tmp_path / "checkpoint")


class TestNotClosed:
    def test_while_it_is_written(self, open_sink: OpenSink, verify: Verify) -> None:
        """A trace that is being written is well, with the lines that are not in the chain yet counted."""
        sink = open_sink()
        for step in range(100):
            sink.write({"step": step})
        sink.flush()
        finding = verify()
        assert ([], 64, 36, "") == (finding.problems, finding.lines, finding.loose, finding.closed)
        assert ["36 lines at the end of traces.jsonl not in the chain yet"] == finding.remarks
        sink.close()

    def test_a_closed_end_that_was_cut_off(self, copy: Path) -> None:
        """A run that says it ended orderly has closed its traces."""
        chain = copy / "traces.chain.jsonl"
        chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:-1]))
        assert ["traces.jsonl: was never closed, and the run ended orderly: its end was taken away"] == problems(copy)


class TestNothingElse:
    def test_a_segment_that_does_not_belong(self, copy: Path) -> None:
        """A file with the name of a segment that there never was is told."""
        shutil.copy(copy / "traces.000001.jsonl.gz", copy / "traces.000099.jsonl.gz")
        assert ["traces.000099.jsonl.gz: does not belong to the trace"] == problems(copy)

    def test_a_bomb(self, copy: Path) -> None:
        """A compressed file without an end is not unpacked to its end."""
        (copy / "traces.000001.jsonl.gz").write_bytes(gzip.compress(bytes(500_000_000), 1))
        assert "traces.000001.jsonl.gz: does not end where it should" in problems(copy)

    def test_another_traces_chain(self, copy: Path) -> None:
        """A chain that is whole but belongs to another file is told."""
        for kind in ("", ".chain"):
            shutil.copy(copy / f"security_audit{kind}.jsonl", copy / f"traces{kind}.jsonl")
        found: list[Any] = problems(copy)
        assert "traces.chain.jsonl, line 1: tells of file security_audit.jsonl, not traces.jsonl" in found
