"""The line of every table and key; a wrong line would be worse than none."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mdm_core.toml_lines import find_lines
from mdm_core.wording import KeyPath, toml_key


def _paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Every place that a document has."""
    found = {path} if path else set()
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found |= _paths(inner, (*path, key))
    return found


class TestFindLines:
    """Lines in documents as people write them."""

    def test_keys_and_tables(self) -> None:
        """A table stands where its header is, a key where it is assigned."""
        text = '[model]\nuse = "a.b"\n\n# words\nthreshold = 0.5 # more words\n'
        assert find_lines(text) == {("model",): 1, ("model", "use"): 2, ("model", "threshold"): 5}

    def test_arrays_of_tables(self) -> None:
        """Each table of an array has its own lines, nested tables and arrays included."""
        text = "[[a]]\nx = 1\n[[a]]\n[[a.b]]\ny = 1\n[[a.b]]\n[a.c]\nz = 1\n[[a]]\n[[a.b]]\n"
        assert find_lines(text) == {
            ("a",): 1,
            ("a", 0): 1,
            ("a", 0, "x"): 2,
            ("a", 1): 3,
            ("a", 1, "b"): 4,
            ("a", 1, "b", 0): 4,
            ("a", 1, "b", 0, "y"): 5,
            ("a", 1, "b", 1): 6,
            ("a", 1, "c"): 7,
            ("a", 1, "c", "z"): 8,
            ("a", 2): 9,
            ("a", 2, "b"): 10,
            ("a", 2, "b", 0): 10,
        }

    def test_dotted_keys(self) -> None:
        """A dotted key gives a line to every table that it makes, the first one that names it."""
        text = "a.b = 1\n[t]\nc . d.e = 2\nc.d.f = 3\n"
        assert find_lines(text) == {
            ("a",): 1,
            ("a", "b"): 1,
            ("t",): 2,
            ("t", "c"): 3,
            ("t", "c", "d"): 3,
            ("t", "c", "d", "e"): 3,
            ("t", "c", "d", "f"): 4,
        }

    def test_header_after_its_children(self) -> None:
        """A table that is opened after its sub table stands where its own header is."""
        assert find_lines("[a.b]\nx = 1\n[a]\ny = 2\n") == {("a",): 3, ("a", "b"): 1, ("a", "b", "x"): 2, ("a", "y"): 4}

    def test_quoted_keys(self) -> None:
        """Quotes keep dots, brackets, signs and escapes inside a key."""
        text = '["a.b"]\n\'c = [d]\' = 1\n"e\\u0041\\tf".\'g\' = 2\n[ x . "#" ]\n'
        assert find_lines(text) == {
            ("a.b",): 1,
            ("a.b", "c = [d]"): 2,
            ("a.b", "eA\tf"): 3,
            ("a.b", "eA\tf", "g"): 3,
            ("x",): 4,
            ("x", "#"): 4,
        }

    def test_text_over_several_lines(self) -> None:
        """What looks like TOML inside a text is not taken for it, whatever quotes it holds."""
        text = (
            '[m]\na = """\n[x]\nthreshold = 1 \'\'\'\n\\""" ""\n"""""\nb = \'\'\'\nc = """\n\'\'\'\'\nd = "\'\'\'"\n'
            "threshold = 2\n"
        )
        assert find_lines(text) == {("m",): 1, ("m", "a"): 2, ("m", "b"): 7, ("m", "d"): 10, ("m", "threshold"): 11}

    def test_lists_over_several_lines(self) -> None:
        """Items have the line on which they begin, and texts among them are no keys."""
        text = '[m]\nnames = [ # [x]\n  "use = 3",\n\n  ["m"],\n  { use = "u", v = [1] },\n]\nuse = 4\n'
        assert find_lines(text) == {
            ("m",): 1,
            ("m", "names"): 2,
            ("m", "names", 0): 3,
            ("m", "names", 1): 5,
            ("m", "names", 1, 0): 5,
            ("m", "names", 2): 6,
            ("m", "names", 2, "use"): 6,
            ("m", "names", 2, "v"): 6,
            ("m", "names", 2, "v", 0): 6,
            ("m", "use"): 8,
        }

    def test_inline_tables(self) -> None:
        """Keys of an inline table stand on its line, dotted ones included."""
        text = 'm = { a.b = 1.5, "c d" = { e = 1979-05-27 07:32:00 }, f = {} }\nn = 1e5\n'
        assert find_lines(text) == {
            ("m",): 1,
            ("m", "a"): 1,
            ("m", "a", "b"): 1,
            ("m", "c d"): 1,
            ("m", "c d", "e"): 1,
            ("m", "f"): 1,
            ("n",): 2,
        }

    def test_windows_line_ends(self) -> None:
        """A line end of two characters counts once, as it does for tomllib."""
        assert find_lines("[a]\r\nb = 1\r\nc = 2\r\n") == {("a",): 1, ("a", "b"): 2, ("a", "c"): 3}

    def test_nothing(self) -> None:
        """An empty document and one of comments have no lines."""
        assert find_lines("") == {}
        assert find_lines("# a\n\n   # b = 1") == {}


_KEYS = st.one_of(
    st.sampled_from(["use", "a", "b-c", "1", "true", "weights"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=4),
)
_TEXTS = st.sampled_from(
    [
        '"x"',
        "'y = [1]'",
        '"# \\" ["',
        '"""\n[z]\nuse = 1\n"""',
        "'''\n\"\"\"\nq = 2'''",
        '""""two""""',
        '"""\\\n  a = 1\\\\"""',
        "''",
        '""',
        "1.5",
        "-1e+3",
        "true",
        "1979-05-27T07:32:00Z",
        "inf",
    ]
)
_SPACES = st.sampled_from(["", " ", "\t"])


@st.composite
def _values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["text", "list", "table"])) if depth else "text"
    if kind == "text":
        return draw(_TEXTS)
    if kind == "list":
        items = draw(st.lists(_values(depth=depth - 1), max_size=3))
        gap = draw(st.sampled_from([" ", "\n", " # use = [\n"]))
        return f"[{gap}{''.join(f'{item},{gap}' for item in items)}]"
    pairs = draw(st.dictionaries(_KEYS, _values(depth=depth - 1), max_size=3))
    return f"{{{', '.join(f'{toml_key(key)} = {value}' for key, value in pairs.items())}}}"


@st.composite
def _documents(draw: st.DrawFn) -> tuple[str, dict[KeyPath, int]]:
    """A document, and where its tables' and keys' lines are, counted while it is written."""
    text = ""
    lines: dict[KeyPath, int] = {}
    for name, tables in draw(st.dictionaries(_KEYS, st.integers(0, 2), max_size=4)).items():
        for number in range(max(1, tables)):
            path: KeyPath = (name, number) if tables else (name,)
            lines[path] = text.count("\n") + 1
            space = draw(_SPACES)
            header = f"{space}{toml_key(name)}{space}"
            text += f"{space}[[{header}]]\n" if tables else f"{space}[{header}]{space}# {name!r}\n"
            for key, value in draw(st.dictionaries(_KEYS, _values(), max_size=3)).items():
                lines[(*path, key)] = text.count("\n") + 1
                quoted = json.dumps(key, ensure_ascii=False)
                text += f"{space}{quoted}{draw(_SPACES)}={space}{value}\n{draw(st.sampled_from(['', '#x = 1', ' ']))}\n"
    return text, lines


class TestAnyDocument:
    """What holds for every document."""

    @given(_documents())
    def test_every_place_has_its_line(self, written: tuple[str, dict[KeyPath, int]]) -> None:
        """The places are those that tomllib reads, none less and none more, and keys have the line of their writing."""
        text, lines = written
        found = find_lines(text)
        assert _paths(tomllib.loads(text)) == set(found)
        assert lines == {path: found[path] for path in lines}
