"""Fetch the package from its registry, once: ``python -m mdm_trading.fetch --to data``.

A run reads the file and never the network. Only a file with the right hash is kept.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from mdm_core import ConfigError

from mdm_trading.packages import BARS, Package


def fetch(package: Package, folder: Path) -> Path:
    """Have a package in a folder.

    Args:
        package: The package.
        folder: The folder; it is made if it is not there.

    Returns:
        The package's file; one that is there already is not fetched again.

    Raises:
        ConfigError: pip is missing or fails, or what came is something else.
    """
    path = folder / package.file
    if path.exists():
        return package.check(path)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as temporary:
        _download(package, temporary)
        came = package.check(Path(temporary, package.file))
        return came.replace(path)


def _download(package: Package, folder: str) -> None:
    what = f"{package.name}=={package.version}"
    command = [*_pip(), "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder, what]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ConfigError(f"{' '.join(command)} failed:\n{ran.stderr.strip()}")


def _pip() -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip")
    if found is None:
        raise ConfigError("pip is needed to fetch the package and is not there; python -m ensurepip")
    return [found]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fetch the package."""
    parser = argparse.ArgumentParser(prog="python -m mdm_trading.fetch", description="Fetch the package.")
    parser.add_argument("--to", type=Path, default=Path("data"), help="folder for the package")
    folder = parser.parse_args(arguments).to
    try:
        print(fetch(BARS, folder))  # noqa: T201
    except ConfigError as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    main()
