"""New plugins from templates: a whole distribution with one component that works."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import attrs

from mdm_core.config import SEVERAL
from mdm_core.errors import UsageError
from mdm_core.kinds import BY_SECTION, Kind
from mdm_core.scanning import installed

PREFIX = "mdm-"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40
_SHORTEST_HINT = 3
# A name made of these alone says nothing.
_EMPTY_WORDS = frozenset(
    {
        "bar",
        "baz",
        "broker",
        "component",
        "demo",
        "example",
        "features",
        "foo",
        "hello",
        "model",
        "modulator",
        "my",
        "name",
        "new",
        "observer",
        "of",
        "package",
        "plugin",
        "redactor",
        "sample",
        "sink",
        "source",
        "template",
        "test",
        "tests",
        "the",
        "todo",
        "untitled",
        "your",
    }
)
_OURS = frozenset(
    {
        "core",
        "dmc",
        "eval",
        "guards",
        "http",
        "mdm",
        "none",
        "private",
        "query",
        "redaction",
        "reference",
        "schema",
        "testing",
        "trace",
        "trace-jsonl",
    }
)
_NEEDS = ("mdm-reference", "mdm-redaction", "mdm-trace-jsonl")


@attrs.frozen
class Blueprint:
    """What a new plugin of one kind holds.

    Attributes:
        section: The kind's table in a pipeline file.
        component: Name of the component and of its module.
        cls: Name of its class.
        summary: What it does, in one sentence.
        options: Its options in the pipeline that comes with the plugin.
        others: Tables of that pipeline that differ from the usual ones.
        needs: Distributions whose components that pipeline names.
        events: File of the pipeline's events.
        check: What `mdm check-plugin` has to be told.
    """

    section: str
    component: str
    cls: str
    summary: str
    options: str = ""
    others: Mapping[str, str] = attrs.field(factory=dict)
    needs: tuple[str, ...] = _NEEDS
    events: str = "events.jsonl"
    check: str = ""

    @property
    def kind(self) -> Kind:
        """The kind of component."""
        return BY_SECTION[self.section]


BLUEPRINTS = {
    "model": Blueprint(
        "model", "threshold", "Threshold", "Acts when a number reaches a threshold", "threshold = 10.0\n"
    ),
    "features": Blueprint(
        "features",
        "change",
        "Change",
        "Compares a number with what came before it",
        others={"model": 'use = "reference.linear"\nweights = { "value.change" = 0.1 }\nthreshold = 0.6\n'},
    ),
    "source": Blueprint(
        "source",
        "table",
        "Table",
        "Reads events from CSV files",
        'path = "events.csv"\n',
        events="events.csv",
        check="--option path=events.csv",
    ),
    "modulator": Blueprint(
        "modulators", "quota", "Quota", "Grants each key a number of actions", "actions = 1\nseconds = 60\n"
    ),
    "broker": Blueprint(
        "broker",
        "outbox",
        "Outbox",
        "Leaves orders as files in a folder",
        'folder = "outbox"\n',
        check="--limit-ms 1000",
    ),
    "sink": Blueprint("trace", "table", "Table", "Keeps decisions as a table for spreadsheets"),
    "redactor": Blueprint("redaction", "addresses", "Addresses", "Keeps e-mail addresses out of what is written"),
    "observer": Blueprint(
        "observers",
        "denials",
        "Denials",
        "Counts why actions were not allowed",
        others={"modulators": 'use = "guards.confidence"\nfloor = 0.6\n'},
        needs=(*_NEEDS, "mdm-guards"),
    ),
}

_USUAL = {
    "source": 'use = "reference.jsonl"\npath = "events.jsonl"\n',
    "features": 'use = "reference.rolling"\ninclude = ["value"]\n',
    "model": 'use = "reference.linear"\nweights = { value = 0.05 }\n',
    "broker": 'use = "reference.paper"\n',
    "trace": 'use = "trace-jsonl.packets"\n',
    "redaction": 'use = "redaction.keys"\n',
}
_COMMON = {
    "README.md": "README.md",
    "ci.yml": ".github/workflows/ci.yml",
    "gitignore": ".gitignore",
    "pipeline.toml": "pipeline.toml",
    "plugin.py": "{package}/plugin.py",
    "package.py": "{package}/__init__.py",
    "pyproject.toml": "pyproject.toml",
}


def plugin_name(text: str) -> str:
    """Check the name of a new plugin.

    Args:
        text: The plugin's name, or its distribution's: ``weather`` or ``mdm-weather``.

    Returns:
        The plugin's name.

    Raises:
        UsageError: It is no name, says nothing, or is taken.
    """
    name = text.removeprefix(PREFIX)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(
            f"{text!r} cannot be a plugin's name: use up to {_LONGEST} small letters, digits and single '-', "
            f"beginning with a letter, such as {_like(name)!r}"
        )
    if _says_nothing(name):
        raise UsageError(f"{text!r} says nothing about the plugin: name it after what it is for, such as 'weather'")
    if name in _OURS:
        raise UsageError(f"{text!r} belongs to mdm itself: name the plugin after what it is for, such as 'weather'")
    claims = installed("mdm").get(name)
    if claims:
        raise UsageError(
            f"the plugin {name!r} is installed already, from {claims[0]}: choose another name, or uninstall that first"
        )
    return name


def missing_needs(blueprint: Blueprint) -> list[str]:
    """The distributions that the pipeline of a new plugin names and that are not installed.

    Args:
        blueprint: What the plugin holds.
    """
    found = installed("mdm")
    return [distribution for distribution in blueprint.needs if distribution.removeprefix(PREFIX) not in found]


def create_plugin(name: str, blueprint: Blueprint, parent: Path) -> list[Path]:
    """Write a new plugin's distribution into a directory of its own.

    Args:
        name: The plugin's name, checked.
        blueprint: What it holds.
        parent: Where the directory is made; it is named like the distribution.

    Returns:
        The files, relative to ``parent``.

    Raises:
        UsageError: The directory is there already or cannot be made.
    """
    directory = parent / f"{PREFIX}{name}"
    contents = dict(_contents(name, blueprint))
    try:
        directory.mkdir(parents=True)
        for file, text in contents.items():
            path = directory / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{directory}: is there already; choose another name, or another --dir") from None
    except OSError as error:
        raise UsageError(f"{directory}: cannot be made: {error.strerror}; choose another --dir") from None
    return [directory / file for file in sorted(contents)]


def _like(name: str) -> str:
    """A name that can be one, as like to this one as it can be."""
    better = re.sub(r"[^a-z0-9]+", "-", re.sub(r"^[^a-z]+", "", name.lower())).strip("-")[:_LONGEST]
    usable = (
        len(better) >= _SHORTEST_HINT and _NAME.fullmatch(better) and not _says_nothing(better) and better not in _OURS
    )
    return better if usable else "weather"


def _says_nothing(name: str) -> bool:
    return all(len(word) < 2 or word.rstrip("0123456789") in _EMPTY_WORDS for word in name.split("-"))


def _contents(name: str, blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    package = f"{PREFIX}{name}".replace("-", "_")
    kind = blueprint.kind
    words = {
        "name": name,
        "distribution": f"{PREFIX}{name}",
        "package": package,
        "component": blueprint.component,
        "cls": blueprint.cls,
        "summary": blueprint.summary,
        "kind": kind.name,
        "hook": kind.hook,
        "header": _header(kind.section),
        "events": blueprint.events,
        "needs": ", ".join(blueprint.needs),
        "check": f"{name}.{blueprint.component} {blueprint.check}".rstrip(),
        "tables": _tables(name, blueprint),
    }
    own = {
        f"{blueprint.component}.py": f"{package}/{blueprint.component}.py",
        "trial.py": f"tests/test_{package}.py",
        blueprint.events: blueprint.events,
    }
    templates = files("mdm_core") / "templates" / "plugin"
    folder = {section.section: kind_name for kind_name, section in BLUEPRINTS.items()}[kind.section]
    for template, file in (_COMMON | own).items():
        place = "common" if template in _COMMON or template == "events.jsonl" else folder
        text = (templates / place / f"{template}.in").read_text(encoding="utf-8")
        yield file.format(package=package), Template(text).substitute(words)
    yield f"{package}/py.typed", ""


def _tables(name: str, blueprint: Blueprint) -> str:
    own = {blueprint.section: f'use = "{name}.{blueprint.component}"\n{blueprint.options}'}
    tables = {**_USUAL, **blueprint.others, **own}
    return "\n".join(f"{_header(section)}\n{tables[section]}" for section in BY_SECTION if section in tables).rstrip()


def _header(section: str) -> str:
    return f"[[{section}]]" if section in SEVERAL - {"features"} else f"[{section}]"
