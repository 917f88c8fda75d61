"""Writes the generated parts of the pages in this folder.

``python docs/generate.py`` writes them, ``python docs/generate.py --check`` only says whether they are current and
exits 1 if they are not. A part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; the rest of a page is
written by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import click

import mdm_core
from mdm_core import contracts, errors, hookspecs, values
from mdm_core.cli.main import cli
from mdm_core.cli.show import toml_value
from mdm_core.config import (
    CanaryOptions,
    CommonOptions,
    DurabilityOptions,
    ExecutionOptions,
    PipelineOptions,
    ShadowOptions,
)
from mdm_core.errors import PluginError
from mdm_core.kinds import KINDS, Kind
from mdm_core.options import OptionField, describe_type, jsonable, option_fields
from mdm_core.plugins import Registered, Registry

DOCS = Path(__file__).parent
PLUGINS = DOCS.parent / "plugins"
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
AUTHOR_FUNCTIONS = ("option", "component", "keyed_state", "compile_expression", "get_logger")
_SECTIONS = ("Args", "Attributes", "Returns", "Raises")


def main(arguments: list[str]) -> int:
    """Write all pages, or compare them.

    Args:
        arguments: Nothing, or ``--check``.

    Returns:
        The exit code: 1 if a page is not current and was only to be checked, 2 if a plugin is missing.
    """
    try:
        stale = [page for page in sorted(DOCS.glob("*.md")) if page.read_text(encoding="utf-8") != renewed(page)]
    except PluginError as error:
        click.echo(f"{error}; every plugin of this repository must be installed: run ./dev docs", err=True)
        return error.exit_code
    if arguments == ["--check"]:
        for page in stale:
            click.echo(f"{page.name} is not current: run python docs/generate.py", err=True)
        return 1 if stale else 0
    for page in stale:
        page.write_text(renewed(page), encoding="utf-8")
        click.echo(f"{page.name} written", err=True)
    return 0


def renewed(page: Path) -> str:
    """Give the text of a page with its generated parts made anew.

    Args:
        page: The page.
    """

    def part(match: re.Match[str]) -> str:
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(PARTS[match[2]]()))
        return f"{match[1]}\n{text.strip()}\n\n{match[3]}"

    return _PART.sub(part, page.read_text(encoding="utf-8"))


def pipeline_options() -> Iterator[str]:
    """The options of ``[pipeline]``."""
    yield from _options(option_fields(PipelineOptions))


def execution_options() -> Iterator[str]:
    """The options of ``[execution]``."""
    yield from _options(option_fields(ExecutionOptions))


def durability_options() -> Iterator[str]:
    """The options of ``[durability]``."""
    yield from _options(option_fields(DurabilityOptions))


def canary_options() -> Iterator[str]:
    """The options of ``[canary]``."""
    yield from _options(option_fields(CanaryOptions))


def shadow_options() -> Iterator[str]:
    """The options of ``[[shadow]]``."""
    yield from _options(option_fields(ShadowOptions))


def common_options() -> Iterator[str]:
    """What every component's table may hold."""
    yield from _options(option_fields(CommonOptions))


def faults() -> Iterator[str]:
    """The fault matrix, from the list that the tests go by."""
    sys.path.insert(0, str(DOCS.parent / "tests" / "docs"))
    yield from import_module("fault_matrix").table()


def first_party() -> dict[str, list[str]]:
    """The plugins and the commands of this repository, by entry-point group."""
    found: dict[str, list[str]] = {"mdm": [], "mdm.commands": []}
    for path in sorted(PLUGINS.glob("*/pyproject.toml")):
        groups = tomllib.loads(path.read_text(encoding="utf-8"))["project"].get("entry-points", {})
        for group, names in found.items():
            names += groups.get(group, {})
    return found


def first_party_components() -> list[Registered]:
    """The components of this repository's plugins, by kind and name."""
    registry = Registry(blocked=())
    components = [c for name in first_party()["mdm"] for c in registry.components(name).values()]
    return sorted(components, key=lambda c: (KINDS.index(c.kind), c.id))


def components() -> Iterator[str]:
    """All first-party components with their options."""
    found = first_party_components()
    for kind in KINDS:
        of_kind = [component for component in found if component.kind is kind]
        if of_kind:
            yield f"\n### {kind.name.capitalize()}s: `{_brackets(kind)}`\n"
        for registered in of_kind:
            cls = registered.load()
            yield f"\n#### `{registered.id}`\n\nFrom {registered.plugin.distribution}.\n\n{_prose(cls)}\n"
            yield from _options(option_fields(cls))


def hooks() -> Iterator[str]:
    """Every hook with its signature, in the order of calls."""
    for kind in KINDS:
        yield f"\n### `{kind.hook}`\n\n{_function(getattr(hookspecs, kind.hook))}\n"


def contract_classes() -> Iterator[str]:
    """Every contract with its methods."""
    classes: list[type] = [contracts.Component, *(kind.contract for kind in KINDS)]
    for cls in classes:
        yield f"\n### `{cls.__name__}`\n\n{_docstring(cls)}\n"
        for name, member in vars(cls).items():
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                yield f"\n#### `{cls.__name__}.{name}`\n\n{_method(name, member)}\n"


def value_classes() -> Iterator[str]:
    """The values that pass between core and components."""
    yield from _classes([v for v in vars(values).values() if isinstance(v, type) and v.__module__ == values.__name__])


def decision_classes() -> Iterator[str]:
    """What comes from ``decision-schema``."""
    yield from _classes([mdm_core.Proposal, mdm_core.FinalDecision, mdm_core.MismatchInfo, mdm_core.PacketV2])


def author_functions() -> Iterator[str]:
    """What a plugin's author calls."""
    yield from (f"\n### `{name}`\n\n{_function(getattr(mdm_core, name))}\n" for name in AUTHOR_FUNCTIONS)
    yield from _classes([mdm_core.KeyedState, mdm_core.Expression])


def running_classes() -> Iterator[str]:
    """What runs a pipeline from Python."""
    classes: list[type] = [mdm_core.Pipeline, mdm_core.Run, mdm_core.PastRun, mdm_core.Decision, mdm_core.Summary]
    for cls in classes:
        yield from _classes([cls])
        for name, member in vars(cls).items():
            public = not name.startswith("_") and not inspect.ismemberdescriptor(member)
            if public and (inspect.isroutine(member) or isinstance(member, property)):
                yield f"\n#### `{cls.__name__}.{name}`\n\n{_method(name, member)}\n"


def error_tree() -> Iterator[str]:
    """The errors, as their module tells of them."""
    tree = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2]
    yield f"```text\n{tree}\n```"


def commands() -> Iterator[str]:
    """Every command with its usage and options."""
    context = _context(cli, "mdm", None)
    yield from _command(cli, context)
    theirs = first_party()["mdm.commands"]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None and (name in theirs or command.callback.__module__.startswith("mdm_core.")):
            yield from _tree(command, name, context)


def _tree(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = _context(command, name, parent)
    yield from _command(command, context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            inner = command.get_command(context, sub)
            assert inner is not None
            yield from _tree(inner, sub, context)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, parent=parent, info_name=name, **command.context_settings)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"\n### `{context.command_path}`\n\n```text\n{usage}\n```\n\n{_plain(inspect.cleandoc(command.help or ''))}\n"
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    yield "| option | meaning |\n|---|---|"
    yield from (f"| `{_cell(names)}` | {_cell(help_)} |" for names, help_ in filter(None, records) if help_)


def _options(fields: tuple[OptionField, ...]) -> Iterator[str]:
    if not fields:
        yield "It has no options."
        return
    yield "| option | type | default | rules | meaning |\n|---|---|---|---|---|"
    for field in fields:
        cells = (f"`{field.name}`", _type(field), _default(field), _rules(field), field.info.help)
        yield f"| {' | '.join(map(_cell, cells))} |"


def _type(field: OptionField) -> str:
    if field.child:
        return f"table of a {_kind(field.type).name}"
    # TOML has no word for nothing: an option that may be None is left out.
    return describe_type(field.type).removesuffix(" or nothing")


def _kind(contract: type) -> Kind:
    return next(kind for kind in KINDS if issubclass(contract, kind.contract))


def _default(field: OptionField) -> str:
    if field.info.rest:
        return "the keys left over"
    if field.required:
        return "**required**"
    value = jsonable(field.default)
    return "not set" if value is None else f"`{toml_value(value)}`"


def _rules(field: OptionField) -> str:
    info = field.info
    bounds = (("at least", info.ge), ("more than", info.gt), ("at most", info.le))
    rules = [f"{word} {value}" for word, value in bounds if value is not None]
    if info.choices:
        rules.append("of " + ", ".join(f"`{choice}`" for choice in info.choices))
    if info.secret:
        rules.append('secret: `{ env = "NAME" }`')
    return ", ".join(rules)


def _brackets(kind: Kind) -> str:
    several = kind.section in ("modulators", "trace", "observers")
    return f"[[{kind.section}]]" if several else f"[{kind.section}]"


def _classes(classes: list[type]) -> Iterator[str]:
    for cls in classes:
        call = _wrapped(cls.__name__, _arguments(inspect.signature(cls)))
        yield f"\n### `{cls.__name__}`\n\n{_python(call)}\n\n{_docstring(cls)}\n"


def _method(name: str, member: Any) -> str:
    if isinstance(member, property):
        code = f"{name}: {_annotation(inspect.signature(member.fget).return_annotation)}"  # type: ignore[arg-type]
        return f"{_python(code)}\n\n{_docstring(member)}"
    return _function(getattr(member, "__func__", member))


def _function(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    call = _wrapped(f"def {function.__name__}", _parameters(signature))
    code = f"{call} -> {_annotation(signature.return_annotation)}: ..."
    return f"{_python(code)}\n\n{_docstring(function)}"


def _parameters(signature: inspect.Signature) -> list[str]:
    shown: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        annotation = "" if parameter.annotation is parameter.empty else f": {_annotation(parameter.annotation)}"
        default = "" if parameter.default is parameter.empty else f" = {_value(parameter.default)}"
        shown.append(f"{parameter.name}{annotation}{default}")
    return shown


def _arguments(signature: inspect.Signature) -> list[str]:
    return [_argument(parameter) for parameter in signature.parameters.values()]


def _argument(parameter: inspect.Parameter) -> str:
    if parameter.default is not parameter.empty:
        return f"{parameter.name}={_value(parameter.default)}"
    return f"{parameter.name}=..." if parameter.kind is parameter.KEYWORD_ONLY else parameter.name


def _wrapped(name: str, parameters: list[str]) -> str:
    line = f"{name}({', '.join(parameters)})"
    return line if len(line) <= 100 else "\n".join([f"{name}(", *(f"    {p}," for p in parameters), ")"])


def _value(default: Any) -> str:
    if isinstance(default, Path):
        return f'Path("{default}")'
    # What is made anew for each object has no text that a reader could use.
    made_anew = default is attrs.NOTHING or type(default).__module__.startswith(("attr", "msgspec"))
    return "..." if made_anew else repr(default).replace("'", '"')


def _annotation(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation)


def _python(code: str) -> str:
    return f"```python\n{code}\n```"


def _prose(cls: type) -> str:
    """What is said of a component, and of the private classes that it shares with others."""
    shared = [base for base in cls.__mro__[1:] if base.__name__.startswith("_") and base.__doc__]
    return "\n\n".join(_plain(_split(documented)[0]) for documented in [cls, *shared])


def _docstring(documented: Any) -> str:
    prose, sections = _split(documented)
    # An attribute that is an argument too is told of once.
    names = dict([*_entries(sections.get("Attributes", [])), *_entries(sections.get("Args", []))])
    returns = " ".join(line.strip() for line in sections.get("Returns", []))
    raises = _bullets(dict(_entries(sections.get("Raises", []))))
    parts = [prose, _bullets(names), returns and f"Returns: {returns}", raises and f"Raises:\n\n{raises}"]
    return "\n\n".join(_plain(part).strip() for part in parts if part)


def _bullets(entries: dict[str, str]) -> str:
    return "\n".join(f"- `{name}`: {text}" for name, text in entries.items())


def _split(documented: Any) -> tuple[str, dict[str, list[str]]]:
    """Split a docstring into what comes before its sections, and these."""
    text = re.sub(r"^:param (\w+): (.*)", r"Args:\n    \1: \2", inspect.getdoc(documented) or "", flags=re.MULTILINE)
    prose: list[str] = []
    sections: dict[str, list[str]] = {}
    lines = prose
    for line in text.splitlines():
        if line.removesuffix(":") in _SECTIONS and line.endswith(":"):
            lines = sections.setdefault(line[:-1], [])
        else:
            lines.append(line)
    return "\n".join(prose).strip(), sections


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    name, text = "", ""
    for line in lines:
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            if name:
                yield name, text
            name, text = start[1], start[2]
        else:
            text = f"{text} {line.strip()}".strip()
    if name:
        yield name, text


def _plain(text: str) -> str:
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "pipeline-options": pipeline_options,
    "shadow-options": shadow_options,
    "execution-options": execution_options,
    "durability-options": durability_options,
    "canary-options": canary_options,
    "common-options": common_options,
    "faults": faults,
    "components": components,
    "hooks": hooks,
    "contracts": contract_classes,
    "values": value_classes,
    "decisions": decision_classes,
    "functions": author_functions,
    "running": running_classes,
    "errors": error_tree,
    "commands": commands,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
