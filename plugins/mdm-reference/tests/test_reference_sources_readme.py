"""The README's examples are checked against the components that they configure."""

import re
import tomllib
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from mdm_core.kinds import BY_SECTION, KINDS, Kind, kind_of
from mdm_core.options import option_fields

from mdm_reference import plugin

README = (Path(__file__).parents[1] / "README.md").read_text()
TABLES = [
    (section, table)
    for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    for section, table in tomllib.loads(block).items()
]
OURS = ("jsonl", "csv", "memory", "exit_policy", "paper", "null", "file")


def registered() -> dict[str, dict[str, str]]:
    """Give all components of the plugin by hook and name."""
    found: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        if hasattr(plugin, kind.hook):
            getattr(plugin, kind.hook)(found.setdefault(kind.hook, {}).__setitem__)
    return found


def load(target: str) -> type:
    """Import a component."""
    module, _, name = target.partition(":")
    cls: type = getattr(import_module(module), name)
    return cls


def build(kind: Kind, table: dict[str, Any]) -> object:
    """Make the component that a table describes, its children first."""
    options = dict(table)
    cls = load(registered()[kind.hook][options.pop("use").removeprefix("reference.")])
    fields = {field.name: field for field in option_fields(cls)}
    assert set() == options.keys() - fields.keys()
    return cls(
        **{
            name: build(kind_of(fields[name].type), value) if fields[name].child else fields[name].convert(value)
            for name, value in options.items()
        }
    )


class TestReadme:
    @pytest.mark.parametrize(("section", "table"), TABLES, ids=[table["use"] for _, table in TABLES])
    def test_examples(self, section: str, table: dict[str, Any]) -> None:
        """Every example names a component that is registered for its section, and only options that it takes."""
        assert isinstance(build(BY_SECTION[section], table), BY_SECTION[section].contract)

    def test_every_component_is_listed_once(self) -> None:
        """The list at the top has every component of the plugin, once, and nothing else."""
        ids = [f"reference.{name}" for components in registered().values() for name in components]
        assert Counter(ids) == Counter(re.findall(r"^\| `(reference\.\w+)` \|", README, re.MULTILINE))

    @pytest.mark.parametrize("name", OURS)
    def test_every_option_is_explained(self, name: str) -> None:
        """Every option of a source, the exit policy or a broker is in the README."""
        targets = {n: t for components in registered().values() for n, t in components.items()}
        missing = [field.name for field in option_fields(load(targets[name])) if field.name not in README]
        assert [] == missing

    def test_python(self) -> None:
        """The Python example runs, and proposes something."""
        code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
        names: dict[str, Any] = {}
        exec(code[0], names)
        assert 0 <= names["proposal"].confidence <= 1
