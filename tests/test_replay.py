"""Replay: the same events and the journal give the same decisions, however the receipts arrived."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mdm_core import Action, Decision, Pipeline, Record, Run
from mdm_core.journal import Answered, AnyEntry, Applied, Clock, Command, Intent, read_journal
from mdm_core.replay import RecordedInputs, Replay, ReplayFailed

EVENTS = 3000

FLAKY = """\
import hashlib

import attrs
from mdm_core import Broker, Receipt, hookimpl, option

KINDS = {"retry": "rate_limited", "failed": "rejected", "unknown": "timeout"}


@attrs.define
class Flaky(Broker):
    '''Fails for one order in ten, in three ways, and in bursts, so that a breaker has something to do.'''

    later: bool = option(False, help="whether every fifth order is answered by poll alone")
    _asked: int = attrs.field(init=False, default=0)
    _later: list = attrs.field(init=False, factory=list)

    def execute(self, order):
        self._asked += 1
        if self.later and self._asked % 5 == 0:
            self._later.append(order.idempotency_key)
            return Receipt("pending")
        if self._asked % 100 >= 90:
            status = list(KINDS)[self._asked % 3]
            return Receipt(status, KINDS[status])
        return Receipt("done", "ok", None, "ref-" + order.idempotency_key[:4])

    def poll(self):
        while self._later:
            yield self._later.pop(0), Receipt("done")


@hookimpl
def mdm_register_brokers(register):
    register("flaky", Flaky)
"""

PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"
group = {group}
{more}
[source]
use = "toy.numbers"
count = {count}
keys = 7
[features]
use = "toy.fields"
[model]
use = "toy.threshold"
feature = "n"
scale = 1
threshold = 0
[[modulators]]
use = "guards.circuit_breaker"
failures = 3
open_for = "20s"
[[modulators]]
use = "guards.ops_health"
[broker]
use = "flaky.flaky"
{broker}
[execution]
attempts = 2
backoff_ms = 0
backoff_jitter_ms = 0
[redaction]
use = "none"
[[trace]]
use = "toy.lines"
"""


@pytest.fixture
def run(toy: Path, install: Callable[..., Path], write_pipeline: Callable[[str], Path], tmp_path: Path) -> Any:
    """Run a pipeline with a flaky broker and guards that learn from receipts."""
    assert toy == install("flaky", {"flaky_plugin": FLAKY}) == install("guards", {}, value="mdm_guards.plugin")

    def begin(group: int, *, count: int = EVENTS, more: str = "", broker: str = "") -> Run:
        path = write_pipeline(PIPELINE.format(group=group, count=count, more=more, broker=broker))
        made = Run.from_config(path, run_id="r-1", runs_dir=tmp_path / f"runs-{group}")
        assert made.run().status == "done"
        return made

    return begin


def journal(run: Run) -> list[AnyEntry]:
    """The journal of a run."""
    return list(read_journal(run.runs_dir / run.run_id))


def told(decision: Decision) -> list[Any]:
    """What of a decision must be the same."""
    final, mismatch = decision.final, decision.final.mismatch
    flags = None if mismatch is None else [mismatch.flags, mismatch.reason_codes, mismatch.metadata]
    own = ("mdm.feedback_seq", "recent_failures", "rate_limit_events", "steps_in_window", "errors_in_window", "now_ms")
    context = {name: decision.context.get(name) for name in own}
    return [
        decision.step,
        final.action.value,
        final.allowed,
        decision.proposal.confidence,
        final.reasons,
        flags,
        context,
    ]


def packets(run: Run) -> Iterator[list[Any]]:
    """The same of what a run has recorded."""
    with (run.runs_dir / run.run_id / "traces.jsonl").open() as file:
        for packet in map(json.loads, file):
            final, mismatch, external = packet["final_action"], packet["mismatch"], packet["external"]
            flags = mismatch and [mismatch["flags"], mismatch["reason_codes"], mismatch["metadata"]]
            own = ("mdm.feedback_seq", "recent_failures", "rate_limit_events", "steps_in_window", "errors_in_window")
            context = {name: external.get(name) for name in (*own, "now_ms")}
            confidence = packet["mdm"]["confidence"]
            yield [packet["step"], final["action"], final["allowed"], confidence, final["reasons"], flags, context]


def replay(run: Run, entries: Sequence[AnyEntry]) -> Iterator[list[Any]]:
    """Decide again, in a new pipeline without a broker."""
    with Pipeline.from_config(run.plan.config.path) as pipeline:
        again = Replay(pipeline, RecordedInputs(entries), run.run_id)
        for item in run.plan.source.component.records():  # type: ignore[attr-defined]
            assert isinstance(item, Record)
            yield told(again.decide(item.event, item.position))


class TestReplay:
    @pytest.mark.parametrize("group", [1, 16, 64])
    @pytest.mark.parametrize("broker", ["", "later = true"])
    def test_the_same_decisions(self, run: Any, group: int, broker: str) -> None:
        """With a breaker and a broker that fails for one order in ten, all decisions and counts are the same."""
        made = run(group, broker=broker)
        recorded = list(packets(made))
        assert EVENTS == len(recorded)
        denied = sum(not packet[2] for packet in recorded)
        assert 0 < denied < EVENTS
        assert recorded == list(replay(made, journal(made)))

    def test_groups_differ(self, run: Any) -> None:
        """The receipts do reach the pipeline at different steps; else the test above would say nothing."""
        first, second = (list(packets(run(group))) for group in (1, 64))
        assert first != second

    @pytest.mark.parametrize("group", [1, 64])
    def test_without_the_journal_the_decisions_are_others(self, run: Any, group: int) -> None:
        """The guards do decide from what the journal tells."""
        made = run(group)
        only_orders = [entry for entry in journal(made) if isinstance(entry, Intent)]
        assert list(packets(made)) != list(replay(made, only_orders))

    def test_the_wall_clock(self, run: Any) -> None:
        """Each step's time is recorded, and the replay goes by it."""
        made = run(8, count=200, more='clock = "wall"')
        entries = journal(made)
        assert list(range(200)) == [entry.step for entry in entries if isinstance(entry, Clock)]
        assert list(packets(made)) == list(replay(made, entries))

    def test_a_journal_of_other_events(self, run: Any) -> None:
        """A receipt for a step where nothing acts is refused, not invented an order for."""
        made = run(1, count=5)
        entries: list[AnyEntry] = [Answered(1, 999, 1, "done", "ok", 1.0), Applied(2, 3, 1)]
        with pytest.raises(ReplayFailed, match="line 1 of the journal tells of an order at step 999"):
            list(replay(made, entries))

    def test_commands(self, run: Any) -> None:
        """Between stop and release the replay denies as the run did."""
        made = run(1, count=6)
        entries: list[AnyEntry] = [
            Command(1, "stop", "u", "t"),
            Applied(2, 2, 1),
            Command(3, "release", "u", "t"),
            Applied(4, 4, 3),
        ]
        again = list(replay(made, entries))
        assert [True, True, False, False, True, True] == [decision[2] for decision in again]
        assert ["operator_stop"] == again[2][4]
        assert Action.HOLD.value == again[2][1]


class TestRecordedInputs:
    def test_each_stands_before_its_step(self) -> None:
        """What an ``applied`` line covers belongs to it, once; what none covers was never learned."""
        first, second, third = (Answered(n, n, 1, "done", "ok", 0.5) for n in (1, 2, 4))
        inputs = RecordedInputs([first, second, Applied(3, 16, 1), third, Applied(5, 32, 2)])
        assert ([first], [second], []) == (inputs.before(16), inputs.before(32), inputs.before(17))
        assert [third] == inputs.unapplied
        assert inputs.now_ms(16) is None
