"""What is going away, all in one place: a warning at first, an error one release before it is gone.

A plugin that uses it is told when it is loaded, with the next step. docs/VERSIONING.md has the rules.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

import attrs

from mdm_core import contracts, hookspecs
from mdm_core._version import __version__
from mdm_core.errors import PluginError


class MdmDeprecationWarning(DeprecationWarning):
    """A plugin uses something of mdm-core that is going away."""


@attrs.frozen
class Deprecation:
    """A hook, or a method of a contract, that is going away.

    Attributes:
        subject: ``mdm_register_brokers`` or ``Broker.poll``.
        instead: What an author does about it.
        since: The release that began to warn.
        error_in: The release that refuses it: the last one before it is gone.
        removed_in: The release that no longer has it, a major one.
    """

    subject: str
    instead: str
    since: str
    error_in: str
    removed_in: str

    def tell(self, user: str) -> None:
        """Warn, or refuse, as the version of mdm-core that is running demands.

        Args:
            user: Who uses it, with its distribution.

        Raises:
            PluginError: It is refused by now.
        """
        from packaging.version import Version  # only when something is going away

        text = (
            f"{user} uses {self.subject}, which is deprecated since mdm-core {self.since} and gone in "
            f"{self.removed_in}: {self.instead}"
        )
        if Version(__version__) >= Version(self.error_in):
            raise PluginError(f"{text}; upgrade the plugin, or tell its author")
        warnings.warn(text, MdmDeprecationWarning, stacklevel=2)

    def problems(self) -> Iterator[str]:
        """Say which of the rules it breaks."""
        from packaging.version import Version

        since, error_in, removed_in = map(Version, (self.since, self.error_in, self.removed_in))
        if not since < error_in < removed_in:
            yield "warning, error and removal must be in three releases, one after the other"
        if removed_in != Version(f"{since.major + 1}"):
            yield "it may be gone in the next major release, and not before"
        if Version(__version__) >= removed_in:
            yield "it is gone by now: remove it, and this entry"
        if not _exists(self.subject):
            yield f"there is no {self.subject}"


DEPRECATIONS: tuple[Deprecation, ...] = ()


def check_hooks(user: str, names: Iterable[str]) -> None:
    """Tell of the hooks of a plugin that are going away.

    Args:
        user: The plugin, with its distribution.
        names: The hooks that it implements.

    Raises:
        PluginError: One of them is refused by now.
    """
    used = set(names)
    for deprecation in DEPRECATIONS:
        if deprecation.subject in used:
            deprecation.tell(user)


def check_component(user: str, cls: type) -> None:
    """Tell of the methods of a component that are going away.

    Args:
        user: The component, with its distribution.
        cls: Its class.

    Raises:
        PluginError: One of them is refused by now.
    """
    for deprecation in DEPRECATIONS:
        owner, _, method = deprecation.subject.partition(".")
        contract = getattr(contracts, owner, None)
        if method and contract in cls.__mro__ and getattr(cls, method) is not getattr(contract, method):
            deprecation.tell(user)


def _exists(subject: str) -> bool:
    owner, _, method = subject.partition(".")
    return hasattr(getattr(contracts, owner, None), method) if method else hasattr(hookspecs, owner)
