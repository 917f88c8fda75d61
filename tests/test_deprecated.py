"""How something goes away: a warning, then an error, then it is gone; and plugins that come too early."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from mdm_core import PluginError, _deprecated
from mdm_core._deprecated import DEPRECATIONS, Deprecation, MdmDeprecationWarning
from mdm_core.diagnosis import diagnose
from mdm_core.kinds import BY_SECTION
from mdm_core.plugins import Registry

Install = Callable[..., Path]
CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]

HOOK = Deprecation("mdm_register_brokers", "register brokers elsewhere", "1.2", "1.5", "2")
METHOD = Deprecation("Observer.on_decision", "override on_step", "1.2", "1.5", "2")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, toy: Path) -> Callable[..., Registry]:
    """A registry of a later version of mdm-core, in which something is going away."""
    assert toy.is_dir()

    def make(version: str, *going_away: Deprecation) -> Registry:
        monkeypatch.setattr(_deprecated, "__version__", version)
        monkeypatch.setattr(_deprecated, "DEPRECATIONS", going_away)
        return Registry()

    return make


class TestStages:
    """From warning to error."""

    def test_a_hook_is_warned_of(self, at: Callable[..., Registry]) -> None:
        """A plugin that implements it works, and its author is told what to do."""
        with pytest.warns(MdmDeprecationWarning) as told:
            components = at("1.2.0", HOOK).components("toy")
        assert "broker:done" in components
        assert [
            "plugin 'toy' (mdm-toy 1.0.0) uses mdm_register_brokers, which is deprecated since mdm-core 1.2 and gone "
            "in 2: register brokers elsewhere"
        ] == [str(warning.message) for warning in told]

    def test_a_hook_is_refused(self, at: Callable[..., Registry]) -> None:
        """In the last release before it is gone, the plugin is refused with the same words."""
        with pytest.raises(PluginError, match=r"gone in 2: register brokers elsewhere; upgrade the plugin, or tell"):
            at("1.5.0", HOOK).components("toy")

    def test_a_method_is_warned_of(self, at: Callable[..., Registry]) -> None:
        """A component that overrides it works, and its author is told."""
        component = at("1.4.9", METHOD).find("toy.counter", BY_SECTION["observers"])
        with pytest.warns(
            MdmDeprecationWarning, match=r"component 'toy\.counter' \(mdm-toy 1\.0\.0\) uses Observer\.on_d"
        ):
            assert "Counter" == component.load().__name__

    def test_a_method_is_refused(self, at: Callable[..., Registry]) -> None:
        """And refused in the end."""
        with pytest.raises(PluginError, match="override on_step; upgrade the plugin"):
            at("1.9", METHOD).find("toy.counter", BY_SECTION["observers"]).load()

    def test_who_does_not_use_it(self, at: Callable[..., Registry]) -> None:
        """Components that inherit the method, or are of another kind, hear nothing."""
        registry = at("1.9", METHOD, attrs.evolve(HOOK, subject="mdm_register_nothing"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "Vip" == registry.find("toy.vip", BY_SECTION["modulators"]).load().__name__

    def test_doctor_tells(self, at: Callable[..., Registry]) -> None:
        """Whoever runs the plugin learns of it before it is refused."""
        at("1.2.0", HOOK, METHOD)
        notes = [f.text for f in diagnose(None, Path("runs")) if (f.part, f.state) == ("plugin toy", "note")]
        assert ["mdm_register_brokers", "Observer.on_decision"] == [n.split(" uses ")[1].split(",")[0] for n in notes]


class TestRules:
    """What a deprecation must keep to."""

    @pytest.mark.parametrize("deprecation", [HOOK, METHOD, *DEPRECATIONS], ids=lambda d: d.subject)
    def test_are_kept(self, deprecation: Deprecation) -> None:
        """All that stand in the module keep to them."""
        assert [] == list(deprecation.problems())

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"error_in": "1.2"}, "in three releases"),
            ({"error_in": "2"}, "in three releases"),
            ({"removed_in": "1.8"}, "in the next major release"),
            ({"removed_in": "3"}, "in the next major release"),
            ({"since": "0.2", "error_in": "0.3", "removed_in": "1"}, "it is gone by now"),
            ({"subject": "Broker.walk"}, "there is no Broker.walk"),
            ({"subject": "mdm_register_walks"}, "there is no mdm_register_walks"),
        ],
    )
    def test_are_found_when_broken(self, change: dict[str, str], problem: str) -> None:
        """Each rule refuses what breaks it."""
        assert any(problem in found for found in attrs.evolve(HOOK, **change).problems())


class TestTooEarly:
    """A plugin that was written for a later mdm-core is told at start-up, whatever it was installed by."""

    @pytest.mark.parametrize(
        ("requires", "hook", "told"),
        [
            ("mdm-core>=1.7,<2", "mdm_register_brokers(register)", "needs mdm-core<2,>=1.7, but this is mdm-core"),
            ("decision-schema>=0.4", "mdm_register_brokers(register)", "needs decision-schema>=0.4, but this is"),
            ("mdm-core>=1,<2", "mdm_register_oracles(register)", "does not fit mdm-core"),
            ("mdm-core>=1,<2", "mdm_register_brokers(register, context)", "does not fit mdm-core"),
        ],
        ids=["core", "contract", "hook", "argument"],
    )
    def test_is_told(
        self,
        install: Install,
        mdm: CommandLine,
        write_pipeline: Callable[[str], Path],
        requires: str,
        hook: str,
        told: str,
    ) -> None:
        """`mdm check` refuses the pipeline in one line that names both."""
        source = f"from mdm_core import hookimpl\n\n\n@hookimpl\ndef {hook}:\n    ...\n"
        install("later", {"later_plugin": source}, requires=[requires])
        ended = mdm("check", write_pipeline('[broker]\nuse = "later.broker"\n'))
        assert 2 == ended.returncode
        assert [True] == [
            told in line for line in ended.stderr.splitlines() if "plugin 'later' (mdm-later 1.0.0)" in line
        ]
