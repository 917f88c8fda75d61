"""From decisions to deeds in a whole run: intents first, answers when they come, and the operator obeyed."""

# ruff: noqa: ARG001, ARG005 - functions stand in for methods of the contract and have their parameters

from __future__ import annotations

import importlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import attrs
import pytest

from mdm_core import (
    Action,
    Broker,
    Build,
    Commanded,
    Context,
    DataSource,
    Decided,
    Executed,
    Fact,
    FinalDecision,
    Idle,
    Modulator,
    Order,
    Proposal,
    Receipt,
    Record,
    Run,
    Settled,
    Summary,
)
from mdm_core.control import Request, send
from mdm_core.journal import Answered, AnyEntry, Applied, Command, Ended, Intent, read_journal
from mdm_core.orders import payload_hash

ACT, HOLD = 9, 0
DONE, FAILED, PENDING, RETRY, UNKNOWN = (Receipt(s) for s in ("done", "failed", "pending", "retry", "unknown"))

PLUGIN = """
from mdm_core import hookimpl

COMPONENTS = {}

@hookimpl
def mdm_register_data_sources(register): register("feed", COMPONENTS["feed"])
@hookimpl
def mdm_register_modulators(register): register("notes", COMPONENTS["notes"])
@hookimpl
def mdm_register_brokers(register): register("hands", COMPONENTS["hands"])
"""

PIPELINE = """\
[pipeline]
id = "id"
timestamp = "at"
group = GROUP
[source]
use = "work.feed"
[features]
use = "toy.fields"
[model]
use = "toy.threshold"
action = "ACTION"
MODULATORS
[broker]
use = "work.hands"
[execution]
EXECUTION
[[trace]]
use = "toy.lines"
[[trace]]
use = "toy.audit"
[redaction]
use = "toy.mask"
"""


@attrs.define
class Feed(DataSource):
    """Gives an event for each int (9 is acted upon, 0 is not), sleeps a float, calls a function and pauses."""

    script: ClassVar[list[Any]] = []

    def records(self) -> Iterator[Record | Idle]:
        for n, item in enumerate(self.script):
            if isinstance(item, float):
                time.sleep(item)
            elif callable(item):
                item()
                yield Idle()
            else:
                number, event_id = item if isinstance(item, tuple) else (item, f"e{n}")
                yield Record({"n": number, "at": n, "id": event_id}, n)


@attrs.define
class Notes(Modulator):
    """Lets everything pass and notes the facts."""

    facts: ClassVar[list[Fact]] = []
    asked: ClassVar[list[int]] = []

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        self.asked.append(context.step)
        return decision

    def observe(self, fact: Fact) -> None:
        self.facts.append(fact)


@attrs.define
class Hands(Broker):
    """Answers what it is told to, and notes what it is asked."""

    does: ClassVar[Callable[[Order], Receipt]]
    resolves: ClassVar[Callable[[str], Receipt]]
    cancels: ClassVar[Callable[[str], Receipt]]
    answers: ClassVar[list[Any]] = []
    polled: ClassVar[Callable[[], object]]
    orders: ClassVar[list[Order]] = []
    asked: ClassVar[list[str]] = []
    run_dir: ClassVar[Path]

    def open(self, build: Build) -> None:
        assert build.run_dir is not None
        type(self).run_dir = build.run_dir

    def execute(self, order: Order) -> Receipt:
        self.orders.append(order)
        return type(self).does(order)

    def resolve(self, idempotency_key: str) -> Receipt:
        self.asked.append(f"resolve {self.number(idempotency_key)}")
        return type(self).resolves(idempotency_key)

    def cancel(self, idempotency_key: str) -> Receipt:
        self.asked.append(f"cancel {self.number(idempotency_key)}")
        return type(self).cancels(idempotency_key)

    def poll(self) -> Iterator[Any]:
        type(self).polled()
        taken = self.answers[:]
        self.answers.clear()  # at once, as a broker does that has them in a message
        while taken:
            answer = taken.pop(0)
            if isinstance(answer, BaseException):
                self.answers.extend(taken)
                raise answer
            yield answer

    @classmethod
    def number(cls, key: str) -> int:
        """The number of the order that has this key."""
        return [order.idempotency_key for order in cls.orders].index(key)

    @classmethod
    def answer(cls, number: int, receipt: Receipt) -> Callable[[], None]:
        """What lets the answer to an order come."""
        return lambda: cls.answers.append((cls.orders[number].idempotency_key, receipt))


def raises(error: BaseException) -> Callable[[Any], Receipt]:
    """An answer that raises."""

    def answer(argument: Any) -> Receipt:
        raise error

    return answer


def command(name: Any, reason: str = "") -> Callable[[], None]:
    """What gives a command to the run that goes on, as `mdm stop` does."""
    return lambda: send(Hands.run_dir, Request(name, reason))


@attrs.frozen
class Worked:
    """What a run has left behind."""

    summary: Summary
    run_dir: Path

    @property
    def packets(self) -> list[dict[str, Any]]:
        """The trace."""
        return self._lines("traces.jsonl")

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The audit log, less the beginning and the end."""
        return self._lines("audit.jsonl")[1:-1]

    @property
    def entries(self) -> list[AnyEntry]:
        """The journal."""
        return list(read_journal(self.run_dir))

    def statuses(self) -> list[str]:
        """What the packets say came of each decision; ``-`` where nothing was carried out."""
        return [packet["external"].get("exec.status", "-") for packet in self.packets]

    def told(self, step: int = 0) -> list[str]:
        """What the journal tells of an order."""
        answers = [e for e in self.entries if isinstance(e, Answered | Ended) and e.step == step]
        return [e.status if isinstance(e, Answered) else f"ended {e.status}" for e in answers]

    def _lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_dir / name).read_text().splitlines()]


Work: TypeAlias = Callable[..., Worked]


@pytest.fixture
def work(toy: Path, install: Callable[..., Path], tmp_path: Path, slept: list[float]) -> Work:
    """Run over a script with a broker that does this; options of the table ``[execution]``."""
    assert toy.is_dir()
    install("work", {"work_plugin": PLUGIN})
    importlib.import_module("work_plugin").COMPONENTS.update(feed=Feed, notes=Notes, hands=Hands)
    Hands.does, Hands.polled = staticmethod(lambda order: DONE), staticmethod(lambda: None)
    Hands.resolves = Hands.cancels = staticmethod(raises(NotImplementedError()))
    for noted in (Hands.answers, Hands.orders, Hands.asked, Notes.facts, Notes.asked):
        noted.clear()

    def run(
        *script: Any,
        does: Callable[[Order], Receipt] | Receipt = DONE,
        group: int = 1,
        action: str = "ACT",
        guarded: bool = True,
        **execution: Any,
    ) -> Worked:
        Feed.script = list(script)
        Hands.does = staticmethod(does if callable(does) else lambda order: does)
        options = {"backoff_ms": 0, "backoff_jitter_ms": 0, **execution}
        words = {
            "GROUP": str(group),
            "ACTION": action,
            "MODULATORS": '[[modulators]]\nuse = "work.notes"' if guarded else "",
            "EXECUTION": "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items()),
        }
        text = PIPELINE
        for word, value in words.items():
            text = text.replace(word, value)
        path = tmp_path / "pipeline.toml"
        path.write_text(text)
        summary = Run.from_config(path, runs_dir=tmp_path / "runs").run()
        return Worked(summary, Path(summary.run_dir))

    return run


class TestIntents:
    def test_they_are_there_before_the_broker_is_asked(self, work: Work) -> None:
        """Those of the whole group, and under the name and with the payload that the broker is given."""
        found: list[set[Any]] = []

        def looks(order: Order) -> Receipt:
            entries = list(read_journal(Hands.run_dir))
            found.append({(e.step, e.key, e.payload) for e in entries if isinstance(e, Intent)})
            assert (order.idempotency_key, payload_hash(order)) in {(key, payload) for _, key, payload in found[-1]}
            return DONE

        worked = work(*[ACT] * 6, group=3, does=looks)
        assert ["done"] * 6 == worked.statuses()
        assert [{step for step, _, _ in seen} for seen in found] == [{0, 1, 2}] * 3 + [{*range(6)}] * 3

    def test_the_journal_of_a_group(self, work: Work) -> None:
        """First the intents, then what came of them, and at last that the pipeline learns of it."""
        worked = work(ACT, HOLD, ACT, ACT, group=2, does=lambda order: DONE if len(Hands.orders) < 3 else FAILED)
        kinds = [(type(entry).__name__, getattr(entry, "step", None)) for entry in worked.entries]
        assert [
            ("Checkpoint", 0),
            ("Intent", 0),
            ("Answered", 0),
            ("Applied", None),
            ("Intent", 2),
            ("Intent", 3),
            ("Answered", 2),
            ("Answered", 3),
            ("Applied", None),
        ] == kinds
        assert [(2, 3), (4, 8)] == [(e.before, e.through) for e in worked.entries if isinstance(e, Applied)]

    def test_what_is_learned_is_written_before(self, work: Work) -> None:
        """A packet that comes of a receipt is never on the disk without it."""
        applied: list[int] = []

        def looks() -> None:
            applied.append(sum(isinstance(entry, Applied) for entry in read_journal(Hands.run_dir)))

        work(ACT, looks, HOLD, looks)
        assert [1, 1] == applied

    def test_the_order_of_the_steps_is_kept(self, work: Work) -> None:
        """Also where decisions that act wait for their group and others need not."""
        worked = work(HOLD, ACT, HOLD, HOLD, ACT, HOLD, group=4)
        assert list(range(6)) == [packet["step"] for packet in worked.packets]
        assert ["-", "done", "-", "-", "done", "-"] == worked.statuses()

    def test_an_order_does_not_wait_long_for_its_group(self, work: Work) -> None:
        """With the next decision after 20 ms it is carried out, full or not."""
        known: list[Any] = []

        def looks(order: Order) -> Receipt:
            known.append(order.features["seen"])
            return DONE

        work(ACT, ACT, 0.03, HOLD, lambda: known.append(-1), ACT, group=64, does=looks)
        assert [1, 2, -1, 4] == known


class TestPending:
    def test_the_answer_comes_later(self, work: Work) -> None:
        """The packet says that the order is on its way, the journal and the summary what came of it."""
        worked = work(ACT, HOLD, Hands.answer(0, Receipt("done", "ok", None, "late")), does=PENDING)
        (packet, _) = worked.packets
        external = {k: v for k, v in packet["external"].items() if k.startswith("exec.") and "latency" not in k}
        counts = dict.fromkeys(("success", "failed", "skipped", "denied"), 0)
        expected = {"status": "pending", "attempt_count": 1, **{f"{name}_count": n for name, n in counts.items()}}
        assert {f"exec.{name}": value for name, value in expected.items()} == external
        assert ["pending", "done"] == worked.told()
        assert ({"done": 1}, {"ACT": 1}) == (worked.summary.executions, worked.summary.carried_out)
        assert [("pending", None), ("done", "late")] == [
            (f.receipt.status, f.receipt.reference) for f in Notes.facts if isinstance(f, Executed)
        ]

    def test_several_are_answered_in_any_order(self, work: Work) -> None:
        """They hold nothing up, and each answer belongs to its own order."""
        answers = [Hands.answer(2, DONE), Hands.answer(0, FAILED), Hands.answer(1, DONE)]
        worked = work(ACT, ACT, ACT, *answers, does=PENDING)
        assert ["pending"] * 3 == worked.statuses()
        assert [["pending", "failed"], ["pending", "done"], ["pending", "done"]] == [worked.told(n) for n in range(3)]
        assert {"done": 2, "failed": 1} == worked.summary.executions

    def test_it_is_given_up_also_where_nothing_else_acts(self, work: Work) -> None:
        """What is pending is looked after at every group, whatever is decided."""
        worked = work(ACT, HOLD, 0.1, HOLD, HOLD, HOLD, does=PENDING, total_timeout_ms=50, group=2)
        assert [1, 1, 2] == [packet["external"]["mdm.feedback_seq"] for packet in worked.packets[2:]]

    def test_that_it_is_still_pending_is_no_news(self, work: Work) -> None:
        """A broker that says so at every question fills neither the journal nor the packets of others."""
        worked = work(ACT, *[Hands.answer(0, PENDING)] * 20, Hands.answer(0, DONE), does=PENDING)
        assert ["pending", "done"] == worked.told()

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (RETRY, ["pending", "retry", "done"]),
            (UNKNOWN, ["pending", "unknown", "failed"]),
        ],
        ids=["retry", "unknown"],
    )
    def test_an_answer_that_is_no_end(self, answer: Receipt, told: list[str], work: Work) -> None:
        """It is followed up as that of an attempt: tried again, or asked what came of it."""
        Hands.resolves = staticmethod(lambda key: FAILED)
        worked = work(ACT, Hands.answer(0, answer), does=lambda order: PENDING if len(Hands.orders) < 2 else DONE)
        assert told == worked.told()
        assert ([] if answer is RETRY else ["resolve 0"]) == Hands.asked
        assert 1 == len({order.idempotency_key for order in Hands.orders})

    @pytest.mark.parametrize(
        "wrong", [None, 5, (), ("k",), ("k", DONE), (None, DONE), ({}, DONE), ("k", DONE, 1)], ids=repr
    )
    def test_an_answer_that_is_none(self, wrong: Any, work: Work) -> None:
        """It is told of, and those before and after it are not lost."""

        def answer() -> None:
            Hands.answer(0, DONE)()
            Hands.answers.append(wrong)
            Hands.answer(1, FAILED)()

        worked = work(ACT, ACT, answer, does=PENDING)
        assert [["pending", "done"], ["pending", "failed"]] == [worked.told(n) for n in range(2)]
        assert ["error"] == [line["event"] for line in worked.audit]

    def test_a_receipt_that_is_none(self, work: Work) -> None:
        """The order stays pending, until it is answered or given up."""
        wrong = Receipt("nonsense")  # type: ignore[arg-type]
        worked = work(ACT, Hands.answer(0, wrong), Hands.answer(0, DONE), does=PENDING)
        assert ["pending", "done"] == worked.told()
        assert {"broker_error:ContractError": 1} == worked.summary.errors

    @pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit])
    def test_a_poll_that_breaks_off(self, error: type[BaseException], work: Work) -> None:
        """What it had said before counts, and it is asked again."""

        def answer() -> None:
            Hands.answer(0, DONE)()
            Hands.answers.append(error("x"))
            Hands.answer(1, DONE)()

        worked = work(ACT, ACT, answer, does=PENDING)
        assert {"done": 2} == worked.summary.executions
        assert {f"broker_error:{error.__name__}": 1} == worked.summary.errors

    def test_one_that_is_overdue(self, work: Work) -> None:
        """Perhaps the broker can tell what came of it; else nobody can, and an answer that comes then is too late."""
        late = Hands.answer(0, DONE)
        worked = work(ACT, lambda: time.sleep(0.06), late, ACT, does=PENDING, total_timeout_ms=50)
        assert [["pending", "ended unknown"]] * 2 == [worked.told(n) for n in range(2)]
        assert ["resolve 0", "resolve 1"] == Hands.asked
        assert {"unknown": 2} == worked.summary.executions

    def test_one_that_is_overdue_and_known(self, work: Work) -> None:
        """An order that was carried out is not taken for lost."""
        Hands.resolves = staticmethod(lambda key: DONE)
        worked = work(ACT, does=PENDING, total_timeout_ms=50)
        assert (["pending", "done"], {"ACT": 1}) == (worked.told(), worked.summary.carried_out)

    def test_the_end_of_the_run_waits_for_them(self, work: Work, slept: list[float]) -> None:
        """Not longer than it has to."""

        def polled() -> None:
            if sum(slept) > 0.1:
                Hands.answer(0, DONE)()

        Hands.polled = staticmethod(polled)
        worked = work(ACT, does=PENDING)
        assert ["pending", "done"] == worked.told()
        assert 0.1 < sum(slept) < 0.11

    def test_only_so_many_are_in_flight(self, work: Work) -> None:
        """The next order waits until one of them is answered."""
        flights: list[int] = []

        def polled() -> None:
            flights.append(len(Hands.orders) - answered["n"])
            if len(flights) % 5 == 0:
                Hands.answer(answered["n"], DONE)()
                answered["n"] += 1

        answered = Counter[str]()
        Hands.polled = staticmethod(polled)
        worked = work(*[ACT] * 6, does=PENDING, max_in_flight=2, group=6)
        assert 2 == max(flights)
        assert {"done": 6} == worked.summary.executions

    def test_the_same_order_while_it_is_pending(self, work: Work) -> None:
        """It is not given twice."""
        worked = work((ACT, "same"), (ACT, "same"), Hands.answer(0, DONE), does=PENDING)
        assert ["pending", "skipped"] == worked.statuses()
        assert (1, ["ended skipped"]) == (len(Hands.orders), worked.told(1))


class TestStop:
    @pytest.mark.parametrize("guarded", [True, False])
    def test_everything_is_denied_until_it_is_released(self, guarded: bool, work: Work) -> None:
        """By core itself, guards or not; HOLD stays what it is."""
        worked = work(ACT, command("stop"), ACT, HOLD, ACT, command("release"), ACT, guarded=guarded)
        assert ["done", "-", "-", "-", "done"] == worked.statuses()
        finals = [(p["final_action"]["action"], p["final_action"]["allowed"]) for p in worked.packets]
        assert [("ACT", True), ("HOLD", False), ("HOLD", True), ("HOLD", False), ("ACT", True)] == finals
        denied = worked.packets[1]["mismatch"]
        assert (["ops_health"], ["operator_stop"]) == (denied["flags"], denied["reason_codes"])
        assert worked.packets[2]["mismatch"] is None
        assert {"ops_health": 2} == worked.summary.denied
        assert ([0, 4] if guarded else []) == Notes.asked

    def test_components_learn_of_it(self, work: Work) -> None:
        """As a fact with its number, who it was and why, in the order of what happened."""
        work(ACT, command("stop", "too eager"), command("release"), ACT)
        facts = [fact for fact in Notes.facts if not isinstance(fact, Decided)]
        assert [Executed, Commanded, Commanded, Executed] == [type(fact) for fact in facts]
        assert [1, 2, 3, 4] == [fact.seq for fact in facts]
        stop = facts[1]
        assert isinstance(stop, Commanded)
        assert ("stop", "too eager", "root", 0) == (stop.name, stop.reason, stop.user, stop.now_ms)

    def test_it_is_on_record(self, work: Work) -> None:
        """In the journal by name and user; in the audit log with the reason and the time as well."""
        worked = work(ACT, command("stop", "too eager"), command("release"))
        assert [("stop", "root"), ("release", "root")] == [
            (e.name, e.user) for e in worked.entries if isinstance(e, Command)
        ]
        stop, release = worked.audit
        assert ("operator_stop", "too eager", "root", 1) == (stop["event"], stop["reason"], stop["user"], stop["step"])
        assert ("operator_release", "") == (release["event"], release["reason"])
        at = [entry.at for entry in worked.entries if isinstance(entry, Command)]
        assert at == [stop["commanded_at"], release["commanded_at"]]

    def test_before_the_first_event(self, work: Work) -> None:
        """Nothing is carried out at all."""
        worked = work(command("stop"), ACT, ACT)
        assert (["-", "-"], []) == (worked.statuses(), Hands.orders)

    def test_orders_that_are_held(self, work: Work) -> None:
        """Those that were decided and not begun yet end as denied, and components learn that nothing came of them."""

        def stops(order: Order) -> Receipt:
            command("stop")()
            return DONE

        worked = work(*[ACT] * 4, group=4, does=stops)
        assert ["done", "denied", "denied", "denied"] == worked.statuses()
        assert [(n, "denied") for n in (2, 3, 4)] == [
            (fact.seq - 1, fact.outcome) for fact in Notes.facts if isinstance(fact, Settled)
        ]
        assert {"done": 1, "denied": 3} == worked.summary.executions

    @pytest.mark.parametrize(
        ("says", "told", "executions"),
        [
            (lambda key: FAILED, ["pending", "failed"], {"failed": 1}),
            (lambda key: DONE, ["pending", "done"], {"done": 1}),
            (lambda key: PENDING, ["pending", "done"], {"done": 1}),
            (lambda key: UNKNOWN, ["pending", "done"], {"done": 1}),
            (lambda key: RETRY, ["pending", "done"], {"done": 1}),
            (raises(RuntimeError()), ["pending", "done"], {"done": 1}),
            (raises(NotImplementedError()), ["pending", "done"], {"done": 1}),
        ],
        ids=["failed", "done", "pending", "unknown", "retry", "raises", "cannot"],
    )
    def test_pending_orders_are_taken_back(
        self, says: Callable[[str], Receipt], told: list[str], executions: dict[str, int], work: Work
    ) -> None:
        """Where the broker can; where it cannot, or does not know, they stay pending until they are answered."""
        Hands.cancels = staticmethod(says)

        def answer() -> None:
            if executions == {"done": 1}:
                Hands.answer(0, DONE)()

        worked = work(ACT, command("stop"), lambda: None, answer, does=PENDING)
        assert told == worked.told()
        assert executions == worked.summary.executions
        assert "cancel 0" == Hands.asked[0]

    def test_while_the_end_of_the_run_waits(self, work: Work, slept: list[float]) -> None:
        """Pending orders are taken back, and the run ends without them."""
        Hands.cancels = staticmethod(lambda key: FAILED)
        asked = iter([command("stop")])
        Hands.polled = staticmethod(lambda: next(asked, lambda: None)())
        worked = work(ACT, does=PENDING)
        assert (["pending", "failed"], ["cancel 0"]) == (worked.told(), Hands.asked)
        assert ["operator_stop"] == [line["event"] for line in worked.audit]
        assert sum(slept) < 0.01

    def test_while_an_order_waits_for_room(self, work: Work, slept: list[float]) -> None:
        """It is denied, and does not wait any longer."""
        Hands.cancels = staticmethod(lambda key: FAILED)
        polls: list[int] = []

        def polled() -> None:
            polls.append(1)
            if len(polls) == 3:
                command("stop")()

        Hands.polled = staticmethod(polled)
        worked = work(ACT, ACT, group=2, does=PENDING, max_in_flight=1)
        assert [["pending", "failed"], ["ended denied"]] == [worked.told(n) for n in range(2)]
        assert sum(slept) < 0.01

    def test_one_that_comes_while_another_is_obeyed(self, work: Work) -> None:
        """It has its own turn, with all that belongs to it."""
        Hands.cancels = staticmethod(lambda key: FAILED)

        def does(order: Order) -> Receipt:
            if len(Hands.orders) == 2:
                command("stop")()
            return PENDING

        worked = work(ACT, lambda: None, ACT, command("release"), HOLD, group=64, does=does)
        assert [["pending", "failed"]] * 2 == [worked.told(n) for n in range(2)]
        assert ["operator_release", "operator_stop"] == [line["event"] for line in worked.audit]


class TestOnStop:
    @pytest.mark.parametrize("does", [DONE, PENDING], ids=["at once", "later"])
    def test_the_run_ends(self, does: Receipt, work: Work) -> None:
        """When the action STOP was carried out, however the broker tells; no event is read after that."""
        script = [ACT, Hands.answer(0, DONE) if does is PENDING else lambda: None, HOLD, ACT, HOLD]
        worked = work(*script, action="STOP", on_stop="exit", does=does)
        assert (1, "stopped") == (worked.summary.exit_code, worked.summary.status)
        assert "STOP was carried out at step 0" == worked.summary.reason
        assert (1, {"STOP": 1}) == (worked.summary.decided, worked.summary.carried_out)

    def test_what_is_held_is_denied(self, work: Work) -> None:
        """Nothing is carried out after a STOP."""
        worked = work(ACT, ACT, ACT, action="STOP", on_stop="exit", group=3)
        assert ["done", "denied", "denied"] == worked.statuses()

    @pytest.mark.parametrize("does", [FAILED, UNKNOWN])
    def test_one_that_was_not_carried_out(self, does: Receipt, work: Work) -> None:
        """It does not end anything."""
        worked = work(ACT, HOLD, action="STOP", on_stop="exit", does=does)
        assert ("done", 2) == (worked.summary.status, worked.summary.decided)

    def test_by_default_it_is_an_action_like_others(self, work: Work) -> None:
        """What it means is the broker's business."""
        worked = work(ACT, ACT, action="STOP")
        assert ("done", ["done", "done"]) == (worked.summary.status, worked.statuses())
        assert Action.STOP is Hands.orders[1].action
