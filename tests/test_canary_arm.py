"""A canary: a share of the keys is decided about by another pipeline, and nothing else is any different."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from crash_machine import IDEMPOTENT, Machine, differences, moments
from hypothesis import given
from hypothesis import strategies as st

from mdm_core import (
    Action,
    Commanded,
    ConfigError,
    Context,
    Decision,
    Event,
    Executed,
    Fact,
    FeatureExtractor,
    Features,
    FinalDecision,
    KeyedState,
    MismatchInfo,
    Modulator,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
    keyed_state,
    option,
)
from mdm_core.building import Builder
from mdm_core.canary import Canary
from mdm_core.config import Config
from mdm_core.journal import TimedOut
from mdm_core.orders import make_order
from mdm_core.pipeline import PipelineParts
from mdm_core.plan import Plan
from mdm_core.plugins import Registry
from mdm_core.replay import RecordedInputs, Replay
from mdm_core.state import veil_by

EVENTS: list[dict[str, Any]] = [{"id": f"e{n}", "who": f"k{n % 50}", "at": 1000 * n} for n in range(400)]

KEYS = [f"k{n}" for n in range(50)]


@attrs.define
class Seen:
    n: int = 0


@attrs.define
class Counts(FeatureExtractor):
    """Counts the events of each key."""

    states: KeyedState[Seen] = keyed_state(Seen, max_keys=1000)

    def extract(self, event: Event, context: Context) -> Features:
        self.states[context.key].n += 1
        return {"n": self.states[context.key].n}


@attrs.define
class Draws(ProposalModel):
    """Acts with a probability, by chance."""

    probability: float = 0.5
    hangs_at: int = -1

    def propose(self, features: Features, context: Context) -> Proposal:
        while context.step == self.hangs_at:
            pass
        if features["n"] == 3:
            raise ZeroDivisionError
        drawn = context.random.random()
        return Proposal(Action.ACT if drawn < self.probability else Action.HOLD, drawn, ["drawn"], {})


@attrs.define
class Wary(Modulator):
    """Denies after so many failures in the window; counts the receipts and commands that it learns of."""

    most: int = option(3, help="failures")
    states: KeyedState[Seen] = keyed_state(Seen)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if context["errors_in_window"] <= self.most:
            return decision
        return FinalDecision(Action.HOLD, False, ["wary"], MismatchInfo(["wary"], ["wary"]))

    def observe(self, fact: Fact) -> None:
        if isinstance(fact, Executed | Commanded):
            self.states[None].n += 1


OPTIONS: dict[str, Any] = {"key": "who", "timestamp": "at", "id": "id"}


def canary(share: float = 0.3, salt: str = "") -> Canary:
    """A canary that acts more often."""
    return Canary(Counts(), Draws(0.8), [Wary(5)], share=share, salt=salt)


def both(**options: Any) -> Pipeline:
    """A pipeline with a canary."""
    return Pipeline(features=Counts(), model=Draws(), modulators=[Wary()], canary=canary(), **OPTIONS, **options)


def packet(decision: Decision) -> dict[str, Any]:
    """A packet without what depends on the pipeline's other decisions."""
    found = decision.packet().to_dict() | {"step": 0, "latency_ms": 0}
    return found | {"external": {k: v for k, v in found["external"].items() if k not in ("mdm.latency_us", "mdm.arm")}}


class TestKeys:
    @pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
    def test_share(self, share: float) -> None:
        """It decides about its share of the keys, within four standard errors."""
        chosen, number = canary(share), 20_000
        taken = sum(chosen.takes(f"user {n}") for n in range(number)) / number

        assert share == pytest.approx(taken, abs=4 * (share * (1 - share) / number) ** 0.5)

    def test_all_and_none(self) -> None:
        """A share of 1 is all keys, a share of 0 none."""
        every, none = canary(1), canary(0)

        assert {(True, False)} == {(every.takes(n), none.takes(n)) for n in range(1000)}

    @given(st.text() | st.integers(), st.floats(0, 1), st.floats(0, 1))
    def test_growing(self, key: str | int, one: float, other: float) -> None:
        """A greater share takes keys in and gives none back."""
        assert canary(min(one, other)).takes(key) <= canary(max(one, other)).takes(key)

    def test_stable(self) -> None:
        """The same keys, in every process and version: these are they."""
        chosen = canary(0.1)

        assert ["k1", "k4", "k6", "k10", "k19", "k45", "k47"] == [key for key in KEYS if chosen.takes(key)]

    def test_salt(self) -> None:
        """Another salt chooses other keys, independently."""
        one, other = canary(0.5), canary(0.5, "autumn")
        both_take = sum(one.takes(n) and other.takes(n) for n in range(2000))

        assert 0.25 == pytest.approx(both_take / 2000, abs=0.04)

    @pytest.mark.parametrize("share", [-0.1, 1.1])
    def test_no_share(self, share: Any) -> None:
        """What is no share is refused."""
        with pytest.raises(ConfigError, match="share"):
            canary(share)

    def test_no_key(self) -> None:
        """A pipeline without keys cannot have a canary."""
        with pytest.raises(ConfigError, match=r"set key in \[pipeline\]"):
            Pipeline(features=Counts(), model=Draws(), canary=canary())


class TestDeciding:
    def test_as_two_pipelines(self) -> None:
        """Each arm decides about its keys as a pipeline would that sees no others, chance and windows included."""
        chosen, made = canary(), both()
        alone = {
            "main": Pipeline(features=Counts(), model=Draws(), modulators=[Wary()], **OPTIONS),
            "canary": Pipeline(features=Counts(), model=Draws(0.8), modulators=[Wary(5)], **OPTIONS),
        }
        for event in EVENTS:
            arm = "canary" if chosen.takes(event["who"]) else "main"
            decision = made.decide(event)
            assert arm == decision.packet().external["mdm.arm"]
            assert packet(alone[arm].decide(event)) == packet(decision)
        assert len(EVENTS) == made.step

    def test_no_canary(self) -> None:
        """Without a canary no packet tells of arms."""
        assert "mdm.arm" not in Pipeline(features=Counts(), model=Draws()).decide({}).packet().external

    def test_failures_say_which(self) -> None:
        """A failure of the canary is told under its name, and does not count against the main arm."""
        made = both()
        found = [made.decide(event) for event in EVENTS]
        failed = {(d.context["mdm.arm"], d.failure.component) for d in found if d.failure is not None}

        assert {("main", "Draws"), ("canary", "canary:Draws")} == failed

    @pytest.mark.usefixtures("own_time")
    def test_time_limits(self) -> None:
        """A canary that takes too long fails closed by itself, and again, without waiting, when decided again."""

        def made() -> Pipeline:
            slow = Canary(Counts(), Draws(1.0, hangs_at=2), share=1.0)
            return Pipeline(features=Counts(), model=Draws(), canary=slow, timeout_ms=30, **OPTIONS)

        first = made()
        decisions = [first.decide(event) for event in EVENTS[:4]]
        assert first.limits is not None
        overruns = [TimedOut(n, o.step, o.stage, o.component, o.code) for n, o in enumerate(first.limits.overruns)]
        replay = Replay(made(), RecordedInputs(overruns), "local")

        assert [True, True, False, True] == [d.failure is None for d in decisions]
        assert ["canary:Draws"] == [overrun.component for overrun in overruns]
        assert [packet(d) for d in decisions] == [packet(replay.decide(event)) for event in EVENTS[:4]]


class TestFacts:
    def test_receipts(self) -> None:
        """Only the arm that made a decision learns what came of it."""
        made = both()
        number = 0
        for event in EVENTS:
            decision = made.decide(event)
            if decision.acts:
                number += 1
                order = make_order(decision.final, decision.context, "local")
                made.observe(Executed(number, Receipt("done"), order, 1, 0.0, made.now_ms))
        expected = {"main": 0, "canary": 0}
        chosen, again = canary(), both()
        for event in EVENTS:
            expected["canary" if chosen.takes(event["who"]) else "main"] += again.decide(event).acts

        assert number > 100
        assert expected == {"main": receipts(made.modulators[0]), "canary": receipts(guard_of(made))}
        assert number == made.feedback_seq

    def test_commands(self) -> None:
        """Both arms learn of a command, and neither acts after a stop."""
        made = both()
        made.observe(Commanded(1, "stop", "", "ann", 0))

        assert (1, 1) == (receipts(made.modulators[0]), receipts(guard_of(made)))
        assert {False} == {made.decide(event).acts for event in EVENTS}


def guard_of(made: Pipeline) -> Modulator:
    """The guard of a pipeline's canary."""
    assert made.canary is not None
    return made.canary.arm.modulators[0]


def receipts(guard: Modulator) -> int:
    """How many receipts and commands a guard has learned of."""
    assert isinstance(guard, Wary)
    return guard.states[None].n


class TestState:
    def test_saved_and_restored(self) -> None:
        """A pipeline that is restored in the middle decides on as if nothing had been, in both arms."""
        whole, first, second, veil = both(), both(), both(), veil_by(b"salt")
        expected = [packet(whole.decide(event)) for event in EVENTS]
        begun = [packet(first.decide(event)) for event in EVENTS[:200]]
        second.restore(*first.save(veil), veil)

        assert expected == begun + [packet(second.decide(event)) for event in EVENTS[200:]]

    def test_names(self) -> None:
        """States of the two arms have names of their own, those of the main arm as without a canary."""
        alone = Pipeline(features=Counts(), model=Draws(), modulators=[Wary()], **OPTIONS)
        names = [name for name, _ in both().states()]

        assert [name for name, _ in alone.states()] == names[:2]
        assert ["canary:0.Counts.states", "canary:2.Wary.states"] == names[2:]


OTHER = """\
[pipeline]
key = "who"
timeout_ms = 77

[source]
use = "toy.nothing"

[features]
use = "toy.fields"
prefix = "c_"

[model]
use = "toy.threshold"
threshold = 0.1
feature = "c_n"
timeout_ms = 500

[[modulators]]
use = "toy.vip"
keys = ["k1"]
"""

INLINE = """
[canary]
share = 0.5
[canary.features]
use = "toy.fields"
prefix = "c_"
[canary.model]
use = "toy.threshold"
threshold = 0.1
feature = "c_n"
timeout_ms = 500
[[canary.modulators]]
use = "toy.vip"
keys = ["k1"]
"""

MAIN = """\
[pipeline]
key = "who"
timestamp = "at"

[source]
use = "toy.numbers"

[features]
use = "toy.fields"

[model]
use = "toy.threshold"
threshold = 0.2

[redaction]
use = "toy.mask"

[[trace]]
use = "toy.lines"
"""


@pytest.fixture
def write(tmp_path: Path, toy: Path) -> Callable[..., Path]:
    """Write the pipeline file and the other one beside it."""
    assert toy.exists()

    def make(
        canary: str = '\n[canary]\nshare = 0.5\npipeline = "other.toml"\n', other: str = OTHER, main: str = MAIN
    ) -> Path:
        (tmp_path / "other.toml").write_text(other)
        path = tmp_path / "pipeline.toml"
        path.write_text(main + canary)
        return path

    return make


def problems(path: Path) -> list[str]:
    """What is wrong with a pipeline file, without its directory."""
    with pytest.raises(ConfigError) as refused:
        Plan.from_config(path)
    return [problem.replace(f"{path.parent}/", "") for problem in refused.value.problems]


class TestConfiguration:
    def test_file_and_tables(self, write: Callable[..., Path]) -> None:
        """The stages of another file and the same stages in the table are one and the same canary."""
        by_file, by_table = Plan.from_config(write()), Plan.from_config(write(INLINE))

        assert by_file.resolved() == by_table.resolved()
        assert [b.id for _, b in by_file.built()] == [b.id for _, b in by_table.built()]
        assert 500 == by_file.parts.canary.arm.model.component.timeout_ms  # type: ignore[union-attr]

    def test_what_was_resolved_is_a_configuration(self, write: Callable[..., Path], tmp_path: Path) -> None:
        """What run.json records can be built again as it stands, without the other file."""
        plan = Plan.from_config(write())
        (tmp_path / "other.toml").unlink()
        builder = Builder(Config(tmp_path / "run.json", plan.resolved(), {}), Registry())
        again = PipelineParts.build(builder)
        builder.finish()

        assert again.canary is not None
        assert plan.resolved()["canary"] == again.canary.resolved()

    def test_run(self, write: Callable[..., Path], mdm: Callable[..., Any], tmp_path: Path) -> None:
        """A run says in each packet which arm has decided, and in run.json by what."""
        path = write(main=MAIN.replace('"toy.numbers"', '"toy.numbers"\ncount = 40\nkeys = 20'))
        ended = mdm("run", path, "--run-id", "r1")
        assert 0 == ended.returncode, ended
        packets = [json.loads(line) for line in (tmp_path / "runs/r1/traces.jsonl").read_text().splitlines()]
        run = json.loads((tmp_path / "runs/r1/run.json").read_text())

        arms = {p["input"]["who"]: p["external"]["mdm.arm"] for p in packets}
        assert {"main", "canary"} == set(arms.values())
        assert all(p["external"]["mdm.arm"] == arms[p["input"]["who"]] for p in packets)
        assert all(("c_n" in p["mdm"]["features"]) == (p["external"]["mdm.arm"] == "canary") for p in packets)
        assert (0.5, 0.1) == (run["config"]["canary"]["share"], run["config"]["canary"]["model"]["threshold"])
        assert {"other.toml"} == set(run["files"])

    def test_check(self, write: Callable[..., Path], mdm: Callable[..., Any]) -> None:
        """`mdm check` builds and opens the canary, too."""
        ended = mdm("check", write())

        assert (0, 2) == (ended.returncode, ended.stdout.count("toy.threshold"))

    @pytest.mark.parametrize(
        ("canary", "expected"),
        [
            ("[canary]\nshare = 0.5\n", "pipeline.toml:20 [canary]: table 'features' is missing"),
            ('[canary]\npipeline = "other.toml"\n', "pipeline.toml:20 [canary]: option 'share' is missing"),
            ('[canary]\nshare = 2\npipeline = "other.toml"\n', "pipeline.toml:21 [canary] share: must be at most 1"),
            (
                '[canary]\nshare = 0.1\npipeline = "none.toml"\n',
                "pipeline.toml:22 [canary] pipeline: none.toml: no such file",
            ),
            (
                '[canary]\nshare = 0.1\npipeline = "../other.toml"\n',
                "pipeline.toml:22 [canary] pipeline: must be the name of a pipeline file in the directory",
            ),
            (
                '[canary]\nshare = 0.1\npipeline = "other\\u0000.toml"\n',
                "pipeline.toml:22 [canary] pipeline: must be the name of a pipeline file in the directory",
            ),
            (
                '[canary]\nshare = 0.1\npipeline = "other.toml"\nmodel = { use = "toy.threshold" }\n',
                "pipeline.toml:22 [canary] pipeline: stands beside model; take the one or the other away",
            ),
            (
                '[canary]\nshare = 0.1\npipeline = "other.toml"\nmodle = 3\n',
                "pipeline.toml:23 [canary] modle: unknown option (did you mean 'model'?); options: features",
            ),
            (
                INLINE.replace("threshold = 0.1", "treshold = 0.1"),
                "pipeline.toml:27 [canary] model.treshold: unknown op",
            ),
            (
                INLINE.replace("toy.vip", "toy.vop"),
                "pipeline.toml:31 [canary] modulators #1 use: plugin 'toy' has no",
            ),
            ("[[canary]]\nshare = 0.5\n", "pipeline.toml:20 [canary]: only one is possible"),
        ],
    )
    def test_problems(self, write: Callable[..., Path], canary: str, expected: str) -> None:
        """What is wrong with the table is told with its place."""
        found = problems(write(canary.lstrip()))

        assert expected == found[0][: len(expected)], found

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (('"who"', '"id"'), "other.toml:2 [pipeline] key: must be 'who', as in the pipeline that names this file"),
            (("timeout_ms = 77", "seed = 7"), "other.toml:3 [pipeline] seed: must be 0, as in the pipeline that names"),
            (("threshold = 0.1", "threshold = 7"), "other.toml:14 [model] threshold: must be at most 1"),
            (("[[modulators]]", "[[shadow]]"), "other.toml:18 [[shadow]] #1: belongs to the pipeline file that names"),
            (("[model]", "[modle]"), "other.toml: section [model] is missing"),
            (("[model]", "[model"), "pipeline.toml:23 [canary] pipeline: other.toml: not valid TOML"),
        ],
    )
    def test_problems_of_the_other_file(
        self, write: Callable[..., Path], change: tuple[str, str], expected: str
    ) -> None:
        """What is wrong with the other file is told with its place there."""
        found = problems(write(other=OTHER.replace(*change)))

        assert expected in [problem[: len(expected)] for problem in found], found

    def test_no_key(self, write: Callable[..., Path]) -> None:
        """Without a key there are no keys to choose from."""
        found = problems(write(main=MAIN.replace('key = "who"\n', ""), other=OTHER.replace('key = "who"\n', "")))

        assert ["pipeline.toml:20 [canary]: a canary decides about a share of the keys; set key in [pipeline]"] == found


CRASH = """
[features]
use = "crash.sums"
[model]
use = "crash.model"
every = 2
[[modulators]]
use = "crash.guard"
"""


@pytest.fixture
def machine(make_machine: Callable[..., Machine]) -> Machine:
    """A machine whose pipeline has a canary."""
    machine = make_machine(*IDEMPOTENT, "canary.share=0.5", 'canary.pipeline="other.toml"', "source.count=60")
    (machine.folder / "other.toml").write_text(CRASH)
    return machine


class TestResume:
    def test_wherever_it_dies(self, machine: Machine) -> None:
        """A run with a canary comes to the same, wherever it dies and is gone on with."""
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        assert {"main", "canary"} == {p["external"]["mdm.arm"] for p in whole.packets}
        gone_on = 0
        for at in moments(len(calls), len(calls) // 5):
            machine.forget_world()
            if machine.dies(f"r{at:04}", at) and machine.has_begun(f"r{at:04}"):
                machine.resume_and_die(f"r{at:04}", 40)
                gone_on += 1
                assert [] == differences(whole.packets, machine.packets(f"r{at:04}"))
                assert whole == machine.outcome(f"r{at:04}")
        assert gone_on >= 3

    @pytest.mark.parametrize(
        ("text", "change"),
        [
            (CRASH.replace("every = 2", "every = 3"), "config.canary.model.every was 2 and is 3"),
            (CRASH + "# another comment", 'files."other.toml" was '),
        ],
    )
    def test_the_other_file_has_changed(self, machine: Machine, text: str, change: str) -> None:
        """It is not gone on with once the other file is not what it was."""
        calls = machine.calls("whole")
        machine.forget_world()
        assert machine.dies("r0001", len(calls) // 2)
        (machine.folder / "other.toml").write_text(text)
        machine.settings.append("canary.share=0.5")  # a plan of its own
        ended = machine.run("r0001", resume=True)

        assert 2 == ended.code
        assert change in ended.said
