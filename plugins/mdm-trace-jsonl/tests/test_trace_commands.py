"""``mdm trace show``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mdm_core import UsageError

from mdm_trace_jsonl import CorruptLine
from mdm_trace_jsonl.commands import trace


def packet(step: int, **changes: Any) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "step": step,
        "input": {"user": {"name": f"ann{step}"}, "no": step * 10},
        "external": {"now_ms": 5},
        "mdm": {
            "action": "ACT",
            "confidence": 0.875,
            "reasons": ["a", "b", "c", "d"],
            "params": {"score": 1.25},
            "features_summary": {"a": 0.5, "b": -2.0},
            "features": {"a": 1.0, "b": 2, "c": None, "d": "text"},
        },
        "final_action": {"action": "ACT", "allowed": True, "reasons": ["a"], "params": {}},
        "latency_ms": 1,
        "mismatch": None,
        "schema_version": "0.1.0",
    } | changes


DENIED = {
    "final_action": {"action": "HOLD", "allowed": False, "reasons": [], "params": {}},
    "mismatch": {"flags": ["staleness"], "reason_codes": ["stale_event"], "throttle_refresh_ms": None},
}
FAILED = {
    "external": {"mdm.fail_closed": True},
    "mdm": {"action": "HOLD", "confidence": 0.0, "reasons": [], "params": {}},
    "final_action": {"action": "HOLD", "allowed": False, "reasons": [], "params": {}},
    "mismatch": {"flags": ["model_error"], "reason_codes": ["model_error:ValueError"]},
}
CONFIG = {
    "pipeline": {"key": "user.name", "id": "no"},
    "trace": [{"use": "trace-jsonl.audit", "path": "a.jsonl"}, {"use": "trace-jsonl.packets", "path": "sub/t.jsonl"}],
}


def make_run(directory: Path, packets: list[dict[str, Any]], config: dict[str, Any] | None = None) -> Path:
    config = {} if config is None else config
    path = directory / ("sub/t.jsonl" if config else "traces.jsonl")
    path.parent.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps({"run_id": directory.name, "config": config}))
    path.write_bytes(b"".join(json.dumps(p).encode() + b"\n" for p in packets))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    make_run(tmp_path / "r1", [packet(0), packet(1, **DENIED), packet(2, **FAILED)], CONFIG)
    make_run(tmp_path / "many", [packet(step) for step in range(100)])
    return tmp_path


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(trace, ["show", *map(str, arguments)], catch_exceptions=False)


def steps(result: Result) -> list[int]:
    return [json.loads(line)["step"] for line in result.stdout.splitlines()]


class TestForPeople:
    def test_one_aligned_line_each(self, runs: Path) -> None:
        """A line says step, key, id, proposal, final action, verdict and reasons."""
        expected = (
            "step  key   id  proposed  conf   final  verdict                                reasons\n"
            "0     ann0  0   ACT       0.875  ACT    allowed                                a, b, c +1\n"
            "1     ann1  10  ACT       0.875  HOLD   denied: staleness                      a, b, c +1\n"
            "2     ann2  20  HOLD      0.000  HOLD   failed closed: model_error:ValueError\n"
        )
        result = show("r1", "--runs-dir", runs)
        assert (expected, "", 0) == (result.stdout, result.stderr, result.exit_code)

    def test_shows_the_last_and_says_so(self, runs: Path) -> None:
        """Of a long trace the last 20 are shown, and how many there are."""
        result = show("many", "--runs-dir", runs)
        assert [str(step) for step in range(80, 100)] == [row.split()[0] for row in result.stdout.splitlines()[1:]]
        assert "the last 20 of 100 packets; --limit shows more, --step one whole\n" == result.stderr

    def test_limit(self, runs: Path) -> None:
        """The limit is how many of the last ones are shown."""
        rows = show("many", "--runs-dir", runs, "--limit", "3").stdout.splitlines()[1:]
        assert ["97", "98", "99"] == [row.split()[0] for row in rows]

    def test_one_packet_whole(self, runs: Path) -> None:
        """With --step everything in the packet is shown, what moved the score most first."""
        result = show("r1", "--runs-dir", runs, "--step", "1")
        lines = result.stdout.splitlines()
        assert [
            "run r1, step 1",
            "  proposed  ACT, confidence 0.875",
            "  final     HOLD, denied: staleness",
            "  reasons   a, b, c, d",
            "  latency   1 ms, contract 0.1.0",
            "features",
        ] == lines[:6]
        assert [["b", "2", "-2.0000"], ["a", "1", "+0.5000"], ["c"], ["d", "text"]] == [
            row.split() for row in lines[7:11]
        ]
        assert {"input", "parameters", "final action", "mismatch", "context"} <= set(lines)
        assert '    "no": 10' in lines

    def test_the_time_is_told_as_exactly_as_it_is_known(self, tmp_path: Path) -> None:
        """Microseconds where the packet has them, for whole milliseconds are rounded up."""
        run = tmp_path / "exact"
        run.mkdir()
        (run / "run.json").write_text("{}")
        exact = packet(0, external={"mdm.latency_us": 27.25})
        (run / "traces.jsonl").write_text(json.dumps(exact) + "\n")
        assert "  latency   27.2 µs, contract 0.1.0" in show(run, "--step", "0").stdout.splitlines()

    @pytest.mark.parametrize("arguments", [[], ["--step", "0"]])
    def test_strangers_cannot_write_to_the_terminal(self, arguments: list[str], tmp_path: Path) -> None:
        """Control characters in an event, a reason or a feature's name are shown as escapes."""
        evil = "\x1b[2J\x9b31m\u202e"
        mdm = {"action": evil, "confidence": 0.5, "reasons": [evil], "features": {evil: evil}, "params": {evil: evil}}
        odd = packet(0, input={"k": evil, evil: evil}, mdm=mdm, run_id=evil)
        make_run(tmp_path / "r", [odd | {"schema_version": evil}], CONFIG | {"pipeline": {"key": "k"}})
        result = show("r", "--runs-dir", tmp_path, *arguments)
        assert "x1b[2J" in result.stdout
        assert [] == [c for c in result.stdout if not c.isprintable() and c != "\n"]

    def test_no_markup_is_read(self, tmp_path: Path) -> None:
        """Brackets in data are data."""
        make_run(tmp_path / "r", [packet(0, input={"a": "[bold]x[/bold]"})])
        assert '"[bold]x[/bold]"' in show("r", "--runs-dir", tmp_path, "--step", "0").stdout

    def test_an_empty_trace(self, tmp_path: Path) -> None:
        """A run that decided nothing shows nothing and says so."""
        path = make_run(tmp_path / "r", [])
        result = show("r", "--runs-dir", tmp_path)
        assert ("", f"{path} has no packets\n", 0) == (result.stdout, result.stderr, result.exit_code)


class TestForPrograms:
    def test_all_packets_as_they_are(self, runs: Path) -> None:
        """With --json standard output is the trace, byte for byte."""
        result = show("r1", "--runs-dir", runs, "--json")
        assert (runs / "r1/sub/t.jsonl").read_text() == result.stdout

    def test_limit(self, runs: Path) -> None:
        """The limit is how many of the last ones are printed."""
        assert [98, 99] == steps(show("many", "--runs-dir", runs, "--json", "--limit", "2"))

    def test_one_step(self, runs: Path) -> None:
        """One packet as it is."""
        assert [42] == steps(show("many", "--runs-dir", runs, "--json", "--step", "42"))

    def test_a_last_packet_without_newline_gets_one(self, tmp_path: Path) -> None:
        """Every line printed is a whole line."""
        path = make_run(tmp_path / "r", [packet(0)])
        path.write_bytes(path.read_bytes().rstrip())
        assert json.dumps(packet(0)) + "\n" == show(path, "--json").stdout


class TestFinding:
    @pytest.mark.parametrize("run", ["r1", "r1/sub/t.jsonl"])
    def test_by_path(self, run: str, runs: Path) -> None:
        """A run is found by the path of its directory, a trace by its own."""
        assert [0, 1, 2] == steps(show(runs / run, "--json"))

    def test_unknown_run(self, runs: Path) -> None:
        """An id that is not there ends with what is close to it."""
        with pytest.raises(UsageError, match="did you mean 'many'"):
            show("mamy", "--runs-dir", runs)

    def test_a_run_without_a_trace(self, tmp_path: Path) -> None:
        """A run whose pipeline keeps no packets says what is missing."""
        path = make_run(tmp_path / "r", [])
        path.unlink()
        with pytest.raises(UsageError) as raised:
            show("r", "--runs-dir", tmp_path)
        assert (
            f"run 'r' has no {path}: its pipeline has no [[trace]] with use = \"trace-jsonl.packets\"; "
            "give the path of the trace if it is elsewhere"
        ) == str(raised.value)

    @pytest.mark.parametrize("as_json", [[], ["--json"]])
    def test_unknown_step(self, as_json: list[str], runs: Path) -> None:
        """A step that is not there ends with those that are."""
        with pytest.raises(UsageError) as raised:
            show("many", "--runs-dir", runs, "--step", "100", *as_json)
        assert f"{runs}/many/traces.jsonl has no step 100; its steps are 0 to 99" == str(raised.value)
        assert 2 == raised.value.exit_code

    def test_no_step_at_all(self, tmp_path: Path) -> None:
        """A trace without packets has no range."""
        path = make_run(tmp_path / "r", [])
        with pytest.raises(UsageError, match="has no step 0; it has no packets"):
            show(path, "--step", "0")

    def test_step_and_limit_exclude_each_other(self, runs: Path) -> None:
        """Two options that contradict each other are refused."""
        with pytest.raises(UsageError, match="leave out --limit"):
            show("many", "--runs-dir", runs, "--step", "1", "--limit", "2")


class TestDamage:
    @pytest.mark.parametrize("arguments", [[], ["--json"], ["--json", "--limit", "5"]])
    def test_a_torn_tail_is_told(self, arguments: list[str], runs: Path) -> None:
        """Everything before it is shown, and the exit code is 0."""
        with (runs / "many/traces.jsonl").open("ab") as file:
            file.write(b'{"run')
        result = show("many", "--runs-dir", runs, *arguments)
        told = "line 101: torn (5 bytes without an end), its record was never finished\n"
        assert (True, 0) == (result.stderr.endswith(told), result.exit_code)
        assert '"step": 99' in result.stdout or "\n99 " in result.stdout

    @pytest.mark.parametrize("arguments", [[], ["--json"], ["--step", "99"]])
    def test_a_corrupt_line_is_named(self, arguments: list[str], runs: Path) -> None:
        """What is before it is shown, except for one step that comes after it."""
        path = runs / "many/traces.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:50], b"{broken}\n", *lines[51:]]))
        result = CliRunner().invoke(trace, ["show", str(path), *arguments])
        assert isinstance(result.exception, CorruptLine)
        assert (51, 1) == (result.exception.line, result.exception.exit_code)
        assert ("49" in result.stdout) is (arguments != ["--step", "99"])

    @pytest.mark.parametrize("arguments", [[], ["--step", "50"]])
    def test_json_that_is_no_packet_is_named(self, arguments: list[str], runs: Path) -> None:
        """A line that has a step and is no packet is refused when it is to be shown."""
        path = runs / "many/traces.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:50], b'{"step":50}\n']))
        with pytest.raises(CorruptLine, match="line 51: no packet, it lacks run_id"):
            show(path, *arguments)


class TestProcess:
    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        code = "from mdm_trace_jsonl.commands import trace; trace()"
        command = [sys.executable, "-c", code, "show", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_a_list_needs_no_rich(self, runs: Path) -> None:
        """What only one packet in full needs is not imported for a list."""
        code = (
            "import sys; from mdm_trace_jsonl.commands import trace;"
            f"trace(['show', {str(runs / 'r1')!r}], standalone_mode=False); print('rich' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "False" == done.stdout.splitlines()[-1]

    def test_no_colour_without_a_terminal(self, runs: Path) -> None:
        """In a pipe there are no escape sequences and no line is wrapped."""
        done = self.run(runs / "r1", "--step", "0")
        assert (0, False) == (done.returncode, "\x1b" in done.stdout)
