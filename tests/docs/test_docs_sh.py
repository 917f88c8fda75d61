"""Commands that pages show without what they print are run all the same: they are to be found, and to end well.

They stand in blocks ``sh``, and indented in the READMEs of plugins. RUN and OTHER are runs that were made before; what
is not run here stands in ``LEFT``, with the reason. So it is with parts of pipeline files and of programs.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from math import exp
from pathlib import Path
from typing import Any

import pytest
from blocks import blocks
from click.testing import CliRunner
from mdm_reference import JsonlSource
from test_docs_links import PAGES
from test_docs_pages import DOCS, ROOT, environment

from mdm_core import Build
from mdm_core.cli.main import cli

FULL = "MDM_FULL" in os.environ
DOMAINS = DOCS / "domains"
READMES = sorted(ROOT.glob("plugins/*/README.md"))
_PLAYED = "the guide's and the tutorial's own tests play it, and the wheels' tests make environments and install"
_DOMAIN = "the example's own tests run it on the real data, and compare what it prints with the README"
# How a line begins, and why it is not run here.
LEFT = {
    "./dev ": "it sets up, runs or tests all of the checkout, from the network",
    ". ": _PLAYED,
    "deactivate": _PLAYED,
    "export MDM=": _PLAYED,
    "mkdir ": _PLAYED,
    "python3 -m venv ": _PLAYED,
    "python -m pytest ": _PLAYED,
    "python -m pip ": f"pip asks an index for what others publish; {_PLAYED}",
    "pip install ": "pip asks an index for what others publish; the paths are looked at below",
    "python -m build": "it asks an index for the tools that build",
    "python -m tarfile ": "it shows what the line before has built",
    "python -m zipfile ": "it shows what the line before has built",
    "python -m mdm_": f"it fetches packages from a registry; {_DOMAIN}",
    "mdm run examples/": _DOMAIN,
    "mdm evaluate ": _DOMAIN,
    "mdm check-plugin ": "the tests of the page about testing run it",
    "python benchmarks/": "a benchmark, which takes long",
    "python -c ": "it needs the reader's own private model",
}
_INDENTED = re.compile(r"^ {4}((?:mdm|pip|python) .*)", re.MULTILINE)
_RUN = re.compile(r"\bRUN\b")

PIPELINE = """\
[pipeline]
key = "key"
timestamp = "at"
id = "id"
outcome = "late"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
include = ["x"]
stats = []

[model]
use = "reference.logistic"
weights = { x = 1.0 }

[[modulators]]
use = "guards.cooldown"
duration = "1s"

[broker]
use = "reference.paper"

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "redaction.keys"
"""
MODEL = '[model]\nuse = "reference.logistic"\nweights = { x = 1.0 }\n'
# Components of examples that nobody has: one that a model can stand in for, and one with options of its own.
NOT_THERE = "moderation.toxicity|native.model"
LACKING = "calibration.isotonic|payments.rest"
# What a command needs, and the run that has it.
RUNS = {"mdm ope --value": "worth", "mdm ope": "explored", "--positive late": "worded"}
EXPLORING = 'use = "reference.explore"\nepsilon = 0.3\n\n[model.model]\nuse = "reference.logistic"'


def place(page: Path) -> str:
    return str(page.relative_to(ROOT))


def lines(page: Path) -> list[str]:
    """The lines of a page that are typed into a shell, where the page does not show what they print."""
    text = "".join(f"{block.text}\n" for block in blocks(page) if block.language == "sh")
    found = [line for line in text.replace("\\\n", " ").splitlines() if line]
    if page in READMES:
        shown = [block.text for block in blocks(page) if block.language == "console" and not block.title]
        found += [line.removeprefix("$ ") for line in "".join(shown).splitlines()]
        found += _INDENTED.findall(page.read_text(encoding="utf-8"))
    return found


def left(page: Path, line: str) -> str | None:
    """How a line begins that is not run here, or None."""
    begin = next((begin for begin in LEFT if line.startswith(begin)), None)
    own = LEFT.get(begin or "") == _DOMAIN
    return None if own and not page.is_relative_to(DOMAINS) else begin


def typed(page: Path) -> list[str]:
    """The lines that are run here."""
    return list(dict.fromkeys(line for line in lines(page) if left(page, line) is None))


TYPED = [page for page in PAGES if typed(page)]


def events(outcome: str) -> Iterator[str]:
    """Events of 2013 and of 2026 that end as likely as the model says: a truth, a word, or what it is worth to act."""
    chance = random.Random(7)
    for n in range(4800):
        x, at = chance.gauss(-2, 6), (1_370_044_800_000 if n < 3200 else 1_767_225_600_000) + n * 1_800_000
        late = chance.random() < 1 / (1 + exp(-x))
        came = {"truth": late, "word": "late" if late else "in time", "worth": 3.0 if late else -1.0}[outcome]
        event = {"id": f"A{n}", "key": f"k{n % 7}", "at": at, "carrier": "AU"[n % 2], "x": round(x, 3), "late": came}
        yield json.dumps(event) + "\n"


def _charged_back(line: str) -> str:
    event = json.loads(line)
    return f"{event['id']},{json.dumps(event['late'])},{event['at'] + 86_400_000}\n"


def mdm(folder: Path, *words: str) -> str:
    """What a command of mdm prints that must end with 0, or with 1 where it judges."""
    with chdir(folder):
        ran = CliRunner().invoke(cli, words, prog_name="mdm")
    assert ran.exit_code in ((0, 1) if words[0] == "gate" else (0,)), (words, ran.stderr, ran.exception)
    return ran.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has run a few pipelines, and heard what came of it."""
    folder = tmp_path_factory.mktemp("shell")
    exploring = PIPELINE.replace('use = "reference.logistic"', EXPLORING).replace(
        "weights", "# of the model inside\nweights"
    )
    files = {
        "events.jsonl": "".join(events("truth")),
        "words.jsonl": "".join(events("word")),
        "worth.jsonl": "".join(events("worth")),
        "other.jsonl": "".join(list(events("truth"))[:50]),
        "pipeline.toml": PIPELINE,
        "live.toml": PIPELINE.replace("events.jsonl", "-"),
        "next.toml": PIPELINE.replace("weights", "threshold = 0.45\nweights"),
        "other.toml": exploring.replace("epsilon = 0.3", "epsilon = 0.0"),
        "explored.toml": exploring,
        "worded.toml": PIPELINE.replace("events.jsonl", "words.jsonl"),
        "worth.toml": exploring.replace("events.jsonl", "worth.jsonl"),
        "outcomes.csv": "event_id,outcome,time\nA17,true,2013-06-02T00:00:00Z\n",
        "chargebacks.csv": "event_id,outcome,time\n" + "".join(map(_charged_back, events("truth"))),
        "reviews.jsonl": '{"step": 4711, "verdict": "right", "time": "2026-04-30T00:00:00Z"}\n',
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "judged.toml").write_text(PIPELINE, encoding="utf-8")
    for run in ("judged", "other", "explored", "worded", "worth"):
        mdm(folder, "run", f"{run}.toml", "--run-id", run)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(prepared, tmp_path / "reader", symlinks=True))


def follow(line: str, folder: Path, run: str = "judged") -> None:
    """Type a line, with the name of a run in the place of RUN."""
    run = next((name for words, name in RUNS.items() if all(word in line for word in words.split())), run)
    command, _, file = _RUN.sub(run, line).replace("OTHER", "other").partition(" > ")
    said = mdm(folder, *shlex.split(shorter(command), comments=True)[1:])
    if file:
        (folder / file.split()[0]).write_text(said, encoding="utf-8")


def shorter(command: str) -> str:
    """The same about the first flights of the year, unless MDM_FULL is set; elsewhere there are 4,800 steps."""
    command = command.replace("336000", "4711")
    if "flights" not in command or FULL:
        return command
    limit = " --limit 3000" if command.startswith("mdm run ") else ""
    return command.replace("2013-07-01", "2013-01-02") + limit


@contextmanager
def going_on(folder: Path) -> Iterator[str]:
    """A run that waits for the next line of its standard input."""
    command = [sys.executable, "-m", "mdm_core", "run", "live.toml", "--run-id", "live"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdin=-1, stdout=-1, stderr=-1, text=True) as run:
        assert run.stdin is not None
        run.stdin.write(next(events("truth")))
        run.stdin.flush()
        packets = folder / "runs" / "live" / "traces.jsonl"
        while not (packets.exists() and packets.stat().st_size) and run.poll() is None:
            time.sleep(0.01)
        yield "live"
        _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said


class TestShell:
    @pytest.mark.parametrize(
        "page", [page for page in TYPED if page.stem not in ("EXECUTION", "GUARANTEES")], ids=place
    )
    def test_every_command_ends_well(self, page: Path, folder: Path) -> None:
        """Whoever types what stands on the page is refused nothing."""
        for line in typed(page):
            follow(line, folder)

    def test_a_run_is_stopped_and_released(self, folder: Path) -> None:
        """The commands of the page about acting are given to a run that is going on."""
        with going_on(folder) as run:
            for line in typed(DOCS / "EXECUTION.md"):
                follow(line, folder, run)
        journal = (folder / "runs" / "live" / "journal.jsonl").read_text(encoding="utf-8")
        assert ["stop", "release"] == re.findall(r'"name":"(stop|release)"', journal)

    def test_a_run_is_gone_on_with(self, folder: Path) -> None:
        """The commands of the page about guarantees: the disk is full in the middle of the run, and then no longer."""
        first, second, *others = typed(DOCS / "GUARANTEES.md")
        full = ["bash", "-c", f"ulimit -f 400; {first}"]
        died = subprocess.run(full, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
        assert died.returncode == 1, died.stderr
        follow(second, folder)
        summary = json.loads((folder / "runs" / "R" / "summary.json").read_text(encoding="utf-8"))
        assert ("done", 4800) == (summary["status"], summary["decided"])
        for line in others:
            follow(line, folder)

    def test_every_line_is_run_or_left_with_a_reason(self) -> None:
        """Nothing else stands in a shell block than commands of mdm and what is left, and no reason is out of use."""
        found = [(page, line) for page in PAGES for line in lines(page)]
        assert [] == [line for page, line in found if left(page, line) is None and not line.startswith("mdm ")]
        assert {*LEFT} == {left(page, line) for page, line in found} - {None}
        assert len([page for page, line in found if left(page, line) is None]) > 40

    @pytest.mark.parametrize("page", sorted(DOMAINS.glob("*.md")), ids=lambda page: page.stem)
    def test_commands_of_a_domain_are_those_of_its_readme(self, page: Path) -> None:
        """What is left to the example's own tests stands in the README that they follow."""
        shown = [line for line in lines(page) if line.startswith(("mdm ", "python "))]
        [readme] = {*re.findall(r"\((\S+/README\.md)\)", page.read_text(encoding="utf-8"))}
        text = (DOMAINS / readme).read_text(encoding="utf-8")
        assert [] == [line for line in shown if f"    {line}\n" not in text]
        assert len(shown) > 2


class TestParts:
    """Blocks that are a part of something: of a pipeline file, or of a program."""

    @pytest.mark.parametrize("page", ["CONFIGURATION", "EXECUTION", "FAULTS"])
    def test_a_part_of_a_pipeline_makes_it_another_that_is_fine(self, page: str, folder: Path) -> None:
        """What is shown of a table is taken, in a pipeline whose model stands in for that of the example."""
        parts = [block.text for block in blocks(DOCS / f"{page}.md") if block.language == "toml"]
        parts = [re.sub(NOT_THERE, "reference.logistic", part) for part in parts if not re.search(LACKING, part)]
        for part in parts:
            whole = PIPELINE.replace(MODEL, part) if "[model]" in part else PIPELINE + part
            (folder / "part.toml").write_text(whole, encoding="utf-8")
            assert "part.toml: fine" in mdm(folder, "check", "part.toml")
        assert parts

    def test_the_program_of_the_page_about_acting_decides_as_the_run_did(self, folder: Path) -> None:
        """What it makes of events and journal is what the trace says."""
        [block] = [block for block in blocks(DOCS / "EXECUTION.md") if block.language == "python"]
        names: dict[str, Any] = {}
        exec(block.text, names)
        told = [json.loads(line) for line in mdm(folder, "trace", "show", "judged", "--json").splitlines()]
        source = JsonlSource(path="events.jsonl")
        source.open(Build(base_dir=folder))
        records = list(source.records())
        source.close()
        decisions = names["decide_again"](folder / "runs" / "judged", folder / "pipeline.toml", "judged", records)
        assert [packet["final_action"]["action"] for packet in told] == [d.final.action.value for d in decisions]
        assert len(told) == 4800


class TestInstalling:
    @pytest.mark.parametrize("page", PAGES, ids=place)
    def test_paths_are_given_together_with_what_they_need(self, page: Path) -> None:
        """No page leaves one of our distributions to the index, and each path and each extra is there."""
        text = page.read_text(encoding="utf-8")
        found = re.findall(r"pip install ((?:\S+ )*?[\"']?(?:\$MDM/|\./)[^\n`]*)", text)
        projects = [_project(word) for line in found for word in shlex.split(line) if word.startswith(("$MDM", "."))]
        needed = {re.split(r"[<>=\[ ]", need)[0] for project in projects for need in project["dependencies"]}
        assert set() == (needed & OWN) - {project["name"] for project in projects}


def _project(word: str) -> dict[str, list[str]]:
    path, _, extras = word.removesuffix("]").partition("[")
    folder = Path(path.replace("$MDM", str(ROOT)) if path.startswith("$MDM") else ROOT / path)
    project: dict[str, list[str]] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {*filter(None, extras.split(","))} <= {*project.get("optional-dependencies", {})}, word
    return project


OWN = {
    tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"]
    for pattern in ("pyproject.toml", "decision-schema/pyproject.toml", "*/*/pyproject.toml")
    for path in ROOT.glob(pattern)
}
