"""Finding the trace of a run, and packets in it without decoding those that are not wanted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec
from mdm_core import UsageError
from mdm_core.rundir import RUN_FILE, find_run, read_json

from mdm_trace_jsonl.reading import CorruptLine, LineReader, decode_packet, problem_of
from mdm_trace_jsonl.segments import Segments

_PACKETS = "trace-jsonl.packets"
_DEFAULT_FILE = "traces.jsonl"


class _Numbered(msgspec.Struct):
    step: int


_decode_step = msgspec.json.Decoder(_Numbered).decode


@attrs.frozen
class Trace:
    """The trace of a run.

    Attributes:
        path: The file.
        key: Dotted path of the key in ``input``, if the run says so.
        id: Dotted path of the event's id in ``input``, if the run says so.
    """

    path: Path
    key: str | None = None
    id: str | None = None

    @classmethod
    def find(cls, run: str, runs_dir: Path) -> Trace:
        """Find the trace of a run.

        Args:
            run: Id of the run, path of its directory, or path of a trace.
            runs_dir: Where runs are kept.

        Raises:
            UsageError: There is no such run, or it has no trace.
        """
        if Segments(Path(run)).exist():
            return cls(Path(run))
        directory = find_run(run, runs_dir)
        config = (read_json(directory / RUN_FILE) or {}).get("config", {})
        path = directory / _packet_file(config)
        if not Segments(path).exist():
            raise UsageError(
                f'run {run!r} has no {path}: its pipeline has no [[trace]] with use = "{_PACKETS}"; '
                f"give the path of the trace if it is elsewhere"
            )
        pipeline = config.get("pipeline", {})
        return cls(path, pipeline.get("key"), pipeline.get("id"))

    def numbered_lines(self) -> LineReader[tuple[int, bytes]]:
        """Read the lines with the steps of their packets.

        Every line is checked to be JSON with a step; nothing else of it is decoded.
        """
        return LineReader(self.path, lambda line: (_decode_step(line).step, line))

    def packet(self, line: bytes, path: Path, number: int) -> dict[str, Any]:
        """Decode a packet whole.

        Args:
            line: The line.
            path: The file that it stands in.
            number: Number of the line, from 1.

        Raises:
            CorruptLine: It is no packet.
        """
        try:
            return decode_packet(line)
        except ValueError as error:
            raise CorruptLine(path, number, problem_of(line, error)) from error


def _packet_file(config: Mapping[str, Any]) -> str:
    tables = config.get("trace", [])
    for table in [tables] if isinstance(tables, Mapping) else tables:
        if table.get("use") == _PACKETS:
            return str(table.get("path", _DEFAULT_FILE))
    return _DEFAULT_FILE
