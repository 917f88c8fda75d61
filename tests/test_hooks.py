"""Every hook: a component registered through it is selected by name and does its work, and the docs tell of it."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mdm_core import hookspecs
from mdm_core.kinds import KINDS

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]

HOOKS = [name for name in vars(hookspecs) if name.startswith("mdm_")]
PAGE = Path(__file__).parents[1] / "docs" / "PLUGINS.md"

COMPONENTS = """\
import attrs
from mdm_core import (
    Action, Broker, DataSource, FeatureExtractor, FinalDecision, MismatchInfo, Modulator, Observer, Proposal,
    ProposalModel, Receipt, Record, Redactor, TraceSink, hookimpl,
)


class Source(DataSource):
    def records(self):
        yield Record({"password": "p", "n": 41}, 0)


class Features(FeatureExtractor):
    def extract(self, event, context):
        return {"one.more": event["n"] + 1}


class Model(ProposalModel):
    def propose(self, features, context):
        return Proposal(Action.ACT, 0.75, ["mine"], {"amount": features["one.more"]})


class Guard(Modulator):
    def modulate(self, proposal, decision, context):
        return FinalDecision(Action.STOP, False, ["no"], MismatchInfo(["mine_denied"], ["mine:no"]), None, None, {})


class Hand(Broker):
    def execute(self, order):
        with open("orders.txt", "a") as file:
            file.write(f"{order.action.value} {order.params['amount']}")
        return Receipt("done")


class Cover(Redactor):
    def redact(self, data):
        return {k: "covered" if k == "password" else self.redact(v) if isinstance(v, dict) else v
                for k, v in data.items()}


class Sink(TraceSink):
    def write(self, record):
        with open("sink.txt", "a") as file:
            file.write(f"{record['input']} {record['final_action']['action']}")


class Watcher(Observer):
    def on_run_end(self, summary):
        return {"seen": summary["events"]}
"""
CLASS_OF = {
    "source": "Source",
    "features": "Features",
    "model": "Model",
    "modulators": "Guard",
    "broker": "Hand",
    "redaction": "Cover",
    "trace": "Sink",
    "observers": "Watcher",
}


class TestHooks:
    """A plugin for each hook."""

    def test_every_hook_has_a_kind(self) -> None:
        """Hooks and kinds of components are the same, in the same order."""
        assert [kind.hook for kind in KINDS] == HOOKS
        assert {kind.section for kind in KINDS} == set(CLASS_OF)

    @pytest.mark.parametrize("target", ["class", "text"])
    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.hook)
    def test_registers(
        self,
        kind: object,
        target: str,
        toy: Path,
        install: Install,
        mdm: CommandLine,
        write_pipeline: Callable[[str], Path],
        tmp_path: Path,
    ) -> None:
        """What a plugin registers through a hook, as class or as text, is selected by name and takes part in a run."""
        [(section, hook)] = [(k.section, k.hook) for k in KINDS if k is kind]
        cls = CLASS_OF[section]
        value = cls if target == "class" else f'"mine_plugin:{cls}"'
        registering = f'\n\n@hookimpl\ndef {hook}(register):\n    register("it", {value})\n'
        install("mine", {"mine_plugin": COMPONENTS + registering})
        ids = {
            "source": "toy.events",
            "features": "toy.fields",
            "model": "toy.threshold",
            "redaction": "none",
            "trace": "toy.lines",
        } | {section: "mine.it"}
        tables = {name: f'[{name}]\nuse = "{component}"\n' for name, component in ids.items()}
        if section != "source":
            tables["source"] += 'events = [{ n = 9, password = "p" }]\n'
        write_pipeline("".join(tables.values()))
        ended = mdm("run", "pipeline.toml", "--run-id", "one", "--json")
        assert ended.returncode == 0, ended.stderr
        getattr(self, f"_check_{section}")(json.loads(ended.stdout), tmp_path)
        assert toy.is_dir()

    def _check_source(self, summary: dict[str, object], path: Path) -> None:
        assert _packet(path)["input"] == {"password": "p", "n": 41}

    def _check_features(self, summary: dict[str, object], path: Path) -> None:
        assert summary["errors"] == {"model_error:KeyError": 1}, "the toy model looks for a feature that is not there"

    def _check_model(self, summary: dict[str, object], path: Path) -> None:
        assert summary["errors"] == {"model_error:KeyError": 1}, "the model looks for a feature that is not there"

    def _check_modulators(self, summary: dict[str, object], path: Path) -> None:
        assert summary["denied"] == {"mine_denied": 1}

    def _check_broker(self, summary: dict[str, object], path: Path) -> None:
        assert summary["errors"] == {"broker_error:KeyError": 1}, "the order has no amount"

    def _check_redaction(self, summary: dict[str, object], path: Path) -> None:
        assert _packet(path)["input"] == {"n": 9, "password": "covered"}

    def _check_trace(self, summary: dict[str, object], path: Path) -> None:
        assert (path / "sink.txt").read_text() == "{'n': 9, 'password': 'p'} ACT"

    def _check_observers(self, summary: dict[str, object], path: Path) -> None:
        assert summary["findings"] == {"mine.it": {"seen": 1}}

    def test_all_of_one_plugin(
        self, install: Install, mdm: CommandLine, write_pipeline: Callable[[str], Path], tmp_path: Path
    ) -> None:
        """One plugin may register components of every kind, and a whole pipeline of them runs."""
        hooks = [f'@hookimpl\ndef {k.hook}(register):\n    register("it", {CLASS_OF[k.section]})\n' for k in KINDS]
        install("mine", {"mine_plugin": "\n\n".join([COMPONENTS, *hooks])})
        sections = [name for name in CLASS_OF if name != "modulators"]
        write_pipeline("".join(f'[{name}]\nuse = "mine.it"\n' for name in sections))
        ended = mdm("run", "pipeline.toml", "--json")
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["carried_out"] == {"ACT": 1}
        assert (tmp_path / "orders.txt").read_text() == "ACT 42"
        assert (tmp_path / "sink.txt").read_text() == "{'password': 'covered', 'n': 41} ACT"


class TestDocs:
    """The page for plugin authors."""

    @pytest.mark.parametrize("hook", HOOKS)
    def test_every_hook_is_documented(self, hook: str) -> None:
        """A hook stands in docs/PLUGINS.md with its signature."""
        signature = re.sub(r"'(\w+)'", r"\1", str(inspect.signature(getattr(hookspecs, hook))))
        assert f"def {hook}{signature}" in PAGE.read_text(encoding="utf-8")


def _packet(path: Path) -> dict[str, dict[str, object]]:
    packet: dict[str, dict[str, object]] = json.loads((path / "runs/one/traces.jsonl").read_text())
    return packet
