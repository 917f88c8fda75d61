"""The contract has other implementations in the wild: mdm-core works on any that fits, and refuses others at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

Install: TypeAlias = Callable[..., Path]

STANDIN = Path(__file__).parent / "standin"

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"

[source]
use = "toy.numbers"
count = 12
keys = 3

[[features]]
use = "toy.fields"
[[features]]
use = "toy.fields"
prefix = "again."

[model]
use = "toy.wrapper"
[model.model]
use = "toy.threshold"
threshold = 0.4
scale = 10.0

[[modulators]]
use = "toy.vip"
keys = ["k1"]

[broker]
use = "toy.done"

[redaction]
use = "toy.mask"
key = "n"

[[trace]]
use = "toy.lines"
[[trace]]
use = "toy.audit"
[[observers]]
use = "toy.counter"
"""

FAILING = """\
import json, math, sys
from mdm_core import Action, FeatureExtractor, Modulator, FinalDecision, Pipeline, Proposal, ProposalModel
from mdm_core.schema import PacketV2
import decision_schema

class F(FeatureExtractor):
    def extract(self, event, context):
        return {"x": 1.0}

class M(ProposalModel):
    def propose(self, features, context):
        case = ANSWERS[context.step]
        if isinstance(case, Exception):
            raise case
        return case

class G(Modulator):
    def modulate(self, proposal, decision, context):
        return FinalDecision("ACT", True) if proposal.confidence == 0.25 else decision

ANSWERS = [
    ValueError("canary"), Proposal(Action.ACT, math.nan), Proposal(Action.ACT, 1.5), Proposal("ACT", 0.5),
    Proposal(Action.ACT, "0.5"), None, Proposal(Action.ACT, 0.25), Proposal(Action.ACT, 0.5, ["fine"], {"a": 1}),
]
pipeline = Pipeline(features=F(), model=M(), modulators=[G()])
packets = [pipeline.decide({}).packet() for _ in ANSWERS]
assert all(type(p) is PacketV2 and PacketV2.__module__ == "decision_schema.packet_v2" for p in packets)
print(json.dumps([decision_schema.__file__, [p.to_dict() for p in packets]]))
"""


def python(*arguments: str, first: Path | None, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a process that finds a directory before all others."""
    paths = [str(first), *sys.path] if first else sys.path
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    # -S: the path is complete, and .pth files would bring back plugins that are really installed.
    return subprocess.run([sys.executable, "-S", *arguments], cwd=cwd, env=env, capture_output=True, text=True)


def schema(directory: Path, changes: Mapping[str, str]) -> Path:
    """Make a decision-schema: the stand-in with some of its modules changed."""
    package = directory / "decision_schema"
    package.mkdir(parents=True)
    for module in (STANDIN / "decision_schema").glob("*.py"):
        (package / module.name).write_text(changes.get(module.name, module.read_text()))
    return directory


class TestWorking:
    def test_a_run_goes_through(self, toy: Path, tmp_path: Path) -> None:
        """Source, features, models, guard, broker, trace and observer, on data classes of version 0.2.3."""
        assert toy.is_dir()
        (tmp_path / "pipeline.toml").write_text(PIPELINE)
        done = python("-m", "mdm_core", "run", "pipeline.toml", "--run-id", "r", "--json", first=STANDIN, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert tuple(summary[k] for k in ("events", "decided", "errors", "failed_closed")) == (12, 12, {}, 0)
        assert summary["denied"] == {"vip_denied": 3}
        assert (summary["proposed"], summary["carried_out"]) == ({"ACT": 8}, {"ACT": 5})
        assert summary["findings"] == {"toy.counter": {"decisions": 12}}
        packets = [json.loads(line) for line in (tmp_path / "runs/r/traces.jsonl").read_text().splitlines()]
        assert {"0.2.3"} == {packet["schema_version"] for packet in packets}
        assert {9} == {len(packet) for packet in packets}
        assert {"[REDACTED]"} == {packet["input"]["n"] for packet in packets}
        audit = [json.loads(line)["event"] for line in (tmp_path / "runs/r/audit.jsonl").read_text().splitlines()]
        assert ["run_started", *["denied"] * 3, "run_ended"] == audit
        assert json.loads((tmp_path / "runs/r/run.json").read_text())["distributions"]["decision-schema"] == "0.2.3"

    def test_what_it_lets_pass_fails_closed(self, tmp_path: Path) -> None:
        """A schema that checks nothing changes nothing: each breach of contract is found by core."""
        done = python("-c", FAILING, first=STANDIN, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        where, packets = json.loads(done.stdout)
        assert Path(where) == STANDIN / "decision_schema" / "__init__.py"
        codes = [(packet["mismatch"] or {}).get("reason_codes") for packet in packets]
        broken = ["model_error:ContractError"]
        assert [["model_error:ValueError"], *[broken] * 5, ["modulator_error:ContractError"], None] == codes
        assert [packet["external"].get("mdm.fail_closed") for packet in packets] == [True] * 7 + [None]
        assert [packet["final_action"]["action"] for packet in packets] == ["HOLD"] * 7 + ["ACT"]
        assert "canary" not in done.stdout + done.stderr


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"version.py": '__version__ = "0.3.0"\n'},
                "decision-schema 0.3.0 is installed, but mdm-core needs decision-schema>=0.1,<0.3; "
                "install such a version from its path or wheel",
            ),
            (
                {"version.py": '__version__ = "1.0.0"\n'},
                "decision-schema 1.0.0 is installed, but mdm-core needs decision-schema>=0.1,<0.3; "
                "install such a version from its path or wheel",
            ),
            (
                {"packet_v2.py": "class PacketV1: pass\n"},
                "decision-schema cannot be used: cannot import name 'PacketV2' from 'decision_schema.packet_v2' "
                "({path}); install a decision-schema>=0.1,<0.3 from its path or wheel",
            ),
        ],
        ids=["0.3.0", "1.0.0", "without PacketV2"],
    )
    def test_one_that_does_not_fit(self, changes: dict[str, str], message: str, tmp_path: Path) -> None:
        """One line says what is installed, what is needed and what to do; exit code 2."""
        first = schema(tmp_path / "other", changes)
        (tmp_path / "pipeline.toml").write_text(PIPELINE)
        done = python("-m", "mdm_core", "run", "pipeline.toml", first=first, cwd=tmp_path)
        expected = message.replace("{path}", str(first / "decision_schema" / "packet_v2.py"))
        assert (2, "", f"mdm: {expected}\n") == (done.returncode, done.stdout, done.stderr)

    def test_none_at_all(self, tmp_path: Path) -> None:
        """Where there is no decision-schema the error is the same kind, for a program too."""
        script = (
            "import sys\n"
            "sys.modules['decision_schema'] = None\n"
            "import mdm_core\n"
            "try:\n"
            "    mdm_core.Pipeline\n"
            "except mdm_core.MdmError as error:\n"
            "    print(type(error).__name__, error)\n"
        )
        done = python("-c", script, first=None, cwd=tmp_path)
        assert done.stderr == ""
        assert done.stdout.startswith("SchemaError decision-schema cannot be used: ")
        assert done.stdout.endswith("; install a decision-schema>=0.1,<0.3 from its path or wheel\n")

    def test_the_version_of_the_command_needs_none(self, tmp_path: Path) -> None:
        """`mdm --version` answers whatever is installed beside it."""
        first = schema(tmp_path / "other", {"version.py": '__version__ = "0.3.0"\n'})
        done = python("-m", "mdm_core", "--version", first=first, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "mdm 1.0.0\n")
