"""Checks for observers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from mdm_core.contracts import Observer
from mdm_core.testing.case import RUN_ID, Case, need, through_json
from mdm_core.testing.checks import Broken, Inapplicable, check
from mdm_core.testing.player import Player, packet_of
from mdm_core.values import Failure
from mdm_core.wording import one_line

_RUN = {"run_id": RUN_ID, "pipeline": "pipeline.toml", "config": {"model": {"use": "checked"}}, "seed": 0}
_SUMMARY = {"run_id": RUN_ID, "status": "done", "events": 0, "decided": 0}


def _told(what: str, method: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return method(*arguments)
    except Exception as error:
        raise Broken(f"{what} raised {one_line(error)}; an observer that raises is dropped for the run") from error


@check("empty-run", "A run may end before its first decision; figures of nothing are None.", "observers")
def empty_run(case: Case) -> None:
    with case.opened() as component:
        observer = cast(Observer, component)
        _told("on_run_start", observer.on_run_start, _RUN)
        _told("on_run_end, without a decision,", observer.on_run_end, _SUMMARY)


@check(
    "whole-run",
    "An observer sees a run from start to end, with decisions that failed closed and with errors.",
    "observers",
)
def whole_run(case: Case) -> None:
    _watch(case)


def _watch(case: Case) -> Any:
    with case.opened() as component:
        observer = cast(Observer, component)
        player = Player(component, case.subject)
        _told("on_run_start", observer.on_run_start, _RUN)
        for step in case.steps:
            _told(
                f"on_decision, of event {step.number},", observer.on_decision, packet_of(step, player.context_of(step))
            )
        for step_number in (None, 7):
            _told(
                "on_error",
                observer.on_error,
                Failure("model", "checked", "KeyError", "model_error:KeyError", step_number),
            )
        return _told("on_run_end", observer.on_run_end, _SUMMARY)


@check("figures", "What on_run_end gives is written to summary.json and shown.", "observers")
def figures(case: Case) -> None:
    given = _watch(case)
    if given is None:
        raise Inapplicable("it gives no figures, which is allowed")
    need(isinstance(given, Mapping), f"on_run_end gave a {type(given).__name__}; it must give a dict or None")
    through_json("what on_run_end gives", dict(given))


@check("bare-packets", "A pipeline may have no clock and no outcome; what needs one says so in open.", "observers")
def bare_packets(case: Case) -> None:
    build = case.build(clock=None, timestamp=None)
    if case.refuses(build):
        return
    with case.opened(build) as component:
        observer = cast(Observer, component)
        player = Player(component, case.subject, timeless=True)
        for step in case.steps[:10]:
            packet = packet_of(step, player.context_of(step)) | {"external": {"run_id": RUN_ID}}
            _told("on_decision, of a packet without time and outcome,", observer.on_decision, packet)
        _told("on_run_end", observer.on_run_end, _SUMMARY)
