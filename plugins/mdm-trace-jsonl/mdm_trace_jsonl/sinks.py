"""The components ``trace-jsonl.packets`` and ``trace-jsonl.audit``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import attrs
from mdm_core import Build, ConfigError, MdmError, OptionError, TraceSink, option
from mdm_core.rundir import RUN_FILE
from orjson import OPT_APPEND_NEWLINE, dumps

from mdm_trace_jsonl.chaining import Chain, Origin
from mdm_trace_jsonl.encoding import encodable, encode
from mdm_trace_jsonl.reading import read_objects, read_since
from mdm_trace_jsonl.segments import Segments
from mdm_trace_jsonl.signing import Signer
from mdm_trace_jsonl.writing import Limits, Writer

_END_LINE = OPT_APPEND_NEWLINE


def _inside_the_run(path: str) -> None:
    parts = PurePosixPath(path)
    if not parts.name or "\0" in path or parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"{path!r} is not inside the run's directory; give a relative path without '..'")


def _names_a_file(path: str | None) -> None:
    if path is not None and ("PRIVATE KEY" in path or "\n" in path):
        raise ValueError("the key itself must not stand here; write it to a file and name that")


@attrs.define
class JsonLines(TraceSink):
    """Writes each record as one line of strict JSON to a file that only its owner may read."""

    path: str = option(check=_inside_the_run, help="the file, relative to the run's directory")
    chain: bool = option(True, help="keep a chain of hashes beside the file, for `mdm trace verify`")
    signing_key: str | None = option(
        None, check=_names_a_file, help="sign the chain with the private key in this file, made by `mdm keys new`"
    )
    rotate_bytes: int | None = option(
        None, ge=1, help="close the file before it has more bytes, compress it, and go on with a new one"
    )
    rotate_s: float | None = option(None, gt=0, help="close the file after so many seconds, and go on with a new one")
    keep_segments: int | None = option(None, ge=1, help="remove the oldest closed files when there are more than this")
    keep_bytes: int | None = option(
        None, ge=1, help="remove the oldest closed files when all of them have more bytes, compressed"
    )
    _writer: Writer | None = attrs.field(init=False, repr=False, eq=False, default=None)
    _segments: Segments = attrs.field(init=False, repr=False, eq=False, factory=lambda: Segments(Path()))

    def __attrs_post_init__(self) -> None:
        name = type(self).__name__
        if self._limits.keeps and not self._limits.rotates:
            raise OptionError(
                f"{name}: keep_segments and keep_bytes remove closed files, and none is closed; set rotate_bytes too"
            )
        if self.signing_key is not None and not self.chain:
            raise OptionError(f"{name}.signing_key: it signs the chain, and there is none; leave out chain = false")

    def open(self, build: Build) -> None:
        """Go on with the trace, or begin it; what a crash left torn is cut off and told.

        Args:
            build: Outside a run the file is relative to ``base_dir``.

        Raises:
            ConfigError: The files cannot be written, lead out of the directory, or are not what was written.
        """
        root = build.base_dir if build.run_dir is None else build.run_dir
        file = root / self.path
        if not file.parent.resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"{file}: leads out of {root} by a symbolic link; choose another path")
        chain = self._make_chain(build) if self.chain else None
        self._segments = Segments(file)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._writer = Writer(self._segments, self._limits, chain)
        except OSError as error:
            raise ConfigError(f"{file}: cannot be written: {error.strerror}; choose another path") from error
        self.notice = self._writer.found

    def write(self, record: Mapping[str, Any]) -> None:
        """Take one record; it is kept whole or, if this raises, not at all.

        Args:
            record: What JSON cannot hold in it is replaced.

        Raises:
            OSError: The buffer was full and could not be written out.
        """
        try:
            line = dumps(record, None, _END_LINE)
        except Exception:
            line = encode(encodable(record)) + b"\n"
        self._open_writer.append(line)

    def flush(self, durable: bool = False) -> None:
        """Hand what is buffered to the operating system; what it does not take stays in the buffer.

        Args:
            durable: Also wait until it is on the disk, with a chain that tells of all of it.

        Raises:
            OSError: It could not be written.
        """
        self._open_writer.flush(durable)

    def mark(self) -> dict[str, Any]:
        """Say where the next record will stand; what follows the last two marks is not removed."""
        return self._open_writer.mark()

    def since(self, mark: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Give the records that are in the files.

        Args:
            mark: What ``mark`` said, or None for everything that is kept.

        Returns:
            An iterator over the records, in the order in which they were written.

        Raises:
            MissingPart: The files end before the mark, or do not go back so far.
            CorruptLine: While iterating, at a line that is damaged.
        """
        self.flush()
        if mark is None:
            return read_since(self._segments)
        self._open_writer.keep_from(mark["segment"])
        return read_since(self._segments, mark["segment"], mark["offset"])

    def read(self, run_dir: Path) -> Iterator[dict[str, Any]]:
        """Give the records of a run, across its segments; a last line that was never finished is left out.

        Args:
            run_dir: Directory of the run.

        Raises:
            CorruptLine: While iterating, at a line that is damaged.
        """
        return read_objects(run_dir / self.path)

    def close(self) -> None:
        """Write out, seal and close."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    @property
    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise MdmError(f"{self.component_id or type(self).__name__} is not open")
        return self._writer

    @property
    def _limits(self) -> Limits:
        return Limits(self.rotate_bytes, self.rotate_s, self.keep_segments, self.keep_bytes)

    def _make_chain(self, build: Build) -> Chain:
        run_file = None if build.run_dir is None else build.run_dir / RUN_FILE
        signer = None if self.signing_key is None else Signer.load(build.base_dir / self.signing_key)
        return Chain(Origin(build.run_id, run_file), signer)


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
