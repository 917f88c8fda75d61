"""The reference pages say what the code says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mdm_core
from mdm_core import contracts, hookspecs
from mdm_core.cli.main import DEBUG_VARIABLE
from mdm_core.config import CommonOptions, DurabilityOptions, ExecutionOptions, PipelineOptions
from mdm_core.kinds import KINDS
from mdm_core.options import option_fields
from mdm_core.plugins import BLOCK_VARIABLE, Registered, Registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def components() -> list[Registered]:
    registry = Registry(blocked=())
    projects = [tomllib.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob("plugins/*/pyproject.toml")]
    plugins = [name for project in projects for name in project["project"]["entry-points"].get("mdm", {})]
    return [component for plugin in plugins for component in registry.components(plugin).values()]


def mdm_help(*command: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "mdm_core", *command, "--help"], capture_output=True, text=True, check=True
    )
    return run.stdout


def subcommands(*command: str) -> list[str]:
    listed = mdm_help(*command).partition("Commands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\S+)", listed, re.MULTILINE)


class TestGenerated:
    def test_the_pages_are_current(self) -> None:
        """Writing the generated parts anew would change nothing."""
        ran = self._generate(DOCS, "--check")
        assert (ran.returncode, ran.stderr) == (0, "")

    def test_a_page_that_is_not_current_is_found_and_mended(self, tmp_path: Path) -> None:
        """A changed part makes ``--check`` fail and is written anew; a second writing changes nothing."""
        docs = tmp_path / "docs"
        shutil.copytree(DOCS, docs)
        for folder in ("plugins", "tests"):
            (tmp_path / folder).symlink_to(ROOT / folder)
        page = docs / "CLI.md"
        page.write_text(text("CLI.md").replace("End after this many events", "Never end"), encoding="utf-8")
        found = self._generate(docs, "--check")
        assert (found.returncode, found.stderr) == (1, "CLI.md is not current: run python docs/generate.py\n")
        assert self._generate(docs).stderr == "CLI.md written\n"
        assert text("CLI.md") == page.read_text(encoding="utf-8")
        assert self._generate(docs).stderr == ""

    @staticmethod
    def _generate(docs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(docs / "generate.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


class TestPluginReference:
    @pytest.mark.parametrize("hook", [name for name in vars(hookspecs) if name.startswith("mdm_")])
    def test_every_hook_is_there_with_its_signature(self, hook: str) -> None:
        """A hook that is not documented does not exist for a plugin's author."""
        assert f"### `{hook}`\n\n```python\ndef {hook}(register: Register) -> None: ..." in text("PLUGINS.md")

    @pytest.mark.parametrize("contract", [contracts.Component, *(kind.contract for kind in KINDS)])
    def test_every_method_of_a_contract_is_there(self, contract: type) -> None:
        """Each method and property has a heading of its own."""
        public = [name for name in vars(contract) if not name.startswith("_") and callable(vars(contract)[name])]
        missing = [name for name in public if f"#### `{contract.__name__}.{name}`" not in text("PLUGINS.md")]
        assert missing == []

    @pytest.mark.parametrize("name", sorted(set(mdm_core.__all__) - {"__version__"}))
    def test_every_public_name_is_there(self, name: str) -> None:
        """What can be imported from ``mdm_core`` is told of."""
        assert f"`{name}`" in text("PLUGINS.md")


class TestConfigurationReference:
    def test_every_option_is_there_and_has_help(self) -> None:
        """Each first-party component has a section, and each of its options a row with a meaning."""
        assert [problem for component in components() for problem in self._undocumented(component)] == []

    @staticmethod
    def _undocumented(component: Registered) -> Iterator[str]:
        section = text("CONFIGURATION.md").partition(f"#### `{component.id}`\n")[2].partition("\n#")[0]
        if not section:
            yield component.id
        rows = dict(re.findall(r"^\| `(\w+)` .*\| (.+) \|$", section, re.MULTILINE))
        for field in option_fields(component.load()):
            if not rows.get(field.name, "").strip():
                yield f"{component.id}: {field.name}"

    def test_every_option_of_the_pipeline_is_there(self) -> None:
        """So it is for ``[pipeline]``."""
        section = text("CONFIGURATION.md").partition("## `[pipeline]`\n")[2]
        assert [f.name for f in option_fields(PipelineOptions) if f"| `{f.name}` |" not in section] == []

    @pytest.mark.parametrize(
        ("page", "options"),
        [("EXECUTION.md", ExecutionOptions), ("GUARANTEES.md", DurabilityOptions), ("FAULTS.md", CommonOptions)],
        ids=["execution", "durability", "common"],
    )
    def test_every_option_of_core_is_there(self, page: str, options: type) -> None:
        """So it is for ``[execution]`` and for what every table may hold."""
        assert [f.name for f in option_fields(options) if f"| `{f.name}` |" not in text(page)] == []

    def test_every_section_is_there(self) -> None:
        """So it is for the sections."""
        page = text("CONFIGURATION.md").partition("## Components inside")[0]
        assert [kind.section for kind in KINDS if not re.search(rf"`\[+{kind.section}\]+`", page)] == []

    @pytest.mark.parametrize("variable", [BLOCK_VARIABLE, DEBUG_VARIABLE, "NO_COLOR"])
    def test_every_environment_variable_is_there(self, variable: str) -> None:
        """So it is for the environment."""
        assert f"| `{variable}` |" in text("CONFIGURATION.md")


class TestCommandReference:
    @pytest.mark.parametrize("command", [(), *((name,) for name in subcommands()), ("trace", "show")], ids=" ".join)
    def test_every_command_is_there_with_its_options(self, command: tuple[str, ...]) -> None:
        """What ``--help`` says of a command's options stands in its section."""
        section = text("CLI.md").partition(f"### `{' '.join(['mdm', *command])}`\n")[2].partition("\n### ")[0]
        options = re.findall(r"^  (?:-\w, )?(--[\w-]+)", mdm_help(*command), re.MULTILINE)
        assert options
        assert [option for option in options if option not in section] == []

    def test_the_subcommands_of_trace_are_there(self) -> None:
        """The commands of a plugin are documented like core's."""
        assert [name for name in subcommands("trace") if f"### `mdm trace {name}`" not in text("CLI.md")] == []

    def test_the_exit_codes_are_those_of_the_help(self) -> None:
        """Page and help list the same codes."""
        helped = re.sub(r"\s+", " ", mdm_help()).partition("Exit codes: ")[2].partition(". ")[0]
        table = text("CLI.md").partition("## Exit codes")[2].partition("## ")[0]
        assert re.findall(r"\b\d\b", helped) == re.findall(r"^\| (\d) \|", table, re.MULTILINE)


class TestArchitecture:
    def test_every_module_of_core_is_there(self) -> None:
        """Whoever looks for something in core finds the module in the table, and nothing that is gone."""
        paths = [
            path for path in (ROOT / "mdm_core").glob("*") if path.suffix == ".py" or (path / "__init__.py").exists()
        ]
        table = text("ARCHITECTURE.md").partition("| module of `mdm_core` |")[2].partition("\n\n")[0]
        modules = {path.stem for path in paths if not path.stem.startswith("_")}
        assert modules == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
