"""What the author's kit has for tests: mdm_check, fixtures, strategies, golden files."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sound import SoundGuard, SoundModel

from mdm_core import Action, Pipeline, Receipt, UsageError
from mdm_core.testing import (
    Always,
    FakeClock,
    Flat,
    Golden,
    GoldenMismatch,
    RecordingBroker,
    Subject,
    event_streams,
    events,
    make_pipeline,
    mdm_check,
)
from mdm_core.testing.material import START_MS
from mdm_core.testing.player import Player
from mdm_core.values import Order

pytest_plugins = ["pytester"]

TESTS = """\
import attrs
from mdm_core import Action, Proposal, ProposalModel
from mdm_core.testing import mdm_check


@attrs.define
class Model(ProposalModel):
    \"\"\"Acts always.\"\"\"

    def propose(self, features, context):
        return Proposal(Action.ACT, features["n"] / 100, ["always"], {})


test_model = mdm_check(Model, events=[{"n": n} for n in range(50)], skip={"missing-values": "events have an n"})
"""

GOLDEN = """\
def test_decisions(mdm_pipeline, mdm_golden):
    with mdm_pipeline() as pipeline:
        mdm_golden.check([pipeline.decide({"key": "a", "timestamp_ms": 1000, "n": N})])
"""


def order(number: int = 0) -> Order:
    return Order(Action.ACT, {"n": number}, "ada", {}, f"{number:032x}")


class TestMdmCheck:
    def test_makes_a_test_of_each_check(self, pytester: pytest.Pytester) -> None:
        """Each check is a test with its id; what fails says why it matters, what is skipped says whose reason it is."""
        pytester.makepyfile(TESTS)
        ran = pytester.runpytest_inprocess("-rs", "-p", "no:cacheprovider")
        assert 2 == ran.parseoutcomes()["failed"]
        ran.stdout.no_fnmatch_line("*Traceback*")
        ran.stdout.fnmatch_lines(["*missing-values: events have an n*"])
        ran.stdout.fnmatch_lines(
            [
                "Model fails 'none-values': an event with another 'n' made it raise TypeError*",
                "*Why it matters: None is how*",
            ]
        )

    def test_only_those_of_its_kind(self) -> None:
        """A model gets no check of a broker."""
        marks: Any = mdm_check(SoundModel)
        ids = [parameter.id for parameter in marks.pytestmark[0].args[1]]
        assert "looks-only" in ids
        assert "idempotent" not in ids

    def test_takes_a_component_that_is_made(self) -> None:
        """Of a component that is made, others are made with the same options."""
        subject = Subject.of(SoundGuard(most=2))
        made: Any = subject.make()
        assert (2, "SoundGuard") == (made.most, subject.name)
        assert made is not subject.make()

    def test_takes_a_function_that_makes_it(self) -> None:
        """Or a function makes each of them."""
        made: Any = Subject.of(lambda: SoundGuard(most=3)).make()
        assert 3 == made.most

    def test_refuses_what_is_no_component(self) -> None:
        """What extends no contract is refused with the contract that is meant."""
        with pytest.raises(UsageError, match="int is no component; it must extend one of the contracts"):
            Subject.of(int)  # type: ignore[arg-type]

    def test_refuses_options_beside_a_component(self) -> None:
        """A component that is made has its options; others would be ignored."""
        with pytest.raises(UsageError, match="options go with a component's id or class"):
            Subject.of(SoundGuard(), {"most": 1})

    def test_refuses_files_in_a_directory_of_others(self, tmp_path: Path) -> None:
        """Files are never written into a directory that is given."""
        with pytest.raises(UsageError, match="give files or a base_dir, not both"):
            Subject.of(SoundModel, files={"a": "b"}, base_dir=tmp_path)

    def test_asks_about_the_events_that_are_given(self) -> None:
        """Events bring their own keys and times, wherever they stand."""
        stream = [{"who": {"id": 7}, "at": START_MS + 5, "n": 1}]
        [step] = Subject.of(SoundModel, events=stream, key="who.id", timestamp="at").steps
        assert (7, START_MS + 5, stream[0]) == (step.key, step.now_ms, step.event)

    def test_events_without_key_and_time_get_some(self) -> None:
        """Events that have neither are spread over several keys, a second apart."""
        steps = Subject.of(SoundModel, events=[{"n": n} for n in range(4)]).steps
        assert ["ada", "bo", "cy", "ada"] == [step.key for step in steps]
        assert [0, 1000, 2000, 3000] == [step.now_ms - START_MS for step in steps]


class TestPipelineFactory:
    def test_fills_in_what_is_missing(self, mdm_pipeline: Callable[..., Pipeline]) -> None:
        """Around a modulator there are features of the event and a model that acts with them."""
        pipeline = mdm_pipeline(SoundGuard(most=1))
        first, second = (pipeline.decide({"key": "ada", "timestamp_ms": at, "n": {"x": 1}}) for at in (1, 2))
        assert {"key": "ada", "timestamp_ms": 1, "n.x": 1} == first.features == first.final.params
        assert [True, False] == [first.final.allowed, second.final.allowed]

    def test_takes_what_it_is_given(self, mdm_pipeline: Callable[..., Pipeline]) -> None:
        """Components go where they belong, whatever their order; options are those of Pipeline."""
        pipeline = mdm_pipeline(SoundGuard(), Always(Action.EXIT, 0.5), Flat(), key="user", timestamp=None)
        decision = pipeline.decide({"user": "bo"})
        assert (Action.EXIT, 0.5, "bo") == (decision.final.action, decision.proposal.confidence, decision.key)

    def test_refuses_what_decides_nothing(self) -> None:
        """A broker has no place in it."""
        with pytest.raises(UsageError, match="a RecordingBroker takes no part in deciding; give it to Run instead"):
            make_pipeline(RecordingBroker())

    def test_refuses_two_models(self) -> None:
        """Nor have two models."""
        with pytest.raises(UsageError, match="a pipeline has one model"):
            make_pipeline(Always(), Always())

    def test_refuses_components_by_name(self) -> None:
        """What a component is, it says itself."""
        with pytest.raises(UsageError, match="modulators: give components as they are, one after the other"):
            make_pipeline(modulators=[SoundGuard()])


class TestClock:
    def test_moves_when_it_is_told(self, mdm_clock: FakeClock, mdm_pipeline: Callable[..., Pipeline]) -> None:
        """A pipeline with the wall clock sees the time that the test sets, and no other."""
        pipeline = mdm_pipeline(clock="wall", timestamp=None)
        assert mdm_clock.now_ms == pipeline.decide({"key": "a"}).context["now_ms"]
        mdm_clock.advance(2500)
        assert START_MS + 2500 == pipeline.decide({"key": "a"}).context["now_ms"]
        assert mdm_clock.now_ms / 1000 == time.time()

    def test_makes_events_that_happen_now(self) -> None:
        """An event gets the clock's time."""
        clock = FakeClock(5)
        clock.advance(7)
        assert {"timestamp_ms": 12, "n": 1} == clock.event(n=1)
        assert {"at": 12} == clock.event("at")

    def test_does_not_go_back(self) -> None:
        """Time that goes back is a mistake of the test."""
        with pytest.raises(ValueError, match="time does not go back, got -1 ms"):
            FakeClock().advance(-1)


class TestRecordingBroker:
    def test_remembers_orders_and_attempts(self, mdm_broker: RecordingBroker) -> None:
        """An order that comes again is one order and two attempts, and is answered the same."""
        receipts = [mdm_broker.execute(order(n)) for n in (1, 2, 1)]
        assert [order(1), order(2)] == mdm_broker.orders
        assert 3 == len(mdm_broker.attempts)
        assert [Receipt("done")] * 3 == receipts

    def test_answers_what_a_test_wants(self, mdm_broker: RecordingBroker) -> None:
        """Answers are given in turn; after ``retry`` the same order gets the next one."""
        mdm_broker.answers = [Receipt("retry", "rate_limited"), Receipt("failed", "rejected")]
        assert ["retry", "failed", "failed"] == [mdm_broker.execute(order()).status for _ in range(3)]
        assert "failed" == mdm_broker.resolve(order().idempotency_key).status

    def test_answers_late(self, mdm_broker: RecordingBroker) -> None:
        """A pending order is answered by poll, once, and can be taken back before."""
        mdm_broker.answers = [Receipt("pending"), Receipt("pending")]
        assert ["pending"] * 2 == [mdm_broker.execute(order(n)).status for n in (1, 2)]
        mdm_broker.late = {order(1).idempotency_key: Receipt("done")}
        assert [(order(1).idempotency_key, Receipt("done"))] == list(mdm_broker.poll())
        assert [] == list(mdm_broker.poll())
        assert ["done", "failed"] == [mdm_broker.cancel(order(n).idempotency_key).status for n in (1, 2)]


class TestGolden:
    def test_is_written_compared_and_written_anew(self, pytester: pytest.Pytester) -> None:
        """Without a file the test fails and says how to write it; then it passes until a decision changes."""
        arguments = ("-p", "no:cacheprovider")
        path = pytester.path / "golden" / "test_decisions.jsonl"
        source = pytester.makepyfile(GOLDEN.replace("N", "1"))
        ran = pytester.runpytest_inprocess(*arguments)
        ran.stdout.fnmatch_lines(
            ["*there is no such file yet; if it is meant to be so, run pytest --mdm-update-golden*"]
        )
        pytester.runpytest_inprocess("--mdm-update-golden", *arguments).assert_outcomes(passed=1)
        kept = json.loads(path.read_text())
        assert not {"run_id", "latency_ms"} & set(kept)
        assert "mdm.latency_us" not in kept["external"]
        pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1)
        source.write_text(GOLDEN.replace("N", "2"))
        ran = pytester.runpytest_inprocess(*arguments)
        ran.stdout.fnmatch_lines(["*line 1, 'final_action': 'params': 'n': 1 became 2; if it is meant*"])

    def test_notices_what_is_missing(self, tmp_path: Path) -> None:
        """Fewer decisions than in the file are a difference, too; packets of any form can be compared."""
        with make_pipeline() as pipeline:
            decisions = [pipeline.decide({"key": "a", "timestamp_ms": at}) for at in (1, 2)]
        Golden(tmp_path, "kept", update=True).check(decisions)
        Golden(tmp_path, "kept").check([decision.packet() for decision in decisions])
        with pytest.raises(GoldenMismatch, match=r"kept\.jsonl: 1 decisions, and the file has 2"):
            Golden(tmp_path, "other").check(decisions[:1], name="kept")


class TestStrategies:
    SHAPE = {"n": int, "x": float, "text": str, "flag": bool, "nothing": None, "in": {"y": [float]}, "of": st.just(7)}

    @given(event=events(SHAPE))
    @settings(max_examples=25, deadline=None)
    def test_events_have_their_shape(self, event: dict[str, Any]) -> None:
        """Each field is there and of its type."""
        assert self.SHAPE.keys() == event.keys()
        assert (int, float, str, bool, 7) == (*(type(event[n]) for n in ("n", "x", "text", "flag")), event["of"])
        assert all(math.isfinite(y) for y in event["in"]["y"])

    @given(stream=event_streams({"n": int}, key="who", timestamp="at", keys=2, max_size=8))
    @settings(max_examples=25, deadline=None)
    def test_streams_have_keys_and_rising_times(self, stream: list[dict[str, Any]]) -> None:
        """A stream can be decided as it is: every event has a key and a time that does not fall."""
        times = [event["at"] for event in stream]
        assert times == sorted(times)
        assert {event["who"] for event in stream} <= {"key-0", "key-1"}

    @given(stream=event_streams({"x": float, "text": str}, odd=True, max_size=6))
    @settings(max_examples=25, deadline=None)
    def test_odd_streams_are_decided(self, stream: list[dict[str, Any]]) -> None:
        """Odd values stay where they belong: a sound model decides about all of them."""
        with make_pipeline(SoundModel()) as pipeline:
            assert [None] * len(stream) == [pipeline.decide(event).failure for event in stream]

    def test_refuses_a_type_that_it_does_not_know(self) -> None:
        """What is no type of a field is named."""
        with pytest.raises(TypeError, match="a shape holds int, float, str, bool, None, strategies"):
            events({"n": complex})


class TestPlayer:
    def test_an_interrupt_is_not_an_answer(self) -> None:
        """Ctrl-C while a component is asked ends the check and is no failure of the component."""

        class Interrupted(SoundModel):
            def propose(self, features: Any, context: Any) -> Any:
                raise KeyboardInterrupt

        subject = Subject.of(SoundModel)
        with pytest.raises(KeyboardInterrupt):
            Player(Interrupted(), subject).ask(subject.steps[0])


class TestCost:
    def test_the_pytest_plugin_is_light(self) -> None:
        """pytest loads it in every project of an environment, so it brings nothing of mdm and no hypothesis."""
        script = (
            "import sys, pytest\n"
            "before = set(sys.modules)\n"
            "import mdm_core.testing.pytest_plugin\n"
            "print(sorted(n for n in set(sys.modules) - before if n.partition('.')[0] not in sys.stdlib_module_names))"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        expected = ["mdm_core", "mdm_core._version", "mdm_core.testing", "mdm_core.testing.pytest_plugin"]
        assert f"{expected}\n" == ran.stdout

    @pytest.mark.parametrize(("name", "needed"), [("events", "hypothesis"), ("mdm_check", "pytest")])
    def test_what_is_not_installed_is_named(self, name: str, needed: str) -> None:
        """Without the extra, whoever needs it is told of it."""
        script = f"import sys; sys.modules['{needed}'] = None; from mdm_core.testing import {name}"
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        message = f"mdm_core.testing.{name} needs {needed}; install mdm-core with its extra 'testing'"
        assert f"ImportError: {message}" == ran.stderr.splitlines()[-1]

    def test_checks_need_neither_pytest_nor_hypothesis(self) -> None:
        """`mdm check-plugin` works where only mdm-core is installed."""
        script = (
            "import sys\n"
            "from mdm_core.testing import Always, Subject, check_component\n"
            "print({o.status for o in check_component(Subject.of(Always))} - {'passed', 'inapplicable'})\n"
            "print({'pytest', 'hypothesis'} & set(sys.modules))"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert "set()\nset()\n" == ran.stdout
