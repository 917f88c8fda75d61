"""The trace of a run as JSON lines: written by sinks, read by iterators.

Names are imported when they are first used, so that the plugin's light module stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdm_trace_jsonl.reading import CorruptLine, LineReader, TornTail, read_packets, read_packets_v2
    from mdm_trace_jsonl.segments import MissingPart
    from mdm_trace_jsonl.sinks import AuditSink, PacketSink

__all__ = [
    "AuditSink",
    "CorruptLine",
    "LineReader",
    "MissingPart",
    "PacketSink",
    "TornTail",
    "read_packets",
    "read_packets_v2",
]

_MODULE_OF = dict.fromkeys(__all__, "reading") | {
    "AuditSink": "sinks",
    "MissingPart": "segments",
    "PacketSink": "sinks",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"mdm_trace_jsonl.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
