"""What hostile events and lines come to in whole runs: a documented meaning or a dead letter, and bounded memory."""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdm_core import PacketV2, Run, Summary
from mdm_core.plan import Plan

EXAMPLES = int(os.environ.get("MDM_EVENT_EXAMPLES", "300"))
LATEST_MS = 253_402_300_799_999
BOM = b"\xef\xbb\xbf"

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
window = 5
categories = ["word"]
max_keys = 50

[model]
use = "reference.logistic"
weights = { n = 1.0 }
threshold = 0.0

[broker]
use = "reference.file"

[durability]
mode = "fast"

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "none"
"""

GOOD = b'{"who":"a","at":1700000000000,"n":1}'
NESTED = b'{"who":"a","at":1,"n":' + b"[" * 63 + b"]" * 63 + b"}"
TOO_DEEP = b'{"who":"a","at":1,"n":' + b"[" * 64 + b"]" * 64 + b"}"

DEAD = {
    b"{": "invalid_json",
    b"not json": "invalid_json",
    b'{"who":"a","at":1} {"who":"a","at":1}': "invalid_json",
    b'{"who":"a","at":1,"n":NaN}': "invalid_json",
    b'{"who":"a","at":1,"n":-Infinity}': "invalid_json",
    b'{"who":"\\ud800","at":1}': "invalid_json",
    b'{"who":"a","at":1,"\\udfff":1}': "invalid_json",
    b'{"who":"a","at":1,"n":"\x00"}': "invalid_json",
    b"\x00" * 50: "invalid_json",
    BOM + GOOD: "invalid_json",
    GOOD.decode().encode("utf-16"): "not_utf8",
    b'{"who":"a","at":1,"n":"\xff"}': "not_utf8",
    b'{"who":"a","at":1,"n":"\xed\xa0\x80"}': "not_utf8",
    b"[1]": "not_an_object",
    b"null": "not_an_object",
    b'"text"': "not_an_object",
    b'{"who":"a","at":1,"n":1e400}': "number_out_of_range",
    b'{"who":"a","at":1,"n":-1e400}': "number_out_of_range",
    b'{"who":"a","at":1,"n":' + b"9" * 5_000 + b"}": "number_out_of_range",
    TOO_DEEP: "too_deep",
    b'{"a":' * 50_000: "too_deep",
    b'{"who":"a","at":1,"n":"' + b"x" * (1 << 20) + b'"}': "line_too_long",
    b'{"at":1}': "missing_key",
    b'{"who":null,"at":1}': "invalid_key",
    b'{"who":true,"at":1}': "invalid_key",
    b'{"who":1.5,"at":1}': "invalid_key",
    b'{"who":["a"],"at":1}': "invalid_key",
    b'{"who":{"a":1},"at":1}': "invalid_key",
    b'{"who":18446744073709551616,"at":1}': "invalid_key",
    b'{"who":"a"}': "missing_timestamp",
    b'{"who":"a","at":"1"}': "invalid_timestamp",
    b'{"who":"a","at":null}': "invalid_timestamp",
    b'{"who":"a","at":false}': "invalid_timestamp",
    b'{"who":"a","at":-1}': "invalid_timestamp",
    b'{"who":"a","at":-1e-3}': "invalid_timestamp",
    b'{"who":"a","at":253402300800000}': "invalid_timestamp",
    b'{"who":"a","at":1e300}': "invalid_timestamp",
    b'{"who":"a","at":' + b"9" * 4_000 + b"}": "invalid_timestamp",
}
BLANK = (b"", b" ", b"\t", b"\r", b"  \r")
FINE: dict[bytes, dict[str, Any]] = {
    b'{"who":"a","at":2,"n":1,"n":2}': {"n": 2},
    b'{"who":"b","who":"a","at":2}': {},
    b'{"who":"a","at":0}': {},
    b'{"who":"a","at":253402300799999}': {},
    b'{"who":"a","at":5}': {},
    b'{"who":-9223372036854775808,"at":5}': {},
    b'{"who":18446744073709551615,"at":5}': {},
    b'{"who":"","at":5}': {},
    b'{"who":"\\u0000","at":5,"n":1}': {"n": 1},
    b'{"who":"a","at":5,"n":1e-400}': {"n": 0.0},
    b'{"who":"a","at":5,"n":' + b"9" * 4_000 + b"}": {"n": None},
    b'{"who":"a","at":5,"n":1e308}': {"n": 1e308},
    b'{"who":"a","at":5,"n":true}': {"n": True},
    b'{"who":"a","at":5,"n":"text"}': {},
    b'{"who":"a","at":5,"n":null}': {},
    NESTED: {"n.len": 1},
    b'{"who":"a","at":5,"__class__":{"__init__":{"__globals__":1}},"__proto__":2}': {
        "__class__.__init__.__globals__": 1,
        "__proto__": 2,
    },
    b'{"who":"a","at":5,"mdm.fail_closed":true,"now_ms":7}': {"mdm.fail_closed": True, "now_ms": 7},
    b'{"who":"a","at":5,"o.p":1,"o":{"p":2}}': {"o.p": 1},
    b'{"who":"a","at":5,"q":{"mean":9},"q":1}': {"q": 1, "q.mean": 1.0},
    b'{"who":"a","at":5,"":{"":1}}': {".": 1},
    b'{"who":"a","at":5,"' + b"x" * 300 + b'":1}': {},
    '{"who":"ä\u202e","at":5,"é\U0001f600":1}'.encode(): {"é\U0001f600": 1},
    b'\t {"who" : "a" , "at" : 5 } \r': {},
}


def strict(line: bytes | str) -> Any:
    """Read JSON as strictly as its standard."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(line, parse_constant=refuse)


def lines_of(path: Path) -> list[Any]:
    """Read a file of JSON lines, strictly, each of them whole."""
    content = path.read_bytes() if path.exists() else b""
    assert content == b"" or content.endswith(b"\n")
    return [strict(line.decode()) for line in content.splitlines()]


def write(directory: Path, lines: list[bytes], pipeline: str = PIPELINE) -> Path:
    """Write events and a pipeline that decides about them."""
    (directory / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    path = directory / "pipeline.toml"
    path.write_text(pipeline)
    return path


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], Path, Summary]:
    """All lines above, a good event before each, in one run."""
    directory = tmp_path_factory.mktemp("everything")
    lines = [line for hostile in [*DEAD, *BLANK, *FINE] for line in (GOOD, hostile)]
    run = Run.from_config(write(directory, lines), run_id="r", runs_dir=directory)
    return lines, directory / "r", run.run()


class TestHostileLines:
    def test_all_is_accounted_for(self, everything: tuple[list[bytes], Path, Summary]) -> None:
        """The run ends well, and each line is a decision, a dead letter or blank."""
        _, _, summary = everything
        assert ("done", 0) == (summary.status, summary.failed_closed)
        decided = len(DEAD) + len(BLANK) + 2 * len(FINE)
        assert (decided, len(DEAD)) == (summary.decided, sum(summary.dead_letters.values()))
        assert {"skipped": len(BLANK)} == summary.counts["reference.jsonl"]

    def test_reasons(self, everything: tuple[list[bytes], Path, Summary]) -> None:
        """Each bad line is a dead letter with its reason, its line and a short excerpt, in order."""
        lines, run_dir, _ = everything
        expected = [(number, DEAD[line]) for number, line in enumerate(lines, 1) if line in DEAD]
        letters = lines_of(run_dir / "dead_letter.jsonl")
        assert expected == [(letter["position"], letter["reason"]) for letter in letters]
        assert max(len(letter["excerpt"]) for letter in letters) <= 201

    def test_good_events(self, everything: tuple[list[bytes], Path, Summary]) -> None:
        """The good events around them are decided and acted upon exactly once, in order."""
        lines, run_dir, _ = everything
        expected = [strict(line) for line in lines if line == GOOD or line in FINE]
        packets = lines_of(run_dir / "traces.jsonl")
        assert expected == [packet["input"] for packet in packets]
        assert [*range(len(expected))] == [packet["step"] for packet in packets]
        keys = [action["key"] for action in lines_of(run_dir / "actions.jsonl")]
        assert [event["who"] for event in expected] == keys

    def test_meanings(self, everything: tuple[list[bytes], Path, Summary]) -> None:
        """What is unusual and yet fine has the meaning that is documented."""
        lines, run_dir, _ = everything
        decided = [line for line in lines if line == GOOD or line in FINE]
        for line, packet in zip(decided, lines_of(run_dir / "traces.jsonl"), strict=True):
            features = packet["mdm"]["features"]
            expected: dict[str, Any] = FINE.get(line, {"n": 1})
            assert expected == {name: features.get(name, "absent") for name in expected}
            assert packet["external"].get("mdm.fail_closed") is None

    def test_time_never_falls(self, everything: tuple[list[bytes], Path, Summary]) -> None:
        """Timestamps that go backwards are taken, and the pipeline's clock stays at the highest."""
        _, run_dir, _ = everything
        packets = lines_of(run_dir / "traces.jsonl")
        times = [packet["external"]["now_ms"] for packet in packets]
        assert sorted(times) == times
        assert [packet["input"]["at"] for packet in packets] == [p["external"]["last_event_ts_ms"] for p in packets]

    def test_packets(self, everything: tuple[list[bytes], Path, Summary]) -> None:
        """Every line of the trace is strict JSON and a packet."""
        _, run_dir, _ = everything
        for packet in lines_of(run_dir / "traces.jsonl"):
            assert packet == PacketV2.from_dict(packet).to_dict()


Pairs: TypeAlias = "list[tuple[str, Any]]"

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
RAW = st.sampled_from(
    [
        *("NaN", "Infinity", "-Infinity", "1e400", "-1e999", "1e-400", "-0.0", "01", "+1", ".5", "1.", "0x1", "'a'"),
        *('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\x"', '"\n"', '"\x00"', "tru"),
        *("9" * 40, "9" * 4_300, "9" * 4_301, "[" * 63 + "]" * 63, "[" * 64 + "]" * 64),
        *('{"a":' * 70 + "1" + "}" * 70, "[" * 5_000),
    ]
)


@attrs.frozen
class Raw:
    """A piece of text that stands in a line as it is."""

    text: str


NAMES = st.sampled_from(
    [
        *("who", "at", "n", "word", "a", "a.b", "a.b.mean", "a.mean", "b", "len", "a.len", "__class__", "__init__"),
        *("", ".", "\x00", "x" * 300, "é", "\u202e", "now_ms", "run_id", "mdm.fail_closed", "password", "constructor"),
    ]
)
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**300, 1e308, -1e308, 5e-324]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, RAW.map(Raw)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(NAMES, inner), max_size=3).map(tuple)),
    max_leaves=6,
)
KEYS = st.one_of(st.sampled_from(["a", "b", 7]), TEXTS, VALUES)
TIMES = st.one_of(st.integers(0, LATEST_MS), st.floats(0, 1e12), NUMBERS, VALUES)


@st.composite
def events(draw: st.DrawFn) -> str:
    """Draw an event: mostly usable, with fields given twice, hostile names, hostile values."""
    pairs: Pairs = draw(st.lists(st.tuples(NAMES, VALUES), max_size=6))
    if draw(st.integers(0, 9)):
        pairs.append(("who", draw(KEYS)))
    if draw(st.integers(0, 9)):
        pairs.append(("at", draw(TIMES)))
    return text_of(tuple(draw(st.permutations(pairs))), ascii_only=draw(st.booleans()))


def text_of(value: Any, ascii_only: bool) -> str:
    """Write a value as JSON; a tuple is an object, in which names may come twice."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, tuple):
        inner = (f"{json.dumps(k, ensure_ascii=ascii_only)}:{text_of(v, ascii_only)}" for k, v in value)
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text_of(item, ascii_only) for item in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a line that was an event before something happened to it."""
    line = draw(events()).encode()
    place = draw(st.integers(0, len(line)))
    junk = draw(
        st.sampled_from([b"\xff", b"\x00", BOM, b"\xed\xa0\x80", b"{", b"}", b'"', b",", b"\\", b" ", b"x", b"\r"])
    )
    return draw(st.sampled_from([line[:place], line[:place] + junk + line[place:], line + line, junk + line, junk]))


LINES = st.one_of(
    events().map(str.encode), damaged(), st.binary(max_size=20), st.sampled_from([b"", b" ", b"\r", b"[]"])
)


def event_in(line: bytes) -> dict[str, Any] | None:
    """Say, without what mdm uses for it, which event stands in a line; None if there is none."""

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Values that a later one of the same name replaces have to be such as can be written, too.
        json.dumps(pairs, ensure_ascii=False, allow_nan=False).encode()
        return dict(pairs)

    try:
        event = json.loads(line.decode(), object_pairs_hook=checked)
        json.dumps(event, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and depth(event) <= 64 else None


def depth(value: Any) -> int:
    """How deep lists and objects stand in each other."""
    if not isinstance(value, list | dict):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


def is_admitted(event: dict[str, Any]) -> bool:
    """Say whether an event has a usable key and timestamp."""
    who, at = event.get("who"), event.get("at")
    named = isinstance(who, str) or (type(who) is int and -(2**63) <= who < 2**64)
    timed = (isinstance(at, float) and 0 <= round(at, 3) <= LATEST_MS) or (type(at) is int and 0 <= at <= LATEST_MS)
    return named and timed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Path]]:
    """A plan that many runs share, and where they are kept."""
    directory = tmp_path_factory.mktemp("grammar")
    yield Plan.from_config(write(directory, [])), directory
    shutil.rmtree(directory)


NUMBERED = count()


class TestEventGrammar:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lines=st.lists(LINES, max_size=8).map(lambda lines: [p for line in lines for p in line.split(b"\n")]))
    def test_every_line_is_accounted_for(self, runs: tuple[Plan, Path], lines: list[bytes]) -> None:
        """Whatever stands in the lines, the run ends well; each event is decided once, in order, as another reader
        of JSON sees it; each other line is a dead letter; and all that is written is strict JSON."""
        plan, directory = runs
        (directory / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        run_dir = directory / f"r{next(NUMBERED)}"
        summary = Run(plan, run_id=run_dir.name, runs_dir=directory).run()
        assert ("done", 0, {}) == (summary.status, summary.failed_closed, summary.errors)
        if lines and lines[0].startswith(BOM):
            lines = [lines[0].removeprefix(BOM), *lines[1:]]
        there = [(number, line, event_in(line)) for number, line in enumerate(lines, 1) if line.strip(b" \t\r\n\v\f")]
        good = [event for _, _, event in there if event is not None and is_admitted(event)]
        bad = [number for number, _, event in there if event is None or not is_admitted(event)]
        packets = lines_of(run_dir / "traces.jsonl")
        assert good == [packet["input"] for packet in packets]
        assert [*range(len(good))] == [packet["step"] for packet in packets]
        assert bad == [letter["position"] for letter in lines_of(run_dir / "dead_letter.jsonl")]
        assert len(good) == len(lines_of(run_dir / "actions.jsonl"))
        for packet in packets:
            assert packet == PacketV2.from_dict(packet).to_dict()
            numbers = [x for x in packet["mdm"]["features"].values() if isinstance(x, float)]
            assert all(map(math.isfinite, numbers))
        shutil.rmtree(run_dir)


MEASURED = """
import sys
from mdm_core import Run
run = Run.from_config(sys.argv[1], sys.argv[3:], run_id=sys.argv[2])
summary = run.run()
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
dead, evicted = sum(summary.dead_letters.values()), sum(summary.evicted_keys.values())
print(peak, summary.decided, dead, summary.failed_closed, evicted)
sys.exit(summary.exit_code)
"""
LONG = 100_000_000
PAPER = "broker.use='reference.paper'"
PIECE = b"x" * 1_000_000


def measured(directory: Path, run_id: str, *overrides: str, stdin: Any = None) -> tuple[int, list[int]]:
    """Run a pipeline in a process of its own; give its peak of memory in KiB, and its figures."""
    command = [sys.executable, "-c", MEASURED, "pipeline.toml", run_id, *overrides]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=directory, env=env, stdin=stdin, capture_output=True, text=True, timeout=300)
    assert (0, "") == (done.returncode, done.stderr)
    peak, *figures = map(int, done.stdout.split())
    return peak, figures


def long_file(path: Path, before: bytes, piece: bytes, after: bytes, length: int = LONG) -> Path:
    """Write a file with 100 MB of a piece between two texts."""
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as file:
        file.write(before)
        for _ in range(length // len(piece)):
            file.write(piece)
        file.write(after)
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
class TestMemory:
    ROWS = b"who,at,n\na,1,1\n"

    def spent(self, directory: Path, kind: str, path: Path, *, piped: bool = False) -> tuple[int, list[int]]:
        """Run over a long file and over a short one; give the difference in KiB, and the figures of the long one."""
        write(directory, [])
        short = directory / f"short{''.join(path.suffixes)}"
        content = self.ROWS if kind == "csv" else GOOD + b"\n"
        short.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        peaks: list[int] = []
        figures: list[int] = []
        for name, file in (("short", short), ("long", path)):
            overrides = [f"source.use='reference.{kind}'", f"source.path='{'-' if piped else file}'"]
            with file.open("rb") as stdin:
                peak, figures = measured(directory, name, *overrides, stdin=stdin if piped else None)
            peaks.append(peak)
        return peaks[1] - peaks[0], figures

    @pytest.mark.parametrize("way", ["plain", "gz", "stdin"])
    @pytest.mark.parametrize("kind", ["jsonl", "csv"])
    def test_long_line(self, tmp_path: Path, kind: str, way: str) -> None:
        """A line of 100 MB costs no more memory than a few times the limit of 1 MiB, and only itself."""
        good = self.ROWS if kind == "csv" else GOOD + b"\n"
        again = b"a,2,2\n" if kind == "csv" else GOOD + b"\n"
        path = long_file(tmp_path / ("x.gz" if way == "gz" else "x"), good, PIECE, b"\n" + again)
        spent, figures = self.spent(tmp_path, kind, path, piped=way == "stdin")
        assert [2, 1, 0, 0] == figures
        assert spent < 6_000

    @pytest.mark.parametrize(
        ("before", "piece"),
        [
            (b'a,2,"', PIECE),
            (b'a,2,"', b"x" * 99 + b"\n"),
            (b'a,2,"', b'","' + b"y" * 95 + b"\n"),
            (b'a,2,"', PIECE + b"\n"),
            (b'a,2,"', b"x" * 130_000 + b"\n"),
        ],
    )
    def test_row_that_never_ends(self, tmp_path: Path, before: bytes, piece: bytes) -> None:
        """A quoted field, or a row of them, that goes on for 100 MB costs no more memory than a line may."""
        path = long_file(tmp_path / "x.csv", self.ROWS + before, piece, b"\na,3,3\n")
        spent, figures = self.spent(tmp_path, "csv", path)
        assert [2, 0] == [figures[0], figures[2]]
        assert spent < 12_000

    @pytest.mark.parametrize("kind", ["jsonl", "csv"])
    def test_bomb(self, tmp_path: Path, kind: str) -> None:
        """A .gz file of blank lines that is a thousandth of its content costs no memory, and they are counted."""
        good, blank = self.ROWS if kind == "csv" else GOOD + b"\n", 10_000_000
        path = long_file(tmp_path / "x.gz", good, b"\n" * 1_000_000, b"a,2,2" if kind == "csv" else GOOD, blank)
        assert path.stat().st_size < blank / 200
        spent, figures = self.spent(tmp_path, kind, path)
        assert [2, 0, 0, 0] == figures
        assert spent < 6_000
        summary = json.loads((tmp_path / "runs" / "long" / "summary.json").read_text())
        assert {f"reference.{kind}": {"skipped": blank}} == summary["counts"]

    def test_keys_that_never_repeat(self, tmp_path: Path) -> None:
        """A source that goes on and on with keys that never repeat needs no more memory; evictions are counted."""
        write(tmp_path, [])
        peaks = []
        for number in (30_000, 90_000):
            (tmp_path / "many").write_text("".join(f'{{"who":"k{n}","at":{n},"n":{n}}}\n' for n in range(number)))
            with (tmp_path / "many").open("rb") as stdin:
                overrides = ["source.path='-'", "features.max_keys=1000", PAPER]
                peak, figures = measured(tmp_path, f"r{number}", *overrides, stdin=stdin)
            assert [number, 0, 0, number - 1000] == figures
            peaks.append(peak)
        assert peaks[1] - peaks[0] < 5_000

    def test_names_that_never_repeat(self, tmp_path: Path) -> None:
        """Names of fields that never repeat, and values of theirs, do not fill the memory either."""
        write(tmp_path, [])
        peaks = []
        for number in (25_000, 45_000):
            rows = (f'{{"who":{n % 7},"at":{n},"n":1,"f{n}":{n},"g{n}":{{"h{n}":true}}}}\n' for n in range(number))
            (tmp_path / "many").write_text("".join(rows))
            peak, figures = measured(tmp_path, f"r{number}", "source.path='many'", "features.max_fields=10", PAPER)
            assert [number, 0, 0, 0] == figures
            peaks.append(peak)
        assert peaks[1] - peaks[0] < 15_000

    def test_keys_and_fields_that_never_repeat(self, tmp_path: Path) -> None:
        """Keys that never repeat, each with a thousand numbers, fill what is allowed for and no more."""
        write(tmp_path, [])
        numbers = ",".join(f'"f{n}":{n}' for n in range(1_000))
        peaks = []
        for number in (300, 900):
            rows = (f'{{"who":"k{n}","at":{n},{numbers}}}\n' for n in range(number))
            (tmp_path / "many").write_text("".join(rows))
            overrides = ["source.path='many'", "features.max_keys=100000", "features.max_numbers=100000", PAPER]
            peak, figures = measured(tmp_path, f"r{number}", *overrides)
            assert [number, 0, 0, number - 101] == figures
            peaks.append(peak)
        assert peaks[1] - peaks[0] < 10_000

    def test_many_fields(self, tmp_path: Path) -> None:
        """Events of a thousand fields are decided; of a hundred thousand, they fail closed and none is lost."""
        thousand = "".join(f'"f{n}":{n},' for n in range(1_000))
        lakh = "".join(f'"{n:x}":1,' for n in range(100_000))
        assert len(lakh) < 1 << 20
        events = [*(f'{{{thousand}"who":"k{n}","at":{n},"n":1}}' for n in range(300)), f'{{{lakh}"who":"x","at":1}}']
        write(tmp_path, [*map(str.encode, events), GOOD])
        _, figures = measured(tmp_path, "r")
        assert [302, 0, 1, 252] == figures
        last_but_one, last = lines_of(tmp_path / "runs" / "r" / "traces.jsonl")[-2:]
        assert ["features_error:ContractError"] == last_but_one["mismatch"]["reason_codes"]
        assert (None, 1) == (last["mismatch"], last["mdm"]["features"]["n"])
        summary = json.loads((tmp_path / "runs" / "r" / "summary.json").read_text())
        assert {"fields_over": 99_000 + 300} == summary["counts"]["reference.rolling"]
