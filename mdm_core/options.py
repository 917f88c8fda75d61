"""Component options: one declaration gives the constructor, the check, the help and the schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from enum import Enum
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from mdm_core.errors import OptionError, PluginError
from mdm_core.wording import KeyPath, one_line, spelled

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    NoneType: "nothing",
    Any: "anything",
}
_PLURALS = {"whole number": "whole numbers", "number": "numbers", "path": "paths", "table": "tables", "list": "lists"}
_MSGSPEC_WORDS = {
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "str": "text",
    "array": "list",
    "object": "table",
}
_OPTION = "mdm.option"
_CHILD = "mdm.component"


class BadValue(ValueError):
    """A value from a file that does not fit an option.

    Attributes:
        problems: Path inside the value, and what is wrong there; one or several.
    """

    def __init__(self, problems: Sequence[tuple[KeyPath, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{text} (at {spelled(path)})" if path else text for path, text in problems))


@attrs.frozen
class Option:
    """What is known of one option, apart from its name, type and default.

    Attributes:
        help: One sentence for people.
        ge: Smallest value allowed.
        gt: The value must be greater than this.
        le: Largest value allowed.
        choices: The only values allowed, in builtin types.
        secret: The value comes from the environment and is shown nowhere.
        rest: The option takes the keys that no other option claims.
        private: The value stands in the file but is shown nowhere; of the component only one hash is recorded.
        check: Raises ``ValueError`` for a value that the other rules cannot refuse.
    """

    help: str
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    choices: tuple[Any, ...] | None = None
    secret: bool = False
    rest: bool = False
    private: bool = False
    check: Callable[[Any], object] | None = None

    def problems(self, value: Any) -> Iterator[tuple[KeyPath, str]]:
        """Say what is wrong with a value of the right type.

        Args:
            value: The value, already of the option's type; bounds and choices hold for the items of a list or table.

        Yields:
            Path inside the value, and a message that completes ``NAME: …``.
        """
        if value is None:
            return
        fine = True
        for path, item in _items(value):
            problem = self._range_problem(item) or self._choice_problem(item)
            if problem is not None:
                fine = False
                yield path, problem
        problem = self._check_problem(value) if fine else None
        if problem is not None:
            yield (), problem

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
        if self.choices is None or jsonable(value) in self.choices:
            return None
        return _not_among(self.choices, value)

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
    private: bool = False,
    check: Callable[[Any], object] | None = None,
) -> Any:
    """Declare one option of a component: an attrs field with its validator and help.

    Bounds and choices of a list or dict hold for its items.

    Args:
        default: Value when the user gives none; without it the option is required. A list or dict is copied.
        help: One sentence for people.
        ge: Smallest value allowed.
        gt: The value must be greater than this.
        le: Largest value allowed.
        choices: The only values allowed.
        secret: In a file only ``{ env = "NAME" }`` is taken; the value appears in no repr, file or message.
        rest: The option, a dict, takes the keys that no other option claims.
        private: The value appears in no repr, file or message; ``run.json`` has one hash of all private options of
            the component and the contents of the files that they name, and none if they name no file.
        check: Raises ``ValueError`` for a value that the other rules cannot refuse.

    Returns:
        The attrs field.
    """
    allowed = None if choices is None else tuple(jsonable(choices))
    known = Option(help, ge, gt, le, allowed, secret, rest, private, check)
    shown = not (secret or private)
    settings: dict[str, Any] = {"metadata": {_OPTION: known}, "validator": _validate, "repr": shown}
    if rest and default is attrs.NOTHING:
        default = {}
    if isinstance(default, list | dict):
        return attrs.field(factory=partial(deepcopy, default), **settings)
    return attrs.field(default=default, **settings)


def component(default: str | None = None, *, help: str = "the component that is wrapped") -> Any:  # noqa: A002
    """Declare a child component: in a file, the nested table ``[model.model] use = …``.

    Args:
        default: Id of the component to use when the table is absent; without it the table is required.
        help: One sentence for people.

    Returns:
        The attrs field.
    """
    return attrs.field(kw_only=True, metadata={_CHILD: Option(help), "mdm.default": default})


def _validate(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    known: Option = attribute.metadata[_OPTION]
    problems = list(known.problems(value))
    if not problems:
        return
    name = f"{type(instance).__name__}.{attribute.name}"
    if known.secret or known.private:
        raise OptionError(f"{name}: the value is refused")
    raise OptionError([f"{name}{f' {spelled(path)}' if path else ''}: {text}" for path, text in problems])


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
            BadValue: What is wrong, in words that complete ``NAME: …``.
        """
        try:
            return self._convert(value)
        except BadValue:
            if self.info.private:
                raise BadValue([((), f"the value is refused; expected {describe_type(self.type)}")]) from None
            raise

    def _convert(self, value: Any) -> Any:
        try:
            converted = _converted(value, self.type)
        except msgspec.ValidationError as error:
            raise BadValue([*_misfits(value, self.type)] or [((), _plain_words(str(error)))]) from None
        except TypeError as error:
            raise BadValue(
                [((), f"the option's own type cannot be used: {one_line(error)}; tell its author")]
            ) from None
        problems = list(self.info.problems(converted))
        if problems:
            raise BadValue(problems)
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
    hints = _hints(cls)
    fields = []
    for field in attrs.fields(cls):
        if not field.init:
            continue
        child = field.metadata.get(_CHILD)
        if child is not None:
            default = field.metadata["mdm.default"] or attrs.NOTHING
            fields.append(OptionField(field.name, hints[field.name], default, child, child=True))
        elif _OPTION in field.metadata:
            fields.append(_option_field(field, hints[field.name]))
    return tuple(fields)


def _option_field(field: attrs.Attribute[Any], hint: Any) -> OptionField:
    info: Option = field.metadata[_OPTION]
    if info.choices is None:
        info = attrs.evolve(info, choices=_all_choices(hint) or None)
    return OptionField(field.name, hint, _default_of(field), info)


def _hints(cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(cls)
    except NameError as error:
        raise PluginError(
            f"{cls.__module__}.{cls.__name__}: the annotation {error.name!r} of an option cannot be resolved; import "
            f"it outside TYPE_CHECKING"
        ) from error
    except TypeError as error:  # such as array[float] before Python 3.12
        raise PluginError(
            f"{cls.__module__}.{cls.__name__}: the annotation of a field cannot be read: {error}; write it otherwise"
        ) from error


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


def without_secrets(text: str, component: object) -> str:
    """Take the values of a component's secret options out of a text.

    Args:
        text: Such as the message of an exception.
        component: The component.

    Returns:
        The text without them.
    """
    for field in option_fields(type(component)):
        secret = getattr(component, field.name, None) if field.info.secret else None
        if secret:
            text = text.replace(secret, "[REDACTED]")
    return text


def describe_type(hint: Any) -> str:
    """Write a type as people say it: ``whole number``, ``list of text``, ``path or table of numbers``.

    Args:
        hint: A resolved annotation.

    Returns:
        A short text.
    """
    if hint in _WORDS:
        return _WORDS[hint]
    members = _members(hint)
    if len(members) > 1:
        return " or ".join(map(describe_type, members))
    if _choices(hint):
        return " or ".join(dict.fromkeys(describe_type(type(choice)) for choice in _choices(hint)))
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _of("table", arguments)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _of("list", [a for a in arguments if a is not ...])
    return getattr(hint, "__name__", str(hint))


def _of(container: str, arguments: Sequence[Any]) -> str:
    if not arguments or arguments[-1] is Any:
        return container
    item = describe_type(arguments[-1])
    return f"{container} of {_PLURALS.get(item, item)}"


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _choices(hint: Any) -> tuple[Any, ...]:
    """The values, in builtin types, of a ``Literal`` or an enumeration."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(jsonable(list(hint)))
    return get_args(hint) if get_origin(hint) is Literal else ()


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


def _items(value: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping):
        yield from (((key,), item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        yield from (((number,), item) for number, item in enumerate(value))
    else:
        yield (), value


def _converted(value: Any, hint: Any) -> Any:
    return msgspec.convert(value, hint, dec_hook=_from_text)


def _from_text(target: type, value: Any) -> Any:
    if target is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"Expected `{target.__name__}`, got `{type(value).__name__}`")


def _misfits(value: Any, hint: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Find what does not fit a type inside a value; msgspec stops at the first and does not tell a table's key."""
    item_hint = _item_hint(value, hint)
    if item_hint is not None:
        for inner, item in _items(value):
            yield from _misfits(item, item_hint, path + inner)
        return
    try:
        _converted(value, hint)
    except msgspec.ValidationError as error:
        yield path, _misfit(value, hint, str(error))


def _item_hint(value: Any, hint: Any) -> Any:
    for member in _members(hint):
        origin, arguments = get_origin(member), get_args(member)
        if isinstance(value, list) and origin is tuple and arguments[-1] is ...:
            return arguments[0]
        if isinstance(value, dict | list) and isinstance(origin, type) and issubclass(type(value), origin):
            return arguments[-1]
    return None


def _misfit(value: Any, hint: Any, message: str) -> str:
    if isinstance(value, str) and message.startswith("Invalid enum value"):
        return _not_among(_all_choices(hint), value)
    if message.startswith("Expected") and " of length" not in message and " - at " not in message:
        return f"expected {describe_type(hint).removesuffix(' or nothing')}, got {describe_type(type(value))}"
    return _plain_words(message)


def _all_choices(hint: Any) -> tuple[Any, ...]:
    return tuple(choice for member in _members(hint) for choice in _choices(member))


def _not_among(choices: Sequence[Any], value: Any) -> str:
    return f"must be one of {', '.join(map(repr, choices))}, got {jsonable(value)!r}"


def _plain_words(message: str) -> str:
    text, _, where = message.partition(" - at ")
    text = re.sub("`([^`]*)`", lambda word: _MSGSPEC_WORDS.get(word[1], word[1]), text)
    place = where.strip("`").removeprefix("$").removeprefix(".")
    return f"{text[:1].lower()}{text[1:]}{f' (at {place})' if place else ''}"
