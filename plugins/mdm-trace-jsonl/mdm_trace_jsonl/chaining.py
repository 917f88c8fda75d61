"""Writing the chain of a trace."""

from __future__ import annotations

import hashlib
import math
import time
from pathlib import Path

import attrs
from mdm_core import ConfigError
from mdm_core.rundir import now_text

from mdm_trace_jsonl.appending import AppendFile
from mdm_trace_jsonl.links import (
    FORMAT,
    NOTHING,
    AnyTold,
    Begin,
    Block,
    Link,
    Opened,
    Packed,
    Removed,
    Seal,
    digest_of,
    head_of,
    line_of,
    signed_message,
)
from mdm_trace_jsonl.signing import Signer

SEAL_S = 10.0
"""Seconds after the last seal, after which what is made durable is sealed as well."""


@attrs.frozen
class Origin:
    """What a chain is tied to.

    Attributes:
        run_id: Id of the run.
        run_file: Its ``run.json``, or None outside a run.
    """

    run_id: str
    run_file: Path | None

    def run_sha256(self) -> str | None:
        """SHA-256 of ``run.json`` in hexadecimal, or None if there is none."""
        return None if self.run_file is None else file_sha256(self.run_file)


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file in hexadecimal, or None if there is none.

    Args:
        path: The file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


class Chain:
    """Hashes the lines of one segment after the other, and keeps the hashes in files beside them.

    Args:
        origin: What it is tied to.
        signer: Signs the seals, or None.

    Attributes:
        begun: Whether the segment's first line is written.
        digest: The last hash.
        hashed: Bytes of the segment that were hashed, also in a block that has not ended.
        line: Lines of the segment in blocks.
        offset: Bytes of the segment in blocks.
    """

    def __init__(self, origin: Origin, signer: Signer | None) -> None:
        self._origin = origin
        self._signer = signer
        self._file: AppendFile | None = None
        self.begun = False
        self.digest = NOTHING
        self.hashed = self.line = self.offset = 0
        self._lines_before = self._size_before = 0
        self._block = hashlib.sha256()
        self._sealed: bytes | None = None
        self._sealed_at = -math.inf

    @property
    def file(self) -> AppendFile:
        """The file of the segment's chain."""
        assert self._file is not None
        return self._file

    def begin(self, path: Path, file: str, segment: int, first: int) -> None:
        """Begin the chain of a segment; its first line is on the disk before anything else is.

        Args:
            path: The chain's file, which must be empty or not exist.
            file: Name of the trace's file.
            segment: Number of the segment.
            first: Number of the oldest segment that is kept.

        Raises:
            OSError: It cannot be written.
        """
        if self._file is None:
            self._file = AppendFile(path)
            told = Begin(
                FORMAT,
                file,
                segment,
                first,
                self._origin.run_id,
                self._origin.run_sha256(),
                self._lines_before,
                self._size_before,
                self.digest.hex(),
            )
            self._add(told)
        self.flush(durable=True)
        self.begun = True

    def go_on(self, file: AppendFile, begin: Begin, digest: bytes, block: Block | None) -> None:
        """Go on with a chain that an earlier process has begun.

        Args:
            file: The chain's file.
            begin: Its first line.
            digest: Its last hash.
            block: The last block, or None.
        """
        self._file, self.begun = file, True
        self._lines_before, self._size_before = begin.lines, begin.size
        if block is not None:
            self.line, self.offset, self.hashed = block.line + block.lines - 1, block.end, block.end
        self._link(digest)

    def must_fit(self, begin: Begin, file: str, segment: int) -> None:
        """Make sure that a chain is the one to go on with.

        Args:
            begin: Its first line.
            file: Name of the trace's file.
            segment: Number of the segment that is to be gone on with.

        Raises:
            ConfigError: It is another's.
        """
        wanted = {
            "run": (self._origin.run_id, begin.run_id),
            "SHA-256 of run.json": (self._origin.run_sha256(), begin.run_sha256),
            "file": (file, begin.file),
            "segment": (segment, begin.segment),
        }
        for name, (ours, told) in wanted.items():
            if ours != told:
                raise ConfigError(
                    f"the chain of {file} tells of {name} {told!r}, not {ours!r}; `mdm trace verify` tells more: "
                    "restore the files from a copy, or begin anew in another place"
                )

    def follow(self, last: Link) -> None:
        """Follow a segment that an earlier process has closed.

        Args:
            last: The last line of its chain, which must be a seal.

        Raises:
            ConfigError: It is none.
        """
        if not isinstance(last.told, Seal):
            raise ConfigError(
                "the chain of the segment before does not end with a seal; `mdm trace verify` tells more: "
                "restore the files from a copy, or begin anew in another place"
            )
        self._lines_before, self._size_before = last.told.lines, last.told.size
        self._link(last.digest)

    def update(self, data: memoryview | bytes) -> None:
        """Hash bytes that follow those before.

        Args:
            data: The bytes.
        """
        self._block.update(data)
        self.hashed += len(data)

    def end_block(self, lines: int) -> None:
        """End a block.

        Args:
            lines: How many lines were hashed since the last one.
        """
        head = head_of(Block(self.line + 1, self.offset, lines, self.hashed - self.offset))
        self._block.update(head)
        self._write(head, self._block.digest())
        self.line += lines
        self.offset = self.hashed

    def seal(self, closed: bool = False) -> None:
        """Say, signed if there is a key, that everything up to here is on the disk; once is enough.

        Args:
            closed: Whether the writer ends.
        """
        if self._sealed == self.digest and not closed:
            return
        key = "" if self._signer is None else self._signer.key
        told = Seal(now_text(), self._lines_before + self.line, self._size_before + self.offset, closed, key)
        if self._signer is not None:
            signature = self._signer.sign(signed_message(self.digest, told))
            told = Seal(told.at, told.lines, told.size, closed, key, signature)
        self._add(told)
        self._sealed, self._sealed_at = self.digest, time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time to seal."""
        return time.monotonic() - self._sealed_at >= SEAL_S

    def add(self, told: Opened | Packed | Removed) -> None:
        """Tell something else.

        Args:
            told: What is told; the lines so far must be on the disk, and in blocks.
        """
        self._add(told)

    def flush(self, durable: bool) -> None:
        """Write out.

        Args:
            durable: Also wait until it is on the disk.

        Raises:
            OSError: It could not be written.
        """
        self.file.write_out()
        if durable:
            self.file.sync()

    def end_segment(self) -> None:
        """Let go of the segment's file, and be ready for the next."""
        self.close()
        self.begun = False
        self._lines_before += self.line
        self._size_before += self.offset
        self.hashed = self.line = self.offset = 0

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _add(self, told: AnyTold) -> None:
        head = head_of(told)
        self._write(head, digest_of(self.digest, head))

    def _write(self, head: bytes, digest: bytes) -> None:
        self.file.waiting += line_of(head, digest)
        self._link(digest)

    def _link(self, digest: bytes) -> None:
        self.digest = digest
        self._block = hashlib.sha256(digest)
