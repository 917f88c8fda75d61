"""The pages are followed as a reader would: in an empty folder, with the commands as they are written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from blocks import Step, blocks, follow, steady, write_files

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md")])
TYPED = [
    ROOT / "README.md",
    *(DOCS / f"{page}.md" for page in ("QUICK_START", "PACKET", "SHADOW", "PUBLIC_RELEASE_GUIDE")),
]
GUIDE = DOCS / "WRITE_A_PLUGIN.md"


def environment() -> dict[str, str]:
    """The environment of somebody who has activated the virtual environment that runs the tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


def name(page: Path) -> str:
    return page.stem


def problems(steps: Iterator[Step]) -> list[str]:
    """What differs from the page; an exit code other than 0 must come with mdm's one-line message."""
    found = []
    for step in steps:
        if steady(step.expected) != steady(step.actual):
            found.append(f"line {step.line}: {step.command}\nprints:\n{step.actual}\nand not:\n{step.expected}")
        code = 2 if _is_refusal(step.actual) else 0
        if step.code not in (None, code):
            found.append(f"line {step.line}: {step.command}\nends with exit code {step.code}, not {code}")
    return found


def _is_refusal(output: str) -> bool:
    lines = output.splitlines()
    return bool(lines) and lines[-1].startswith("mdm: ")


class TestPages:
    @pytest.mark.parametrize("page", TYPED, ids=name)
    def test_what_a_page_says_is_what_happens(self, page: Path, tmp_path: Path) -> None:
        """Every command and every Python block of a page prints what stands there."""
        assert problems(follow(page, tmp_path, environment())) == []

    @pytest.mark.parametrize("page", TYPED, ids=name)
    def test_a_page_has_something_to_follow(self, page: Path, tmp_path: Path) -> None:
        """A page whose blocks were not recognised would pass unread."""
        assert any(step.code == 0 for step in follow(page, tmp_path, environment()))

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_code_is_code(self, page: Path) -> None:
        """Every Python block compiles and every TOML block is TOML."""
        for block in blocks(page):
            if block.language == "python":
                compile(block.text, f"{page.name}:{block.line}", "exec")
            elif block.language == "toml":
                tomllib.loads(block.text)


class TestGuide:
    """Only what pip does is played here; the wheels' own tests build and install the plugin for real."""

    def test_the_plugin_is_made_tested_used_and_missed(self, tmp_path: Path) -> None:
        """Whoever follows the guide sees what it says, up to the message after the plugin was uninstalled."""
        reader = environment()
        plugin, steps, passed = tmp_path / "mdm-moderation", [], []
        for step in follow(GUIDE, tmp_path, reader):
            steps.append(step)
            if step.code is not None:
                continue
            if "--editable" in step.command:
                self._install(plugin)
                reader["PYTHONPATH"] = str(plugin)
            if "pytest mdm-moderation" in step.command:
                passed.append(self._tested(tmp_path, reader))
            if "pip uninstall" in step.command:
                del reader["PYTHONPATH"]
        assert problems(iter(steps)) == []
        assert any("no plugin 'moderation' is installed" in step.actual for step in steps)
        assert len(passed) == 2
        assert min(passed) > 30, "the template's tests and the reader's own, contract checks included"

    @staticmethod
    def _tested(folder: Path, reader: dict[str, str]) -> int:
        command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "mdm-moderation"]
        ran = subprocess.run(command, cwd=folder, env=reader, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout
        return int(re.findall(r"(\d+) passed", ran.stdout)[0])

    def test_its_code_is_typed(self, tmp_path: Path) -> None:
        """Every function of the plugin says what it takes and gives."""
        write_files(blocks(GUIDE), tmp_path)
        untyped = [
            line
            for path in tmp_path.glob("mdm-moderation/mdm_moderation/*.py")
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip().startswith("def ") and "->" not in line
        ]
        assert untyped == []
        assert len(list(tmp_path.glob("mdm-moderation/mdm_moderation/*.py"))) > 3

    @staticmethod
    def _install(folder: Path) -> None:
        """Leave behind what pip leaves behind, as the guide's own pyproject.toml says."""
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        requires = "".join(f"Requires-Dist: {line}\n" for line in project["dependencies"])
        metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n{requires}"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        entries = "".join(f"{plugin} = {value}\n" for plugin, value in project["entry-points"]["mdm"].items())
        (info / "entry_points.txt").write_text(f"[mdm]\n{entries}", encoding="utf-8")


class TestDemo:
    def test_the_readme_shows_what_the_demo_prints(self, tmp_path: Path) -> None:
        """The README's excerpt is the summary of the main job, apart from times and files: here it keeps no trace."""
        shown = next(b.text for b in blocks(ROOT / "README.md") if b.title == "output" and "336,776" in b.text)
        flights = ROOT / "examples" / "flights"
        pipeline = (flights / "pipeline.toml").read_text(encoding="utf-8")
        (tmp_path / "pipeline.toml").write_text(pipeline.replace('[[trace]]\nuse = "trace-jsonl.packets"', ""))
        shutil.copy(flights / "weights.json", tmp_path)
        ran = subprocess.run(
            ["mdm", "run", "pipeline.toml", "--run-id", "demo"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert self._without_files(shown) == self._without_files(ran.stdout)

    @staticmethod
    def _without_files(summary: str) -> list[str]:
        return [line for line in steady(summary).splitlines() if not line.startswith(" written to")]
