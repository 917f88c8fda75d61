"""What does not come again is taken from the record when a run is gone on with: the wall clock, time-outs, deaths."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import pytest
from crash_machine import IDEMPOTENT, Machine, check_accounts, moments

from mdm_core.journal import SwitchedOff, TimedOut

Make = Callable[..., Machine]

WALL = [*IDEMPOTENT, 'pipeline.clock="wall"', 'modulators.1.use="crash.stale"']


def clocks(machine: Machine, run_id: str) -> list[int]:
    """The wall clock of each decision, as its packet has it."""
    lines = (machine.directory(run_id) / "traces.jsonl").read_text().splitlines(keepends=True)
    return [json.loads(line)["external"]["now_ms"] for line in lines if line.endswith("\n")]


class TestWallClock:
    @pytest.mark.parametrize("group", [1, 8])
    def test_killed(self, make_machine: Make, group: int) -> None:
        """What was decided by the clock stays as it was, though the clock has gone on."""
        machine = make_machine(*WALL, f"pipeline.group={group}")
        machine.nap(0.2)
        for at in moments(len(machine.calls("whole")), 13):
            machine.forget_world()
            if machine.dies(f"r-{at}", at) and machine.has_begun(f"r-{at}"):
                before = clocks(machine, f"r-{at}")
                machine.resume_and_die(f"r-{at}")
                check_accounts(machine, f"r-{at}")
                assert before == clocks(machine, f"r-{at}")[: len(before)]

    def test_without_power(self, make_machine: Make) -> None:
        """The same if the journal has lost the clock and the trace has it."""
        machine = make_machine(*WALL)
        machine.nap(0.2)
        for at in moments(len(machine.calls("whole")), 17):
            machine.forget_world()
            run_id = f"r-{at}"
            machine.loses_power(run_id, at, Random(at))
            if machine.has_begun(run_id):
                before = clocks(machine, run_id)
                machine.resume_and_die(run_id)
                check_accounts(machine, run_id)
                assert before == clocks(machine, run_id)[: len(before)]


def slow(machine: Machine, slow: bool) -> None:
    """Let some events take longer than anybody waits, or no longer."""
    path = machine.folder / "slow"
    if slow:
        path.touch()
    else:
        path.unlink(missing_ok=True)


def late(machine: Machine, run_id: str) -> list[int]:
    """The steps whose packets say that the extractor took too long."""
    packets = machine.lines(run_id, "traces.jsonl")
    return [p["step"] for p in packets if p["mismatch"] and "features_timeout" in p["mismatch"]["reason_codes"]]


@pytest.fixture
def make_slow(make_machine: Make) -> Callable[..., Machine]:
    """Make a machine on which every tenth event is slow and switches the extractor off for a while."""

    def make() -> Machine:
        settings = ["features.timeout_ms=15", "pipeline.switch_off_after=1", "pipeline.switch_off_for=3"]
        machine = make_machine(*IDEMPOTENT, *settings)
        machine.settings.append(f'features.slow="{machine.folder / "slow"}"')
        slow(machine, True)
        return machine

    return make


@pytest.mark.usefixtures("own_time")
class TestTimeOuts:
    def test_are_taken_from_the_record(self, make_slow: Callable[..., Machine]) -> None:
        """What took too long before the crash took too long, though it would be fast now; each is recorded once."""
        machine = make_slow()
        found = 0
        for at in moments(len(machine.calls("whole")), 19):
            machine.forget_world()
            run_id = f"r-{at}"
            slow(machine, True)
            if not (machine.dies(run_id, at) and machine.has_begun(run_id)):
                continue
            known = [entry.step for entry in machine.journal(run_id) if isinstance(entry, TimedOut)]
            slow(machine, False)
            machine.resume_and_die(run_id)
            check_accounts(machine, run_id)
            assert known == late(machine, run_id)
            assert known == [entry.step for entry in machine.journal(run_id) if isinstance(entry, TimedOut)]
            assert known == [entry.step for entry in machine.journal(run_id) if isinstance(entry, SwitchedOff)]
            assert known == [event["step"] for event in machine.audit(run_id) if event["event"] == "switched_off"]
            found += len(known)
        assert found > 10

    def test_are_in_force_afterwards(self, make_slow: Callable[..., Machine]) -> None:
        """A run that is gone on with has the same time limits, and ends like one that was never interrupted."""
        machine = make_slow()
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        assert len(late(machine, "whole")) > 5
        for at in moments(len(calls), 31):
            machine.forget_world()
            if machine.dies(f"r-{at}", at) and machine.has_begun(f"r-{at}"):
                machine.resume_and_die(f"r-{at}")
                assert whole == machine.outcome(f"r-{at}"), calls[at - 1]


class TestProcessesThatDied:
    def test_are_taken_from_the_record(self, make_machine: Make) -> None:
        """A process that had died before the crash had died, though it would live now; each is recorded once."""
        machine = make_machine(*IDEMPOTENT, 'model.isolate="process"', "durability.checkpoint_events=5000")
        dies = machine.folder / "dies"
        machine.settings.append(f'model.dies="{dies}"')
        dies.touch()
        assert machine.dies("r", 110)
        known = [(e.step, e.code) for e in machine.journal("r") if isinstance(e, TimedOut)]
        assert len(known) > 1
        assert {"model_error:ProcessDied"} == {code for _, code in known}
        dies.unlink()
        machine.resume_and_die("r")
        check_accounts(machine, "r")
        packets = [p for p in machine.lines("r", "traces.jsonl") if "mdm.fail_closed" in p["external"]]
        assert known == [(p["step"], p["mismatch"]["reason_codes"][0]) for p in packets]
        assert known == [(e.step, e.code) for e in machine.journal("r") if isinstance(e, TimedOut)]
