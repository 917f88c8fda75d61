"""Making a policy from the fields that a user gave."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import attrs
from mdm_core import ConfigError
from mdm_core.options import BadValue, Option, OptionField
from mdm_core.wording import did_you_mean, listing, one_line, spelled

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def make_policy(cls: type, given: Mapping[str, Any]) -> Any:
    """Make a policy.

    Args:
        cls: An attrs class, a dataclass, or a class whose ``__init__`` takes the fields by name.
        given: Field name to value, as a TOML parser gave it.

    Returns:
        The policy.

    Raises:
        ConfigError: A field is unknown, of the wrong type, or missing, or the class refuses a value; one line each.
    """
    parameters = _parameters(cls)
    fields = {field.name: field for field in _fields(cls, parameters)}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in fields:
            values[name] = _converted(fields[name], value, problems)
        elif takes_any:
            values[name] = value
        else:
            problems.append(
                f"policy.{name}: unknown field{did_you_mean(name, fields)}; fields of {_name(cls)}: {listing(fields)}"
            )
    problems += [
        f"policy.{name}: missing, and {_name(cls)} has no default for it; add {name} = … to the table policy"
        for name, field in fields.items()
        if field.required and name not in given
    ]
    if problems:
        raise ConfigError(problems)
    return _constructed(cls, values)


def _parameters(cls: type) -> list[inspect.Parameter]:
    try:
        return [*inspect.signature(cls).parameters.values()]
    except ValueError:
        raise ConfigError(f"policy_class: {_name(cls)} does not say what its fields are; name another class") from None


def _fields(cls: type, parameters: list[inspect.Parameter]) -> Iterator[OptionField]:
    types = _types(cls)
    for p in parameters:
        if p.kind in _NAMED:
            default = attrs.NOTHING if p.default is p.empty else p.default
            yield OptionField(p.name, types.get(p.name, Any), default, Option(help=""))


def _types(cls: type) -> dict[str, Any]:
    hints = _hints(cls)
    if attrs.has(cls):  # a converter takes more than the annotation says
        return {f.alias or f.name: hints.get(f.name, Any) for f in attrs.fields(cls) if f.converter is None}
    return hints | _hints(inspect.getattr_static(cls, "__init__"))


def _hints(annotated: Any) -> dict[str, Any]:
    try:
        return get_type_hints(annotated)
    except Exception:  # an annotation may name anything; without a type, the class itself checks
        return {}


def _converted(field: OptionField, value: Any, problems: list[str]) -> Any:
    try:
        return field.convert(value)
    except BadValue as error:
        problems += [f"policy.{spelled((field.name, *path))}: {problem}" for path, problem in error.problems]
    return None


def _constructed(cls: type, values: Mapping[str, Any]) -> Any:
    try:
        return cls(**values)
    except Exception as error:
        raise ConfigError(f"policy: {_name(cls)} refuses these fields: {one_line(error)}; correct them") from error


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
