"""The checks catch what they are for: components that are broken on purpose, and leave sound ones alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from gallery import GALLERY, Exhibit
from sound import SOUND

from mdm_core import UsageError
from mdm_core.testing import Subject, check_component
from mdm_core.testing.catalogue import CHECKS

Install = Callable[..., Path]

PLUGIN = """\
import heavy_library
from mdm_core import ProposalModel, hookimpl


class Model(ProposalModel):
    \"\"\"Uses a heavy library.\"\"\"

    def propose(self, features, context):
        return heavy_library.propose()


@hookimpl
def mdm_register_proposal_models(register):
    register("model", Model)
"""


def failed(subject: Subject) -> dict[str, str]:
    return {found.id: found.message for found in check_component(subject) if found.status == "failed"}


class TestGallery:
    @pytest.mark.parametrize("exhibit", GALLERY, ids=str)
    def test_is_caught_by_its_own_check(self, exhibit: Exhibit) -> None:
        """A broken component fails the check that is meant for it, and no other without a reason."""
        found = failed(Subject.of(exhibit.cls, exhibit.options, **exhibit.rest))
        assert {exhibit.check, *exhibit.also} == set(found), found

    def test_every_check_has_an_exhibit(self) -> None:
        """No check is without a component that it catches; that of the imports needs an installed plugin."""
        assert set(CHECKS) - {"light-import"} == {exhibit.check for exhibit in GALLERY}

    def test_companions_are_explained(self) -> None:
        """Where another check catches a component as well, it is written down why."""
        assert all(why.strip() for exhibit in GALLERY for why in exhibit.also.values())

    def test_a_plugin_that_imports_something_heavy(self, install: Install) -> None:
        """What a plugin's module brings along is found by its id, in a process of its own."""
        install("heavy", {"heavy_plugin": PLUGIN, "heavy_library": "def propose(): return None"})
        found = failed(Subject.of("heavy.model"))["light-import"]
        assert "heavy_plugin imports heavy_library" in found


class TestSound:
    @pytest.mark.parametrize(("component", "rest"), SOUND, ids=lambda v: getattr(v, "__name__", type(v).__name__))
    def test_fails_nothing(self, component: Any, rest: Mapping[str, Any]) -> None:
        """A component that keeps its contract fails no check."""
        assert {} == failed(Subject.of(component, **rest))


class TestReasons:
    @pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.id)
    def test_is_one_sentence(self, check: Any) -> None:
        """Every check says in a sentence why it matters."""
        assert check.reason[0].isupper() or check.reason.startswith(("propose", "`"))
        assert check.reason.endswith(".")


class TestSkipping:
    def test_needs_a_reason(self) -> None:
        """A check is not skipped without a reason in writing."""
        cls, rest = SOUND[2]
        with pytest.raises(UsageError, match="'counts' has no reason; write down in a sentence why"):
            check_component(Subject.of(cls, **rest), skip={"counts": " "})

    def test_needs_a_check(self) -> None:
        """A check that does not exist cannot be skipped; the one that was meant is named."""
        cls, rest = SOUND[2]
        with pytest.raises(UsageError, match="there is no check 'count' \\(did you mean 'counts'\\?\\)"):
            check_component(Subject.of(cls, **rest), skip={"count": "it counts nothing"})

    def test_is_told_with_its_reason(self) -> None:
        """What was skipped is told with the reason, and not made."""
        cls, rest = SOUND[2]
        outcomes = {o.id: o for o in check_component(Subject.of(cls, **rest), skip={"counts": "it counts nothing"})}
        assert ("skipped", "it counts nothing") == (outcomes["counts"].status, outcomes["counts"].message)
