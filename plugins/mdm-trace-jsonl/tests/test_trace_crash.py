"""Crashes: killed writers, disks that forget, disks that fail, and what is refused because no crash does it."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mdm_core import ConfigError

from mdm_trace_jsonl import PacketSink
from mdm_trace_jsonl.reading import read_objects
from mdm_trace_jsonl.reports import Finding

OpenSink: TypeAlias = Callable[..., PacketSink]
Verify: TypeAlias = Callable[..., Finding]
Trial: TypeAlias = Callable[[PacketSink], None]

WRITER = """
import random, sys
from pathlib import Path
from mdm_core import Build
from mdm_trace_jsonl import PacketSink

sink = PacketSink(rotate_bytes=int(sys.argv[2]) or None)
sink.open(Build(run_dir=Path(sys.argv[1]), run_id="r1"))
step = sum(1 for _ in sink.since(None))
print(step, flush=True)
chance = random.Random(step)
while True:
    sink.write({"step": step, "text": "x" * chance.randrange(2000)})
    step += 1
    if chance.random() < 0.05:
        durable = chance.random() < 0.3
        sink.flush(durable)
        if durable:
            print(step, flush=True)
"""


def steps(sink: PacketSink) -> list[int]:
    return [record["step"] for record in sink.since(None)]


def whole(directory: Path, open_sink: OpenSink, verify: Verify, at_least: int, **options: Any) -> None:
    """Go on with a trace: nothing acknowledged is missing, nothing is torn, and all of it is verified."""
    sink = open_sink(directory, **options)
    found = steps(sink)
    first = found[0] if found and "keep_segments" in options else 0
    end = first + len(found)
    assert list(range(first, end)) == found
    assert at_least <= end
    for step in range(end, end + 3):
        sink.write({"step": step})
    sink.close()
    finding = verify(directory)
    assert [] == finding.problems
    kept = [record["step"] for record in read_objects(directory / "traces.jsonl")]
    assert list(range(kept[0], end + 3)) == kept
    assert (finding.lines, finding.removed > 0) == (len(kept), kept[0] > 0)


class TestKilled:
    KILLS = 8

    @pytest.mark.parametrize("rotate_bytes", [0, 5000, 100_000])
    def test_at_random_moments(self, rotate_bytes: int, run_dir: Path, open_sink: OpenSink, verify: Verify) -> None:
        """After each of many kills all that was made durable is there, once and in order, and the chain agrees."""
        chance = random.Random(rotate_bytes)
        command = [sys.executable, "-c", WRITER, str(run_dir), str(rotate_bytes)]
        for _ in range(self.KILLS):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                durable = int(process.stdout.readline())
                time.sleep(chance.random() * 0.2)
                process.kill()
                durable = max([durable, *map(int, process.stdout.read().split("\n")[:-1])])
            assert [] == verify().problems
            whole(run_dir, open_sink, verify, durable, rotate_bytes=rotate_bytes or None)


class Disk:
    """Looks at the files after every operation, and knows how much of each is sure to survive a power cut.

    Attributes:
        moments: The files then, each with its content and how many bytes of it were synced; and the lines that the
            sink had said were durable.
        acknowledged: Lines that the sink has said are durable.
    """

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory
        self._synced: dict[int, int] = {}
        self._one_at_a_time = threading.Lock()  # segments are compressed in a thread
        self.moments: list[tuple[dict[str, tuple[bytes, int]], int]] = []
        self.acknowledged = 0
        for name in ("write", "fdatasync", "fsync", "ftruncate", "rename", "replace", "unlink"):
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, function: Any) -> Any:
        def watched(*arguments: Any, **options: Any) -> Any:
            with self._one_at_a_time:
                result = function(*arguments, **options)
                if name in ("fdatasync", "fsync"):
                    status = os.fstat(arguments[0])
                    self._synced[status.st_ino] = status.st_size
                self._look()
            return result

        return watched

    def _look(self) -> None:
        files = {}
        for path in self._directory.iterdir():
            content = path.read_bytes()
            # Files that were there before, such as run.json, are taken to be on the disk.
            synced = self._synced.get(path.stat().st_ino, 0 if path.name.startswith("traces") else len(content))
            files[path.name] = (content, min(synced, len(content)))
        self.moments.append((files, self.acknowledged))


def survivors(files: dict[str, tuple[bytes, int]], chance: random.Random) -> Iterator[dict[str, bytes]]:
    """What a power cut may leave: all, only what was synced, one of data and chain, some of it, or zeros."""

    def kept(rule: Callable[[str, int, int], int]) -> dict[str, bytes]:
        return {name: content[: rule(name, synced, len(content))] for name, (content, synced) in files.items()}

    yield kept(lambda _, __, size: size)
    yield kept(lambda _, synced, __: synced)
    yield kept(lambda name, synced, size: synced if "chain" in name else size)
    yield kept(lambda name, synced, size: size if "chain" in name else synced)
    yield kept(lambda _, synced, size: chance.randint(synced, size))
    yield {name: content[:synced] + bytes(len(content) - synced) for name, (content, synced) in files.items()}


@pytest.mark.usefixtures("quick_disk")
class TestPowerCut:
    @pytest.mark.parametrize("options", [{}, {"rotate_bytes": 3000}, {"rotate_bytes": 1000, "keep_segments": 2}])
    def test_after_every_operation(
        self,
        options: dict[str, int],
        run_dir: Path,
        tmp_path: Path,
        open_sink: OpenSink,
        verify: Verify,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Whatever of the unsynced survives, nothing acknowledged is lost, and the trace can be gone on with."""
        with monkeypatch.context() as patch:
            disk = Disk(run_dir, patch)
            sink = open_sink(**options)
            for step in range(120 if options else 200):
                sink.write({"step": step, "text": "x" * (step * 37 % 100)})
                if step % 9 == 0:
                    sink.flush()
                if step % 31 == 0:
                    sink.flush(durable=True)
                    disk.acknowledged = step + 1
            sink.close()
        assert len(disk.moments) > 30
        chance = random.Random(7)
        directory = tmp_path / "after"
        for files, acknowledged in disk.moments:
            for number, survived in enumerate(survivors(files, chance)):
                shutil.rmtree(directory, ignore_errors=True)
                directory.mkdir()
                for name, content in survived.items():
                    (directory / name).write_bytes(content)
                if number == 0:
                    # All survives if the process is killed and not the machine: then nothing at all is wrong.
                    assert [] == verify(directory).problems
                whole(directory, open_sink, verify, acknowledged, **options)


class Failing:
    """Makes one kind of operation fail from its nth time on, once or for ever.

    Attributes:
        failed: Whether it has.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, nth: int, for_ever: bool) -> None:
        self.failed = False
        self._left = nth
        self._for_ever = for_ever
        monkeypatch.setattr(os, name, self._or_fail(name, getattr(os, name)))

    def _or_fail(self, name: str, function: Any) -> Any:
        def fail_or(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 1 and name == "write":
                # A full disk takes what it still has room for.
                return function(arguments[0], bytes(arguments[1][: max(len(arguments[1]) // 2, 1)]))
            if self._left == 0 or (self._left < 0 and self._for_ever):
                self.failed = True
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return function(*arguments, **options)

        return fail_or


@pytest.mark.usefixtures("quick_disk")
class TestFailingDisk:
    @pytest.mark.parametrize("for_ever", [False, True])
    @pytest.mark.parametrize("name", ["write", "fdatasync", "fsync", "rename", "replace"])
    def test_every_operation(
        self,
        name: str,
        for_ever: bool,
        run_dir: Path,
        tmp_path: Path,
        open_sink: OpenSink,
        verify: Verify,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Whichever write, sync or renaming fails, the sink claims nothing, and the trace can be gone on with."""
        nth = 0
        while True:
            nth += 1
            directory = tmp_path / f"{nth}"
            shutil.copytree(run_dir, directory)
            with monkeypatch.context() as patch:
                failing = Failing(patch, name, nth, for_ever)
                acknowledged = self._write(directory, open_sink, failing)
            if not failing.failed:
                break
            whole(directory, open_sink, verify, acknowledged, rotate_bytes=1500)
            shutil.rmtree(directory)
        assert nth > 2

    @staticmethod
    def _write(directory: Path, open_sink: OpenSink, failing: Failing) -> int:
        acknowledged = 0
        try:
            sink = open_sink(directory, rotate_bytes=1500)
        except ConfigError:
            return 0
        try:
            for step in range(100):
                sink.write({"step": step, "text": "x" * (step % 40)})
                if step % 9 == 0:
                    sink.flush()
                if step % 17 == 0:
                    sink.flush(durable=True)
                    acknowledged = step + 1
        except OSError:
            assert failing.failed
        with suppress(OSError):
            sink.close()
        return acknowledged

    def test_a_failed_sync_is_never_taken_back(self, open_sink: OpenSink, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a sync has failed nothing is durable any more, although the next sync would succeed."""
        sink = open_sink()
        sink.write({"step": 0})
        sink.flush()
        with monkeypatch.context() as patch:
            Failing(patch, "fdatasync", 1, for_ever=False)
            with pytest.raises(OSError, match="Input/output error"):
                sink.flush(durable=True)
        for _ in range(2):
            with pytest.raises(OSError, match="it failed before and must be opened anew"):
                sink.flush(durable=True)
        with pytest.raises(OSError, match="it failed before"):
            sink.close()

    def test_what_is_broken_off_is_not_repeated(self, open_sink: OpenSink, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a write that was broken off from outside nothing is written, for it may be there already."""
        write = os.write

        def broken_off(fd: int, data: bytes) -> int:
            write(fd, data)
            raise KeyboardInterrupt

        sink = open_sink()
        sink.write({"step": 0})
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", broken_off)
            with pytest.raises(KeyboardInterrupt):
                sink.flush()
        with pytest.raises(OSError, match="it failed before"):
            sink.close()
        sink = open_sink()
        assert [0] == steps(sink)
        sink.close()


class TestTorn:
    @pytest.fixture
    def broken_off(self, open_sink: OpenSink, run_dir: Path, tmp_path: Path) -> Path:
        """A trace of 200 lines, of which 128 are in the chain and 64 were made durable, as a kill leaves it."""
        sink = open_sink()
        for step in range(200):
            sink.write({"step": step})
            if step == 63:
                sink.flush(durable=True)
        sink.flush()
        directory = tmp_path / "killed"
        shutil.copytree(run_dir, directory)
        sink.close()
        return directory

    def opened(self, directory: Path, open_sink: OpenSink) -> dict[str, Any]:
        sink = open_sink(directory)
        sink.close()
        links = [json.loads(line) for line in (directory / "traces.chain.jsonl").read_text().splitlines()]
        (found,) = [link for link in links if link["type"] == "opened"]
        return {name: found[name] for name in ("late", "cut", "lost")}

    def test_lines_without_a_block(self, broken_off: Path, open_sink: OpenSink, verify: Verify) -> None:
        """Lines that the chain did not tell of yet are added to it, counted, and said when it is verified."""
        assert {"late": 8, "cut": 0, "lost": 0} == self.opened(broken_off, open_sink)
        finding = verify(broken_off)
        assert (200, []) == (finding.lines, finding.problems)
        assert "8 lines had not been in the chain and came into it only then" in finding.remarks[0]

    def test_half_a_line(self, broken_off: Path, open_sink: OpenSink, verify: Verify) -> None:
        """Half a line is cut off and counted."""
        with (broken_off / "traces.jsonl").open("ab") as file:
            file.write(b'{"step":20')
        sink = open_sink(broken_off)
        expected = "gone on with; half a line was cut off: 10 bytes, not in the chain yet: 8 lines"
        assert sink.notice.endswith(expected)
        sink.close()
        assert (200, []) == (verify(broken_off).lines, verify(broken_off).problems)

    def test_half_a_link(self, broken_off: Path, open_sink: OpenSink, verify: Verify) -> None:
        """Half a line of the chain is cut off, and what it told of is hashed again."""
        chain = broken_off / "traces.chain.jsonl"
        chain.write_bytes(chain.read_bytes()[:-20])
        assert 72 <= self.opened(broken_off, open_sink)["late"]
        assert (200, []) == (verify(broken_off).lines, verify(broken_off).problems)

    def test_a_chain_that_is_ahead(self, broken_off: Path, open_sink: OpenSink, verify: Verify) -> None:
        """Blocks whose lines did not reach the disk are taken out of the chain; how many lines that were is told."""
        data = broken_off / "traces.jsonl"
        data.write_bytes(b"".join(data.read_bytes().splitlines(keepends=True)[:100]))
        assert {"late": 36, "cut": 0, "lost": 92} == self.opened(broken_off, open_sink)
        assert (100, []) == (verify(broken_off).lines, verify(broken_off).problems)

    def test_zeros(self, broken_off: Path, open_sink: OpenSink, verify: Verify) -> None:
        """Zeros that a power cut leaves are cut off with everything behind them."""
        data = broken_off / "traces.jsonl"
        content = data.read_bytes()
        data.write_bytes(content[:1200] + bytes(300) + content[1500:])
        self.opened(broken_off, open_sink)
        finding = verify(broken_off)
        assert [] == finding.problems
        assert content[:1200].count(b"\n") == finding.lines


class TestRefused:
    """What no crash does is not mended: it would hide what somebody has done."""

    @pytest.fixture
    def sealed(self, open_sink: OpenSink, run_dir: Path) -> Path:
        sink = open_sink()
        for step in range(200):
            sink.write({"step": step})
        sink.close()
        return run_dir

    @pytest.fixture
    def unsealed(self, sealed: Path) -> Path:
        chain = sealed / "traces.chain.jsonl"
        chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:-1]))
        return sealed

    def test_a_changed_line(self, unsealed: Path, open_sink: OpenSink) -> None:
        """A line that was changed since it was hashed is told by its block."""
        data = unsealed / "traces.jsonl"
        data.write_bytes(data.read_bytes().replace(b'"step":70}', b'"step":07}'))
        with pytest.raises(ConfigError, match=r"traces\.jsonl, lines 65 to 128: are not what was written"):
            open_sink()

    def test_a_sealed_line_that_is_gone(self, sealed: Path, open_sink: OpenSink) -> None:
        """What was on the disk when it was sealed cannot have been lost in a crash."""
        data = sealed / "traces.jsonl"
        data.write_bytes(data.read_bytes()[:-14])
        with pytest.raises(ConfigError, match="14 bytes at the end are gone that were on the disk"):
            open_sink()

    def test_a_line_after_the_end(self, sealed: Path, open_sink: OpenSink) -> None:
        """Nothing can have been added after the writer had closed the trace."""
        with (sealed / "traces.jsonl").open("ab") as file:
            file.write(b'{"step":200}\n')
        with pytest.raises(ConfigError, match="lines were added after it was closed"):
            open_sink()

    def test_a_damaged_chain(self, sealed: Path, open_sink: OpenSink) -> None:
        """A chain that is damaged in the middle is told by its line."""
        chain = sealed / "traces.chain.jsonl"
        chain.write_bytes(chain.read_bytes().replace(b'"lines":64', b'"lines":x4', 1))
        with pytest.raises(ConfigError, match=r"traces\.chain\.jsonl, line 2: is damaged"):
            open_sink()

    def test_another_format(self, sealed: Path, open_sink: OpenSink) -> None:
        """A chain of a format that is not known is left alone."""
        chain = sealed / "traces.chain.jsonl"
        before = chain.read_bytes().replace(b'"format":1', b'"format":2')
        chain.write_bytes(before)
        with pytest.raises(ConfigError, match="does not begin as a chain of format 1 does"):
            open_sink()
        assert before == chain.read_bytes()

    def test_a_closed_segment_without_its_seal(self, open_sink: OpenSink, run_dir: Path) -> None:
        """Nothing is begun after a closed segment whose chain does not end as it was closed."""
        sink = open_sink(rotate_bytes=500)
        for step in range(50):
            sink.write({"step": step})
        sink.close()
        (run_dir / "traces.jsonl").unlink()
        (run_dir / "traces.chain.jsonl").unlink()
        chain = sorted(run_dir.glob("traces.0*.chain.jsonl"))[-1]
        chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:-1]))
        with pytest.raises(ConfigError, match="does not end with a seal"):
            open_sink(rotate_bytes=500)
