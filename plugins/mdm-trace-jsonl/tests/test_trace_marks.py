"""``mark`` and ``since``: where a trace stands, and what was written after that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mdm_core import Build

from mdm_trace_jsonl import AuditSink, CorruptLine, MissingPart, PacketSink
from mdm_trace_jsonl.sinks import JsonLines

OpenSink: TypeAlias = Callable[..., PacketSink]

STEPS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 400)),
    st.tuples(st.sampled_from(["flush", "durable", "mark", "mark", "reopen"]), st.just(0)),
)


def act(sink: JsonLines, what: str, size: int, model: list[Any], marks: list[Any], reopen: Callable[[], Any]) -> Any:
    if what == "write":
        model.append({"n": len(model), "text": "é" * size})
        sink.write(model[-1])
    elif what == "mark":
        marks.append((json.loads(json.dumps(sink.mark())), len(model)))
    elif what == "reopen":
        sink.close()
        return reopen()
    else:
        sink.flush(durable=what == "durable")
    return sink


@pytest.mark.usefixtures("quick_disk")
class TestRoundTrip:
    @pytest.mark.parametrize("kind", [PacketSink, AuditSink])
    @given(
        steps=st.lists(STEPS, max_size=40),
        rotate_bytes=st.sampled_from([None, 1, 100, 1000]),
        chain=st.booleans(),
    )
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_what_follows_a_mark(
        self, kind: type[JsonLines], steps: list[tuple[str, int]], rotate_bytes: int | None, chain: bool, tmp_path: Path
    ) -> None:
        """From any mark on comes exactly what was written after it, across files, compression and processes."""
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        (tmp_path / "r").mkdir()

        def reopen() -> JsonLines:
            sink = kind(rotate_bytes=rotate_bytes, chain=chain)
            sink.open(Build(run_dir=tmp_path / "r", run_id="r"))
            return sink

        model: list[Any] = []
        marks: list[Any] = [(None, 0)]
        sink = reopen()
        for what, size in steps:
            sink = act(sink, what, size, model, marks, reopen)
        for mark, begin in marks:
            assert model[begin:] == list(sink.since(mark))
        sink.close()
        sink = reopen()
        for mark, begin in marks:
            assert model[begin:] == list(sink.since(mark))
        sink.close()


class TestMark:
    def test_is_json(self, open_sink: OpenSink) -> None:
        """A mark survives being written down."""
        sink = open_sink()
        sink.write({"n": 1})
        mark = sink.mark()
        assert {"segment": 1, "offset": 8} == mark == json.loads(json.dumps(mark))
        sink.close()

    def test_counts_what_is_buffered(self, open_sink: OpenSink) -> None:
        """Where a record will stand does not depend on whether the ones before are in the file yet."""
        sink = open_sink()
        sink.write({"n": 1})
        buffered = sink.mark()
        sink.flush()
        assert buffered == sink.mark()
        sink.close()


class TestSince:
    def test_numbers_stay_what_they_are(self, open_sink: OpenSink) -> None:
        """What comes back equals what was given, numbers of any size included."""
        record = {
            "big": 2**63 - 1,
            "bigger": 2**64 + 1,
            "small": 5e-324,
            "third": 1 / 3,
            "none": None,
            "text": "é\u2028",
        }
        sink = open_sink()
        sink.write(record)
        assert [record] == list(sink.since(None))
        sink.close()

    def test_a_trace_that_ends_before_the_mark(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A mark behind the end, or in the middle of a line, is told and not guessed around."""
        sink = open_sink()
        sink.write({"n": 1})
        with pytest.raises(MissingPart, match="no line begins at byte 5"):
            list(sink.since({"segment": 1, "offset": 5}))
        with pytest.raises(MissingPart, match="no line begins at byte 99"):
            list(sink.since({"segment": 1, "offset": 99}))
        with pytest.raises(MissingPart, match="segment 2 is not there, only 1 to 1 are"):
            sink.since({"segment": 2, "offset": 0})
        sink.close()

    def test_a_damaged_line_is_named(self, open_sink: OpenSink, run_dir: Path) -> None:
        """What is no record is told with its place, counted from where reading began."""
        sink = open_sink(chain=False)
        sink.write({"n": 1})
        sink.flush()
        (run_dir / "traces.jsonl").write_bytes(b'{"n":1}\n{"n":}\n')
        with pytest.raises(CorruptLine, match=r"traces\.jsonl, line 2"):
            list(sink.since(None))
        sink.close()
