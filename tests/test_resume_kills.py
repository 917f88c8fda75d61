"""Runs are killed at random moments, in processes of their own, by the real clock; fifty here, a thousand in the soak.

``MDM_KILLS`` says how many, ``MDM_SEED`` which moments.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import attrs
import pytest
from crash_machine import IDEMPOTENT, NEITHER, RESOLVES, Child, Machine, Outcome, check_accounts, differences

Make = Callable[..., Machine]

KILLS = int(os.environ.get("MDM_KILLS", "50"))
SEED = int(os.environ.get("MDM_SEED", "1"))
EVENTS = 600
BIG = [f"source.count={EVENTS}", "broker.most=600", "durability.checkpoint_events=100"]

WAYS = [
    pytest.param([*IDEMPOTENT], id="group"),
    pytest.param([*IDEMPOTENT, "durability.mode='strict'"], id="strict"),
    pytest.param([*IDEMPOTENT, "durability.mode='fast'"], id="fast"),
    pytest.param([*IDEMPOTENT, "broker.pends=3", "broker.stumbles=true"], id="idempotent-late"),
    pytest.param([*RESOLVES], id="resolves"),
    pytest.param([*RESOLVES, "broker.pends=2"], id="resolves-late"),
    pytest.param([*NEITHER], id="neither"),
    pytest.param([*NEITHER, "broker.stumbles=true"], id="neither-stumbles"),
]


@attrs.define
class Killer:
    """Kills the runs of a machine, each again and again until it ends.

    Attributes:
        machine: The machine.
        chance: Draws the moments.
        longest_s: The latest moment.
        start: Starts a run, or goes on with it.
        kills: How many were killed so far, those not counted that had not come to their first event.
    """

    machine: Machine
    chance: Random
    longest_s: float
    start: Callable[[str, bool], Child]
    kills: int = 0

    def runs(self, kills: int) -> Iterator[str]:
        """Give runs that have ended, until so many kills were needed."""
        for number in count():
            if self.kills >= kills:
                return
            run_id = f"r{number:04}"
            self.machine.forget_world()
            if self._to_its_end(run_id):
                yield run_id

    def _to_its_end(self, run_id: str) -> bool:
        """Whether it came to it: a run that was killed before its first event has done nothing."""
        resume = False
        while True:
            with self.start(run_id, resume) as child:
                code = child.kill(after_s=self.chance.uniform(0, self.longest_s))
            if code == 0:
                return True
            assert -signal.SIGKILL == code
            if not self.machine.has_begun(run_id):
                assert not self.machine.attempts()
                return False
            self.kills += 1
            if self.machine.has_ended(run_id):
                return True
            resume = True


def whole_of(machine: Machine) -> tuple[Outcome, float]:
    """What an uninterrupted run comes to, and how many seconds it takes."""
    started = time.monotonic()
    with machine.start("whole") as child:
        assert 0 == child.wait()
    return machine.outcome("whole"), time.monotonic() - started


class TestSigkill:
    @pytest.mark.parametrize("settings", WAYS)
    def test_at_random_moments(self, make_machine: Make, settings: list[str]) -> None:
        """No input is missing, nothing is done twice, nothing without an intent, and every line can be read."""
        machine = make_machine(*settings, *BIG)
        whole, seconds = whole_of(machine)
        start = lambda run_id, resume: machine.start(run_id, resume=resume)  # noqa: E731
        for run_id in Killer(machine, Random(f"{SEED} {settings}"), seconds, start).runs(-(-KILLS // len(WAYS))):
            check_accounts(machine, run_id, EVENTS)
            if settings[: len(IDEMPOTENT)] == IDEMPOTENT and "broker.stumbles=true" not in settings:
                assert [] == differences(whole.packets, machine.packets(run_id))
                assert whole == machine.outcome(run_id)
                assert Counter(machine.keys(run_id)[step] for step in whole.done) == machine.effects()

    def test_of_the_command(self, make_machine: Make) -> None:
        """The same with `mdm run` and `mdm run --resume` themselves."""
        machine = make_machine(*IDEMPOTENT, *BIG)

        def start(run_id: str, resume: bool) -> Child:
            settings = [word for setting in machine.settings for word in ("--set", setting)]
            place = ["--runs-dir", str(machine.runs(run_id)), "--resume" if resume else "--run-id", run_id]
            machine.disk(run_id).mkdir(parents=True, exist_ok=True)
            return Child.command(["run", str(machine.pipeline), *settings, *place])

        started = time.monotonic()
        with start("whole", False) as child:
            assert 0 == child.wait()
        whole, seconds = machine.outcome("whole"), time.monotonic() - started
        for run_id in Killer(machine, Random(SEED), seconds, start).runs(-(-KILLS // 10)):
            check_accounts(machine, run_id, EVENTS)
            assert [] == differences(whole.packets, machine.packets(run_id))
            assert whole == machine.outcome(run_id)


class TestSigterm:
    def test_at_random_moments(self, make_machine: Make) -> None:
        """The run ends within 5 s, says so, and goes on as if nothing had been."""
        machine = make_machine(*IDEMPOTENT, *BIG)
        whole, seconds = whole_of(machine)
        chance, took = Random(SEED), []
        for number in range(-(-KILLS // 5)):
            machine.forget_world()
            run_id, resume = f"r{number:04}", False
            while not machine.has_ended(run_id):
                with machine.start(run_id, resume=resume) as child:
                    machine.wait_for(lambda: machine.has_begun(run_id) or child.has_ended())  # noqa: B023
                    time.sleep(chance.uniform(0, seconds))
                    asked = time.monotonic()
                    child.send(signal.SIGTERM)
                    assert child.wait() in (0, 1, -signal.SIGTERM)
                    took.append(time.monotonic() - asked)
                resume = True
            assert [] == differences(whole.packets, machine.packets(run_id))
            assert whole == machine.outcome(run_id)
        # One of them may have had a disk or a processor that was busy with something else.
        assert statistics.median(took) < 5
