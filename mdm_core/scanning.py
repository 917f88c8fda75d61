"""Finding what is installed by its entry points, without importing any of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from mdm_core.log import get_logger

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

_log = get_logger("plugins")


@attrs.frozen
class Plugin:
    """An installed plugin or command, not yet imported.

    Attributes:
        name: The entry point's name.
        distribution: The distribution that installed it.
        version: That distribution's version.
        requires: Its ``Requires-Dist`` lines.
        entry_point: What it is loaded from.
    """

    name: str
    distribution: str
    version: str
    requires: tuple[str, ...] = ()
    entry_point: EntryPoint | None = attrs.field(default=None, repr=False, eq=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


def installed(group: str) -> dict[str, list[Plugin]]:
    """Find the entry points of a group; a distribution whose metadata is broken breaks nothing.

    Args:
        group: The entry-point group.

    Returns:
        Name to the distributions that claim it.
    """
    import importlib_metadata  # costs 25 ms, and `mdm --version` needs none of it

    found: dict[str, dict[str, Plugin]] = {}
    for distribution in importlib_metadata.distributions():
        for plugin in _plugins(distribution, group):
            # A distribution that is on the path twice counts once: the first one wins, as for import.
            same = plugin.distribution.lower().replace("_", "-")
            found.setdefault(plugin.name, {}).setdefault(same, plugin)
    return {name: sorted(claims.values(), key=str) for name, claims in found.items()}


def _plugins(distribution: Any, group: str) -> Iterator[Plugin]:
    try:
        entries = list(distribution.entry_points.select(group=group))
    except Exception as error:
        _log.warning("entry points that cannot be read are left out: %s", error)
        return
    if entries:
        name, version, requires = _metadata(distribution)
        yield from (Plugin(entry.name, name, version, requires, entry) for entry in entries)


def _metadata(distribution: Any) -> tuple[str, str, tuple[str, ...]]:
    try:
        return distribution.name, distribution.version, tuple(distribution.requires or ())
    except Exception:
        return "a distribution without metadata", "(reinstall it)", ()
