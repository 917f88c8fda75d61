"""The components that the guide shows of the other kinds."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mdm_core.testing.running import check_component
from mdm_core.testing.subject import Subject

sys.path.insert(0, str(Path(__file__).parent))

from blocks import blocks

GUIDE = Path(__file__).parents[2] / "docs" / "WRITE_A_PLUGIN.md"
LOG = {"options": {"path": "sensor.log"}, "files": {"sensor.log": "1 2\n2 3\nno reading\n4 5\n"}}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The blocks of the page's last part, as one module."""
    text = GUIDE.read_text(encoding="utf-8")
    begin = text[: text.index("\n## The other kinds\n")].count("\n")
    path = tmp_path_factory.mktemp("kinds") / "shown_kinds.py"
    path.write_text("\n\n".join(b.text for b in blocks(GUIDE) if b.language == "python" and b.line > begin))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("name", "needs"), [("Columns", LOG), ("Shelf", {}), ("Latest", {}), ("WithoutText", {}), ("Reasons", {})]
    )
    def test_what_is_shown_keeps_its_contract(self, shown: ModuleType, name: str, needs: dict[str, Any]) -> None:
        """Whoever copies a component from the page has one that fails no check."""
        outcomes = check_component(Subject.of(getattr(shown, name), **needs), {})
        assert [] == [(outcome.id, outcome.message) for outcome in outcomes if outcome.status == "failed"]
        assert any(outcome.status == "passed" for outcome in outcomes)

    def test_a_text_in_a_list_is_hidden(self, shown: ModuleType) -> None:
        """The redactor of the page looks into lists as well as tables."""
        data = {"input": {"messages": [{"text": "casino"}], "at": 1}}
        expected = {"input": {"messages": [{"text": "[REDACTED]"}], "at": 1}}
        assert expected == shown.WithoutText().redact(data)
