"""Going on after a crash: at the exact event, with the same types, and only in the file that was read."""

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Build, ConfigError, Idle, Record, Reject

from mdm_reference.csv_source import CsvSource
from mdm_reference.files import FileSource
from mdm_reference.jsonl import JsonlSource

JSON_LINES = [
    b'{"n":1}',
    b"",
    b"bad",
    b'{"n":4,"text":"\xc3\xa9"}',
    b" ",
    b"\xff",
    *(b'{"n":%d}' % n for n in range(7, 60)),
]
CSV_LINES = [
    *(b"a,b", b"1,x", b'"2', b'",y', b"", b"3,z", b"bad", b'"4,u', b"5,v", b"6,\xff", b"x7,007"),
    *(b"%d,w" % n for n in range(12, 60)),
]
CONTENT = {"jsonl": b"\n".join(JSON_LINES) + b"\n", "csv": b"\n".join(CSV_LINES) + b"\n"}
KINDS = [(kind, packed) for kind in CONTENT for packed in ("", ".gz")]


def source_of(path: Path) -> FileSource:
    """Make the source that reads such a file."""
    kind = path.name.split(".")[1]
    return CsvSource(str(path), sample=5) if kind == "csv" else JsonlSource(str(path))


@contextmanager
def opened(path: Path) -> Iterator[FileSource]:
    """Open a source and close it again."""
    source = source_of(path)
    try:
        source.open(Build())
        yield source
    finally:
        source.close()


def pack(path: Path, content: bytes) -> bytes:
    """Give what stands in a file of this name."""
    return gzip.compress(content, mtime=0) if path.suffix == ".gz" else content


def items(source: FileSource) -> list[Record | Reject]:
    """Read to the end."""
    return [item for item in source.records() if not isinstance(item, Idle)]


def stopped_after(path: Path, number: int) -> tuple[list[Record | Reject], dict[str, Any] | None, int]:
    """Read so many items and crash; give them, the identity as JSON keeps it, and the blank lines passed over."""
    with opened(path) as source:
        read = [item for item in islice(source.records(), number) if not isinstance(item, Idle)]
        return read, json.loads(json.dumps(source.identity())), source.skipped


def refusal(path: Path, number: int, change: bytes, position: int | None = None) -> str:
    """Read so many items, change the file, and be refused when going on."""
    read, identity, _ = stopped_after(path, number)
    path.write_bytes(change)
    with opened(path) as source, pytest.raises(ConfigError) as caught:
        source.resume(read[-1].position if position is None else position, identity)
    return str(caught.value)


class TestGoingOn:
    @pytest.mark.parametrize(("kind", "packed"), KINDS)
    def test_after_every_event(self, tmp_path: Path, kind: str, packed: str) -> None:
        """Stopped after any event, what comes is what would have come, and blank lines are counted once."""
        path = tmp_path / f"x.{kind}{packed}"
        path.write_bytes(pack(path, CONTENT[kind]))
        with opened(path) as source:
            everything, skipped = items(source), source.skipped
        assert len(everything) > 50
        for number in range(1, len(everything) + 1):
            read, identity, _ = stopped_after(path, number)
            with opened(path) as source:
                source.resume(read[-1].position, identity)
                assert everything == [*read, *items(source)]
                assert skipped == source.skipped

    @pytest.mark.parametrize(("kind", "packed"), KINDS)
    def test_more_than_once(self, tmp_path: Path, kind: str, packed: str) -> None:
        """A run that crashes again and again reads every event once, though chunks and sample are long read."""
        path = tmp_path / f"x.{kind}{packed}"
        path.write_bytes(pack(path, CONTENT[kind] + b'{"n":1}\n' * 20_000))
        with opened(path) as source:
            everything = items(source)
        read: list[Record | Reject] = []
        identity: dict[str, Any] | None = None
        for number in (1, 3, 5_000, 9_000):
            with opened(path) as source:
                if read:
                    source.resume(read[-1].position, identity)
                read += [item for item in islice(source.records(), number) if not isinstance(item, Idle)]
                identity = json.loads(json.dumps(source.identity()))
        with opened(path) as source:
            source.resume(read[-1].position, identity)
            assert everything == [*read, *items(source)]

    @pytest.mark.parametrize(("kind", "packed"), KINDS)
    def test_from_the_beginning(self, tmp_path: Path, kind: str, packed: str) -> None:
        """A run that crashed before its first event begins at the first."""
        path = tmp_path / f"x.{kind}{packed}"
        path.write_bytes(pack(path, CONTENT[kind]))
        with opened(path) as source:
            everything, skipped = items(source), source.skipped
        _, identity, _ = stopped_after(path, 0)
        with opened(path) as source:
            source.resume(None, identity)
            assert (everything, skipped) == (items(source), source.skipped)

    @pytest.mark.parametrize(("kind", "packed"), KINDS)
    def test_grown(self, tmp_path: Path, kind: str, packed: str) -> None:
        """A file that has only grown is the same one, and what was added is read."""
        path = tmp_path / f"x.{kind}{packed}"
        path.write_bytes(pack(path, CONTENT[kind]))
        read, identity, _ = stopped_after(path, 1_000)
        with path.open("ab") as file:
            file.write(pack(path, b'{"n":60}\n' if kind == "jsonl" else b"60,w\n"))
        with opened(path) as source:
            source.resume(read[-1].position, identity)
            last = {"n": 60} if kind == "jsonl" else {"a": "60", "b": "w"}
            assert [Record(last, len((JSON_LINES, CSV_LINES)[kind == "csv"]) + 1)] == items(source)

    def test_moved_and_touched(self, tmp_path: Path) -> None:
        """The content counts, not where it stands or when it was written: a copy with another time goes on."""
        path = tmp_path / "x.jsonl"
        path.write_bytes(CONTENT["jsonl"])
        read, identity, _ = stopped_after(path, 10)
        other = tmp_path / "sub" / "y.jsonl"
        other.parent.mkdir()
        shutil.copy(path, other)
        os.utime(other, (1, 1))
        with opened(other) as source:
            source.resume(read[-1].position, identity)
            assert [n for n in range(13, 60) if n > int(read[-1].position)] == [i.position for i in items(source)]

    def test_inferred_types_stay(self, tmp_path: Path) -> None:
        """The types of columns are those of the first run, though the rows that now come first look otherwise."""
        path = tmp_path / "x.csv"
        path.write_bytes(b"a\n1\n2\n3\n4\n5\n1.5\n6\n")
        read, identity, _ = stopped_after(path, 5)
        with opened(path) as source:
            source.resume(read[-1].position, identity)
            assert [Reject("column_type:a", 7, "1.5"), Record({"a": 6}, 8)] == items(source)

    def test_gz_that_was_cut_off(self, tmp_path: Path) -> None:
        """A .gz file that was cut off fails; once the rest of it is there, it is gone on with."""
        path = tmp_path / "x.jsonl.gz"
        events = [{"n": n, "text": os.urandom(20).hex()} for n in range(3_000)]
        whole = gzip.compress("\n".join(map(json.dumps, events)).encode())
        path.write_bytes(whole[: len(whole) // 2])
        read: list[Any] = []
        with opened(path) as source:
            with pytest.raises(OSError, match="damaged or cut off"):
                read.extend(source.records())
            identity = source.identity()
        path.write_bytes(whole)
        with opened(path) as source:
            source.resume(read[-1].position, identity)
            assert events == [item.event for item in [*read, *items(source)] if isinstance(item, Record)]

    @given(
        st.lists(
            st.sampled_from([b'{"n":1}', b"", b"x", b'"', b'1,"a', b'b",2', b"1,2", b",", b'"""', b"\xff"]), min_size=2
        ),
        st.booleans(),
        st.sampled_from(["jsonl", "csv"]),
        st.data(),
    )
    def test_whatever_stands_there(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        lines: list[bytes],
        ends: bool,
        kind: str,
        data: st.DataObject,
    ) -> None:
        """Whatever the lines are, quotes that do not match included, the two halves make the whole."""
        path = tmp_path_factory.getbasetemp() / f"whatever.{kind}"
        path.write_bytes(b"h,i\n" * (kind == "csv") + b"\n".join(lines) + b"\n" * ends)
        with opened(path) as source:
            everything, skipped = items(source), source.skipped
        number = data.draw(st.integers(0, len(everything)))
        read, identity, _ = stopped_after(path, number)
        with opened(path) as source:
            source.resume(read[-1].position if read else None, identity)
            assert (everything, skipped) == ([*read, *items(source)], source.skipped)


class TestRefusing:
    @pytest.mark.parametrize(("kind", "packed"), KINDS)
    def test_every_byte_that_was_read(self, tmp_path: Path, kind: str, packed: str) -> None:
        """A changed byte anywhere in what was read is noticed, also if size and time are the same."""
        path = tmp_path / f"x.{kind}{packed}"
        content = pack(path, CONTENT[kind])
        for place in range(0, len(content), 7):
            path.write_bytes(content)
            changed = bytearray(content)
            changed[place] ^= 1
            read, identity, _ = stopped_after(path, 20)
            before = path.stat()
            path.write_bytes(changed)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            with pytest.raises(ConfigError) as caught, opened(path) as source:
                source.resume(read[-1].position, identity)
            reason = "is no longer the file that the run has read: what was read of it has changed since"
            expected = f"{path} {reason}; start a new run"
            # The header of a table is read when it is opened, which may fail already.
            assert expected == str(caught.value) or (kind == "csv" and (packed or place < 4))

    def test_far_behind_the_head(self, tmp_path: Path) -> None:
        """A changed byte is noticed wherever it stands, and one that was not read yet is not looked at."""
        path = tmp_path / "x.jsonl"
        lines = [b'{"n":%06d,"x":"%s"}\n' % (n, b"y" * 100) for n in range(100_000, 120_000)]
        path.write_bytes(b"".join(lines))
        read, identity, _ = stopped_after(path, 10_000)
        lines[9_000] = lines[9_000].replace(b"y", b"z", 1)
        path.write_bytes(b"".join(lines))
        with opened(path) as source, pytest.raises(ConfigError, match="what was read of it has changed since"):
            source.resume(read[-1].position, identity)
        lines[9_000] = lines[9_000].replace(b"z", b"y", 1)
        lines[19_000] = lines[19_000].replace(b"y", b"z", 1)
        path.write_bytes(b"".join(lines))
        with opened(path) as source:
            source.resume(read[-1].position, identity)
            assert 10_001 == next(iter(items(source))).position

    def test_shorter(self, tmp_path: Path) -> None:
        """A file that has become shorter is refused, though what was read is still there."""
        path = tmp_path / "x.jsonl"
        path.write_bytes(b'{"n":1}\n' * 20_000)
        message = refusal(path, 1, b'{"n":1}\n' * 19_999)
        expected = f"{path} is no longer the file that the run has read: it had 160,000 bytes and has 159,992"
        assert f"{expected}; start a new run" == message

    def test_before_the_first_event(self, tmp_path: Path) -> None:
        """Another file is refused also where nothing had been read."""
        path = tmp_path / "x.jsonl"
        path.write_bytes(b'{"n":1}\n')
        _, identity, _ = stopped_after(path, 0)
        path.write_bytes(b'{"n":2}\n')
        with opened(path) as source, pytest.raises(ConfigError, match="no longer the file"):
            source.resume(None, identity)

    @pytest.mark.parametrize("identity", [None, {}, {"package": "other"}])
    def test_another_source(self, tmp_path: Path, identity: dict[str, Any] | None) -> None:
        """What another kind of source said of itself fits no file."""
        path = tmp_path / "x.jsonl"
        path.write_bytes(b"{}\n")
        with opened(path) as source, pytest.raises(ConfigError, match="it has read something else; start a new run"):
            source.resume(1, identity)

    @pytest.mark.parametrize(
        ("kind", "content", "more"),
        [
            ("jsonl", b'{"n":1}\n{"n":2', b'3}\n{"n":3}\n'),
            ("csv", b"a\n1\n2", b"3\n4\n"),
            ("csv", b'a\n1\n"2\n3', b'"\n4\n'),
        ],
    )
    def test_half_a_line(self, tmp_path: Path, kind: str, content: bytes, more: bytes) -> None:
        """A last line that was given as it stood and has been written on since is not taken for the one given."""
        path = tmp_path / f"x.{kind}"
        path.write_bytes(content)
        line = content.count(b"\n") + 1
        expected = f"line {line} of {path} was not whole when the run read it, and has been written on since"
        assert f"{expected}; start a new run" == refusal(path, 100, content + more)

    @pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
    @pytest.mark.parametrize(("kind", "content"), [("jsonl", b'{"n":1}\n{"n":2}'), ("csv", b"a\n1\n2")])
    def test_whole_line(self, tmp_path: Path, kind: str, content: bytes, newline: bytes) -> None:
        """A last line that was whole but for its newline is what it was."""
        path = tmp_path / f"x.{kind}"
        path.write_bytes(content)
        read, identity, _ = stopped_after(path, 100)
        path.write_bytes(content + newline + (b'{"n":3}' if kind == "jsonl" else b"3"))
        with opened(path) as source:
            source.resume(read[-1].position, identity)
            assert [int(read[-1].position) + 1] == [item.position for item in items(source)]

    def test_packed_half_a_line(self, tmp_path: Path) -> None:
        """Of a .gz file whose last line had no newline it cannot be told, so one that has grown is refused."""
        path = tmp_path / "x.jsonl.gz"
        content = pack(path, b"{}\n{}")
        path.write_bytes(content)
        expected = f"line 2 of {path} was not whole when the run read it, and has been written on since"
        assert f"{expected}; start a new run" == refusal(path, 9, content + pack(path, b"\n{}"))

    @pytest.mark.parametrize("cls", [JsonlSource, CsvSource])
    @pytest.mark.parametrize("position", [None, 1])
    def test_standard_input(self, cls: type[FileSource], position: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """Standard input refuses, wherever the run ended, and says what to do instead."""
        reader, writer = os.pipe()
        os.write(writer, b"a\n1\n")
        os.close(writer)
        with os.fdopen(reader) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            source = cls("-")
            source.open(Build())
            with pytest.raises(ConfigError) as caught:
                source.resume(position, None)
        assert "standard input cannot be read again; start a new run, or one that reads a file" == str(caught.value)
