"""Private models in files of their own, in pipelines from Python and in whole runs of ``mdm``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
from mdm_core import Action, Context, Event, FeatureExtractor, Features, Pipeline, Proposal, ProposalModel

from mdm_private import PrivateModel

Run: TypeAlias = "subprocess.CompletedProcess[str]"


@attrs.define
class Fields(FeatureExtractor):
    """Gives the event as features."""

    def extract(self, event: Event, context: Context) -> Features:
        return dict(event)


@attrs.define
class Second(ProposalModel):
    """Decides where there is no private model."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(Action.CANCEL, 0.75, ["second"], {})


class Bench:
    """A folder with a pipeline and, when it was written, a private model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, source: str | bytes, path: str = "_private/model.py") -> Path:
        """Write a private model."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source if isinstance(source, bytes) else source.encode())
        return file

    def pipeline(self, source: str | bytes | None = None, **parameters: Any) -> Pipeline:
        """Open a pipeline around the private model, written first if it is given."""
        if source is not None:
            self.write(source)
        model = PrivateModel(parameters=parameters, fallback=Second())
        return Pipeline(features=Fields(), model=model, base_dir=self.folder)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder for a pipeline and its private model."""
    return Bench(tmp_path)


PIPELINE = """\
[source]
use = "reference.memory"
events = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 }, { n = 6 }, { n = 7 }]

[features]
use = "reference.rolling"

[broker]
use = "reference.paper"

[[trace]]
use = "trace-jsonl.packets"

[[trace]]
use = "trace-jsonl.audit"

[redaction]
use = "none"

[model]
use = "private.model"
"""


class Shell:
    """Runs ``mdm`` in a process of its own, with a pipeline file that ends with the table of the private model."""

    def __init__(self, bench: Bench) -> None:
        self.folder = bench.folder
        self.write = bench.write

    def __call__(self, options: str, *arguments: str, env: Mapping[str, str] | None = None) -> Run:
        """Write the pipeline file with these options of the model, and run ``mdm`` with these arguments."""
        (self.folder / "pipeline.toml").write_text(PIPELINE + options)
        return subprocess.run(
            [sys.executable, "-m", "mdm_core", *arguments],
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def left_behind(self) -> str:
        """Everything in the folder that neither the pipeline file nor the private model is, names included."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and "_private" not in path.parts]
        texts = ((path, path.read_bytes().decode(errors="replace")) for path in files if path.name != "pipeline.toml")
        return "".join(f"{path}\n{text}" for path, text in texts)


@pytest.fixture
def shell(bench: Bench) -> Shell:
    """A shell in the folder."""
    return Shell(bench)
