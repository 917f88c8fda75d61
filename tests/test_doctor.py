"""`mdm doctor`: each way in which an installation is known to go wrong is found, and told with the next step."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import mdm_core
from mdm_core import __version__
from mdm_core.diagnosis import Finding, diagnose

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]
WritePipeline = Callable[..., Path]

LIGHT = """\
from mdm_core import hookimpl


@hookimpl
def mdm_register_proposal_models(register):
    register("model", "{module}:Model")
"""
MODEL = "from mdm_core import ProposalModel\nclass Model(ProposalModel):\n    def propose(self, f, c): ...\n"
COMMAND = "import click\n\n\n@click.command()\ndef command(): ...\n"
STRANGER = "High-performance HWP/HWPX/PDF/DOCX to Markdown converter (Rust-powered)"


def metadata(directory: Path, name: str, version: str, *lines: str, entries: str = "", record: str = "") -> Path:
    """Leave behind the metadata of a distribution."""
    info = directory / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join([f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *lines, ""]))
    if entries:
        (info / "entry_points.txt").write_text(entries)
    if record:
        (info / "RECORD").write_text(record)
    return info


def found(state: str, *arguments: Path) -> list[tuple[str, str]]:
    """Part and text of the findings of one state; a pipeline file may be given."""
    pipeline = arguments[0] if arguments else None
    return [(f.part, f.text) for f in diagnose(pipeline, Path("no-runs-yet")) if f.state == state]


class TestHealthy:
    """An installation in which nothing is wrong."""

    def test_nothing_is_wrong(self, toy: Path, mdm: CommandLine, write_pipeline: WritePipeline) -> None:
        """Exit code 0; what was looked at is listed with versions and places."""
        assert toy.is_dir()
        ended = mdm("doctor", write_pipeline())
        assert (0, "nothing is wrong\n") == (ended.returncode, ended.stderr)
        told = [line.split(maxsplit=1) for line in ended.stdout.splitlines()]
        assert "wrong" not in {state for state, _ in told}
        texts = [text for _, text in told]
        assert ["mdm-core", f"{__version__}, {Path(mdm_core.__file__).parent}"] in [t.split(maxsplit=1) for t in texts]
        assert any(text.startswith("plugin toy") and text.endswith("mdm-toy 1.0.0, 11 components") for text in texts)
        assert any(text.endswith("toy.numbers, toy.fields, toy.threshold, toy.mask") for text in texts)

    def test_json(self, toy: Path, mdm: CommandLine) -> None:
        """The same for programs."""
        assert toy.is_dir()
        document = json.loads(mdm("doctor", "--json").stdout)
        assert document["ok"] is True
        assert {"part": "plugin toy", "state": "ok", "text": "mdm-toy 1.0.0, 11 components"} in document["findings"]


class TestPython:
    """Which Python and which mdm."""

    def test_the_command_of_another_environment(
        self, plugin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A plugin is often not seen because it was installed next to another mdm; a link to this one is no other."""
        ours, theirs, linked = tmp_path / "ours", tmp_path / "theirs", tmp_path / "linked"
        for folder in (ours, theirs, linked):
            folder.mkdir()
        for folder in (ours, theirs):
            (folder / "mdm").write_text("#!/bin/sh\n")
            (folder / "mdm").chmod(0o755)
        (linked / "mdm").symlink_to(ours / "mdm")
        monkeypatch.setattr(sys, "executable", str(ours / "python"))
        told = ("python", f"the command mdm on your PATH is that of another environment: {theirs / 'mdm'}")
        for folder, expected in ((ours, []), (linked, []), (theirs, [told])):
            monkeypatch.setenv("PATH", str(folder))
            assert expected == [note for note in found("note") if note[0] == "python"]


class TestCore:
    """Whose mdm-core it is."""

    def test_the_project_of_the_public_index(self, plugin_dir: Path, mdm: CommandLine) -> None:
        """The other project's metadata in the place of ours is recognised and told with its summary."""
        metadata(plugin_dir, "mdm-core", "0.1.0", f"Summary: {STRANGER}")
        ended = mdm("doctor")
        assert (1, "1 wrong\n") == (ended.returncode, ended.stderr)
        [line] = [line for line in ended.stdout.splitlines() if line.startswith("wrong")]
        assert line.split(maxsplit=2)[1:] == [
            "mdm-core",
            f"mdm-core 0.1.0 in {plugin_dir} ({STRANGER}) is not mdm but another project of that name; uninstall it, "
            f"and install mdm-core from its path or wheel",
        ]

    def test_the_other_project_behind_ours(
        self, plugin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is found wherever on the path it is."""
        behind = tmp_path / "behind"
        behind.mkdir()
        metadata(behind, "mdm_core", "0.1.0")
        monkeypatch.setattr(sys, "path", [*sys.path, str(behind)])
        [(part, text)] = found("wrong")
        assert ("mdm-core", True) == (part, text.startswith(f"mdm_core 0.1.0 in {behind} (no summary) is not mdm"))

    def test_two_that_claim_the_package(self, plugin_dir: Path) -> None:
        """A distribution of another name that holds the package mdm_core is told."""
        (plugin_dir / "mdm_core").mkdir()
        (plugin_dir / "mdm_core" / "__init__.py").touch()
        metadata(plugin_dir, "converter", "0.1.0", "Summary: Converts", record="mdm_core/__init__.py,,\n")
        assert [
            (
                "mdm-core",
                f"converter 0.1.0 in {plugin_dir} (Converts) claims the package mdm_core, which is mdm-core's; "
                f"uninstall it, and install mdm-core again",
            )
        ] == found("wrong")

    def test_a_package_that_was_written_over(self, plugin_dir: Path, core_path: list[str], tmp_path: Path) -> None:
        """Where the other project's files lie over ours, doctor still runs and says so."""
        package = tmp_path / "mixed" / "mdm_core"
        shutil.copytree(Path(mdm_core.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / "__init__.py").write_text("def to_markdown(path): ...\n")
        path = os.pathsep.join([str(package.parent), str(plugin_dir), *core_path])
        ended = subprocess.run(
            [sys.executable, "-S", "-m", "mdm_core", "doctor"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert 1 == ended.returncode, ended.stderr
        assert f"{package / '__init__.py'} is not mdm's: another distribution has written over it" in ended.stdout

    def test_another_version_than_the_metadata_says(self, plugin_dir: Path) -> None:
        """What runs is not what is installed."""
        metadata(plugin_dir, "mdm-core", "0.9", entries="[console_scripts]\nmdm = mdm_core.cli:main\n")
        [(_, text)] = found("wrong")
        assert f"is {__version__}; install mdm-core again" in text


class TestSchema:
    """The contract package."""

    @pytest.mark.parametrize(
        ("version", "told"),
        [("0.3.0", "decision-schema 0.3.0 is installed, but mdm-core needs"), ("", "decision-schema cannot be used")],
    )
    def test_one_that_does_not_fit(
        self, install: Install, core_path: list[str], tmp_path: Path, version: str, told: str
    ) -> None:
        """Doctor runs without a decision-schema that fits, and says so; the rest is looked at as far as possible."""
        folder = install("a", {"a_plugin": LIGHT.format(module="a_model"), "a_model": MODEL})
        shutil.copytree(Path(__file__).parent / "standin" / "decision_schema", folder / "decision_schema")
        (folder / "decision_schema" / "version.py").write_text(f"__version__ = {version!r}\n" if version else "")
        ended = subprocess.run(
            [sys.executable, "-S", "-m", "mdm_core", "doctor"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *core_path])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert 1 == ended.returncode, ended.stderr
        [line] = [line for line in ended.stdout.splitlines() if line.startswith("wrong")]
        assert told in line
        assert "could not be looked at without a decision-schema that can be used" in ended.stdout
        assert "runs will be made by the first run" in ended.stdout


class TestRequirements:
    """What distributions need."""

    def test_what_is_missing(self, install: Install) -> None:
        """A requirement that is not installed, or not in such a version, is told; those of others are not."""
        install(
            "a",
            {"a_plugin": LIGHT.format(module="a_model"), "a_model": MODEL},
            requires=["mdm-core>=1,<2", "no-such-package>=2", "attrs<1", "click", "nothing; python_version < '3'"],
        )
        install("b", {"b": ""}, distribution="other", group="elsewhere", requires=["no-such-package"])
        assert [
            ("mdm-a 1.0.0", "no-such-package>=2 is not installed; install it"),
            ("mdm-a 1.0.0", f"attrs<1 is needed, not {_version('attrs')}; install it"),
        ] == found("wrong")

    def test_extras_are_only_noted(self, plugin_dir: Path) -> None:
        """An extra that is not there is good to know, and nothing is wrong."""
        metadata(
            plugin_dir,
            "mdm-a",
            "1.0.0",
            "Requires-Dist: mdm-core",
            'Requires-Dist: no-such-package; extra == "fast"',
            'Requires-Dist: attrs; extra == "there"',
            "Provides-Extra: fast",
            "Provides-Extra: there",
            entries="[mdm.commands]\ngreet = a_command:command\n",
        )
        (plugin_dir / "a_command.py").write_text(COMMAND)
        assert [] == found("wrong")
        assert ("mdm-a 1.0.0", "its extra [fast] is not there: no-such-package is not installed") in found("note")
        assert not any("[there]" in text for _, text in found("note"))

    def test_another_python(self, plugin_dir: Path) -> None:
        """A plugin that needs another Python, though it was installed by path."""
        metadata(plugin_dir, "mdm-a", "1.0.0", "Requires-Dist: mdm-core", "Requires-Python: >=4.2", entries="[mdm]\n")
        assert any("needs Python >=4.2, and this is 3." in text for _, text in found("wrong"))


class TestPlugins:
    """Plugins that are seen and cannot be used."""

    def test_cannot_be_imported(self, install: Install) -> None:
        """The reason is told, and the others are looked at."""
        install("a", {"a_plugin": "import no_such_module"})
        install("b", {"b_plugin": LIGHT.format(module="b_model"), "b_model": "1 / 0"})
        install("c", {"c_plugin": LIGHT.format(module="c_model"), "c_model": MODEL})
        wrong = dict(found("wrong"))
        assert "plugin 'a' (mdm-a 1.0.0) cannot be imported: ModuleNotFoundError" in wrong["plugin a"]
        assert "component 'b.model' (mdm-b 1.0.0) cannot be imported: ZeroDivisionError" in wrong["plugin b"]
        assert ("plugin c", "mdm-c 1.0.0, 1 component") in found("ok")

    def test_an_extra_would_help(self, plugin_dir: Path) -> None:
        """A module that one of the plugin's extras brings is told with that extra."""
        metadata(
            plugin_dir,
            "mdm-a",
            "1.0.0",
            "Requires-Dist: mdm-core>=1,<2",
            'Requires-Dist: google-fastlib; extra == "fast"',
            "Provides-Extra: fast",
            entries="[mdm]\na = a_plugin\n",
        )
        (plugin_dir / "a_plugin.py").write_text(LIGHT.format(module="a_model"))
        (plugin_dir / "a_model.py").write_text("import fastlib.inner\n")
        [text] = [text for part, text in found("wrong") if part == "plugin a"]
        assert text.endswith("reinstall mdm-a; its extra [fast] has it")

    @pytest.mark.parametrize(
        ("requires", "source", "told"),
        [
            (["mdm-core>=2"], LIGHT, "needs mdm-core>=2, but this is mdm-core"),
            (["decision-schema>=0.9"], LIGHT, "needs decision-schema>=0.9, but this is decision-schema"),
            ([], LIGHT.replace("proposal_models", "oracles"), "does not fit mdm-core"),
            ([], LIGHT.replace("(register)", "(register, more)"), "does not fit mdm-core"),
            ([], LIGHT.replace("@hookimpl", ""), "registers nothing"),
        ],
        ids=["core", "contract", "hook", "argument", "no hook"],
    )
    def test_does_not_fit(self, install: Install, requires: Sequence[str], source: str, told: str) -> None:
        """A plugin for another version of the hooks or contracts is told."""
        modules = {"a_plugin": source.format(module="a_model"), "a_model": MODEL}
        install("a", modules, requires=requires)
        [(part, text)] = found("wrong")
        assert ("plugin a", True) == (part, told in text)

    def test_claimed_twice(self, install: Install) -> None:
        """Two distributions that claim one plugin or one command are both named."""
        install("a", {"a_plugin": LIGHT})
        install("a", {}, value="a_plugin", distribution="other")
        install("greet", {"greets": COMMAND}, group="mdm.commands", value="greets:command", distribution="one")
        install("greet", {}, group="mdm.commands", value="greets:command", distribution="two")
        wrong = dict(found("wrong"))
        assert "is claimed by mdm-a 1.0.0 and other 1.0.0" in wrong["plugin a"]
        assert "is claimed by one 1.0.0 and two 1.0.0" in wrong["command greet"]

    def test_commands(self, install: Install) -> None:
        """A command that cannot be imported, and one that stands behind one of ours."""
        install("greet", {}, group="mdm.commands", value="no_such_module:command")
        install("runs", {"mine": COMMAND}, group="mdm.commands", value="mine:command")
        wrong = dict(found("wrong"))
        assert "No module named 'no_such_module'" in wrong["command greet"]
        assert (
            "that of mdm-runs 1.0.0 cannot be reached: mdm has a command of that name itself" == wrong["command runs"]
        )

    def test_blocked(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is noted and not imported."""
        install("a", {"a_plugin": "1 / 0"})
        monkeypatch.setenv("MDM_BLOCK_PLUGINS", "a")
        assert [] == found("wrong")
        assert {("plugin a", "blocked by MDM_BLOCK_PLUGINS"), ("environment", "MDM_BLOCK_PLUGINS is set: a")} <= set(
            found("note")
        )


class TestUnseen:
    """What was meant to be a plugin."""

    @pytest.mark.parametrize(
        ("entries", "told"),
        [
            ("[mdm_plugins]\na = a_plugin\n", "does not look at the entry-point group 'mdm_plugins'"),
            ("[mdm.plugins]\na = a_plugin\n", "does not look at the entry-point group 'mdm.plugins'"),
            ("[MDM]\na = a_plugin\n", "does not look at the entry-point group 'MDM'"),
            ("[mdm]\na.b = a_plugin\n", "no pipeline can name the plugin 'a.b'"),
            ("", "registers nothing; name its light module in [project.entry-points.mdm]"),
            ("[mdm]\nno entry point\n", "its entry points cannot be read; reinstall it"),
        ],
    )
    def test_the_reason_is_told(self, plugin_dir: Path, mdm: CommandLine, entries: str, told: str) -> None:
        """By `mdm doctor`, by `mdm plugins`, and by `mdm plugins NAME` for a plugin that is not there."""
        (plugin_dir / "a_plugin.py").write_text(LIGHT.format(module="a_model"))
        metadata(plugin_dir, "mdm-a", "1.0.0", "Requires-Dist: mdm-core>=1,<2", entries=entries)
        [text] = [text for part, text in found("wrong") if part == "unseen"]
        assert text.startswith("mdm-a 1.0.0: ")
        assert told in text
        listed, named = mdm("plugins"), mdm("plugins", "nothing")
        assert f"not seen: {text}\n" in listed.stderr
        assert (0, 2) == (listed.returncode, named.returncode)
        assert f"not seen: {text}\n" in named.stderr

    def test_others_are_left_alone(self, toy: Path, plugin_dir: Path, mdm: CommandLine) -> None:
        """A program that uses mdm as a library, and entry points that are none of mdm's business."""
        assert toy.is_dir()
        metadata(plugin_dir, "app", "1.0.0", "Requires-Dist: mdm-core>=1,<2", entries="[console_scripts]\na = b:c\n")
        metadata(plugin_dir, "mdmath", "1.0.0", entries="[mdmath.plugins]\na = b\n")
        assert [] == found("wrong")
        assert "" == mdm("plugins").stderr

    def test_a_library_that_plugins_share(self, plugin_dir: Path) -> None:
        """What another distribution requires need not register anything itself."""
        metadata(plugin_dir, "mdm-shared", "1.0.0", "Requires-Dist: mdm-core>=1,<2")
        [(_, text)] = found("wrong")
        assert text.startswith("mdm-shared 1.0.0: registers nothing")
        metadata(plugin_dir, "app", "1.0.0", "Requires-Dist: mdm_shared>=1")
        assert [] == found("wrong")


class TestRuns:
    """Where runs are kept."""

    def test_a_directory(self, plugin_dir: Path, tmp_path: Path) -> None:
        """One that is there, and one that will be."""
        (tmp_path / "runs").mkdir(mode=0o700)
        assert Finding("runs", "ok", str(tmp_path / "runs")) in diagnose(None, tmp_path / "runs")
        later = tmp_path / "later" / "runs"
        assert Finding("runs", "ok", f"{later} will be made by the first run") in diagnose(None, later)

    def test_no_directory(self, plugin_dir: Path, tmp_path: Path) -> None:
        """A file in its place, or above it."""
        (tmp_path / "runs").touch()
        told = Finding("runs", "wrong", f"{tmp_path / 'runs'} is no directory; choose another --runs-dir")
        assert told in diagnose(None, tmp_path / "runs")
        assert told in diagnose(None, tmp_path / "runs" / "inside")

    def test_open_to_everybody(self, plugin_dir: Path, tmp_path: Path) -> None:
        """Whoever can rename a run can put another in its place."""
        runs = tmp_path / "runs"
        runs.mkdir()
        runs.chmod(0o777)
        told = Finding("runs", "wrong", f"{runs} can be changed by everybody: chmod go-w {runs}")
        assert told in diagnose(None, runs)
        runs.chmod(0o1777)
        assert told not in diagnose(None, runs)

    def test_not_writable(self, plugin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """No run could begin there."""
        monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)
        [text] = [f.text for f in diagnose(None, tmp_path / "runs") if (f.part, f.state) == ("runs", "wrong")]
        assert f"{tmp_path} cannot be written to; choose another --runs-dir, or change its mode" == text


class TestPipeline:
    """What a pipeline needs here."""

    BROKER = '\n[broker]\nuse = "toy.done"\ntoken = { env = "TOY_WORD" }\n'

    def test_variables(
        self, toy: Path, write_pipeline: WritePipeline, pipeline_text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each variable that it names is told once, as set or not, and never with its value."""
        assert toy.is_dir()
        path = write_pipeline(pipeline_text + self.BROKER)
        monkeypatch.delenv("TOY_WORD", raising=False)
        assert [(str(path), "the environment variable TOY_WORD is not set; the pipeline names it")] == found(
            "wrong", path
        )
        monkeypatch.setenv("TOY_WORD", "s3cret-word")
        assert [] == found("wrong", path)
        assert (str(path), "the environment variable TOY_WORD is set") in found("ok", path)
        assert "s3cret-word" not in str(diagnose(path, Path("runs")))

    def test_problems_of_the_file(self, toy: Path, write_pipeline: WritePipeline, pipeline_text: str) -> None:
        """All that `mdm check` would say."""
        assert toy.is_dir()
        path = write_pipeline(pipeline_text.replace("threshold = 0.2", "threshold = 2").replace("toy.mask", "toi.mask"))
        texts = [text for _, text in found("wrong", path)]
        assert 2 == len(texts)
        assert "threshold: must be at most 1, got 2.0" in texts[0]
        assert "no plugin 'toi' is installed (did you mean 'toy'?)" in texts[1]

    def test_no_file(self, toy: Path, tmp_path: Path) -> None:
        """A file that is not there is one thing that is wrong."""
        assert toy.is_dir()
        path = tmp_path / "nothing.toml"
        assert [(str(path), f"{path}: no such file; give the path of a pipeline's TOML file")] == found("wrong", path)


class TestSecrets:
    """What must not be told."""

    def test_secrets_in_messages(self, install: Install, mdm: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        """Values of variables that look like secrets, and what stands before @ in a URL, are masked."""
        source = "import os\nraise RuntimeError(f\"{os.environ['SERVICE_TOKEN']} at https://me:pass-word@host/x\")\n"
        install("a", {"a_plugin": source})
        monkeypatch.setenv("SERVICE_TOKEN", "t0p-s3cret")
        for ended in (mdm("doctor"), mdm("doctor", "--json")):
            assert 1 == ended.returncode
            assert "RuntimeError: [REDACTED] at https://[REDACTED]@host/x" in ended.stdout
            assert "t0p-s3cret" not in ended.stdout + ended.stderr
            assert "pass-word" not in ended.stdout + ended.stderr

    def test_secrets_that_only_the_pipeline_names(
        self,
        toy: Path,
        install: Install,
        write_pipeline: WritePipeline,
        pipeline_text: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What the pipeline calls a secret is one, whatever its name."""
        assert toy.is_dir()
        install("a", {"a_plugin": "import os\nraise RuntimeError(os.environ['TOY_WORD'])\n"})
        monkeypatch.setenv("TOY_WORD", "s3cret-word")
        path = write_pipeline(pipeline_text + TestPipeline.BROKER)
        assert "RuntimeError: [REDACTED]" in str(found("wrong", path))
        assert "s3cret-word" not in str(found("wrong", path))

    def test_a_look_that_fails(self, plugin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is told, and the others go on."""

        def fails(_: str) -> Any:
            raise RuntimeError("no")

        monkeypatch.setattr("mdm_core.diagnosis.installed", fails)
        assert ("doctor", "a look has failed: RuntimeError: no; please report it") in found("wrong")
        assert any(part == "runs" for part, _ in found("ok"))


@pytest.fixture
def pipeline_text(write_pipeline: WritePipeline) -> str:
    """The pipeline of toy components."""
    return write_pipeline().read_text(encoding="utf-8")


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)
