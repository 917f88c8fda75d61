"""What is checked: a component, and what it needs for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

import attrs

from mdm_core.contracts import Component
from mdm_core.errors import ConfigError, UsageError
from mdm_core.kinds import BY_SECTION, Kind, kind_of
from mdm_core.plugins import Registered, Registry
from mdm_core.testing.making import cloned, given
from mdm_core.testing.material import Step, ordinary_events, steps_of
from mdm_core.values import Event

Checkable: TypeAlias = "str | type[Component] | Component | Callable[[], Component]"

LIMIT_MS = 10.0


class Needs(TypedDict, total=False):
    """What a component may need to be checked, besides its options and events; see ``Subject``."""

    files: Mapping[str, str | bytes]
    base_dir: Path | None
    key: str
    timestamp: str
    context: Mapping[str, Any]
    effects: Callable[[Any], object] | None
    limit_ms: float


@attrs.frozen(kw_only=True)
class Subject:
    """A component that is checked.

    Attributes:
        name: Its id, or its class's name.
        cls: Its class.
        kind: What kind of component it is.
        make: Makes it, not opened.
        plugin: The module of its plugin's entry point, or None if it was not given by its id.
        events: What it is asked about; for models and modulators they are flattened to features.
        files: Files that it reads: path relative to the pipeline file, and content.
        base_dir: Directory of the pipeline file, in place of an empty one.
        key: Dotted path of the key in the events.
        timestamp: Dotted path of the time in the events, in milliseconds.
        context: Items that every context has besides.
        effects: Tells of a broker what it has done so far; by default the files in the run's directory.
        limit_ms: How long a call may take, by the median.
        steps: The events, numbered, with their keys and times.
    """

    name: str
    cls: type[Component]
    kind: Kind
    make: Callable[[], Component] = attrs.field(repr=False)
    plugin: str | None = None
    events: tuple[Event, ...] = attrs.field(converter=tuple, factory=lambda: tuple(ordinary_events()), repr=False)
    files: Mapping[str, str | bytes] = attrs.field(factory=dict, repr=False)
    base_dir: Path | None = None
    key: str = "key"
    timestamp: str = "timestamp_ms"
    context: Mapping[str, Any] = attrs.field(factory=dict)
    effects: Callable[[Any], object] | None = None
    limit_ms: float = LIMIT_MS
    steps: list[Step] = attrs.field(init=False, repr=False)

    @steps.default
    def _numbered(self) -> list[Step]:
        return steps_of(self.events, self.key, self.timestamp)

    def __attrs_post_init__(self) -> None:
        if self.files and self.base_dir is not None:
            raise UsageError("give files or a base_dir, not both: files are written into a directory of their own")
        if not self.events:
            raise UsageError("events are empty; give some, or none at all for those that the checks bring along")

    @property
    def spared(self) -> frozenset[str]:
        """The fields without which a pipeline refuses an event."""
        return frozenset(path.partition(".")[0] for path in (self.key, self.timestamp))

    @classmethod
    def of(
        cls,
        component: Checkable,
        options: Mapping[str, Any] | None = None,
        events: Iterable[Event] | None = None,
        **needs: Unpack[Needs],
    ) -> Subject:
        """Describe what is to be checked.

        Args:
            component: A component's id, its class, the component itself or a function that makes it.
            options: For an id or a class: its options, as in a pipeline file.
            events: What it is asked about.
            needs: ``files``, ``base_dir``, ``key``, ``timestamp``, ``context``, ``effects`` and ``limit_ms``.

        Raises:
            UsageError: It is no component, or cannot be made.
        """
        rest: dict[str, Any] = {**needs} if events is None else {**needs, "events": events}
        if isinstance(component, str):
            return cls._registered(find(component), options or {}, rest)
        if isinstance(component, type):
            return cls._of_class(component, component.__name__, options or {}, rest)
        if options:
            raise UsageError("options go with a component's id or class; a component that is made has its options")
        make = partial(cloned, component) if isinstance(component, Component) else component
        made = make()
        return cls(name=_name_of(made), cls=type(made), kind=_kind(type(made)), make=make, **rest)

    @classmethod
    def _registered(cls, found: Registered, options: Mapping[str, Any], rest: dict[str, Any]) -> Subject:
        assert found.plugin.entry_point is not None
        module = found.plugin.entry_point.module
        return cls._of_class(found.load(), found.id, options, {"plugin": module, **rest})

    @classmethod
    def _of_class(
        cls, component: type[Component], name: str, options: Mapping[str, Any], rest: dict[str, Any]
    ) -> Subject:
        kind = _kind(component)
        first = cache(lambda: given(component, name, options).build().component)
        return cls(name=name, cls=component, kind=kind, make=lambda: cloned(first()), **rest)


def find(component_id: str) -> Registered:
    """Find an installed component by its id alone.

    Args:
        component_id: ``plugin.component``; with the section before it and a colon, if two kinds have the same name.

    Raises:
        UsageError: There is none, or several.
    """
    section, colon, name = component_id.rpartition(":")
    registry = Registry()
    plugin = name.partition(".")[0]
    found = [c for c in registry.components(plugin).values() if c.id == name and section in ("", c.kind.section)]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"{c.kind.section}:{name}" for c in found)
        raise UsageError(f"{name!r} is the name of several components; write {choices}")
    if colon and section not in BY_SECTION:
        raise UsageError(f"{section!r} is no section; write one of {', '.join(BY_SECTION)}")
    raise UsageError(f"plugin {plugin!r} has no component {component_id!r}; `mdm plugins {plugin}` lists them")


def _kind(component: type) -> Kind:
    try:
        return kind_of(component)
    except KeyError:
        raise ConfigError(
            f"{component.__name__} is no component; it must extend one of the contracts of mdm_core, "
            f"such as ProposalModel"
        ) from None


def _name_of(component: Component) -> str:
    return component.component_id or type(component).__name__
