"""The components ``trace-jsonl.packets`` and ``trace-jsonl.audit``."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import attrs
from mdm_core import Build, ConfigError, TraceSink, option
from mdm_core.rundir import open_private
from orjson import OPT_APPEND_NEWLINE, dumps

from mdm_trace_jsonl.encoding import encodable, encode
from mdm_trace_jsonl.mending import mend_tail

BUFFER_BYTES = 256 * 1024
_END_LINE = OPT_APPEND_NEWLINE


def _inside_the_run(path: str) -> None:
    parts = PurePosixPath(path)
    if not parts.name or "\0" in path or parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"{path!r} is not inside the run's directory; give a relative path without '..'")


@attrs.define
class JsonLines(TraceSink):
    """Writes each record as one line of strict JSON to a file that only its owner may read."""

    path: str = option(check=_inside_the_run, help="the file, relative to the run's directory")
    _buffer: bytearray = attrs.field(init=False, repr=False, eq=False, factory=bytearray)
    _file: Path = attrs.field(init=False, repr=False, eq=False, factory=Path)
    _fd: int = attrs.field(init=False, repr=False, eq=False, default=-1)
    _entry_is_durable: bool = attrs.field(init=False, repr=False, eq=False, default=False)

    def open(self, build: Build) -> None:
        """Open the file for appending; a line that a crash left half written is cut off.

        Args:
            build: Outside a run the file is relative to ``base_dir``.

        Raises:
            ConfigError: The file cannot be written, or is not inside the directory.
        """
        root = build.base_dir if build.run_dir is None else build.run_dir
        self._file = root / self.path
        if not self._file.parent.resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"{self._file}: leads out of {root} by a symbolic link; choose another path")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = open_private(self._file, os.O_RDWR | os.O_APPEND)
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise OSError(0, "it is no regular file")
            mend_tail(self._fd, self._file)
        except OSError as error:
            self.close()
            raise ConfigError(f"{self._file}: cannot be written: {error.strerror}; choose another path") from error

    def write(self, record: Mapping[str, Any]) -> None:
        """Take one record; it is kept whole or, if this raises, not at all.

        Args:
            record: What JSON cannot hold in it is replaced.

        Raises:
            OSError: The buffer was full and could not be written out.
        """
        buffer = self._buffer
        if len(buffer) > BUFFER_BYTES:
            self.flush()
        try:
            buffer += dumps(record, None, _END_LINE)
        except Exception:
            buffer += encode(encodable(record)) + b"\n"

    def flush(self, durable: bool = False) -> None:
        """Hand what is buffered to the operating system; what it does not take stays in the buffer.

        Args:
            durable: Also wait until it is on the disk.

        Raises:
            OSError: It could not be written.
        """
        buffer = self._buffer
        try:
            while buffer:
                del buffer[: os.write(self._fd, buffer)]
            if durable:
                self._sync()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._file)) from error

    def close(self) -> None:
        """Write out and close."""
        if self._fd < 0:
            return
        fd = self._fd
        try:
            self.flush()
        finally:
            self._fd = -1
            os.close(fd)

    def _sync(self) -> None:
        os.fdatasync(self._fd)
        if not self._entry_is_durable:
            # A file that is on the disk is lost all the same if its name is not.
            directory = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
            self._entry_is_durable = True


@attrs.define
class PacketSink(JsonLines):
    """Writes one line per decision: the nine keys of ``PacketV2``."""

    path: str = option(
        "traces.jsonl", check=_inside_the_run, help="the file of packets, relative to the run's directory"
    )


@attrs.define
class AuditSink(JsonLines):
    """Writes what matters for security, each record at once: begin and end, denials, fail-closed decisions, errors."""

    accepts: ClassVar[Literal["packets", "audit"]] = "audit"

    path: str = option(
        "security_audit.jsonl", check=_inside_the_run, help="the audit log, relative to the run's directory"
    )

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record out.

        Args:
            record: The event, its time and its details.

        Raises:
            OSError: It could not be written.
        """
        super().write(record)
        self.flush()
