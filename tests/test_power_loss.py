"""The machine loses its power: what was not synced is gone, or a part of it, and still no act is without its intent.

The disk forgets contents of files and names in directories that were not synced, as POSIX allows it to.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from crash_machine import IDEMPOTENT, Machine, differences

Make = Callable[..., Machine]

EVENTS = "source.count=200"
EVERY = int(os.environ.get("MDM_EVERY", "9"))


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
