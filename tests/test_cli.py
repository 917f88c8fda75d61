"""The command line: data on standard output, talk on standard error, exit codes, plans that can be run again."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mdm_core.cli.show import show_summary, toml_value
from mdm_core.plan import Plan
from mdm_core.summary import Summary

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]
WritePipeline = Callable[..., Path]

COMMAND = """\
import click


@click.command("greet")
@click.argument("name")
def greet(name):
    "Greets."
    click.echo(f"hello {name}")


@click.command()
def fails():
    {}["what is not there"]


not_a_command = 7
"""

GROUP = """\
import click


@click.group("people")
@click.option("--loud", is_flag=True)
def people(loud):
    "About people."
    if loud:
        click.echo("LOUD")


@people.command("count")
def count():
    "Counts."
    click.echo(7)
"""

_FROM_ELSEWHERE: dict[str, Any] = {
    "group": "mdm.commands",
    "value": "my_commands:greet",
    "distribution": "other",
}

EVERYTHING = """\
[pipeline]
key = "who"
timestamp = "at"
seed = 3

[source]
use = "toy.numbers"
count = 12

[[features]]
use = "toy.fields"
[[features]]
use = "toy.fields"
prefix = "x."

[model]
use = "toy.wrapper"
[model.model]
use = "toy.wrapper"
[model.model.model]
use = "toy.threshold"
threshold = 0.25
weights = { "delay.dep" = 1.5, n = -2, "a \\"b\\"\\u007f" = 1e16 }

[[modulators]]
use = "toy.vip"
keys = ["k0", "ü\\n"]

[broker]
use = "toy.done"
token = { env = "TOY_TOKEN" }

[[trace]]
use = "toy.lines"
[[trace]]
use = "toy.audit"

[[observers]]
use = "toy.counter"

[redaction]
use = "toy.mask"
key = "who"
"""


class TestRun:
    """`mdm run`."""

    def test_people_see_a_summary(
        self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The summary is data, what is under way is talk."""
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        ended = mdm("run", write_pipeline(EVERYTHING), "--run-id", "one")
        assert ended.returncode == 0
        assert ended.stderr == ("run one: toy.numbers → toy.fields + toy.fields → toy.wrapper → toy.vip → toy.done\n")
        rows = re.sub(r"(latency|speed) .*", r"\1", ended.stdout).splitlines()
        assert rows == [
            "run one: done",
            "  events          12",
            "  proposed        9 (ACT 9)",
            "  allowed         5 (ACT 5)",
            "  carried out     5 (ACT 5)",
            "  denied          4 (vip_denied 4)",
            "  failed closed   0",
            "  dead letters    0",
            "  latency",
            "  speed",
            "  written to      runs/one/{audit.jsonl,journal.jsonl,traces.jsonl,run.json,summary.json}",
            "",
            "toy.counter",
            "  decisions  12",
        ]

    def test_programs_see_json(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """With --json standard output is one JSON document, the one that is written as summary.json."""
        ended = mdm("run", write_pipeline(), "--run-id", "one", "--json")
        summary = json.loads(ended.stdout)
        written = json.loads((toy.parent / "runs/one/summary.json").read_text())
        assert {**summary, "ended_at": written["ended_at"]} == written
        assert (summary["run_id"], summary["events"], summary["proposed"]) == ("one", 5, {"ACT": 3})

    def test_limit(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """A run ends after so many events."""
        assert toy.is_dir()
        ended = mdm("run", write_pipeline(), "--limit", 2, "--json")
        assert (ended.returncode, json.loads(ended.stdout)["events"]) == (0, 2)

    def test_set(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """Overrides reach the components, and the record of the run has them."""
        ended = mdm(
            "run",
            write_pipeline(),
            "--set",
            "source.count=7",
            "--set",
            "model.feature='seen'",
            "--run-id=one",
            "--json",
        )
        assert json.loads(ended.stdout)["events"] == 7
        config = json.loads((toy.parent / "runs/one/run.json").read_text())["config"]
        assert (config["source"]["count"], config["model"]["feature"]) == (7, "seen")

    def test_runs_dir(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """Runs are kept where the user says."""
        ended = mdm("run", write_pipeline(), "--runs-dir", "a/b", "--run-id", "one", "--json")
        assert json.loads(ended.stdout)["run_dir"] == "a/b/one"
        assert (toy.parent / "a/b/one/summary.json").is_file()

    def test_without_guards(
        self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where something is carried out that nothing has looked at, it is said."""
        assert toy.is_dir()
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        unguarded = re.sub(r"\[\[modulators\]\].*?\n\n", "", EVERYTHING, flags=re.DOTALL)
        ended = mdm("run", write_pipeline(unguarded))
        assert ended.stderr.splitlines()[1:] == ["no guards: proposals are carried out as the model makes them"]

    def test_a_canary_without_guards(
        self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guards of the pipeline do not look at what its canary does, and that is said."""
        assert toy.is_dir()
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        canary = '[canary]\nshare = 0.5\n[canary.features]\nuse = "toy.fields"\n[canary.model]\nuse = "toy.threshold"\n'
        ended = mdm("run", write_pipeline(EVERYTHING + canary))
        said = "no guards in the canary: its proposals are carried out as its model makes them"
        assert ended.stderr.splitlines()[1:] == [said]

    def test_verbose(self, toy: Path, mdm_process: CommandLine, write_pipeline: WritePipeline) -> None:
        """The log is silent unless it is asked for, and has types instead of messages."""
        assert toy.is_dir()
        path = write_pipeline()
        quiet = mdm_process("run", path, "--set", "model.feature='secret'", "--run-id", "one")
        loud = mdm_process("run", path, "--set", "model.feature='secret'", "--run-id", "two", "-v")
        assert "mdm.pipeline" not in quiet.stderr
        assert "mdm.pipeline: step 0: model toy.threshold failed: KeyError" in loud.stderr
        assert "secret" not in loud.stderr


class TestSummary:
    """What people see of a run's end."""

    def test_all_rows(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What did not go well has rows of its own; figures of observers are written for reading."""
        (tmp_path / "one").mkdir()
        figures = {"share": 0.23456, "big": 336776.0, "tiny": 0.00001234, "zero": 0.0, "n": 12345, "fine": True}
        show_summary(
            Summary(
                run_id="one",
                status="stopped",
                reason="SIGTERM received",
                events=12345,
                decided=12340,
                dead_letters={"invalid_json": 2, "missing_key": 3},
                proposed={"ACT": 10, "EXIT": 10, "STOP": 11},
                allowed={"ACT": 9},
                carried_out={"ACT": 4},
                executions={"done": 4, "pending": 3, "unknown": 2},
                denied={},
                failed_closed=1,
                errors={"model_error:KeyError": 1},
                redaction_failures=1234,
                evicted_keys={"0.toy.fields.states": 7},
                counts={"toy.lines": {"skipped": 1200, "torn": 1}},
                latency_us={"p50": 10, "p99": 2000},
                seconds=1.25,
                events_per_s=9876.0,
                run_dir=str(tmp_path / "one"),
                findings={"toy.counter": {"half": figures, "none": {}, "name": "x"}},
            )
        )
        assert capsys.readouterr().out.splitlines() == [
            "run one: stopped (SIGTERM received)",
            "  events          12,345",
            "  proposed        31 (STOP 11, ACT 10, EXIT 10)",
            "  allowed         9 (ACT 9)",
            "  carried out     4 (ACT 4)",
            "  not carried out 5 (pending 3, unknown 2)",
            "  denied          0",
            "  failed closed   1",
            "  dead letters    5 (missing_key 3, invalid_json 2)",
            "  errors          1 (model_error:KeyError 1)",
            "  redaction       failed 1,234 times; those payloads were replaced",
            "  keys forgotten  7 (0.toy.fields.states 7)",
            "  toy.lines       skipped 1,200, torn 1",
            "  latency         p50 10 µs, p99 2,000 µs",
            "  speed           9,876 events/s, 1.2 s",
            f"  written to      {tmp_path}/one/{{run.json,summary.json}}",
            "",
            "toy.counter",
            "  half",
            "    share  0.2346",
            "    big    336,776",
            "    tiny   1.234e-05",
            "    zero   0.0000",
            "    n      12,345",
            "    fine   True",
            "  none",
            "  name  x",
        ]


class TestPlan:
    """`mdm run --plan`."""

    def test_is_a_pipeline_file(
        self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is printed is TOML that resolves to the same configuration, children, secrets and odd keys included."""
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        path = write_pipeline(EVERYTHING)
        printed = mdm("run", path, "--plan", "--set", "source.count=3")
        assert (printed.returncode, printed.stderr) == (0, "")
        resolved = Plan.from_config(path, ["source.count=3"]).resolved()
        (toy.parent / "again.toml").write_text(printed.stdout)
        assert Plan.from_config(toy.parent / "again.toml").resolved() == resolved
        assert mdm("run", "again.toml", "--plan").stdout == printed.stdout
        assert "s3cret" not in printed.stdout

    def test_children_are_sub_tables(
        self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A component inside another has a table of its own, with the distribution that it comes from."""
        assert toy.is_dir()
        monkeypatch.setenv("TOY_TOKEN", "s3cret")
        printed = mdm("run", write_pipeline(EVERYTHING), "--plan").stdout
        assert (
            '[model]  # mdm-toy 1.0.0\nuse = "toy.wrapper"\n\n'
            '[model.model]  # mdm-toy 1.0.0\nuse = "toy.wrapper"\n\n'
            '[model.model.model]  # mdm-toy 1.0.0\nuse = "toy.threshold"\nthreshold = 0.25\n'
        ) in printed
        assert 'weights = { "delay.dep" = 1.5, n = -2.0, "a \\"b\\"\\u007f" = 1e+16 }\n' in printed
        assert 'token = { env = "TOY_TOKEN" }\n' in printed
        assert "# outcome is not set\n" in printed

    def test_runs_nothing(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """Nothing is opened, and no directory is made."""
        path = write_pipeline()
        before = sorted(toy.parent.iterdir())
        assert mdm("run", path, "--plan").returncode == 0
        assert mdm("run", path, "--plan", "--json").returncode == 0
        assert sorted(toy.parent.iterdir()) == before

    def test_json(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """Programs get the same, with the distributions that take part."""
        assert toy.is_dir()
        path = write_pipeline()
        printed = json.loads(mdm("run", path, "--plan", "--json").stdout)
        assert printed["config"] == Plan.from_config(path).resolved()
        assert set(printed["distributions"]) == {"decision-schema", "mdm-core", "mdm-toy"}

    @pytest.mark.parametrize(
        "value",
        [
            True,
            -3,
            1e16,
            1e-9,
            0.1,
            "a\"b'\\\n\tü\x7f\u2028",
            [],
            [[1], ["x"]],
            {},
            {"a.b": {"c": [{"d": 1}]}, "": 2, "x y": 3},
            *tomllib.loads("d = [2013-01-01, 07:32:00, 1979-05-27T07:32:00Z]")["d"],
        ],
    )
    def test_values(self, value: object) -> None:
        """Every value that TOML can hold is written so that it is read again as it was."""
        assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}


class TestCheck:
    """`mdm check`."""

    def test_fine(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """A pipeline that could run is told with its components; nothing is run or made."""
        path = write_pipeline()
        before = sorted(toy.parent.iterdir())
        ended = mdm("check", path.name)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "pipeline.toml: fine (toy.numbers, toy.fields, toy.threshold, toy.mask)\n"
        assert json.loads(mdm("check", path, "--json").stdout) == {
            "ok": True,
            "components": ["toy.numbers", "toy.fields", "toy.threshold", "toy.mask"],
        }
        assert sorted(toy.parent.iterdir()) == before

    def test_set(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """Overrides are checked too."""
        assert toy.is_dir()
        assert mdm("check", write_pipeline(), "--set", "model.threshold=7").returncode == 2


class TestPlugins:
    """`mdm plugins`."""

    def test_one_line_each(self, toy: Path, mdm: CommandLine) -> None:
        """Plugins are listed with their distribution, components with kind and first line of their help."""
        assert toy.is_dir()
        lines = mdm("plugins").stdout.splitlines()
        assert lines[0] == "toy  mdm-toy 1.0.0"
        assert lines[4] == "  toy.threshold              proposal model     Proposes an action from a threshold on."
        assert len(lines) == 12

    def test_none(self, mdm: CommandLine) -> None:
        """Where nothing is installed, it is said what to install."""
        ended = mdm("plugins")
        assert (ended.returncode, ended.stdout) == (0, "")
        assert ended.stderr == "no plugins are installed; mdm-reference has everything for a first pipeline\n"
        assert json.loads(mdm("plugins", "--json").stdout) == []

    def test_broken_plugins_break_nothing(
        self, toy: Path, install: Install, mdm: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Broken, blocked and clashing plugins and components are listed with their errors among those that work."""
        assert toy.is_dir()
        half = (
            "from mdm_core import hookimpl\n@hookimpl\ndef mdm_register_brokers(register):\n"
            "    register('gone', 'half_gone:Gone')\n    register('here', 'toy_components:Done')\n"
        )
        install("bad", {"bad_plugin": "1 / 0"})
        install("blocked", {"blocked_plugin": ""})
        install("half", {"half_plugin": half})
        install("two", {"two_plugin": ""}, distribution="two-a")
        install("two", {"two_plugin": ""}, distribution="two-b")
        monkeypatch.setenv("MDM_BLOCK_PLUGINS", "blocked")
        ended = mdm("plugins")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.splitlines()[:10] == [
            "bad  mdm-bad 1.0.0",
            "  broken: plugin 'bad' (mdm-bad 1.0.0) cannot be imported: ZeroDivisionError: division by zero; "
            "install what it needs, or reinstall it",
            "blocked  mdm-blocked 1.0.0",
            "  broken: plugin 'blocked' is blocked by MDM_BLOCK_PLUGINS; take it out of that variable to use it",
            "half  mdm-half 1.0.0",
            "  half.gone                  broker",
            "    broken: component 'half.gone' (mdm-half 1.0.0) cannot be imported: ModuleNotFoundError: "
            "No module named 'half_gone'; install what it needs, or reinstall mdm-half",
            "  half.here                  broker             Says that everything is done; needs a token to say so.",
            "toy  mdm-toy 1.0.0",
            "  toy.events                 data source        Yields the events that stand in the pipeline file.",
        ]
        assert ended.stdout.splitlines()[-1] == (
            "  broken: plugin 'two' is claimed by two-a 1.0.0 and two-b 1.0.0; uninstall all but one of them"
        )
        listed = {plugin["name"]: plugin for plugin in json.loads(mdm("plugins", "--json").stdout)}
        assert [name for name, plugin in listed.items() if plugin["error"]] == ["bad", "blocked", "two"]
        assert [c["id"] for c in listed["half"]["components"] if c["error"]] == ["half.gone"]

    def test_broken_component(self, install: Install, mdm: CommandLine) -> None:
        """Asked for by name, a plugin shows what is broken in it, and a broken plugin is refused."""
        half = (
            "from mdm_core import hookimpl\n@hookimpl\ndef mdm_register_brokers(register):\n"
            "    register('gone', 'half_gone:Gone')\n"
        )
        install("half", {"half_plugin": half})
        install("bad", {"bad_plugin": "1 / 0"})
        ended = mdm("plugins", "half")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == (
            "half  mdm-half 1.0.0\n\nhalf.gone  (broker)\n"
            "  broken: component 'half.gone' (mdm-half 1.0.0) cannot be imported: ModuleNotFoundError: "
            "No module named 'half_gone'; install what it needs, or reinstall mdm-half\n"
        )
        refused = mdm("plugins", "bad", "--json")
        assert (refused.returncode, refused.stdout) == (2, "")

    def test_options(self, toy: Path, mdm: CommandLine) -> None:
        """A plugin's options are told with type, default, rules and help."""
        assert toy.is_dir()
        shown = mdm("plugins", "toy").stdout
        assert (
            "toy.threshold  (proposal model)\n"
            "  Proposes an action from a threshold on.\n"
            "    threshold = 0.5  (number, at least 0, at most 1)\n"
            "        share of `scale` from which the action is proposed\n"
            '    feature = "n"  (text)\n'
            "        the feature that is looked at\n"
            "    scale = 10.0  (number, more than 0)\n"
            "        the value that counts as 1\n"
            '    action = "ACT"  (text, of HOLD, ACT, EXIT, CANCEL, STOP)\n'
            "        the action to propose\n"
            "    weights = {}  (table of numbers)\n"
            "        weight per feature\n"
        ) in shown
        assert "    model = …  (table of a proposal model, required)\n" in shown
        assert "    keys = …  (list of text, required)\n" in shown
        assert '    token = ""  (text, secret: { env = "NAME" })\n' in shown

    def test_one_component(self, toy: Path, mdm: CommandLine) -> None:
        """A component's id shows that component alone."""
        assert toy.is_dir()
        assert mdm("plugins", "toy.counter").stdout == (
            "toy  mdm-toy 1.0.0\n\ntoy.counter  (observer)\n  Counts decisions.\n"
        )
        assert [c["id"] for c in json.loads(mdm("plugins", "toy.vip", "--json").stdout)["components"]] == ["toy.vip"]

    def test_json(self, toy: Path, mdm: CommandLine) -> None:
        """Programs get everything that is known of a plugin."""
        assert toy.is_dir()
        plugin = json.loads(mdm("plugins", "toy", "--json").stdout)
        assert {k: plugin[k] for k in ("name", "distribution", "version", "error")} == {
            "name": "toy",
            "distribution": "mdm-toy",
            "version": "1.0.0",
            "error": None,
        }
        [threshold] = [c for c in plugin["components"] if c["id"] == "toy.threshold"]
        assert (threshold["kind"], threshold["help"]) == ("proposal model", "Proposes an action from a threshold on.")
        assert threshold["options"][0] == {
            "name": "threshold",
            "type": "number",
            "required": False,
            "default": 0.5,
            "help": "share of `scale` from which the action is proposed",
            "ge": 0,
            "gt": None,
            "le": 1,
            "choices": None,
            "secret": False,
        }
        assert threshold["options"][3]["choices"] == ["HOLD", "ACT", "EXIT", "CANCEL", "STOP"]


class TestRuns:
    """`mdm runs`."""

    def test_none(self, mdm: CommandLine) -> None:
        """Where there are none, it is said where they were looked for."""
        ended = mdm("runs")
        assert (ended.returncode, ended.stdout) == (0, "")
        assert ended.stderr == "no runs in runs; --runs-dir names another place\n"
        assert mdm("runs", "--json").stdout == "[]\n"

    def test_what_has_run(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """Runs are listed with when they began, how they ended, and what they ran."""
        path = write_pipeline().name
        mdm("run", path, "--run-id", "one")
        mdm("run", path, "--run-id", "two", "--limit", 2)
        (toy.parent / "runs/two/summary.json").unlink()
        lines = mdm("runs").stdout.splitlines()
        assert [re.sub(r" +\S+Z +", " ", line) for line in lines] == [
            "one done             5 events  pipeline.toml",
            "two died                       pipeline.toml",
        ]
        first, second = json.loads(mdm("runs", "--json").stdout)
        assert (first["run_id"], first["status"], first["events"]) == ("one", "done", 5)
        assert first["started_at"] <= first["ended_at"]
        assert (second["run_id"], second["status"], second["events"]) == ("two", "died", None)


class TestExitCodes:
    """0, 1, 2, 3 and 5; and how a run ends when it is asked to."""

    def test_done_and_no_events(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """0 for a run that is done, 5 for one that saw no event."""
        assert toy.is_dir()
        assert mdm("run", write_pipeline()).returncode == 0
        assert mdm("run", write_pipeline(), "--set", "source.count=0").returncode == 5
        assert mdm("run", write_pipeline(), "--limit", 0).returncode == 5

    def test_source_that_fails(
        self, toy: Path, install: Install, mdm: CommandLine, write_pipeline: WritePipeline
    ) -> None:
        """1 for a run that ended because its source failed, with its summary."""
        assert toy.is_dir()
        source = (
            "from mdm_core import DataSource, Record, hookimpl\n\n\nclass Torn(DataSource):\n"
            "    def records(self):\n        yield Record({'n': 1, 'who': 'a', 'at': 1}, 0)\n"
            "        raise OSError(5, 'Input/output error', 'with a path')\n\n\n"
            "@hookimpl\ndef mdm_register_data_sources(register):\n    register('source', Torn)\n"
        )
        install("torn", {"torn_plugin": source})
        path = write_pipeline('[source]\nuse = "torn.source"\n' + _without("source"))
        ended = mdm("run", path, "--run-id", "one")
        assert ended.returncode == 1
        assert ended.stdout.splitlines()[:2] == [
            "run one: failed (source torn.source failed: OSError: Input/output error)",
            "  events          1",
        ]

    def test_usage(self, mdm: CommandLine) -> None:
        """2 for a mistake of the caller."""
        assert mdm("check", "no.toml").returncode == 2
        assert mdm("nope").returncode == 2

    def test_no_command(self, mdm: CommandLine) -> None:
        """Without a command the help is shown, as talk."""
        ended = mdm()
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("Usage: mdm [OPTIONS] COMMAND [ARGS]...\n")
        assert "Exit codes: 0 done, 1" in ended.stderr

    def test_internal_error(self, install: Install, mdm: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        """3 for anything that nobody foresaw: type and place without data, and the way to the traceback."""
        install("fails", {"my_commands": COMMAND}, group="mdm.commands", value="my_commands:fails")
        ended = mdm("fails")
        assert (ended.returncode, ended.stdout) == (3, "")
        assert ended.stderr == (
            "mdm: internal error: KeyError at my_commands.py:13; set MDM_DEBUG=1 for the traceback, "
            "and please report it\n"
        )
        monkeypatch.setenv("MDM_DEBUG", "1")
        assert "KeyError: 'what is not there'" in mdm("fails").stderr

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_asked_to_stop(
        self, toy: Path, plugin_dir: Path, core_path: list[str], write_pipeline: WritePipeline, number: signal.Signals
    ) -> None:
        """1 for a run that was asked to stop: its summary is shown and written."""
        path = write_pipeline()
        path.write_text(path.read_text() + '[[trace]]\nuse = "toy.lines"\n')
        command = [sys.executable, "-S", "-m", "mdm_core", "run", str(path), "--set", "source.count=100000000"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugin_dir), *core_path])}
        with subprocess.Popen(
            [*command, "--run-id", "one", "--json"],
            cwd=toy.parent,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            try:
                _wait_for(toy.parent / "runs/one/traces.jsonl")
                running.send_signal(number)
                out, err = running.communicate(timeout=60)
            finally:
                running.kill()
        assert running.returncode == 1, err
        summary = json.loads(out)
        assert (summary["status"], summary["reason"]) == ("stopped", f"{number.name} received")
        assert json.loads((toy.parent / "runs/one/summary.json").read_text())["events"] == summary["events"] > 0

    def test_reader_that_goes_away(self, toy: Path, plugin_dir: Path, core_path: list[str]) -> None:
        """A reader that has seen enough, such as head, is no error."""
        assert toy.is_dir()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugin_dir), *core_path])}
        piped = f"{sys.executable} -S -m mdm_core plugins toy --json | head -n 1; exit ${{PIPESTATUS[0]}}"
        ended = subprocess.run(
            ["bash", "-c", piped], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{\n", "")


class TestColour:
    """Colours are for terminals, and for those who want them."""

    @pytest.mark.parametrize(
        ("environment", "coloured"), [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)]
    )
    def test_on_a_terminal(
        self,
        toy: Path,
        plugin_dir: Path,
        core_path: list[str],
        write_pipeline: WritePipeline,
        environment: Mapping[str, str],
        coloured: bool,
    ) -> None:
        """On a terminal the state of a run is coloured, unless NO_COLOR says otherwise; the words are the same."""
        path = {"PYTHONPATH": os.pathsep.join([str(plugin_dir), *core_path])}
        inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM")}
        shown = _on_a_terminal(
            [sys.executable, "-S", "-m", "mdm_core", "run", str(write_pipeline()), "--run-id", "one"],
            cwd=toy.parent,
            env={**inherited, "TERM": "xterm-256color", **path, **environment},
        )
        assert ("run one: \x1b[32m\x1b[1mdone\x1b[0m" in shown) is coloured
        assert bool(re.search(r"\x1b\[[\d;]*(3|9)\d[\d;]*m", shown)) is coloured
        assert "run one: done" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)

    def test_elsewhere(self, toy: Path, mdm_process: CommandLine, write_pipeline: WritePipeline) -> None:
        """Where there is no terminal there are no colours and no progress bar."""
        assert toy.is_dir()
        ended = mdm_process("run", write_pipeline())
        assert "\x1b" not in ended.stdout + ended.stderr


class TestCommands:
    """Commands of plugins, from the entry-point group `mdm.commands`."""

    def test_works(self, install: Install, mdm: CommandLine) -> None:
        """A command that a plugin adds is one of mdm's."""
        install("greet", {"my_commands": COMMAND}, group="mdm.commands", value="my_commands:greet")
        ended = mdm("greet", "you")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "hello you\n", "")
        assert ["greet", "From", "mdm-greet", "1.0.0."] in map(str.split, mdm("--help").stdout.splitlines())
        assert "Greets." in mdm("greet", "--help").stdout
        assert mdm("greet").stderr == "mdm: Missing argument 'NAME'. `mdm greet --help` tells more.\n"

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (
                "my_commands:nothing",
                "cannot be imported: AttributeError: module 'my_commands' has no attribute 'nothing'; "
                "install what it needs, or reinstall it",
            ),
            (
                "no_commands:greet",
                "cannot be imported: ModuleNotFoundError: No module named 'no_commands'; "
                "install what it needs, or reinstall it",
            ),
            ("my_commands:not_a_command", "is not a click command; tell its author"),
        ],
    )
    def test_broken(self, install: Install, mdm: CommandLine, value: str, problem: str) -> None:
        """A command that cannot be used is told with its distribution, whatever arguments it got."""
        install("greet", {"my_commands": COMMAND}, group="mdm.commands", value=value)
        ended = mdm("greet", "you", "--loud")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"mdm: command 'greet' (mdm-greet 1.0.0) {problem}\n"
        assert mdm("runs").returncode == 0

    def test_claimed_twice(self, install: Install, mdm: CommandLine) -> None:
        """Two distributions that claim one command are both named; neither wins."""
        install("greet", {"my_commands": COMMAND}, group="mdm.commands", value="my_commands:greet")
        install("greet", {}, group="mdm.commands", value="my_commands:greet", distribution="other")
        ended = mdm("greet", "you")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            "mdm: command 'greet' is claimed by mdm-greet 1.0.0 and other 1.0.0; uninstall all but one of them\n"
        )

    def test_help_says_what_their_distributions_are(self, install: Install, mdm: CommandLine) -> None:
        """The sentence that a distribution says of itself is shown once, though nothing of it is imported."""
        directory = install("greet", {"my_commands": "1 / 0"}, group="mdm.commands", value="my_commands:greet")
        (directory / "mdm_greet-1.0.0.dist-info" / "entry_points.txt").write_text(
            "[mdm.commands]\ngreet = my_commands:greet\nwave = my_commands:wave\n"
        )
        with (directory / "mdm_greet-1.0.0.dist-info" / "METADATA").open("a") as file:
            file.write("Summary: Says hello to people\n")
        shown = [line.split(None, 1) for line in mdm("--help").stdout.splitlines()]
        assert ["wave", "From mdm-greet 1.0.0."] in shown
        assert 1 == shown.count(["mdm-greet", "Says hello to people"])

    def test_none_of_ours_can_be_taken(self, install: Install, mdm: CommandLine) -> None:
        """A plugin cannot put itself in the place of one of core's commands."""
        install("runs", {"my_commands": COMMAND}, group="mdm.commands", value="my_commands:greet")
        assert mdm("runs").stderr == "no runs in runs; --runs-dir names another place\n"
        assert "mdm-runs" not in mdm("--help").stdout


class TestAddedCommands:
    """Commands whose name has a dot, which plugins add to a group of another plugin."""

    def test_works(self, install: Install, mdm: CommandLine) -> None:
        """The command is one of the group's, next to the group's own, whose options still work."""
        install("people", {"my_group": GROUP}, group="mdm.commands", value="my_group:people")
        install("people.greet", {"my_commands": COMMAND}, **_FROM_ELSEWHERE)
        assert mdm("people", "greet", "you").stdout == "hello you\n"
        assert mdm("people", "--loud", "count").stdout == "LOUD\n7\n"
        assert mdm("people", "greet").stderr == (
            "mdm: Missing argument 'NAME'. `mdm people greet --help` tells more.\n"
        )
        assert "No such command 'gret'" in mdm("people", "gret").stderr

    def test_is_imported_when_it_is_invoked(self, install: Install, mdm: CommandLine) -> None:
        """A broken one is listed with its distribution, breaks none of the others, and is told when it is wanted."""
        install("people", {"my_group": GROUP}, group="mdm.commands", value="my_group:people")
        install("people.greet", {"my_commands": "1 / 0"}, **_FROM_ELSEWHERE)
        shown = [line.split(None, 1) for line in mdm("people", "--help").stdout.splitlines()]
        assert ["count", "Counts."] in shown
        assert ["greet", "From other 1.0.0."] in shown
        assert ["people", "From mdm-people 1.0.0 and other 1.0.0."] in [
            line.split(None, 1) for line in mdm("--help").stdout.splitlines()
        ]
        assert mdm("people", "count").stdout == "7\n"
        ended = mdm("people", "greet", "you")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith(
            "mdm: command 'people greet' (other 1.0.0) cannot be imported: ZeroDivisionError"
        )

    def test_group_that_is_not_there(self, install: Install, mdm: CommandLine) -> None:
        """Where nobody has such a group, one is made."""
        install("people.greet", {"my_commands": COMMAND}, **_FROM_ELSEWHERE)
        assert mdm("people", "greet", "you").stdout == "hello you\n"
        assert "From other 1.0.0." in mdm("people", "--help").stdout

    def test_claimed_twice(self, install: Install, mdm: CommandLine) -> None:
        """Where the group has such a command, or two distributions add it, both are named and neither wins."""
        install("people", {"my_group": GROUP}, group="mdm.commands", value="my_group:people")
        install("people.count", {"my_commands": COMMAND}, **_FROM_ELSEWHERE)
        ended = mdm("people", "count")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            "mdm: command 'people count' is claimed by mdm-people 1.0.0 and other 1.0.0; "
            "uninstall all but one of them\n"
        )
        assert mdm("people", "--help").returncode == 0
        install("people.greet", {"my_commands": COMMAND}, **{**_FROM_ELSEWHERE, "distribution": "third"})
        install("people.greet", {}, **{**_FROM_ELSEWHERE, "distribution": "fourth"})
        assert "is claimed by fourth 1.0.0 and third 1.0.0" in mdm("people", "greet").stderr

    def test_command_that_is_no_group(self, install: Install, mdm: CommandLine) -> None:
        """A command that takes no subcommands works as before, and it is told what was left out."""
        install("greet", {"my_commands": COMMAND}, group="mdm.commands", value="my_commands:greet")
        install("greet.more", {}, **{**_FROM_ELSEWHERE, "value": "my_commands:greet"})
        ended = mdm("greet", "you")
        assert (ended.returncode, ended.stdout) == (0, "hello you\n")
        assert ended.stderr == (
            "mdm: command 'greet more' (other 1.0.0) is left out: 'greet' takes no subcommands; tell its author\n"
        )

    def test_nothing_is_added_to_ours(self, install: Install, mdm: CommandLine) -> None:
        """Core's own groups stay as they are."""
        install("dead-letter.greet", {"my_commands": COMMAND}, **_FROM_ELSEWHERE)
        assert mdm("dead-letter", "greet", "you").returncode == 2
        assert "other" not in mdm("--help").stdout + mdm("dead-letter", "--help").stdout


def _without(section: str) -> str:
    tables = {
        "source": '[source]\nuse = "toy.numbers"\n',
        "features": '[features]\nuse = "toy.fields"\n',
        "model": '[model]\nuse = "toy.threshold"\n',
        "redaction": '[redaction]\nuse = "toy.mask"\n',
    }
    return "".join(table for name, table in tables.items() if name != section)


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < until, f"{path} does not appear"
        time.sleep(0.02)


def _on_a_terminal(command: list[str], **settings: Any) -> str:
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, **settings) as running:
            os.close(theirs)
            shown = b""
            while select.select([ours], [], [], 20)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # how Linux tells that the other side is closed
                    break
        assert running.returncode == 0, shown
    finally:
        os.close(ours)
    return shown.decode()
