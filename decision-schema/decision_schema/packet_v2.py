"""The packet: one decision, whole, as a trace keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

import attrs

from decision_schema._open_twin import open_twin, set_class
from decision_schema.version import __version__


@final
@attrs.frozen(init=False, weakref_slot=False)
class PacketV2:
    """One decision with everything that explains it.

    Its nine keys are the format that other tools read: what more there is to say goes inside the dicts.
    Immutable and compared by value; the dicts are kept as given, not copied.

    Args:
        run_id: the run that the decision belongs to.
        step: the number of the event in its run.
        input: the event.
        external: the context of the decision, keys as in `decision_schema.trace_registry`.
        mdm: what the model saw and proposed.
        final_action: what was decided.
        latency_ms: how long deciding took, in milliseconds, rounded up.
        mismatch: why the decision differs from the proposal; None if it does not.
        schema_version: the version of the contract that the packet was written with.
    """

    run_id: str
    step: int
    input: dict[str, Any]
    external: dict[str, Any]
    mdm: dict[str, Any]
    final_action: dict[str, Any]
    latency_ms: int
    mismatch: dict[str, Any] | None = None
    schema_version: str = __version__

    def __init__(
        self,
        run_id: str,
        step: int,
        input: dict[str, Any],  # noqa: A002 - a key of the format
        external: dict[str, Any],
        mdm: dict[str, Any],
        final_action: dict[str, Any],
        latency_ms: int,
        mismatch: dict[str, Any] | None = None,
        schema_version: str = __version__,
    ) -> None:
        opened: Any = self
        set_class(opened, _OpenPacketV2)
        opened.run_id = run_id
        opened.step = step
        opened.input = input
        opened.external = external
        opened.mdm = mdm
        opened.final_action = final_action
        opened.latency_ms = latency_ms
        opened.mismatch = mismatch
        opened.schema_version = schema_version
        opened.__class__ = PacketV2

    def to_dict(self) -> dict[str, Any]:
        """Give the packet as a plain dict.

        Returns:
            A new dict of exactly the nine keys, in their order.  Its values are the packet's own, not copies:
            a change inside one of them is a change of the packet.
        """
        return {
            "run_id": self.run_id,
            "step": self.step,
            "input": self.input,
            "external": self.external,
            "mdm": self.mdm,
            "final_action": self.final_action,
            "latency_ms": self.latency_ms,
            "mismatch": self.mismatch,
            "schema_version": self.schema_version,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PacketV2:
        """Make a packet of what `to_dict` gave.

        Args:
            data: the nine keys, in any order; without `schema_version` the packet gets the current one.  It
                is not changed; its values become the packet's own and are not copied.

        Returns:
            The packet.

        Raises:
            TypeError: `data` is no mapping.
            ValueError: a key is missing or unknown; the message names each.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"a packet must be a mapping, not {type(data).__name__!r}")
        if data.keys() != _KEYS and (problems := _key_problems(data)):
            raise ValueError(f"not a packet: {'; '.join(problems)}")
        return cls(**data)


_OpenPacketV2 = open_twin(PacketV2)

_KEYS: Final = dict.fromkeys(attrs.fields_dict(PacketV2)).keys()


def _key_problems(data: Mapping[str, Any]) -> list[str]:
    missing = [key for key in _KEYS if key not in data and key != "schema_version"]
    unknown = [key for key in data if key not in _KEYS]
    return [
        f"{label} {', '.join(map(repr, keys))}"
        for label, keys in (("missing keys", missing), ("unknown keys", unknown))
        if keys
    ]
