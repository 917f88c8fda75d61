"""Checks for every kind of component: options, imports, life cycle, cost."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from mdm_core.contracts import Component
from mdm_core.errors import ConfigError
from mdm_core.lifecycle import is_isolated, open_all, rebuild, with_children
from mdm_core.options import OptionField, describe_type, option_fields
from mdm_core.schema import Action, FinalDecision
from mdm_core.testing.case import Case, need, snapshot
from mdm_core.testing.checks import DECIDING, Broken, Inapplicable, check
from mdm_core.testing.importing import import_alone
from mdm_core.testing.making import Written, arguments_of, given, through_toml
from mdm_core.testing.material import Step
from mdm_core.testing.plain import difference, plain, shown
from mdm_core.testing.player import Answer, Player, order_of, out_of_contract
from mdm_core.testing.reading import read
from mdm_core.testing.watching import watching
from mdm_core.values import Commanded, Decided, Executed, Receipt, Settled
from mdm_core.wording import one_line

_ASKED: Final = ("features", "model", "modulators", "broker", "redaction", "trace", "observers")
_LIGHT: Final = frozenset(("attr", "attrs", "decision_schema", "mdm_core", "msgspec", "typing_extensions"))
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


@check("light-import", "A plugin's module is imported to list it, so it must bring nothing heavy along.")
def light_import(case: Case) -> None:
    if case.subject.plugin is None:
        raise Inapplicable("its plugin is not known; check it by its id, 'plugin.component'")
    imported = import_alone(case.subject.plugin)
    own = case.subject.plugin.partition(".")[0]
    heavy = [p for p in imported.packages if p not in _LIGHT and p != own and p not in sys.stdlib_module_names]
    need(
        not heavy,
        f"{case.subject.plugin} imports {', '.join(heavy)} ({imported.ms:.0f} ms); register "
        f'"package.module:Class", and import what is heavy in open',
    )


@check("no-io-at-import", "Code that is only listed or looked at must not write, connect or start anything.")
def no_io_at_import(case: Case) -> None:
    modules = [module for module in (case.subject.plugin, case.subject.cls.__module__) if module]
    for module in dict.fromkeys(modules):
        deeds = import_alone(module).deeds
        need(not deeds, f"importing {module} does this: {'; '.join(deeds[:3])}; do it in open")


@check("no-io-when-made", "`mdm check` and `mdm run --plan` make components and must leave no trace.")
def no_io_when_made(case: Case) -> None:
    case.make()  # what is imported for it is not its own doing
    with watching() as seen:
        case.make()
    need(not seen, f"making it does this: {'; '.join(seen[:3])}; do it in open")


@check("opens", "What cannot be made and opened with these options can be neither used nor checked.")
def opens(case: Case) -> None:
    try:
        component = case.subject.make()
    except Exception as error:
        raise Broken(f"it cannot be made: {error}; give its options") from error
    opened: list[Component] = []
    try:
        open_all(with_children(component), case.build(), opened)
    except ConfigError as error:
        raise Broken(f"it cannot be opened: {error}; give options, files or a base_dir with which it can") from error
    for part in reversed(opened):
        try:
            part.close()
        except Exception as error:
            raise Broken(f"close raised {one_line(error)}") from error


@check("close-twice", "Core closes what may be half open, after a failure too; close must not mind.")
def close_twice(case: Case) -> None:
    never_opened = case.make()
    _close(never_opened, "a component that was never opened")
    with case.opened() as component:
        _close(component, "an open component")
        _close(component, "a closed component")


def _close(component: Component, what: str) -> None:
    try:
        component.close()
    except Exception as error:
        raise Broken(f"close, called on {what}, raised {one_line(error)}") from error


@check("opens-again", "After a time-out core closes a component, makes it anew in place and opens it again.")
def opens_again(case: Case) -> None:
    build = case.build()
    with case.opened(build) as component:
        before = _performed(case, component)
        if is_isolated(component):
            raise Inapplicable("it runs in another process")
        try:
            rebuild(component, build)
        except Exception as error:
            raise Broken(f"it cannot be made anew and opened again: {one_line(error)}") from error
        after = _performed(case, component)
    failed = [answer for answer in after if answer.error is not None]
    if failed and not any(answer.error for answer in before):
        raise Broken(f"opened again, it raises {one_line(failed[0].error or Exception())}")


def _performed(case: Case, component: Component) -> list[Answer]:
    """What it does with ordinary material."""
    if case.subject.kind.section == "source":
        return [Answer(value=item) for item in read(component)]
    return Player(component, case.subject).play(case.steps)


@check("deterministic", "The same events, facts and seed must give the same, or no run can be replayed.")
def deterministic(case: Case) -> None:
    with case.opened() as one, case.opened() as other:
        first, second = (_performed(case, component) for component in (one, other))
    need(len(first) == len(second), f"{len(first)} answers the first time and {len(second)} the second")
    for number, (answer, again) in enumerate(zip(first, second, strict=True)):
        changed = difference(answer.plain, again.plain)
        need(
            changed is None,
            f"asked the same twice, question {number} is answered differently: {changed}; draw from context.random",
        )


@check("input-unchanged", "What a component is given belongs to others: to the packet, to the next component.", *_ASKED)
def input_unchanged(case: Case) -> None:
    with case.opened() as component:
        answers = Player(component, case.subject, watch=True).play(case.steps)
    changed = [(number, answer.changed) for number, answer in enumerate(answers) if answer.changed]
    if changed:
        raise Broken(f"question {changed[0][0]} was changed: {changed[0][1]}; make a copy")


@check("answers", "Asked about ordinary events, a component must answer, and as its contract says.", *_ASKED)
def answers(case: Case) -> None:
    with case.opened() as component:
        given = Player(component, case.subject).play(case.steps)
    for number, answer in enumerate(given):
        if answer.error is not None:
            raise Broken(
                f"event {number} made it raise {one_line(answer.error)}; if the event does not fit, give your own: "
                f"events=…"
            )
        problem = out_of_contract(case.subject.kind.section, answer.value)
        need(problem is None, f"event {number}: {problem}")


@check("in-time", "A decision costs microseconds; what is slower than its limit holds everything up.", *_ASKED)
def in_time(case: Case) -> None:
    ms = cost_us(case) / 1000
    need(ms <= case.subject.limit_ms, f"a call takes {ms:.1f} ms, more than {case.subject.limit_ms} ms")


def cost_us(case: Case) -> float:
    """Measure what a call costs, by the median, in microseconds."""
    with case.opened() as component:
        if case.subject.kind.section == "source":
            return _cost_of_reading(component)
        times = sorted(answer.seconds for answer in Player(component, case.subject).play(case.steps))
    return times[len(times) // 2] * 1e6 if times else 0.0


def _cost_of_reading(component: Component) -> float:
    started = time.perf_counter()
    items = read(component)
    return (time.perf_counter() - started) / len(items) * 1e6


@check("counts", "The summary shows counts() as whole numbers, and a checkpoint saves them.")
def counts(case: Case) -> None:
    with case.opened() as component:
        _check_counts(component, "at the beginning")
        _performed(case, component)
        _check_counts(component, "after some events")


def _check_counts(component: Component, when: str) -> None:
    try:
        counted: object = component.counts()
    except Exception as error:
        raise Broken(f"counts raised {one_line(error)} {when}") from error
    fine = isinstance(counted, Mapping) and all(isinstance(k, str) and type(v) is int for k, v in counted.items())
    need(fine, f"counts gave {shown(counted)} {when}; it must be a dict of text to whole number")


@check("any-key", "Keys are text or whole numbers of any kind, and a pipeline may have none.", *DECIDING, "broker")
def any_key(case: Case) -> None:
    steps = case.steps[:10]
    for key in (None, 7, -(2**63), "", "naïve 🤖 \ud800", "k" * 5000):
        with case.opened() as component:
            for step in steps:
                answer = Player(component, case.subject).play([attrs.evolve(step, key=key)])[0]
                if answer.error is not None and _fine_with(case, component, step):
                    raise Broken(f"the key {shown(key)} made it raise {one_line(answer.error)}")


def _fine_with(case: Case, component: Component, step: Step) -> bool:
    return Player(component, case.subject).ask(step).error is None


@check("no-time", "A pipeline may have no clock; what needs one says so in open: ConfigError.", *DECIDING)
def no_time(case: Case) -> None:
    build = case.build(clock=None, timestamp=None)
    if case.refuses(build):
        return
    with case.opened() as usual:
        expected = [answer.error for answer in Player(usual, case.subject).play(case.steps)]
    with case.opened(build) as component:
        answers = Player(component, case.subject, timeless=True).play(case.steps)
    for answer, error in zip(answers, expected, strict=True):
        if answer.error is not None and error is None:
            raise Broken(f"without a clock it opens and then raises {one_line(answer.error)}; refuse in open")


@check(
    "takes-facts",
    "Facts come late, out of order and about orders that are long gone; observe takes them all.",
    *DECIDING,
)
def takes_facts(case: Case) -> None:
    with case.opened() as component:
        player = _learner(case, component)
        player.play(case.steps)
        if player.refused:
            raise player.refused[0]
        for step in case.steps[:5]:
            context = player.context_of(step)
            order = order_of(step, context)
            held = FinalDecision(Action.HOLD, True, [], None, None, None, None)
            player.learn(Decided(held, context))
            player.learn(Settled(0, order, "denied", step.now_ms))
            for status in ("done", "pending", "failed", "retry", "unknown"):
                player.learn(Executed(1, Receipt(status, "error"), order, 1, 0.1, step.now_ms))
            player.learn(Executed(2, Receipt("done"), attrs.evolve(order, key=None), 3, 0.1, None))
            player.learn(Settled(3, attrs.evolve(order, key="never seen", params={}, features={}), "skipped", None))
            player.learn(Commanded(4, "stop", "checked", "mdm", None))
            player.learn(Commanded(5, "release", "checked", "mdm", step.now_ms))


@check("ignores-unknown-facts", "Later versions tell facts that today's components do not know.", *DECIDING)
def ignores_unknown_facts(case: Case) -> None:
    with case.opened() as component:
        player = _learner(case, component)
        player.play(case.steps[:10])
        before = snapshot(component)
        player.learn(_Novelty())  # type: ignore[arg-type]
        need(before == snapshot(component), "a fact of a kind that it cannot know has changed its state")


def _learner(case: Case, component: Component) -> Player:
    if all(type(part).observe is Component.observe for part in with_children(component)):
        raise Inapplicable("it learns nothing: it has no observe")
    return Player(component, case.subject)


@attrs.frozen
class _Novelty:
    """A fact from the future."""

    seq: int = 1


def jsonable_or_broken(what: str, value: Any) -> Any:
    """Send a value through JSON, as the journal does.

    Raises:
        Broken: JSON cannot hold it.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise Broken(f"{what} cannot be written as JSON: {error}") from error
