"""What the sources that read a file have in common."""

from __future__ import annotations

import errno
from typing import Any

import attrs
from mdm_core import Build, DataSource, Position, option

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
            position: Number of the last line that is not wanted again.

        Raises:
            NotImplementedError: The source is standard input or a pipe, which cannot be read twice.
            ValueError: The position is no line number.
        """
        if self.path == STDIN or not self._opened().regular:
            raise NotImplementedError(
                f"{self._name()} cannot go back in a pipe or in standard input; give it a file to read"
            )
        self._after = to_number(position)

    @property
    def length(self) -> int | None:
        """How many lines a plain file has, blank ones included; None for anything else."""
        return self._opened().count_lines()

    def identity(self) -> dict[str, Any] | None:
        """Give path, size and SHA-256 of the first 64 KiB of a file; None for a pipe."""
        return self._opened().identity()

    def _opened(self) -> Input:
        if self._input is None:
            raise RuntimeError(f"{self._name()} is not open; call open(build) before anything else")
        return self._input

    def _name(self) -> str:
        return self.component_id or type(self).__name__

    def _check_reached(self, number: int) -> None:
        if number < self._after:
            reason = f"cannot go on after line {self._after} of a file that ends at line {number}"
            raise OSError(errno.EINVAL, reason, str(self._opened().path))


def excerpt(line: bytes) -> str:
    """Give the beginning of a line for a dead letter.

    Args:
        line: A line, possibly no valid text.

    Returns:
        The first 200 characters.
    """
    # No character of UTF-8 takes more than four bytes.
    return line[:800].decode("utf-8", "replace")[:200]
