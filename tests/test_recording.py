"""Everything that a run writes: each thing once, redacted, and never at the price of a decision."""

import errno
import json
import logging
import math
import os
import stat
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

import attrs
import pytest

from mdm_core import (
    Action,
    Context,
    Decision,
    Failure,
    FinalDecision,
    MismatchInfo,
    Observer,
    Proposal,
    Redactor,
    TraceSink,
)
from mdm_core.recording import Recorder, TraceFailed
from mdm_core.redacting import Redaction
from mdm_core.summary import Tally

CANARY = "canary-4111111111111111"
FAILURE = Failure("model", "toy.model", "KeyError", "model_error:KeyError", 3, "x.py:7")


@attrs.define(eq=True)
class Packets(TraceSink):
    """Keeps what it is given; raises on demand."""

    fails: BaseException | None = None
    records: list[dict[str, Any]] = attrs.field(factory=list)
    flushed: list[bool] = attrs.field(factory=list)

    def write(self, record: Mapping[str, Any]) -> None:
        if self.fails is not None:
            raise self.fails
        self.records.append(dict(record))

    def flush(self, durable: bool = False) -> None:
        if self.fails is not None:
            raise self.fails
        self.flushed.append(durable)


class Audit(Packets):
    """The same for audit events."""

    accepts: ClassVar[Literal["packets", "audit"]] = "audit"


@attrs.define
class Watches(Observer):
    """Notes what it is told; raises where it is asked to."""

    name: str = "toy.watches"
    fails_at: tuple[str, ...] = ()
    error: BaseException = attrs.field(factory=lambda: RuntimeError(CANARY))
    found: Any = None
    told: list[tuple[str, Any]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.component_id = self.name

    def _note(self, what: str, value: Any) -> None:
        self.told.append((what, value))
        if what in self.fails_at:
            raise self.error

    def on_run_start(self, run: Mapping[str, Any]) -> None:
        self._note("start", run)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        self._note("decision", packet)

    def on_error(self, failure: Failure) -> None:
        self._note("error", failure)

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
        self._note("end", summary)
        found: Mapping[str, Any] | None = self.found
        return found


@attrs.define
class Mask(Redactor):
    """Hides `secret`, at any depth."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return {k: "***" if k == "secret" else self.redact(v) if isinstance(v, Mapping) else v for k, v in data.items()}


@attrs.define
class Fails(Redactor):
    """Cannot redact."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RuntimeError(CANARY)


@attrs.define
class Recording:
    """A recorder with what it writes to."""

    run_dir: Path
    observers: list[Observer] = attrs.field(factory=list)
    redactor: Redactor | None = attrs.field(factory=Mask)
    packets: Packets = attrs.field(factory=Packets)
    audit: Audit = attrs.field(factory=Audit)
    tally: Tally = attrs.field(factory=Tally)
    recorder: Recorder = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.packets.component_id = "toy.packets"
        self.audit.component_id = "toy.audit"
        redaction = Redaction(self.redactor)
        self.recorder = Recorder("r-1", self.run_dir, redaction, [self.packets, self.audit], self.observers, self.tally)

    def letters(self) -> list[dict[str, Any]]:
        """The dead letters on the disk."""
        self.recorder.flush()
        self.recorder.close()
        path = self.run_dir / "dead_letter.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def events(self) -> list[dict[str, Any]]:
        """The audit events without their times."""
        return [{k: v for k, v in event.items() if k != "at"} for event in self.audit.records]


def decision(final: FinalDecision | None = None, failure: Failure | None = None) -> Decision:
    """A decision about an event with a secret."""
    final = final or FinalDecision(Action.ACT)
    context = Context({"run_id": "r-1"}, "k", "e-9", 3, 0)
    return Decision({"secret": CANARY, "x": 1}, context, {"x": 1.0}, Proposal(Action.ACT, 0.5), final, 1000, failure)


DENIED = FinalDecision(Action.HOLD, False, [], MismatchInfo(["late"], ["late:age"], None, {"secret": CANARY}))


class TestDecisions:
    def test_sinks_and_observers_get_the_same_packet(self, tmp_path: Path) -> None:
        """Redacted once, with all nine keys."""
        watches = Watches()
        recording = Recording(tmp_path, [watches])
        recording.recorder.decision(decision())
        (packet,) = recording.packets.records
        assert packet["input"] == {"secret": "***", "x": 1}
        assert len(packet) == 9
        assert [("decision", packet)] == watches.told
        assert recording.events() == []

    def test_a_denial_is_audited(self, tmp_path: Path) -> None:
        """With its step, id, what was proposed, flags and codes, and nothing of the event."""
        recording = Recording(tmp_path)
        recording.recorder.decision(decision(DENIED))
        assert recording.events() == [
            {
                "event": "denied",
                "run_id": "r-1",
                "step": 3,
                "event_id": "e-9",
                "proposed": "ACT",
                "flags": ["late"],
                "reason_codes": ["late:age"],
            }
        ]
        assert CANARY not in repr(recording.packets.records)

    def test_a_decision_that_failed_closed_is_audited_and_told(self, tmp_path: Path) -> None:
        """Once, as a failure and not as a denial too; it is counted by its code."""
        watches = Watches()
        recording = Recording(tmp_path, [watches])
        recording.recorder.decision(decision(DENIED, FAILURE))
        assert [{"event": "failed_closed", "run_id": "r-1", **attrs.asdict(FAILURE)}] == recording.events()
        assert [what for what, _ in watches.told] == ["decision", "error"]
        assert FAILURE is watches.told[1][1]
        assert recording.tally.errors == {"model_error:KeyError": 1}

    def test_any_other_failure_is_an_error(self, tmp_path: Path) -> None:
        """A broker that raises has not made a decision fail closed."""
        recording = Recording(tmp_path)
        recording.recorder.failure(attrs.evolve(FAILURE, stage="broker"))
        assert [event["event"] for event in recording.events()] == ["error"]

    def test_without_readers_no_packet_is_made(self, tmp_path: Path) -> None:
        """A run without packet sinks and without observers of decisions does not redact any."""

        class Counts(Mask):
            calls = 0

            def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
                Counts.calls += 1
                return data

        class Errors(Observer):
            def on_error(self, failure: Failure) -> None:
                pass

        recorder = Recorder("r", tmp_path, Redaction(Counts()), [], [Errors()], Tally())
        recorder.decision(decision())
        assert Counts.calls == 0


class TestBeginAndEnd:
    def test_the_beginning_is_audited_and_told(self, tmp_path: Path) -> None:
        """The audit event names what runs; observers get all of run.json, redacted."""
        watches = Watches()
        recording = Recording(tmp_path, [watches])
        run = {"run_id": "r-1", "distributions": {"a": "1"}, "config_sha256": "0", "python": "3", "secret": CANARY}
        recording.recorder.start(run, raw_excerpts=False)
        expected = {"event": "run_started", "run_id": "r-1", "distributions": {"a": "1"}, "config_sha256": "0"}
        assert [{**expected, "python": "3"}] == recording.events()
        assert [("start", {**run, "secret": "***"})] == watches.told

    @pytest.mark.parametrize("run", [{}, {"redaction": "[REDACTION FAILED]"}, {"run_id": "r-1"}])
    def test_a_redactor_may_have_left_anything_out(self, run: dict[str, Any], tmp_path: Path) -> None:
        """What is no longer there is not told."""
        recording = Recording(tmp_path)
        recording.recorder.start(run, raw_excerpts=False)
        assert recording.events() == [{"event": "run_started", "run_id": "r-1"}]

    def test_observers_may_find_something(self, tmp_path: Path) -> None:
        """What they return is kept under their name, in types that can be written."""
        found = {"precision": Fraction(1, 2), "n": 3, "rows": [1, 2], 5: "five", "none": None, "path": Path("x")}
        observers: list[Observer] = [Watches("a", found=found), Watches("b"), Watches("c", found="text")]
        recording = Recording(tmp_path, observers)
        findings = recording.recorder.end({"events": 1})
        assert findings == {"a": {"precision": 0.5, "n": 3, "rows": [1, 2], "5": "five", "none": None, "path": "x"}}
        assert json.loads(json.dumps(findings)) == findings

    def test_two_observers_of_one_component_keep_their_findings(self, tmp_path: Path) -> None:
        """Neither hides what the other found."""
        recording = Recording(tmp_path, [Watches(found={"n": n}) for n in range(3)])
        expected = {"toy.watches": {"n": 0}, "toy.watches #2": {"n": 1}, "toy.watches #3": {"n": 2}}
        assert expected == recording.recorder.end({})

    def test_findings_that_cannot_be_written_drop_the_observer(self, tmp_path: Path) -> None:
        """They must not keep the summary from being written."""
        endless: dict[str, Any] = {}
        endless["self"] = endless
        recording = Recording(tmp_path, [Watches(found=endless)])
        assert recording.recorder.end({}) == {}
        assert recording.tally.errors == {"observer_error:RecursionError": 1}


class TestObservers:
    @pytest.mark.parametrize("error", [RuntimeError(CANARY), SystemExit(CANARY), RecursionError()], ids=repr)
    def test_one_that_raises_is_dropped(
        self, error: BaseException, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is reported once by name, counted, and told nothing more; the others go on."""
        bad, good = Watches("toy.bad", ("decision",), error), Watches("toy.good")
        recording = Recording(tmp_path, [bad, good])
        with caplog.at_level(logging.DEBUG, "mdm"):
            for _ in range(3):
                recording.recorder.decision(decision())
        name = type(error).__name__
        assert len(bad.told) == 1
        assert len([what for what, _ in good.told if what == "decision"]) == 3
        assert {f"observer_error:{name}": 1} == recording.tally.errors
        assert [f"observer toy.bad raised {name} and is dropped"] == caplog.messages
        assert [event["event"] for event in recording.events()] == ["error"]
        assert CANARY not in repr(recording.events())
        assert len(recording.packets.records) == 3

    @pytest.mark.parametrize("what", ["start", "error", "end"])
    def test_wherever_it_raises(self, what: str, tmp_path: Path) -> None:
        """Every method of an observer may fail."""
        bad, good = Watches("toy.bad", (what,)), Watches("toy.good")
        recording = Recording(tmp_path, [bad, good])
        for _ in range(2):
            recording.recorder.start({}, raw_excerpts=False)
            recording.recorder.failure(FAILURE)
            recording.recorder.end({})
        assert [w for w, _ in bad.told].count(what) == 1
        assert [w for w, _ in good.told].count("end") == 2
        assert recording.tally.errors["observer_error:RuntimeError"] == 1

    def test_of_two_that_are_equal_the_right_one_is_dropped(self, tmp_path: Path) -> None:
        """Which one raised is told by identity, for two observers of one component may compare as equal."""
        told: list[int] = []

        @attrs.define
        class Same(Observer):
            def on_decision(self, packet: Mapping[str, Any]) -> None:
                told.append(id(self))
                if self is second:
                    raise RuntimeError(CANARY)

        first, second = Same(), Same()
        recording = Recording(tmp_path, [first, second])
        for _ in range(3):
            recording.recorder.decision(decision())
        assert [id(first), id(second), id(first), id(first)] == told

    def test_several_that_fail_at_each_others_failures(self, tmp_path: Path) -> None:
        """Each is dropped once, though the news of one makes the next one fail."""
        all_bad = [Watches("toy.same", ("decision", "error", "end")) for _ in range(3)]
        recording = Recording(tmp_path, list(all_bad))
        recording.recorder.decision(decision(DENIED, FAILURE))
        recording.recorder.decision(decision())
        assert recording.recorder.end({}) == {}
        assert [len(bad.told) for bad in all_bad] == [1, 1, 1]
        assert recording.tally.errors == {"observer_error:RuntimeError": 3, "model_error:KeyError": 1}


class TestSinks:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), CANARY), "OSError: No space left on device"),
            (ValueError(CANARY), "ValueError"),
            (SystemExit(CANARY), "SystemExit"),
        ],
        ids=repr,
    )
    def test_one_that_fails_is_named(self, error: BaseException, reason: str, tmp_path: Path) -> None:
        """The error says which sink and why, without what the exception may quote; it is counted."""
        for kind in ("packets", "audit"):
            recording = Recording(tmp_path)
            getattr(recording, kind).fails = error
            with pytest.raises(TraceFailed) as written:
                recording.recorder.decision(decision(DENIED))
            with pytest.raises(TraceFailed) as flushed:
                recording.recorder.flush()
            for failed in (written.value, flushed.value):
                assert f"trace sink toy.{kind} failed: {reason}" == str(failed)
                assert failed.exit_code == 1
            assert {f"trace_error:{type(error).__name__}": 2} == recording.tally.errors

    def test_flushing_reaches_all(self, tmp_path: Path) -> None:
        """With the wish to be durable, or without."""
        recording = Recording(tmp_path)
        recording.recorder.flush()
        recording.recorder.flush(durable=True)
        assert [False, True] == recording.packets.flushed == recording.audit.flushed


class Nothing:
    def __repr__(self) -> str:
        return CANARY


NO_EVENTS: list[Any] = [None, 5, 1.5, [CANARY], b"x", {CANARY}, Nothing()]
ENDLESS: dict[str, Any] = {}
ENDLESS["self"] = ENDLESS


class TestDeadLetters:
    def test_an_event_is_kept_redacted(self, tmp_path: Path) -> None:
        """With its position and the reason, and counted."""
        recording = Recording(tmp_path)
        recording.recorder.dead_letter("missing_key", 7, {"secret": CANARY, "x": [1, 2.5, None]})
        recording.recorder.dead_letter("missing_key", "part 8", {})
        first, second = recording.letters()
        assert first == {"position": 7, "reason": "missing_key", "excerpt": '{"secret":"***","x":[1,2.5,null]}'}
        assert second == {"position": "part 8", "reason": "missing_key", "excerpt": "{}"}
        assert recording.tally.dead_letters == {"missing_key": 2}

    def test_text_is_kept_only_where_nothing_is_to_be_hidden(self, tmp_path: Path) -> None:
        """In text that is no event a secret cannot be told from the rest."""
        recording = Recording(tmp_path)
        recording.recorder.dead_letter("invalid_json", 1, CANARY)
        assert [letter["excerpt"] for letter in recording.letters()] == ["[REDACTED 23 characters]"]
        raw = _raw(tmp_path)
        raw.recorder.dead_letter("invalid_json", 1, "{broken")
        assert [letter["excerpt"] for letter in raw.letters()] == ["{broken"]

    def test_a_reason_that_is_no_code_is_not_written(self, tmp_path: Path) -> None:
        """A reason is counted and shown by itself, so a source cannot put data there."""
        recording = Recording(tmp_path)
        recording.recorder.dead_letter(f"no such user: {CANARY}", 1, {})
        assert ["reason_is_no_code"] == [letter["reason"] for letter in recording.letters()]

    @pytest.mark.parametrize("content", NO_EVENTS, ids=lambda v: type(v).__name__)
    def test_what_is_neither_is_told_by_its_type(self, content: object, tmp_path: Path) -> None:
        """Whatever stood in an event's place, with a redactor or without."""
        for recording in (Recording(tmp_path), _raw(tmp_path)):
            recording.recorder.dead_letter("not_an_object", 1, content)
            assert [f"[{type(content).__name__}]"] == [letter["excerpt"] for letter in recording.letters()]

    @pytest.mark.parametrize(
        "event",
        [
            {"x": "\ud800"},
            {"\ud800": 1},
            {"x": 10**400},
            {"x": 10**5000},
            {"x": math.nan},
            {("a", "b"): 1, "x": 2},
            {"x": Nothing()},
            {"x": "\ud800", "y": Nothing()},
            {"x": {1, 2}},
            {"x": b"\xff"},
            ENDLESS,
        ],
        ids=lambda v: next(iter(v)).__class__.__name__,
    )
    def test_any_event_makes_a_line(self, event: dict[str, Any], tmp_path: Path) -> None:
        """A line of JSON that holds no representation of an unknown object, whatever the event holds."""
        for redactor in (None, Fails()):
            recording = Recording(_made(tmp_path / str(redactor)), redactor=redactor)
            recording.recorder.start({}, raw_excerpts=True)
            recording.recorder.dead_letter("missing_key", 1, event)
            (letter,) = recording.letters()
            assert str is type(letter["excerpt"])
            assert CANARY not in letter["excerpt"]

    def test_a_position_that_utf8_cannot_hold(self, tmp_path: Path) -> None:
        """It is written in a way that JSON has."""
        recording = Recording(tmp_path)
        recording.recorder.dead_letter("missing_key", "\udc80", {})
        assert [letter["position"] for letter in recording.letters()] == ["\udc80"]

    def test_an_excerpt_is_short(self, tmp_path: Path) -> None:
        """Two hundred characters and a sign that there is more."""
        recording = Recording(tmp_path)
        recording.recorder.dead_letter("missing_key", 1, {"x": "y" * 1000})
        (letter,) = recording.letters()
        assert letter["excerpt"] == '{"x":"' + "y" * 194 + "…"

    def test_a_redactor_that_fails_lets_nothing_pass(self, tmp_path: Path) -> None:
        """The content is replaced."""
        recording = Recording(tmp_path, redactor=Fails())
        recording.recorder.dead_letter("missing_key", 1, {"secret": CANARY})
        assert [letter["excerpt"] for letter in recording.letters()] == ['{"redaction":"[REDACTION FAILED]"}']

    def test_the_file_is_private_and_made_when_needed(self, tmp_path: Path) -> None:
        """A run without dead letters has no file for them."""
        recording = Recording(tmp_path)
        recording.recorder.flush()
        recording.recorder.close()
        assert list(tmp_path.iterdir()) == []
        recording.recorder.dead_letter("missing_key", 1, {})
        recording.recorder.close()
        assert stat.S_IMODE((tmp_path / "dead_letter.jsonl").stat().st_mode) == 0o600

    def test_a_link_in_its_place_is_refused(self, tmp_path: Path) -> None:
        """Nothing is written through it, and the run learns that it cannot record."""
        victim = tmp_path / "victim"
        victim.write_text("precious")
        (tmp_path / "dead_letter.jsonl").symlink_to(victim)
        recording = Recording(tmp_path)
        with pytest.raises(TraceFailed, match=r"^dead_letter.jsonl failed: OSError: Too many levels of symbolic links"):
            recording.recorder.dead_letter("missing_key", 1, {})
        assert victim.read_text() == "precious"

    def test_a_disk_that_is_full_fails_the_run(self, tmp_path: Path) -> None:
        """What could not be kept is a failure of the trace, at the latest when it is flushed; closing is quiet."""
        recording = Recording(tmp_path)
        recording.recorder.dead_letter("missing_key", 1, {})
        with open("/dev/full", "wb") as full:
            os.dup2(full.fileno(), recording.recorder._dead_letters._file.fileno())
        with pytest.raises(TraceFailed, match=r"^dead_letter.jsonl failed: OSError: No space left on device$"):
            recording.recorder.flush(durable=True)
        recording.recorder.close()


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _raw(tmp_path: Path) -> Recording:
    recording = Recording(_made(tmp_path / "raw"), redactor=None)
    recording.recorder.start({}, raw_excerpts=True)
    return recording
