"""What this plugin registers."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_trace_sinks(register: Register) -> None:
    """Register the trace sinks."""
    register("packets", "mdm_trace_jsonl.sinks:PacketSink")
    register("audit", "mdm_trace_jsonl.sinks:AuditSink")
