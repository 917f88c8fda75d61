"""Checks as tests: each is one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Unpack

import pytest

from mdm_core.testing.catalogue import CHECKS, checks_for
from mdm_core.testing.checks import Check, check_skips
from mdm_core.testing.running import outcome
from mdm_core.testing.subject import Checkable, Needs, Subject
from mdm_core.values import Event


def mdm_check(
    component: Checkable,
    *,
    options: Mapping[str, Any] | None = None,
    events: Iterable[Event] | None = None,
    skip: Mapping[str, str] | None = None,
    **needs: Unpack[Needs],
) -> Callable[[Check], None]:
    """Make a test of a component, once for each check::

        test_toxicity = mdm_check("moderation.toxicity", options={"threshold": 0.9}, events=EVENTS)

    Args:
        component: Its id ``plugin.component``, its class, the component itself, or a function that makes it.
        options: For an id or a class: its options, as in a pipeline file.
        events: What it is asked about; by default events with numbers, texts and something nested.
        skip: Id of a check to the reason why it is not made.
        needs: ``files`` (path to content), ``base_dir``, ``key``, ``timestamp``, ``context``, ``effects`` and
            ``limit_ms``; see ``Subject``.

    Returns:
        A test function; give it a name that begins with ``test``.

    Raises:
        UsageError: It is no component, cannot be made, or ``skip`` is wrong.
    """
    __tracebackhide__ = True
    subject = Subject.of(component, options, events, **needs)
    reasons = skip or {}
    check_skips(reasons, CHECKS)

    @pytest.mark.parametrize("check", [_parameter(check, reasons) for check in checks_for(subject.kind)])
    def test(check: Check) -> None:
        found = outcome(check, subject)
        if found.status == "failed":
            why = f"\n  Why it matters: {check.reason}"
            pytest.fail(f"{subject.name} fails {check.id!r}: {found.message}{why}", pytrace=False)
        if found.status == "inapplicable":
            pytest.skip(found.message)

    test.__doc__ = f"{subject.name} keeps the contract of a {subject.kind.name}."
    return test


def _parameter(check: Check, skip: Mapping[str, str]) -> Any:
    marks = [pytest.mark.skip(reason=f"{check.id}: {skip[check.id]}")] if check.id in skip else []
    return pytest.param(check, id=check.id, marks=marks)
