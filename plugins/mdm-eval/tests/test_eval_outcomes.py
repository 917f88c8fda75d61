"""``mdm outcomes join``: what turned out to be true, told later."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

DAY = 86_400_000


def told(path: Path, *lines: dict[str, Any] | str) -> Path:
    """Write a file of outcomes."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def iso(ms: float) -> str:
    """Write a time as ISO 8601."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


@pytest.fixture
def join(ran: Any, mdm: Any) -> Callable[..., Any]:
    """Join the run with files; give the counts."""

    def call(*arguments: str | Path) -> Any:
        said = mdm("outcomes", "join", "r", *arguments, "--runs-dir", ran.runs_dir, "--json")
        return said.json if said.code == 0 else said

    return call


@pytest.fixture
def joined(ran: Any) -> Callable[[], dict[int, Any]]:
    """Give the joined outcomes by step."""

    def read() -> dict[int, Any]:
        lines = (ran.runs_dir / "r" / "outcomes.jsonl").read_text().splitlines()
        return {line["step"]: line["outcome"] for line in map(json.loads, lines)}

    return read


class TestFiles:
    def test_json_lines_by_event_id(self, tmp_path: Path, join: Any, joined: Any) -> None:
        """Outcomes find their decision by the event's id, whatever their order."""
        path = told(
            tmp_path / "o.jsonl",
            {"event_id": "e7", "outcome": True},
            {"event_id": "e3", "outcome": 0},
            "",
            {"event_id": "e9", "outcome": "fraud"},
            {"event_id": "stranger", "outcome": True},
        )
        counts = join(path)
        assert (4000, 3, 3997, 1) == tuple(counts[k] for k in ("decisions", "joined", "missing", "unknown"))
        assert {3: 0, 7: True, 9: "fraud"} == joined()

    def test_csv(self, tmp_path: Path, join: Any, joined: Any) -> None:
        """A CSV file has a header; truths and numbers are read as such."""
        path = told(tmp_path / "o.CSV", "event_id,outcome,time", "e1,TRUE,", "e2,0,2026-01-31T12:00:00Z", 'e3,"a, b",7')
        assert 3 == join(path)["joined"]
        assert {1: True, 2: 0, 3: "a, b"} == joined()

    def test_by_step(self, tmp_path: Path, join: Any, joined: Any) -> None:
        """A decision can be named by its step, in JSON and in CSV."""
        lines = told(tmp_path / "o.jsonl", {"step": 5, "outcome": True}, {"step": 4000, "outcome": True})
        table = told(tmp_path / "o.csv", "step,outcome", "6,false")
        counts = join(lines, table)
        assert (2, 1) == (counts["joined"], counts["unknown"])
        assert {5: True, 6: False} == joined()

    def test_later_counts(self, tmp_path: Path, join: Any, joined: Any) -> None:
        """Of two reports the one with the later time counts, and of equal ones that of the later file."""
        first = told(
            tmp_path / "1.jsonl",
            {"event_id": "e1", "outcome": "new", "time": 2000},
            {"event_id": "e1", "outcome": "old", "time": 1000},
            {"event_id": "e2", "outcome": "first"},
        )
        second = told(tmp_path / "2.jsonl", {"event_id": "e2", "outcome": "second"})
        assert 2 == join(first, second)["superseded"]
        assert {1: "new", 2: "second"} == joined()

    def test_joining_again_replaces(self, tmp_path: Path, join: Any, joined: Any, ran: Any) -> None:
        """What was joined before is replaced; the file is private, and a join that fails leaves it as it was."""
        join(told(tmp_path / "1.jsonl", {"event_id": "e1", "outcome": True}))
        join(told(tmp_path / "2.jsonl", {"event_id": "e2", "outcome": True}))
        assert {2: True} == joined()
        assert 0o600 == (ran.runs_dir / "r" / "outcomes.jsonl").stat().st_mode & 0o777
        assert 2 == join(told(tmp_path / "3.jsonl", "{")).code
        assert {2: True} == joined()

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("{", "invalid_json"),
            ("[1]", "invalid_json"),
            ({"outcome": True}, "no_event_id"),
            ({"event_id": "", "outcome": True}, "no_event_id"),
            ({"event_id": "e1"}, "no_outcome"),
            ({"event_id": "e1", "outcome": None}, "no_outcome"),
            ({"event_id": "e1", "outcome": [1]}, "invalid_outcome"),
            ({"event_id": "e1", "outcome": "x" * 65}, "outcome_too_long"),
            ({"event_id": "e1", "verdict": "maybe"}, "unknown_verdict"),
            ({"event_id": "e1", "outcome": True, "time": "yesterday"}, "invalid_time"),
            ({"event_id": "e1", "outcome": True, "time": "2026-01-31T12:00:00"}, "invalid_time"),
            ({"event_id": "e1", "outcome": True, "time": {}}, "invalid_time"),
        ],
    )
    def test_lines_that_tell_nothing_are_counted(
        self, tmp_path: Path, join: Any, line: dict[str, Any] | str, reason: str
    ) -> None:
        """A line that tells nothing is counted with its reason and stops nothing."""
        counts = join(told(tmp_path / "o.jsonl", line, {"event_id": "e2", "outcome": True}))
        assert ({reason: 1}, 1) == (counts["invalid"], counts["joined"])

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("gone.jsonl", None, "cannot be read"),
            ("o.jsonl", "", "tells no outcome (it is empty); each line needs event_id (or step) and outcome"),
            ("o.csv", "id,label\n1,2\n3,4\n", "tells no outcome (no_outcome 2); each line needs event_id"),
        ],
    )
    def test_files_that_tell_nothing_are_refused(
        self, tmp_path: Path, join: Any, name: str, content: str | None, message: str
    ) -> None:
        """A file that tells nothing at all is a mistake, and the message says what a line looks like."""
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        said = join(path)
        assert 2 == said.code
        assert message in said.err


class TestWindow:
    def test_late_absent_and_waiting(self, tmp_path: Path, ran: Any, join: Any, joined: Any) -> None:
        """In time counts, too late does not; without one it is absent when the window is over, and else waiting.

        The files tell up to the day after event 50; so the window of two days is over for the events before event 26.
        """
        at = [event["at"] for event in ran.events]
        path = told(
            tmp_path / "o.jsonl",
            {"event_id": "e1", "outcome": True, "time": iso(at[1] + 2 * DAY)},
            {"event_id": "e2", "outcome": True, "time": iso(at[2] + 2 * DAY + 1000)},
            {"event_id": "e3", "outcome": True, "time": at[3] + 1},
            {"event_id": "e4", "outcome": True},
            {"event_id": "e50", "outcome": False, "time": iso(at[50] + DAY)},
        )
        counts = join(path, "--window", "2d")
        assert (3, 1, {"no_time": 1}) == (counts["joined"], counts["late"], counts["invalid"])
        absent = sum(t + 2 * DAY <= at[50] + DAY for t in at) - 3
        assert (absent, 4000 - absent - 4) == (counts["absent"], counts["waiting"])
        assert {1: True, 3: True, 50: False} == joined()

    def test_absence_can_mean_something(self, tmp_path: Path, ran: Any, join: Any, joined: Any) -> None:
        """With --absent, what is absent or late gets that outcome, and what waits does not."""
        at = ran.events[100]["at"]
        counts = join(
            told(tmp_path / "o.jsonl", {"event_id": "e100", "outcome": True, "time": at}),
            "--window",
            "24h",
            "--absent",
            "false",
        )
        outcomes = joined()
        assert counts["absent"] + 1 == len(outcomes)
        assert {True: 1, False: counts["absent"]} == {k: list(outcomes.values()).count(k) for k in (True, False)}
        assert max(step for step in outcomes if step != 100) == 100 - 24

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--absent", "false"], "--absent says what it means if nothing has come in time: give --window too"),
            (["--window", "soon"], "--window soon: write such as 30d, 12h, 90m or 45s"),
        ],
    )
    def test_mistakes_are_told(self, tmp_path: Path, join: Any, options: list[str], message: str) -> None:
        """Options that do not go together are told, and nothing is joined."""
        said = join(told(tmp_path / "o.jsonl", {"event_id": "e1", "outcome": True}), *options)
        assert (2, message) == (said.code, said.err)


class TestVerdicts:
    def test_say_whether_the_decision_was_right(self, tmp_path: Path, ran: Any, join: Any, joined: Any) -> None:
        """A verdict is about what was decided: wrong about an action means that there was nothing to act on."""
        acted = [packet["final_action"]["action"] == "ACT" for packet in ran.packets[:200]]
        did, did_not = acted.index(True), acted.index(False)
        join(
            told(
                tmp_path / "v.jsonl",
                {"step": did, "verdict": "wrong", "reviewer": "ann"},
                {"step": did_not, "verdict": "wrong", "reviewer": "ann"},
                {"event_id": f"e{acted.index(True, did + 1)}", "verdict": "right"},
            )
        )
        assert {did: False, did_not: True, acted.index(True, did + 1): True} == joined()

    def test_the_majority_counts(self, tmp_path: Path, ran: Any, join: Any, joined: Any) -> None:
        """Of several reviewers most decide, each by the last word; a tie and doubt are disputed."""
        verdicts = {
            0: [("ann", "right"), ("bob", "wrong"), ("cid", "right")],
            1: [("ann", "right"), ("bob", "wrong")],
            2: [("ann", "right"), ("ann", "wrong")],
            3: [("ann", "unsure")],
        }
        lines = [
            {"step": step, "verdict": verdict, "reviewer": reviewer}
            for step, given in verdicts.items()
            for reviewer, verdict in given
        ]
        counts = join(told(tmp_path / "v.jsonl", *lines))
        acted = [packet["final_action"]["action"] == "ACT" for packet in ran.packets[:4]]
        assert (2, 2, 1) == (counts["joined"], counts["disputed"], counts["superseded"])
        assert {0: acted[0], 2: not acted[2]} == joined()


class TestIds:
    def test_pipeline_without_id(self, run_of: Any, ran_once: Any, tmp_path: Path, mdm: Any) -> None:
        """Without an id in the pipeline, decisions can be named by their step only."""
        ran = run_of(tmp_path / "nameless", ran_once.events[:20], without='id = "id"')
        path = told(tmp_path / "o.jsonl", {"event_id": "e1", "outcome": True})
        said = mdm("outcomes", "join", "r", path, "--runs-dir", ran.runs_dir)
        assert 2 == said.code
        assert "name decisions by their step, or set id in [pipeline]" in said.err
        path = told(tmp_path / "o.jsonl", {"step": 1, "outcome": True})
        assert 0 == mdm("outcomes", "join", "r", path, "--runs-dir", ran.runs_dir).code

    def test_redacted_id(self, run_of: Any, ran_once: Any, tmp_path: Path, mdm: Any) -> None:
        """Where redaction hides the id nothing is joined by it: all events would look alike."""
        ran = run_of(tmp_path / "hidden", ran_once.events[:20], 'redaction.extra=["id"]')
        path = told(tmp_path / "o.jsonl", {"event_id": "[REDACTED]", "outcome": True})
        said = mdm("outcomes", "join", "r", path, "--runs-dir", ran.runs_dir)
        assert (2, "the event ids are redacted in the trace: name decisions by their step") == (said.code, said.err)


class TestUse:
    def test_joined_outcomes_are_evaluated(self, tmp_path: Path, ran: Any, join: Any, mdm: Any) -> None:
        """A joined outcome takes the place of the event's own, and is counted as joined."""
        before = mdm("evaluate", "r", "--runs-dir", ran.runs_dir, "--json").json
        changed = [event for event in ran.events if "bad" in event][:100]
        join(told(tmp_path / "o.jsonl", *({"event_id": e["id"], "outcome": not e["bad"]} for e in changed)))
        after = mdm("evaluate", "r", "--runs-dir", ran.runs_dir, "--json").json
        assert (0, 100) == (before["joined"], after["joined"])
        assert before["with_outcome"] == after["with_outcome"]
        flipped = sum(not e["bad"] for e in changed) - sum(e["bad"] for e in changed)
        positives = [d["decided"]["tp"] + d["decided"]["fn"] for d in (before["whole"], after["whole"])]
        assert flipped == positives[1] - positives[0]

    def test_missing_ones_are_filled_in(self, tmp_path: Path, ran: Any, join: Any, mdm: Any) -> None:
        """An outcome that did not come with its event is known once it is joined."""
        missing = [event["id"] for event in ran.events if "bad" not in event]
        join(told(tmp_path / "o.jsonl", *({"event_id": name, "outcome": True} for name in missing)))
        found = mdm("evaluate", "r", "--runs-dir", ran.runs_dir, "--json").json
        assert (4000, len(missing)) == (found["with_outcome"], found["joined"])

    def test_a_damaged_file_is_told(self, ran: Any, mdm: Any) -> None:
        """Joined outcomes that cannot be read are not passed over."""
        (ran.runs_dir / "r" / "outcomes.jsonl").write_text('{"step":1,"outcome":true}\n{"step":')
        said = mdm("evaluate", "r", "--runs-dir", ran.runs_dir)
        assert 2 == said.code
        assert "outcomes.jsonl, line 2" in said.err

    def test_people_see_counts(self, tmp_path: Path, ran: Any, mdm: Any) -> None:
        """The counts are shown, what was passed over on standard error."""
        path = told(tmp_path / "o.jsonl", {"event_id": "e1", "outcome": True}, {"event_id": "no", "outcome": True}, "{")
        said = mdm("outcomes", "join", "r", path, "--runs-dir", ran.runs_dir)
        assert ["decisions", "4,000"] == said.out.splitlines()[0].split()
        assert ["nothing", "told", "3,999"] in [line.split() for line in said.out.splitlines()]
        assert "1 lines tell of events that this run has not decided" in said.err
        assert "1 lines tell nothing: invalid_json" in said.err
