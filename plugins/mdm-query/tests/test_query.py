"""`mdm trace query`: the answers are those of the packets, however many files they are in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mdm_core.rundir import RunLock

from mdm_query.database import database, select
from mdm_query.files import Files
from mdm_query.views import VIEWS


def instant(ms: int) -> str:
    """A time as JSON has it."""
    return datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None).isoformat()


class TestViews:
    """Each view, against the packets as the reader of mdm-trace-jsonl gives them."""

    def test_decisions(self, ran: Any) -> None:
        """A row per packet, in the order of the steps, across all files of the trace."""
        assert len(list(ran.directory.glob("traces.*.jsonl.gz"))) > 2
        columns = "step, key, id, proposed, confidence, action, allowed, outcome, latency_us, reasons, features, params"
        expected = [
            [
                p["step"],
                p["input"]["who"]["name"],
                p["input"]["id"],
                p["mdm"]["action"],
                p["mdm"]["confidence"],
                p["final_action"]["action"],
                p["final_action"]["allowed"],
                str(p["external"]["eval.outcome"]).lower(),
                p["external"]["mdm.latency_us"],
                p["mdm"]["reasons"],
                p["mdm"]["features"],
                p["mdm"]["params"],
            ]
            for p in ran.packets
        ]
        assert expected == ran.rows(f"select {columns} from decisions")
        assert [[instant(p["external"]["now_ms"]), p["input"]] for p in ran.packets] == [
            [when.removesuffix("Z"), event] for when, event in ran.rows("select time, input from decisions")
        ]

    def test_verdicts(self, ran: Any) -> None:
        """A decision is allowed, denied or failed closed, with what denied it."""
        expected = Counter(
            ("failed closed" if p["external"].get("mdm.fail_closed") else "denied", p["mismatch"]["flags"][0])
            if p["mismatch"]
            else ("allowed", None)
            for p in ran.packets
        )
        assert {"allowed", "denied"} == {verdict for verdict, _ in expected}
        rows = ran.rows("select verdict, flag, count(*) as n from decisions group by all")
        assert expected == {(verdict, flag): n for verdict, flag, n in rows}

    def test_failed_closed(self, run_of: Any, pipeline: str, tmp_path: Path) -> None:
        """What failed closed is a denial of its own kind, with its reason code."""
        failing = run_of(tmp_path / "failing", pipeline.replace('x = 1.5, "colour=red" = 0.25', "colour = 1.5"))
        rows = failing.rows("select flag, reason_code, failed_closed, count(*) as n from denials group by all")
        assert [["model_error", "model_error:TypeError", True, len(failing.packets)]] == rows

    def test_denials(self, ran: Any) -> None:
        """A row per denied decision, with what the guard went by."""
        denied = [p for p in ran.packets if not p["final_action"]["allowed"]]
        expected = [
            [
                p["step"],
                p["mismatch"]["flags"][0],
                p["mismatch"]["reason_codes"][-1],
                p["mismatch"]["throttle_refresh_ms"],
                p["mismatch"]["metadata"],
            ]
            for p in denied
        ]
        assert {"policy", "cooldown"} <= {row[1] for row in expected}
        assert expected == ran.rows("select step, flag, reason_code, wait_ms, metadata from denials")

    def test_features(self, ran: Any) -> None:
        """A row per feature; truths count as numbers, and what is missing is null."""
        expected = [
            [p["step"], name, None if isinstance(value, str) or value is None else float(value), text_of(value)]
            for p in ran.packets
            for name, value in p["mdm"]["features"].items()
        ]
        assert {None, "true", "false", "red"} <= {row[3] for row in expected}
        assert expected == ran.rows("select step, name, number, text from features")

    def test_contributions(self, ran: Any) -> None:
        """A row per reason with a weight."""
        expected = [[p["step"], *item] for p in ran.packets for item in p["mdm"]["features_summary"].items()]
        assert expected == ran.rows("select step, name, moved from contributions")

    def test_executions(self, ran: Any) -> None:
        """A row per order."""
        expected = [
            [p["step"], p["final_action"]["action"], p["external"]["exec.status"], p["external"]["exec.attempt_count"]]
            for p in ran.packets
            if "exec.status" in p["external"]
        ]
        assert len(expected) > 10
        assert expected == ran.rows("select step, action, status, attempts from executions")

    def test_packets(self, ran: Any) -> None:
        """All nine keys as they were written, and what was redacted stays so."""
        rows = ran.rows("select * from packets")
        packets = ran.packets
        assert packets == [dict(zip(packets[0], row, strict=True)) for row in rows]
        assert "hunter2" not in ran.ask("select * from packets", "--format", "csv").out

    def test_audit(self, ran: Any) -> None:
        """A row per line of the audit log."""
        expected = [[line["event"], line.get("step"), line] for line in ran.audit]
        assert {"run_started", "denied"} <= {row[0] for row in expected}
        assert expected == ran.rows("select event, step, details from audit")

    def test_dead_letters(self, ran: Any) -> None:
        """A row per event that could not be decided."""
        lines = (ran.directory / "dead_letter.jsonl").read_text().splitlines()
        expected = [[str(letter["position"]), letter["reason"], letter["excerpt"]] for letter in map(json.loads, lines)]
        assert len(expected) == 10
        assert expected == ran.rows("select * from dead_letters")

    @pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
    def test_columns_and_example(self, ran: Any, view: Any) -> None:
        """A view has the columns that are told of it, and its example has an answer."""
        assert [[name] for name in view.columns] == ran.rows(f"select column_name from (describe {view.name})")
        assert ran.rows(view.example)

    def test_what_a_run_does_not_have(self, run_of: Any, pipeline: str, tmp_path: Path) -> None:
        """Without key, time, id, audit log and dead letters the columns are null and the views empty."""
        head, _, rest = pipeline.partition("[source]")
        rest = rest.replace('[[modulators]]\nuse = "guards.cooldown"\nduration = "2s"\nscope = "global"\n', "")
        bare = run_of(tmp_path / "bare", "[source]" + rest.replace('[[trace]]\nuse = "trace-jsonl.audit"\n', ""))
        assert head
        counts = "count(*) as n, count(key) as k, count(time) as t, count(id) as i, count(outcome) as o"
        assert [[400, 0, 0, 0, 0]] == bare.rows(f"select {counts} from decisions")
        assert [] == bare.rows("select * from audit")
        assert [] == bare.rows("select * from dead_letters")


def text_of(value: Any) -> str | None:
    """A feature as text."""
    return value if isinstance(value, str | None) else json.dumps(value)


class TestFormats:
    """How rows are written."""

    SQL = "select 1 as n, 'a,\"b\"' as text, [1, 2] as list, null as none, 0.1::double + 0.2::double as f, true as yes"

    def test_csv(self, ran: Any) -> None:
        """Quoted where it has to be, numbers to the last bit, null as an empty cell."""
        rows = list(
            csv.reader(io.StringIO(ran.ask(self.SQL + ", timestamp '2026-01-31 12:00' as t", "--format", "csv").out))
        )
        assert rows == [
            ["n", "text", "list", "none", "f", "yes", "t"],
            ["1", 'a,"b"', "[1,2]", "", str(0.30000000000000004), "true", "2026-01-31 12:00:00"],
        ]

    def test_json(self, ran: Any) -> None:
        """An array of objects with typed values; none is an empty array."""
        sql = self.SQL
        row = {"n": 1, "text": 'a,"b"', "list": [1, 2], "none": None, "f": 0.1 + 0.2, "yes": True}
        assert [row, row] == ran.ask(f"{sql} union all {sql}", "--format", "json").json
        assert [] == ran.ask("select step from decisions where false", "--format", "json").json
        twice = ran.ask("select 1 as a, 2 as a", "--format", "json")
        assert (2, "two columns are called 'a'; give one of them another name with AS") == (twice.code, twice.err)

    def test_table(self, ran: Any) -> None:
        """Columns are aligned, numbers at the right; a long cell is cut off and a control character harmless."""
        said = ran.ask(
            "select 'red' as colour, 5 as n union all select 'b' || chr(27), 1000 union all select repeat('x', 99), 7"
        )
        assert ["colour" + " " * 54 + "     n", "red" + " " * 57 + "     5"] == said.out.splitlines()[:2]
        assert ["b\\x1b" + " " * 55 + "  1000", "x" * 59 + "…     7"] == said.out.splitlines()[2:]

    def test_all_rows_are_written(self, ran: Any) -> None:
        """More rows than are fetched at once."""
        for style, lines in (("csv", 2502), ("table", 2502), ("json", 2501)):
            out = ran.ask("select range as n from range(2501)", "--format", style).out
            assert lines == len(out.splitlines())
            assert "2500" in out.splitlines()[-1]

    def test_times_with_zone(self, ran: Any) -> None:
        """A time in a zone is given in UTC."""
        sql = "select timestamptz '2026-01-31 12:00+02' as t"
        assert "2026-01-31T10:00:00Z" == ran.ask(sql, "--format", "json").json[0]["t"].replace("+00:00", "Z")

    def test_views_are_listed(self, ran: Any, mdm: Any) -> None:
        """--views has every view, column and example."""
        shown = mdm("trace", "query", str(ran.directory), "--views")
        assert 0 == shown.code
        for view in VIEWS:
            assert f"{view.name}: {view.about}" in shown.out
            assert view.example in shown.out
        listed = mdm("trace", "query", str(ran.directory), "--views", "--format", "json").json
        assert [(v.name, c) for v in VIEWS for c in v.columns] == [(row["view"], row["column"]) for row in listed]
        assert {"BIGINT", "TIMESTAMP", "VARCHAR", "DOUBLE", "BOOLEAN", "VARCHAR[]", "JSON"} == {
            r["type"] for r in listed
        }


class TestSafety:
    """A query reads the files of its run, and does nothing else."""

    @pytest.mark.parametrize(
        "sql",
        [
            "select * from read_text('{other}')",
            "select * from read_csv('{other}')",
            "select * from '{other}'",
            "select * from read_blob('{other}')",
            "select * from read_json('{other}')",
            "select * from glob('{folder}/*')",
            "select * from sniff_csv('{other}')",
            "select * from read_text('{run}/run.json')",
            "select * from read_text('{run}/../r/run.json')",
            "select * from read_csv('https://example.invalid/a.csv')",
            "select * from duckdb_secrets()",
        ],
    )
    def test_reads_no_other_file(self, ran: Any, tmp_path: Path, sql: str) -> None:
        """No other file can be read or listed, not even the run's own configuration, and no address."""
        other = tmp_path / "other.csv"
        other.write_text("a,b\nsecret,1\n")
        said = ran.ask(sql.format(other=other, folder=tmp_path, run=ran.directory))
        assert (2, "") == (said.code, said.out)
        assert said.err.endswith("; a query reads the files of its run alone")
        assert "secret," not in said.err

    @pytest.mark.parametrize(
        "sql",
        [
            "copy (select 1) to '{new}'",
            "copy (select 1) to '{run}/traces.jsonl'",
            "copy (select 1) to '{run}/traces.jsonl' (use_tmp_file false)",
            "explain analyze copy (select 1) to '{run}/traces.jsonl' (use_tmp_file false)",
            "export database '{new}'",
            "attach '{new}'",
            "install httpfs",
            "load httpfs",
            "set enable_external_access = true",
            "reset memory_limit",
            "create table t as select 1",
            "pragma database_list",
            "call pragma_version()",
            "drop view decisions",
            "select 1; select 2",
            "",
        ],
    )
    def test_is_one_select(self, ran: Any, tmp_path: Path, sql: str) -> None:
        """Anything but one SELECT is refused before it does anything."""
        before = {path: path.read_bytes() for path in ran.directory.iterdir() if path.is_file()}
        said = ran.ask(sql.format(new=tmp_path / "new", run=ran.directory))
        assert (2, "") == (said.code, said.out)
        assert "a query is one SELECT; nothing can be changed, written or loaded" == said.err
        assert before == {path: path.read_bytes() for path in ran.directory.iterdir() if path.is_file()}
        assert not (tmp_path / "new").exists()

    def test_the_database_is_locked_too(self, copy: Any) -> None:
        """What is no SELECT would fail as well if it came through: the second wall stands by itself."""
        with database(Files.find(str(copy.directory), Path("runs"))) as connection:
            for sql in (
                "set enable_external_access = true",
                "set memory_limit = '9GB'",
                "load httpfs",
                "install httpfs",
            ):
                with pytest.raises(duckdb.Error, match=r"lock|disabled"):
                    connection.execute(sql)
            with pytest.raises(duckdb.PermissionException):
                connection.execute(f"copy (select 1) to '{copy.directory.parent}/new.csv'".replace("it's", "it''s"))

    def test_a_changed_run_json_leads_nowhere(self, copy: Any, tmp_path: Path) -> None:
        """What it names as the trace must lie in the directory of the run."""
        (tmp_path / "secret.jsonl").write_text('{"step": 0}\n')
        document = json.loads((copy.directory / "run.json").read_text())
        document["config"]["trace"][0]["path"] = "../secret.jsonl"
        (copy.directory / "run.json").write_text(json.dumps(document))
        said = copy.ask("select * from packets")
        assert (2, "../secret.jsonl: is outside the directory of the run; run.json has been changed") == (
            said.code,
            said.err,
        )

    def test_variables_of_the_program(self, ran: Any) -> None:
        """A SELECT reads no variable of the program that asks."""
        assert 2 == ran.ask("select * from files").code
        assert 2 == ran.ask("select * from VIEWS").code

    def test_memory_is_limited(self, ran: Any) -> None:
        """DuckDB may take one gigabyte and no more, and puts what does not fit into a directory of this query alone."""
        settings = "current_setting('memory_limit') as m, current_setting('temp_directory') as t"
        ((memory, spill),) = ran.rows(f"select {settings}")
        assert "953.6 MiB" == memory
        assert Path(spill).name.startswith("mdm-query-")
        assert not Path(spill).exists()

    def test_rows_are_made_as_they_are_fetched(self, ran: Any) -> None:
        """The first row of a result that has no end worth waiting for is there at once."""
        with database(Files.find(str(ran.directory), Path("runs"))) as connection:
            select(connection, "select a.range + b.range from range(10000000) a, range(10000000) b")
            assert [(0,)] == connection.fetchmany(1)

    def test_nothing_is_left(self, ran: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was sorted on the disk is removed again."""
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert 0 == ran.ask("select * from decisions order by confidence").code
        assert [] == list(tmp_path.iterdir())


class TestMessages:
    """What goes wrong is one line with a next step, and exit code 2."""

    @pytest.mark.parametrize(
        ("sql", "begins", "ends"),
        [
            (
                "select stp from decisions",
                "Binder Error: Referenced column",
                "`mdm trace query RUN --views` lists what there is",
            ),
            ("select * from decision", "Catalog Error: Table with name decision does not exist", "lists what there is"),
            ("selct 1", "Parser Error: syntax error", "lists what there is"),
            ("select text::int from features", "Conversion Error: Could not convert string", ""),
            ("select 1 where '\x1b[31m'::int = 1", "Conversion Error", ""),
        ],
    )
    def test_of_sql(self, ran: Any, sql: str, begins: str, ends: str) -> None:
        """DuckDB's message, as far as it says what is wrong."""
        said = ran.ask(sql)
        assert 2 == said.code
        assert said.err.startswith(begins)
        assert said.err.endswith(ends)
        assert said.err.isprintable()

    def test_of_the_caller(self, ran: Any, mdm: Any, tmp_path: Path) -> None:
        """No run, no question, or both a question and --views."""
        told = mdm("trace", "query", "nope", "select 1", "--runs-dir", str(tmp_path))
        assert (2, True) == (told.code, told.err.startswith("no run 'nope'"))
        for arguments in ([], ["select 1", "--views"]):
            told = mdm("trace", "query", str(ran.directory), *arguments)
            assert (2, "give a SELECT, or --views, which lists what can be asked") == (told.code, told.err)

    def test_no_packets(self, run_of: Any, pipeline: str, tmp_path: Path) -> None:
        """A run without a trace of packets is told so."""
        said = run_of(
            tmp_path / "quiet", pipeline.replace('[[trace]]\nuse = "trace-jsonl.packets"\nrotate_bytes = 60000\n', "")
        ).ask("select 1")
        assert (2, True) == (said.code, 'no [[trace]] has use = "trace-jsonl.packets"' in said.err)

    def test_path_with_a_pattern(self, copy: Any) -> None:
        """A directory whose name is a pattern is refused, so that no other file can be meant."""
        moved = copy.directory.rename(copy.directory.parent / "r[1]")
        said = type(copy)(moved).ask("select 1")
        assert (2, True) == (said.code, "a path with *, ? or [ cannot be asked" in said.err)


class TestDamage:
    """Traces that are not whole."""

    def test_torn_line(self, copy: Any) -> None:
        """A last line that was never finished is passed over and told; all others count."""
        expected = len(copy.packets)
        with (copy.directory / "traces.jsonl").open("a") as file:
            file.write('{"run_id": "r", "step": 9')
        said = copy.ask("select count(*) as n, count(step) as s from decisions", "--format", "csv")
        assert (0, f"n,s\n{expected},{expected}\n") == (said.code, said.out)
        assert said.err.endswith("traces.jsonl: one line is not whole and is passed over\n")

    def test_run_that_goes_on(self, copy: Any) -> None:
        """A run that is going on can be asked; half a line that it is writing is passed over."""
        expected = len(copy.packets)
        lock = RunLock(copy.directory)
        assert lock.acquire()
        try:
            assert [[expected]] == copy.rows("select count(*) as n from decisions")
            with (copy.directory / "traces.jsonl").open("a") as file:
                file.write('{"run_id": "r"')
            assert f"n\n{expected}\n" == copy.ask("select count(*) as n from decisions", "--format", "csv").out
        finally:
            lock.release()

    def test_damaged_line(self, copy: Any) -> None:
        """A line that is damaged in the middle is never passed over: file and line are told."""
        path = copy.directory / "traces.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*lines[:2], '{"run_id": oops\n', *lines[2:]]))
        said = copy.ask("select count(*) from decisions")
        assert 2 == said.code
        assert f'Malformed JSON in file "{path}"' in said.err
        with path.open("a") as file:
            file.write('{"torn')
        both = copy.ask("select count(*) from decisions")
        assert (2, f"{path}: 2 lines are damaged; `mdm trace verify` tells more") == (both.code, both.err)

    def test_missing_part(self, copy: Any) -> None:
        """A part that is missing in the middle is told; the oldest ones may have been removed."""
        expected = len(copy.packets)
        parts = sorted(copy.directory.glob("traces.*.jsonl.gz"))
        with gzip.open(parts[0]) as file:
            first = len(file.readlines())
        parts[0].unlink()
        assert [[expected - first]] == copy.rows("select count(*) as n from decisions")
        parts[2].unlink()
        said = copy.ask("select 1")
        assert 2 == said.code
        assert said.err.endswith("part 000003 is missing, and later ones are there; restore it from a copy")

    def test_part_that_is_being_packed(self, copy: Any) -> None:
        """A part that is there both packed and not counts once."""
        expected = len(copy.packets)
        part = sorted(copy.directory.glob("traces.*.jsonl.gz"))[1]
        part.with_suffix("").write_bytes(gzip.decompress(part.read_bytes()))
        assert [[expected, expected]] == copy.rows("select count(*) as n, count(distinct step) as s from decisions")

    def test_redacted_values(self, copy: Any) -> None:
        """A text where a number or a list was is null in its column, and the packet is still there."""
        packet = copy.packets[0]
        broken = {
            **packet,
            "external": {"mdm.redaction_failed": True},
            "mdm": dict.fromkeys(packet["mdm"], "[REDACTED]"),
            "input": {"redaction": "[REDACTION FAILED]"},
            "latency_ms": "[REDACTED]",
        }
        (copy.directory / "traces.jsonl").write_text(json.dumps(broken) + "\n")
        sql = (
            "select proposed, confidence, reasons, key, time, features from decisions order by key nulls first limit 1"
        )
        assert [["[REDACTED]", None, None, None, None, "[REDACTED]"]] == copy.rows(sql)
        assert [] == copy.rows("select * from features where key is null")
        assert ["[REDACTED]"] == copy.rows("select latency_ms from packets where input->>'redaction' is not null")[0]


class TestStartUp:
    """DuckDB is imported by a query and by nothing else."""

    def test_help(self) -> None:
        """Neither the list of commands nor the help of this one imports it."""
        script = (
            "import sys\nfrom mdm_core.cli.main import cli\n"
            "for words in (['--help'], ['trace', '--help'], ['trace', 'query', '--help']):\n"
            "    cli.main(words, standalone_mode=False)\n"
            "assert 'mdm_query.command' in sys.modules\nassert 'duckdb' not in sys.modules\n"
        )
        assert 0 == subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode
