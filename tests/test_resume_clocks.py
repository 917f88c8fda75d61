"""What depends on clocks is taken from the record when a run is gone on with: the wall clock, and who took too long."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import pytest
from crash_calls import PowerLoss
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
            machine.run(run_id, layer=lambda disk, at=at: PowerLoss(disk, at, Random(at)))
            if machine.has_begun(run_id):
                before = clocks(machine, run_id)
                machine.resume_and_die(run_id)
                check_accounts(machine, run_id)
                assert before == clocks(machine, run_id)[: len(before)]
