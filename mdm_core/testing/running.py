"""Making checks, and telling what came of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import attrs

from mdm_core.alarm import TimeIsUp, call_within
from mdm_core.testing.case import Case
from mdm_core.testing.catalogue import CHECKS, checks_for
from mdm_core.testing.checks import Broken, Check, Inapplicable, check_skips
from mdm_core.testing.for_every import cost_us
from mdm_core.testing.subject import Subject
from mdm_core.wording import one_line

_MEMORY: Final = "/dev/shm"
LONGEST_S: Final = 60.0
"""After this a check is broken off."""


@attrs.frozen
class Outcome:
    """What came of one check.

    Attributes:
        id: The check.
        status: ``passed``, ``failed``, ``skipped`` (somebody wrote down why) or ``inapplicable`` (nothing to look at).
        message: What is wrong, or why it was not looked at.
    """

    id: str
    status: Literal["passed", "failed", "skipped", "inapplicable"]
    message: str = ""


def look(check: Check, subject: Subject) -> None:
    """Make one check.

    Args:
        check: The check.
        subject: The component.

    Raises:
        Broken: The component does not keep its contract.
        Inapplicable: The check has nothing to look at.
    """
    with _directory() as directory:
        try:
            call_within(LONGEST_S, _look, check, subject, Path(directory))
        except TimeIsUp:
            raise Broken(f"nothing came of it within {LONGEST_S:.0f} s; it hangs, or waits for something") from None


def _directory() -> TemporaryDirectory[str]:
    """A directory in memory where that is possible: a thousand checks make thousands of files."""
    return TemporaryDirectory(prefix="mdm-check-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)


def _look(check: Check, subject: Subject, directory: Path) -> None:
    try:
        check.look(Case(subject, directory))
    except (Broken, Inapplicable):
        raise
    except Exception as error:
        raise Broken(one_line(error)) from error


def outcome(check: Check, subject: Subject) -> Outcome:
    """Make one check, and say what came of it."""
    try:
        look(check, subject)
    except Broken as broken:
        return Outcome(check.id, "failed", "; ".join(str(broken).splitlines()))
    except Inapplicable as reason:
        return Outcome(check.id, "inapplicable", str(reason))
    return Outcome(check.id, "passed")


def check_component(subject: Subject, skip: Mapping[str, str] | None = None) -> list[Outcome]:
    """Make all checks of a component.

    Args:
        subject: The component.
        skip: Id of a check to the reason why it is not made.

    Returns:
        One outcome per check.

    Raises:
        UsageError: ``skip`` names a check that there is not, or gives no reason.
    """
    skip = skip or {}
    check_skips(skip, CHECKS)
    return [
        Outcome(check.id, "skipped", skip[check.id]) if check.id in skip else outcome(check, subject)
        for check in checks_for(subject.kind)
    ]


def measure_us(subject: Subject) -> float | None:
    """What a call of the component costs, by the median, in microseconds; None if that cannot be measured."""
    with _directory() as directory:
        try:
            return cost_us(Case(subject, Path(directory)))
        except (Broken, Inapplicable):
            return None
