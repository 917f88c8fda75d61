from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest
from mdm_core import Action, Build, Commanded, ConfigError, Context, Decided, FinalDecision, Order, Proposal

from mdm_robotics import Actuator, Figures, Latch, Motion, Supervisor
from mdm_robotics.figures import percentiles
from mdm_robotics.motion import CHANNELS, WINDOW, Window, probabilities

RELEASE = Commanded(1, "release", "looked at", "ann", 0)


def noise(count: int, size: float = 1.0, shift: float = 0.0) -> list[list[float]]:
    chance = random.Random(count)
    return [[chance.gauss(shift, size) for _ in CHANNELS] for _ in range(count)]


def told(motion: Motion, samples: list[list[float]], key: str = "a") -> list[dict[str, Any]]:
    context = Context({}, key, 0, 0, 0)
    return [dict(motion.extract(dict(zip(CHANNELS, sample, strict=True)), context)) for sample in samples]


class TestWindow:
    @pytest.mark.parametrize("count", [100, 101, 250, 1037])
    def test_moments_are_those_of_the_last_samples(self, count: int) -> None:
        """Mean and standard deviation of each channel are those of the last hundred samples, computed at once."""
        window, samples = Window(), noise(count, shift=3.0)
        assert [number >= WINDOW - 1 for number in range(count)] == [window.push(sample) for sample in samples]
        columns = list(zip(*samples[-WINDOW:], strict=True))
        expected = [fmean(column) for column in columns] + [pstdev(column) for column in columns]
        assert expected == pytest.approx(window.moments(), rel=1e-9)


class TestMotion:
    def test_same_movement_raises_no_doubt(self) -> None:
        """As long as the movement stays what it was there is no doubt."""
        found = told(Motion(), noise(1500))
        assert found[348]["motion.change"] is None
        assert {0.0} == {row["motion.doubt"] for row in found[349:]}

    def test_another_movement_does(self) -> None:
        """Another movement raises doubt within two seconds, and of that arm alone."""
        motion = Motion()
        told(motion, noise(800))
        assert told(motion, noise(100, shift=2.0))[-1]["motion.doubt"] > 2
        assert told(motion, noise(800), "b")[-1]["motion.doubt"] == 0

    @pytest.mark.parametrize("broken", [None, "x", True, float("inf"), 1e300])
    def test_a_broken_sample_leaves_no_mark(self, broken: Any) -> None:
        """A sample that lacks a number, or has an impossible one, is told as unknown and does not count."""
        motion, sample = Motion(), noise(1)[0]
        told(motion, noise(150))
        before = motion.states["a"].count
        assert {None} == set(told(motion, [[*sample[:5], broken]])[0].values())
        assert before == motion.states["a"].count

    def test_probabilities(self) -> None:
        """Scores become probabilities by a softmax, however large they are."""
        found = probabilities({"a": (1000.0, [1.0]), "b": (0.0, [501.0]), "c": (0.0, [0.0])}, [2.0])
        assert {"a": 0.5, "b": 0.5, "c": 0.0} == pytest.approx(found)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "cannot be read .*; check the path"),
            ("[]", "is no file of weights"),
            ('{"bias": {"PEN": 0.0}, "weights": {"PEN": [1.0]}}', "needs 12 weights for each exercise"),
        ],
    )
    def test_wrong_file(self, tmp_path: Path, content: str | None, message: str) -> None:
        """A file that is missing or wrong is told with what is wrong with it."""
        if content is not None:
            (tmp_path / "weights.json").write_text(content)
        with pytest.raises(ConfigError, match=message):
            Motion().open(Build(base_dir=tmp_path))


class TestSupervisor:
    @pytest.mark.parametrize(
        ("planned", "doubt", "speed", "action", "reason"),
        [
            (0.9, 2.0, 1.0, Action.STOP, "another_movement"),
            (0.9, 1.9, 1.0, Action.ACT, "as_planned"),
            (0.9, None, 1.0, Action.ACT, "as_planned"),
            (0.4, 0.0, 1.0, Action.HOLD, "unsure"),
            (0.9, 0.0, 0.1, Action.HOLD, "at_rest"),
            (None, None, None, Action.HOLD, "warming_up"),
        ],
    )
    def test_proposes(self, planned: Any, doubt: Any, speed: Any, action: Action, reason: str) -> None:
        """Doubt stops before anything drives, and only a likely exercise of somebody who moves does."""
        features = {"exercise.planned": planned, "motion.doubt": doubt, "motion.speed": speed}
        found = Supervisor(stop_at=2.0).propose(features, Context({}, "a", 0, 0, 0))
        assert (action, [reason]) == (found.action, found.reasons)


class TestLatch:
    def test_holds_until_a_release(self) -> None:
        """After a STOP everything is denied for that arm, until an operator releases it, and can be stopped again."""
        latch = Latch()
        assert passes(latch, "a")
        latch.observe(Decided(final(Action.STOP), Context({}, "a", 0, 0, 0)))
        assert [False, True] == [passes(latch, "a"), passes(latch, "b")]
        latch.observe(RELEASE)
        assert passes(latch, "a")
        latch.observe(Decided(final(Action.STOP), Context({}, "a", 0, 0, 0)))
        assert not passes(latch, "a")

    def test_a_denied_stop_does_not_latch(self) -> None:
        """What was not allowed did not happen."""
        latch = Latch()
        latch.observe(Decided(final(Action.STOP, allowed=False), Context({}, "a", 0, 0, 0)))
        assert passes(latch, "a")


def final(action: Action, allowed: bool = True) -> FinalDecision:
    return FinalDecision(action, allowed, [], None, None, None, {})


def passes(latch: Latch, key: str) -> bool:
    decision = final(Action.ACT)
    found = latch.modulate(Proposal(Action.ACT, 1.0, []), decision, Context({}, key, 0, 0, 0))
    assert found is decision or (found.action, found.allowed, found.reasons) == (Action.HOLD, False, ["latched"])
    return found.allowed


def order(action: Action, drive: Any = 1.0, key: str = "a") -> Order:
    return Order(action, {"drive": drive}, key, {}, "1")


class TestActuator:
    def test_stop_latches_until_a_release(self) -> None:
        """A stopped drive stands and refuses to go, others do not; after a release it stands until it is driven."""
        arm = Actuator()
        statuses = [arm.execute(order(action)).status for action in (Action.ACT, Action.STOP, Action.ACT)]
        assert ["done", "done", "failed"] == statuses
        assert "done" == arm.execute(order(Action.ACT, key="b")).status
        assert {"moving": 1, "latched": 1, "refused": 1} == arm.counts()
        arm.observe(RELEASE)
        assert 0.0 == arm.drives["a"].speed
        assert "done" == arm.execute(order(Action.ACT)).status

    def test_exit_stands_without_a_latch(self) -> None:
        """After EXIT the drive stands, and the next ACT sets it going."""
        arm = Actuator()
        for action in (Action.ACT, Action.EXIT):
            arm.execute(order(action))
        assert 0.0 == arm.drives["a"].speed
        assert "done" == arm.execute(order(Action.ACT)).status

    @pytest.mark.parametrize("drive", [None, "fast", -1.0, float("nan")])
    def test_what_is_no_speed_is_refused(self, drive: Any) -> None:
        """A speed that is none drives nothing."""
        arm = Actuator()
        assert "failed" == arm.execute(order(Action.ACT, drive)).status
        assert 0.0 == arm.drives["a"].speed

    def test_goes_no_faster_than_it_may(self) -> None:
        """A higher speed is brought down to the highest."""
        arm = Actuator(fastest=2.0)
        arm.execute(order(Action.ACT, 99.0))
        assert 2.0 == arm.drives["a"].speed


class TestFigures:
    def test_counts_stops(self) -> None:
        """A stop after the plan was left counts with its delay, one before it, or without leaving, as for nothing."""
        figures = Figures()
        courses = {"late": (2, 3), "early": (2, 1), "never": (9, 1), "missed": (1, 9)}
        for session, (left, stopped) in courses.items():
            for step in range(4):
                figures.on_decision(packet(session, step, step < left, "STOP" if step == stopped else "ACT"))
        found = dict(figures.on_run_end({}))
        names = ("sessions", "left_the_plan", "stopped", "stopped_for_nothing", "delay_ms")
        assert [4, 3, 1, 2, {"median": 20, "longest": 20}] == [found[name] for name in names]
        assert (7, 6) == (found["driven_as_planned"], found["driven_otherwise"])

    def test_percentiles(self) -> None:
        """Percentiles are numbers that occurred: the smallest that enough of the others do not exceed."""
        assert {"p50": 500, "p99": 990, "p99.9": 999, "max": 1000} == percentiles(range(1, 1001))
        assert {"p50": 7, "p99": 7, "p99.9": 7, "max": 7} == percentiles([7])
        assert percentiles([]) is None


def packet(session: str, step: int, planned: bool, action: str) -> dict[str, Any]:
    external = {"last_event_ts_ms": step * 20, "eval.outcome": planned, "mdm.latency_us": 50.0}
    return {
        "input": {"session": session},
        "external": external,
        "final_action": {"action": action},
        "mismatch": None,
    }
