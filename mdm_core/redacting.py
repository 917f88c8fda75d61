"""Redaction as core applies it: once per packet, before everything that writes or watches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from mdm_core.alarm import limited
from mdm_core.contracts import Redactor
from mdm_core.errors import ContractError
from mdm_core.failures import describe, not_of_ours

MASK = "[REDACTED]"
FAILED = "[REDACTION FAILED]"
_REMEMBERED_KEYS = 50_000
_SCALARS = (str, int, float, bool, type(None))
_NO_MAPPING = "a redactor must return a mapping"
_PACKET_KEYS = (
    *("run_id", "step", "input", "external", "mdm", "final_action", "latency_ms", "mismatch", "schema_version"),
    *("action", "confidence", "reasons", "params", "features_summary", "features", "allowed"),
)

Redact: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Redaction:
    """What stands between a run and everything that it writes.

    If the redactor raises, the payload is replaced, never written, and counted.

    Args:
        redactor: The redactor, or None to write everything as it is.

    Attributes:
        failures: How often the redactor raised or did not return a mapping.
        errors: Reason code to number of failures.
    """

    def __init__(self, redactor: Redactor | None) -> None:
        self.failures = 0
        self.errors: dict[str, int] = defaultdict(int)
        redact = _as_it_is if redactor is None else limited("redaction", redactor.timeout_ms, redactor.redact)
        walk = _walk(redactor, redact)
        self._redact = redact if walk is None else walk.redact
        self._redact_packet = walk.packet if walk is not None else self._redact

    def mapping(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Redact anything that is not a packet: an audit event, a dead letter, a log argument.

        Args:
            data: What is to be written; it is not changed.

        Returns:
            What may be written.
        """
        try:
            return _checked(self._redact(data))
        except BaseException as error:
            not_of_ours(error)
            self._failed(error)
            return {"redaction": FAILED}

    def packet(self, packet: dict[str, Any]) -> Mapping[str, Any]:
        """Redact a packet.

        Args:
            packet: The nine keys; the containers that core made of it may change.

        Returns:
            What may be written.
        """
        return self.packet_redactor()(packet)

    def packet_again(self, packet: dict[str, Any]) -> Mapping[str, Any]:
        """Redact a packet for a second time; if that fails, it was counted at the first.

        Args:
            packet: As for ``packet``.

        Returns:
            What may be written.
        """
        failures, errors = self.failures, self.errors.copy()
        redacted = self.packet(packet)
        self.failures, self.errors = failures, errors
        return redacted

    def save(self) -> dict[str, Any]:
        """Give the counts, for a checkpoint."""
        return {"failures": self.failures, "errors": dict(self.errors)}

    def restore(self, counts: Mapping[str, Any]) -> None:
        """Go on counting from what was saved.

        Args:
            counts: What ``save`` gave.
        """
        self.failures = counts["failures"]
        self.errors = defaultdict(int, counts["errors"])

    def packet_redactor(self) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
        """Give what ``packet`` does as a function, for a loop that calls it once per event."""
        redact, failed = self._redact_packet, self._failed

        def packet(packet: dict[str, Any]) -> Mapping[str, Any]:
            try:
                redacted = redact(packet)
                if type(redacted) is dict or isinstance(redacted, Mapping):
                    return redacted
                raise ContractError(_NO_MAPPING)
            except BaseException as error:
                not_of_ours(error)
                failed(error)
                return _bare(packet)

        return packet

    def _failed(self, error: BaseException) -> None:
        self.failures += 1
        self.errors[describe("redaction", "", error).reason_code] += 1


def _as_it_is(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return data


def _walk(redactor: Redactor | None, redact: Redact) -> _KeyWalk | None:
    hides = getattr(redactor, "hides", None)
    if redactor is None or not callable(hides):
        return None
    return _KeyWalk(redact, limited("redaction", redactor.timeout_ms, hides))


def _checked(redacted: Mapping[str, Any]) -> Mapping[str, Any]:
    if type(redacted) is dict or isinstance(redacted, Mapping):
        return redacted
    raise ContractError(_NO_MAPPING)


class _KeyWalk:
    """Masks by key alone, asking the redactor once per distinct key.

    It knows dicts, lists and tuples; whatever else data holds is left to the redactor itself.
    """

    def __init__(self, redact: Redact, hides: Callable[[str], bool]) -> None:
        self._redact_all = redact
        self._hides = hides
        self._hidden: dict[Any, bool] = {}
        self._clean: set[Any] = set()
        self._knows_packets = self._shows_packet_keys()

    def _shows_packet_keys(self) -> bool:
        try:
            return not any(map(self._hides, _PACKET_KEYS))
        except BaseException as error:
            not_of_ours(error)
            return False

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._mapping(data)
        except (_Unfamiliar, RecursionError):
            return self._redact_all(data)

    def packet(self, packet: dict[str, Any]) -> Mapping[str, Any]:
        """The same for a packet, of which only some parts can hold anything to hide."""
        try:
            if not self._knows_packets:
                return self._mapping(packet)
            mask, clean = self._mapping, self._clean.issuperset
            packet["input"] = mask(packet["input"])
            packet["external"] = mask(packet["external"])
            mdm, final = packet["mdm"], packet["final_action"]
            if not clean(mdm["features"]):  # which core has found to be flat
                mdm["features"] = mask(mdm["features"])
            summary, params = mdm["features_summary"], mdm["params"]
            if not (clean(summary) and _is_all(float, summary.values())):
                mdm["features_summary"] = mask(summary)
            if not (clean(params) and _is_all(float, params.values())):
                mdm["params"] = mask(params)
            final["params"] = mdm["params"] if final["params"] is params else mask(final["params"])
            reasons = mdm["reasons"]
            if not _is_all(str, reasons) or not (final["reasons"] is reasons or _is_all(str, final["reasons"])):
                raise _Unfamiliar
            if packet["mismatch"] is not None:
                packet["mismatch"] = mask(packet["mismatch"])
        except (_Unfamiliar, RecursionError):
            return self._redact_all(packet)
        return packet

    def _mapping(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        masked: dict[str, Any] | None = None
        hidden = self._hidden
        try:
            for key, value in data.items():
                if hidden[key]:
                    new: Any = MASK
                else:
                    kind = type(value)
                    if kind is str or kind is float or kind is int or value is None:
                        continue
                    new = self._mapping(value) if kind is dict else self._value(value)
                if new is not value:
                    if masked is None:
                        masked = dict(data)
                    masked[key] = new
        except KeyError:
            self._learn(data)
            return self._mapping(data)
        return data if masked is None else masked

    def _learn(self, data: Mapping[str, Any]) -> None:
        if len(self._hidden) + len(data) > _REMEMBERED_KEYS:  # keys may come from hostile events
            self._hidden.clear()
            self._clean.clear()
            if len(data) > _REMEMBERED_KEYS // 100:
                raise _Unfamiliar  # or such mappings inside each other would make it learn for ever
        for key in data:
            hidden = self._hidden[key] = bool(self._hides(key if type(key) is str else str(key)))
            if not hidden:
                self._clean.add(key)

    def _value(self, value: Any) -> Any:
        if isinstance(value, _SCALARS):
            return value
        if isinstance(value, dict):
            return self._mapping(value)
        if type(value) is not list and type(value) is not tuple:
            raise _Unfamiliar
        masked = [self._value(item) for item in value]
        return value if all(new is old for new, old in zip(masked, value, strict=True)) else masked


def _is_all(kind: type, values: Iterable[Any]) -> bool:
    for value in values:  # noqa: SIM110 - all() takes twice as long for the few values that there are
        if type(value) is not kind:
            return False
    return True


class _Unfamiliar(Exception):
    pass


def _bare(packet: dict[str, Any]) -> dict[str, Any]:
    """What is left of a packet whose content must not be written: what was decided, not about what."""
    mdm, final = packet["mdm"], packet["final_action"]
    return {
        **packet,
        "input": {"redaction": FAILED},
        "external": {"mdm.redaction_failed": True},
        "mdm": {"action": mdm["action"], "confidence": mdm["confidence"], "reasons": [], "params": {}}
        | {"features_summary": {}, "features": {}},
        "final_action": {"action": final["action"], "allowed": final["allowed"], "reasons": [], "params": {}},
        "mismatch": None if packet["mismatch"] is None else {**packet["mismatch"], "metadata": None},
    }
