"""``mdm plugins``."""

from __future__ import annotations

from typing import Any

import attrs
import click

from mdm_core.cli.options import echo_json, json_option
from mdm_core.errors import PluginError
from mdm_core.installation import Installation
from mdm_core.kinds import kind_of
from mdm_core.options import OptionField, describe_type, jsonable, option_fields
from mdm_core.plugins import Registered, Registry
from mdm_core.scanning import Plugin


@click.command("plugins")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List what is installed; with the NAME of a plugin or component, its options.

    A plugin that is broken is listed with its error and breaks nothing. What was meant to be a plugin and is not seen
    is told on standard error.
    """
    registry = Registry()
    if name is None:
        described = [_describe(registry, plugin) for plugin in sorted(registry.installed)]
        echo_json(described) if as_json else _show_all(described)
        _show_unseen()
        return
    plugin, _, component = name.partition(".")
    if plugin not in registry.installed:
        _show_unseen()
    registry.components(plugin)
    described = [_describe(registry, plugin)]
    if component:
        described[0]["components"] = [c for c in described[0]["components"] if c["id"] == name]
        if not described[0]["components"]:
            raise PluginError(f"plugin {plugin!r} has no component {name!r}; `mdm plugins {plugin}` lists them")
    echo_json(described[0]) if as_json else _show_one(described[0])


def _describe(registry: Registry, name: str) -> dict[str, Any]:
    claims = registry.installed[name]
    try:
        components = registry.components(name).values()
    except PluginError as error:
        return {"name": name, **_origin(claims[0]), "error": str(error), "components": []}
    return {
        "name": name,
        **_origin(claims[0]),
        "error": None,
        "components": [_component(c) for c in components],
    }


def _origin(plugin: Plugin) -> dict[str, str]:
    return {"distribution": plugin.distribution, "version": plugin.version}


def _component(component: Registered) -> dict[str, Any]:
    about: dict[str, Any] = {"id": component.id, "kind": component.kind.name, "help": "", "error": None, "options": []}
    try:
        cls = component.load()
    except PluginError as error:
        return about | {"error": str(error)}
    summary = (cls.__doc__ or "").strip().split("\n")[0].replace("``", "`")
    return about | {"help": summary, "options": [describe_option(field) for field in option_fields(cls)]}


def describe_option(field: OptionField) -> dict[str, Any]:
    """What is known of an option, in builtin types."""
    info = field.info
    return {
        "name": field.name,
        "type": f"table of a {kind_of(field.type).name}" if field.child else describe_type(field.type),
        "required": field.required,
        "default": None if field.default is attrs.NOTHING else jsonable(field.default),
        "help": info.help,
        "ge": info.ge,
        "gt": info.gt,
        "le": info.le,
        "choices": info.choices,
        "secret": info.secret,
    }


def _show_all(described: list[dict[str, Any]]) -> None:
    if not described:
        click.echo("no plugins are installed; mdm-reference has everything for a first pipeline", err=True)
    for plugin in described:
        _show_heading(plugin)
        for component in plugin["components"]:
            click.echo(f"  {component['id']:<26} {component['kind']:<18} {component['help']}".rstrip())
            if component["error"]:
                click.secho(f"    broken: {component['error']}", fg="red")


def _show_unseen() -> None:
    for text in Installation().unseen():
        click.echo(f"not seen: {text}", err=True)


def _show_one(plugin: dict[str, Any]) -> None:
    _show_heading(plugin)
    for component in plugin["components"]:
        click.echo(f"\n{component['id']}  ({component['kind']})")
        if component["help"]:
            click.echo(f"  {component['help']}")
        if component["error"]:
            click.secho(f"  broken: {component['error']}", fg="red")
        for option in component["options"]:
            click.echo(f"    {option['name']} = {_value(option)}  ({rules(option)})")
            click.echo(f"        {option['help']}")


def _show_heading(plugin: dict[str, Any]) -> None:
    click.secho(plugin["name"], bold=True, nl=False)
    click.echo(f"  {plugin['distribution']} {plugin['version']}")
    if plugin["error"]:
        click.secho(f"  broken: {plugin['error']}", fg="red")


def _value(option: dict[str, Any]) -> str:
    from mdm_core.cli.show import toml_value

    if option["required"]:
        return "…"
    return "not set" if option["default"] is None else toml_value(option["default"])


def rules(option: dict[str, Any]) -> str:
    """What an option's value must be, on one line."""
    words = [option["type"]]
    if option["required"]:
        words.append("required")
    if option["secret"]:
        words.append('secret: { env = "NAME" }')
    words += [f"{word} {option[rule]}" for rule, word in _BOUNDS if option[rule] is not None]
    if option["choices"]:
        words.append("of " + ", ".join(map(str, option["choices"])))
    return ", ".join(words)


_BOUNDS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"))
