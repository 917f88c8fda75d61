"""The trace of a run as JSON lines: written by sinks, read by iterators."""

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
