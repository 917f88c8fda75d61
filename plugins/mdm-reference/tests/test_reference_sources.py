"""What the plugin registers and exports, the source of lists, and what all sources of files promise."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
from mdm_core import Broker, Build, ConfigError, DataSource, FeatureExtractor, ProposalModel, Record, Reject
from mdm_core.kinds import KINDS

import mdm_reference
from mdm_reference import plugin
from mdm_reference.csv_source import CsvSource
from mdm_reference.files import FileSource
from mdm_reference.jsonl import JsonlSource
from mdm_reference.memory import MemorySource

FILE_SOURCES = (JsonlSource, CsvSource)
REGISTERED = {
    "mdm_register_data_sources": ({"jsonl", "csv", "memory"}, DataSource),
    "mdm_register_feature_extractors": ({"rolling"}, FeatureExtractor),
    "mdm_register_proposal_models": ({"logistic", "linear", "calibrated", "exit_policy", "explore"}, ProposalModel),
    "mdm_register_brokers": ({"paper", "null", "file"}, Broker),
}


def registered(hook: str) -> dict[str, str]:
    """Call one hook of the plugin."""
    found: dict[str, str] = {}
    getattr(plugin, hook)(found.__setitem__)
    return found


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up the rights of root, to which every file is readable."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


class TestPlugin:
    @pytest.mark.parametrize("hook", sorted(REGISTERED))
    def test_names_lead_to_components(self, hook: str) -> None:
        """Every name that is registered leads to an attrs class of the right kind."""
        names, contract = REGISTERED[hook]
        components = registered(hook)
        assert names == set(components)
        for target in components.values():
            module, _, name = target.partition(":")
            cls = getattr(import_module(module), name)
            assert issubclass(cls, contract)
            assert attrs.has(cls)

    def test_no_other_hook(self) -> None:
        """The plugin implements the hooks tested above and no others."""
        assert set(REGISTERED) == {kind.hook for kind in KINDS if hasattr(plugin, kind.hook)}

    def test_light(self) -> None:
        """Reading the plugin imports none of its components, nor what they need."""
        code = (
            "import sys, mdm_core.hookspecs; before = set(sys.modules); import mdm_reference.plugin;"
            "print(*sorted(set(sys.modules) - before))"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        assert ["mdm_reference", "mdm_reference.plugin"] == done.stdout.split()


class TestExports:
    @pytest.mark.parametrize("name", mdm_reference.__all__)
    def test_every_name_is_there(self, name: str) -> None:
        """Every public name can be imported from the package."""
        assert name == getattr(mdm_reference, name).__name__

    def test_unknown_name(self) -> None:
        """A name that the package does not have raises AttributeError, as for any module."""
        with pytest.raises(AttributeError, match="module 'mdm_reference' has no attribute 'Jsonl'"):
            mdm_reference.Jsonl  # noqa: B018


class TestMemorySource:
    def test_positions_count_from_one(self) -> None:
        """Events come in order, with their numbers as positions."""
        source = MemorySource([{"a": 1}, {"a": 2}])
        assert [Record({"a": 1}, 1), Record({"a": 2}, 2)] == list(source.records())
        assert 2 == source.length

    @pytest.mark.parametrize(("position", "expected"), [(0, [1, 2, 3]), (2, [3]), (3, []), (9, [])])
    def test_seek(self, position: int, expected: list[int]) -> None:
        """Reading goes on after the position that was sought."""
        source = MemorySource([{}, {}, {}])
        source.seek(position)
        assert expected == [item.position for item in source.records()]

    def test_no_dict(self) -> None:
        """An item that is no dict is rejected, and the next one is read."""
        events: list[Any] = [[1], {"a": 1}]
        assert [Reject("not_an_object", 1, "[1]"), Record({"a": 1}, 2)] == list(MemorySource(events).records())

    @pytest.mark.parametrize("position", [-1, "3", True])
    def test_no_position(self, position: Any) -> None:
        """A position that no event can have is refused."""
        with pytest.raises(ValueError, match=r"cannot go on from position .*; it must be a whole number, 0 or more"):
            MemorySource([]).seek(position)


@pytest.mark.parametrize("cls", FILE_SOURCES)
class TestFileSource:
    def message(self, source: FileSource, build: Build) -> str:
        """Open a source that cannot be opened."""
        with pytest.raises(ConfigError) as caught:
            source.open(build)
        source.close()
        return str(caught.value)

    def test_missing(self, cls: type[FileSource], tmp_path: Path) -> None:
        """A file that is not there is named with its whole path, seen from the pipeline file."""
        expected = f"there is no file {tmp_path}/events; correct path, which is relative to the pipeline file"
        assert expected == self.message(cls("data/../events"), Build(base_dir=tmp_path))

    def test_directory(self, cls: type[FileSource], tmp_path: Path) -> None:
        """A directory is told from a file."""
        expected = f"{tmp_path} is a directory; give the path of a file in it"
        assert expected == self.message(cls("."), Build(base_dir=tmp_path))

    @pytest.mark.parametrize("name", ["events", "events.gz"])
    def test_unreadable(self, cls: type[FileSource], tmp_path: Path, name: str) -> None:
        """A file that may not be read is named with the reason."""
        path = tmp_path / name
        path.touch(mode=0)
        with as_nobody():
            message = self.message(cls(name), Build(base_dir=tmp_path))
        assert f"'{path}' cannot be read: Permission denied; correct path or the file's permissions" == message

    def test_nul_in_path(self, cls: type[FileSource], tmp_path: Path) -> None:
        """A path that no file can have gives one line as well."""
        expected = f"'{tmp_path}/a\\x00b' cannot be read: embedded null byte; correct path or the file's permissions"
        assert expected == self.message(cls("a\0b"), Build(base_dir=tmp_path))

    @pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/urandom"])
    def test_device(self, cls: type[FileSource], path: str) -> None:
        """A device, which may never end, is refused, also where a link leads to it."""
        expected = f"{path} is a device, which may have no end; give the path of a file or of a pipe"
        assert expected == self.message(cls(path), Build())

    def test_link_to_a_device(self, cls: type[FileSource], tmp_path: Path) -> None:
        """A link is followed, and what it leads to is judged."""
        (tmp_path / "events").symlink_to("/dev/zero")
        assert "is a device" in self.message(cls("events"), Build(base_dir=tmp_path))

    def test_packed_pipe(self, cls: type[FileSource], tmp_path: Path) -> None:
        """A pipe cannot be unpacked, and is refused without waiting for anybody to write to it."""
        os.mkfifo(tmp_path / "pipe.gz")
        expected = f"{tmp_path}/pipe.gz is no file on a disk, so it cannot be unpacked; pipe in what zcat gives"
        assert expected == self.message(cls("pipe.gz"), Build(base_dir=tmp_path))

    def test_socket(self, cls: type[FileSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A socket is refused with the reason."""
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("events")
            assert "No such device or address" in self.message(cls("events"), Build(base_dir=tmp_path))

    def test_closed_standard_input(self, cls: type[FileSource], monkeypatch: pytest.MonkeyPatch) -> None:
        """A process without standard input is told so."""
        monkeypatch.setattr(sys, "stdin", None)
        expected = "standard input is closed; pipe the events in, or give the path of a file"
        assert expected == self.message(cls("-"), Build())

    def test_standard_input_cannot_seek(self, cls: type[FileSource]) -> None:
        """Going back in standard input is refused with what to do instead."""
        expected = "cannot go back in a pipe or in standard input; give it a file to read"
        with pytest.raises(NotImplementedError, match=expected):
            cls("-").seek(1)

    def test_counts(self, cls: type[FileSource], tmp_path: Path) -> None:
        """Blank lines are counted."""
        (tmp_path / "events").write_text("{}\n\n\n{}\n")
        source = cls("events")
        source.open(Build(base_dir=tmp_path))
        assert ({"skipped": 0}, 1 + (cls is JsonlSource)) == (source.counts(), len(list(source.records())))
        assert {"skipped": 2} == source.counts()
        source.close()

    def test_not_open(self, cls: type[FileSource]) -> None:
        """A source that is used before it is opened says so."""
        with pytest.raises(RuntimeError, match=r"is not open; call open\(build\) before anything else"):
            cls("events").identity()

    def test_close_twice(self, cls: type[FileSource], tmp_path: Path) -> None:
        """Closing lets go of the file, and closing again is harmless."""
        (tmp_path / "events").write_text("a\n")
        before = len(os.listdir("/proc/self/fd"))
        source = cls("events")
        source.open(Build(base_dir=tmp_path))
        source.close()
        source.close()
        assert before == len(os.listdir("/proc/self/fd"))

    def test_identity(self, cls: type[FileSource], tmp_path: Path) -> None:
        """The identity tells path and size, and changes with the content."""
        path = tmp_path / "events"
        identities = []
        for content in ("a\n1\n", "a\n2\n"):
            path.write_text(content)
            source = cls("events")
            source.open(Build(base_dir=tmp_path))
            identities.append(source.identity())
            source.close()
        assert [(str(path), 4), (str(path), 4)] == [(i["path"], i["size"]) for i in identities if i]
        assert identities[0] != identities[1]
