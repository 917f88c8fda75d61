"""Building components from tables, with every problem found at once and told with its place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from mdm_core.config import Config, Place, Table
from mdm_core.contracts import Component
from mdm_core.errors import ConfigError, PluginError
from mdm_core.kinds import BY_SECTION, Kind, kind_of
from mdm_core.options import OptionField, jsonable, option_fields
from mdm_core.plugins import Plugin, Registry
from mdm_core.wording import did_you_mean, listing, one_line

C = TypeVar("C", bound=Component)


@attrs.frozen
class Built:
    """A component made from a table.

    Attributes:
        component: The component, not opened yet.
        id: ``plugin.component``.
        place: Where its table stands.
        resolved: The table with all defaults filled in and no secret in it; what ``run.json`` records.
        plugins: The plugins that it and its children come from.
        files: The input files that it and its children read: the values of all options of type ``Path``.
    """

    component: Component
    id: str
    place: Place
    resolved: Mapping[str, Any]
    plugins: tuple[Plugin, ...]
    files: tuple[Path, ...] = ()


class Builder:
    """Makes components from the tables of one configuration and collects what is wrong.

    Args:
        config: The configuration.
        registry: The plugins.

    Attributes:
        problems: One line each; ``finish`` raises them together.
    """

    def __init__(self, config: Config, registry: Registry) -> None:
        self.config = config
        self.registry = registry
        self.problems: list[str] = []

    def all_of(self, section: str) -> list[Built]:
        """Build the components of a section that may hold several."""
        kind = BY_SECTION[section]
        built = [self._build(table, kind) for table in self.config.tables(section)]
        return [b for b in built if b is not None]

    def one_of(self, section: str) -> Built | None:
        """Build the component of a section, or report that the section is missing."""
        table = self.config.table(section)
        if table is None:
            kind = BY_SECTION[section]
            self.problems.append(
                f'{self.config.path}: section [{section}] is missing; add it with use = "…" ({kind.name}s are '
                f"listed by `mdm plugins`)"
            )
            return None
        return self._build(table, BY_SECTION[section])

    def options(self, cls: type, section: str) -> Any:
        """Build a plain options class, such as ``[pipeline]``, from its section."""
        table = self.config.table(section) or Table({}, Place(str(self.config.path), (section,)))
        values = self._values(cls, table, known=set())
        return None if values is None else self._construct(cls, values[0], table.place)

    def finish(self) -> None:
        """Raise what was collected.

        Raises:
            ConfigError: There were problems.
        """
        if self.problems:
            raise ConfigError(self.problems)

    def _build(self, table: Table, kind: Kind) -> Built | None:
        component_id = table.values.get("use")
        if component_id is None:
            self._problem(table.place, f'`use` is missing; name the {kind.name}, such as use = "plugin.component"')
            return None
        if not isinstance(component_id, str):
            self._problem(table.place.child("use"), f"expected text, got {component_id!r}")
            return None
        try:
            registered = self.registry.find(component_id, kind)
            cls = registered.load()
        except PluginError as error:
            self._problem(table.place.child("use"), str(error))
            return None
        values = self._values(cls, table, known={"use"})
        if values is None:
            return None
        arguments, shown, children = values
        made = self._construct(cls, arguments, table.place)
        if made is None:
            return None
        object.__setattr__(made, "component_id", component_id)
        resolved = {"use": component_id, **shown}
        plugins = [registered.plugin, *(p for child in children for p in child.plugins)]
        files = [a for a in arguments.values() if isinstance(a, Path)] + [f for c in children for f in c.files]
        return Built(made, component_id, table.place, resolved, tuple(plugins), tuple(files))

    def _values(
        self, cls: type, table: Table, known: set[str]
    ) -> tuple[dict[str, Any], dict[str, Any], list[Built]] | None:
        """Check every option of a table; None if anything is wrong."""
        before = len(self.problems)
        fields = option_fields(cls)
        names = {f.name for f in fields}
        left = {k: v for k, v in table.values.items() if k not in names | known}
        rest = next((f for f in fields if f.info.rest), None)
        if rest is None:
            self._unknown(left, names, table.place)
        arguments: dict[str, Any] = {}
        shown: dict[str, Any] = {}
        children: list[Built] = []
        for field in fields:
            if field is rest:
                arguments[field.name] = shown_rest = left
                shown.update(jsonable(shown_rest))
            elif field.child:
                child = self._child(field, table)
                if child is not None:
                    arguments[field.name], shown[field.name] = child.component, child.resolved
                    children.append(child)
            elif field.name in table.values:
                self._option(field, table, arguments, shown)
            elif field.required:
                self._problem(table.place, f"option {field.name!r} is required: {field.info.help}")
            elif not field.info.secret:
                shown[field.name] = jsonable(field.default)
        return (arguments, shown, children) if len(self.problems) == before else None

    def _option(self, field: OptionField, table: Table, arguments: dict[str, Any], shown: dict[str, Any]) -> None:
        value = table.values[field.name]
        place = table.place.child(field.name)
        try:
            if field.info.secret:
                arguments[field.name], shown[field.name] = _from_environment(value), value
            else:
                arguments[field.name] = field.convert(value)
                shown[field.name] = jsonable(arguments[field.name])
        except ValueError as error:
            self._problem(place, str(error))

    def _child(self, field: OptionField, table: Table) -> Built | None:
        values = table.values.get(field.name)
        place = table.place.child(field.name)
        if values is None and field.required:
            self._problem(table.place, f"table {field.name!r} is required: {field.info.help}")
            return None
        if values is None:
            values = {"use": field.default}
        if not isinstance(values, Mapping):
            self._problem(place, f"must be a table with `use`, got {values!r}")
            return None
        if "use" not in values and not field.required:
            values = {"use": field.default, **values}
        return self._build(Table(values, place), kind_of(field.type))

    def _unknown(self, left: Mapping[str, Any], names: set[str], place: Place) -> None:
        for name in left:
            self._problem(place.child(name), f"unknown option{did_you_mean(name, names)}; options: {listing(names)}")

    def _construct(self, cls: type, arguments: Mapping[str, Any], place: Place) -> Any:
        try:
            return cls(**arguments)
        except ConfigError as error:
            for problem in error.problems:
                self._problem(place, problem.removeprefix(f"{cls.__name__}."))
        except Exception as error:
            self._problem(place, one_line(error))
        return None

    def _problem(self, place: Place, text: str) -> None:
        self.problems.append(f"{place}: {text}")


def _from_environment(value: Any) -> str:
    if not (isinstance(value, Mapping) and set(value) == {"env"} and isinstance(value["env"], str)):
        raise ValueError('a secret must not stand in a file; write { env = "NAME" } and set that variable')
    secret = os.environ.get(value["env"])
    if not secret:
        raise ValueError(f"the environment variable {value['env']} is not set; set it to the secret")
    return secret
