"""`mdm explain`: what made the score, what guards said, and changes that really lead to another decision."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from math import exp, isclose
from pathlib import Path
from statistics import pstdev
from typing import Any

import attrs
import pytest
from mdm_core import PastRun, Pipeline, Run, UsageError

from mdm_eval.explain import Explanation, explain
from mdm_eval.explain_flips import Flip
from mdm_eval.explain_text import lines_of
from mdm_eval.flips import label_of, recorded_label

T0 = 1_700_000_000_000

PIPELINE = """\
[pipeline]
key = "site"
timestamp = "at"
id = "id"
outcome = "bad"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"
include = ["x", "y", "n", "new", "colour"]
categories = ["colour"]
stats = []

[model]
use = "reference.logistic"
weights = { x = 1.5, y = -0.5, n = 0.25, new = 0.75, "colour=red" = 1.25 }
bias = -1.0
threshold = 0.4
max_reasons = 1

[[modulators]]
use = "guards.clamp"
max = { score = 30 }

[[modulators]]
use = "guards.confidence"
floor = 0.6

[[modulators]]
use = "guards.staleness"
max_age_ms = 5000

[[modulators]]
use = "guards.cooldown"
duration = "5s"

[[modulators]]
use = "guards.policy"
deny_if = "x > 1.8"
name = "extreme"

[broker]
use = "reference.paper"

[[trace]]
use = "trace-jsonl.packets"

[redaction]
use = "redaction.keys"
"""

CLAMP = '[[modulators]]\nuse = "guards.clamp"\nmax = { score = 30 }\n\n'
CANARY = """\
[canary]
share = 0.5
features = { use = "reference.rolling", include = ["x", "y"], stats = [] }
model = { use = "reference.logistic", weights = { x = 2.0, y = 0.5 }, bias = -0.25, max_reasons = 1 }

[[canary.modulators]]
use = "guards.cooldown"
duration = "7s"

[broker]"""
STALE = '[[modulators]]\nuse = "guards.staleness"\nmax_age_ms = 5000\n\n'
STATELESS = PIPELINE.replace('[[modulators]]\nuse = "guards.cooldown"\nduration = "5s"\n', "")


def make_events(count: int = 300) -> list[dict[str, Any]]:
    """Make events; every ninth comes so late that it is stale."""
    return [
        {
            "id": f"e{n}",
            "at": T0 + n * 1000 - (9000 if n % 9 == 8 else 0),
            "site": f"s{n % 3}",
            "x": (n * 7919 % 997) / 200 - 2,
            "y": (n * 104729 % 613) / 150 - 2,
            "n": n * 31 % 7,
            "new": n % 4 == 0,
            "colour": ["red", "blue", "green"][n * 17 % 3],
            "bad": n % 5 == 0,
        }
        for n in range(count)
    ]


@attrs.frozen
class Made:
    """A run, and what it was made of.

    Attributes:
        directory: Where its pipeline file, its events and its run are.
        events: The events.
    """

    directory: Path
    events: list[dict[str, Any]]

    @property
    def past(self) -> PastRun:
        """The run."""
        return PastRun.find("r", self.directory / "runs")

    @property
    def packets(self) -> list[Mapping[str, Any]]:
        """Its packets."""
        return list(self.past.packets())

    @property
    def trace(self) -> Path:
        """The file of its packets."""
        return self.directory / "runs/r/traces.jsonl"

    def explain(self, step: int) -> Explanation:
        """Explain a decision."""
        return explain(self.past, step)

    def steps(self, *flags: str, action: str = "HOLD") -> list[int]:
        """The steps that were denied by these flags, or with none the allowed ones with an action."""
        found = [p for p in self.packets if list((p["mismatch"] or {}).get("flags", [])) == list(flags)]
        steps = [p["step"] for p in found if p["final_action"]["action"] == action]
        assert steps
        return steps

    def decide(self, step: int, *, text: str | None = None, **changes: Any) -> str:
        """Decide about one event in a new pipeline, with the time that the run had come to."""
        pipeline = pipeline_of(self.directory, text or (self.directory / "pipeline.toml").read_text())
        now_ms = max(event["at"] for event in self.events[: step + 1])
        return label_of(pipeline.decide({**self.events[step], **changes}, {"now_ms": now_ms}))


@lru_cache
def pipeline_of(directory: Path, text: str) -> Pipeline:
    """Open a pipeline whose decisions depend on nothing but their event."""
    (directory / "other.toml").write_text(text)
    return Pipeline.from_config(directory / "other.toml")


NEEDY = """\
from mdm_core import Action, Broker, Proposal, ProposalModel, Receipt, hookimpl


class Product(ProposalModel):
    def propose(self, features, context):
        return Proposal(Action.ACT, 1 / (1 + features["x"] ** 2), ["x"], {})


class Slow(Broker):
    def __init__(self):
        self.given = []

    def execute(self, order):
        self.given.append(order.idempotency_key)
        return Receipt("pending")

    def poll(self):
        while self.given:
            yield self.given.pop(0), Receipt("failed", "rejected")


@hookimpl
def mdm_register_proposal_models(register):
    register("product", Product)


@hookimpl
def mdm_register_brokers(register):
    register("slow", Slow)
"""


def needy_plugin(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a model that cannot do without one of its features, and tells no contributions."""
    (directory / "needy_plugin.py").write_text(NEEDY)
    info = directory / "mdm_needy-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mdm-needy\nVersion: 1.0.0\nRequires-Dist: mdm-core>=1,<2\n"
    )
    (info / "entry_points.txt").write_text("[mdm]\nneedy = needy_plugin\n")
    monkeypatch.syspath_prepend(str(directory))


def make(directory: Path, pipeline: str = PIPELINE, events: list[dict[str, Any]] | None = None) -> Made:
    """Decide the events in a real run."""
    events = make_events() if events is None else events
    directory.mkdir(exist_ok=True)
    (directory / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (directory / "pipeline.toml").write_text(pipeline)
    Run.from_config(directory / "pipeline.toml", run_id="r", runs_dir=directory / "runs").run()
    return Made(directory, events)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run whose guards remember; nobody may change it."""
    return make(tmp_path_factory.mktemp("guarded"))


@pytest.fixture(scope="module")
def stateless(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run whose decisions depend on nothing but their event; nobody may change it."""
    return make(tmp_path_factory.mktemp("stateless"), STATELESS)


class TestScore:
    """What made the score."""

    def test_contributions_sum_to_the_score(self, guarded: Made) -> None:
        """Of a model that weighs every contribution is told, though it gives one reason, and they sum to the score."""
        packet, event = guarded.packets[12], guarded.events[12]
        assert ("red", True) == (event["colour"], event["new"])
        score = guarded.explain(12).score
        expected = {
            "x": 1.5 * event["x"],
            "y": -0.5 * event["y"],
            "n": 0.25 * event["n"],
            "new": 0.75,
            "colour=red": 1.25,
        }
        assert ("contributions", expected) == (score.kind, {part.name: part.moved for part in score.parts})
        assert sorted(score.parts, key=lambda part: -abs(part.moved)) == score.parts
        assert {"x": event["x"], "colour=red": "red", "new": True}.items() <= {
            p.name: p.value for p in score.parts
        }.items()
        assert (-1.0, packet["mdm"]["params"]["score"]) == (score.start, score.score)
        assert isclose(sum(expected.values()) - 1.0, packet["mdm"]["params"]["score"], rel_tol=1e-12)
        assert packet["mdm"]["params"]["probability"] == score.probability
        assert 1 == len(packet["mdm"]["features_summary"])

    def test_model_that_does_not_add(self, tmp_path: Path) -> None:
        """Of a model whose reasons do not sum to its score, the effect of each feature alone is told."""
        model = '[model]\nuse = "reference.logistic"\nthreshold = 0.3\n'
        unusual = re.sub(
            r"\[model\].*?\n\n", model + "\n", STATELESS.replace("stats = []", 'stats = ["z"]'), flags=re.DOTALL
        )
        made = make(tmp_path / "r", unusual)
        features = made.packets[200]["mdm"]["features"]
        sizes = sorted((abs(v), name) for name, v in features.items() if name.endswith(".z") and v)
        probability, without = (1 / (1 + exp(3 - z)) for z, _ in (sizes[-1], sizes[-2]))
        score = made.explain(200).score
        effects = {part.name: part.moved for part in score.parts}
        assert ("effects", None, None) == (score.kind, score.start, score.score)
        assert isclose(probability, score.probability or 0.0)
        assert sizes[-1][1] == score.parts[0].name
        assert isclose(probability - without, effects.pop(sizes[-1][1]))
        assert {0.0} == set(effects.values())

    def test_model_that_fails_without_a_feature(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A feature that the model cannot do without is told as such."""
        needy_plugin(tmp_path, monkeypatch)
        model = '[model]\nuse = "needy.product"\n\n'
        made = make(tmp_path / "r", re.sub(r"\[model\].*?\n\n", model, STATELESS.replace(CLAMP, ""), flags=re.DOTALL))
        score = made.explain(3).score
        assert ("effects", [("x", None), ("y", 0.0)]) == (
            score.kind,
            sorted((part.name, part.moved) for part in score.parts if part.name in "xy"),
        )
        assert "fails without it" in "\n".join(lines_of(made.explain(3)))


class TestGuards:
    """What guards said."""

    def test_in_order(self, guarded: Made) -> None:
        """Those before the denial let it pass or changed it, the one that denied says why, and no other was asked."""
        step = guarded.steps("policy")[0]
        told = [(said.guard, said.said) for said in guarded.explain(step).guards]
        passed = [f"guards.{name}" for name in ("clamp", "confidence", "staleness", "cooldown")]
        assert [*((name, "passed") for name in passed), ("guards.policy", "denied")] == told
        denied = guarded.explain(step).guards[-1]
        mismatch = guarded.packets[step]["mismatch"]
        assert (["policy"], ["policy:extreme"]) == (denied.flags, denied.reason_codes)
        assert mismatch["metadata"]["x"] == denied.saw["x"] == guarded.events[step]["x"]

    def test_what_it_saw(self, guarded: Made) -> None:
        """The numbers that a guard went by are those of the trace, also if it goes by what it remembers."""
        for flag in ("confidence", "staleness", "cooldown"):
            for step in guarded.steps(flag)[:3]:
                found = guarded.explain(step)
                (denied,) = (said for said in found.guards if said.said == "denied")
                mismatch = guarded.packets[step]["mismatch"]
                seen = {k: v for k, v in mismatch["metadata"].items() if k in denied.saw}
                assert (True, seen, mismatch["throttle_refresh_ms"]) == (found.same, denied.saw, denied.wait_ms)
                assert denied.saw
                after = found.guards[[said.said for said in found.guards].index("denied") + 1 :]
                assert {"not asked"} == {said.said for said in after}

    def test_change(self, tmp_path: Path) -> None:
        """A guard that changes a decision and lets it pass tells what it set."""
        made = make(tmp_path / "r", STATELESS.replace("score = 30", "score = 0.5"))
        step = made.steps(action="ACT")[0]
        clamp = made.explain(step).guards[0]
        assert ("changed", {"score": 0.5}, ["clamp:score:max"]) == (clamp.said, clamp.params, clamp.reason_codes)

    def test_of_a_hold(self, guarded: Made) -> None:
        """About a HOLD that the model wants nobody is asked."""
        assert {"not asked"} == {said.said for said in guarded.explain(guarded.steps()[0]).guards}

    def test_operator(self, tmp_path: Path) -> None:
        """What operations deny is told as theirs."""
        denying = STATELESS.replace('key = "site"', 'key = "site"\nclock = "wall"').replace('timestamp = "at"\n', "")
        made = make(
            tmp_path / "r", re.sub(r'\[\[modulators\]\]\nuse = "guards.staleness".*?\n\n', "", denying, flags=re.DOTALL)
        )
        assert made.explain(made.steps(action="ACT")[-1]).same


class TestExecution:
    """What came of carrying it out."""

    def test_later_answers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the broker said later, after the packet was written, is told from the journal."""
        needy_plugin(tmp_path, monkeypatch)
        made = make(tmp_path / "r", STATELESS.replace("reference.paper", "needy.slow"))
        found = made.explain(made.steps(action="ACT")[0])
        told = [(answer["attempt"], answer["status"], answer["kind"]) for answer in found.answers]
        assert ("pending", [(1, "pending", "ok"), (1, "failed", "rejected")]) == (found.execution["status"], told)
        assert "  answers        attempt 1 pending; attempt 1 failed (rejected)" in list(lines_of(found))


class TestFlips:
    """What would have led to another decision."""

    def test_of_features(self, stateless: Made) -> None:
        """Decided anew by another pipeline, each change leads to what is told, and a little less of it does not."""
        checked = 0
        for step in [*stateless.steps()[:4], *stateless.steps(action="ACT")[:4], *stateless.steps("policy")[:2]]:
            before = recorded_label(stateless.packets[step])
            for flip in stateless.explain(step).flips:
                if flip.kind != "feature":
                    continue
                checked += 1
                assert flip.becomes == stateless.decide(step, **{flip.name: flip.after}) != before
                if flip.name in ("x", "y"):
                    less = flip.before + (flip.after - flip.before) * (1 - 1e-6)
                    assert before == stateless.decide(step, **{flip.name: less})
                elif flip.name == "n":
                    assert isinstance(flip.after, int)
                    nearer = flip.after - (1 if flip.after > flip.before else -1)
                    assert before == stateless.decide(step, n=nearer)
        assert checked > 15

    def test_nearest_first(self, stateless: Made) -> None:
        """Numbers come in the order of their distance, in standard deviations over the run."""
        step = stateless.steps(action="ACT")[1]
        numbers = [flip for flip in stateless.explain(step).flips if flip.distance is not None]
        assert len(numbers) > 1
        assert sorted(flip.distance or 0.0 for flip in numbers) == [flip.distance for flip in numbers]
        xs = [event["x"] for event in stateless.events]
        x = next(flip for flip in numbers if flip.name == "x")
        assert isclose(abs(x.after - x.before) / pstdev(xs), x.distance or 0.0)

    def test_of_truths_and_texts(self, stateless: Made) -> None:
        """A truth is turned round, and of a text those of the run are tried."""
        kinds = set()
        for step in stateless.steps()[:30] + stateless.steps(action="ACT")[:30]:
            for flip in stateless.explain(step).flips if step % 4 == 0 else ():
                if flip.name in ("new", "colour"):
                    kinds.add(flip.name)
                    assert flip.becomes == stateless.decide(step, **{flip.name: flip.after})
                    assert flip.distance is None
        assert {"new", "colour"} == kinds

    def test_none_is_missed(self, stateless: Made) -> None:
        """A number for which no change is told has none within eight standard deviations, tried in small steps."""
        for step in (stateless.steps()[0], stateless.steps(action="ACT")[0]):
            told = {flip.name for flip in stateless.explain(step).flips}
            event, spread = stateless.events[step], pstdev([e["y"] for e in stateless.events])
            now = recorded_label(stateless.packets[step])
            tries = [event["y"] + spread * k / 4 for k in range(-32, 33)]
            assert ("y" in told) == any(stateless.decide(step, y=y) != now for y in tries)

    def test_of_the_threshold(self, stateless: Made) -> None:
        """The threshold that is told leads to the other decision, and is as near as can be."""
        for step, becomes in ((stateless.steps()[0], None), (stateless.steps(action="ACT")[0], "HOLD")):
            (flip,) = (f for f in stateless.explain(step).flips if f.name == "model.threshold")
            text = STATELESS.replace("threshold = 0.4", f"threshold = {flip.after!r}")
            assert flip.becomes == stateless.decide(step, text=text) != recorded_label(stateless.packets[step])
            assert becomes in (None, flip.becomes)
            nearer = flip.after - 1e-9 if flip.after > 0.4 else flip.after + 1e-9
            text = STATELESS.replace("threshold = 0.4", f"threshold = {nearer!r}")
            assert recorded_label(stateless.packets[step]) == stateless.decide(step, text=text)

    @pytest.mark.parametrize(
        ("flag", "name", "option"),
        [
            ("confidence", "modulators #2 floor", "floor = 0.6"),
            ("staleness", "modulators #3 max_age_ms", "max_age_ms = 5000"),
        ],
    )
    def test_of_the_option_that_denied(self, stateless: Made, flag: str, name: str, option: str) -> None:
        """The nearest value of a guard's option that lets the decision pass is what the guard saw."""
        step = stateless.steps(flag)[0]
        (flip,) = (f for f in stateless.explain(step).flips if f.kind == "option" and f.name == name)
        seen = stateless.packets[step]["mismatch"]["metadata"]
        assert isclose(seen["confidence"] if flag == "confidence" else seen["age_ms"], flip.after, rel_tol=1e-9)
        text = STATELESS.replace(option, f"{option.partition(' ')[0]} = {flip.after!r}")
        assert ("ACT", "ACT") == (flip.becomes, stateless.decide(step, text=text))

    def test_of_a_guard_inside_another(self, tmp_path: Path) -> None:
        """Also the option of a guard that another guard holds is found, and named by where it stands."""
        text = PIPELINE.partition("[[modulators]]")[0] + '[modulators]\nuse = "guards.standard"\n\n[broker]'
        text += PIPELINE.partition("[broker]")[2]
        text = text.replace(
            "[broker]", '[modulators.staleness]\nuse = "guards.staleness"\nmax_age_ms = 5000\n\n[broker]'
        )
        made = make(tmp_path / "r", text)
        step = made.steps("staleness")[0]
        (flip,) = (f for f in made.explain(step).flips if f.kind == "option" and f.name.startswith("modulators"))
        assert ("modulators #1 staleness.max_age_ms", 5000, "ACT") == (flip.name, flip.before, flip.becomes)
        assert made.packets[step]["mismatch"]["metadata"]["age_ms"] == flip.after

    def test_without_the_guard(self, guarded: Made) -> None:
        """Where no option helps, it is told what comes without the guard that denied."""
        for flag in ("cooldown", "policy"):
            flips = guarded.explain(guarded.steps(flag)[0]).flips
            assert [Flip("guard", f"guards.{flag}", None, None, None, "ACT")] == [f for f in flips if f.kind == "guard"]

    def test_nothing_is_changed_by_asking(self, guarded: Made) -> None:
        """Explaining again gives the same, and no file of the run has changed."""
        files = {path: path.read_bytes() for path in guarded.trace.parent.iterdir() if path.is_file()}
        step = guarded.steps("cooldown")[-1]
        assert guarded.explain(step).to_dict() == guarded.explain(step).to_dict()
        assert files == {path: path.read_bytes() for path in guarded.trace.parent.iterdir() if path.is_file()}


class TestWhatCannotBeAsked:
    """Where the moment cannot be had again, that is said, and what was recorded is still told."""

    def test_hidden_feature(self, tmp_path: Path) -> None:
        """A feature that was redacted is computed from the source again; neither it nor what gives it away is told."""
        made = make(tmp_path / "r", PIPELINE.replace('"redaction.keys"', '"redaction.keys"\nextra = ["x"]'))
        step = made.steps("policy")[0]
        assert "give the pipeline file: --config" in made.explain(step).why_not
        found = explain(made.past, step, config=made.directory / "pipeline.toml")
        assert ("source", True) == (found.decided_again, found.same)
        assert {"input.x", "mdm.features.x", "mismatch.metadata.x"} <= set(found.redacted)
        assert {"x": "[REDACTED]"} == {p.name: p.moved for p in found.score.parts if p.moved == "[REDACTED]"}
        assert (None, None) == (found.score.start, found.score.score)
        assert (
            {"y", "guards.policy"}
            <= {flip.name for flip in found.flips}
            <= {"y", "n", "new", "colour", "guards.policy"}
        )
        told = found.to_dict()
        assert str(made.events[step]["x"]) not in json.dumps([told[name] for name in ("score", "guards", "flips")])

    def test_hidden_and_no_source(self, tmp_path: Path) -> None:
        """Without the source there is no way back; nothing is made up."""
        made = make(tmp_path / "r", PIPELINE.replace('"redaction.keys"', '"redaction.keys"\nextra = ["x"]'))
        (made.directory / "events.jsonl").unlink()
        found = explain(made.past, made.steps("policy")[0], config=made.directory / "pipeline.toml")
        assert ("", False, "told", [], []) == (
            found.decided_again,
            found.same,
            found.score.kind,
            found.guards,
            found.flips,
        )
        assert found.why_not
        assert f"no: {found.why_not}" in "\n".join(lines_of(found))

    def test_features_that_are_enough(self, tmp_path: Path) -> None:
        """Where features are whole, neither the source nor the rest of the input is needed."""
        made = make(tmp_path / "r", PIPELINE.replace('"redaction.keys"', '"redaction.keys"\nextra = ["secret"]'))
        (made.directory / "events.jsonl").unlink()
        assert ("recorded features", True) == (made.explain(40).decided_again, made.explain(40).same)

    def test_failed_closed(self, tmp_path: Path) -> None:
        """What failed closed is told with its reason code, and nothing is asked."""
        audited = '[[trace]]\nuse = "trace-jsonl.audit"\n\n[redaction]'
        made = make(tmp_path / "r", STATELESS.replace("x = 1.5", "colour = 1.5").replace("[redaction]", audited))
        found = made.explain(5)
        assert ("model", "reference.logistic", "TypeError") == tuple(
            found.failure[name] for name in ("stage", "component", "error")
        )
        assert ("model_error:TypeError", [], []) == (found.failed_closed, found.guards, found.flips)
        assert "run r, step 5: failed closed (model_error:TypeError)" == next(iter(lines_of(found)))

    def test_changed_trace(self, tmp_path: Path) -> None:
        """Where the decision does not come out as it was recorded, no reason is told for it but the recorded ones."""
        made = make(tmp_path / "r")
        lines = made.trace.read_text().splitlines(keepends=True)
        packet = json.loads(lines[9])
        packet["mdm"]["confidence"] /= 2
        made.trace.write_text("".join([*lines[:9], json.dumps(packet) + "\n", *lines[10:]]))
        found = made.explain(9)
        assert (False, "told", []) == (found.same, found.score.kind, found.flips)
        assert "it does not come out as it was recorded when it is decided again" == found.why_not

    def test_component_that_is_gone(self, tmp_path: Path) -> None:
        """Where a component is not installed any more, its name is told."""
        made = make(tmp_path / "r")
        document = made.trace.parent / "run.json"
        document.write_text(document.read_text().replace("guards.policy", "guards.policies"))
        assert "guards.policies" in made.explain(3).why_not

    def test_wall_clock(self, tmp_path: Path) -> None:
        """A run by the wall clock is decided again at the times of its journal."""
        made = make(tmp_path / "r", PIPELINE.replace('timestamp = "at"', 'clock = "wall"').replace(STALE, ""))
        step = made.steps("cooldown")[0]
        assert ("recorded features", True) == (made.explain(step).decided_again, made.explain(step).same)


class TestArms:
    """A run in which a canary decides about a share of the keys."""

    def test_by_what_decided(self, tmp_path: Path) -> None:
        """A decision is explained by the arm that made it, whose guards have seen its own keys alone."""
        made = make(tmp_path / "r", PIPELINE.replace("[broker]", CANARY))
        explained = {"main": 0, "canary": 0}
        for packet in made.packets[60:100:4]:
            found, arm = made.explain(packet["step"]), packet["external"]["mdm.arm"]
            assert (True, "", arm) == (found.same, found.why_not, found.arm)
            assert (-1.0 if arm == "main" else -0.25) == found.score.start
            assert (5 if arm == "main" else 1) == len(found.guards)
            explained[arm] += found.label == "denied"
        assert min(explained.values()) > 0


class TestStartUp:
    """What is heavy is imported by an explanation and by nothing else."""

    def test_help(self) -> None:
        """The command's module is light, and so is its help."""
        script = (
            "import sys\nfrom mdm_eval.commands.explain import explain\n"
            "explain.main(['--help'], standalone_mode=False)\n"
            "assert not {'numpy', 'sklearn', 'scipy', 'rich', 'mdm_eval.explain'} & set(sys.modules)"
        )
        assert 0 == subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode


class TestCommand:
    """`mdm explain`."""

    def test_text(self, guarded: Made, mdm: Any) -> None:
        """Everything is told in lines, and none of them obeys an event."""
        step = guarded.steps("policy")[0]
        said = mdm("explain", "r", str(step), "--runs-dir", guarded.directory / "runs")
        lines = said.out.splitlines()
        assert (0, f"run r, step {step}: denied (policy:extreme)") == (said.code, lines[0])
        assert "the score, by what each feature added to it" in lines
        assert f"  guards.policy      denied: policy:extreme; saw x {guarded.events[step]['x']:g}" in lines
        assert "  without guards.policy → ACT" in lines
        assert any(line.startswith("  decided again  just so, from the recorded features") for line in lines)

    def test_json(self, guarded: Made, mdm: Any) -> None:
        """The same for programs, and what came of carrying it out."""
        step = guarded.steps(action="ACT")[0]
        told = mdm("explain", "r", str(step), "--runs-dir", guarded.directory / "runs", "--json").json
        assert ("r", step, "ACT", True, "done") == (
            told["run_id"],
            told["step"],
            told["label"],
            told["same"],
            told["execution"]["status"],
        )
        assert json.loads(json.dumps(guarded.explain(step).to_dict())) == told

    def test_by_id(self, guarded: Made, mdm: Any) -> None:
        """A decision is found by the id of its event."""
        told = mdm("explain", "r", "--id", "e17", "--runs-dir", guarded.directory / "runs", "--json").json
        assert (17, "e17", "s2") == (told["step"], told["event_id"], told["key"])

    def test_escapes(self, tmp_path: Path, mdm: Any) -> None:
        """Text of an event cannot speak to the terminal."""
        events = [{**event, "site": "\x1b[31mred"} for event in make_events(5)]
        made = make(tmp_path / "made", events=events)
        out = mdm("explain", "r", "2", "--runs-dir", made.directory / "runs").out
        assert "\\x1b[31mred" in out
        assert "\x1b" not in out

    def test_what_is_not_there(self, guarded: Made, mdm: Any, tmp_path: Path) -> None:
        """A wrong run, step or id is told with what there is."""
        runs = guarded.directory / "runs"
        for arguments, expected in (
            (("r", "300"), "run 'r' has no step 300; its steps are 0 to 299"),
            (("r", "--step", "300"), "run 'r' has no step 300; its steps are 0 to 299"),
            (("r", "3", "--step", "3"), "give either the number of a decision, or --id with the id of its event"),
            (("r", "--id", "e300"), "run 'r' has decided about no event 'e300'"),
            (("r",), "give either the number of a decision, or --id with the id of its event"),
            (("r", "3", "--id", "e3"), "give either the number of a decision, or --id with the id of its event"),
        ):
            said = mdm("explain", *arguments, "--runs-dir", runs)
            assert (2, expected) == (said.code, said.err)
        assert mdm("explain", "nope", "3", "--runs-dir", runs).err.startswith("no run 'nope'")
        for step in ("e3", "3.5", "-1"):
            said = mdm("explain", "r", "--runs-dir", runs, "--", step)
            assert 2 == said.code
            assert f"'{step}' is no number of a decision, which count from 0; write --id {step} if" in said.err

    def test_step_as_an_option(self, guarded: Made, mdm: Any) -> None:
        """The number of the decision may be given by name."""
        run = guarded.directory / "runs/r"
        assert mdm("explain", run, "3").out == mdm("explain", run, "--step", "3").out

    def test_ids(self, tmp_path: Path) -> None:
        """Where ids were redacted or are not read, and where events were refused, that is told."""
        events = make_events(20)
        del events[4]["at"]
        for event in events:
            event["ref"] = event["id"]
        hidden = make(
            tmp_path / "a",
            PIPELINE.replace('id = "id"', 'id = "ref"').replace('keys"', "keys\"\nextra = ['ref']"),
            events,
        )
        without = make(tmp_path / "b", PIPELINE.replace('id = "id"\n', ""), events)
        plain = make(tmp_path / "c", PIPELINE, events)
        for made, expected in (
            (hidden, "ids of events were redacted; give the number of the decision, its steps are 0 to 18"),
            (without, "reads no id from its events; give the number of the decision instead"),
            (plain, "no event 'e4'; 1 events were refused, `mdm dead-letter show r` shows them"),
        ):
            with pytest.raises(UsageError, match=re.escape(expected)):
                explain(made.past, event_id="e4")
