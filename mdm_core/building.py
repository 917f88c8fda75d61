"""Building components from tables, with every problem found at once and told with its place."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from mdm_core.config import CHALLENGERS, CommonOptions, Config, Place, Table
from mdm_core.contracts import Component
from mdm_core.errors import ConfigError, PluginError
from mdm_core.kinds import BY_SECTION, Kind, kind_of
from mdm_core.lifecycle import with_children
from mdm_core.options import BadValue, OptionField, describe_type, jsonable, option_fields
from mdm_core.plugins import Registry
from mdm_core.scanning import Plugin
from mdm_core.wording import did_you_mean, listing, one_line

PRIVATE = "[private]"
_COMMON = frozenset(field.name for field in option_fields(CommonOptions))


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
        private: Component id and private options of it and of its children, which are hashed and never shown.
    """

    component: Component
    id: str
    place: Place
    resolved: Mapping[str, Any]
    plugins: tuple[Plugin, ...]
    files: tuple[Path, ...] = ()
    private: tuple[tuple[str, Mapping[str, Any]], ...] = attrs.field(default=(), repr=False)


@attrs.define
class _Values:
    """What a table comes to: arguments for the constructor, the same for people, and the children among them."""

    arguments: dict[str, Any] = attrs.field(factory=dict)
    shown: dict[str, Any] = attrs.field(factory=dict)
    private: dict[str, Any] = attrs.field(factory=dict)
    children: list[Built] = attrs.field(factory=list)

    def add(self, field: OptionField, value: Any) -> None:
        self.arguments[field.name] = value
        if field.info.private:
            self.private[field.name] = value
        self.shown[field.name] = PRIVATE if field.info.private else jsonable(value)

    def add_child(self, field: OptionField, child: Built | None) -> None:
        if child is not None:
            self.arguments[field.name], self.shown[field.name] = child.component, child.resolved
            self.children.append(child)


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
        self.problems = list(config.problems())

    def all_of(self, section: str) -> list[Built]:
        """Build the components of a section that may hold several."""
        kind = BY_SECTION[section]
        built = [self._build(table, kind) for table in self.config.tables(section)]
        return [b for b in built if b is not None]

    def one_of(self, section: str) -> Built | None:
        """Build the component of a section, or report that the section is missing."""
        kind = BY_SECTION[section]
        table = self.config.table(section)
        if table is not None:
            return self._build(table, kind)
        if not self.config.document.get(section):  # else what stands there is a problem of its own
            self.problems.append(
                f'{self.config.path}: section [{section}] is missing; add it with use = "…" '
                f"(`mdm plugins` lists the {kind.name}s)"
            )
        return None

    def inside(self, table: Table, section: str) -> list[Built]:
        """Build the components of a section that stands in another table.

        Args:
            table: The other table.
            section: Such as ``modulators``: one table, a list of them, or nothing.
        """
        value, place = table.values.get(section, []), table.place.child(section)
        if isinstance(value, Mapping):
            tables = [Table(value, place)]
        elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
            tables = [Table(item, place.child(number)) for number, item in enumerate(value)]
        else:
            self.problem(place, f'expected a table with use = "…", got {describe_type(type(value))}')
            tables = []
        built = [self._build(inner, BY_SECTION[section]) for inner in tables]
        return [b for b in built if b is not None]

    def options(self, cls: type, section: str) -> Any:
        """Build a plain options class, such as ``[pipeline]``, from its section."""
        return self.options_of(cls, self.config.table(section) or Table({}, Place(str(self.config.path), (section,))))

    def options_of(self, cls: type, table: Table, known: Collection[str] = ()) -> Any:
        """Build a plain options class from a table.

        Args:
            cls: The class.
            table: The table.
            known: What else may stand in it.
        """
        values = self._values(cls, table, known=set(known))
        return None if values is None else self._construct(cls, values.arguments, table.place, str(table.place.path[0]))

    def finish(self) -> None:
        """Raise what was collected.

        Raises:
            ConfigError: There were problems.
        """
        if self.problems:
            raise ConfigError(sorted(self.problems, key=self._line))

    def _build(self, table: Table, kind: Kind) -> Built | None:
        component_id = table.values.get("use")
        if component_id is None:
            self.problem(table.place, f'`use` is missing; name a {kind.name} that `mdm plugins` lists: use = "…"')
            return None
        if not isinstance(component_id, str):
            self.problem(table.place.child("use"), f"expected text, got {describe_type(type(component_id))}")
            return None
        try:
            registered = self.registry.find(component_id, kind)
            cls = registered.load()
        except PluginError as error:
            self.problem(table.place.child("use"), str(error))
            return None
        values = self._values(cls, table, known={"use", *_COMMON})
        common = self._common(cls, table, kind)
        made = None if values is None else self._construct(cls, values.arguments, table.place, component_id)
        if values is None or made is None:
            return None
        object.__setattr__(made, "component_id", component_id)
        if common is not None and common.timeout_ms is not None:
            for part in with_children(made):
                object.__setattr__(part, "timeout_ms", common.timeout_ms)
        if common is not None and common.isolate is not None:
            self._isolate(made, table, kind)
        children = values.children
        shown = {} if common is None else {k: v for k, v in attrs.asdict(common).items() if v is not None}
        resolved = {"use": component_id, **shown, **values.shown}
        plugins = [registered.plugin, *(p for child in children for p in child.plugins)]
        public = (v for name, v in values.arguments.items() if name not in values.private)
        files = [*paths(public), *(f for child in children for f in child.files)]
        private: list[tuple[str, Mapping[str, Any]]] = [(component_id, values.private)] if values.private else []
        private += [p for child in children for p in child.private]
        return Built(made, component_id, table.place, resolved, tuple(plugins), tuple(files), tuple(private))

    def _common(self, cls: type, table: Table, kind: Kind) -> CommonOptions | None:
        """What core itself takes from a component's table; None if nothing stands there."""
        for name in _COMMON & {field.name for field in option_fields(cls)}:
            self.problem(table.place, f"{cls.__name__} has an option {name!r}, which belongs to core; tell its author")
        given = {name: value for name, value in table.values.items() if name in _COMMON}
        for name in given:
            refusal = _refusal(name, table.place, kind)
            if refusal is not None:
                self.problem(table.place.child(name), refusal)
                return None
        values = self._values(CommonOptions, Table(given, table.place), known=set()) if given else None
        return None if values is None else CommonOptions(**values.arguments)

    def _isolate(self, component: Component, table: Table, kind: Kind) -> None:
        # Most pipelines need none of it.
        from mdm_core.channel import Blueprint
        from mdm_core.isolation import isolate

        values = {name: value for name, value in table.values.items() if name != "isolate"}
        isolate(component, Blueprint(self.config.path, kind.section, values))

    def _values(self, cls: type, table: Table, known: set[str]) -> _Values | None:
        """Check every option of a table; None if anything is wrong."""
        before = len(self.problems)
        fields = option_fields(cls)
        names = {f.name for f in fields if not f.info.rest}
        left = {k: v for k, v in table.values.items() if k not in names | known}
        if not any(f.info.rest for f in fields):
            self._unknown(left, names | (known - _COMMON - {"use"}), table.place)
        values = _Values()
        for field in fields:
            if field.info.rest:
                self._rest(field, left, table, values)
            elif field.child:
                values.add_child(field, self._child(field, table))
            elif field.name in table.values:
                self._option(field, table, values)
            elif field.required:
                self._missing(field, table.place)
            elif field.info.private:
                values.add(field, field.default)
            elif not field.info.secret:
                values.shown[field.name] = jsonable(field.default)
                if isinstance(field.default, Path):  # a file like any other, to be known by its hash
                    values.arguments[field.name] = field.default
        return values if len(self.problems) == before else None

    def _option(self, field: OptionField, table: Table, values: _Values) -> None:
        given = table.values[field.name]
        place = table.place.child(field.name)
        if field.info.secret:
            values.arguments[field.name], values.shown[field.name] = self._secret(given, place), given
        else:
            values.add(field, self._converted(field, given, place))

    def _rest(self, field: OptionField, left: Mapping[str, Any], table: Table, values: _Values) -> None:
        converted = self._converted(field, left, table.place)
        if field.info.private:
            values.add(field, converted)
        else:
            values.arguments[field.name] = converted
            values.shown |= jsonable(left)

    def _converted(self, field: OptionField, value: Any, place: Place) -> Any:
        try:
            return field.convert(value)
        except BadValue as error:
            for path, problem in error.problems:
                self.problem(place.child(*path), problem)
        return None

    def _secret(self, value: Any, place: Place) -> str | None:
        try:
            return _from_environment(value)
        except ValueError as error:
            self.problem(place, str(error))
        return None

    def _missing(self, field: OptionField, place: Place) -> None:
        value = '{ env = "NAME" }' if field.info.secret else "…"
        self.problem(place, f"option {field.name!r} is missing; add {field.name} = {value} ({field.info.help})")

    def _child(self, field: OptionField, table: Table) -> Built | None:
        values = table.values.get(field.name)
        place = table.place.child(field.name)
        if values is None and field.required:
            header = ".".join(str(key) for key in place.path if isinstance(key, str))
            missing = f'table {field.name!r} is missing; add [{header}] with use = "…" ({field.info.help})'
            self.problem(table.place, missing)
            return None
        if values is None:
            values = {"use": field.default}
        if not isinstance(values, Mapping):
            self.problem(place, f'expected a table with use = "…", got {describe_type(type(values))}')
            return None
        if "use" not in values and not field.required:
            values = {"use": field.default, **values}
        return self._build(Table(values, place), kind_of(field.type))

    def _unknown(self, left: Mapping[str, Any], names: set[str], place: Place) -> None:
        for name in left:
            self.problem(place.child(name), f"unknown option{did_you_mean(name, names)}; options: {listing(names)}")

    def _construct(self, cls: type, arguments: Mapping[str, Any], place: Place, component_id: str) -> Any:
        try:
            return cls(**arguments)
        except Exception as error:
            unexpected = f"{component_id} cannot be made: {one_line(error)}"
            problems = error.problems if isinstance(error, ConfigError) else [unexpected]
            for problem in problems:
                text = problem.removeprefix(f"{cls.__name__}.")
                self.problem(place, _without_secrets(text, cls, arguments))
        return None

    def _line(self, problem: str) -> int:
        rest = problem.removeprefix(f"{self.config.path}:")
        line = rest.partition(" ")[0]
        return int(line) if line.isdigit() else 0

    def problem(self, place: Place, text: str) -> None:
        """Note what is wrong somewhere."""
        self.problems.append(f"{place}: {text}")


def _refusal(name: str, place: Place, kind: Kind) -> str | None:
    if sum(isinstance(key, str) for key in place.path) > 1 + (place.path[0] in CHALLENGERS):
        return "belongs to the outermost table, which it concerns as a whole; move it there"
    if kind.section == "source":
        return "a source may wait for as long as it likes; take it away"
    if kind.section == "broker" and name == "timeout_ms":
        return "a broker's time limit stands in [execution]; set attempt_timeout_ms there"
    return None


def paths(values: Iterable[Any]) -> Iterator[Path]:
    """Give the paths among the values of options, lists included."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from paths(value)
        elif isinstance(value, Path):
            yield value


def _without_secrets(text: str, cls: type, arguments: Mapping[str, Any]) -> str:
    for field in option_fields(cls):
        if field.info.secret and arguments.get(field.name):
            text = text.replace(arguments[field.name], "[REDACTED]")
    return text


def _from_environment(value: Any) -> str:
    if not (isinstance(value, Mapping) and set(value) == {"env"} and isinstance(value["env"], str)):
        raise ValueError('a secret must not stand here; write { env = "NAME" } and set that variable')
    secret = os.environ.get(value["env"])
    if not secret:
        raise ValueError(f"the environment variable {value['env']} is not set; set it to the secret")
    return secret
