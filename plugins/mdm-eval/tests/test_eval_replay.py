"""Replay of whole runs: a broker that fails, a source that goes, redaction, death in the middle, time limits."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mdm_core import PastRun, Run, UsageError
from mdm_core.cli.dead_letter import command as dead_letter
from mdm_core.journal import Answered, Applied, Clock, Command, Journal, JournalFailed, TimedOut
from mdm_core.replay import RecordedInputs
from mdm_core.rundir import read_json, write_json

from mdm_eval.commands.replay import replay as command
from mdm_eval.facts import StreamedInputs
from mdm_eval.replaying import ReplayReport, replay
from mdm_eval.session import Wanted

EVENTS = 2_000
T0 = 1_700_000_000_000

PLUGIN = """\
import time

import attrs
from mdm_core import (
    Action, Broker, FeatureExtractor, Proposal, ProposalModel, Receipt, hookimpl,
)


@attrs.define
class Flaky(Broker):
    '''Fails in bursts, in three ways, and answers every seventh order later.'''

    asked: int = attrs.field(init=False, default=0)
    later: list = attrs.field(init=False, factory=list)

    def execute(self, order):
        self.asked += 1
        if self.asked % 7 == 0:
            self.later.append(order.idempotency_key)
            return Receipt("pending")
        if self.asked % 100 >= 90:
            return Receipt(*[("retry", "rate_limited"), ("failed", "rejected"), ("unknown", "timeout")][self.asked % 3])
        return Receipt("done")

    def poll(self):
        while self.later:
            yield self.later.pop(0), Receipt("done")


@attrs.define
class NoteLength(FeatureExtractor):
    '''A feature of a field that redaction hides.'''

    def extract(self, event, context):
        return {"length": len(event["password"]), "amount": event["amount"]}


@attrs.define
class Chance(ProposalModel):
    def propose(self, features, context):
        drawn = context.random.random()
        return Proposal(Action.ACT if drawn > 0.7 else Action.HOLD, drawn, ["drawn"], {})


@attrs.define
class Slow(ProposalModel):
    '''Takes far too long about some amounts, and once it is said to be UNASKED, fails about them.'''

    def propose(self, features, context):
        if features["amount"] < 1.0:
            assert not globals().get("UNASKED")
            time.sleep(5)
        return Proposal(Action.ACT, 0.5, ["quick"], {})


@hookimpl
def mdm_register_brokers(register):
    register("flaky", Flaky)


@hookimpl
def mdm_register_feature_extractors(register):
    register("note_length", NoteLength)


@hookimpl
def mdm_register_proposal_models(register):
    register("chance", Chance)
    register("slow", Slow)
"""

PIPELINE = """\
[pipeline]
key = "user"
timestamp = "at"
outcome = "label"
{pipeline}

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
include = ["amount"]
window = 20
stats = ["mean", "z"]

[model]
use = "reference.logistic"
weights = {{ amount = 1.0, "amount.z" = 0.5 }}
bias = -5.0
threshold = 0.4

[[modulators]]
use = "guards.rate_limit"
rate = 1
per = "10s"
burst = 3

[[modulators]]
use = "guards.circuit_breaker"
failures = 3
open_for = "20s"

[broker]
use = "replaytest.flaky"

[execution]
attempts = 2
backoff_ms = 0
backoff_jitter_ms = 0

[durability]
checkpoint_events = 500

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "redaction.keys"
"""


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the plugin ``replaytest``, as pip would leave it."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "replaytest_plugin.py").write_text(PLUGIN)
    info = folder / "mdm_replaytest-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mdm-replaytest\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text("[mdm]\nreplaytest = replaytest_plugin\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield
    sys.modules.pop("replaytest_plugin", None)


def events(number: int = EVENTS) -> list[dict[str, Any]]:
    """Amounts of a few users, one a second or so; one in fifty is a spike."""
    chance = random.Random(7)
    made = []
    for n in range(number):
        amount = chance.gauss(5.0, 1.5) + (4.0 if chance.random() < 0.02 else 0.0)
        user, at = f"u{chance.randrange(5)}", T0 + n * 700 + chance.randrange(600)
        event = {"id": f"e{n}", "at": at, "user": user, "amount": amount, "label": amount > 6.5}
        made.append(event | {"password": "x" * chance.randrange(3, 9)})
    made[100] = {"id": "no user", "at": T0}
    return made


def write_events(path: Path, made: list[dict[str, Any]]) -> None:
    """Write events as JSON lines, with a line that is none in between."""
    lines = [json.dumps(event) for event in made]
    path.write_text("\n".join([*lines[:50], "no event", *lines[50:]]) + "\n")


class Bench:
    """A directory with events, pipelines and runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        write_events(folder / "events.jsonl", events())

    def run(self, run_id: str = "r", overrides: tuple[str, ...] = (), text: str = PIPELINE, **options: Any) -> PastRun:
        """Run a pipeline to its end."""
        path = self.folder / "pipeline.toml"
        path.write_text(text.format(pipeline=options.pop("pipeline", 'id = "id"')))
        made = Run.from_config(path, overrides, run_id=run_id, runs_dir=self.runs, **options)
        assert "done" == made.run().status
        return self.past(run_id)

    def past(self, run_id: str = "r") -> PastRun:
        """Find a run."""
        return PastRun.find(run_id, self.runs)

    def mdm(self, *arguments: str) -> Result:
        """Call ``mdm replay``."""
        return CliRunner().invoke(command, [*arguments, "--runs-dir", str(self.runs)])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def decided(past: PastRun) -> dict[int, list[Any]]:
    """What a run decided, by step: all that a replay compares."""
    found = {}
    for packet in past.packets():
        mdm, final = packet["mdm"], packet["final_action"]
        model = [mdm[name] for name in ("action", "confidence", "reasons")]
        outcome = [final[name] for name in ("action", "allowed", "reasons")]
        found[packet["step"]] = [*model, *outcome, packet["mismatch"]]
    return found


def counts(report: ReplayReport) -> tuple[int, int, int, int]:
    """Decisions that are the same, and from what: source, recorded inputs, recorded features."""
    return report.same, report.from_source, report.from_inputs, report.from_features


def edit(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the objects in a file of JSON lines."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


class TestFromTheSource:
    def test_every_decision_is_the_same(self, bench: Bench) -> None:
        """With guards that learn from a broker that fails, every decision is verified, bad lines or not."""
        past = bench.run()
        denials = [values[-1]["flags"][0] for values in decided(past).values() if values[-1] is not None]
        assert {"rate_limit", "circuit_breaker"} == set(denials)
        report = replay(past)
        assert (EVENTS - 1, EVENTS - 1, 0, 0) == counts(report)
        assert report.verified
        acts = sum(values[4] and values[3] != "HOLD" for values in decided(past).values())
        assert {"recorded": acts, "assumed": 0, "unused": 0} == report.orders
        assert acts > 100

    def test_a_run_that_read_only_part(self, bench: Bench) -> None:
        """The source gives more than the run has read, and the replay ends where the run ended."""
        assert (498, 498, 0, 0) == counts(replay(bench.run(limit=500)))

    def test_by_receipts_and_commands(self, bench: Bench) -> None:
        """Without the journal the guards decide otherwise: they do go by what it tells."""
        past = bench.run()
        (past.directory / "journal.jsonl").unlink()
        report = replay(past)
        assert not report.verified
        assert {"mismatch", "allowed"} <= set(report.fields)

    def test_the_wall_clock(self, bench: Bench) -> None:
        """Each decision is made at the time that the run had, and not before the journal tells it."""
        past = bench.run(pipeline='id = "id"\nclock = "wall"')
        assert replay(past).verified
        journal = past.directory / "journal.jsonl"
        lines = journal.read_text().splitlines(keepends=True)
        last = next(n for n, line in enumerate(lines) if '"type":"clock"' in line and '"step":1500,' in line)
        journal.write_text("".join(lines[:last]))
        report = replay(past)
        assert (1500, "the journal ends before step 1500") == (report.same, report.ended)

    def test_a_component_in_a_process_of_its_own(self, bench: Bench) -> None:
        """It is started for the replay as it was for the run, and ended with it."""
        past = bench.run(text=PIPELINE.replace("threshold = 0.4", 'threshold = 0.4\nisolate = "process"'), limit=400)
        assert (398, 398, 0, 0) == counts(replay(past))

    def test_a_run_that_tried_dead_letters_again(self, bench: Bench) -> None:
        """Its source gives some lines of another run's source only, so that the recorded inputs serve."""
        bench.run(limit=300)
        arguments = ["retry", "r", "--set", 'pipeline.key="id"', "--run-id", "again", "--runs-dir", str(bench.runs)]
        CliRunner().invoke(dead_letter, arguments)
        report = replay(bench.past("again"))
        assert (1, 1, True) == (report.packets, report.from_inputs, report.verified)

    def test_time_limits(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """A call that took too long in the run is not made again, and fails closed as it did."""
        text = PIPELINE.replace('use = "reference.logistic"', 'use = "replaytest.slow"\ntimeout_ms = 20')
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("weights", "bias", "threshold")))
        past = bench.run(text=text, limit=600)
        late = sum(values[2] == ["model_timeout"] for values in decided(past).values())
        assert late > 0
        monkeypatch.setattr(sys.modules["replaytest_plugin"], "UNASKED", True, raising=False)
        assert replay(past).verified


CHALLENGED = """\

[canary]
share = 0.5

[canary.features]
use = "reference.rolling"
include = ["amount"]
window = 5
stats = ["mean", "z"]

[canary.model]
use = "reference.logistic"
weights = {{ amount = 1.0, "amount.mean" = -0.2 }}
bias = -3.5

[[canary.modulators]]
use = "guards.circuit_breaker"
failures = 2
open_for = "10s"

[[shadow]]
name = "calm"

[[shadow.modulators]]
use = "guards.cooldown"
duration = "1m"
"""


class TestChallengers:
    @pytest.mark.parametrize(("gone", "made_from"), [(False, "from_source"), (True, "from_inputs")])
    def test_guards_of_both_arms_learn_again(self, bench: Bench, gone: bool, made_from: str) -> None:
        """With a broker that fails, guards of main arm and canary deny the same again, and shadows change nothing."""
        past = bench.run(text=PIPELINE + CHALLENGED)
        denied = {(p["external"]["mdm.arm"], p["mismatch"]["flags"][0]) for p in past.packets() if p["mismatch"]}
        assert {("main", "circuit_breaker"), ("canary", "circuit_breaker")} <= denied
        if gone:
            (bench.folder / "events.jsonl").unlink()
        report = replay(past)
        assert (True, EVENTS - 1) == (report.verified, getattr(report, made_from))
        assert {"assumed": 0, "unused": 0}.items() <= report.orders.items()


class TestWithoutTheSource:
    def test_the_file_is_gone(self, bench: Bench) -> None:
        """The recorded inputs serve, which nothing was hidden in that features are made of."""
        past = bench.run()
        (bench.folder / "events.jsonl").unlink()
        report = replay(past)
        assert (EVENTS - 1, 0, EVENTS - 1, 0) == counts(report)
        assert "there is no file" in report.source

    def test_the_file_has_changed(self, bench: Bench) -> None:
        """What the last checkpoint says of the source no longer holds, and the source is not believed."""
        past = bench.run()
        edit_line(bench.folder / "events.jsonl", 1)
        report = replay(past)
        assert (EVENTS - 1, 0, EVENTS - 1, 0) == counts(report)
        assert "changed" in report.source

    def test_the_file_has_changed_behind_the_last_checkpoint(self, bench: Bench) -> None:
        """Every event is held against the recorded input, so that the change is found there."""
        past = bench.run()
        edit_line(bench.folder / "events.jsonl", EVENTS)
        report = replay(past)
        assert (EVENTS - 1, 0, EVENTS - 1, 0) == counts(report)
        assert f"is not the one that was recorded at step {EVENTS - 2}" in report.source

    def test_the_file_has_become_shorter(self, bench: Bench) -> None:
        """An event that is no longer there comes from the trace."""
        past = bench.run()
        path = bench.folder / "events.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))
        assert (EVENTS - 1, 0, EVENTS - 1, 0) == counts(replay(past))

    def test_a_source_that_cannot_say_what_it_reads(self, bench: Bench) -> None:
        """It is not asked for anything."""
        memory = json.dumps(events(300)).replace("true", "true")
        text = PIPELINE.replace(
            'use = "reference.jsonl"\npath = "events.jsonl"', 'use = "reference.memory"\nevents = []'
        )
        values = "[" + ", ".join(_toml(event) for event in json.loads(memory)) + "]"
        past = bench.run(text=text, overrides=(f"source.events={values}",))
        report = replay(past)
        assert (299, 0, 299, 0) == counts(report)
        assert "cannot say what it reads" in report.source

    def test_a_hidden_field_that_a_feature_is_made_of(self, bench: Bench) -> None:
        """Where the mask does not come to the recorded features, these are used."""
        past = bench.run(text=_with_note_length(PIPELINE))
        features = [packet["mdm"]["features"]["length"] for packet in past.packets()]
        (bench.folder / "events.jsonl").unlink()
        report = replay(past)
        assert (EVENTS - 1, 0, 0, EVENTS - 1) == counts(report)
        assert set(range(3, 9)) == set(features)
        assert len("[REDACTED]") not in features

    def test_a_hidden_feature(self, bench: Bench) -> None:
        """What the model saw is not invented: the decision counts as not decided again, and the exit code says so."""
        text = PIPELINE.replace('use = "redaction.keys"', 'use = "redaction.keys"\nextra = ["amount"]')
        past = bench.run(text=_with_weights_file(text, bench.folder))
        assert replay(past).verified  # from the source, though all that the trace holds of it is masked
        (bench.folder / "events.jsonl").unlink()
        report = replay(past)
        assert (0, 0, 0, 0) == counts(report)
        assert {"its features were redacted": EVENTS - 1} == dict(report.unknown)
        assert 1 == bench.mdm("r").exit_code

    def test_features_that_failed(self, bench: Bench) -> None:
        """Where an extractor raised in the run, its failure is a recorded fact, and the same decision comes of it."""
        made = events()
        for n in range(0, EVENTS, 7):
            made[n].pop("password", None)
        write_events(bench.folder / "events.jsonl", made)
        past = bench.run(text=_with_note_length(PIPELINE))
        failed = sum(values[5] == ["features_error:KeyError"] for values in decided(past).values())
        assert failed > 200
        assert replay(past).verified
        (bench.folder / "events.jsonl").unlink()
        report = replay(past)
        assert report.verified
        assert (failed, EVENTS - 1 - failed) == (report.from_inputs, report.from_features)

    def test_an_option_that_was_redacted(self, bench: Bench) -> None:
        """A weight that the redactor took for a secret is not in the record; the pipeline file serves in its place."""
        text = PIPELINE.replace('use = "redaction.keys"', 'use = "redaction.keys"\nextra = ["amount"]')
        past = bench.run(text=text, limit=500)
        with pytest.raises(UsageError, match=r"has not recorded model\.weights\.amount.*--config PIPELINE\.toml"):
            replay(past)
        assert replay(past, Wanted(bench.folder / "pipeline.toml")).verified

    def test_an_id_that_the_trace_does_not_hold(self, bench: Bench) -> None:
        """A model that draws by chance cannot be asked again when the event's id was its position in a lost source."""
        text = PIPELINE.replace('use = "reference.logistic"', 'use = "replaytest.chance"')
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("weights", "bias", "threshold")))
        past = bench.run(text=text, pipeline="", limit=200)
        assert replay(past).verified
        (bench.folder / "events.jsonl").unlink()
        report = replay(past)
        [(reason, number)] = report.unknown.items()
        assert ("goes by the event's id" in reason, 198) == (True, number)


class TestAsFarAsItGoes:
    def test_a_run_that_died(self, bench: Bench) -> None:
        """Half a line at the end of trace and journal, no summary: what is whole is verified."""
        past = bench.run()
        (past.directory / "summary.json").unlink()
        for name, share in (("traces.jsonl", 0.6), ("journal.jsonl", 0.8)):
            content = (past.directory / name).read_bytes()
            (past.directory / name).write_bytes(content[: int(len(content) * share)])
        report = replay(past)
        assert report.verified
        assert 1_000 < report.packets < 1_400

    def test_a_run_that_is_going_on(self, bench: Bench) -> None:
        """A replay while the run is writing verifies what is there, more each time."""
        path = bench.folder / "pipeline.toml"
        path.write_text(PIPELINE.format(pipeline='id = "id"').replace("[durability]", '[durability]\nmode = "strict"'))
        seen: list[ReplayReport] = []
        run = Run.from_config(path, run_id="r", runs_dir=bench.runs)
        run.run(lambda read, _: seen.append(replay(bench.past())) if read else None)
        assert all(report.verified for report in seen)
        packets = [report.packets for report in seen]
        assert 0 < packets[0] < packets[-1] < EVENTS
        assert sorted(packets) == packets

    def test_a_run_that_was_gone_on_with(self, bench: Bench) -> None:
        """Decisions of both processes are verified."""
        past = bench.run(limit=1_200)
        (past.directory / "summary.json").unlink()  # as if the process had died here
        path = bench.folder / "pipeline.toml"
        assert "done" == Run.from_config(path, run_id="r", runs_dir=bench.runs, resume=True).run().status
        report = replay(past)
        assert (EVENTS - 1, EVENTS - 1, 0, 0) == counts(report)

    def test_a_trace_without_its_beginning(self, bench: Bench) -> None:
        """Steps of which no packet is kept are decided from the source, and counted as missing."""
        past = bench.run()
        edit(past.directory / "traces.jsonl", lambda packets: packets.__delitem__(slice(0, 700)))
        report = replay(past)
        assert (EVENTS - 701, 700) == (report.same, report.missing)
        assert report.verified

    def test_a_run_that_has_decided_nothing(self, bench: Bench) -> None:
        """Exit code 5, as for a run without events."""
        bench.run(limit=0)
        assert 5 == bench.mdm("r").exit_code

    def test_a_damaged_journal(self, bench: Bench) -> None:
        """A line that is missing is an error that names its place."""
        past = bench.run()
        journal = past.directory / "journal.jsonl"
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join([*lines[:40], *lines[41:]]))
        with pytest.raises(JournalFailed, match="line 41 is missing or was changed"):
            replay(past)


class TestDifferences:
    def test_one_bit_of_confidence(self, bench: Bench) -> None:
        """A confidence that is one unit in the last place off is told with its step and both values; exit code 1."""
        from math import nextafter

        past = bench.run()
        true = decided(past)[77][1]

        def change(packets: list[dict[str, Any]]) -> None:
            packets[77]["mdm"]["confidence"] = nextafter(true, 1.0)

        edit(past.directory / "traces.jsonl", change)
        result = bench.mdm("r", "--json")
        told = json.loads(result.stdout)
        assert (1, False, EVENTS - 2) == (result.exit_code, told["verified"], told["same"])
        fields = {"confidence": {"recorded": nextafter(true, 1.0), "now": true}}
        [difference] = told["differences"]
        assert (77, fields) == (difference["step"], difference["fields"])

    @pytest.mark.parametrize(
        ("field", "change"),
        [
            ("proposed_reasons", lambda p: p["mdm"]["reasons"].append("another")),
            ("proposed", lambda p: p["mdm"].update(action="EXIT")),
            ("reasons", lambda p: p["final_action"].update(reasons=[])),
            ("action", lambda p: p["final_action"].update(action="STOP")),
            ("allowed", lambda p: p["final_action"].update(allowed=not p["final_action"]["allowed"])),
            ("mismatch", lambda p: p.update(mismatch={"flags": ["f"], "reason_codes": ["c"]})),
        ],
    )
    def test_each_field(self, bench: Bench, field: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Whatever of a decision was changed in the trace is found, and nothing else."""
        past = bench.run(limit=300)
        edit(past.directory / "traces.jsonl", lambda packets: change(packets[33]))
        report = replay(past)
        assert ({field: 1}, [33]) == (dict(report.fields), [d["step"] for d in report.differences])

    @pytest.mark.parametrize("override", ["model.threshold=0.5", "modulators.1.burst=2", "modulators.2.failures=2"])
    def test_after_one_option_is_changed(self, bench: Bench, override: str) -> None:
        """The replay lists exactly the decisions that a second run, in which every order is done, makes differently."""
        done = ('broker.use="reference.paper"',)
        first, second = bench.run("a", done), bench.run("b", (*done, override))
        a, b = decided(first), decided(second)
        report = replay(first, Wanted(None, (override,)))
        assert {step for step in a if a[step] != b[step]} == {d["step"] for d in report.differences}
        flips = {step for step in a if a[step][3:5] != b[step][3:5]}
        assert flips == {d["step"] for d in report.differences if d["recorded"] != d["now"]}
        assert len(flips) == sum(report.flips.values()) > 0 or override.endswith("failures=2")

    def test_for_people(self, bench: Bench) -> None:
        """What changed, the number of each field, and the first differences, with no traceback."""
        bench.run(limit=500)
        result = bench.mdm("r", "--set", "model.threshold=0.9")
        assert 1 == result.exit_code
        assert "not every decision is the same" in result.stdout
        assert "model.threshold was 0.4 and is 0.9" in result.stdout
        assert "ACT → HOLD" in result.stdout
        assert "--json gives all of them" in result.stdout


class TestVersions:
    def test_another_version_is_refused_unless_allowed(self, bench: Bench) -> None:
        """The message names distribution, both versions and the way out."""
        past = bench.run(limit=300)
        document = read_json(past.directory / "run.json")
        assert document is not None
        document["distributions"]["mdm-guards"] = "0.9.0"
        write_json(past.directory / "run.json", document)
        result = bench.mdm("r")
        assert "mdm-guards 0.9.0, and there is mdm-guards 1.0.0" in str(result.exception)
        assert "--allow-versions" in str(result.exception)
        allowed = bench.mdm("r", "--allow-versions", "--json")
        assert {"mdm-guards": {"run": "0.9.0", "installed": "1.0.0"}} == json.loads(allowed.stdout)["versions"]
        assert 0 == allowed.exit_code

    def test_a_file_that_has_changed_is_told(self, bench: Bench) -> None:
        """Weights that are not those of the run are named beside the differences that come of them."""
        past = bench.run(text=_with_weights_file(PIPELINE, bench.folder), limit=500)
        assert ([], True) == (replay(past).files, replay(past).verified)
        (bench.folder / "weights.json").write_text('{"weights": {"amount": 1.1}, "bias": -5.0}')
        report = replay(past)
        assert (["weights.json"], False) == (report.files, report.verified)


class TestStreamedInputs:
    def test_the_same_as_all_at_once(self, bench: Bench) -> None:
        """At every step the journal tells what it tells when it is in memory as a whole."""
        past = bench.run()
        whole, streamed = RecordedInputs(past.journal()), StreamedInputs(past.directory)
        for step in range(EVENTS):
            assert whole.before(step) == streamed.before(step) == streamed.before(step)
        assert sum(len(whole.before(step)) for step in range(EVENTS)) > 200
        streamed.close()

    def test_read_on_while_it_is_written(self, tmp_path: Path) -> None:
        """Lines that come later, in halves too, are taken when their time comes."""
        journal = Journal(tmp_path)
        streamed = StreamedInputs(tmp_path)
        assert [] == streamed.before(0)
        journal.add(Answered, 0, 1, "done", "ok", 0.5)
        journal.add(Applied, 1, 1)
        journal.flush()
        path = tmp_path / "journal.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        assert [] == streamed.before(1)
        path.write_bytes(whole)
        assert [] == streamed.before(1)  # what was told of a step stays
        assert [1] == [entry.n for entry in streamed.before(2)]
        streamed.close()
        journal.close()

    def test_clock_and_timeouts(self, tmp_path: Path) -> None:
        """The time of a step and what took too long in it are known before the step is decided, and then forgotten."""
        journal = Journal(tmp_path)
        for step in range(3):
            journal.add(Clock, step, 1000 + step)
            journal.add(TimedOut, step, "model", "m", "model_timeout", None)
        journal.add(Command, "stop", "me", "now")
        journal.add(Applied, 3, 7)
        journal.flush()
        streamed = StreamedInputs(tmp_path)
        assert ([1000], {(0, "model", "m", None)}) == (
            [streamed.now_ms(0)],
            {c for c in streamed.timeouts if c[0] == 0},
        )
        assert [] == streamed.before(2)
        assert (1002, [2]) == (streamed.now_ms(2), [call[0] for call in streamed.timeouts])
        assert ["stop"] == [entry.name for entry in streamed.before(3)]
        streamed.close()
        journal.close()


def edit_line(path: Path, number: int) -> None:
    """Change one digit on a line of events, so that the size stays the same."""
    lines = path.read_text().splitlines(keepends=True)
    lines[number] = lines[number].replace('"amount": ', '"amount":1', 1)
    path.write_text("".join(lines))


def _with_note_length(text: str) -> str:
    begin, end = text.index("[features]"), text.index("[model]")
    features = '[features]\nuse = "replaytest.note_length"\n\n'
    return (text[:begin] + features + text[end:]).replace('"amount.z" = 0.5', "length = 0.1")


def _with_weights_file(text: str, folder: Path) -> str:
    (folder / "weights.json").write_text('{"weights": {"amount": 1.0, "amount.z": 0.5}, "bias": -5.0}')
    lines = text.replace("bias = -5.0", 'weights_file = "weights.json"').splitlines()
    return "\n".join(line for line in lines if not line.startswith("weights = "))


def _toml(event: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in event.items()) + "}"
