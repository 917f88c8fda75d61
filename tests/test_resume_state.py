"""What a run has come to is all there after a resume: keyed state, counts, the audit log and what observers saw."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_machine import IDEMPOTENT, Machine, check_accounts, differences, moments

from mdm_core.journal import Command

Make = Callable[..., Machine]

MANY_KEYS = ["source.keys=31", "source.count=300", "broker.most=500"]


class TestKeyedState:
    @pytest.mark.parametrize("most", [1, 3, 9])
    def test_the_order_of_use(self, make_machine: Make, most: int) -> None:
        """The same keys are forgotten at the same moments, though checkpoints hold hashes in their place."""
        machine = make_machine(*IDEMPOTENT, *MANY_KEYS, f"features.max_keys={most}")
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        assert sum(whole.summary["evicted_keys"].values()) > 20
        for at in moments(len(calls), len(calls) // 6):
            machine.forget_world()
            if machine.dies(f"r{at:04}", at) and machine.has_begun(f"r{at:04}"):
                machine.resume_and_die(f"r{at:04}", 40, 70)
                assert [] == differences(whole.packets, machine.packets(f"r{at:04}"))
                assert whole == machine.outcome(f"r{at:04}")

    def test_no_key_is_in_a_checkpoint(self, make_machine: Make) -> None:
        """Nor in the journal, nor anything else of an event."""
        machine = make_machine(*IDEMPOTENT, *MANY_KEYS)
        calls = machine.calls("whole")
        assert machine.dies("r0001", len(calls) * 3 // 4)
        machine.resume_and_die("r0001", 60)
        for run_id in ("whole", "r0001"):
            directory = machine.directory(run_id)
            assert b"canary" in (directory / "traces.jsonl").read_bytes()
            files = [directory / "journal.jsonl", *(directory / "checkpoints").iterdir()]
            assert 3 == len(files)
            assert [] == [path for path in files if b"canary" in path.read_bytes()]


class TestAudit:
    def test_commands(self, make_machine: Make) -> None:
        """Each command that was taken is in the audit log once, wherever the run dies."""
        machine = make_machine(*IDEMPOTENT)
        machine.settings.append(f'source.commands="{machine.folder}/world"')
        calls = machine.calls("whole")
        assert ["operator_stop", "operator_release"] == [e["event"] for e in machine.audit("whole") if "user" in e]
        for at in range(30, len(calls), 2):
            machine.forget_world()
            run_id = f"r{at:04}"
            if machine.dies(run_id, at):
                machine.resume_and_die(run_id, 20)
                taken = [f"operator_{entry.name}" for entry in machine.journal(run_id) if isinstance(entry, Command)]
                assert taken == [e["event"] for e in machine.audit(run_id) if "user" in e], calls[at - 1]
                check_accounts(machine, run_id)

    def test_failures(self, make_machine: Make) -> None:
        """Every failure of the broker is in the audit log, and counted in the summary, before and after the crash."""
        machine = make_machine(*IDEMPOTENT, "broker.stumbles=true", "durability.checkpoint_events=5000")
        calls = machine.calls("whole")
        for at in range(40, len(calls), 9):
            machine.forget_world()
            run_id = f"r{at:04}"
            if machine.dies(run_id, at):
                machine.resume_and_die(run_id, 25, 30)
                told = sum(event["event"] == "error" for event in machine.audit(run_id))
                assert told == sum(machine.summary(run_id)["errors"].values()), calls[at - 1]
                raised = sum(n > 1 for n in machine.attempts().values())
                assert told <= raised
                check_accounts(machine, run_id)


class TestRedaction:
    def test_that_fails(self, make_machine: Make) -> None:
        """What could not be redacted was not written, and does not keep the run from going on."""
        machine = make_machine(*IDEMPOTENT, 'redaction.use="crash.torn"')
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        assert whole.summary["redaction_failures"] > 10
        for at in range(30, len(calls), 11):
            machine.forget_world()
            if machine.dies(f"r{at:04}", at):
                machine.resume_and_die(f"r{at:04}")
                assert [] == differences(whole.packets, machine.packets(f"r{at:04}"))
                assert whole == machine.outcome(f"r{at:04}"), calls[at - 1]
