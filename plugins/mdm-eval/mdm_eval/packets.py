"""The packets of a run, made sure of: a trace may have been damaged, and a redactor may have hidden whole parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, Final

from mdm_core import Action, MdmError, PastRun, UsageError

from mdm_eval.comparing import Packet
from mdm_eval.marks import is_marked

HIDDEN: Final = "redaction"
"""The one key of what stands in the place of a part that was hidden as a whole; as core writes it."""

_ACTIONS: Final = frozenset(action.value for action in Action)
_NUMBERS: Final = frozenset((float, int))
_KINDS: Final[dict[tuple[str, ...], Any]] = {
    ("run_id",): str,
    ("step",): int,
    ("latency_ms",): int | float,
    ("mdm",): Mapping,
    ("final_action",): Mapping,
    ("mdm", "action"): str,
    ("mdm", "confidence"): int | float,
    ("mdm", "reasons"): list | tuple,
    ("final_action", "action"): str,
    ("final_action", "allowed"): bool,
    ("final_action", "reasons"): list | tuple,
    ("final_action", "params"): Mapping | str,
}
_MAY_BE_HIDDEN: Final = (("input",), ("external",), ("mdm", "params"), ("mdm", "features"), ("mdm", "features_summary"))


class DamagedTrace(MdmError):
    """A record of a trace is no packet."""

    exit_code = 1


def packets_of(past: PastRun) -> Iterator[Packet]:
    """Give the packets of a run, each with all that its decision is told by.

    Of input, context, features, parameters and summary, what was hidden as a whole is a mapping with one key,
    ``HIDDEN``.

    Args:
        past: The run.

    Raises:
        DamagedTrace: A record is no packet.
        UsageError: The run has kept no packets, or what was decided is hidden in them.
    """
    for number, packet in enumerate(past.packets(), 1):
        yield packet if _is_whole(packet) else _Checked(past.directory.name, number, packet).packet


def nothing_decided(past: PastRun) -> UsageError:
    """Say that there is no decision to tell of.

    Args:
        past: The run.
    """
    name = past.directory.name
    return UsageError(
        f"run {name!r} has decided nothing that was recorded; `mdm dead-letter show {name}` shows what it refused"
    )


def _is_whole(packet: Packet) -> bool:
    """Whether it is as core has made it, which is the rule and takes a microsecond."""
    try:
        mdm, final, mismatch = packet["mdm"], packet["final_action"], packet["mismatch"]
        return (
            type(packet["step"]) is int
            and type(packet["run_id"]) is str
            and type(packet["latency_ms"]) in _NUMBERS
            and type(packet["input"]) is dict
            and type(packet["external"]) is dict
            and mdm["action"] in _ACTIONS
            and type(mdm["confidence"]) in _NUMBERS
            and type(mdm["reasons"]) is list
            and type(mdm["params"]) is dict
            and type(mdm["features"]) is dict
            and type(mdm["features_summary"]) is dict
            and final["action"] in _ACTIONS
            and type(final["allowed"]) is bool
            and type(final["reasons"]) is list
            and type(final["params"]) is dict
            and (mismatch is None or (type(mismatch["flags"]) is list and type(mismatch["reason_codes"]) is list))
        )
    except (KeyError, TypeError):
        return False


class _Checked:
    """A packet with something unusual in it, and each part of it held against what it has to be."""

    def __init__(self, run_id: str, number: int, packet: Packet) -> None:
        self._run_id, self._number = run_id, number
        self.packet: dict[str, Any] = dict(packet)
        for path, kind in _KINDS.items():
            self._need(path, kind)
        for action in (("mdm", "action"), ("final_action", "action")):
            if self._value(action) not in _ACTIONS:
                raise self._wrong(action)
        if self.packet.get("mismatch") is not None:
            for path in (("mismatch",), ("mismatch", "flags"), ("mismatch", "reason_codes")):
                self._need(path, list | tuple if len(path) > 1 else Mapping)
        self.packet["mdm"] = copy(self.packet["mdm"])
        for path in _MAY_BE_HIDDEN:
            self._show_hidden(path)

    def _value(self, path: tuple[str, ...]) -> Any:
        value: Any = self.packet
        for name in path:
            value = value.get(name)
        return value

    def _need(self, path: tuple[str, ...], kind: Any) -> None:
        value = self._value(path)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._wrong(path)

    def _show_hidden(self, path: tuple[str, ...]) -> None:
        value = self._value(path)
        if isinstance(value, Mapping):
            return
        if not is_marked(value):
            raise self._wrong(path)
        holder = self.packet if len(path) == 1 else self.packet[path[0]]
        holder[path[-1]] = {HIDDEN: value}

    def _wrong(self, path: tuple[str, ...]) -> MdmError:
        where = ".".join(path)
        if is_marked(self._value(path)):
            return UsageError(
                f"run {self._run_id!r}: {where} is redacted in record {self._number} of its trace, and nothing can be "
                f"told without it; leave {path[-1]} out of redaction and start a new run"
            )
        return DamagedTrace(
            f"run {self._run_id!r}: record {self._number} of its trace is no packet, {where} is missing or wrong; "
            f"`mdm trace verify {self._run_id}` tells what was changed, restore it from a copy"
        )
