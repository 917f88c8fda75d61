"""The README tells of every view, every column and every option, and its questions have answers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click

from mdm_query.command import query
from mdm_query.views import VIEWS

README = (Path(__file__).parents[1] / "README.md").read_text()


class TestReadme:
    """README.md."""

    def test_every_view_and_column(self) -> None:
        """The table of views has them all, in order."""
        rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", README, re.MULTILINE)
        assert {view.name: list(view.columns) for view in VIEWS} == {
            name: re.findall(r"`(\w+)`", columns) for name, columns in rows if name != "features: mean"
        }

    def test_every_option(self) -> None:
        """The table of options has them all."""
        told = set(re.findall(r"^\| `(--[\w-]+)`", README, re.MULTILINE))
        assert told == {o for p in query.params if isinstance(p, click.Option) for o in p.opts}

    def test_questions(self, ran: Any, mdm: Any) -> None:
        """Every command that it shows works."""
        lines = re.findall(r"^mdm (trace query RUN .+)$", README, re.MULTILINE)
        assert len(lines) == 3
        for line in lines:
            said = mdm(*shlex.split(line.replace("RUN", shlex.quote(str(ran.directory)))))
            assert (0, True) == (said.code, bool(said.out))
