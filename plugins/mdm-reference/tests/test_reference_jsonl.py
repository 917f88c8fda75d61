"""JSON lines: every event once and in order, every bad line told, bounded memory, files, .gz, pipes."""

import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Build, Idle, Record, Reject

from mdm_reference.jsonl import JsonlSource

BOM = b"\xef\xbb\xbf"
BAD = {
    b"{": "invalid_json",
    b'{"a":1} {"b":2}': "invalid_json",
    b'{"a":NaN}': "invalid_json",
    b'{"a":-Infinity}': "invalid_json",
    b'{"a":"\\ud800"}': "invalid_json",
    b'{"a":"\x00"}': "invalid_json",
    b"\x00": "invalid_json",
    b"{'a':1}": "invalid_json",
    b"[1]": "not_an_object",
    b"null": "not_an_object",
    b'"text"': "not_an_object",
    b' {"a":1e400}': "number_out_of_range",
    b"[1e400]": "not_an_object",
    b'{"a":"\xff"}': "not_utf8",
    b"\xff\xfe{\x00}\x00": "not_utf8",
    b'{"a":' + b"[" * 100_000: "too_deep",
}
BLANK = (b"", b" ", b"\r", b"\t \r")

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False, max_value=1e308, min_value=-1e308)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=8,
)
events = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values)


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[JsonlSource]:
    """Open a source and close it again."""
    source = JsonlSource(str(path), **options)
    source.open(Build())
    try:
        yield source
    finally:
        source.close()


def read(path: Path, after: int = 0, **options: Any) -> list[Record | Reject | Idle]:
    """Read a file to its end."""
    with opened(path, **options) as source:
        if after:
            source.seek(after)
        return list(source.records())


def reads(path: Path, content: bytes, **options: Any) -> list[Record | Reject | Idle]:
    """Write a file and read it to its end."""
    path.write_bytes(content)
    return read(path, **options)


class TestRecords:
    @given(st.lists(events | st.sampled_from([*BAD, *BLANK])), st.booleans(), st.sampled_from([b"\n", b"\r\n"]))
    def test_round_trip(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        content: list[dict[str, Any] | bytes],
        ascii_only: bool,
        newline: bytes,
    ) -> None:
        """Good lines come exactly once, in order and unchanged, whatever stands between them; bad ones are rejected."""
        path = tmp_path_factory.getbasetemp() / "round_trip.jsonl"
        lines = [c if isinstance(c, bytes) else json.dumps(c, ensure_ascii=ascii_only).encode() for c in content]
        items = reads(path, newline.join(lines))
        expected = [
            ("record", number, item) if isinstance(item, dict) else ("reject", number, BAD[item])
            for number, item in enumerate(content, 1)
            if item not in BLANK
        ]
        actual = [
            ("record", i.position, i.event) if isinstance(i, Record) else ("reject", i.position, i.reason)
            for i in items
            if not isinstance(i, Idle)
        ]
        assert expected == actual

    @pytest.mark.parametrize(("line", "reason"), BAD.items())
    def test_reasons(self, tmp_path: Path, line: bytes, reason: str) -> None:
        """Each kind of bad line has its stable reason, and an excerpt of at most 200 characters."""
        reject = Reject(reason, 2, line.decode("utf-8", "replace")[:200])
        assert [Record({}, 1), reject, Record({}, 3)] == reads(tmp_path / "x", b"{}\n" + line + b"\n{}\n")

    def test_excerpt_of_wide_characters(self, tmp_path: Path) -> None:
        """The excerpt has 200 characters, also where each takes four bytes."""
        assert [Reject("invalid_json", 1, "🛫" * 200)] == reads(tmp_path / "x", "🛫".encode() * 300)

    def test_blank_lines_are_counted(self, tmp_path: Path) -> None:
        """Blank lines are passed over, counted, and keep their numbers."""
        path = tmp_path / "x"
        path.write_bytes(b"\n{}\n \r\n\n{}\n\n")
        with opened(path) as source:
            assert [Record({}, 2), Record({}, 5)] == list(source.records())
            assert 4 == source.skipped

    def test_values(self, tmp_path: Path) -> None:
        """Of a name given twice the last value counts, whole numbers are exact and tiny ones become zero."""
        line = b'{"a":1,"a":2,"big":123456789012345678901234567890,"tiny":1e-400,"nul":"\\u0000"}'
        event = {"a": 2, "big": 123456789012345678901234567890, "tiny": 0.0, "nul": "\0"}
        assert [Record(event, 1)] == reads(tmp_path / "x", line)

    @pytest.mark.parametrize("content", [BOM + b'{"a":1}\n{}', BOM + b'{"a":1}', BOM + b"\n{}"])
    def test_byte_order_mark(self, tmp_path: Path, content: bytes) -> None:
        """A byte order mark at the beginning is not part of the first line."""
        assert reads(tmp_path / "a", content.removeprefix(BOM)) == reads(tmp_path / "b", content)

    def test_byte_order_mark_elsewhere(self, tmp_path: Path) -> None:
        """A byte order mark anywhere else is no JSON."""
        assert [Record({}, 1), Reject("invalid_json", 2, "\ufeff{}")] == reads(tmp_path / "x", b"{}\n" + BOM + b"{}")

    def test_empty_file(self, tmp_path: Path) -> None:
        """An empty file has no events."""
        assert [] == reads(tmp_path / "x", b"")

    def test_lines_across_chunks(self, tmp_path: Path) -> None:
        """Lines of all lengths up to several chunks come whole, from a file as from a .gz file."""
        rng = random.Random(7)
        expected = [{"n": n, "text": "x" * int(10 ** rng.uniform(0, 5.3))} for n in range(300)]
        content = "\n".join(map(json.dumps, expected)).encode()
        path = tmp_path / "x.jsonl.gz"
        path.write_bytes(gzip.compress(content))
        records = [Record(event, number) for number, event in enumerate(expected, 1)]
        assert records == reads(tmp_path / "x.jsonl", content)
        assert records == read(path)


class TestLongLines:
    def line(self, length: int) -> bytes:
        """Make an event of so many bytes."""
        return b'{"a":"' + b"x" * (length - 8) + b'"}'

    @pytest.mark.parametrize("mark", [b"", BOM])
    @pytest.mark.parametrize("limit", [8, 100, 65_535, 65_536, 200_000])
    def test_limit_is_exact(self, tmp_path: Path, limit: int, mark: bytes) -> None:
        """A line of the limit's length is read, one byte more is rejected, and the lines around it are read."""
        good, bad = self.line(limit), self.line(limit + 1)
        lines = [good, bad, good, good, bad, bad, good]
        items = reads(tmp_path / "x", mark + b"\n".join(lines), max_line_bytes=limit)
        assert [line is good for line in lines] == [isinstance(item, Record) for item in items]
        assert [Reject("line_too_long", n, bad.decode()[:200]) for n in (2, 5, 6)] == [
            i for i in items if isinstance(i, Reject)
        ]

    @pytest.mark.parametrize("mark", [b"", BOM])
    def test_first_line(self, tmp_path: Path, mark: bytes) -> None:
        """A first line that is an object followed by too many blanks is not taken for the object."""
        content = mark + b'{"a":1}' + b" " * 100_000 + b"\n{}"
        items = reads(tmp_path / "x", content, max_line_bytes=50)
        excerpt = '{"a":1}' + " " * 47  # as much as is kept of a line that is too long
        assert [Reject("line_too_long", 1, excerpt[: 54 - len(mark)]), Record({}, 2)] == items

    @pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
    def test_memory(self, tmp_path: Path, name: str) -> None:
        """A line of 20 MB takes no more memory than the limit and a few chunks."""
        path = tmp_path / name
        with gzip.open(path, "wb", compresslevel=1) if name.endswith(".gz") else path.open("wb") as file:
            file.write(b'{"a":1}\n')
            for _ in range(20):
                file.write(b"x" * 1_000_000)
            file.write(b'\n{"a":2}\n')
        tracemalloc.start()
        try:
            items = read(path, max_line_bytes=1 << 16)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert [Record({"a": 1}, 1), Reject("line_too_long", 2, "x" * 200), Record({"a": 2}, 3)] == items
        assert peak < 700_000


class TestDepth:
    @pytest.mark.parametrize("kind", ["lists", "objects", "both"])
    @pytest.mark.parametrize("depth", [63, 64, 65, 66, 500])
    def test_limit_is_exact(self, tmp_path: Path, depth: int, kind: str) -> None:
        """64 levels, the event itself counted, are read; one more is rejected."""
        value: Any = 1
        for level in range(depth - 1):
            value = [value] if kind == "lists" or (kind == "both" and level % 2) else {"b": value}
        event = {"n": 1, "a": value, "z": [[], {}]}
        line = json.dumps(event)
        expected = [Record(event, 1)] if depth <= 64 else [Reject("too_deep", 1, line[:200])]
        assert expected == reads(tmp_path / "x", line.encode())

    def test_many_brackets(self, tmp_path: Path) -> None:
        """Brackets side by side are not deep, however many there are."""
        event = {"a": [[[]] * 50] * 500, "b": [{}] * 5_000, "text": "[" * 1_000}
        assert [Record(event, 1)] == reads(tmp_path / "x", json.dumps(event).encode())


class TestSeek:
    CONTENT = b'{"n":1}\nbad\n\n' + b'{"n":4}\n' * 20_000

    @pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
    @pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 8_192, 20_002, 20_003])
    def test_goes_on_after_a_line(self, tmp_path: Path, name: str, after: int) -> None:
        """What comes after a seek is what would have come anyway."""
        path = tmp_path / name
        path.write_bytes(gzip.compress(self.CONTENT) if name.endswith(".gz") else self.CONTENT)
        everything = [i for i in read(path) if not isinstance(i, Idle)]
        assert [i for i in everything if int(i.position) > after] == read(path, after)

    def test_shorter_file(self, tmp_path: Path) -> None:
        """A file that has become shorter than the position stops the run instead of seeming to be done."""
        path = tmp_path / "x"
        path.write_bytes(b"{}\n{}\n")
        with pytest.raises(OSError, match="cannot go on after line 3 of a file that ends at line 2"):
            read(path, 3)


class TestLength:
    @pytest.mark.parametrize(
        ("content", "lines"), [(b"", 0), (b"{}", 1), (b"{}\n", 1), (b"{}\n\n{}", 3), (b"{}\n" * 500_000, 500_000)]
    )
    def test_counts_lines(self, tmp_path: Path, content: bytes, lines: int) -> None:
        """The length of a plain file is its number of lines, with or without a last newline."""
        path = tmp_path / "x"
        path.write_bytes(content)
        with opened(path) as source:
            assert lines == source.length

    def test_does_not_disturb(self, tmp_path: Path) -> None:
        """Asking for length and identity in the middle of reading changes nothing."""
        path = tmp_path / "x"
        path.write_bytes(b"{}\n" * 100_000)
        with opened(path) as source:
            records = source.records()
            next(records)
            assert (100_000, 300_000) == (source.length, (source.identity() or {})["size"])
            assert 99_999 == sum(1 for _ in records)

    def test_unknown_for_gz(self, tmp_path: Path) -> None:
        """The length of a .gz file is not known without unpacking it; its identity is."""
        path = tmp_path / "x.gz"
        path.write_bytes(gzip.compress(b"{}\n"))
        with opened(path) as source:
            assert source.length is None
            assert path.stat().st_size == (source.identity() or {})["size"]


class TestBrokenFiles:
    def test_cut_gz(self, tmp_path: Path) -> None:
        """A .gz file that is cut off gives its whole lines and then fails, never a part of a line."""
        expected = [{"n": random.Random(n).random()} for n in range(5_000)]
        whole = gzip.compress("\n".join(map(json.dumps, expected)).encode())
        path = tmp_path / "x.gz"
        path.write_bytes(whole[: len(whole) // 2])
        items: list[Record | Reject | Idle] = []
        with opened(path) as source, pytest.raises(OSError, match=r"the \.gz file is damaged or cut off"):
            items.extend(source.records())
        assert len(items) > 1_000
        assert [Record(event, n) for n, event in enumerate(expected[: len(items)], 1)] == items

    @pytest.mark.parametrize("damage", ["flip", "plain"])
    def test_damaged_gz(self, tmp_path: Path, damage: str) -> None:
        """A .gz file that is damaged, or is none, fails."""
        whole = bytearray(gzip.compress(b'{"a":1}\n' * 10_000))
        whole[len(whole) // 2] ^= 0xFF
        path = tmp_path / "x.gz"
        path.write_bytes(whole if damage == "flip" else b'{"a":1}\n')
        with pytest.raises(OSError, match=r"the \.gz file is damaged or cut off"):
            read(path)

    @pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
    def test_read_error(self) -> None:
        """A read that fails raises, which stops the run."""
        with pytest.raises(OSError, match="Input/output error"):
            read(Path("/proc/self/mem"))


PRINTER = """
import sys
from mdm_core import Build, Idle
from mdm_reference.jsonl import JsonlSource
source = JsonlSource(sys.argv[1])
source.open(Build())
print("open", source.length, source.identity(), flush=True)
for item in source.records():
    print("idle" if isinstance(item, Idle) else item, flush=True)
"""


@contextmanager
def printer(path: str, stdin: int | IO[bytes] = subprocess.PIPE) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that prints what it reads."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PRINTER, path]
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def output(process: "subprocess.Popen[bytes]") -> str:
    """Read the next line that is not idle."""
    assert process.stdout is not None
    for line in process.stdout:
        if line != b"idle\n":
            return line.decode().strip()
    return "end"


class TestStandardInput:
    def test_events_arrive_at_once(self) -> None:
        """Each event of a pipe is given as soon as its line is there, a line that comes in parts when it is whole."""
        with printer("-") as process:
            assert process.stdin is not None
            assert "open None None" == output(process)
            for sent, expected in [
                (b'{"a":1}\n', "Record(event={'a': 1}, position=1)"),
                (b"\xef\xbb\xbf{}\n", "Reject(reason='invalid_json', position=2, excerpt='\\ufeff{}')"),
                (b'{"a":', "idle"),
                (b"2}\n{", "Record(event={'a': 2}, position=3)"),
                (b"}", "idle"),
            ]:
                process.stdin.write(sent)
                process.stdin.flush()
                if expected != "idle":
                    assert expected == output(process)
            process.stdin.close()
            assert "Record(event={}, position=4)" == output(process)
            assert "end" == output(process)
            assert 0 == process.wait()

    def test_idle(self) -> None:
        """A pipe that is silent gives Idle every 50 ms, so that core can do what is due."""
        with printer("-") as process:
            assert process.stdout is not None
            assert b"open None None\n" == process.stdout.readline()
            times = [time.monotonic() for _ in range(12) if process.stdout.readline() == b"idle\n"]
            waits = [later - before for before, later in pairwise(times)]
            assert 11 == len(waits)
            assert 0.05 < times[-1] - times[0]
            assert min(waits) < 0.1  # the machine may be late, and never early

    def test_interrupt_while_waiting(self) -> None:
        """Ctrl-C is served while the pipe is silent."""
        with printer("-") as process:
            assert "open None None" == output(process)
            process.send_signal(signal.SIGINT)
            assert -signal.SIGINT == process.wait(timeout=10)

    def test_redirected_file(self, tmp_path: Path) -> None:
        """A file that is redirected to standard input is read to its end without a pause."""
        path = tmp_path / "x"
        path.write_bytes(b"{}\n" * 30_000)
        with path.open("rb") as file, printer("-", file) as process:
            assert process.stdout is not None
            lines = process.stdout.read().splitlines()
            assert (30_001, b"Record(event={}, position=30000)", 0) == (len(lines), lines[-1], lines.count(b"idle"))

    def test_named_pipe_without_writer(self, tmp_path: Path) -> None:
        """A named pipe that nobody writes to yet is opened at once, gives Idle, and then what is written."""
        path = tmp_path / "pipe"
        os.mkfifo(path)
        with opened(path) as source:
            records = source.records()
            assert Idle() == next(records)
            writer = threading.Thread(target=path.write_bytes, args=(b'{"a":1}\n',))
            writer.start()
            assert [Record({"a": 1}, 1)] == [item for item in records if not isinstance(item, Idle)]
            writer.join()

    def test_replaced_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program that puts other bytes in the place of standard input is read as well."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"a":1}\n'))))
        assert [Record({"a": 1}, 1)] == read(Path("-"))

    def test_named_pipe(self, tmp_path: Path) -> None:
        """A named pipe is read like standard input: no length, no identity, no going back."""
        path = tmp_path / "pipe"
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(b'{"a":1}\n' * 50_000,))
        writer.start()
        with opened(path) as source:
            assert (None, None) == (source.length, source.identity())
            with pytest.raises(NotImplementedError, match="cannot go back in a pipe"):
                source.seek(1)
            assert 50_000 == sum(isinstance(item, Record) for item in source.records())
        writer.join()
