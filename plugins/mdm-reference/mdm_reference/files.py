"""What the sources that read a file have in common."""

from __future__ import annotations

from typing import Any

import attrs
from mdm_core import Build, ConfigError, DataSource, Position, option

from mdm_reference.inputs import STDIN, Input
from mdm_reference.positions import to_number


@attrs.define
class FileSource(DataSource):
    """Base of the sources that read lines from a file, a ``.gz`` file, a pipe or standard input.

    The position of a record is the number of its line, from 1.

    Attributes:
        skipped: How many blank lines were passed over so far.
    """

    path: str = option(help="file to read, relative to the pipeline file; .gz is unpacked, - is standard input")
    max_line_bytes: int = option(1 << 20, ge=1, help="longest line that is read; a longer one is rejected")
    skipped: int = attrs.field(init=False, default=0)
    _after: int = attrs.field(init=False, default=0, repr=False)
    _input: Input | None = attrs.field(init=False, default=None, repr=False)

    def open(self, build: Build) -> None:
        """Open the file.

        Args:
            build: The surroundings.

        Raises:
            ConfigError: The file cannot be read.
        """
        self._input = Input.open(self.path, build)

    def close(self) -> None:
        """Close the file."""
        if self._input is not None:
            self._input.close()
            self._input = None

    def seek(self, position: Position) -> None:
        """Go on after a line.

        Args:
            position: Position of the last event that is not wanted again, or 0.

        Raises:
            NotImplementedError: The source is standard input or a pipe, which cannot be read twice.
            ValueError: The position is no line number.
        """
        if self.path == STDIN or not self._opened().regular:
            raise NotImplementedError(
                f"{self._name()} cannot go back in a pipe or in standard input; give it a file to read"
            )
        self._after = to_number(position)

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        """Go on where an earlier run ended, if all that it has read is still there; the file may have grown.

        Args:
            position: The position of the last event that is not wanted again, or None to begin at the first.
            identity: What ``identity`` said in the earlier run when that event had been read.

        Raises:
            ConfigError: The file is no longer the one that was read, or it is standard input or a pipe.
        """
        opened = self._opened()
        before = opened.check_same(identity)
        if position is None:
            return
        self.seek(position)
        self.skipped = before["skipped"]
        if before["open_line"] and self._last_line() >= before["open_line"] and opened.goes_on_after(before["read"]):
            raise ConfigError(
                f"line {before['open_line']} of {opened.shown()} was not whole when the run read it, and has been "
                f"written on since; start a new run"
            )

    def counts(self) -> dict[str, int]:
        """Tell how many blank lines were passed over."""
        return {"skipped": self.skipped}

    @property
    def length(self) -> int | None:
        """How many lines a plain file has, blank ones included; None for anything else."""
        return self._opened().count_lines()

    def identity(self) -> dict[str, Any] | None:
        """Give what is needed to tell whether a file still begins with what was read of it; None for a pipe."""
        identity = self._opened().identity()
        return None if identity is None else {**identity, "skipped": self.skipped}

    def _last_line(self) -> int:
        """Number of the last line of the event to go on after."""
        return self._after

    def _opened(self) -> Input:
        if self._input is None:
            raise RuntimeError(f"{self._name()} is not open; call open(build) before anything else")
        return self._input

    def _name(self) -> str:
        return self.component_id or type(self).__name__


def excerpt(line: bytes) -> str:
    """Give the beginning of a line for a dead letter.

    Args:
        line: A line, possibly no valid text.

    Returns:
        The first 200 characters.
    """
    # No character of UTF-8 takes more than four bytes.
    return line[:800].decode("utf-8", "replace")[:200]
