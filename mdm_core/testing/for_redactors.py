"""Checks for redactors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from mdm_core.contracts import Redactor
from mdm_core.redacting import Redaction
from mdm_core.schema import Action
from mdm_core.testing.case import Case, need
from mdm_core.testing.checks import Broken, Inapplicable, check
from mdm_core.testing.material import SECRETS, UNICODE
from mdm_core.testing.plain import copied, difference, plain
from mdm_core.testing.player import Player, audit_of, out_of_contract, packet_of
from mdm_core.wording import one_line


def _deep(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {"password": "deep"}
    for _ in range(levels):
        data = {"inside": data}
    return data


def _circle() -> dict[str, Any]:
    data: dict[str, Any] = {"password": "round"}
    data["self"] = data
    return data


def _odd() -> Iterator[dict[Any, Any]]:
    yield {}
    yield {"nan": float("nan"), "inf": float("inf"), "whole": 10**400, "none": None}
    yield {UNICODE: UNICODE, "": "", "text": "long " * 20_000}
    yield {7: "seven", None: "none", (1, 2): "pair", b"\xff": b"\xff"}
    yield {"time": datetime(2026, 1, 1, tzinfo=UTC), "set": {1}, "type": object, "action": Action.ACT}
    yield {"list": [[], [None, [{"password": 1}]]], "tuple": ({"token": None},)}
    yield _deep(300)
    yield _circle()
    yield {f"field_{n}": n for n in range(3000)}


def _ordinary(case: Case, redactor: Redactor) -> Iterator[dict[str, Any]]:
    player = Player(redactor, case.subject)
    for step in case.steps[:8]:
        yield packet_of(step, player.context_of(step)) | {"input": copied(SECRETS)}
        yield packet_of(step, player.context_of(step))
        yield audit_of(step, player.context_of(step))
    yield copied(SECRETS)
    yield {"run_id": "checked", "config": {"model": {"use": "m", "token": {"env": "T"}}}, "config_sha256": "0"}


@check(
    "never-raises",
    "What a redactor raises at is not written at all, and a packet without content explains nothing.",
    "redaction",
)
def never_raises(case: Case) -> None:
    with case.opened() as component:
        for data in _odd():
            try:
                redacted = cast(Redactor, component).redact(data)
            except Exception as error:
                raise Broken(f"given {_named(data)} it raised {type(error).__name__}: {one_line(error)}") from error
            problem = out_of_contract("redaction", redacted)
            need(problem is None, f"given {_named(data)}: {problem}")


def _named(data: Mapping[Any, Any]) -> str:
    return f"a mapping with {', '.join(ascii(key)[:30] for key in list(data)[:4]) or 'nothing'}"


@check("redacts-once", "What is redacted twice, such as by a chain, must stay as it is.", "redaction")
def redacts_once(case: Case) -> None:
    with case.opened() as component:
        redactor = cast(Redactor, component)
        for data in _ordinary(case, redactor):
            once = redactor.redact(data)
            changed = difference(plain(once), plain(redactor.redact(once)))
            need(changed is None, f"redacted again, {changed}")


@check(
    "hides-agrees",
    "Where there is hides, core asks it instead of redact, once per key; they must say the same.",
    "redaction",
)
def hides_agrees(case: Case) -> None:
    with case.opened() as component:
        redactor = cast(Redactor, component)
        if not callable(getattr(redactor, "hides", None)):
            raise Inapplicable("it has no hides, so core asks redact alone")
        by_core = Redaction(redactor)
        for data in _ordinary(case, redactor):
            changed = difference(plain(redactor.redact(data)), plain(by_core.mapping(data)))
            need(changed is None, f"by redact and by hides it is not the same: {changed}")
        need(not by_core.failures, f"hides raised: {', '.join(by_core.errors)}")


@check("keeps-packets", "Readers of a trace rely on the nine keys of a packet and on what was decided.", "redaction")
def keeps_packets(case: Case) -> None:
    with case.opened() as component:
        player = Player(component, case.subject)
        for step in case.steps[:8]:
            packet = packet_of(step, player.context_of(step))
            redacted = cast(Redactor, component).redact(packet)
            gone = [name for name in packet if name not in redacted]
            need(not gone, f"a packet loses {', '.join(gone)}")
            for part, name in (("mdm", "action"), ("final_action", "action"), ("final_action", "allowed")):
                inner = redacted[part]
                kept = isinstance(inner, Mapping) and inner.get(name) == packet[part][name]
                need(kept, f"a packet loses {part}.{name}")
