"""Checks of what a component says about itself: docstring, options, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import attrs

from mdm_core.contracts import Component
from mdm_core.errors import ConfigError
from mdm_core.options import OptionField, describe_type, option_fields
from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import Broken, Inapplicable, check
from mdm_core.testing.making import Written, arguments_of, given, through_toml
from mdm_core.testing.plain import difference, plain
from mdm_core.wording import one_line

_SECRET: Final = re.compile(r"(^|_)(password|passwd|secret|token|api_?key|private_key|signing_key|credentials?)$")
_PROBE: Final = "mdm-check-secret-0123456789-abcdefghijklmnopqrstuvwxyz"
_ODD: Final = ("mdm-check", 1.5, [["mdm-check"]], {"mdm-check": {"no": ["such", "value"]}})


@check("docstring", "People choose a component by the sentence that `mdm plugins` shows: its docstring.")
def docstring(case: Case) -> None:
    own = vars(case.subject.cls).get("__doc__")
    need(
        own and own.strip(), f"{case.subject.cls.__name__} has no docstring of its own; say in a sentence what it does"
    )


@check("options-documented", "An option without help is known to nobody but its author.")
def options_documented(case: Case) -> None:
    bare = [field.name for field in option_fields(case.subject.cls) if not field.info.help.strip()]
    need(not bare, f"no help for {', '.join(bare)}; write option(help=…)")


@check("options-declared", "What the constructor takes and no option() declares cannot be set in a pipeline file.")
def options_declared(case: Case) -> None:
    cls = case.subject.cls
    need(attrs.has(cls), f"{cls.__name__} is no attrs class; decorate it with @attrs.define")
    known = {field.name for field in option_fields(cls)}
    lost = [name for name in _constructor_names(cls) if name not in known]
    need(not lost, f"{', '.join(lost)}: declare it with option() or component(), or set init=False")


def _constructor_names(cls: Any) -> list[str]:
    return [field.name for field in attrs.fields(cls) if field.init]


@check("options-typed", "A type is what tells a wrong value in a pipeline file before anything runs.")
def options_typed(case: Case) -> None:
    written = case.written()
    for field in option_fields(case.subject.cls):
        if field.child or field.info.secret or field.info.rest:
            continue
        if all(_takes(written, field.name, value) for value in _ODD):
            raise Broken(f"{field.name} takes anything; its type is {describe_type(field.type)!r}, name a narrower one")


def _takes(written: Written, name: str, value: Any) -> bool:
    try:
        written.build(**{name: value})
    except ConfigError:
        return False
    return True


@check("options-round-trip", "A run is repeated from the options that run.json holds, so they must come back the same.")
def options_round_trip(case: Case) -> None:
    written = case.written()
    built = written.build(**through_toml(written.table))
    _same_options("made from its own options", case.make(), built.component)
    again = written.build(**through_toml(built.resolved))
    changed = difference(built.resolved, again.resolved)
    need(changed is None, f"resolved options become others when they are read again: {changed}")


def _same_options(how: str, one: Component, other: Component) -> None:
    for field in option_fields(type(one)):
        if not field.child:
            changed = difference(plain(getattr(one, field.name)), plain(getattr(other, field.name)))
            need(changed is None, f"{how}, {field.name} is another: {changed}; leave options as they are given")


@check(
    "options-within-bounds", "A value that the declared rules allow must be taken, or refused in words: OptionError."
)
def options_within_bounds(case: Case) -> None:
    written = case.written()
    cls: Any = case.subject.cls
    for field in option_fields(cls):
        for value in _at_the_bounds(field):
            try:
                cls(**{**arguments_of(written.build().component), field.name: value})
            except ConfigError:
                continue
            except Exception as error:
                raise Broken(f"{field.name} = {value!r} is allowed and raises {one_line(error)}") from error


def _at_the_bounds(field: OptionField) -> Iterator[Any]:
    if field.child or field.info.secret or field.type not in (int, float, int | None, float | None, str):
        return
    yield from (bound for bound in (field.info.ge, field.info.le) if bound is not None)
    if field.info.gt is not None:
        yield field.info.gt + 1
    yield from field.info.choices or ()


@check("unknown-option", "A misspelt option must be refused, or the user believes that it is set.")
def unknown_option(case: Case) -> None:
    made = case.make()
    if any(field.info.rest for field in option_fields(type(made))):
        raise Inapplicable("it has an option that takes the keys that are left over")
    cls: Any = type(made)
    try:
        cls(**arguments_of(made), mdm_check_no_such_option=1)
    except TypeError:
        return
    raise Broken("the constructor takes an option that nobody declared; do not write **options")


@check("secrets-declared", "An option that is named like a secret stands in run.json unless it is option(secret=True).")
def secrets_declared(case: Case) -> None:
    fields = [f for f in option_fields(case.subject.cls) if _SECRET.search(f.name) and not f.child]
    open_ones = [f.name for f in fields if not (f.info.secret or f.info.private)]
    need(not open_ones, f"{', '.join(open_ones)}: declare it with secret=True, or private=True for a file")


@check("secrets-hidden", "A secret must stand in no representation, notice or resolved option.")
def secrets_hidden(case: Case) -> None:
    secrets = [field.name for field in option_fields(case.subject.cls) if field.info.secret]
    if not secrets:
        raise Inapplicable("it has no secret options")
    written = case.written()
    options = {name: value for name, value in written.table.items() if name != "use"}
    probed = given(case.subject.cls, case.subject.name, options | dict.fromkeys(secrets, _PROBE))
    probed.classes |= written.classes
    probed.environment = written.environment | probed.environment
    built = probed.build()
    told = {"repr": repr(built.component), "str": str(built.component), "resolved options": repr(built.resolved)}
    with case.opened(component=built.component) as component:
        told |= {"notice": component.notice, "repr, once opened,": repr(component)}
    where = [place for place, text in told.items() if _PROBE in text]
    need(not where, f"{' and '.join(where)} shows the value of a secret option")
