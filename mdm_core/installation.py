"""What the metadata of the installed distributions says: whose mdm-core it is, what is missing, what mdm cannot see."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from mdm_core._version import __version__

CORE = "mdm-core"
GROUPS = ("mdm", "mdm.commands")

_COMMAND = ("console_scripts", "mdm", "mdm_core.cli:main")
_PACKAGE = "mdm_core"
# A plugin's requirement of these is checked when it is selected, also where they have no metadata.
_CONTRACTS = frozenset({CORE, "decision-schema"})
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@attrs.frozen
class Distribution:
    """What is known of one distribution that is installed.

    Attributes:
        name: Its name, normalised.
        label: Name and version, as they are written.
        version: Its version.
        summary: What it says of itself.
        place: The directory on the import path.
        python: Which Python it needs, as a specifier.
        requires: What it requires.
        extras: The names of its extras.
        entries: Group, name and value of its entry points; None if they cannot be read.
        files: Finds out whether it holds a file.
    """

    name: str
    label: str
    version: str
    summary: str
    place: Path
    python: str
    requires: tuple[Requirement, ...]
    extras: tuple[str, ...]
    entries: tuple[tuple[str, str, str], ...] | None
    _raw: Any = attrs.field(repr=False, eq=False)

    @property
    def needs_core(self) -> bool:
        """Whether it requires mdm-core."""
        return any(canonicalize_name(r.name) == CORE for r in self.requires)

    @property
    def groups(self) -> set[str]:
        """The groups of its entry points."""
        return {group for group, _, _ in self.entries or ()}

    @property
    def python_problem(self) -> str | None:
        """Says that it needs another Python, if it does."""
        try:
            fits = SpecifierSet(self.python).contains(platform.python_version(), prereleases=True)
        except InvalidSpecifier:
            return None
        return None if fits else f"needs Python {self.python}, and this is {platform.python_version()}"

    def holds(self, file: str) -> bool:
        """Whether a file on the import path is its own."""
        return (self.place / file).exists() and any(str(path) == file for path in self._raw.files or ())

    def extra_with(self, module: str) -> str | None:
        """Find the extra that brings a module.

        Args:
            module: What could not be imported.
        """
        wanted = canonicalize_name(module.partition(".")[0])
        for extra in self.extras:
            for requirement in self.requires:
                name = canonicalize_name(requirement.name)
                if (name == wanted or name.endswith(f"-{wanted}")) and _is_of(requirement, extra):
                    return extra
        return None


class Installation:
    """The distributions on the import path, looked at once."""

    def __init__(self) -> None:
        self.everything = _scan()
        # A distribution that is on the path twice counts once: the first one wins, as for import.
        self.by_name = {d.name: d for d in reversed(self.everything)}

    def relevant(self) -> list[Distribution]:
        """mdm-core, and the distributions that need it or register something."""
        known = sorted(self.by_name.values(), key=lambda d: d.name)
        return [d for d in known if _COMMAND in (d.entries or ()) or d.needs_core or d.groups & set(GROUPS)]

    def foreign_core(self) -> Iterator[str]:
        """Say which distributions are in the place of mdm-core, or claim its package as well."""
        for found in self.everything:
            origin = f"{found.label} in {found.place} ({found.summary or 'no summary'})"
            if found.name != CORE:
                if found.holds(f"{_PACKAGE}/__init__.py"):
                    yield (
                        f"{origin} claims the package {_PACKAGE}, which is mdm-core's; uninstall it, and install "
                        f"mdm-core again"
                    )
            elif _COMMAND not in (found.entries or ()):
                yield (
                    f"{origin} is not mdm but another project of that name; uninstall it, and install mdm-core from "
                    f"its path or wheel"
                )
            elif found.version != __version__:
                yield f"{origin} is installed, but what runs is {__version__}; install mdm-core again"

    def unseen(self) -> Iterator[str]:
        """Say why mdm sees no plugin where its author meant one to be."""
        # What another one requires is a library that plugins share, and need not register anything.
        libraries = {canonicalize_name(r.name) for found in self.by_name.values() for r in found.requires}
        for found in self.by_name.values():
            yield from (f"{found.label}: {reason}" for reason in _reasons(found, found.name in libraries))

    def unmet(self, distribution: Distribution, extra: str = "") -> list[str]:
        """List what a distribution requires and what is not installed, or not in such a version.

        Args:
            distribution: The distribution.
            extra: Name of an extra; what the distribution requires anyway is not listed for it.
        """
        wanted = [r for r in distribution.requires if (_is_of(r, extra) if extra else _applies(r))]
        problems = (self._problem(r) for r in wanted if canonicalize_name(r.name) not in _CONTRACTS)
        return [problem for problem in problems if problem is not None]

    def _problem(self, requirement: Requirement) -> str | None:
        wanted = f"{requirement.name}{requirement.specifier}"
        found = self.by_name.get(canonicalize_name(requirement.name))
        if found is None:
            return f"{wanted} is not installed"
        fits = requirement.specifier.contains(found.version, prereleases=True)
        return None if fits else f"{wanted} is needed, not {found.version}"


def _scan() -> Sequence[Distribution]:
    import importlib_metadata  # costs 25 ms, and few commands need it

    return [found for raw in importlib_metadata.distributions() if (found := _read(raw)) is not None]


def _read(raw: Any) -> Distribution | None:
    try:
        metadata = raw.metadata
        name, version = str(metadata["Name"]), str(metadata["Version"])
    except Exception:  # the registry tells of a plugin without metadata
        return None
    return Distribution(
        canonicalize_name(name),
        f"{name} {version}",
        version,
        str(metadata.get("Summary") or ""),
        Path(str(raw.locate_file(""))),
        str(metadata.get("Requires-Python") or ""),
        tuple(_requirements(metadata.get_all("Requires-Dist") or ())),
        tuple(sorted(metadata.get_all("Provides-Extra") or ())),
        _entries(raw),
        raw,
    )


def _entries(raw: Any) -> tuple[tuple[str, str, str], ...] | None:
    try:
        return tuple((entry.group, entry.name, entry.value) for entry in raw.entry_points)
    except Exception:
        return None


def _requirements(lines: Sequence[str]) -> Iterator[Requirement]:
    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue


def _applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _is_of(requirement: Requirement, extra: str) -> bool:
    return _applies(requirement, extra) and not _applies(requirement)


def _reasons(found: Distribution, is_library: bool) -> Iterator[str]:
    if found.entries is None:
        yield "its entry points cannot be read; reinstall it"
        return
    misspelt = sorted(group for group in found.groups if _is_misspelt(group))
    for group in misspelt:
        yield (
            f"mdm does not look at the entry-point group {group!r}; plugins belong in [project.entry-points.mdm], "
            f'commands in [project.entry-points."mdm.commands"]'
        )
    for group, name, _ in found.entries:
        if group == "mdm" and not _NAME.fullmatch(name):
            yield f"no pipeline can name the plugin {name!r}; use letters, digits, '-' and '_' for its entry point"
    named_so = found.name.startswith("mdm-") and found.needs_core and not is_library
    if named_so and not found.groups & {*GROUPS, *misspelt}:
        yield (
            "registers nothing; name its light module in [project.entry-points.mdm] and install it again, for entry "
            "points are read from what is installed and not from pyproject.toml"
        )


def _is_misspelt(group: str) -> bool:
    return group not in GROUPS and re.split(r"[._-]", group.lower())[0] in ("mdm", "mdmplugins", "mdmcommands")
