"""What a check is: an id, a reason, the kinds of components that it is for, and the code that finds out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import attrs

from mdm_core.errors import UsageError
from mdm_core.kinds import BY_SECTION, Kind
from mdm_core.wording import did_you_mean

if TYPE_CHECKING:
    from mdm_core.testing.case import Case

Look: TypeAlias = "Callable[[Case], None]"

ALL = tuple(BY_SECTION)
DECIDING = ("features", "model", "modulators")


class Broken(AssertionError):
    """A component does not keep its contract; the message says how."""


class Inapplicable(Exception):
    """A check has nothing to look at in this component; the message says why."""


@attrs.frozen
class Check:
    """One check.

    Attributes:
        id: What it is called, in reports and in ``skip``.
        reason: Why it matters, in one sentence.
        sections: The kinds of components that it is for, by their section in a pipeline file.
        look: Raises ``Broken`` or ``Inapplicable``, or finds nothing.
    """

    id: str
    reason: str
    sections: tuple[str, ...]
    look: Look = attrs.field(repr=False)

    def concerns(self, kind: Kind) -> bool:
        """Whether it is for a kind of components."""
        return kind.section in self.sections


_known: dict[str, Check] = {}


def check(name: str, reason: str, *sections: str) -> Callable[[Look], Look]:
    """Make a function a check.

    Args:
        name: The id.
        reason: Why it matters, in one sentence.
        sections: The kinds that it is for; none means all.
    """

    def register(look: Look) -> Look:
        assert name not in _known, name
        _known[name] = Check(name, reason, sections or ALL, look)
        return look

    return register


def known() -> Mapping[str, Check]:
    """All checks that were defined so far, by id."""
    return _known


def check_skips(skip: Mapping[str, str], ids: Mapping[str, Check]) -> None:
    """Make sure that what is skipped exists and that somebody wrote down why.

    Args:
        skip: Id to reason.
        ids: The checks that there are.

    Raises:
        UsageError: An id is unknown, or a reason is empty.
    """
    for name, reason in skip.items():
        if name not in ids:
            raise UsageError(
                f"skip: there is no check {name!r}{did_you_mean(name, ids)}; docs/TESTING.md lists them all"
            )
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(f"skip: {name!r} has no reason; write down in a sentence why the check may be skipped")
