"""The README's examples work, and it names every option."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from mdm_core.options import option_fields

from mdm_private import PrivateModel, plugin

Run: TypeAlias = "subprocess.CompletedProcess[str]"

README = (Path(__file__).parents[1] / "README.md").read_text()


class Shell(Protocol):
    """See ``conftest``."""

    folder: Path

    def __call__(self, options: str, *arguments: str, env: Mapping[str, str] | None = None) -> Run: ...

    def write(self, source: str | bytes, path: str = "_private/model.py") -> Path: ...


def blocks(language: str) -> list[str]:
    """Give the README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


class TestReadme:
    def test_the_example_decides(self, shell: Shell) -> None:
        """The example's function runs behind both of its tables, with features that it knows."""
        first, second = blocks("toml")
        table = '[model]\nuse = "private.model"\n'
        for example, path in ((first, "_private/model.py"), (second, "_private/v7/model.py")):
            assert example.startswith(table)
            shell.write(blocks("python")[0].replace("amount", "n"), path)
            run = shell(example.removeprefix(table), "run", "pipeline.toml")
            assert (0, 0) == (run.returncode, run.stderr.count("private model")), run.stderr
            assert re.search(r"failed closed +0\n", run.stdout)

    def test_the_example_from_python_can_be_made(self) -> None:
        """The lines for Python run as they stand."""
        names: dict[str, Any] = {}
        exec(blocks("python")[1], names)
        assert {"scale": 250} == names["model"].parameters

    def test_the_command_for_owners_shows_what_went_wrong(self, shell: Shell) -> None:
        """Without mdm the function's error is seen, with its line."""
        shell.write("def compute_proposal_private(features):\n    return features['missing']\n")
        (command,) = re.findall(r'^    python -c "(.*)"$', README, re.MULTILINE)
        run = subprocess.run([sys.executable, "-c", command], cwd=shell.folder, capture_output=True, text=True)
        assert '_private/model.py", line 2, in compute_proposal_private' in run.stderr
        assert "KeyError: 'missing'" in run.stderr

    def test_what_is_said_without_a_file_is_quoted(self, shell: Shell) -> None:
        """The line in the README is the line on standard error."""
        (line,) = re.findall("^    (private.model: .*)$", README, re.MULTILINE)
        assert line in shell("", "run", "pipeline.toml").stderr.splitlines()

    def test_every_option_is_named(self) -> None:
        """Every option that has a name stands in an example."""
        names = {field.name for field in option_fields(PrivateModel) if not field.info.rest}
        assert names == {name for name in names if re.search(rf"{name}\b( =|\])", "".join(blocks("toml")))}


class TestPlugin:
    def test_registers_its_component(self) -> None:
        """The component is registered by name, to be imported only when it is selected."""
        registered: list[tuple[str, type | str]] = []
        plugin.mdm_register_proposal_models(lambda name, component: registered.append((name, component)))
        assert [("model", "mdm_private.model:PrivateModel")] == registered
