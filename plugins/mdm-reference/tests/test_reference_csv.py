"""CSV: types that are inferred once and kept, rows that do not fit, quotes, headers, positions."""

import csv
import gzip
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Build, ConfigError, Idle, OptionError, Record, Reject

from mdm_reference.csv_source import CsvSource
from mdm_reference.csv_types import infer


def read(path: Path, after: int = 0, **options: Any) -> list[Record | Reject | Idle]:
    """Read a file to its end."""
    source = CsvSource(str(path), **options)
    source.open(Build())
    try:
        if after:
            source.seek(after)
        return list(source.records())
    finally:
        source.close()


def reads(path: Path, content: str | bytes, **options: Any) -> list[Record | Reject | Idle]:
    """Write a file and read it to its end."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(path, **options)


def events(items: list[Record | Reject | Idle]) -> list[dict[str, Any]]:
    """Give the events of items that are all records."""
    assert all(isinstance(item, Record) for item in items)
    return [item.event for item in items if isinstance(item, Record)]


class TestInfer:
    @pytest.mark.parametrize(
        ("texts", "kind"),
        [
            (["1", "-2", "0", ""], "int"),
            (["999999999999999999"], "int"),
            (["1000000000000000000"], "str"),
            (["1", "2.5"], "float"),
            (["1e5", ".5", "5.", "-0.25E-3"], "float"),
            (["true", "False", "TRUE", ""], "bool"),
            (["true", "1"], "str"),
            (["007", "008"], "str"),
            (["1", "02"], "str"),
            (["1.5", "01.5"], "str"),
            (["+4412345678"], "str"),
            (["0", "-0"], "int"),
            (["0.5"], "float"),
            (["1_000"], "str"),
            ([" 1"], "str"),
            (["1 "], "str"),
            (["٣"], "str"),
            (["nan", "inf"], "str"),
            (["1e999"], "str"),
            (["0x10"], "str"),
            (["-"], "str"),
            (["."], "str"),
            (["12345678901234567890.5", "1"], "float"),
            (["2013-01-01"], "str"),
            (["", ""], "str"),
            ([], "str"),
        ],
    )
    def test_kinds(self, texts: list[str], kind: str) -> None:
        """A column is of the narrowest type that loses nothing of any of its texts."""
        assert kind == infer(texts)

    @given(st.lists(st.integers(-(10**18) + 1, 10**18 - 1), min_size=1))
    def test_ints_come_back(self, numbers: list[int]) -> None:
        """Whole numbers of up to 18 digits are ints."""
        assert "int" == infer(map(str, numbers))

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
    def test_floats_come_back(self, numbers: list[float]) -> None:
        """Floats as Python writes them are floats."""
        assert "float" == infer(map(repr, numbers))


class TestRecords:
    def test_types(self, tmp_path: Path) -> None:
        """Each column has its own type, empty fields are None and positions are line numbers."""
        content = "id,n,x,ok,name\n007,1,1,true,a\n008,,2.5,false,\n"
        assert [
            Record({"id": "007", "n": 1, "x": 1.0, "ok": True, "name": "a"}, 2),
            Record({"id": "008", "n": None, "x": 2.5, "ok": False, "name": None}, 3),
        ] == reads(tmp_path / "x", content)

    def test_floats_are_floats(self, tmp_path: Path) -> None:
        """A float column gives floats also where the text has no point."""
        assert [float, float] == [type(e["x"]) for e in events(reads(tmp_path / "x", "x\n1\n2.5\n"))]

    @pytest.mark.parametrize(
        ("first", "later"), [("1", "1.5"), ("1", "x"), ("1", "01"), ("1.5", "x"), ("1.5", "1e999"), ("true", "1")]
    )
    def test_types_are_kept(self, tmp_path: Path, first: str, later: str) -> None:
        """A value after the sample that does not fit its column is rejected, and the next row is read."""
        items = reads(tmp_path / "x", f"a,b\n{first},\n{later},\n{first},\n", sample=1)
        assert Reject("column_type:a", 3, f"{later},") == items[1]
        assert [2, 4] == [item.position for item in items if isinstance(item, Record)]

    def test_sample_decides(self, tmp_path: Path) -> None:
        """With a longer sample the same column is of the wider type from its first row on."""
        assert [{"a": 1.0}, {"a": 1.5}] == events(reads(tmp_path / "x", "a\n1\n1.5\n", sample=2))

    def test_declared_types(self, tmp_path: Path) -> None:
        """A declared type comes before what the column looks like, and may drop leading zeros."""
        content = "hour,zip\n05,1\n+12,2\n"
        expected = [{"hour": 5, "zip": "1"}, {"hour": 12, "zip": "2"}]
        assert expected == events(reads(tmp_path / "x", content, types={"hour": "int", "zip": "str"}))

    def test_declared_type_that_does_not_fit(self, tmp_path: Path) -> None:
        """A value that does not fit its declared type is rejected from the first row on."""
        assert [Reject("column_type:a", 2, "x")] == reads(tmp_path / "x", "a\nx\n", types={"a": "float"})

    @pytest.mark.parametrize("row", ["1", "1,2,3", ","])
    def test_field_count(self, tmp_path: Path, row: str) -> None:
        """A row with too few or too many fields is rejected and takes no part in the inference."""
        items = reads(tmp_path / "x", f"a,b\n{row}\n5,6\n")
        if row != ",":
            assert Reject("field_count", 2, row) == items[0]
        assert Record({"a": 5, "b": 6}, 3) == items[1]

    def test_quotes(self, tmp_path: Path) -> None:
        """Quoted fields may hold delimiters, quotes and newlines; the position is where the row starts."""
        content = 'a,b\r\n"x,""y""","1\r\n2\n\n3"\r\nz,4\r\n'
        expected = [Record({"a": 'x,"y"', "b": "1\r\n2\n\n3"}, 2), Record({"a": "z", "b": "4"}, 6)]
        assert expected == reads(tmp_path / "x", content)

    def test_blank_lines_are_counted(self, tmp_path: Path) -> None:
        """Blank lines, also before the header, are passed over; those after it are counted."""
        path = tmp_path / "x"
        path.write_text("\na\n\n1\n\n")
        source = CsvSource(str(path))
        source.open(Build())
        assert [Record({"a": 1}, 4)] == list(source.records())
        assert 2 == source.skipped
        source.close()

    @pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
    def test_delimiter(self, tmp_path: Path, delimiter: str) -> None:
        """Any single character may stand between fields."""
        content = delimiter.join("ab") + "\n" + delimiter.join("12") + "\n"
        assert [{"a": 1, "b": 2}] == events(reads(tmp_path / "x", content, delimiter=delimiter))

    def test_byte_order_mark_and_gz(self, tmp_path: Path) -> None:
        """A file as Excel writes it, with a byte order mark, is read, packed or not."""
        content = "\ufeffa,b\r\n1,ü\r\n".encode()
        expected = [Record({"a": 1, "b": "ü"}, 2)]
        assert expected == reads(tmp_path / "x.csv", content)
        assert expected == reads(tmp_path / "x.csv.gz", gzip.compress(content))

    @given(
        st.lists(
            st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2).filter(any),
            max_size=20,
        )
    )
    def test_texts_come_back(self, tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
        """What the csv module writes comes back unchanged, row by row, as text."""
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
        path = tmp_path_factory.getbasetemp() / "texts.csv"
        items = reads(path, text.getvalue(), types={"a": "str", "b": "str"})
        assert [{"a": a or None, "b": b or None} for a, b in rows] == events(items)


class TestBadRows:
    def test_stray_quote(self, tmp_path: Path) -> None:
        """A quote that is never closed costs its own line only."""
        rows = "".join(f"{n},b\n" for n in range(50_000))
        items = reads(tmp_path / "x", f'a,b\n1,"b\n{rows}')
        assert Reject("invalid_csv", 2, '1,"b') == items[0]
        assert list(range(50_000)) == [e["a"] for e in events(items[1:])]
        assert list(range(3, 50_003)) == [item.position for item in items[1:] if isinstance(item, Record)]

    def test_stray_quote_at_the_end(self, tmp_path: Path) -> None:
        """A quote that the end of the file leaves open costs its own line only."""
        expected = [Reject("invalid_csv", 2, '"1'), Record({"a": 2}, 3), Record({"a": 3}, 4)]
        assert expected == reads(tmp_path / "x", 'a\n"1\n2\n3')

    def test_text_after_a_quote(self, tmp_path: Path) -> None:
        """Quotes that do not enclose their field are rejected, not guessed at."""
        items = reads(tmp_path / "x", 'a,b\n"1"2,x\n3,y\n')
        assert [Reject("invalid_csv", 2, '"1"2,x'), Record({"a": 3, "b": "y"}, 3)] == items

    def test_not_utf8(self, tmp_path: Path) -> None:
        """Bytes that are no UTF-8 cost the row that they stand in, also inside a quoted field."""
        items = reads(tmp_path / "x", b'a,b\n1,"x\ny\xff"\n2,z\n\xff,\n')
        assert [Reject("not_utf8", 2, '1,"x'), Record({"a": 2, "b": "z"}, 4), Reject("not_utf8", 5, "\ufffd,")] == items

    def test_long_line(self, tmp_path: Path) -> None:
        """A line beyond the limit is rejected without taking the memory for it."""
        path = tmp_path / "x"
        path.write_bytes(b"a,b\n1,x\n2," + b"y" * 20_000_000 + b"\n3,z\n")
        tracemalloc.start()
        try:
            items = read(path, max_line_bytes=1 << 16)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        expected = [Record({"a": 1, "b": "x"}, 2), Reject("line_too_long", 3, "2," + "y" * 198)]
        assert [*expected, Record({"a": 3, "b": "z"}, 4)] == items
        assert peak < 1_000_000

    def test_long_row(self, tmp_path: Path) -> None:
        """A row whose lines are longer than the limit together costs its first line, and reading goes on behind it."""
        content = b'a,b\n1,"' + b"x" * 20 + b"\n" + b"y" * 20 + b'"\n2,"' + b"x" * 20 + b"\n" + b"y" * 26 + b'"\n3,z\n'
        items = reads(tmp_path / "x", content, max_line_bytes=44)
        assert [
            Record({"a": 1, "b": "x" * 20 + "\n" + "y" * 20}, 2),
            Reject("row_too_long", 4, '2,"' + "x" * 20),
            Reject("field_count", 5, "y" * 26 + '"'),
            Record({"a": 3, "b": "z"}, 6),
        ] == items

    def test_sample_of_large_rows(self, tmp_path: Path) -> None:
        """Rows wait for their types up to 16 MiB; those that come later are judged by these."""
        row = b",".join([b"1"] * 100_000)
        content = b",".join(b"%x" % n for n in range(100_000)) + b"\n" + (row + b"\n") * 5 + row + b".5\n"
        items = reads(tmp_path / "x", content)
        assert [1, 1, 1, 1, 1] == [item.event["0"] for item in items if isinstance(item, Record)]
        assert [("column_type:1869f", 7)] == [(i.reason, i.position) for i in items if isinstance(i, Reject)]

    def test_long_names_in_reasons(self, tmp_path: Path) -> None:
        """Of a column's name a reason tells 64 characters."""
        items = reads(tmp_path / "x", "n" * 1000 + "\n1\nx\n", sample=1)
        assert Reject("column_type:" + "n" * 64, 3, "x") == items[1]

    def test_cut_gz(self, tmp_path: Path) -> None:
        """A .gz file that is cut off fails after its whole rows; one cut in its header cannot be opened."""
        whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(10_000)))
        path = tmp_path / "x.gz"
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(OSError, match=r"the \.gz file is damaged or cut off"):
            read(path, sample=10)
        path.write_bytes(whole[:12])
        source = CsvSource(str(path))
        with pytest.raises(ConfigError) as caught:
            source.open(Build())
        source.close()
        expected = f"{path} cannot be read: the .gz file is damaged or cut off; give it a whole file"
        assert expected == str(caught.value)


class TestHeader:
    def problems(self, path: Path, content: str | bytes, **options: Any) -> tuple[str, ...]:
        """Open a file whose header cannot be used, and close it as core does."""
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        source = CsvSource(str(path), **options)
        with pytest.raises(ConfigError) as caught:
            source.open(Build())
        source.close()
        return caught.value.problems

    @pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
    def test_empty(self, tmp_path: Path, content: str) -> None:
        """A file without a header is refused."""
        path = tmp_path / "x"
        expected = f"{path} is empty; its first line has to name the columns"
        assert (expected,) == self.problems(path, content)

    def test_names(self, tmp_path: Path) -> None:
        """Everything that is wrong with the names is told at once."""
        path = tmp_path / "x"
        assert (
            f"the header of {path} has no name for column 2, 4; give every column a name",
            f"the header of {path} names 'a' more than once; rename all but one",
            f"the header of {path} has no column 'c', which types names; it has 'a', '', 'a', ''",
        ) == self.problems(path, "a,,a,\n1,2,3,4\n", types={"c": "int"})

    @pytest.mark.parametrize(("header", "reason"), [(b"a,\xff\n", "not_utf8"), (b'"a"b\n', "invalid_csv")])
    def test_unreadable(self, tmp_path: Path, header: bytes, reason: str) -> None:
        """A header that is no row is refused with its line."""
        path = tmp_path / "x"
        expected = f"the header of {path} on line 1 cannot be read ({reason}); correct it"
        assert (expected,) == self.problems(path, header)


class TestOptions:
    @pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
    def test_delimiter(self, delimiter: str) -> None:
        """A delimiter that cannot work is refused when the source is made."""
        with pytest.raises(OptionError) as caught:
            CsvSource("x", delimiter=delimiter)
        assert f'CsvSource.delimiter: must be one character such as "," or "\\t", got {delimiter!r}' == str(
            caught.value
        )

    def test_types(self) -> None:
        """A type that does not exist is refused with its column and the types that do."""
        with pytest.raises(OptionError) as caught:
            CsvSource("x", types={"a": "date"})
        assert "CsvSource.types: column 'a' must be one of int, float, bool, str, got 'date'" == str(caught.value)


class TestSeek:
    CONTENT = 'a,b\n1,x\n"2\n",y\n\n3,z\nbad\n' + "".join(f"{n},w\n" for n in range(4, 3000))

    @pytest.mark.parametrize("after", [1, 2, 3, 6, 7, 1500, 3003])
    def test_goes_on_after_a_row(self, tmp_path: Path, after: int) -> None:
        """What comes after a seek is what would have come anyway, types included."""
        path = tmp_path / "x"
        everything = reads(path, self.CONTENT)
        expected = [i for i in everything if not isinstance(i, Idle) and int(i.position) > after]
        assert expected == read(path, after)

    def test_shorter_file(self, tmp_path: Path) -> None:
        """A file that has become shorter than the position stops the run instead of seeming to be done."""
        path = tmp_path / "x"
        path.write_text("a\n1\n")
        with pytest.raises(OSError, match="cannot go on after line 3 of a file that ends at line 2"):
            read(path, 3)


class TestLength:
    @pytest.mark.parametrize(("content", "length"), [("a\n", 0), ("a", 0), ("a\n1\n2", 2), ("a\n1\n\n2\n", 3)])
    def test_counts_lines_after_the_header(self, tmp_path: Path, content: str, length: int) -> None:
        """The length is the number of lines after the header."""
        path = tmp_path / "x"
        path.write_text(content)
        source = CsvSource(str(path))
        source.open(Build())
        assert length == source.length
        source.close()


PRINTER = """
import ast, sys
from mdm_core import Build, Idle
from mdm_reference.csv_source import CsvSource
source = CsvSource("-", types=ast.literal_eval(sys.argv[1]), sample=2)
source.open(Build())
for item in source.records():
    if not isinstance(item, Idle):
        print(item.event, item.position, flush=True)
    elif "idle" in sys.argv:
        print("idle", flush=True)
"""


def printer(*arguments: str) -> "subprocess.Popen[str]":
    """Run a process that prints what it reads from standard input."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PRINTER, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)


class TestStandardInput:
    def test_declared_columns_arrive_at_once(self) -> None:
        """With all types declared each row is given as soon as it is whole, while the pipe stays open."""
        with printer("{'a':'int','b':'str'}") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            answers = []
            for sent in ("a,b\n1,x\n", '2,"y\n', '"\n'):
                process.stdin.write(sent)
                process.stdin.flush()
                if not sent.endswith("y\n"):
                    answers.append(process.stdout.readline())
            assert ["{'a': 1, 'b': 'x'} 2\n", "{'a': 2, 'b': 'y\\n'} 3\n"] == answers
            process.stdin.close()

    def test_sample_is_awaited(self) -> None:
        """Without declared types rows wait for the sample, with Idle meanwhile, and none is lost at the end."""
        with printer("{}", "idle") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("a\n1\n")
            process.stdin.flush()
            assert "idle\n" == process.stdout.readline()
            process.stdin.write("1.5\n")
            process.stdin.close()
            rows = [line for line in process.stdout if line != "idle\n"]
            assert ["{'a': 1.0} 2\n", "{'a': 1.5} 3\n"] == rows
