"""Component options: one declaration gives the constructor, the check, the help and the schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import msgspec

from mdm_core.errors import OptionError

_TYPE_WORDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "null": "nothing",
    "None": "nothing",
    "Path": "path",
    "dict": "table",
    "object": "table",
    "array": "list",
}
_OPTION = "mdm.option"
_CHILD = "mdm.component"


@attrs.frozen
class Option:
    """What is known of one option, apart from its name, type and default.

    Attributes:
        help: One sentence for people.
        ge: Smallest value allowed.
        gt: The value must be greater than this.
        le: Largest value allowed.
        choices: The only values allowed; of a list option, the only items.
        secret: The value comes from the environment and is shown nowhere.
        rest: The option takes the keys that no other option claims.
        check: Raises ``ValueError`` for a value that the other rules cannot refuse.
    """

    help: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    choices: tuple[Any, ...] | None = None
    secret: bool = False
    rest: bool = False
    check: Callable[[Any], object] | None = None

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with a value of the right type.

        Args:
            value: The value, already of the option's type.

        Returns:
            A message that completes ``NAME: …``, or None if the value is allowed.
        """
        if value is None:
            return None
        return self._range_problem(value) or self._choice_problem(value) or self._check_problem(value)

    def _range_problem(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not math.isfinite(value):
            return f"must be a finite number, got {value!r}"
        if self.ge is not None and value < self.ge:
            return f"must be at least {self.ge}, got {value!r}"
        if self.gt is not None and value <= self.gt:
            return f"must be greater than {self.gt}, got {value!r}"
        if self.le is not None and value > self.le:
            return f"must be at most {self.le}, got {value!r}"
        return None

    def _choice_problem(self, value: Any) -> str | None:
        if self.choices is None:
            return None
        for item in value if isinstance(value, list | tuple) else [value]:
            if item not in self.choices:
                return f"must be one of {', '.join(map(repr, self.choices))}, got {item!r}"
        return None

    def _check_problem(self, value: Any) -> str | None:
        if self.check is None:
            return None
        try:
            self.check(value)
        except ValueError as error:
            return str(error)
        return None


def option(
    default: Any = attrs.NOTHING,
    *,
    help: str,  # noqa: A002 - the word that users of option() expect, as in click and argparse
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    choices: Sequence[Any] | None = None,
    secret: bool = False,
    rest: bool = False,
    check: Callable[[Any], object] | None = None,
) -> Any:
    """Declare one option of a component: an attrs field with its validator and help.

    Args:
        default: Value when the user gives none; without it the option is required. A list or dict is copied.
        help: One sentence for people.
        ge: Smallest value allowed.
        gt: The value must be greater than this.
        le: Largest value allowed.
        choices: The only values (of a list: items) allowed.
        secret: In a file only ``{ env = "NAME" }`` is taken; the value appears in no repr, file or message.
        rest: The option, a dict, takes the keys that no other option claims.
        check: Raises ``ValueError`` for a value that the other rules cannot refuse.

    Returns:
        The attrs field.
    """
    known = Option(help, ge, gt, le, None if choices is None else tuple(choices), secret, rest, check)
    settings: dict[str, Any] = {"metadata": {_OPTION: known}, "validator": _validate, "repr": not secret}
    if rest and default is attrs.NOTHING:
        default = {}
    if isinstance(default, list | dict):
        return attrs.field(factory=default.copy, **settings)
    return attrs.field(default=default, **settings)


def component(default: str | None = None, *, help: str = "the component that is wrapped") -> Any:  # noqa: A002
    """Declare a child component: in a file, the nested table ``[model.model] use = …``.

    Args:
        default: Id of the component to use when the table is absent; without it the table is required.
        help: One sentence for people.

    Returns:
        The attrs field.
    """
    return attrs.field(metadata={_CHILD: Option(help), "mdm.default": default})


def _validate(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    known: Option = attribute.metadata[_OPTION]
    problem = known.problem(value)
    if problem is not None:
        shown = "the value is refused" if known.secret else problem
        raise OptionError(f"{type(instance).__name__}.{attribute.name}: {shown}")


@attrs.frozen
class OptionField:
    """One option of one component class, with everything that a check, a help page or a schema needs.

    Attributes:
        name: The key in the file and the keyword of the constructor.
        type: The annotation, resolved.
        default: The default value, or ``attrs.NOTHING`` if the option is required.
        info: Help and rules.
        child: True for a child component.
    """

    name: str
    type: Any
    default: Any
    info: Option
    child: bool = False

    @property
    def required(self) -> bool:
        """Whether the user has to give a value."""
        return self.default is attrs.NOTHING and not self.info.rest

    def convert(self, value: Any) -> Any:
        """Bring a value from a file to the option's type, strictly.

        Args:
            value: What the TOML parser gave.

        Returns:
            The value as the constructor wants it.

        Raises:
            ValueError: What is wrong, in words that complete ``NAME: …``.
        """
        try:
            converted = msgspec.convert(value, self.type, dec_hook=_from_text)
        except msgspec.ValidationError as error:
            raise ValueError(_plain_words(str(error))) from None
        problem = self.info.problem(converted)
        if problem is not None:
            raise ValueError(problem)
        return converted


def option_fields(cls: type) -> tuple[OptionField, ...]:
    """List the options of a component class, children included, in the order of their declaration.

    Args:
        cls: A component class made with attrs.

    Returns:
        One entry per option.
    """
    if not attrs.has(cls):
        return ()
    hints = get_type_hints(cls)
    fields = []
    for field in attrs.fields(cls):
        if not field.init:
            continue
        child = field.metadata.get(_CHILD)
        if child is not None:
            default = field.metadata["mdm.default"] or attrs.NOTHING
            fields.append(OptionField(field.name, hints[field.name], default, child, child=True))
        elif _OPTION in field.metadata:
            fields.append(OptionField(field.name, hints[field.name], _default_of(field), field.metadata[_OPTION]))
    return tuple(fields)


def children_of(instance: Any) -> dict[str, Any]:
    """Give the child components that an instance holds.

    Args:
        instance: A component.

    Returns:
        Field name to child.
    """
    if not attrs.has(type(instance)):
        return {}
    return {f.name: getattr(instance, f.name) for f in attrs.fields(type(instance)) if _CHILD in f.metadata}


def describe_type(hint: Any) -> str:
    """Write a type as people say it: ``int``, ``list of str``, ``int or str``.

    Args:
        hint: A resolved annotation.

    Returns:
        A short text.
    """
    return _plain_type(str(hint).replace("<class '", "").replace("'>", ""))


def jsonable(value: Any) -> Any:
    """Bring an option's value to what TOML and JSON can hold.

    Args:
        value: A value of an option.

    Returns:
        The same in builtin types; paths as text.
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    return value.value if isinstance(value, Enum) else value


def _default_of(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def _from_text(target: type, value: Any) -> Any:
    if target is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"expected {target.__name__}, got {value!r}")


def _plain_words(message: str) -> str:
    text, _, where = message.partition(" - at ")
    text = re.sub("`([^`]*)`", lambda quoted: _plain_type(quoted[1]), text)
    text = text[:1].lower() + text[1:]
    place = where.strip("`").removeprefix("$").removeprefix(".")
    return f"{text} (at {place})" if place else text


def _plain_type(text: str) -> str:
    text = re.sub(r"\b(pathlib|typing|mdm_core\.contracts)\.", "", text).replace(" | ", " or ")
    return re.sub(r"\w+", lambda word: _TYPE_WORDS.get(word[0], word[0]), text)
