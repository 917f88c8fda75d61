"""Going on with a run that died: nothing is lost, nothing is done twice, and nobody can tell that it died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs
import pytest
from crash_machine import IDEMPOTENT, NEITHER, RESOLVES, Machine, check_accounts, differences, moments

Make = Callable[..., Machine]


class TestKilled:
    @pytest.mark.parametrize("mode", ["strict", "group", "fast"])
    @pytest.mark.parametrize("torn", [False, True])
    def test_with_a_broker_that_knows_an_order_again(self, make_machine: Make, mode: str, torn: bool) -> None:
        """At whatever call it dies: the same packets, dead letters and audit events, and each effect once."""
        machine = make_machine(*IDEMPOTENT, f'durability.mode="{mode}"')
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        assert machine.effects() == Counter(machine.keys("whole")[step] for step in whole.done)
        for at in moments(len(calls), 7 if mode == "group" else 29):
            machine.forget_world()
            run_id, where = f"r-{at}", f"{at}: {calls[at - 1]}"
            assert machine.dies(run_id, at, torn=torn), where
            if not machine.has_begun(run_id):
                assert not machine.effects(), where
                continue
            machine.resume_and_die(run_id)
            assert [] == differences(whole.packets, machine.packets(run_id)), where
            assert whole == machine.outcome(run_id), where
            assert machine.effects() == Counter(machine.keys(run_id)[step] for step in whole.done)

    @pytest.mark.parametrize("broker", [RESOLVES, NEITHER])
    @pytest.mark.parametrize("torn", [False, True])
    def test_with_a_broker_that_must_not_be_asked_again(
        self, make_machine: Make, broker: list[str], torn: bool
    ) -> None:
        """An order in doubt is resolved if that is possible, else it is unknown, and told of; it is never repeated."""
        machine = make_machine(*broker)
        calls, unknown = machine.calls("whole"), 0
        for at in moments(len(calls), 7):
            machine.forget_world()
            run_id, where = f"r-{at}", f"{at}: {calls[at - 1]}"
            assert machine.dies(run_id, at, torn=torn), where
            if not machine.has_begun(run_id):
                assert not machine.effects(), where
                continue
            machine.resume_and_die(run_id)
            check_accounts(machine, run_id)
            unknown += machine.summary(run_id)["executions"].get("unknown", 0)
        assert (unknown > 0) is (broker == NEITHER)

    @pytest.mark.parametrize("broker", [IDEMPOTENT, RESOLVES, NEITHER])
    @pytest.mark.parametrize("way", ["broker.pends=3", "broker.stumbles=true"])
    def test_with_a_broker_that_takes_its_time_or_stumbles(
        self, make_machine: Make, broker: list[str], way: str
    ) -> None:
        """Answers that come later, attempts that come to nothing, attempts of which nobody knows: no status lies."""
        machine = make_machine(*broker, way)
        calls = machine.calls("whole")
        check_accounts(machine, "whole")
        for at in moments(len(calls), 11):
            machine.forget_world()
            run_id = f"r-{at}"
            if machine.dies(run_id, at) and machine.has_begun(run_id):
                machine.resume_and_die(run_id)
                check_accounts(machine, run_id)


class TestKilledAgain:
    @pytest.mark.parametrize("torn", [False, True])
    def test_at_every_call_of_the_resume(self, make_machine: Make, torn: bool) -> None:
        """A run dies, and its resume dies, and the resume of that dies: as if nothing had been."""
        machine = make_machine(*IDEMPOTENT)
        calls = machine.calls("whole")
        whole = machine.outcome("whole")
        for first in (len(calls) // 3, len(calls) * 3 // 4):
            for at in range(1, 60, 4):
                machine.forget_world()
                run_id, where = f"r-{first}-{at}", (first, calls[first - 1], at)
                assert machine.dies(run_id, first, torn=torn), where
                machine.resume_and_die(run_id, at, at + 3, at // 2 + 1, torn=torn)
                assert [] == differences(whole.packets, machine.packets(run_id)), where
                assert whole == machine.outcome(run_id), where

    @pytest.mark.parametrize("broker", [RESOLVES, NEITHER])
    @pytest.mark.parametrize("way", ["broker.pends=0", "broker.pends=3", "broker.stumbles=true"])
    def test_with_other_brokers(self, make_machine: Make, broker: list[str], way: str) -> None:
        """However often it dies, nothing is done twice, and what is unknown is told of once."""
        machine = make_machine(*broker, way)
        calls = machine.calls("whole")
        for at in range(3, len(calls), 29):
            machine.forget_world()
            run_id = f"r-{at}"
            if not (machine.dies(run_id, at) and machine.has_begun(run_id)):
                continue
            machine.resume_and_die(run_id, 9, 30, 20)
            check_accounts(machine, run_id)


class TestSourceThatFailed:
    @pytest.mark.parametrize("broker", [IDEMPOTENT, RESOLVES, NEITHER])
    @pytest.mark.parametrize("group", [1, 64])
    def test_it_is_gone_on_with(self, make_machine: Make, broker: list[str], group: int) -> None:
        """What was held is not acted upon until the run is gone on with; then it is as if nothing had failed."""
        machine = make_machine(*broker, f"pipeline.group={group}", "broker.most=1e9")
        assert 0 == machine.run("whole").code
        whole, effects = machine.outcome("whole"), machine.effects().total()
        machine.forget_world()
        broken = machine.folder / "broken"
        machine.settings.append(f'source.breaks="{broken}"')
        broken.touch()
        assert (1, "source crash.numbers failed: ValueError") == attrs.astuple(machine.run("r"))[:2]
        assert ("failed", len(machine.packets("r"))) == tuple(machine.summary("r")[k] for k in ("status", "decided"))
        assert machine.effects().total() < effects
        broken.unlink()
        machine.resume_and_die("r")
        check_accounts(machine, "r")
        gone_on = machine.outcome("r")
        assert whole.done == gone_on.done
        assert (whole.packets, whole.letters) == (gone_on.packets, gone_on.letters)
        assert {"source_error:ValueError": 1} == machine.summary("r")["errors"]
