"""``mdm keys``."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mdm_core import ConfigError, UsageError

from mdm_trace_jsonl import PacketSink
from mdm_trace_jsonl.keys import keys
from mdm_trace_jsonl.signing import Signer, is_signed_by, read_public_key


def new(name: Path) -> Result:
    return CliRunner().invoke(keys, ["new", str(name)], catch_exceptions=False)


class TestNew:
    def test_writes_both_halves(self, tmp_path: Path) -> None:
        """What one file signs the other verifies; the public key is printed, and nothing of the private one."""
        result = new(tmp_path / "audit")
        private, public = (tmp_path / "audit.key").read_text(), read_public_key(tmp_path / "audit.pub")
        signer = Signer.load(tmp_path / "audit.key")
        assert is_signed_by(public, signer.sign(b"text"), b"text")
        assert not is_signed_by(public, signer.sign(b"text"), b"texT")
        assert (0, public, public) == (result.exit_code, result.stdout.strip(), signer.key)
        assert private.splitlines()[1] not in result.output + repr(signer)

    def test_only_the_owner_may_read_the_private_one(self, tmp_path: Path) -> None:
        """Whatever the umask is."""
        before = os.umask(0)
        try:
            new(tmp_path / "audit")
        finally:
            os.umask(before)
        assert 0o600 == stat.S_IMODE((tmp_path / "audit.key").stat().st_mode)

    @pytest.mark.parametrize("name", ["audit.key", "audit.pub"])
    def test_never_overwrites(self, name: str, tmp_path: Path) -> None:
        """If either file is there, nothing is written."""
        (tmp_path / name).write_text("mine")
        with pytest.raises(UsageError, match=f"{name}: exists already; choose another name"):
            new(tmp_path / "audit")
        assert [(name, "mine")] == [(path.name, path.read_text()) for path in tmp_path.iterdir()]

    @pytest.mark.parametrize("name", ["audit.key", "audit.pub"])
    def test_follows_no_link(self, name: str, tmp_path: Path) -> None:
        """A link in a file's place, also to nowhere, is refused."""
        (tmp_path / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UsageError, match="exists already"):
            new(tmp_path / "audit")
        assert not (tmp_path / "elsewhere").exists()

    def test_a_place_that_is_not_there(self, tmp_path: Path) -> None:
        """A folder that does not exist is told."""
        with pytest.raises(UsageError, match="cannot be written: No such file or directory; choose another place"):
            new(tmp_path / "nowhere" / "audit")

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
    def test_the_files_are_what_others_read(self, tmp_path: Path) -> None:
        """OpenSSL makes the same public key of the private one."""
        new(tmp_path / "audit")
        command = ["openssl", "pkey", "-in", str(tmp_path / "audit.key"), "-pubout"]
        assert (tmp_path / "audit.pub").read_text() == subprocess.check_output(command, text=True)


class TestExtra:
    @pytest.fixture(autouse=True)
    def without_cryptography(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cryptography", None)

    def test_is_asked_for_when_it_is_needed(self, tmp_path: Path) -> None:
        """Without the package nothing is signed, and what to install is said."""
        with pytest.raises(UsageError, match=r"need the package cryptography; install mdm-trace-jsonl with its extra"):
            new(tmp_path / "audit")
        with pytest.raises(ConfigError, match="need the package cryptography"):
            Signer.load(tmp_path / "audit.key")
        with pytest.raises(UsageError, match="need the package cryptography"):
            read_public_key(tmp_path / "audit.pub")

    def test_is_not_needed_otherwise(self) -> None:
        """Sinks and commands are imported without it."""
        code = (
            "import sys; sys.modules['cryptography'] = None; "
            "import mdm_trace_jsonl.sinks, mdm_trace_jsonl.commands, mdm_trace_jsonl.keys, mdm_trace_jsonl.proving"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        assert PacketSink().signing_key is None
