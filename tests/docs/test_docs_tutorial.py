"""The tutorial is followed, with the plugin that its reader writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import test_docs_pages as pages
from blocks import follow

TUTORIAL = pages.DOCS / "tutorial.md"


class TestTutorial:
    def test_what_it_says_is_what_happens(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From no plugin to decisions that it made better; only what pip does is played."""
        reader, plugin, steps = pages.environment(), tmp_path / "mdm-lockout", []
        for step in follow(TUTORIAL, tmp_path, reader):
            steps.append(step)
            if step.code is None:
                assert "--editable mdm-lockout" in step.command
                pages.TestGuide._install(plugin)
                reader["PYTHONPATH"] = str(plugin)
                monkeypatch.syspath_prepend(plugin)
        assert pages.problems(iter(steps)) == []
        assert sum(step.code == 0 for step in steps) > 12
