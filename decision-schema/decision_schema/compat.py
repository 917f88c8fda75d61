"""Whether a version of the contract can be worked with."""

from __future__ import annotations

import re
from typing import Final

from decision_schema.version import __version__

_NUMBERS: Final = r"([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?"
# What PEP 440 and Semantic Versioning let follow: `rc1`, `.dev0`, `-rc.1`, `+local`.
_SUFFIX: Final = r"(?:[-+]\w[-+.\w]*|[._]?[a-zA-Z][-+.\w]*)?"
_VERSION: Final = re.compile(_NUMBERS + _SUFFIX, re.ASCII)


def get_current_version() -> str:
    """Give the version of the contract that is installed.

    Returns:
        The version, such as `0.1.3`.
    """
    return __version__


def parse_version(version: str) -> tuple[int, int, int]:
    """Read the numbers of a version.

    Args:
        version: such as `0.2.0`, `1.4` or `0.2.0rc1`; what follows the numbers is left out, a number that is
            missing is 0.

    Returns:
        Major, minor and patch.

    Raises:
        ValueError: `version` is no version.
    """
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise ValueError(f"not a version: {version!r}; expected numbers such as '0.2.0'")
    major, minor, patch = match.groups(default="0")
    return int(major), int(minor), int(patch)


def is_compatible(
    version: str, expected_major: int, min_minor: int | None = None, max_minor: int | None = None
) -> bool:
    """Say whether a version keeps the promises that are expected.

    Before 1.0 a minor version may break them, so the range of minors counts; from 1.0 on only the major does.

    Args:
        version: the version to judge.
        expected_major: the major that it must have.
        min_minor: the lowest minor that will do, for major 0; None for no limit.
        max_minor: the highest minor that will do, for major 0; None for no limit.

    Returns:
        Whether it is compatible; False if it is no version.
    """
    try:
        major, minor, _ = parse_version(version)
    except ValueError:
        return False
    if major != expected_major:
        return False
    if major > 0:
        return True
    return (min_minor is None or min_minor <= minor) and (max_minor is None or minor <= max_minor)
