"""What-if on whole runs: no broker is reachable, answers serve or are assumed, flips are those of a second run."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from click.testing import CliRunner, Result
from mdm_core import ConfigError, PastRun, Run, UsageError
from sklearn.metrics import precision_score, recall_score  # type: ignore[import-untyped]

from mdm_eval.commands.whatif import whatif as command
from mdm_eval.costs import Costs
from mdm_eval.effects import effects_of
from mdm_eval.outcomes import Joined, write_outcomes
from mdm_eval.session import Wanted
from mdm_eval.sweep import Axis, sweep
from mdm_eval.whatif import Question, what_if

EVENTS = 1_500
T0 = 1_700_000_000_000

PLUGIN = """\
import os
import time
from pathlib import Path

import attrs
from mdm_core import (
    Action, Broker, Decided, FeatureExtractor, Proposal, ProposalModel, Receipt, hookimpl, keyed_state, option,
)

WITNESS = None


@attrs.define
class Witness(Broker):
    '''Leaves a trace of whatever is done with it.'''

    token: str = option(secret=True, help="without it nothing can be done")
    fails: bool = option(False, help="whether orders fail in bursts")
    asked: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self):
        self.tell("made")

    def open(self, build):
        self.tell("opened")

    def execute(self, order):
        self.tell("executed")
        self.asked += 1
        return Receipt("failed", "rejected") if self.fails and self.asked % 40 >= 30 else Receipt("done")

    def tell(self, what):
        with Path(WITNESS).open("a") as file:
            file.write(what + "\\n")


@attrs.define
class Acted:
    times: int = 0


@attrs.define
class Habit(FeatureExtractor):
    '''Features that depend on what was decided: how often the key was acted upon.'''

    states = keyed_state(Acted)

    def extract(self, event, context):
        return {"amount": event["amount"], "acted": self.states[context.key].times}

    def observe(self, fact):
        if isinstance(fact, Decided) and fact.final.allowed and fact.final.action is not Action.HOLD:
            self.states[fact.context.key].times += 1


@attrs.define
class Mortal(FeatureExtractor):
    dies: str = option(help="while this file exists, one event is the end of the process")
    scale: float = option(1.0, help="factor")

    def extract(self, event, context):
        if event["id"] == "e700" and Path(self.dies).exists():
            os._exit(3)
        return {"amount": self.scale * event["amount"]}


@attrs.define
class Chance(ProposalModel):
    share: float = option(0.3, help="how often it acts")

    def propose(self, features, context):
        drawn = context.random.random()
        return Proposal(Action.ACT if drawn < self.share else Action.HOLD, drawn, ["drawn"], {})


@attrs.define
class Wavering(ProposalModel):
    '''Cannot say in time what else it might have proposed, unless it is patient.'''

    patient: bool = option(False, help="whether it says at once what else it might have proposed")

    def propose(self, features, context):
        return self.proposal(Action.ACT if context.random.random() < 0.5 else Action.HOLD)

    def alternatives(self, features, context):
        if features["amount"] > 8.5 and not self.patient:
            time.sleep(5)
        return [(0.5, self.proposal(Action.ACT)), (0.5, self.proposal(Action.HOLD))]

    def proposal(self, action):
        return Proposal(action, 0.5, ["wavers"], {})


@hookimpl
def mdm_register_brokers(register):
    register("witness", Witness)


@hookimpl
def mdm_register_feature_extractors(register):
    register("habit", Habit)
    register("mortal", Mortal)


@hookimpl
def mdm_register_proposal_models(register):
    register("chance", Chance)
    register("wavering", Wavering)
"""

PIPELINE = """\
[pipeline]
key = "user"
timestamp = "at"
id = "id"
outcome = "label"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
include = ["amount", "kind"]
categories = ["kind"]
window = 20
stats = ["mean", "z"]

[model]
use = "reference.logistic"
weights = { amount = 1.0, "amount.z" = 0.5, "kind=b" = 0.2 }
bias = -5.0
threshold = 0.5

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
use = "whatiftest.witness"
token = { env = "WITNESS_TOKEN" }

[execution]
attempts = 1

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "redaction.keys"
"""


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install the plugin ``whatiftest``, as pip would leave it."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "whatiftest_plugin.py").write_text(PLUGIN)
    info = folder / "mdm_whatiftest-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mdm-whatiftest\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text("[mdm]\nwhatiftest = whatiftest_plugin\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield
    sys.modules.pop("whatiftest_plugin", None)


def events() -> list[dict[str, Any]]:
    """Amounts of a few users, one a second or so; the label goes by the amount, but not surely."""
    chance = random.Random(11)
    made = []
    for n in range(EVENTS):
        amount = chance.gauss(5.0, 1.5)
        event = {"id": f"e{n}", "at": T0 + n * 700, "user": f"u{chance.randrange(5)}", "amount": amount}
        label = None if chance.random() < 0.1 else amount + chance.gauss(0.0, 0.7) > 6.0
        made.append(event | {"kind": chance.choice("abc"), "label": label})
    return made


class Bench:
    """A directory with events, a pipeline, runs, and the witness of what the broker was asked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.runs, self.witness = folder, folder / "runs", folder / "witness"
        self._patch = patch
        (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events()))
        patch.setattr(import_module("whatiftest_plugin"), "WITNESS", str(self.witness))

    def run(self, run_id: str = "r", *overrides: str, text: str = PIPELINE) -> PastRun:
        """Run a pipeline to its end, with the broker's secret in the environment only meanwhile."""
        path = self.folder / "pipeline.toml"
        path.write_text(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WITNESS_TOKEN", "secret")
            summary = Run.from_config(path, overrides, run_id=run_id, runs_dir=self.runs).run()
        assert ("done", EVENTS) == (summary.status, summary.decided)
        return PastRun.find(run_id, self.runs)

    def mdm(self, *arguments: str) -> Result:
        """Call ``mdm whatif``."""
        return CliRunner().invoke(command, [*arguments, "--runs-dir", str(self.runs)])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def label(packet: Mapping[str, Any]) -> str:
    """What came of a decision, as reports name it."""
    final = packet["final_action"]
    return str(final["action"]) if final["allowed"] else "denied"


def flips_between(first: PastRun, second: PastRun) -> Counter[tuple[str, str]]:
    """How two runs over the same events differ."""
    pairs = zip(map(label, first.packets()), map(label, second.packets()), strict=True)
    return Counter((before, after) for before, after in pairs if before != after)


def denials(past: PastRun) -> Counter[str]:
    """Flag to number of denials of a run."""
    return Counter(flag for p in past.packets() if p["mismatch"] for flag in p["mismatch"]["flags"])


def outcome_cells(past: PastRun) -> Counter[tuple[bool, bool]]:
    """Whether it was acted and whether that was right, to the number of decisions."""
    cells: Counter[tuple[bool, bool]] = Counter()
    for packet in past.packets():
        outcome = packet["external"]["eval.outcome"]
        if outcome is not None:
            cells[label(packet) == "ACT", outcome] += 1
    return cells


class TestNothingIsCarriedOut:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["--set", "model.threshold=0.3"],
            ["--set", "features.window=5"],
            ["--sweep", "model.threshold=0.3:0.7:0.2"],
            ["--set", "broker.fails=true"],
            ["--config", "pipeline.toml"],
        ],
    )
    def test_the_broker_is_not_even_made(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ) -> None:
        """Its secret is not there, and it is neither made, opened nor asked, whatever is tried out."""
        bench.run()
        before = bench.witness.read_text()
        assert "executed" in before
        monkeypatch.chdir(bench.folder)
        result = bench.mdm("r", *arguments)
        assert (0, None) == (result.exit_code, result.exception)
        assert before == bench.witness.read_text()


class TestAnswers:
    def test_without_a_change(self, bench: Bench) -> None:
        """Every order is the recorded one, its recorded answer serves, and nothing flips."""
        past = bench.run("r", "broker.fails=true")
        found = what_if(past, Wanted(), Question())
        assert {"recorded": acting(past), "assumed": 0, "unused": 0} == found.trial.orders[0]
        assert (0, EVENTS, EVENTS) == (found.flipped, found.trial.decisions, found.trial.reproduced)

    def test_some_serve_and_some_are_assumed(self, bench: Bench) -> None:
        """A guard lets other orders through: those of the run have its answers, the others count as done."""
        past = bench.run("r", "broker.fails=true")
        found = what_if(past, Wanted(None, ("modulators.1.burst=20", "modulators.1.rate=5")), Question())
        orders = found.trial.orders[0]
        assert min(orders["recorded"], orders["assumed"]) > 20
        assert orders["recorded"] + orders["assumed"] == found.actions["ACT"][1]
        assert EVENTS == found.trial.reproduced

    def test_other_parameters_are_another_order(self, bench: Bench) -> None:
        """The model's threshold is among the parameters of its orders, so no recorded answer serves, and it is said."""
        past = bench.run()
        change = "model.threshold=0.51"
        found = what_if(past, Wanted(None, (change,)), Question())
        orders = found.trial.orders[0]
        assert (0, True, True) == (orders["recorded"], orders["assumed"] > 0, orders["unused"] > 0)
        second = bench.run("second", change, "broker.fails=false")
        both = sum(label(p) == label(q) == "ACT" for p, q in zip(past.packets(), second.packets(), strict=True))
        assert {"threshold": both} == found.trial.other_params[0]
        told = bench.mdm("r", "--set", change).stdout
        assert f"assumed done though the run gave the order too, with another parameter: threshold in {both:,}" in told

    def test_without_a_broker(self, bench: Bench) -> None:
        """Where nobody answers in the configuration that is tried out, nothing is assumed."""
        past = bench.run()
        text = PIPELINE[: PIPELINE.index("[broker]")] + PIPELINE[PIPELINE.index("[[trace]]") :]
        (bench.folder / "other.toml").write_text(text)
        found = what_if(past, Wanted(bench.folder / "other.toml"), Question())
        assert {"recorded": 0, "assumed": 0, "unused": True} == {
            **found.trial.orders[0],
            "unused": found.trial.orders[0]["unused"] > 0,
        }

    def test_time_outs_of_another_model(self, bench: Bench) -> None:
        """That the run's model was late to say what else it might have proposed says nothing of another model."""
        head, tail = PIPELINE.split("[model]\n")
        model = '[model]\nuse = "whatiftest.wavering"\ntimeout_ms = 100\n\n[[modulators]]'
        past = bench.run(text=head + model + tail.split("[[modulators]]", 1)[1])
        late = [p for p in past.packets() if p["external"].get("mdm.fail_closed")]
        assert "alternatives_timeout" in {code for p in late for code in p["mismatch"]["reason_codes"]}
        found = what_if(past, Wanted(None, ("model.patient=true",)), Question())
        assert (EVENTS, 0) == (found.trial.reproduced, found.trial.left_out)
        assert {0} == {found.denied[flag][1] for p in late for flag in p["mismatch"]["flags"]}

    def test_a_process_that_died(self, bench: Bench) -> None:
        """The run's own extractor fails where it died, though it lives now; one with other options does not."""
        begin, end = PIPELINE.index("[features]"), PIPELINE.index("[model]")
        dies = bench.folder / "dies"
        mortal = f'[features]\nuse = "whatiftest.mortal"\nisolate = "process"\ndies = "{dies}"\n\n'
        dies.touch()
        past = bench.run(text=PIPELINE[:begin] + mortal + PIPELINE[end:].replace('"amount.z" = 0.5, ', ""))
        dies.unlink()
        found = what_if(past, Wanted(None, ("features.scale=1.1",)), Question())
        assert ("source", EVENTS) == (found.trial.events, found.trial.reproduced)
        assert (1, 0) == found.denied["features_error"]


class TestFlips:
    @pytest.mark.parametrize(
        ("override", "events"),
        [
            ("model.threshold=0.4", "recorded features"),
            ("modulators.1.burst=1", "recorded features"),
            ("modulators.2.failures=1", "recorded features"),
            ("model.bias=-4.0", "recorded features"),
            ("features.window=5", "source"),
            ('pipeline.key="kind"', "source"),
        ],
    )
    def test_those_of_a_second_run(self, bench: Bench, override: str, events: str) -> None:
        """With a broker that does everything, what-if says what a second run shows, by action and by flag."""
        first, second = bench.run("a"), bench.run("b", override)
        found = what_if(first, Wanted(None, (override,)), Question())
        assert (events, EVENTS) == (found.trial.events, found.trial.reproduced)
        assert flips_between(first, second) == Counter({(f.before, f.after): f.decisions for f in found.flips})
        assert (denials(first), denials(second)) == (
            Counter({flag: before for flag, (before, _) in found.denied.items()}),
            Counter({flag: after for flag, (_, after) in found.denied.items()}),
        )

    def test_features_that_depend_on_decisions(self, bench: Bench) -> None:
        """An extractor that learns is asked anew for each configuration: its recorded features would be others."""
        begin, end = PIPELINE.index("[features]"), PIPELINE.index("[model]")
        text = PIPELINE[:begin] + '[features]\nuse = "whatiftest.habit"\n\n' + PIPELINE[end:]
        text = text.replace('"amount.z" = 0.5', "acted = -0.01")
        first, second = bench.run("a", text=text), bench.run("b", "model.threshold=0.3", text=text)
        found = what_if(first, Wanted(None, ("model.threshold=0.3",)), Question())
        assert "source" == found.trial.events
        assert flips_between(first, second) == Counter({(f.before, f.after): f.decisions for f in found.flips})
        assert found.flipped > 0

    def test_examples_and_reasons(self, bench: Bench) -> None:
        """Each kind of flip has its first decisions, with ids and both sides, and the reasons of the other side."""
        past = bench.run()
        found = what_if(past, Wanted(None, ("modulators.1.burst=1",)), Question())
        [flip] = [flip for flip in found.flips if (flip.before, flip.after) == ("ACT", "denied")]
        example = flip.examples[0]
        packet = list(past.packets())[example["step"]]
        assert (packet["input"]["id"], packet["input"]["user"]) == (example["id"], example["key"])
        assert ("ACT", "HOLD") == (example["before"]["action"], example["after"]["action"])
        assert example["after"]["reasons"] == ["rate_limit:exceeded"]
        assert {"rate_limit:exceeded": flip.decisions} == dict(flip.reasons)

    def test_an_event_that_is_refused(self, bench: Bench) -> None:
        """A key that events lack is no error: they count as refused."""
        past = bench.run()
        found = what_if(past, Wanted(None, ('pipeline.key="account"',)), Question())
        assert EVENTS == found.actions["refused"][1]

    def test_a_wrong_option(self, bench: Bench) -> None:
        """It is told as `mdm run` tells it."""
        past = bench.run()
        with pytest.raises(ConfigError, match=r"threshold.*must be at most 1"):
            what_if(past, Wanted(None, ("model.threshold=7",)), Question())


class TestRedaction:
    def test_other_features_from_inputs_that_are_whole(self, bench: Bench) -> None:
        """Without the source, recorded inputs serve if nothing in them was hidden."""
        first, second = bench.run("a"), bench.run("b", "features.window=5")
        (bench.folder / "events.jsonl").unlink()
        found = what_if(first, Wanted(None, ("features.window=5",)), Question())
        assert ("recorded inputs", EVENTS) == (found.trial.events, found.trial.reproduced)
        assert flips_between(first, second) == Counter({(f.before, f.after): f.decisions for f in found.flips})

    @pytest.mark.parametrize(("mode", "why"), [("mask", "input 'kind' of step 0"), ("drop", "may leave values out")])
    def test_other_features_from_inputs_that_are_not(self, bench: Bench, mode: str, why: str) -> None:
        """A mask is no input: what features would be made of it is not guessed."""
        text = PIPELINE.replace('use = "redaction.keys"', f'use = "redaction.keys"\nextra = ["kind"]\nmode = "{mode}"')
        past = bench.run(text=_with_weights_file(text, bench.folder))
        (bench.folder / "events.jsonl").unlink()
        with pytest.raises(UsageError, match=why):
            what_if(past, Wanted(None, ("features.window=5",)), Question())

    def test_hidden_features_come_from_the_source(self, bench: Bench) -> None:
        """Where the trace holds a mask, the source is read; if that is gone and all are masked, it is refused."""
        text = PIPELINE.replace('use = "redaction.keys"', 'use = "redaction.keys"\nextra = ["kind"]')
        text = _with_weights_file(text, bench.folder)
        first, second = bench.run("a", text=text), bench.run("b", "model.threshold=0.4", text=text)
        found = what_if(first, Wanted(None, ("model.threshold=0.4",)), Question())
        assert ("source", EVENTS) == (found.trial.events, found.trial.reproduced)
        assert flips_between(first, second) == Counter({(f.before, f.after): f.decisions for f in found.flips})
        (bench.folder / "events.jsonl").unlink()
        with pytest.raises(
            UsageError, match=rf"not one decision can be made again: what all {EVENTS:,} were made from"
        ):
            what_if(first, Wanted(None, ("model.threshold=0.4",)), Question())

    def test_chance_without_an_id(self, bench: Bench) -> None:
        """A model that draws by the event's position is asked again from the source, and not without it."""
        lines = PIPELINE.replace('use = "reference.logistic"', 'use = "whatiftest.chance"').splitlines()
        text = "\n".join(line for line in lines if not line.startswith(("weights", "bias", "threshold", "id = ")))
        first, second = bench.run("a", text=text), bench.run("b", "model.share=0.5", text=text)
        found = what_if(first, Wanted(None, ("model.share=0.5",)), Question())
        assert ("source", EVENTS) == (found.trial.events, found.trial.reproduced)
        assert flips_between(first, second) == Counter({(f.before, f.after): f.decisions for f in found.flips})
        (bench.folder / "events.jsonl").unlink()
        with pytest.raises(UsageError, match=r"by chance.*set id in \[pipeline\]"):
            what_if(first, Wanted(None, ("model.share=0.5",)), Question())


class TestEffects:
    def test_precision_recall_and_cost(self, bench: Bench) -> None:
        """Before and after are those of the two runs, by scikit-learn, and the change is their difference."""
        first, second = bench.run("a"), bench.run("b", "model.threshold=0.3")
        found = what_if(first, Wanted(None, ("model.threshold=0.3",)), Question(Costs(fp=1.0, fn=5.0)))
        assert found.effects is not None
        for past, when in ((first, "before"), (second, "after")):
            pairs = [(label(p) == "ACT", p["external"]["eval.outcome"]) for p in past.packets()]
            acted, truth = zip(*[pair for pair in pairs if pair[1] is not None], strict=True)
            assert pytest.approx(precision_score(truth, acted), abs=1e-12) == getattr(found.effects.precision, when)
            assert pytest.approx(recall_score(truth, acted), abs=1e-12) == getattr(found.effects.recall, when)
            cells = outcome_cells(past)
            assert cells[True, False] + 5 * cells[False, True] == getattr(found.effects.cost, when)
        assert (EVENTS - found.unknown, True) == (found.effects.known, found.unknown > 100)

    def test_the_interval_is_that_of_drawing_decisions_again(self) -> None:
        """A bootstrap that draws rows one by one, written down plainly, gives the same spread."""
        random_cells = np.random.default_rng(3).integers(20, 200, 8)
        cells = {(bool(n & 4), bool(n & 2), bool(n & 1)): int(number) for n, number in enumerate(random_cells)}
        rows = np.array([cell for cell, number in cells.items() for _ in range(number)])
        generator = np.random.default_rng(5)
        costs = Costs(fp=1.0, fn=5.0)
        changes = []
        for _ in range(2_000):
            before, after, right = rows[generator.integers(0, len(rows), len(rows))].T
            precision = (after & right).sum() / after.sum() - (before & right).sum() / before.sum()
            cost = (
                (after & ~right).sum()
                - (before & ~right).sum()
                + 5.0 * ((before & right).sum() - (after & right).sum())
            )
            changes.append((precision, cost))
        found = effects_of(cells, costs)
        for change, drawn in zip((found.precision, found.cost), np.array(changes).T, strict=True):
            low, high = np.quantile(drawn, [0.025, 0.975])
            spread = high - low
            assert change.change.low is not None
            assert change.change.high is not None
            assert abs(change.change.low - low) < 0.1 * spread
            assert abs(change.change.high - high) < 0.1 * spread

    def test_coverage(self) -> None:
        """Over 400 samples of a known population, the interval of the change in cost holds the truth in about 95 %."""
        shares = np.array([0.5, 0.1, 0.05, 0.05, 0.04, 0.06, 0.05, 0.15])
        names = [(bool(n & 4), bool(n & 2), bool(n & 1)) for n in range(8)]
        costs = Costs(fp=1.0, fn=5.0)
        each = {(b, a, r): (a - b) * (costs.fp if not r else -costs.fn) for b, a, r in names}
        truth = 1_000 * sum(share * each[name] for share, name in zip(shares, names, strict=True))
        held = 0
        for seed in range(400):
            drawn = np.random.default_rng(seed).multinomial(1_000, shares)
            change = effects_of(dict(zip(names, map(int, drawn), strict=True)), costs).cost.change
            assert change.low is not None
            assert change.high is not None
            held += change.low <= truth <= change.high
        assert 0.92 <= held / 400 <= 0.98

    def test_outcomes_that_were_joined(self, bench: Bench) -> None:
        """They take the place of what came with the events."""
        past = bench.run()
        write_outcomes(past.directory, (Joined(step, step % 2 == 0) for step in range(0, EVENTS, 3)))
        found = what_if(past, Wanted(), Question())
        truths = {
            p["step"]: p["step"] % 2 == 0 if p["step"] % 3 == 0 else p["external"]["eval.outcome"]
            for p in past.packets()
        }
        acted = [p["step"] for p in past.packets() if label(p) == "ACT" and truths[p["step"]] is not None]
        assert found.effects is not None
        assert pytest.approx(sum(bool(truths[step]) for step in acted) / len(acted)) == found.effects.precision.before

    def test_none(self, bench: Bench) -> None:
        """Without outcomes there is no precision; who asks for a cost is told so."""
        past = bench.run(text=PIPELINE.replace('outcome = "label"\n', "").replace('["amount", "kind"]', '["amount"]'))
        assert what_if(past, Wanted(), Question()).effects is None
        with pytest.raises(UsageError, match="has no outcomes; `mdm outcomes join` adds them"):
            what_if(past, Wanted(), Question(needs_outcomes=True))


class TestBy:
    @pytest.mark.parametrize(("by", "parts"), [("key", 5), ("kind", 3), ("amount", 5)])
    def test_parts_make_the_whole(self, bench: Bench, by: str, parts: int) -> None:
        """Keys, texts, and fifths of a number: each decision is in one part."""
        past = bench.run()
        found = what_if(past, Wanted(None, ("model.threshold=0.3",)), Question(by=by))
        assert parts == len(found.segments)
        assert EVENTS == sum(figures["decisions"] for figures in found.segments.values())
        assert found.flipped == sum(figures["flipped"] for figures in found.segments.values())
        assert found.actions["ACT"][1] == sum(figures["acted_after"] for figures in found.segments.values())
        assert found.effects is not None
        costs = sum(figures["effects"]["cost"]["after"] for figures in found.segments.values())
        assert pytest.approx(found.effects.cost.after) == costs

    def test_nothing_to_divide_by(self, bench: Bench) -> None:
        """A name that no decision has is refused."""
        past = bench.run()
        with pytest.raises(UsageError, match="--by colour: no decision has such a feature"):
            what_if(past, Wanted(), Question(by="colour"))


class TestSweep:
    @pytest.mark.parametrize(
        "axis", ["model.threshold=0.2:0.8:0.1", "modulators.1.burst=1:9:2", "features.window=5:25:10"]
    )
    def test_what_a_series_of_runs_finds(self, bench: Bench, axis: str) -> None:
        """Every point has the figures of a run of its own, and the best is the one that costs least there."""
        past = bench.run("base")
        costs = Costs(fp=1.0, fn=5.0)
        found = sweep(past, Wanted(), [Axis.parse(axis)], Question(costs))
        name, prices = axis.partition("=")[0], []
        for number, (value, point) in enumerate(zip(Axis.parse(axis).values, found.points, strict=True)):
            run = bench.run(f"p{number}", f"{name}={value}")
            cells = outcome_cells(run)
            assert (float(value), sum(flips_between(past, run).values())) == (point.values[name], point.flipped)
            assert sum(label(p) == "ACT" for p in run.packets()) == point.acted
            assert denials(run).total() == point.denied
            assert (cells[True, True], cells[True, False]) == (point.tp, point.fp)
            assert (cells[False, True], cells[False, False]) == (point.fn, point.tn)
            prices.append(cells[True, False] + 5.0 * cells[False, True])
        assert prices == [point.cost for point in found.points]
        assert found.best is not None
        assert min(prices) == found.best.cost
        assert EVENTS == found.trial.reproduced

    def test_two_options(self, bench: Bench) -> None:
        """All pairs, each as if it were tried out alone."""
        past = bench.run()
        axes = [Axis.parse("model.threshold=0.3:0.7:0.2"), Axis.parse("modulators.1.burst=1:5:4")]
        found = sweep(past, Wanted(), axes, Question())
        assert 6 == len(found.points)
        for point in found.points:
            threshold, burst = point.values["model.threshold"], int(point.values["modulators.1.burst"])
            alone = what_if(
                past, Wanted(None, (f"model.threshold={threshold}", f"modulators.1.burst={burst}")), Question()
            )
            assert (alone.flipped, alone.actions["ACT"][1]) == (point.flipped, point.acted)
            assert alone.trial.orders[0] == point.orders

    def test_the_recorded_value_is_among_them(self, bench: Bench) -> None:
        """At the run's own threshold nothing flips, and the point is the recorded one."""
        past = bench.run()
        found = sweep(past, Wanted(), [Axis.parse("model.threshold=0.4:0.6:0.1")], Question())
        own = attrs.evolve(found.points[1], values={}, orders={})
        assert found.recorded == own
        assert 0 == own.flipped


class TestAxis:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("model.threshold=0.1:0.3:0.05", ["0.10", "0.15", "0.20", "0.25", "0.30"]),
            ("m.n=1:10:3", ["1", "4", "7", "10"]),
            ("m.n=0.3:0.1:-0.1", ["0.3", "0.2", "0.1"]),
            ("m.n=1:1:1", ["1"]),
            ("m.n=1:2:0.4", ["1.0", "1.4", "1.8"]),
        ],
    )
    def test_values(self, text: str, values: list[str]) -> None:
        """Both ends belong to it, and decimals stay what they are."""
        found = Axis.parse(text).values
        assert [float(value) for value in values] == [float(value) for value in found]
        assert all("." not in value for value in found) == ("." not in text.partition("=")[2])

    @pytest.mark.parametrize(
        "text", ["a.b", "a.b=1:2", "a.b=1:2:0", "a.b=1:2:-1", "a.b=x:2:1", "=1:2:1", "a.b=0:9:nan"]
    )
    def test_what_is_none(self, text: str) -> None:
        """It is refused with an example."""
        with pytest.raises(UsageError, match=r"such as --sweep model\.threshold"):
            Axis.parse(text)

    def test_too_many(self) -> None:
        """A step that is much too small is refused before anything is built."""
        with pytest.raises(UsageError, match="take a larger step"):
            Axis.parse("a.b=0:1:0.00001")


class TestCommand:
    def test_for_people(self, bench: Bench) -> None:
        """The change, the check without it, flips, denials, precision, parts: all in tables."""
        bench.run()
        result = bench.mdm("r", "--set", "model.threshold=0.3", "--by", "kind", "--cost", "fp=1,fn=5")
        assert 0 == result.exit_code
        for told in (
            "model.threshold was 0.5 and is 0.3",
            "all of the decisions are made just so again",
            "HOLD → ACT",
            "rate_limit",
            "95 % interval",
            "cost per decision",
        ):
            assert told in result.stdout

    def test_a_sweep_for_people(self, bench: Bench) -> None:
        """The curve, the run itself and the best value."""
        bench.run()
        result = bench.mdm("r", "--sweep", "model.threshold=0.3:0.7:0.1", "--cost", "fp=1,fn=5")
        assert (0, 1) == (result.exit_code, result.stdout.count("  best\n"))
        assert "least cost: model.threshold = " in result.stdout

    @pytest.mark.parametrize(
        "arguments", [["--set", "model.threshold=0.3"], ["--sweep", "model.threshold=0.3:0.7:0.1"]]
    )
    def test_as_json(self, bench: Bench, arguments: list[str]) -> None:
        """One document, with all that people are shown."""
        bench.run()
        told = json.loads(bench.mdm("r", *arguments, "--json").stdout)
        assert ("r", EVENTS) == (told["run_id"], told["trial"]["decisions"])
        assert {"flips", "denied", "effects", "orders"} <= set(told) or {"points", "best", "recorded"} <= set(told)

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--sweep", "a.b=1:2:1"] * 3, "one option or two"),
            (["--sweep", "a.b=1:2:1", "--by", "key"], "leave out --sweep"),
            (["--cost", "fp=cheap"], "is no number"),
        ],
    )
    def test_what_does_not_go_together(self, bench: Bench, arguments: list[str], why: str) -> None:
        """It is refused in one line that names the way out."""
        bench.run()
        assert why in str(bench.mdm("r", *arguments).exception)


def acting(past: PastRun) -> int:
    """How many decisions act."""
    return sum(label(packet) == "ACT" for packet in past.packets())


def _with_weights_file(text: str, folder: Path) -> str:
    """Weights that stand in the pipeline file under hidden names would be hidden in run.json too."""
    (folder / "weights.json").write_text('{"weights": {"amount": 1.0, "amount.z": 0.5, "kind=b": 0.2}, "bias": -5.0}')
    lines = text.replace("bias = -5.0", 'weights_file = "weights.json"').splitlines()
    return "\n".join(line for line in lines if not line.startswith("weights = "))
