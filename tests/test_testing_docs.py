"""The page about testing says what the code says."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import blocks, write_files

from mdm_core.kinds import BY_SECTION
from mdm_core.testing import mdm_check, pytest_plugin
from mdm_core.testing.catalogue import CHECKS
from mdm_core.testing.checks import Check
from mdm_core.testing.subject import Needs

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[1] / "docs" / "TESTING.md"
TEXT = PAGE.read_text(encoding="utf-8")


def kinds(check: Check) -> str:
    left = set(BY_SECTION) - set(check.sections)
    if len(left) < 2:
        return " but ".join(["all", *(f"{BY_SECTION[section].name}s" for section in left)])
    return ", ".join(f"{BY_SECTION[section].name}s" for section in check.sections)


def rows(heading: str) -> list[str]:
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| .* \|$", section, re.MULTILINE)[1:]


class TestPage:
    def test_lists_every_check_with_its_reason(self) -> None:
        """The table has a row for each check, in the order in which they are made."""
        expected = [f"| `{check.id}` | {kinds(check)} | {check.reason} |" for check in CHECKS.values()]
        assert expected == rows("The checks")

    def test_lists_every_argument(self) -> None:
        """What mdm_check takes, and what it hands on, stands in the table."""
        own = [n for n, p in inspect.signature(mdm_check).parameters.items() if p.kind is p.KEYWORD_ONLY]
        told = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows("Checks in your tests")))
        assert sorted({*own, *Needs.__annotations__}) == sorted(told)

    def test_lists_every_fixture(self) -> None:
        """The fixtures of the pytest plugin stand in the table."""
        fixtures = [name for name in vars(pytest_plugin) if name.startswith("mdm_")]
        assert fixtures == [row.split("`")[1] for row in rows("Fixtures")]

    def test_its_commands_find_nothing(self, tmp_path: Path) -> None:
        """The commands of the page are run as they stand there, on a few events."""
        (tmp_path / "events.jsonl").write_text("".join(f'{{"key": "k", "amount": {n}.0}}\n' for n in range(9)))
        commands = [line for block in blocks(PAGE) if block.language == "sh" for line in block.text.splitlines()]
        for command in commands:
            program, *arguments = shlex.split(command)
            run = [sys.executable, "-m", "mdm_core", *arguments]
            ran = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert ("mdm", 0, "") == (program, ran.returncode, ran.stderr), ran.stdout
        assert len(commands) > 2

    def test_its_tests_pass(self, pytester: pytest.Pytester) -> None:
        """The tests of the page are run as they stand there; they write their golden file."""
        write_files(blocks(PAGE), pytester.path)
        ran = pytester.runpytest_subprocess("--mdm-update-golden", "-p", "no:cacheprovider").parseoutcomes()
        assert (False, True) == ("failed" in ran, ran["passed"] > 60)
        assert 20 == len((pytester.path / "golden" / "test_decides_as_before.jsonl").read_text().splitlines())
