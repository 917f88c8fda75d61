"""A plugin of each kind from `mdm new`: built, installed from its wheel, tested and used, all in one environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHEELS = Path(os.environ.get("MDM_WHEELS", ROOT / "dist"))
UV = Path(sys.executable).with_name("uv")
NEEDED = ("decision_schema", "mdm_core", "mdm_guards", "mdm_redaction", "mdm_reference", "mdm_trace_jsonl")
# As long as a name may be, so that every line that it makes longer is seen.
NAMES = {
    kind: f"{kind}-with-a-name-as-long-as-a-name-may-be"[:40].strip("-")
    for kind in ("model", "features", "source", "modulator", "broker", "sink", "redactor", "observer")
}


class Author:
    """Somebody who has the wheels of mdm, makes plugins, and installs them from their wheels.

    Args:
        folder: Where all of it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / "bin" / "python"
        self._uv("venv", str(folder / "venv"), "--python", sys.executable)
        wheels = [str(path) for path in WHEELS.glob("*.whl") if path.name.split("-")[0] in NEEDED]
        groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
        tools = [line for line in (*groups["lint"], *groups["types"]) if line.startswith(("mypy", "ruff"))]
        self.install(*wheels, *tools, "hatchling", "pytest")

    def install(self, *packages: str) -> None:
        """Install into the author's environment."""
        self._uv("pip", "install", "--python", str(self.python), *packages)

    def run(self, *module: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a module isolated: nothing of the working directory or of the user's settings is on the path."""
        command = [str(self.python), "-I", "-m", *module]
        return subprocess.run(
            command, cwd=cwd or self.folder, env=self._clean(), capture_output=True, text=True, check=False
        )

    def make(self, name: str, kind: str) -> Path:
        """Make a plugin, build its wheel and install that; what is left of its source cannot be imported."""
        made = self.run("mdm_core", "new", "plugin", name, "--kind", kind)
        assert 0 == made.returncode, made.stderr
        directory = self.folder / f"mdm-{name}"
        checked = shutil.copytree(directory, self.folder / "sources" / directory.name)
        command = [str(self.python), "-I", "-m", "hatchling", "build", "-t", "wheel", "-d", str(self.folder / "dist")]
        subprocess.run(command, cwd=directory, env=self._clean(), capture_output=True, check=True)
        shutil.rmtree(directory / directory.name.replace("-", "_"))
        assert checked.is_dir()
        return directory

    def _uv(self, *arguments: str) -> None:
        subprocess.run([str(UV), "--quiet", *arguments], check=True, env=self._clean())

    @staticmethod
    def _clean() -> Mapping[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MDM_"))}


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    """An author who has made and installed a plugin of each kind."""
    made = Author(tmp_path_factory.mktemp("author"))
    for kind, name in NAMES.items():
        made.make(name, kind)
    made.install("--no-deps", *map(str, (made.folder / "dist").glob("*.whl")))
    return made


class TestEachKind:
    @pytest.mark.parametrize("kind", NAMES)
    def test_is_selected_by_name(self, author: Author, kind: str) -> None:
        """From its wheel, the component decides, reads, acts, keeps, hides or watches in the pipeline that it has."""
        directory = author.folder / f"mdm-{NAMES[kind]}"
        ran = author.run("mdm_core", "run", "pipeline.toml", "--run-id", "one", cwd=directory)
        assert 0 == ran.returncode, ran.stderr
        assert "run one: done" in ran.stdout
        assert f'use = "{NAMES[kind]}.' in (directory / "pipeline.toml").read_text()

    @pytest.mark.parametrize("kind", NAMES)
    def test_passes_its_own_tests(self, author: Author, kind: str) -> None:
        """The tests that it comes with, contract checks included, pass against what is installed."""
        ran = author.run("pytest", "-q", cwd=author.folder / f"mdm-{NAMES[kind]}")
        assert 0 == ran.returncode, ran.stdout
        assert " passed" in ran.stdout

    @pytest.mark.parametrize("kind", NAMES)
    def test_passes_the_check_of_its_page(self, author: Author, kind: str) -> None:
        """`mdm check-plugin`, as its README has it, finds nothing."""
        directory = author.folder / f"mdm-{NAMES[kind]}"
        [command] = [line for line in (directory / "README.md").read_text().splitlines() if "check-plugin" in line]
        ran = author.run("mdm_core", *command.split()[1:], cwd=directory)
        assert 0 == ran.returncode, ran.stdout + ran.stderr
        assert "passed" in ran.stdout


class TestTogether:
    def test_all_are_typed_and_in_order(self, author: Author) -> None:
        """mypy, strictly, and ruff find nothing, however long the name is."""
        for directory in sorted((author.folder / "sources").iterdir()):
            for tool in (("ruff", "check", "."), ("ruff", "format", "--check", ".")):
                ran = author.run(*tool, cwd=directory)
                assert 0 == ran.returncode, ran.stdout
        sources = [str(path) for path in sorted((author.folder / "sources").iterdir())]
        ran = author.run("mypy", "--strict", *sources)
        assert 0 == ran.returncode, ran.stdout

    def test_doctor_finds_nothing(self, author: Author) -> None:
        """Every plugin is seen, whole, and needs nothing that is not there."""
        ran = author.run("mdm_core", "doctor")
        assert 0 == ran.returncode, ran.stdout
        assert [] == [name for name in NAMES.values() if f"plugin {name}" not in ran.stdout]

    def test_an_uninstalled_one_is_missed(self, author: Author) -> None:
        """The pipeline that names it says so; nothing of it was left behind."""
        name = NAMES["observer"]
        subprocess.run([str(UV), "-q", "pip", "uninstall", "--python", str(author.python), f"mdm-{name}"], check=True)
        ran = author.run("mdm_core", "check", "pipeline.toml", cwd=author.folder / f"mdm-{name}")
        assert 2 == ran.returncode
        assert f"no plugin '{name}' is installed" in ran.stderr
