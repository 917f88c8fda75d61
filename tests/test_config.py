"""Reading a pipeline file and what is set on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mdm_core import ConfigError
from mdm_core.config import Config, PipelineOptions, Place, load_config

WritePipeline = Callable[[str], Path]

TEXT = """\
[pipeline]
key = "who"

[features]
use = "toy.fields"

[model]
use = "toy.wrapper"
weights = { a = 1, "b.c" = 2 }
[model.model]
use = "toy.threshold"

[[modulators]]
use = "toy.vip"
keys = ["k1"]
[[modulators]]
use = "toy.vip"
keys = ["k2"]
"""


class TestLoadConfig:
    """Documents, tables and their places."""

    def test_sections_are_tables(self, write_pipeline: WritePipeline) -> None:
        """A section gives one table or several, in their order, and none if it is not there."""
        config = load_config(write_pipeline(TEXT))
        assert [t.values for t in config.tables("features")] == [{"use": "toy.fields"}]
        assert [t.values["keys"] for t in config.tables("modulators")] == [["k1"], ["k2"]]
        assert config.tables("trace") == []
        assert config.table("trace") is None
        assert list(config.problems()) == []

    def test_places(self, write_pipeline: WritePipeline) -> None:
        """A table's place and those inside it are told with their lines, what is not in the file without."""
        path = write_pipeline(TEXT)
        second = load_config(path).tables("modulators")[1].place
        assert str(second) == f"{path}:16 [[modulators]] #2"
        assert str(second.child("keys")) == f"{path}:18 [[modulators]] #2 keys"
        assert str(second.child("keys", 0)) == f"{path}:18 [[modulators]] #2 keys #1"
        assert str(second.child("nothing")) == f"{path} [[modulators]] #2 nothing"

    def test_every_key_of_a_place_can_be_read(self) -> None:
        """Keys that need quotes have them, items are counted from 1."""
        assert str(Place("p.toml", ("model", "weights", "a.b", 0, "x y"))) == 'p.toml [model] weights."a.b" #1 "x y"'

    def test_section_that_is_no_table(self, write_pipeline: WritePipeline) -> None:
        """A section of the wrong form counts as no table and is a problem."""
        config = load_config(write_pipeline('source = "x"\n[[model]]\n[[trace]]\n'))
        assert [config.tables(name) for name in ("source", "model")] == [[], []]
        assert len(config.tables("trace")) == 1
        assert len(list(config.problems())) == 2

    def test_windows_line_ends(self, tmp_path: Path) -> None:
        """A file written on Windows is read the same, lines included."""
        path = tmp_path / "windows.toml"
        path.write_bytes(TEXT.replace("\n", "\r\n").encode())
        config = load_config(path)
        assert config.document == load_config(_written(tmp_path / "unix.toml", TEXT)).document
        assert str(config.tables("modulators")[1].place) == f"{path}:16 [[modulators]] #2"


class TestOverrides:
    """`--set`."""

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("0.7", 0.7),
            ("7", 7),
            ("true", True),
            ('"7"', "7"),
            ("'a=b'", "a=b"),
            ("[1, 2]", [1, 2]),
            ('{ a = 1, b = { c = "x" } }', {"a": 1, "b": {"c": "x"}}),
            ("2013-01-01", date(2013, 1, 1)),
            ("0.7 # so it is", 0.7),
        ],
    )
    def test_values_are_toml(self, write_pipeline: WritePipeline, value: str, expected: object) -> None:
        """A value is of the type that TOML gives it."""
        config = load_config(write_pipeline(TEXT), [f"model.threshold={value}"])
        assert config.document["model"]["threshold"] == expected
        assert type(config.document["model"]["threshold"]) is type(expected)

    @pytest.mark.parametrize(
        ("name", "read"),
        [
            ("model.use", lambda d: d["model"]["use"]),
            ("model.model.use", lambda d: d["model"]["model"]["use"]),
            (" model . new ", lambda d: d["model"]["new"]),
            ('model.weights."b.c"', lambda d: d["model"]["weights"]["b.c"]),
            ("model.weights.b.c", lambda d: d["model"]["weights"]["b"]["c"]),
            ("modulators.2.use", lambda d: d["modulators"][1]["use"]),
            ("modulators.1.keys.1", lambda d: d["modulators"][0]["keys"][0]),
            ("broker.use", lambda d: d["broker"]["use"]),
        ],
    )
    def test_names(self, write_pipeline: WritePipeline, name: str, read: Callable[[Any], object]) -> None:
        """A name reaches nested tables, quoted keys and items counted from 1; tables that lack are made."""
        config = load_config(write_pipeline(TEXT), [f"{name}='set'"])
        assert read(config.document) == "set"

    def test_only_what_is_named_is_changed(self, write_pipeline: WritePipeline) -> None:
        """The rest of the document stays what it was, its places included."""
        path = write_pipeline(TEXT)
        config, before = load_config(path, ["modulators.1.keys=[]"]), load_config(path)
        assert [t.values["keys"] for t in config.tables("modulators")] == [[], ["k2"]]
        assert config.document["model"] == before.document["model"]
        changed = {place for place in before.origins if before.origins[place] != config.origins.get(place)}
        assert changed == {("modulators", 0, "keys"), ("modulators", 0, "keys", 0)}

    def test_the_last_wins(self, write_pipeline: WritePipeline) -> None:
        """Overrides are applied in their order."""
        overrides = ["model.model={ use = 'a.b', x = 1 }", "model.model.x=2"]
        assert load_config(write_pipeline(TEXT), overrides).document["model"]["model"] == {"use": "a.b", "x": 2}

    def test_places(self, write_pipeline: WritePipeline) -> None:
        """What an override sets is told as set, and what it replaces leaves no line behind."""
        config = load_config(write_pipeline(TEXT), ["model.model={ x = [{ y = 1 }] }", "broker.use='a.b'"])
        place = _place(config, "model")
        assert str(place.child("model", "x", 0, "y")) == "--set [model] model.x #1 y"
        assert str(place.child("model", "use")) == f"{config.path} [model] model.use"
        assert str(_place(config, "broker")) == "--set [broker]"

    def test_no_value_in_a_message(self, write_pipeline: WritePipeline) -> None:
        """The value of an override that is refused is not repeated, for it may be a secret."""
        for override in ("model.x=s3cret", "model=s3cret", "model.use.x='s3cret'", "modulators.7.x='s3cret'"):
            with pytest.raises(ConfigError) as refused:
                load_config(write_pipeline(TEXT), [override])
            assert "s3cret" not in str(refused.value)


class TestPipelineOptions:
    """The options of [pipeline] in Python."""

    def test_defaults(self) -> None:
        """Without any option, events have no key, no time and no id, and nothing is drawn at random twice."""
        assert PipelineOptions() == PipelineOptions(None, None, "ms", None, None, "event", 0, None)

    @pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
    def test_paths(self, path: str) -> None:
        """A dotted path has no empty part."""
        with pytest.raises(ConfigError, match=r"^PipelineOptions\.key: must be a dotted path such as 'user\.id', got"):
            PipelineOptions(key=path)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _place(config: Config, section: str) -> Place:
    table = config.table(section)
    assert table is not None
    return table.place
