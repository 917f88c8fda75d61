"""The README's examples build, and its tables are complete."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mdm_core import Pipeline
from mdm_core.options import option_fields

from mdm_guards import plugin

FromToml: TypeAlias = Callable[[str], Pipeline]

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


def registered() -> dict[str, str]:
    """Give the guards by name."""
    found: dict[str, Any] = {}
    plugin.mdm_register_modulators(found.__setitem__)
    return found


class TestReadme:
    @pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
    def test_examples_build(self, from_toml: FromToml, example: str) -> None:
        """Every example is a part of a pipeline file that is built and opened."""
        with from_toml(example) as pipeline:
            assert 1 == len(pipeline.modulators)

    def test_every_guard_has_an_example(self) -> None:
        """Every component of the plugin is configured somewhere, and listed."""
        ids = {f"guards.{name}" for name in registered()}
        assert ids == {use for example in EXAMPLES for use in re.findall('use = "(.*)"', example)}
        assert ids == set(re.findall(r"^\| `(guards\.\w+)` \|", README, re.MULTILINE))

    def test_every_option_is_named(self) -> None:
        """Every option of every guard is in the README."""
        for target in registered().values():
            module, _, cls = target.partition(":")
            fields = option_fields(getattr(import_module(module), cls))
            assert [] == [field.name for field in fields if f"{field.name}" not in README]

    def test_every_reason_code_is_explained(self) -> None:
        """Every detail that a guard denies with is in the table of reason codes."""
        source = "".join(path.read_text() for path in (ROOT / "mdm_guards").glob("*.py"))
        details = set(re.findall(r'deny\(\w+, "(\w+)"', source)) | {"no_time", "no_amount", "missing", "not_a_number"}
        table = README.partition("## Flags and reason codes")[2].partition("## The guards")[0]
        assert details == {detail for detail in details if re.search(rf":{detail}`", table)}
