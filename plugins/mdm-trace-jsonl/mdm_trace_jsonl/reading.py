"""Reading JSON lines one at a time, and telling a line that was never finished from one that is damaged."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import attrs
import msgspec
from mdm_core import MdmError, PacketV2

from mdm_trace_jsonl.segments import MissingPart, Segments

T = TypeVar("T")

MAX_LINE = 16 * 1024 * 1024
"""Longest line, in bytes, that is read."""

PACKET_KEYS = (
    "run_id",
    "step",
    "input",
    "external",
    "mdm",
    "final_action",
    "latency_ms",
    "mismatch",
    "schema_version",
)

_OBJECTS = ("input", "external", "mdm", "final_action")
_TRUNCATED = "truncated"
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class CorruptLine(MdmError):
    """A line that is damaged, before the end of the file or complete in itself.

    Attributes:
        path: The file.
        line: Number of the line, from 1.
    """

    exit_code = 1

    def __init__(self, path: Path, line: int, problem: str) -> None:
        self.path = path
        self.line = line
        super().__init__(
            f"{path}, line {line}: {problem}; restore the file from a copy, or use only the lines before this one"
        )


@attrs.frozen
class TornTail:
    """A last line that was never finished: the writer died, or is still writing.

    Attributes:
        path: The file.
        line: Number of the line, from 1.
        offset: Byte at which it begins; what is before it is whole.
        size: Its length in bytes.
    """

    path: Path
    line: int
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: torn ({self.size} bytes without an end), its record was never finished"


class LineReader(Iterator[T]):
    """Yields what the lines of a trace hold; at most one line is in memory.

    Args:
        path: The file; the closed segments of the same trace are read before it.
        decode: Makes a value of a line; raises ``ValueError`` for a line that holds none.

    Attributes:
        path: The file that the last value came from.
        line: Number of the line in it, from 1.
        torn_tail: Once the last value was given: the line after it that was never finished, or None.

    Raises:
        CorruptLine: While iterating, at a line that is damaged.
        OSError: While iterating, if the file cannot be read.
    """

    def __init__(self, path: str | Path, decode: Callable[[bytes], T]) -> None:
        self.line = 0
        self.torn_tail: TornTail | None = None
        self.path = Path(path)
        self._segments = Segments(self.path)
        self._decode = decode
        self._values = self._read()

    def __next__(self) -> T:
        return next(self._values)

    def _read(self) -> Iterator[T]:
        for _, path, file in self._segments.opened():
            self.path, self.line = path, 0
            try:
                yield from self._read_one(file)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise CorruptLine(path, self.line + 1, "cannot be unpacked") from error

    def _read_one(self, file: BinaryIO) -> Iterator[T]:
        decode = self._decode
        offset = 0
        for number in count(1):
            line = file.readline(MAX_LINE + 1)
            if not line:
                return
            try:
                value = decode(line)
            except (ValueError, RecursionError) as error:
                if self.path != self._segments.path or not _is_torn(line, error, file):
                    raise CorruptLine(self.path, number, problem_of(line, error)) from error
                self.torn_tail = TornTail(self.path, number, offset, len(line))
                return
            self.line = number
            yield value
            offset += len(line)


def read_since(segments: Segments, segment: int | None = None, offset: int = 0) -> Iterator[dict[str, Any]]:
    """Read the records of a trace from somewhere on.

    Args:
        segments: The files.
        segment: Number of the segment to begin in; the oldest that is there by default.
        offset: Byte in it, unpacked, at which a line begins or the segment ends.

    Yields:
        The records.

    Raises:
        MissingPart: The segment ends before that.
        CorruptLine: A line is damaged.
    """
    for number, path, file in segments.opened(segment):
        if number == segment and offset:
            file.seek(offset - 1)
            if file.read(1) != b"\n":
                raise MissingPart(f"{path}: no line begins at byte {offset}, where one did; restore it from a copy")
        for line_number, line in enumerate(iter(partial(file.readline, MAX_LINE + 1), b""), 1):
            try:
                yield _decode_object(line)
            except (ValueError, RecursionError) as error:
                raise CorruptLine(path, line_number, problem_of(line, error)) from error


def read_objects(path: Path) -> Iterator[dict[str, Any]]:
    """Read the records of a trace or audit log, whatever they hold; none if there is no file.

    Args:
        path: The file; the closed segments of the same trace are read before it.
    """
    return LineReader(path, _decode_object) if Segments(path).exist() else iter(())


def read_packets(path: str | Path) -> LineReader[dict[str, Any]]:
    """Read the packets of a trace.

    Args:
        path: The file, such as ``runs/RUN/traces.jsonl``; closed segments of the same trace are read before it.

    Returns:
        An iterator over packets, each a dict with at least the nine keys of ``PacketV2``. After the last one its
        ``torn_tail`` tells of a line that was never finished.
    """
    return LineReader(path, decode_packet)


def read_packets_v2(path: str | Path) -> LineReader[PacketV2]:
    """Read the packets of a trace as objects of the contract.

    Args:
        path: The file, such as ``runs/RUN/traces.jsonl``.

    Returns:
        As ``read_packets`` does.
    """
    return LineReader(path, _decode_packet_v2)


def decode_packet(line: bytes) -> dict[str, Any]:
    """Decode one line of a trace.

    Args:
        line: The line.

    Returns:
        The packet.

    Raises:
        ValueError: It is no JSON object, lacks a key of ``PacketV2`` or has a wrong type under one.
    """
    packet = _decode_object(line)
    missing = [key for key in PACKET_KEYS if key not in packet]
    if missing:
        raise ValueError(f"no packet, it lacks {', '.join(missing)}")
    wrong = [key for key in _OBJECTS if type(packet[key]) is not dict]
    if wrong or not isinstance(packet["mismatch"], dict | None):
        raise ValueError(f"no packet, {', '.join(wrong or ['mismatch'])} must be an object")
    return packet


def _decode_packet_v2(line: bytes) -> PacketV2:
    packet = decode_packet(line)
    return PacketV2(**{key: packet[key] for key in PACKET_KEYS})


def _is_torn(line: bytes, error: Exception, file: BinaryIO) -> bool:
    if len(line) > MAX_LINE:
        return False
    return not line.endswith(b"\n") or (_TRUNCATED in str(error) and not file.read(1))


def problem_of(line: bytes, error: Exception) -> str:
    """Say in a few words what is wrong with a line.

    Args:
        line: The line.
        error: What decoding it raised.
    """
    if len(line) > MAX_LINE:
        return f"longer than {MAX_LINE // 1024**2} MiB"
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deep"
    return str(error).removesuffix(".")
