"""`mdm new plugin`: what it makes works as it is; the tests of the wheels build and install it for real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from mdm_core.cli.main import main
from mdm_core.kinds import KINDS
from mdm_core.scaffolding import _OURS, BLUEPRINTS, missing_needs

ROOT = Path(__file__).parents[1]
KIND_NAMES = ("model", "features", "source", "modulator", "broker", "sink", "redactor", "observer")

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin of each kind, with what pip leaves behind when it is installed."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        for kind in KIND_NAMES:
            patch.setattr(sys, "argv", ["mdm", "new", "plugin", f"made-{kind}", "--kind", kind, "--dir", str(folder)])
            with pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code
            _install(folder / f"mdm-made-{kind}")
    return folder


class TestMade:
    """What a new plugin is."""

    def test_every_kind_of_component_can_be_begun(self) -> None:
        """There is a template for each kind that core knows."""
        assert KIND_NAMES == tuple(BLUEPRINTS)
        assert {kind.section for kind in KINDS} == {blueprint.section for blueprint in BLUEPRINTS.values()}

    def test_all_of_them_pass_their_tests(self, made: Path) -> None:
        """Found by their entry points, selected by name in a run, each passes the tests that it comes with."""
        plugins = [made / f"mdm-made-{kind}" for kind in KIND_NAMES]
        path = os.pathsep.join(map(str, [*plugins, ROOT]))
        command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider"]
        ran = subprocess.run(
            [*command, "-W", "error", *(str(plugin / "tests") for plugin in plugins)],
            cwd=made,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == ran.returncode, ran.stdout
        passed = re.search(r"(\d+) passed", ran.stdout)
        assert passed is not None
        assert int(passed[1]) >= 5 * len(KIND_NAMES)
        assert "failed" not in ran.stdout

    @pytest.mark.parametrize("kind", KIND_NAMES)
    def test_files(self, made: Path, kind: str) -> None:
        """A whole distribution: project, typed package, tests, pipeline with events, page, CI; nothing is left open."""
        plugin = made / f"mdm-made-{kind}"
        files = {str(path.relative_to(plugin)) for path in plugin.rglob("*") if path.is_file()}
        package = f"mdm_made_{kind}"
        assert {
            ".github/workflows/ci.yml",
            ".gitignore",
            "README.md",
            "pipeline.toml",
            "pyproject.toml",
            f"{package}/__init__.py",
            f"{package}/plugin.py",
            f"{package}/py.typed",
            f"{package}/{BLUEPRINTS[kind].component}.py",
            f"tests/test_{package}.py",
            BLUEPRINTS[kind].events,
        } == {file for file in files if "dist-info" not in file and "__pycache__" not in file}
        open_ends = re.compile(r"\$\w|\$\{(?!\{)")
        left = [file for file in files if open_ends.search((plugin / file).read_text(errors="ignore"))]
        assert [] == left

    @pytest.mark.parametrize("kind", KIND_NAMES)
    def test_project(self, made: Path, kind: str) -> None:
        """The entry point names the light module, and no index takes the plugin before a licence was chosen."""
        project = tomllib.loads((made / f"mdm-made-{kind}" / "pyproject.toml").read_text())["project"]
        assert {"mdm": {f"made-{kind}": f"mdm_made_{kind}.plugin"}} == project["entry-points"]
        assert "Private :: Do Not Upload" in project["classifiers"]
        assert "license" not in project
        assert ["attrs>=23.2", "decision-schema>=0.1,<0.3", "mdm-core>=1,<2"] == project["dependencies"]

    @pytest.mark.parametrize("kind", KIND_NAMES)
    def test_nobody_has_to_guess(self, made: Path, kind: str) -> None:
        """Page and CI say that mdm is not on the public index and what the pipeline needs; the page says what to do."""
        plugin = made / f"mdm-made-{kind}"
        page, ci = (plugin / "README.md").read_text(), (plugin / ".github/workflows/ci.yml").read_text()
        for text in (page, ci):
            assert "mdm-core" in text
            assert all(distribution in text for distribution in BLUEPRINTS[kind].needs)
        assert "Choose a licence" in page
        assert f'use = "made-{kind}.{BLUEPRINTS[kind].component}"' in page
        assert "${{ matrix.python }}" in ci


class TestCommand:
    """The command itself."""

    def test_says_what_it_has_made(self, mdm: CommandLine, tmp_path: Path) -> None:
        """Files on standard output, the next step on standard error."""
        ended = mdm("new", "plugin", "mdm-weather", "--kind", "model", "--dir", "plugins")
        assert 0 == ended.returncode
        files = sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "plugins").rglob("*") if p.is_file())
        assert files == sorted(ended.stdout.splitlines())
        assert "next: cd plugins/mdm-weather && " in ended.stderr
        assert "choose a licence" in ended.stderr

    def test_says_what_its_pipeline_needs(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """A distribution that is not installed is named; of those that are, nothing is said."""
        blueprint = attrs.evolve(BLUEPRINTS["observer"], needs=("mdm-reference", "mdm-nowhere"))
        assert ["mdm-nowhere"] == missing_needs(blueprint)
        monkeypatch.setitem(BLUEPRINTS, "observer", blueprint)
        monkeypatch.setattr(
            sys, "argv", ["mdm", "new", "plugin", "weather", "--kind", "observer", "--dir", str(tmp_path)]
        )
        with pytest.raises(SystemExit):
            main()
        assert capsys.readouterr().err.endswith(
            "its tests and its pipeline need mdm-nowhere besides: install that first\n"
        )

    @pytest.mark.parametrize(
        "name",
        ["foo", "test-2", "example", "my-plugin", "mdm-plugin", "name-of-plugin", "your-new-model", "x", "mdm-y"],
    )
    def test_refuses_placeholders(self, mdm: CommandLine, tmp_path: Path, name: str) -> None:
        """A name that says nothing would end up in pipelines."""
        ended = mdm("new", "plugin", name, "--kind", "model")
        assert (2, "") == (ended.returncode, ended.stdout)
        assert (
            f"mdm: {name!r} says nothing about the plugin: name it after what it is for, such as 'weather'\n"
            == ended.stderr
        )
        assert not (tmp_path / f"mdm-{name.removeprefix('mdm-')}").exists()

    @pytest.mark.parametrize("name", ["mdm", "core", "mdm-core", "reference", "mdm-trace-jsonl", "guards"])
    def test_refuses_our_names(self, mdm: CommandLine, name: str) -> None:
        """Two distributions that claim one name would shut each other out."""
        ended = mdm("new", "plugin", name, "--kind", "model")
        assert 2 == ended.returncode
        assert f"mdm: {name!r} belongs to mdm itself: name the plugin after what it is for" in ended.stderr

    def test_our_names_are_all_there(self) -> None:
        """Every plugin of this repository is refused."""
        ours = [path.parent.name.removeprefix("mdm-") for path in ROOT.glob("plugins/*/pyproject.toml")]
        assert [] == [name for name in ours if name not in _OURS]

    @pytest.mark.parametrize(
        ("name", "better"),
        [
            ("Weather", "weather"),
            ("my weather", "my-weather"),
            ("weather_now", "weather-now"),
            ("../weather", "weather"),
            ("7days", "days"),
            ("weather-", "weather"),
            ("air--log", "air-log"),
            ("", "weather"),
            ("wetter\n", "wetter"),
            ("größe", "gr-e"),
            ("9x", "weather"),
            ("My Plugin", "weather"),
            ("w" * 41, "w" * 40),
        ],
    )
    def test_refuses_what_is_no_name(self, mdm: CommandLine, tmp_path: Path, name: str, better: str) -> None:
        """The message has a name that would do, and nothing is made."""
        before = set(tmp_path.rglob("*"))
        ended = mdm("new", "plugin", name, "--kind", "model")
        assert 2 == ended.returncode
        assert "cannot be a plugin's name: use up to 40 small letters, digits and single '-'" in ended.stderr
        assert ended.stderr.endswith(f"such as {better!r}\n")
        assert before == set(tmp_path.rglob("*"))

    def test_refuses_a_plugin_that_is_installed(self, toy: Path, mdm: CommandLine) -> None:
        """It is told where it comes from."""
        assert toy.is_dir()
        assert (
            "mdm: the plugin 'toy' is installed already, from mdm-toy 1.0.0: choose another name, or uninstall that "
            "first\n" == mdm("new", "plugin", "toy", "--kind", "model").stderr
        )

    def test_refuses_a_directory_that_is_there(self, mdm: CommandLine, tmp_path: Path) -> None:
        """Nothing is written over."""
        (tmp_path / "mdm-weather").mkdir()
        ended = mdm("new", "plugin", "weather", "--kind", "model")
        assert (2, "") == (ended.returncode, ended.stdout)
        assert "mdm: mdm-weather: is there already; choose another name, or another --dir\n" == ended.stderr
        assert [] == list((tmp_path / "mdm-weather").iterdir())

    def test_refuses_a_place_that_is_no_directory(self, mdm: CommandLine, tmp_path: Path) -> None:
        """A file in the place of --dir is told."""
        (tmp_path / "taken").touch()
        ended = mdm("new", "plugin", "weather", "--kind", "model", "--dir", "taken")
        assert 2 == ended.returncode
        assert "mdm: taken/mdm-weather: cannot be made: Not a directory; choose another --dir\n" == ended.stderr

    @pytest.mark.parametrize("arguments", [["--kind", "modle"], []])
    def test_refuses_what_is_no_kind(self, mdm: CommandLine, arguments: list[str]) -> None:
        """The kinds are listed."""
        ended = mdm("new", "plugin", "weather", *arguments)
        assert 2 == ended.returncode
        assert all(kind in ended.stderr for kind in KIND_NAMES)


def _install(plugin: Path) -> None:
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    info = plugin / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {line}\n" for line in project["dependencies"])
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{requires}"
    (info / "METADATA").write_text(metadata)
    [(name, value)] = project["entry-points"]["mdm"].items()
    (info / "entry_points.txt").write_text(f"[mdm]\n{name} = {value}\n")
