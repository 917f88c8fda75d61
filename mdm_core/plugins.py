"""Finding plugins by entry point and components by name.

Only the plugin whose name stands before the dot of a component's id is imported; the rest of what is installed costs
nothing and can break nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import attrs
import pluggy

from mdm_core import _deprecated, hookspecs
from mdm_core._version import __version__
from mdm_core.errors import PluginError
from mdm_core.kinds import KINDS, Kind
from mdm_core.scanning import Plugin, installed
from mdm_core.schema import SCHEMA_VERSION
from mdm_core.wording import did_you_mean, listing, one_line

GROUP = "mdm"
BLOCK_VARIABLE = "MDM_BLOCK_PLUGINS"

_CONTRACTS = {"mdm-core": __version__, "decision-schema": SCHEMA_VERSION}
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TARGET = re.compile(r"[\w.]+:\w+")


@attrs.frozen
class Registered:
    """A component that a plugin registered.

    Attributes:
        id: ``plugin.component``.
        kind: What kind of component it is.
        plugin: Where it comes from.
        target: The class, or ``"package.module:Class"``.
    """

    id: str
    kind: Kind
    plugin: Plugin
    target: type | str

    def load(self) -> type:
        """Import the component's class.

        Raises:
            PluginError: It cannot be imported or is not of its kind.
        """
        cls = _import_class(self) if isinstance(self.target, str) else self.target
        if not (isinstance(cls, type) and issubclass(cls, self.kind.contract)):
            raise PluginError(
                f"component {self.id!r} ({self.plugin}) is registered as a {self.kind.name} but is not a "
                f"subclass of mdm_core.{self.kind.contract.__name__}; tell its author"
            )
        _deprecated.check_component(f"component {self.id!r} ({self.plugin})", cls)
        return cls


class Registry:
    """The plugins of this installation.

    Args:
        blocked: Names of plugins that must not be used; by default those in ``MDM_BLOCK_PLUGINS``.
    """

    def __init__(self, blocked: Iterable[str] | None = None) -> None:
        if blocked is None:
            blocked = os.environ.get(BLOCK_VARIABLE, "").split(",")
        self.blocked = frozenset(name.strip() for name in blocked if name.strip())
        self._installed: dict[str, list[Plugin]] | None = None
        self._components: dict[str, Mapping[str, Registered]] = {}

    @property
    def installed(self) -> Mapping[str, list[Plugin]]:
        """Plugin name to the distributions that claim it, without importing any."""
        if self._installed is None:
            self._installed = installed(GROUP)
        return self._installed

    def find(self, component_id: str, kind: Kind) -> Registered:
        """Find a component by its id, importing only the plugin that it names.

        Args:
            component_id: ``plugin.component``.
            kind: The kind that is wanted.

        Returns:
            The component.

        Raises:
            PluginError: There is none, or its plugin cannot be used.
        """
        plugin, dot, name = component_id.partition(".")
        if not (plugin and dot and name):
            raise PluginError(self._not_an_id(component_id, kind))
        components = self.components(plugin)
        found = components.get(f"{kind.section}:{name}")
        if found is None:
            raise PluginError(_unknown_component(component_id, plugin, kind, components.values()))
        return found

    def components(self, name: str) -> Mapping[str, Registered]:
        """List what a plugin registers, importing its light module.

        Args:
            name: The plugin's name.

        Returns:
            ``section:name`` to component.

        Raises:
            PluginError: The plugin is unknown, blocked, claimed twice, incompatible or broken.
        """
        if name not in self._components:
            self._components[name] = _register(self._usable(name))
        return self._components[name]

    def _usable(self, name: str) -> Plugin:
        claims = self.installed.get(name, [])
        if name in self.blocked:
            raise PluginError(f"plugin {name!r} is blocked by {BLOCK_VARIABLE}; take it out of that variable to use it")
        if not claims:
            raise PluginError(self._unknown_plugin(name))
        if len(claims) > 1:
            raise PluginError(
                f"plugin {name!r} is claimed by {' and '.join(map(str, claims))}; uninstall all but one of them"
            )
        _check_requirements(claims[0])
        return claims[0]

    def _unknown_plugin(self, name: str) -> str:
        return (
            f"no plugin {name!r} is installed{did_you_mean(name, self.installed)}; installed: "
            f"{listing(self.installed)}; correct the name, or install its distribution "
            f"(by convention mdm-{name.removeprefix('mdm-')})"
        )

    def _not_an_id(self, text: str, kind: Kind) -> str:
        if text in self.installed:
            names = [c.id for c in self.components(text).values() if c.kind is kind]
            return f"{text!r} is a plugin, not a component; its {kind.name}s: {listing(names)}"
        return f'{text!r} is not a component id; write "plugin.component", such as "reference.logistic"'


def _register(plugin: Plugin) -> Mapping[str, Registered]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    assert plugin.entry_point is not None
    try:
        module = plugin.entry_point.load()
        manager.register(module, plugin.name)
        manager.check_pending()
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {plugin.name!r} ({plugin}) {_what_failed(error)}") from error
    _deprecated.check_hooks(
        f"plugin {plugin.name!r} ({plugin})", (hook.name for hook in manager.get_hookcallers(module) or ())
    )
    components: dict[str, Registered] = {}
    for kind in KINDS:
        _call(getattr(manager.hook, kind.hook), plugin, kind, components)
    if not components:
        raise PluginError(
            f"plugin {plugin.name!r} ({plugin}) registers nothing: its entry point must name a module that has "
            f"@hookimpl functions such as mdm_register_proposal_models; tell its author"
        )
    return components


def _call(hook: Any, plugin: Plugin, kind: Kind, components: dict[str, Registered]) -> None:
    def register(name: str, component: type | str) -> None:
        _check_registration(name, component, kind)
        place = f"{kind.section}:{name}"
        if place in components:
            raise ValueError(f"the {kind.name} {name!r} is registered twice")
        components[place] = Registered(f"{plugin.name}.{name}", kind, plugin, component)

    try:
        hook(register=register)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"plugin {plugin.name!r} ({plugin}) failed in {kind.hook}: {one_line(error)}; tell its author"
        ) from error


def _check_registration(name: Any, component: Any, kind: Kind) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a component's name; use letters, digits, '-' and '_'")
    if not (isinstance(component, type) or (isinstance(component, str) and _TARGET.fullmatch(component))):
        raise ValueError(f'the {kind.name} {name!r} must be a class or "package.module:Class", got {component!r}')


def _what_failed(error: BaseException) -> str:
    if isinstance(error, pluggy.PluginValidationError):
        # pluggy tells the module's path too, which is long and says nothing more.
        what = re.sub(r" in plugin <.*>$", "", " ".join(str(error).split()))
        return f"does not fit mdm-core {__version__}: {what}; upgrade one of them, or tell the plugin's author"
    return f"cannot be imported: {one_line(error)}; install what it needs, or reinstall it"


def _check_requirements(plugin: Plugin) -> None:
    from packaging.requirements import InvalidRequirement, Requirement  # only when a plugin is selected

    for line in plugin.requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        name = requirement.name.lower().replace("_", "-")
        installed = _CONTRACTS.get(name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if installed and applies and not requirement.specifier.contains(installed, prereleases=True):
            raise PluginError(
                f"plugin {plugin.name!r} ({plugin}) needs {name}{requirement.specifier}, but this is "
                f"{name} {installed}; install another version of {plugin.distribution}"
            )


def _import_class(component: Registered) -> Any:
    module, _, name = str(component.target).partition(":")
    try:
        return getattr(import_module(module), name)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"component {component.id!r} ({component.plugin}) cannot be imported: {one_line(error)}; "
            f"install what it needs, or reinstall {component.plugin.distribution}"
        ) from error


def _unknown_component(component_id: str, plugin: str, kind: Kind, components: Iterable[Registered]) -> str:
    components = list(components)
    names = [c.id for c in components if c.kind is kind]
    same_name = [c for c in components if c.id == component_id]
    if same_name:
        return (
            f"{component_id!r} is a {same_name[0].kind.name}, not a {kind.name}; "
            f"{kind.name}s of plugin {plugin!r}: {listing(names)}"
        )
    return (
        f"plugin {plugin!r} has no {kind.name} {component_id!r}{did_you_mean(component_id, names)}; "
        f"its {kind.name}s: {listing(names)}"
    )
