"""``mdm check-plugin``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]

PLUGIN = '''\
import attrs
from mdm_core import Action, Modulator, Observer, Proposal, ProposalModel, hookimpl, option


@attrs.define
class Model(ProposalModel):
    """Acts on a large feature."""

    feature: str = option(help="the feature")
    weights: dict[str, float] = option({}, help="weights")

    def propose(self, features, context):
        x = features[self.feature]
        return Proposal(Action.ACT if x and x > self.weights.get("least", 0) else Action.HOLD, 0.75, ["x"], {})


@attrs.define
class Guard(Modulator):
    """Lets everything pass."""

    def modulate(self, proposal, decision, context):
        return decision


@attrs.define
class Labels(Observer):
    """Counts labels."""

    labels: int = attrs.field(init=False, default=0)

    def on_decision(self, packet):
        self.labels += packet["external"]["eval.outcome"]


@hookimpl
def mdm_register_observers(register):
    register("labels", Labels)


@hookimpl
def mdm_register_proposal_models(register):
    register("model", Model)
    register("twice", Model)


@hookimpl
def mdm_register_modulators(register):
    register("guard", Guard)
    register("twice", Guard)
'''
LEDGER = '''\
from pathlib import Path

import attrs
from mdm_core import Broker, Receipt, hookimpl, option


@attrs.define
class Ledger(Broker):
    """Books orders in a file beside the pipeline."""

    path: Path = option(Path("ledger.txt"), help="the file, relative to the pipeline file")
    _file: Path = attrs.field(init=False, factory=Path)

    def open(self, build):
        self._file = build.base_dir / self.path

    def execute(self, order):
        with self._file.open("a") as file:
            file.write("booked\\n")
        return Receipt("done")


@hookimpl
def mdm_register_brokers(register):
    register("ledger", Ledger)
'''
MISSING = "missing-values=the feature is in every event"
EVENTS = "".join(f'{{"user": "u{n % 2}", "at": {n}, "x": {n}}}\n' for n in range(6))


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["status"] for check in report["checks"]}


class TestCheckPlugin:
    def test_shows_what_passes_and_what_it_costs(self, install: Install, mdm: CommandLine) -> None:
        """A component that keeps its contract ends with 0; each check has a line, and the cost of a call is told."""
        install("own", {"own_plugin": PLUGIN})
        ended = mdm("check-plugin", "own.guard")
        assert (0, "") == (ended.returncode, ended.stderr)
        head, *lines = ended.stdout.splitlines()
        assert head.startswith("own.guard  (modulator, ")
        assert head.endswith(" µs a call)")
        assert "  passed       keys-apart" in lines
        assert "  inapplicable secrets-hidden           it has no secret options" in lines

    def test_ends_with_1_if_a_check_fails(self, install: Install, mdm: CommandLine) -> None:
        """What is wrong stands beside the check that found it."""
        install("own", {"own_plugin": PLUGIN})
        ended = mdm("check-plugin", "own.model", "--option", "feature=x")
        assert 1 == ended.returncode
        assert "failed       missing-values           an event without 'x' made it raise KeyError: 'x'" in ended.stdout
        assert "1 failed" in ended.stdout

    def test_a_check_is_left_out_with_a_reason(self, install: Install, mdm: CommandLine) -> None:
        """With a reason in writing it does not count, and the reason is shown."""
        install("own", {"own_plugin": PLUGIN})
        arguments = ("check-plugin", "own.model", "--option", "feature=x", "--skip")
        ended = mdm(*arguments, MISSING)
        assert 0 == ended.returncode
        assert "skipped      missing-values           the feature is in every event" in ended.stdout
        ended = mdm(*arguments, "missing-values=")
        assert (2, 1) == (ended.returncode, ended.stderr.count("\n"))
        assert "'missing-values' has no reason" in ended.stderr

    def test_a_whole_plugin_as_json(self, install: Install, mdm: CommandLine) -> None:
        """All its components are checked; options and skips name the component that they are for."""
        install("own", {"own_plugin": PLUGIN})
        options = ("--option", "model.feature=x", "--option", "model.weights.least=1.5", "--option", "twice.feature=x")
        ended = mdm("check-plugin", "own", *options, "--skip", f"model.{MISSING}", "--json")
        reports = {(report["kind"], report["component"]): report for report in json.loads(ended.stdout)}
        names = ("own.model", "own.twice", "own.guard", "own.twice", "own.labels")
        kinds = ("proposal model", "proposal model", "modulator", "modulator", "observer")
        assert list(zip(kinds, names, strict=True)) == list(reports)
        assert "skipped" == statuses(reports["proposal model", "own.model"])["missing-values"]
        assert "failed" == statuses(reports["proposal model", "own.twice"])["missing-values"]
        assert "failed" == statuses(reports["modulator", "own.twice"])["opens"]
        assert 0 < reports["modulator", "own.guard"]["cost_us"] < 10_000
        assert 1 == ended.returncode

    def test_orders_made_up_do_not_reach_real_files(self, install: Install, mdm: CommandLine, tmp_path: Path) -> None:
        """A broker that is checked where its ledger lies does not book the orders of the checks there."""
        install("own", {"own_plugin": LEDGER})
        (tmp_path / "ledger.txt").write_text("real\n")
        assert 0 == mdm("check-plugin", "own.ledger", "--skip", "light-import=of no interest here").returncode
        assert "real\n" == (tmp_path / "ledger.txt").read_text()

    def test_asks_about_events_of_a_file(self, install: Install, mdm: CommandLine, tmp_path: Path) -> None:
        """Events are read from JSON lines, and their keys and times from where they stand."""
        install("own", {"own_plugin": PLUGIN})
        (tmp_path / "events.jsonl").write_text(EVENTS)
        place = ("--events", "events.jsonl", "--key", "user", "--timestamp", "at")
        ended = mdm("check-plugin", "own.model", "--option", "feature=x", "--skip", MISSING, *place)
        assert 0 == ended.returncode, ended.stdout
        ended = mdm("check-plugin", "own.model", "--option", "feature=y", "--skip", MISSING, *place)
        assert "event 0 made it raise KeyError: 'y'; if the event does not fit, give your own" in ended.stdout

    def test_puts_items_into_every_context(self, install: Install, mdm: CommandLine) -> None:
        """What an observer needs besides events, such as their outcome, is given as an item."""
        install("own", {"own_plugin": PLUGIN})
        skip = ("--skip", "bare-packets=it is for pipelines that know the outcome")
        assert 1 == mdm("check-plugin", "own.labels", *skip).returncode
        assert 0 == mdm("check-plugin", "own.labels", *skip, "--context", "eval.outcome=true").returncode

    def test_refuses_a_file_that_holds_no_events(self, install: Install, mdm: CommandLine, tmp_path: Path) -> None:
        """What is wrong with the file is said in one line."""
        install("own", {"own_plugin": PLUGIN})
        (tmp_path / "bad.jsonl").write_text("[1]\n")
        (tmp_path / "empty.jsonl").write_text("\n")
        for name, said in (("bad", "not JSON lines"), ("empty", "holds no events"), ("absent", "cannot be read")):
            ended = mdm("check-plugin", "own.guard", "--events", f"{name}.jsonl")
            assert (2, 1) == (ended.returncode, ended.stderr.count("\n"))
            assert said in ended.stderr

    def test_says_what_is_missing(self, install: Install, mdm: CommandLine) -> None:
        """A required option that is missing is named; an unknown component or plugin ends with 2."""
        install("own", {"own_plugin": PLUGIN})
        ended = mdm("check-plugin", "own.model")
        assert "option 'feature' is missing; add feature = … (the feature); give its options" in ended.stdout
        for name, said in (("own.mode", "has no component"), ("ow", "did you mean 'own'?"), ("own.twice", "several")):
            ended = mdm("check-plugin", name)
            assert (2, 1) == (ended.returncode, ended.stderr.count("\n"))
            assert said in ended.stderr

    def test_options_of_a_whole_plugin_name_a_component(self, install: Install, mdm: CommandLine) -> None:
        """An option that could belong to any component is refused."""
        install("own", {"own_plugin": PLUGIN})
        ended = mdm("check-plugin", "own", "--option", "feature=x")
        assert (2, True) == (ended.returncode, "say of which component" in ended.stderr)
