"""The wheels, installed into an empty environment and used from there.

Run by ``nox -s wheels``, which builds them into the folder named by ``MDM_WHEELS``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from blocks import follow, steady

ROOT = Path(__file__).parents[2]
WHEELS = Path(os.environ.get("MDM_WHEELS", ROOT / "dist"))
NEEDED = ("decision_schema", "mdm_core", "mdm_redaction", "mdm_reference", "mdm_trace_jsonl")
# What several examples share is a distribution, too, but has no pipeline.
EXAMPLES = sorted(
    p.parent.name for p in ROOT.glob("examples/*/pyproject.toml") if (p.parent / "pipeline.toml").exists()
)
NAMES = sorted(path.name.split("-")[0] for path in WHEELS.glob("*.whl"))


class Environment:
    """A virtual environment that holds nothing but what is installed into it."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin" / "python"
        self.folder = folder
        self._uv("venv", "--quiet", str(folder), "--python", sys.executable)

    def install(self, *packages: str) -> None:
        """Install wheels and what they need."""
        self._uv("pip", "install", "--quiet", "--python", str(self.python), *packages)

    def uninstall(self, name: str) -> None:
        """Uninstall a distribution."""
        self._uv("pip", "uninstall", "--quiet", "--python", str(self.python), name)

    def mdm(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run ``mdm``, isolated from the working tree."""
        command = [str(self.python), "-I", "-m", "mdm_core", *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)

    @staticmethod
    def _uv(*arguments: str) -> None:
        subprocess.run([str(_uv()), *arguments], check=True)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with every wheel of the project."""
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    made.install(*map(str, sorted(WHEELS.glob("*.whl"))))
    return made


class TestContents:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_wheel_is_typed_and_holds_no_tests(self, name: str) -> None:
        """A wheel has a py.typed marker and nothing from the test folders."""
        (path,) = WHEELS.glob(f"{name}-*.whl")
        files = ZipFile(path).namelist()
        assert [f"{files[0].split('/')[0]}/py.typed"] == [f for f in files if f.endswith("py.typed")]
        assert [] == [f for f in files if f.startswith("tests/") or "/tests/" in f or "/test_" in f]

    def test_every_distribution_is_built(self) -> None:
        """Core, contract, plugins and examples each have a wheel."""
        projects = [ROOT, ROOT / "decision-schema", *ROOT.glob("plugins/*"), *ROOT.glob("examples/*")]
        assert len([p for p in projects if (p / "pyproject.toml").exists()]) == len(NAMES)


class TestMainJob:
    def test_the_flights_are_decided_from_the_wheels(self, environment: Environment, tmp_path: Path) -> None:
        """The main job runs in an empty folder with nothing of the working tree but the pipeline and its weights."""
        for file in (ROOT / "examples" / "flights").iterdir():
            if file.suffix in (".toml", ".json") and file.name != "pyproject.toml":
                shutil.copy(file, tmp_path)
        ran = environment.mdm("run", "pipeline.toml", "--run-id", "wheels", "--limit", "20000", cwd=tmp_path)
        assert 0 == ran.returncode, ran.stderr
        assert "20,000" in ran.stdout
        shown = environment.mdm("trace", "show", "wheels", "--step", "19999", cwd=tmp_path)
        assert 0 == shown.returncode, shown.stderr

    def test_every_component_can_be_loaded(self, environment: Environment, tmp_path: Path) -> None:
        """``mdm plugins`` finds nothing broken."""
        listed = environment.mdm("plugins", cwd=tmp_path)
        assert 0 == listed.returncode
        assert "broken" not in listed.stdout


class TestExamples:
    """Each domain as its author would ship it: its wheel, those of first-party plugins, and nothing of the others."""

    @pytest.mark.parametrize("example", EXAMPLES)
    def test_an_example_runs_when_it_is_installed_alone(
        self, example: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
    ) -> None:
        """Its pipeline decides on its real data in an empty folder, with nothing of the working tree but its files."""
        folder = ROOT / "examples" / example
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        own = project["name"].replace("-", "_")
        fetches = "fetch" in project.get("optional-dependencies", {})
        made = Environment(tmp_path_factory.mktemp(example) / "venv")
        (domain,) = WHEELS.glob(f"{own}-*.whl")
        wheels = [str(p) for p in WHEELS.glob("*.whl") if p.name.split("-")[0] in (*NEEDED, "mdm_guards", "mdm_pinned")]
        made.install(*wheels, f"{domain}[fetch]" if fetches else str(domain))
        if fetches:
            fetch = [str(made.python), "-I", "-m", f"{own}.fetch", "--to", str(folder / "data")]
            subprocess.run(fetch, env=_activated(made), check=True)
        shutil.copytree(folder, tmp_path / example, ignore=_code)
        ran = made.mdm("run", f"{example}/pipeline.toml", "--limit", "300", cwd=tmp_path)
        assert 0 == ran.returncode, ran.stderr


def _code(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.startswith(("mdm_", "tests", ".", "pyproject"))}


class TestThirdParty:
    """A plugin written by following the guide alone, as its author would ship it."""

    def test_the_plugin_of_the_guide_is_built_installed_used_and_missed(
        self, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
    ) -> None:
        """From its wheel it is selected by name and decides; uninstalled, the error names it and what to do."""
        wheels = [str(p) for p in WHEELS.glob("*.whl") if p.name.split("-")[0] in NEEDED]
        made = Environment(tmp_path_factory.mktemp("author") / "venv")
        made.install(*wheels, "pytest")
        reader, steps = dict(_activated(made)), []
        for step in follow(ROOT / "docs" / "WRITE_A_PLUGIN.md", tmp_path, reader):
            steps.append(step)
            if step.code is None and "--editable" in step.command:
                made.install("--no-deps", "--editable", str(tmp_path / "mdm-moderation"))
            if step.code is None and "pytest mdm-moderation" in step.command:
                tested = [str(made.python), "-I", "-m", "pytest", "-q", "mdm-moderation"]
                ran = subprocess.run(tested, cwd=tmp_path, env=reader, capture_output=True, text=True, check=False)
                assert 0 == ran.returncode, ran.stdout
            if step.code is None and "dist/" in step.command:
                command = [str(_uv()), "build", "--quiet", "--wheel", "--out-dir", "dist", "mdm-moderation"]
                subprocess.run(command, cwd=tmp_path, check=True)
                made = Environment(tmp_path_factory.mktemp("fresh") / "venv")
                made.install(*wheels, str(tmp_path / "dist" / "mdm_moderation-0.1.0-py3-none-any.whl"))
                reader |= _activated(made)
                # Only the wheel may be there from now on.
                shutil.rmtree(tmp_path / "mdm-moderation" / "mdm_moderation")
            elif step.code is None and "pip uninstall" in step.command:
                made.uninstall("mdm-moderation")
            elif "no plugin 'moderation' is installed" in step.actual:
                break  # what follows on the page is Python for a notebook, which the tests of the docs run
        else:
            pytest.fail("the plugin was not missed")
        done = [step for step in steps if step.code is not None]
        assert [] == [step.command for step in done if steady(step.actual) != steady(step.expected)]


def _activated(environment: Environment) -> Mapping[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MDM_"))}
    return kept | {"PATH": f"{environment.folder / 'bin'}:{kept['PATH']}", "VIRTUAL_ENV": str(environment.folder)}


def _uv() -> Path:
    return Path(sys.executable).with_name("uv")
