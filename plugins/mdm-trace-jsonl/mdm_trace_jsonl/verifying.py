"""Holding a trace against its chain."""

from __future__ import annotations

import io
from pathlib import Path

from mdm_trace_jsonl.blocks import Blocks
from mdm_trace_jsonl.chaining import file_sha256
from mdm_trace_jsonl.links import FORMAT, NOTHING, Begin, Block, Opened, Seal, signed_message
from mdm_trace_jsonl.outlines import Outline
from mdm_trace_jsonl.reports import Expected, Finding, Position
from mdm_trace_jsonl.segments import Segments
from mdm_trace_jsonl.signing import is_signed_by
from mdm_trace_jsonl.telling import counted
from mdm_trace_jsonl.unpacking import Unpacked, open_regular
from mdm_trace_jsonl.walking import Seen, Walk

_SLACK = 1024 * 1024
# The writer of a run that goes on may close, compress or remove a segment in the meantime; such tries count for little.
_TRIES = 5
_DISTURBED_TRIES = 200


def verify(segments: Segments, name: str, expected: Expected) -> Finding:
    """Hold a trace against its chain.

    Args:
        segments: The files.
        name: Name of the trace's file, relative to the run's directory.
        expected: What the chain must agree with besides.

    Returns:
        What came of it; all is well if it has no problems.

    Raises:
        OSError: There is no room to unpack a segment.
    """
    undisturbed = 0
    for _ in range(_DISTURBED_TRIES):
        before = segments.files()
        finding = _Verification(segments, name, expected).run()
        undisturbed += segments.files() == before
        if not (finding.problems and expected.running) or undisturbed == _TRIES:
            break
    return finding


class _Verification:
    def __init__(self, segments: Segments, name: str, expected: Expected) -> None:
        self._segments = segments
        self._expected = expected
        self._outline = Outline.of(segments)
        self._finding = Finding(name)
        self._problems = self._finding.problems
        self._start = self._outline.first
        while self._start > 1 and segments.chain(self._start - 1).exists():
            self._start -= 1  # it was meant to be removed, and a crash came before that
        self._previous: list[bytes] = [] if self._start > 1 else [NOTHING]
        self._lines = self._size = self._sealed = 0
        self._compared = False

    def run(self) -> Finding:
        outline, segments = self._outline, self._segments
        self._finding.removed = self._start - 1
        for number in range(self._start, outline.active + 1):
            active = number == outline.active
            path = segments.path if active else segments.data(number)
            chain = outline.chain if active else segments.chain(number)
            if path.exists() or chain.exists():
                self._segment(number, path, chain)
            else:
                self._absent(number, path)
        for number in segments.closed():
            if not self._start <= number < outline.active:
                self._stranger(number)
        self._conclude()
        return self._finding

    def _segment(self, number: int, path: Path, chain: Path) -> None:
        finding = self._finding
        finding.segments += 1
        data = self._open(number, path)
        try:
            blocks = Blocks(data, self._outline.ends.get(number, 0))
            walk = Walk(chain, blocks, self._previous)
            if chain.exists() or data.size:
                self._walk(number, walk, chain, blocks)
            self._problems += walk.problems
            self._problems += blocks.problems(path.name, chain.name)
            finding.lines += blocks.lines
            self._previous = walk.previous
            self._behind(number, path, walk, blocks)
        finally:
            data.close()

    def _stranger(self, number: int) -> None:
        name = self._segments.data(number).name
        if number < self._start and not self._finding.closed:
            self._finding.remarks.append(
                f"{name} is still there, not verified; a crash came in the middle of removing it"
            )
        else:
            self._problems.append(f"{name}: does not belong to the trace")

    def _absent(self, number: int, path: Path) -> None:
        self._previous = []
        if number < self._outline.active or number == 1 or self._expected.ended:
            self._problems.append(f"{path.name}: is missing, and its chain too")

    def _open(self, number: int, path: Path) -> Unpacked:
        packed = self._segments.packed(number)
        if number < self._outline.active and packed.exists():
            told = self._outline.packed.get(number)
            if told is None or told.sha256 != file_sha256(packed):
                self._problems.append(f"{packed.name}: is not the compressed file that was written")
        try:
            data = Unpacked(path, self._outline.ends.get(number, 0) + _SLACK)
        except OSError as error:
            self._problems.append(f"{path.name}: cannot be read: {error.strerror}")
            return Unpacked()
        if data.problem:
            self._problems.append(f"{path.name}: {data.problem}")
        return data

    def _walk(self, number: int, walk: Walk, chain: Path, blocks: Blocks) -> None:
        lines = size = 0
        try:
            file = open_regular(chain)
        except OSError as error:
            self._problems.append(f"{chain.name}: cannot be read: {error.strerror}")
            walk.previous = []
            return
        with file:
            # What was added since the outline was read tells of lines that may have been read before they were there.
            whole = number < self._outline.active
            for seen in walk.links(io.BytesIO(file.read(-1 if whole else self._outline.size))):
                told = seen.link.told
                if isinstance(told, Begin):
                    lines, size = told.lines, told.size
                    self._begins(number, f"{chain.name}, line {seen.number}", told)
                self._lines, self._size = lines + blocks.line, size + blocks.end
                self._sees(number, f"{chain.name}, line {seen.number}", seen)

    def _begins(self, number: int, place: str, told: Begin) -> None:
        expected = self._expected
        wanted = {
            "format": (FORMAT, told.format),
            "file": (self._segments.path.name, told.file),
            "segment": (number, told.segment),
            "run": (expected.run_id or told.run_id, told.run_id),
        }
        for name, (right, said) in wanted.items():
            if right != said:
                self._problems.append(f"{place}: tells of {name} {said}, not {right}")
        changed = "run.json: is not what it was when the run began"
        if told.run_sha256 is None and expected.run_sha256 is not None:
            self._finding.remarks.append("nothing ties the chain to run.json, which was not there when it began")
        elif told.run_sha256 != expected.run_sha256 and changed not in self._problems:
            self._problems.append(changed)

    def _sees(self, number: int, place: str, seen: Seen) -> None:
        told, finding = seen.link.told, self._finding
        if isinstance(told, Seal):
            self._seals(place, told, seen.before)
        elif isinstance(told, Opened):
            finding.remarks.append(_reopened(told))
        here = Position(finding.file, number, seen.number, self._lines, self._size, seen.link.digest.hex())
        if not isinstance(told, Block):
            finding.position = here
        checkpoint = self._expected.checkpoint
        if checkpoint is not None and (number, seen.number) == (checkpoint.segment, checkpoint.link):
            self._compared = True
            if here != checkpoint:
                self._problems.append(f"{place}: is not what the checkpoint says")

    def _seals(self, place: str, told: Seal, before: bytes | None) -> None:
        finding, keys = self._finding, self._expected.keys
        finding.seals += 1
        if told.key and told.key not in finding.keys:
            finding.keys.append(told.key)
        if keys and before is not None:
            if told.key not in keys or not is_signed_by(told.key, told.signature, signed_message(before, told)):
                self._problems.append(f"{place}: is not signed by the key that was given")
                return
            finding.signed += 1
        if (told.lines, told.size) != (self._lines, self._size):
            self._problems.append(f"{place}: seals {told.lines} lines, and there are {self._lines} before it")
        self._sealed = told.lines

    def _behind(self, number: int, path: Path, walk: Walk, blocks: Blocks) -> None:
        """Look at what stands after the last block."""
        finding, extra = self._finding, blocks.extra()
        last = None if walk.last is None else walk.last.told
        active = number == self._outline.active
        ended = not active or (isinstance(last, Seal) and last.closed)
        if not active and not isinstance(last, Seal):
            self._problems.append(f"{walk.name}: does not end with a seal")
        if active and isinstance(last, Seal) and last.closed and not walk.torn:
            finding.closed = last.at
        if ended or self._expected.ended:
            if walk.torn:
                self._problems.append(f"{walk.name}: ends in half a line")
            if extra.lines or extra.torn:
                first = blocks.line + 1
                self._problems.append(
                    f"{path.name}, lines from {first} on: were added after the last one that was written"
                )
            return
        finding.loose = extra.lines
        if extra.lines:
            finding.remarks.append(f"{counted(extra.lines, 'line')} at the end of {path.name} not in the chain yet")
        if extra.torn:
            finding.remarks.append(f"{path.name} ends in half a line")

    def _conclude(self) -> None:
        finding, expected = self._finding, self._expected
        finding.unsealed = self._lines - self._sealed
        if not finding.closed and expected.ended:
            self._problems.append(
                f"{finding.file}: was never closed, and the run ended orderly: its end was taken away"
            )
        if expected.keys and not finding.signed and self._lines:
            self._problems.append(f"{finding.file}: has no seal that is signed by the key that was given")
        if expected.checkpoint is not None and not self._compared:
            self._miss(expected.checkpoint)

    def _miss(self, checkpoint: Position) -> None:
        if checkpoint.segment < self._start:
            self._finding.remarks.append(
                f"the checkpoint is in segment {checkpoint.segment}, which was removed because it need not be kept"
            )
            return
        gone = checkpoint.lines - self._lines
        what = f"{counted(gone, 'line')} missing at its end" if gone > 0 else "its chain ends earlier"
        self._problems.append(f"{self._finding.file}: does not reach to the checkpoint: {what}")


def _reopened(told: Opened) -> str:
    what = {
        "had not been in the chain and came into it only then": (told.late, "line"),
        "of half a line were cut off": (told.cut, "byte"),
        "that the chain had told of had been lost": (told.lost, "line"),
    }
    counts = ", ".join(f"{counted(number, unit)} {text}" for text, (number, unit) in what.items() if number)
    return f"gone on with at {told.at}{f': {counts}' if counts else ''}"
