"""The machine loses its power: what was not synced is gone, or a part of it, and still no act is without its intent.

The disk forgets contents of files and names in directories that were not synced, as POSIX allows it to.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from crash_machine import IDEMPOTENT, NEITHER, RESOLVES, Machine, check_accounts, differences

Make = Callable[..., Machine]

EVENTS = "source.count=200"
EVERY = int(os.environ.get("MDM_EVERY", "29"))


class TestPowerLoss:
    @pytest.mark.parametrize("mode", ["group", "strict"])
    @pytest.mark.parametrize("seed", [None, 1, 2])
    def test_at_every_write_and_sync(self, make_machine: Make, mode: str, seed: int | None) -> None:
        """Every act has its intent on the disk, and after the resume everything is as if nothing had been."""
        machine = make_machine(*IDEMPOTENT, EVENTS, f'durability.mode="{mode}"')
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        for at in range(1, len(calls) + 1, EVERY):
            machine.forget_world()
            run_id, where = f"r-{at}", f"{at}: {calls[at - 1]}"
            machine.loses_power(run_id, at, None if seed is None else Random(seed * 1000 + at))
            assert set(machine.effects()) <= set(machine.keys(run_id).values()), where
            if not machine.has_begun(run_id):
                assert not machine.effects(), where
                continue
            machine.resume_and_die(run_id)
            assert [] == differences(whole.packets, machine.packets(run_id)), where
            assert whole == machine.outcome(run_id), where
            assert Counter(machine.keys(run_id)[step] for step in whole.done) == machine.effects(), where

    @pytest.mark.parametrize(
        "settings",
        [
            RESOLVES,
            NEITHER,
            [*IDEMPOTENT, "broker.pends=3"],
            [*RESOLVES, "broker.pends=3"],
            [*NEITHER, "broker.stumbles=true"],
        ],
    )
    def test_with_other_brokers(self, make_machine: Make, settings: list[str]) -> None:
        """Every act has its intent on the disk, none is repeated, and what nobody can tell is unknown."""
        machine = make_machine(*settings)
        for at in range(1, len(machine.calls("whole")) + 1, 2 * EVERY):
            machine.forget_world()
            run_id = f"r{at:04}"
            machine.loses_power(run_id, at, Random(at))
            assert set(machine.effects()) <= set(machine.keys(run_id).values())
            if machine.has_begun(run_id):
                machine.resume_and_die(run_id)
                check_accounts(machine, run_id)

    def test_again_in_the_resume(self, make_machine: Make) -> None:
        """And again in the resume of that."""
        machine = make_machine(*IDEMPOTENT)
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        for at in range(30, len(calls), 4 * EVERY):
            machine.forget_world()
            run_id = f"r{at:04}"
            machine.loses_power(run_id, at, Random(at))
            for again in (12, 25, 40):
                if machine.has_begun(run_id) and not machine.has_ended(run_id):
                    machine.loses_power(run_id, again, Random(at + again), resume=True)
            machine.resume_and_die(run_id)
            assert [] == differences(whole.packets, machine.packets(run_id)), calls[at - 1]
            assert whole == machine.outcome(run_id), calls[at - 1]

    def test_in_mode_fast(self, make_machine: Make) -> None:
        """Intents may be lost with what was done; the run is gone on with, and acts again under the same keys."""
        machine = make_machine(*IDEMPOTENT, "durability.mode='fast'")
        calls = machine.calls("whole")
        whole, lost = machine.outcome("whole"), 0
        for at in range(1, len(calls) + 1, EVERY):
            machine.forget_world()
            run_id = f"r{at:04}"
            machine.loses_power(run_id, at, None)
            lost += len(set(machine.effects()) - set(machine.keys(run_id).values()))
            if machine.has_begun(run_id):
                machine.resume_and_die(run_id)
                assert whole == machine.outcome(run_id), calls[at - 1]
                assert {1} == set(machine.effects().values())
        assert lost > 0
