"""The JSON Schema of pipeline files, from what the components that are installed declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from mdm_core.challengers import STAGES
from mdm_core.config import (
    CHALLENGERS,
    SECTIONS,
    SEVERAL,
    CanaryOptions,
    CommonOptions,
    DurabilityOptions,
    ExecutionOptions,
    PipelineOptions,
    ShadowOptions,
)
from mdm_core.errors import PluginError
from mdm_core.kinds import KINDS, Kind, kind_of
from mdm_core.options import Option, OptionField, jsonable, option_fields
from mdm_core.plugins import Registered, Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BROKEN = "broken; mdm doctor says why"
_INNER = "inner."

_OF_CORE = {"pipeline": PipelineOptions, "execution": ExecutionOptions, "durability": DurabilityOptions}
_CHALLENGERS = {"canary": CanaryOptions, "shadow": ShadowOptions}
_FILE = {"type": "string", "description": "name of a pipeline file beside this one, in place of the tables"}
# A run also needs source and redaction, which a file for Pipeline.from_config may leave out.
_NEEDED = ("features", "model")
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum"}
_SECRET = {
    "type": "object",
    "properties": {"env": {"type": "string", "description": "name of the environment variable that has the value"}},
    "required": ["env"],
    "additionalProperties": False,
}
_NONE = {"use": {"const": "none", "description": "everything is written as it is"}}

Schema = dict[str, Any]


@attrs.frozen
class PipelineSchema:
    """The schema, and what could not be described.

    Attributes:
        document: The JSON Schema.
        problems: One line for each plugin or component that is broken; a broken plugin is left out.
    """

    document: Schema
    problems: tuple[str, ...]


def pipeline_schema(registry: Registry) -> PipelineSchema:
    """Describe pipeline files as they can be written with the plugins that are installed.

    An option's own check, files that must exist, and variables that must be set are for ``mdm check`` to tell.

    Args:
        registry: The plugins.

    Returns:
        The schema, in draft 2020-12.
    """
    return _Writer(registry).write()


class _Writer:
    def __init__(self, registry: Registry) -> None:
        self.problems: list[str] = []
        self.components = list(self._found(registry))
        self.known = {_name(c): known for c in self.components if (known := self._load(c)) is not None}
        self.inner = {kind_of(f.type) for _, fields in self.known.values() for f in fields if f.child}

    def write(self) -> PipelineSchema:
        sections = {name: self._section(name) for name in (*SECTIONS, *CHALLENGERS)}
        document = {
            "$schema": DIALECT,
            "title": "mdm pipeline",
            "description": "A pipeline file of mdm, with the plugins that are installed here.",
            "type": "object",
            "properties": sections,
            "required": list(_NEEDED),
            "additionalProperties": False,
            "$defs": {name: schema for kind in KINDS for name, schema in self._definitions(kind)},
        }
        return PipelineSchema(document, tuple(self.problems))

    def _found(self, registry: Registry) -> Iterator[Registered]:
        for name in sorted(registry.installed):
            try:
                yield from registry.components(name).values()
            except PluginError as error:
                self.problems.append(str(error))

    def _load(self, component: Registered) -> tuple[type, tuple[OptionField, ...]] | None:
        try:
            cls = component.load()
            return cls, option_fields(cls)
        except PluginError as error:
            self.problems.append(str(error))
        return None

    def _section(self, name: str) -> Schema:
        if name in _OF_CORE:
            cls = _OF_CORE[name]
            return _table(_summary(cls), self._options(option_fields(cls)))
        return _one_or_several(name, self._challenger(name) if name in CHALLENGERS else {"$ref": f"#/$defs/{name}"})

    def _challenger(self, name: str) -> Schema:
        cls = _CHALLENGERS[name]
        fields = option_fields(cls)
        stages = {stage: _one_or_several(stage, {"$ref": f"#/$defs/{stage}"}) for stage in STAGES}
        required = [field.name for field in fields if field.required]
        return _table(_summary(cls), self._options(fields) | {"pipeline": _FILE} | stages, required)

    def _definitions(self, kind: Kind) -> Iterator[tuple[str, Schema]]:
        """The table of a kind as a section, the same inside another component, and each of its components."""
        components = [c for c in self.components if c.kind is kind]
        for where in ("", _INNER) if kind in self.inner else ("",):
            yield f"{where}{kind.section}", self._choice(kind, [c.id for c in components], where)
            yield from ((f"{where}{_name(c)}", self._component(c, where)) for c in components)

    def _choice(self, kind: Kind, ids: Sequence[str], where: str) -> Schema:
        known = [{"const": name, "description": self._about(f"{kind.section}:{name}")} for name in ids]
        branches = [_if_used(name, {"$ref": f"#/$defs/{where}{kind.section}:{name}"}) for name in ids]
        if kind.section == "redaction" and not where:
            known.append(_NONE["use"])
            branches.append(_if_used("none", _table("Nothing is hidden.", _NONE)))
        if not known:
            return {"description": f"no {kind.name} is installed", "not": {}}
        use = {"description": f"id of a {kind.name}", "type": "string", "oneOf": known}
        return {"type": "object", "properties": {"use": use}, "required": ["use"], "allOf": branches}

    def _component(self, component: Registered, where: str) -> Schema:
        known = self.known.get(_name(component))
        if known is None:
            return {"description": BROKEN}
        cls, fields = known
        use = {"use": {"const": component.id}}
        own = self._options(f for f in fields if not f.info.rest)
        common = {} if where == _INNER else self._common(component.kind)
        rest = next((_of_type(f.type, f.info).get("additionalProperties", {}) for f in fields if f.info.rest), False)
        return _table(_summary(cls), use | own | common, [f.name for f in fields if f.required], rest)

    def _common(self, kind: Kind) -> Schema:
        """What core itself takes from a component's table."""
        if kind.section == "source":
            return {}
        fields = [f for f in option_fields(CommonOptions) if (kind.section, f.name) != ("broker", "timeout_ms")]
        return self._options(fields)

    def _options(self, fields: Iterable[OptionField]) -> Schema:
        return {field.name: self._option(field) for field in fields}

    def _option(self, field: OptionField) -> Schema:
        about = {"description": field.info.help}
        if field.child:
            return about | self._child(field)
        if field.info.secret:
            return about | _SECRET
        shown = not (field.info.private or field.default is attrs.NOTHING or field.default is None)
        default = {"default": jsonable(field.default)} if shown else {}
        return about | _of_type(field.type, field.info) | default

    def _child(self, field: OptionField) -> Schema:
        section = kind_of(field.type).section
        table: Schema = {"$ref": f"#/$defs/{_INNER}{section}"}
        if field.required:
            return table
        # Without `use`, the table holds options of the component that is the default.
        default = {"$ref": f"#/$defs/{_INNER}{section}:{field.default}"}
        return {"if": {"required": ["use"]}, "then": table, "else": default}

    def _about(self, name: str) -> str:
        return _summary(self.known[name][0]) if name in self.known else BROKEN


def _one_or_several(section: str, table: Schema) -> Schema:
    return {"anyOf": [table, {"type": "array", "items": table}]} if section in SEVERAL else table


def _name(component: Registered) -> str:
    return f"{component.kind.section}:{component.id}"


def _if_used(name: str, then: Schema) -> Schema:
    return {"if": {"properties": {"use": {"const": name}}, "required": ["use"]}, "then": then}


def _table(about: str, properties: Schema, required: Sequence[str] = (), rest: Schema | bool = False) -> Schema:
    needed = {"required": list(required)} if required else {}
    table = {"type": "object", "properties": properties, **needed, "additionalProperties": rest}
    return {"description": about, **table} if about else table


def _summary(cls: type) -> str:
    return (cls.__doc__ or "").strip().split("\n")[0].replace("``", "`")


def _of_type(hint: Any, info: Option) -> Schema:
    """Describe the values of a type, with an option's bounds and choices, which hold for the items of a list."""
    try:
        [schema], definitions = msgspec.json.schema_components([hint], schema_hook=_path)
    except TypeError:
        return {}
    return _limited(_without_null(_inlined(schema, definitions)), info)


def _path(target: type) -> Schema:
    if issubclass(target, Path):
        return {"type": "string"}
    raise NotImplementedError(target)


def _inlined(schema: Any, definitions: Mapping[str, Any], within: frozenset[str] = frozenset()) -> Any:
    """Put definitions in the place of references, for names of types are not unique among plugins."""
    if isinstance(schema, list):
        return [_inlined(item, definitions, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return {} if name in within else _inlined(definitions[name], definitions, within | {name})
    return {key: _inlined(value, definitions, within) for key, value in schema.items()}


def _without_null(schema: Schema) -> Schema:
    """TOML has no null: what may be None is left out of the file."""
    members = [member for member in schema.get("anyOf", []) if member != {"type": "null"}]
    if not members:
        return schema
    return members[0] if len(members) == 1 else {"anyOf": members}


def _limited(schema: Schema, info: Option) -> Schema:
    if "anyOf" in schema:
        return {"anyOf": [_limited(member, info) for member in schema["anyOf"]]}
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            return schema | {inner: _with_rules(schema[inner], info)}
    return _with_rules(schema, info)


def _with_rules(schema: Schema, info: Option) -> Schema:
    if info.choices is not None:
        return {"enum": list(info.choices)}
    if "anyOf" in schema:
        return {"anyOf": [_with_rules(member, info) for member in schema["anyOf"]]}
    if schema.get("type") not in ("integer", "number"):
        return schema
    return schema | {word: getattr(info, rule) for rule, word in _BOUNDS.items() if getattr(info, rule) is not None}
