from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mdm_core import ConfigError

from mdm_trading.fetch import fetch, main
from mdm_trading.packages import BARS


def fake_pip(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a script in the place of pip, and nothing else beside it."""
    client = folder / "bin" / "pip"
    client.parent.mkdir()
    client.write_text(f"#!/bin/sh\n{script}\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:/bin:/usr/bin")
    monkeypatch.setattr("mdm_trading.fetch.find_spec", lambda _: None)


class TestFetch:
    def test_what_is_there_is_not_fetched_again(self, example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the file in place pip is not needed."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        assert example / "data" / BARS.file == fetch(BARS, example / "data")

    def test_another_file_is_not_taken_for_it(self, tmp_path: Path) -> None:
        """A file with the right name and the wrong hash is refused and left alone."""
        (tmp_path / BARS.file).write_bytes(b"something else")
        with pytest.raises(ConfigError, match=r"delete it and run: python -m mdm_trading.fetch"):
            fetch(BARS, tmp_path)
        assert b"something else" == (tmp_path / BARS.file).read_bytes()

    def test_failing_client(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What pip says is shown, the exit code is 2, and nothing is left behind."""
        fake_pip(tmp_path, "echo no such version >&2\nexit 1", monkeypatch)
        with pytest.raises(SystemExit) as ended:
            main(["--to", str(tmp_path / "data")])
        assert 2 == ended.value.code
        assert "failed:\nno such version" in capsys.readouterr().err
        assert [] == list((tmp_path / "data").iterdir())

    def test_what_came_is_checked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A package of another content than the known one does not become the file."""
        fake_pip(tmp_path, f'echo changed > "$7/{BARS.file}"', monkeypatch)
        with pytest.raises(ConfigError, match=r"is not version 2\.0\.0 of gym-anytrading"):
            fetch(BARS, tmp_path / "data")
        assert [] == list((tmp_path / "data").iterdir())

    def test_without_pip(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without pip the message says how to get it."""
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr("mdm_trading.fetch.find_spec", lambda _: None)
        with pytest.raises(ConfigError, match="python -m ensurepip"):
            fetch(BARS, tmp_path)
