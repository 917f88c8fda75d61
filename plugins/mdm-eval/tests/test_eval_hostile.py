"""Runs of which something is cut off, changed, hidden or not there: every command says so, and none breaks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mdm_eval.packets import packets_of

RunOf: TypeAlias = Callable[..., Any]
Spoil: TypeAlias = Callable[[Path], object]
Ask: TypeAlias = Callable[..., dict[str, tuple[int, str]]]

LOGISTIC = '[model]\nuse = "reference.logistic"\n'
EXPLORE = '[model]\nuse = "reference.explore"\nepsilon = 0.5\n\n[model.model]\nuse = "reference.logistic"\n'
EVENTS = 100
COMMANDS = {
    "replay": ("replay", "r"),
    "whatif": ("whatif", "r", "--set", "model.epsilon=0.0", "--by", "x"),
    "sweep": ("whatif", "r", "--sweep", "model.epsilon=0.1:0.2:0.1"),
    "evaluate": ("evaluate", "r"),
    "calibrate": ("calibrate", "r", "--out", "c.json"),
    "ope": ("ope", "r", "--set", "model.epsilon=0.1"),
    "explain": ("explain", "r", "50"),
    "gate": ("gate", "r", "--list"),
    "flips": ("gate", "r", "--max", "flips=1.0", "--set", "model.epsilon=0.0"),
    "report": ("report", "r", "--json"),
    "join": ("outcomes", "join", "r", "o.csv"),
}


def change(number: int, edit: Callable[[Any], Any]) -> Spoil:
    """Change one packet of the trace."""

    def spoil(run: Path) -> None:
        lines = (run / "traces.jsonl").read_bytes().splitlines(keepends=True)
        lines[number] = json.dumps(edit(json.loads(lines[number]))).encode() + b"\n"
        (run / "traces.jsonl").write_bytes(b"".join(lines))

    return spoil


def cut(name: str, share: float) -> Spoil:
    """Keep only the beginning of a file."""

    def spoil(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: int(len(content) * share)])

    return spoil


def cut_inside(run: Path) -> None:
    """Cut a line in the middle of the trace."""
    lines = (run / "traces.jsonl").read_bytes().splitlines(keepends=True)
    (run / "traces.jsonl").write_bytes(b"".join([*lines[:40], lines[40][:60] + b"\n", *lines[41:]]))


def without(*path: str) -> Callable[[Any], Any]:
    """Take a value out of a packet."""

    def edit(packet: Any) -> Any:
        holder = packet
        for name in path[:-1]:
            holder = holder[name]
        del holder[path[-1]]
        return packet

    return edit


def delete(name: str) -> Spoil:
    """Take a file away."""
    return lambda run: (run / name).unlink()


def write(name: str, content: str) -> Spoil:
    """Write something else into a file."""
    return lambda run: (run / name).write_text(content)


def died(run: Path) -> None:
    """Leave a run as it is left when its process dies."""
    cut("traces.jsonl", 0.9)(run)
    cut("journal.jsonl", 0.5)(run)
    (run / "summary.json").unlink()


WHOLE = dict.fromkeys(COMMANDS, 0) | {"ope": 1}  # of so few decisions nothing can be estimated
REFUSED = dict.fromkeys(COMMANDS, 2)
DAMAGED = dict.fromkeys(COMMANDS, 1)
NOTHING = REFUSED | {"replay": 5, "join": 0}
READERS = ("replay", "evaluate", "explain", "join")  # each of which reads packets for itself
DAMAGED_ALIKE = dict.fromkeys(READERS, 1)
AGAIN = ("replay", "whatif", "sweep", "ope", "flips")
SPOILT: dict[str, tuple[Spoil, dict[str, int]]] = {
    "the process died": (died, WHOLE),
    "a line in the middle is half a line": (cut_inside, DAMAGED),
    "a line is an object of another kind": (change(40, lambda _: {"a": 1}), DAMAGED_ALIKE),
    "a packet has no features": (change(40, without("mdm", "features")), DAMAGED),
    "a packet has another action": (change(40, lambda p: {**p, "mdm": {**p["mdm"], "action": "BUY"}}), DAMAGED_ALIKE),
    "a denial has no flags": (change(40, lambda p: {**p, "mismatch": {}}), DAMAGED_ALIKE),
    "a step is true": (change(40, lambda p: {**p, "step": True}), DAMAGED_ALIKE),
    "the trace is empty": (write("traces.jsonl", ""), NOTHING),
    "the trace is not there": (delete("traces.jsonl"), {"replay": 5, "evaluate": 2}),
    "run.json is not there": (delete("run.json"), REFUSED),
    "run.json is cut off": (cut("run.json", 0.5), {"replay": 2, "evaluate": 2}),
    "run.json is empty": (write("run.json", "{}"), {"replay": 2, "evaluate": 2}),
    "the journal is not there": (delete("journal.jsonl"), {"replay": 0, "whatif": 0, "explain": 0}),
    "the journal is none": (write("journal.jsonl", "none\n"), dict.fromkeys(AGAIN, 1)),
    "outcomes are cut off": (
        write("outcomes.jsonl", '{"step": 1,'),
        REFUSED | dict.fromkeys(("replay", "explain", "join"), 0),
    ),
}


PARTS: dict[str, dict[str, int]] = {
    "input": {"replay": 0, "evaluate": 0, "explain": 0, "report": 0, "join": 2},  # which finds events by their ids
    "external": {"evaluate": 0, "ope": 2, "report": 0},
    "params": {"replay": 0, "whatif": 0, "evaluate": 0, "explain": 0},
    "features": {"replay": 2, "evaluate": 0, "explain": 0, "report": 0},
    "features_summary": {"explain": 0},
}


@pytest.fixture(scope="module")
def explored_once(tmp_path_factory: pytest.TempPathFactory, run_of: RunOf, ran_once: Any) -> Any:
    """A run that explores; nobody may change it."""
    return run_of(tmp_path_factory.mktemp("hostile"), ran_once.events[:EVENTS], without=LOGISTIC, instead=EXPLORE)


@pytest.fixture
def ask(explored_once: Any, mdm: Any, tmp_path: Path) -> Ask:
    """Spoil a copy of a run, ask every command about it, and give exit code and message of each."""
    (tmp_path / "o.csv").write_text("event_id,outcome\n" + "".join(f"e{n},true\n" for n in range(0, EVENTS, 3)))

    def ask(spoil: Spoil, source: Any = explored_once, names: Iterable[str] = COMMANDS) -> dict[str, tuple[int, str]]:
        runs = tmp_path / "spoilt"
        shutil.copytree(source.runs_dir, runs)
        spoil(runs / "r")
        said = {name: mdm(*COMMANDS[name], "--runs-dir", runs) for name in names}
        return {name: (each.code, each.err) for name, each in said.items()}

    return ask


class TestSpoiltRuns:
    @pytest.mark.parametrize("name", SPOILT)
    def test_is_said(self, ask: Ask, name: str) -> None:
        """What is damaged is told with what to do, and never by a traceback; what is whole is told of all the same."""
        spoil, codes = SPOILT[name]
        found = ask(spoil, names=codes)
        assert codes == {command: code for command, (code, _) in found.items()}

    def test_what_is_wrong_is_named(self, ask: Ask) -> None:
        """A record that is no packet is told by its number, with the part that is wrong."""
        told = "run 'r': record 41 of its trace is no packet, mdm.features is missing or wrong; `mdm trace verify r`"
        for _, message in ask(change(40, without("mdm", "features"))).values():
            assert message.startswith(told)

    def test_that_nothing_was_decided(self, ask: Ask) -> None:
        """Of an empty trace it is said where to look for what was refused."""
        found = ask(write("traces.jsonl", ""), names=[name for name in COMMANDS if name not in ("replay", "join")])
        for _, message in found.values():
            assert "run 'r' has decided nothing that was recorded; `mdm dead-letter show r`" in message


class TestRunsThatTellLittle:
    @pytest.fixture
    def make(self, tmp_path: Path, run_of: RunOf, ran_once: Any) -> Callable[..., Any]:
        """Make another run; the events may be changed."""

        def make(*overrides: str, change: Callable[[dict[str, Any]], Any] = lambda event: event) -> Any:
            events = [change(event) for event in ran_once.events[:EVENTS]]
            return run_of(tmp_path / "made", events, *overrides, without=LOGISTIC, instead=EXPLORE)

        return make

    def test_no_outcomes(self, ask: Ask, make: Any) -> None:
        """Without outcomes, what needs them is refused, and the rest is told."""
        ran = make(change=lambda event: {name: value for name, value in event.items() if name != "bad"})
        codes = {command: code for command, (code, _) in ask(lambda _: None, ran).items()}
        assert WHOLE | dict.fromkeys(("calibrate", "ope"), 2) == codes

    def test_every_decision_failed_closed(self, ask: Ask, make: Any) -> None:
        """A run in which everything failed is replayed and told of; there is nothing to calibrate or to weigh."""
        ran = make("pipeline.max_features=1")
        assert EVENTS == sum(packet["external"]["mdm.fail_closed"] for packet in ran.packets)
        codes = {command: code for command, (code, _) in ask(lambda _: None, ran).items()}
        assert WHOLE | dict.fromkeys(("calibrate", "ope"), 2) == codes

    @pytest.mark.parametrize("part", PARTS)
    def test_a_whole_part_is_hidden(self, ask: Ask, make: Any, part: str) -> None:
        """Where a redactor hides all of a part, what goes without it is told, and what needs it is refused."""
        ran = make(f'redaction.extra=["{part}"]')
        codes = {command: code for command, (code, _) in ask(lambda _: None, ran, names=PARTS[part]).items()}
        assert PARTS[part] == codes

    @pytest.mark.parametrize("part", ["mdm", "final_action", "allowed", "flags", "mismatch", "confidence"])
    def test_the_decision_is_hidden(self, ask: Ask, make: Any, part: str) -> None:
        """Where what was decided is hidden, nothing is made up: the message says what not to redact."""
        found = ask(lambda _: None, make(f'redaction.extra=["{part}"]'), names=READERS)
        assert dict.fromkeys(READERS, 2) == {command: code for command, (code, _) in found.items()}
        assert f"leave {part} out of redaction" in found["evaluate"][1]


class TestPackets:
    def test_whole_ones_pass_as_they_are(self, ran_once: Any) -> None:
        """A packet as core has made it is given as it was read."""
        assert list(ran_once.past.packets()) == list(packets_of(ran_once.past))
