"""What operators and the operating system ask of a run before it dies, and while it catches up."""

from __future__ import annotations

import signal
from collections.abc import Callable

import attrs
import crash_plugin
import pytest
from crash_machine import IDEMPOTENT, NEITHER, Machine, check_accounts

from mdm_core import Context, Features, Proposal
from mdm_core.control import Request, send
from mdm_core.journal import Applied, Command, Intent

Make = Callable[..., Machine]

ACTS = [*IDEMPOTENT, "broker.most=1e9"]


def denials(machine: Machine, run_id: str) -> list[int]:
    """The steps that were denied because the operator had stopped the run."""
    packets = machine.lines(run_id, "traces.jsonl")
    return [p["step"] for p in packets if p["mismatch"] and "operator_stop" in p["mismatch"]["reason_codes"]]


def stop_and_kill(machine: Machine, run_id: str, after: int) -> None:
    """Run until there were so many attempts, stop as an operator, and kill when the audit log says so."""
    with machine.start(run_id) as child:
        machine.wait_for(lambda: machine.attempts().total() >= after)
        send(machine.directory(run_id), Request("stop", "too eager"))
        machine.wait_for(lambda: b"operator_stop" in (machine.directory(run_id) / "audit.jsonl").read_bytes())
        assert -signal.SIGKILL == child.kill()


class TestTheOperatorsStop:
    def test_it_is_in_force_after_a_crash(self, make_machine: Make) -> None:
        """The run goes on stopped and denies everything, until it is released; then it acts again."""
        machine = make_machine(*ACTS, "source.count=400")
        machine.nap(1)
        stop_and_kill(machine, "r", after=20)
        before = machine.attempts()
        with machine.start("r", resume=True) as child:
            machine.wait_for(lambda: len(denials(machine, "r")) > 10)
            assert before == machine.attempts()
            send(machine.directory("r"), Request("release"))
            machine.wait_for(lambda: machine.attempts() != before)
            assert 0 == child.wait()
        check_accounts(machine, "r", 400)
        commands = [event["event"] for event in machine.audit("r") if event["event"].startswith("operator")]
        assert ["operator_stop", "operator_release"] == commands

    def test_it_keeps_orders_in_doubt_from_being_repeated(self, make_machine: Make) -> None:
        """A broker that knows an order again is not asked again while the run is stopped, however long ago it was."""
        machine = make_machine(*ACTS, "source.count=4000", "broker.pends=100000", "model.every=50")
        machine.nap(1)
        with machine.start("r") as child:
            machine.wait_for(lambda: machine.attempts().total() >= 14)
            send(machine.directory("r"), Request("stop"))
            machine.wait_for(lambda: len(denials(machine, "r")) > 3)
            child.kill()
        before = machine.attempts()
        machine.nap(0)
        assert 0 == machine.run("r", resume=True).code
        assert before == machine.attempts()

    def test_given_while_it_catches_up(self, make_machine: Make) -> None:
        """A command that comes before the run has caught up is not undone by what was recorded before."""
        machine = make_machine(*ACTS, "source.count=600", "durability.checkpoint_events=5000")
        machine.nap(1)
        with machine.start("r") as child:
            machine.wait_for(lambda: machine.attempts().total() >= 60)
            send(machine.directory("r"), Request("stop"))
            send(machine.directory("r"), Request("release"))
            child.kill()
        before = len(machine.journal("r"))
        with machine.start("r", resume=True) as child:
            machine.wait_for(lambda: b"run_resumed" in (machine.directory("r") / "audit.jsonl").read_bytes())
            attempts = machine.attempts()
            send(machine.directory("r"), Request("stop"))
            assert 0 == child.wait()
        commands = [entry for entry in machine.journal("r") if isinstance(entry, Command)]
        assert ["stop", "release", "stop"] == [command.name for command in commands]
        acted = [entry for entry in machine.journal("r")[before:] if isinstance(entry, Intent)]
        assert [] == [entry for entry in acted if entry.n > commands[-1].n]
        assert attempts == machine.attempts()


class TestSignals:
    def test_in_the_middle_of_an_act(self, make_machine: Make) -> None:
        """A signal while orders of the earlier process are carried out breaks off nothing, and nothing is repeated."""
        machine = make_machine(*NEITHER, 'pipeline.clock="wall"', "pipeline.group=64", "broker.nap_ms=20")
        # When the clock of some decisions that act is on the disk, and none of their intents.
        at = [number for number, call in enumerate(machine.calls("whole"), 1) if call == "write journal.jsonl"][30]
        machine.forget_world()
        assert machine.dies("r", at)
        assert not machine.keys("r")
        with machine.start("r", resume=True) as child:
            machine.wait_for(machine.effects)
            child.send(signal.SIGTERM)
            assert 1 == child.wait()
        assert ("stopped", "SIGTERM received") == (machine.summary("r")["status"], machine.summary("r")["reason"])
        assert 0 == machine.run("r", resume=True).code
        check_accounts(machine, "r")

    def test_before_it_has_caught_up(self, make_machine: Make) -> None:
        """It ends soon, tells of nothing that it has not come to, and can be gone on with as if nothing had been."""
        machine = make_machine(*IDEMPOTENT, "durability.checkpoint_events=5000")
        machine.calls("whole")
        whole = machine.outcome("whole")
        machine.forget_world()
        machine.dies("r", 60)
        machine.nap(5)
        lines = len(machine.journal("r"))
        with machine.start("r", resume=True) as child:
            machine.wait_for(lambda: b"run_resumed" in (machine.directory("r") / "audit.jsonl").read_bytes())
            child.send(signal.SIGTERM)
            assert 1 == child.wait()
        assert "stopped" == machine.summary("r")["status"]
        assert [] == [entry for entry in machine.journal("r")[lines:] if isinstance(entry, Applied)]
        machine.nap(0)
        assert 0 == machine.run("r", resume=True).code
        assert whole == machine.outcome("r")


class TestAnotherDecision:
    def test_it_is_told(self, make_machine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """A plugin that decides differently now, though it has the same version, stops the run; the step is named."""
        machine = make_machine(*IDEMPOTENT, "durability.checkpoint_events=5000")
        assert machine.dies("r", 60)
        before, propose = machine.attempts(), crash_plugin.Model.propose

        step = machine.packets("r")[-1]["step"]

        def other(self: crash_plugin.Model, features: Features, context: Context) -> Proposal:
            proposal = propose(self, features, context)
            return attrs.evolve(proposal, confidence=0.5) if context.step == step else proposal

        monkeypatch.setattr(crash_plugin.Model, "propose", other)
        ended = machine.run("r", resume=True)
        assert (
            1,
            f"step {step}: the decision is not the one that was recorded; the model, a plugin or the source decides "
            "differently now, and nothing more is done",
        ) == (ended.code, ended.said)
        assert before == machine.attempts()
        monkeypatch.undo()
        machine.resume_and_die("r")
        check_accounts(machine, "r")
