from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from typing import Any

import pytest

import decision_schema
from decision_schema import get_current_version, is_compatible, parse_version

NO_VERSIONS: list[Any] = [
    "",
    "x",
    "rc1",
    ".1",
    "1.",
    "1.2.",
    "1..2",
    "1.2.3.4",
    "-1.2.3",
    "v1.2.3",
    " 1.2.3",
    "1.2.3\n",
    "1.2.3 ",
    "1.2.3-",
    "1.2.3rc 1",
    "\u0661.2.3",
    "1.2.3+\u00e9",
    None,
    1.2,
    (0, 1, 3),
]


class TestGetCurrentVersion:
    def test_one_version(self) -> None:
        """The version in the code is the version of the installed distribution."""
        assert installed_version("decision-schema") == get_current_version()
        assert get_current_version() == decision_schema.__version__


class TestParseVersion:
    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            ("0.1.3", (0, 1, 3)),
            ("10.20.30", (10, 20, 30)),
            ("1.4", (1, 4, 0)),
            ("2", (2, 0, 0)),
            ("0.2.0rc1", (0, 2, 0)),
            ("0.2.0-rc.1", (0, 2, 0)),
            ("0.2.0.dev3", (0, 2, 0)),
            ("0.2.0.post1", (0, 2, 0)),
            ("0.2a1", (0, 2, 0)),
            ("1.2.3+local.7", (1, 2, 3)),
            ("1.2.3rc1+local-7", (1, 2, 3)),
        ],
    )
    def test_numbers(self, version: str, expected: tuple[int, int, int]) -> None:
        """It gives major, minor and patch, leaves out what follows them, and takes a missing one for 0."""
        assert expected == parse_version(version)

    @pytest.mark.parametrize("version", NO_VERSIONS)
    def test_no_version(self, version: Any) -> None:
        """What is no version is refused, and the error names it."""
        with pytest.raises(ValueError, match=re.escape(f"not a version: {version!r}; expected numbers")):
            parse_version(version)


class TestIsCompatible:
    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            ("0.0.9", False),
            ("0.1.0", True),
            ("0.1.99", True),
            ("0.2.0rc1", True),
            ("0.2.7", True),
            ("0.3.0", False),
            ("0.10.0", False),
            ("1.1.0", False),
        ],
    )
    def test_before_one(self, version: str, expected: bool) -> None:
        """Before 1.0 the minor must be in the range, both ends included."""
        assert expected is is_compatible(version, 0, min_minor=1, max_minor=2)

    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ({}, [True, True, True]),
            ({"min_minor": 2}, [False, True, True]),
            ({"max_minor": 2}, [True, True, False]),
            ({"max_minor": 0}, [False, False, False]),
        ],
    )
    def test_open_ends(self, limits: dict[str, int], expected: list[bool]) -> None:
        """A limit that is not given does not limit, and 0 is a limit."""
        assert expected == [is_compatible(version, 0, **limits) for version in ("0.1.0", "0.2.0", "0.3.0")]

    @pytest.mark.parametrize(("version", "expected"), [("1.0.0", True), ("1.9.0", True), ("2.2.0", False)])
    def test_from_one(self, version: str, expected: bool) -> None:
        """From 1.0 on the major must be equal and the minor is not asked for."""
        assert expected is is_compatible(version, 1, min_minor=2, max_minor=3)

    @pytest.mark.parametrize("version", NO_VERSIONS)
    def test_no_version(self, version: Any) -> None:
        """What is no version is not compatible, and nothing is raised."""
        assert is_compatible(version, 0) is False
        assert is_compatible(version, 1) is False
