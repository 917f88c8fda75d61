"""New pipeline files: what was asked for, and every other option as a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mdm_core.cli.plugins import describe_option, rules
from mdm_core.cli.show import toml_value
from mdm_core.config import CHALLENGERS, SECTIONS, SEVERAL, DurabilityOptions, ExecutionOptions, PipelineOptions
from mdm_core.errors import ConfigError
from mdm_core.kinds import BY_SECTION, Kind, kind_of
from mdm_core.options import OptionField, option_fields
from mdm_core.plan import Plan
from mdm_core.plugins import Registry
from mdm_core.wording import KeyPath, spelled, toml_key

_OF_CORE = {"pipeline": PipelineOptions, "execution": ExecutionOptions, "durability": DurabilityOptions}
_HEAD = """\
# `mdm check` checks this file, `mdm run` runs it, and `mdm schema` makes the schema with which editors complete it.
# A line that begins with # and no space is an option with its default.

"""
_NEXT = "nothing is written; --set SECTION.KEY=VALUE gives and changes options"


def draft(chosen: Mapping[str, Sequence[str]], overrides: Sequence[str]) -> str:
    """Write a pipeline file.

    Args:
        chosen: Section to the ids of its components.
        overrides: ``section.key=value`` each, the value in TOML.

    Returns:
        Its text.

    Raises:
        ConfigError: What is wrong with it, all at once: ``mdm check`` would refuse it.
    """
    bare = "".join(f"{_header(section)}\nuse = {toml_value(i)}\n" for section, ids in chosen.items() for i in ids)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.toml"
        path.write_text(bare, encoding="utf-8")
        try:
            document = Plan.from_config(path, overrides).config.document
        except ConfigError as error:
            place = re.compile(rf"^{re.escape(str(path))}(:\d+)?:? ")
            told = [place.sub("", problem) for problem in error.problems]
            raise ConfigError([*told, _NEXT]) from None
    unwritten = [name for name in CHALLENGERS if name in document]
    if unwritten:
        raise ConfigError(f"[{unwritten[0]}]: is not written by this command; add it to the file by hand")
    return _HEAD + "\n".join(_sections({"pipeline": {}, **document}))


def _header(section: str) -> str:
    return f"[[{section}]]" if section in SEVERAL else f"[{section}]"


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    registry = Registry()
    for section in SECTIONS:
        tables = document.get(section, [])
        for table in tables if isinstance(tables, list) else [tables]:
            if section in _OF_CORE:
                yield f"[{section}]"
                yield from _options(option_fields(_OF_CORE[section]), table)
                yield ""
            else:
                header = f"[[{section}]]" if isinstance(tables, list) else f"[{section}]"
                yield from _component(header, (section,), table, BY_SECTION[section], registry)


def _component(header: str, path: KeyPath, table: Mapping[str, Any], kind: Kind, registry: Registry) -> Iterator[str]:
    yield header
    if table["use"] == "none":
        yield 'use = "none"'
        yield ""
        return
    cls = registry.find(table["use"], kind).load()
    fields = option_fields(cls)
    children = [f for f in fields if f.child and f.name in table]
    yield from (f"# {line}" for line in (cls.__doc__ or "").strip().split("\n")[:1] if line)
    yield f"use = {toml_value(table['use'])}"
    yield from _options([f for f in fields if f not in children], table)
    yield from _others(fields, table)
    yield ""
    for child in children:
        inner = {"use": child.default, **table[child.name]}
        place = (*path, child.name)
        yield from _component(f"[{spelled(place)}]", place, inner, kind_of(child.type), registry)


def _options(fields: Sequence[OptionField], table: Mapping[str, Any]) -> Iterator[str]:
    for field in fields:
        yield f"# {field.info.help} ({rules(describe_option(field))})"
        if field.info.rest:
            continue
        given = field.name in table
        yield f"{'' if given else '#'}{field.name} = {toml_value(table[field.name]) if given else _default(field)}"


def _default(field: OptionField) -> str:
    default = describe_option(field)["default"]
    if field.info.secret:
        return '{ env = "NAME" }'
    if field.child:
        return f"{{ use = {toml_value(default)} }}"
    return "…" if default is None or field.info.private else toml_value(default)


def _others(fields: Sequence[OptionField], table: Mapping[str, Any]) -> Iterator[str]:
    """What stands in the table under names that no option has: core's own, and those that one option takes all of."""
    known = {"use", *(field.name for field in fields if not field.info.rest)}
    yield from (f"{toml_key(name)} = {toml_value(value)}" for name, value in table.items() if name not in known)
