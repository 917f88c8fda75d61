"""Redaction as core applies it: once per packet, before everything that writes or watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mdm_core.contracts import Redactor
from mdm_core.errors import ContractError

MASK = "[REDACTED]"
FAILED = "[REDACTION FAILED]"
_REMEMBERED_KEYS = 50_000
_SCALARS = (str, int, float, bool, type(None))

Redact: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Redaction:
    """What stands between a run and everything that it writes.

    If the redactor raises, the payload is replaced, never written, and counted.

    Args:
        redactor: The redactor, or None to write everything as it is.

    Attributes:
        failures: How often the redactor raised or did not return a mapping.
        last_error: The type of the last exception.
    """

    def __init__(self, redactor: Redactor | None) -> None:
        self.failures = 0
        self.last_error = ""
        self._redact = self._choose(redactor)

    def mapping(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Redact anything that is not a packet: an audit event, a dead letter, a log argument.

        Args:
            data: What is to be written; it is not changed.

        Returns:
            What may be written.
        """
        try:
            return _checked(self._redact(data))
        except Exception as error:
            self._failed(error)
            return {"redaction": FAILED}

    def packet(self, packet: dict[str, Any]) -> Mapping[str, Any]:
        """Redact a packet.

        Args:
            packet: The nine keys; it is not changed.

        Returns:
            What may be written.
        """
        try:
            return _checked(self._redact(packet))
        except Exception as error:
            self._failed(error)
            return _bare(packet)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self.last_error = type(error).__name__

    @staticmethod
    def _choose(redactor: Redactor | None) -> Redact:
        if redactor is None:
            return lambda data: data
        hides = getattr(redactor, "hides", None)
        return _KeyWalk(redactor.redact, hides).redact if callable(hides) else redactor.redact


def _checked(redacted: Mapping[str, Any]) -> Mapping[str, Any]:
    if type(redacted) is dict or isinstance(redacted, Mapping):
        return redacted
    raise ContractError("a redactor must return a mapping")


class _KeyWalk:
    """Masks by key alone, asking the redactor once per distinct key.

    It knows dicts, lists and tuples; whatever else data holds is left to the redactor itself.
    """

    def __init__(self, redact: Redact, hides: Callable[[str], bool]) -> None:
        self._redact_all = redact
        self._hidden = _Remembered(hides)

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._mapping(data)
        except (_Unfamiliar, RecursionError):
            return self._redact_all(data)

    def _mapping(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        masked = None
        hidden = self._hidden
        for key, value in data.items():
            kind = type(value)
            if hidden[key]:
                new: Any = MASK
            elif kind is str or kind is float or kind is int or value is None:
                continue
            else:
                new = self._value(value)
            if new is not value:
                if masked is None:
                    masked = dict(data)
                masked[key] = new
        return data if masked is None else masked

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, _SCALARS):
            return value
        if type(value) is not list and type(value) is not tuple:
            raise _Unfamiliar
        masked = [self._value(item) for item in value]
        return value if all(new is old for new, old in zip(masked, value, strict=True)) else masked


class _Unfamiliar(Exception):
    pass


class _Remembered(dict[Any, bool]):
    def __init__(self, hides: Callable[[str], bool]) -> None:
        self._hides = hides

    def __missing__(self, key: Any) -> bool:
        if len(self) >= _REMEMBERED_KEYS:  # keys may come from hostile events
            self.clear()
        hidden = self[key] = bool(self._hides(key if type(key) is str else str(key)))
        return hidden


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
