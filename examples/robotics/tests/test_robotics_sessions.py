from __future__ import annotations

import pickle
import subprocess
import sys
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mdm_core import Build, ConfigError

from mdm_robotics.packages import WATCH
from mdm_robotics.recordings import read, unpickle
from mdm_robotics.sessions import SAMPLE_MS, Sessions


@pytest.fixture(scope="module")
def events(opened: Sessions) -> list[dict[str, Any]]:
    opened.seek(0)
    return [record.event for record in opened.records()]


class TestRecordings:
    def test_counts(self, example: Path) -> None:
        """There are 140 series of ten people with 244,102 samples of six channels."""
        found = read(example / "data" / WATCH.file, range(1, 11))
        assert (140, 244_102) == (len(found), sum(len(one.samples) for one in found))
        assert {6} == {len(sample) for one in found for sample in one.samples[:5]}
        assert {14} == {sum(one.subject == subject for one in found) for subject in range(1, 11)}

    def test_a_file_that_says_run_me_is_refused(self) -> None:
        """Unpickling makes arrays and refuses to call anything else that a file names."""
        file = BytesIO()
        np.save(file, np.array({"X": Path("there")}, dtype=object), allow_pickle=True)
        with pytest.raises(pickle.UnpicklingError, match=r"asks for pathlib\.\w+, which is no array"):
            unpickle(file.getvalue())


class TestSessions:
    def test_every_second_leaves_the_plan(self, events: list[dict[str, Any]]) -> None:
        """Of 14 sessions 7 go over to another exercise, once, half-way and for good."""
        left = 0
        for session in {event["session"] for event in events}:
            labels = [
                e["as_planned"] for e in sorted(events, key=lambda e: e["timestamp_ms"]) if e["session"] == session
            ]
            assert labels == sorted(labels, reverse=True)
            left += not labels[-1]
        assert 7 == left

    def test_samples_come_late_and_all_come(self, events: list[dict[str, Any]]) -> None:
        """In some sessions 50 samples come late, by a second at most; none is missing, and each session is in order."""
        newest, ages = 0, []
        for event in events:
            newest = max(newest, event["timestamp_ms"])
            ages.append((newest - event["timestamp_ms"], event["session"]))
        late = [session for age, session in ages if age > 0]
        assert {50} == {late.count(session) for session in set(late)}
        assert 50 * SAMPLE_MS == max(ages)[0]
        for session in {event["session"] for event in events}:
            times = [event["timestamp_ms"] for event in events if event["session"] == session]
            assert times == list(range(times[0], times[-1] + 1, SAMPLE_MS))

    def test_ids_are_unique(self, events: list[dict[str, Any]], source: Sessions) -> None:
        """Each sample has an id of its own."""
        assert len(events) == len({event["id"] for event in events}) == source.length

    @pytest.mark.parametrize("position", [0, 1, 9999])
    def test_goes_on_after(self, source: Sessions, position: int) -> None:
        """After a seek the very records come that would have come anyway."""
        whole = list(islice(source.records(), position, position + 3))
        source.seek(position)
        assert whole == list(islice(source.records(), 3))


class TestPackage:
    def test_missing(self, tmp_path: Path) -> None:
        """Without the package the message says how to fetch it."""
        with pytest.raises(ConfigError, match=r"cannot be read .*; run: python -m mdm_robotics.fetch --to .*data"):
            Sessions().open(Build(base_dir=tmp_path))


class TestPlugin:
    def test_is_light(self) -> None:
        """Importing what the entry point names, and the components, imports nothing heavy, not even numpy."""
        code = (
            "import sys, mdm_robotics.plugin, mdm_robotics\n"
            "sys.exit(len({'numpy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
        )
        assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
