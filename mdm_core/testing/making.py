"""Making a component from options as core does, and getting its options back as TOML."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from mdm_core.building import Builder, Built
from mdm_core.config import Config
from mdm_core.contracts import Component
from mdm_core.kinds import Kind, kind_of
from mdm_core.options import children_of, jsonable, option_fields
from mdm_core.plugins import Registered, Registry
from mdm_core.scanning import Plugin
from mdm_core.wording import toml_key

_PLUGIN = Plugin("checked", "the component under test", "")
_VARIABLE = "MDM_CHECK_"


class _WithClasses(Registry):
    """The plugins of this installation, and classes that stand for themselves."""

    def __init__(self, classes: Mapping[str, type], others: Registry) -> None:
        super().__init__()
        self._classes, self._others = classes, others

    def find(self, component_id: str, kind: Kind) -> Registered:
        cls = self._classes.get(component_id)
        if cls is None:
            return self._others.find(component_id, kind)
        return Registered(component_id, kind, _PLUGIN, cls)


@attrs.define
class Written:
    """A component as a pipeline file has it.

    Attributes:
        table: Its table, with the tables of its children.
        classes: Component id to class, for those in the table.
        environment: Where its secrets stand.
        registry: The plugins of this installation.
    """

    table: dict[str, Any] = attrs.field(factory=dict)
    classes: dict[str, type] = attrs.field(factory=dict)
    environment: dict[str, str] = attrs.field(factory=dict)
    registry: Registry = attrs.field(factory=Registry)

    def build(self, **changes: Any) -> Built:
        """Make the component from its table.

        Args:
            changes: Options to set besides.

        Raises:
            ConfigError: What is wrong with the table.
        """
        table = {**self.table, **changes}
        kind = kind_of(self.classes[table["use"]])
        config = Config(Path(table["use"]), {kind.section: table}, {})
        builder = Builder(config, _WithClasses(self.classes, self.registry))
        with environment(self.environment):
            built = builder.one_of(kind.section)
        builder.finish()
        assert built is not None
        return built


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def given(cls: type[Component], name: str, options: Mapping[str, Any]) -> Written:
    """Write down a component whose options are given as in a file; the text of a secret is put where it belongs.

    Args:
        cls: Its class.
        name: Its id.
        options: Its options.
    """
    written = Written({"use": name, **options}, {name: cls})
    for field in option_fields(cls):
        value = options.get(field.name)
        if field.info.secret and isinstance(value, str):
            written.table[field.name] = _secret(written, field.name, value)
    return written


def written(component: Component, name: str) -> Written:
    """Write a component down, with its children.

    Args:
        component: The component.
        name: The id that it gets; its children get numbers behind it.
    """
    result = Written()
    result.table = _table(component, name, result)
    return result


def _table(component: Component, name: str, result: Written) -> dict[str, Any]:
    result.classes[name] = type(component)
    table: dict[str, Any] = {"use": name}
    for field in option_fields(type(component)):
        value = getattr(component, field.name)
        if field.child:
            table[field.name] = _table(value, f"{name}-{field.name}", result)
        elif field.info.rest:
            table |= jsonable(value)
        elif field.info.secret:
            if value:  # an empty variable counts as one that is not set
                table[field.name] = _secret(result, field.name, value)
        elif value is not None:
            table[field.name] = jsonable(value)
    return table


def _secret(result: Written, name: str, value: str) -> dict[str, str]:
    variable = f"{_VARIABLE}{name.upper()}"
    result.environment[variable] = value
    return {"env": variable}


def cloned(component: Component) -> Component:
    """Make a component anew from the options of another, children too."""
    cls: Any = type(component)
    children = {name: cloned(child) for name, child in children_of(component).items()}
    twin: Component = cls(**{**arguments_of(component), **children})
    object.__setattr__(twin, "component_id", component.component_id)
    return twin


def arguments_of(component: Component) -> dict[str, Any]:
    """What the constructor was given: its arguments, as the component has them now."""
    cls: Any = type(component)
    fields = [field for field in attrs.fields(cls) if field.init] if attrs.has(cls) else []
    return {field.alias: getattr(component, field.name) for field in fields}


def through_toml(table: Mapping[str, Any]) -> dict[str, Any]:
    """Write a table as TOML and read it again."""
    from mdm_core.cli.show import toml_value  # which needs the command line's libraries

    lines = (f"{toml_key(name)} = {toml_value(value)}" for name, value in table.items() if value is not None)
    return tomllib.loads("\n".join(lines))
