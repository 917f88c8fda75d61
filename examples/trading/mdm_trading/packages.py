"""The package that holds the bars. It is read where it lies, and never installed or imported."""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
from mdm_core import ConfigError


@attrs.frozen
class Package:
    """A file of the Python package index.

    Attributes:
        name: The package.
        version: Its version.
        file: The file's name.
        sha256: The file's hash.
    """

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
        fetch = f"run: python -m mdm_trading.fetch --to {path.parent}"
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read ({error.strerror}); {fetch}") from None
        if found != self.sha256:
            raise ConfigError(f"{path} is not version {self.version} of {self.name}; delete it and {fetch}")
        return path


BARS = Package(
    "gym-anytrading",
    "2.0.0",
    "gym_anytrading-2.0.0-py3-none-any.whl",
    "29e88b9d38272ea338c8cfcebc6a0f0302c7a8c02048331ad6a4d22cdd825e54",
)
