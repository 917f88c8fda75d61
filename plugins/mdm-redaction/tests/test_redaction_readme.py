"""The README's examples work, and its tables are complete."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from mdm_core.options import option_fields

from mdm_redaction import plugin
from mdm_redaction.by_value import detectors
from mdm_redaction.formats import FORMATS
from mdm_redaction.personal import KINDS

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def registered() -> dict[str, type | str]:
    """Give the redactors by name."""
    found: dict[str, type | str] = {}
    plugin.mdm_register_redactors(found.__setitem__)
    return found


def table() -> str:
    """Write the table of what is found, from the detectors' own list."""
    by_name = {d.name: d.kind for group in detectors(["secrets", *KINDS], lambda _: False) for d in group}
    services = ", ".join(known.service for known in FORMATS)
    for known in FORMATS:
        by_name.pop(known.service)
    ids = [name for name, kind in by_name.items() if kind == "national_id" and not name.startswith("without")]
    rows = [(kind, name) for name, kind in by_name.items() if kind != "national_id"]
    rows.insert(
        1 + max(i for i, (kind, _) in enumerate(rows) if kind == "secrets"),
        ("secrets", f"keys and tokens that begin as those of {services}"),
    )
    rows.append(("national_id", ", ".join(ids)))
    return "\n".join(["| kind | found |", "|---|---|", *(f"| `{kind}` | {name} |" for kind, name in rows)]) + "\n"


class TestReadme:
    def test_every_redactor_has_an_example_and_is_listed(self) -> None:
        """Every component of the plugin is configured somewhere, and listed."""
        ids = {f"redaction.{name}" for name in registered()}
        assert ids == {use for example in EXAMPLES for use in re.findall('use = "(.*)"', example)}
        assert ids == set(re.findall(r"^\| `(redaction\.\w+)` \|", README, re.MULTILINE))

    def test_every_option_is_named(self) -> None:
        """Every option of every redactor is in the README."""
        for target in registered().values():
            module, _, cls = str(target).partition(":")
            fields = option_fields(getattr(import_module(module), cls))
            assert [] == [field.name for field in fields if f"{field.name}" not in README]

    def test_the_table_is_that_of_the_detectors(self) -> None:
        """What the README says is found is what is looked for."""
        assert table() in README

    @pytest.mark.parametrize("code", PYTHON)
    def test_python_gives_what_it_says(self, code: str) -> None:
        """The comment below the last line is its value."""
        *lines, last, comment = code.strip().splitlines()
        names: dict[str, object] = {}
        exec("\n".join(lines), names)
        assert comment.removeprefix("# ") == repr(eval(last, names))
