"""Finding plugins and their components: what is imported when, and what breaks nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mdm_core import PluginError, ProposalModel
from mdm_core.kinds import BY_SECTION, KINDS, kind_of
from mdm_core.plugins import Registered, Registry
from mdm_core.scanning import Plugin, installed

Install = Callable[..., Path]

MODEL = BY_SECTION["model"]
LIGHT = """\
from mdm_core import hookimpl

@hookimpl
def mdm_register_proposal_models(register):
    register("model", "{module}:Model")
"""


class TestScan:
    """What is installed."""

    def test_without_importing(self, install: Install) -> None:
        """Names, distributions, versions and requirements are known of plugins that cannot even be imported."""
        install("b", {"b_plugin": "1 / 0"}, version="2.0", requires=["mdm-core>=1,<2", "numpy"])
        install("a", {"a_plugin": "1 / 0"}, distribution="Other_Name", requires=[])
        found = installed("mdm")
        assert sorted(found) == ["a", "b"]
        assert found["b"] == [Plugin("b", "mdm-b", "2.0", ("mdm-core>=1,<2", "numpy"))]
        assert [str(plugin) for plugin in found["a"]] == ["Other_Name 1.0.0"]
        assert {"a_plugin", "b_plugin"}.isdisjoint(sys.modules)

    def test_other_groups(self, install: Install) -> None:
        """Entry points of other groups are no plugins."""
        install("a", {"a_plugin": ""}, group="mdm.commands")
        assert installed("mdm") == {}
        assert list(installed("mdm.commands")) == ["a"]

    def test_same_distribution_twice(self, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A distribution that is on the path twice counts once; the first one wins, as for an import."""
        directory = install("a", {"a_plugin": ""}, version="2.0")
        copy = shutil.copytree(directory, tmp_path / "copy")
        (copy / "mdm_a-2.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: Mdm_A\nVersion: 1.0\n")
        monkeypatch.setattr(sys, "path", [*sys.path, str(copy)])
        assert [str(plugin) for plugin in installed("mdm")["a"]] == ["mdm-a 2.0"]

    @pytest.mark.parametrize("content", [b"[mdm]\nworse = \xff\n", b"[mdm]\nno entry point\n"])
    def test_broken_entry_points(self, install: Install, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
        """A distribution whose entry points cannot be read hides no other, and is told in the log."""
        directory = install("a", {"a_plugin": ""})
        shutil.copytree(directory / "mdm_a-1.0.0.dist-info", directory / "worse-1.0.0.dist-info")
        (directory / "worse-1.0.0.dist-info" / "entry_points.txt").write_bytes(content)
        assert list(installed("mdm")) == ["a"]
        [message] = [record.getMessage() for record in caplog.records if record.name == "mdm.plugins"]
        assert message.startswith("entry points that cannot be read are left out: ")

    def test_without_metadata(self, install: Install) -> None:
        """A distribution without metadata is listed as what it is."""
        directory = install("a", {"a_plugin": ""})
        (directory / "mdm_a-1.0.0.dist-info" / "METADATA").unlink()
        assert [str(plugin) for plugin in installed("mdm")["a"]] == ["a distribution without metadata (reinstall it)"]


class TestRegistry:
    """Components by name."""

    def test_only_what_is_named_is_imported(self, install: Install) -> None:
        """The plugin before the dot is imported, its component when it is loaded, and no other plugin."""
        install("a", {"a_plugin": LIGHT.format(module="a_model"), "a_model": _model("Model")})
        install("b", {"b_plugin": "1 / 0"})
        registered = Registry().find("a.model", MODEL)
        assert ("a_plugin" in sys.modules, "a_model" in sys.modules) == (True, False)
        cls = registered.load()
        assert issubclass(cls, ProposalModel)
        assert (cls.__name__, cls.__module__) == ("Model", "a_model")
        assert "b_plugin" not in sys.modules

    def test_imported_once(self, install: Install) -> None:
        """A plugin is imported once however often it is asked for, and a registry is scanned once."""
        install("a", {"a_plugin": LIGHT.format(module="a_model")})
        registry = Registry()
        assert registry.components("a") is registry.components("a")
        assert registry.installed is registry.installed

    def test_components(self, toy: Path) -> None:
        """All components of a plugin are told with their kinds and where they come from."""
        assert toy.is_dir()
        components = Registry().components("toy")
        assert {c.kind for c in components.values()} == set(KINDS)
        assert components["model:threshold"] == Registered(
            "toy.threshold", MODEL, Plugin("toy", "mdm-toy", "1.0.0", ("mdm-core>=1,<2",)), "toy_components:Threshold"
        )

    def test_one_name_for_two_kinds(self, install: Install) -> None:
        """A source and a broker of one plugin may have the same name."""
        source = "".join(
            f"@hookimpl\ndef {hook}(register): register('file', 'toy:{cls}')\n"
            for hook, cls in [("mdm_register_data_sources", "Source"), ("mdm_register_brokers", "Broker")]
        )
        install("a", {"a_plugin": f"from mdm_core import hookimpl\n{source}"})
        targets = [Registry().find("a.file", BY_SECTION[section]).target for section in ("source", "broker")]
        assert targets == ["toy:Source", "toy:Broker"]

    def test_a_component_of_another_distribution(self, install: Install) -> None:
        """A plugin may register a class that another package has."""
        install("a", {"a_plugin": LIGHT.format(module="elsewhere"), "elsewhere": _model("Model")})
        assert Registry().find("a.model", MODEL).load().__module__ == "elsewhere"

    def test_blocked(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        """A blocked plugin is not imported; the variable is read when a registry is made."""
        install("a", {"a_plugin": LIGHT.format(module="a_model")})
        monkeypatch.setenv("MDM_BLOCK_PLUGINS", " b ,a,")
        blocked = Registry()
        monkeypatch.delenv("MDM_BLOCK_PLUGINS")
        assert blocked.blocked == {"a", "b"}
        with pytest.raises(PluginError, match="is blocked by MDM_BLOCK_PLUGINS"):
            blocked.components("a")
        assert "a_plugin" not in sys.modules
        assert list(Registry().components("a")) == ["model:model"]
        assert Registry(blocked=["x"]).blocked == {"x"}

    def test_block_ends_a_clash(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        """Blocking is told before all else, so that the way out of it is never hidden."""
        install("a", {"a_plugin": "1 / 0"})
        install("a", {"other": "1 / 0"}, distribution="other")
        monkeypatch.setenv("MDM_BLOCK_PLUGINS", "a")
        with pytest.raises(PluginError, match="is blocked by"):
            Registry().components("a")

    @pytest.mark.parametrize(
        "requires",
        [
            [],
            ["mdm-core"],
            ["mdm-core>=1,<2", "decision-schema<0.3,>=0.1"],
            ["mdm-core>=1.0.0rc1"],
            ["mdm-core>=9; extra == 'future'"],
            ["mdm-core>=9; python_version < '3'"],
            ["this is no requirement", "numpy>=99"],
        ],
    )
    def test_requirements_that_are_met(self, install: Install, requires: list[str]) -> None:
        """Requirements that do not apply, that are met, or that concern others do not refuse a plugin."""
        install("a", {"a_plugin": LIGHT.format(module="a_model")}, requires=requires)
        assert list(Registry().components("a")) == ["model:model"]

    def test_uninstalled(self, install: Install) -> None:
        """A plugin that is gone is unknown to the next registry."""
        directory = install("a", {"a_plugin": LIGHT.format(module="a_model")})
        assert list(Registry().installed) == ["a"]
        shutil.rmtree(directory / "mdm_a-1.0.0.dist-info")
        with pytest.raises(PluginError, match=r"^no plugin 'a' is installed; installed: none"):
            Registry().find("a.model", MODEL)


class TestKinds:
    """The kinds of components."""

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
    def test_kind_of(self, kind: object) -> None:
        """A contract and its subclasses are of their kind."""
        assert kind in KINDS
        for known in KINDS:
            if known is kind:
                assert kind_of(known.contract) is kind
                assert kind_of(type("Sub", (known.contract,), {})) is kind

    def test_no_component(self) -> None:
        """Anything else is of no kind."""
        with pytest.raises(KeyError):
            kind_of(int)


def _model(name: str) -> str:
    return f"from mdm_core import ProposalModel\nclass {name}(ProposalModel):\n    def propose(self, f, c): ...\n"
