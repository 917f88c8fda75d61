"""The README tells of every option, and its example of an outcome is taken."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
SECTIONS = {
    "replay": "## mdm replay",
    "whatif": "## mdm whatif",
    "explain": "## mdm explain",
    "outcomes": "## Outcomes",
    "evaluate": "## mdm evaluate",
    "calibrate": "## mdm calibrate",
    "ope": "## Off-policy evaluation",
    "gate": "## mdm gate",
    "report": "## mdm report",
}
COMMON = {"--json", "--runs-dir", "--help"}


def options(name: str) -> set[str]:
    """The options of a command and its subcommands."""
    command = getattr(import_module(f"mdm_eval.commands.{name}"), name)
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    return {o for c in commands for p in c.params if isinstance(p, click.Option) for o in p.opts}


class TestReadme:
    @pytest.mark.parametrize("name", SECTIONS)
    def test_every_option_is_named(self, name: str) -> None:
        """Every option stands in the section of its command, or of evaluate if it is the same there."""
        section = README.partition(SECTIONS[name])[2].partition("\n## ")[0]
        shared = options("evaluate") if name != "evaluate" else set()
        assert set() == {o for o in options(name) - shared - COMMON if f"{o}" not in section}

    def test_every_command_is_listed(self) -> None:
        """The table at the beginning has every command of the distribution."""
        listed = re.findall(r"^\| `mdm (\w+)", README, re.MULTILINE)
        pyproject = (Path(__file__).parents[1] / "pyproject.toml").read_text()
        assert sorted(listed) == sorted(re.findall(r'^(\w+) = "mdm_eval\.commands', pyproject, re.MULTILINE))

    def test_the_example_is_taken(self, ran: Any, mdm: Any, tmp_path: Path) -> None:
        """The README's lines are lines that `mdm outcomes join` takes."""
        (example,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
        lines = example.replace("A17", "e17").replace("4711", "471")
        (tmp_path / "o.jsonl").write_text(lines)
        counts = mdm("outcomes", "join", "r", "o.jsonl", "--runs-dir", ran.runs_dir, "--json").json
        assert (2, {}) == (counts["joined"], counts["invalid"])
