"""Everything that a run writes: packets, audit events and dead letters, each redacted first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs
import msgspec

from mdm_core.alarm import limited
from mdm_core.checks import is_code
from mdm_core.contracts import Observer, TraceSink
from mdm_core.decision import Decision, packet_dict
from mdm_core.errors import MdmError
from mdm_core.failures import describe, not_of_ours
from mdm_core.log import get_logger
from mdm_core.redacting import Redaction
from mdm_core.rundir import DEAD_LETTER_FILE, now_text, open_private
from mdm_core.summary import Tally
from mdm_core.values import Event, Failure, Position

_log = get_logger("run")
_EXCERPT = 200
_STARTED = ("run_id", "distributions", "config_sha256", "python")


Audited: TypeAlias = tuple[str, Any, Any]


class TraceFailed(MdmError):
    """A sink could not write; the run must not act any more."""

    exit_code = 1


class Recorder:
    """Sends what a run has to tell to its sinks and observers.

    Args:
        run_id: Id of the run.
        run_dir: Its directory.
        redaction: What everything goes through.
        sinks: Trace sinks, of packets and of audit events.
        observers: Observers; one that raises is dropped.
        tally: Where failures and dead letters are counted.
    """

    def __init__(
        self,
        run_id: str,
        run_dir: Path,
        redaction: Redaction,
        sinks: Sequence[TraceSink],
        observers: Sequence[Observer],
        tally: Tally,
    ) -> None:
        self._run_id = run_id
        self._redact_packet = redaction.packet_redactor()
        self._redact_again = redaction.packet_again
        self._redact = redaction.mapping
        self._sinks = sinks
        self._packet_writers = [(_limited(s, s.write), s) for s in sinks if s.accepts == "packets"]
        self._audit_sinks = [s for s in sinks if s.accepts == "audit"]
        self._observers = list(observers)
        self._dropped: set[int] = set()
        self._watches_decisions = self._overriding("on_decision")
        self._needs_packets = bool(self._packet_writers or self._watches_decisions)
        self._tally = tally
        self._raw_excerpts = False
        self._audited: set[Audited] = set()
        self._watched_until = -1
        self._dead_letters = _DeadLetters(run_dir / DEAD_LETTER_FILE)

    def start(self, run: Mapping[str, Any], raw_excerpts: bool) -> None:
        """Tell of the beginning.

        Args:
            run: What ``run.json`` holds.
            raw_excerpts: Whether text that is no event may be written as it is.
        """
        self._begin("run_started", run, raw_excerpts)

    def resume(
        self,
        run: Mapping[str, Any],
        raw_excerpts: bool,
        last_packets: Sequence[int],
        audited: set[Audited],
        dead_letters: int,
    ) -> None:
        """Tell that a run is gone on with, and tell nothing twice from here on.

        Args:
            run: What ``run.json`` holds.
            raw_excerpts: Whether text that is no event may be written as it is.
            last_packets: For each sink of packets the step of the last one that it has.
            audited: What the audit log has.
            dead_letters: How many of the next dead letters are written already.

        Raises:
            TraceFailed: A sink could not write, or give back what it has.
        """
        self._audited = audited
        self._dead_letters.skip = dead_letters
        watched = self._packet_writers[:1]
        self._packet_writers = [
            (_from(last + 1, write), sink)
            for (write, sink), last in zip(self._packet_writers, last_packets, strict=True)
        ]
        self._begin("run_resumed", run, raw_excerpts)
        for _, sink in watched if self._watches_decisions else ():
            for packet in sink.since(None):
                self._watched_until = packet["step"]
                for observer in self._watches_decisions:
                    self._tell(observer, "on_decision", packet)

    def packet(self, decision: Decision) -> Mapping[str, Any]:
        """Give a decision as sinks got it from an earlier process.

        Args:
            decision: The decision, made again.
        """
        return self._redact_again(packet_dict(decision, self._run_id))

    def _begin(self, event: str, run: Mapping[str, Any], raw_excerpts: bool) -> None:
        self._raw_excerpts = raw_excerpts
        # A redactor may have left some out, or all if it failed.
        self.audit(event, {k: run[k] for k in _STARTED if k in run})
        for observer in self._overriding("on_run_start"):
            self._tell(observer, "on_run_start", self._redact(run))

    def decision(self, decision: Decision) -> None:
        """Write a decision.

        Args:
            decision: The decision, with what came of its execution in its context.

        Raises:
            TraceFailed: A sink could not write.
        """
        if self._needs_packets:
            packet = self._redact_packet(packet_dict(decision, self._run_id))
            for write, sink in self._packet_writers:
                try:
                    write(packet)
                except BaseException as error:
                    not_of_ours(error)
                    raise self._sink_failed(sink, error) from error
            for observer in self._watches_decisions if decision.step > self._watched_until else ():
                self._tell(observer, "on_decision", packet)
        if decision.failure is not None:
            self.failure(decision.failure)
        elif not decision.final.allowed:
            self._denied(decision)

    def dead_letter(self, reason: str, position: Position, content: Event | object) -> None:
        """Keep something that could not be decided.

        Args:
            reason: A stable code; what is none is not written.
            position: Where it stands in the source.
            content: The event, or what stood in its place.

        Raises:
            TraceFailed: It could not be written.
        """
        reason = reason if is_code(reason) else "reason_is_no_code"
        self._tally.dead_letters[reason] += 1
        excerpt = self._excerpt(content)
        try:
            self._dead_letters.write({"position": position, "reason": reason, "excerpt": excerpt})
        except OSError as error:
            raise self._dead_letters_failed(error) from error

    def failure(self, failure: Failure) -> None:
        """Tell of a failure.

        Args:
            failure: What failed.
        """
        self._tally.errors[failure.reason_code] += 1
        in_a_decision = failure.step is not None and failure.stage in ("features", "model", "modulator", "observe")
        event = "failed_closed" if in_a_decision else "error"
        self.audit(event, attrs.asdict(failure))
        for observer in self._overriding("on_error"):
            self._tell(observer, "on_error", failure)

    def audit(self, event: str, details: Mapping[str, Any]) -> None:
        """Write an audit event.

        Args:
            event: Its name.
            details: What belongs to it.

        Raises:
            TraceFailed: A sink could not write.
        """
        if self._audit_sinks and audited(event, details) not in self._audited:
            record = self._redact({"event": event, "at": now_text(), "run_id": self._run_id, **details})
            for sink in self._audit_sinks:
                self._write(sink, record)

    def flush(self, durable: bool = False) -> None:
        """Hand everything that is buffered to the operating system.

        Args:
            durable: Also wait until it is on the disk.

        Raises:
            TraceFailed: A sink could not write.
        """
        try:
            self._dead_letters.flush(durable)
        except OSError as error:
            raise self._dead_letters_failed(error) from error
        for sink in self._sinks:
            try:
                _limited(sink, sink.flush)(durable)
            except BaseException as error:
                not_of_ours(error)
                raise self._sink_failed(sink, error) from error

    def end(self, summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Tell of the end.

        Args:
            summary: How the run ended.

        Returns:
            Observer to the figures that it returned; a second one of the same component has ``#2`` behind its name.
        """
        findings: dict[str, Mapping[str, Any]] = {}
        for observer in self._overriding("on_run_end"):
            found = self._tell(observer, "on_run_end", summary)
            if not isinstance(found, Mapping):
                continue
            try:
                findings[free_name(observer.component_id, findings)] = _figures(found)
            except (TypeError, RecursionError) as error:
                self._drop(observer, error)
        return findings

    def close(self) -> None:
        """Close the dead letters; sinks are closed with the other components."""
        self._dead_letters.close()

    def _denied(self, decision: Decision) -> None:
        mismatch = decision.final.mismatch
        assert mismatch is not None
        details = {
            "step": decision.step,
            "event_id": decision.event_id,
            "proposed": decision.proposal.action.value,
            "flags": mismatch.flags,
            "reason_codes": mismatch.reason_codes,
        }
        self.audit("denied", details)

    def _excerpt(self, content: Event | object) -> str:
        if isinstance(content, Mapping):
            text = _encode(self._redact(content)).decode()
        elif not isinstance(content, str):
            text = _type_name(content)
        elif self._raw_excerpts:
            text = content
        else:
            # In text that is no event, no key can be told from a value, so nothing of it is known to be harmless.
            text = f"[REDACTED {len(content)} characters]"
        return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"

    def _overriding(self, method: str) -> list[Observer]:
        return [o for o in self._observers if getattr(type(o), method) is not getattr(Observer, method)]

    def _tell(self, observer: Observer, method: str, argument: Any) -> Any:
        if id(observer) in self._dropped:  # since the telling began, because telling another one dropped it
            return None
        try:
            return _limited(observer, getattr(observer, method))(argument)
        except BaseException as error:
            not_of_ours(error)
            self._drop(observer, error)
        return None

    def _drop(self, observer: Observer, error: BaseException) -> None:
        self._dropped.add(id(observer))
        self._observers = [o for o in self._observers if o is not observer]
        self._watches_decisions = self._overriding("on_decision")
        _log.error("observer %s raised %s and is dropped", observer.component_id, type(error).__name__)
        self.failure(describe("observer", observer.component_id, error))

    def _write(self, sink: TraceSink, record: Mapping[str, Any]) -> None:
        try:
            _limited(sink, sink.write)(record)
        except BaseException as error:
            not_of_ours(error)
            raise self._sink_failed(sink, error) from error

    def _sink_failed(self, sink: TraceSink, error: BaseException) -> TraceFailed:
        return self._trace_failed(f"trace sink {sink.component_id}", error)

    def _dead_letters_failed(self, error: OSError) -> TraceFailed:
        return self._trace_failed(DEAD_LETTER_FILE, error)

    def _trace_failed(self, what: str, error: BaseException) -> TraceFailed:
        self._tally.errors[describe("trace", "", error).reason_code] += 1
        reason = f": {error.strerror}" if isinstance(error, OSError) else ""
        return TraceFailed(f"{what} failed: {type(error).__name__}{reason}")


def audited(event: str, details: Mapping[str, Any]) -> Audited:
    """What an audit event is known by, if a later process comes to tell of the same again.

    Args:
        event: Its name.
        details: What belongs to it.
    """
    return event, details.get("commanded_at", details.get("step")), details.get("reason_code")


def _limited(component: TraceSink | Observer, method: Callable[..., Any]) -> Callable[..., Any]:
    return limited("trace" if isinstance(component, TraceSink) else "observer", component.timeout_ms, method)


def _from(step: int, write: Callable[..., Any]) -> Callable[[Mapping[str, Any]], None]:
    def write_new(packet: Mapping[str, Any]) -> None:
        if packet["step"] >= step:
            write(packet)

    return write_new


class _DeadLetters:
    def __init__(self, path: Path) -> None:
        self.skip = 0
        self._path = path
        self._file: Any = None

    def write(self, letter: Mapping[str, Any]) -> None:
        if self.skip:
            self.skip -= 1
            return
        if self._file is None:
            self._file = os.fdopen(open_private(self._path, os.O_WRONLY | os.O_APPEND), "ab")
        self._file.write(_encode(letter) + b"\n")

    def flush(self, durable: bool) -> None:
        if self._file is not None:
            self._file.flush()
            if durable:
                os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # the flush before told of it
                self._file.close()


def _encode(data: Any) -> bytes:
    try:
        return msgspec.json.encode(data, enc_hook=_type_name)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _encode_ascii(data)


def _encode_ascii(data: Any) -> bytes:
    """Write what msgspec cannot, such as half a surrogate pair, as long as JSON has a way to say it."""
    try:
        return json.dumps(data, default=_type_name, skipkeys=True).encode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        return msgspec.json.encode(_type_name(data))


def _type_name(value: Any) -> str:
    return f"[{type(value).__name__}]"


def _figures(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", msgspec.to_builtins(found, str_keys=True, enc_hook=_figure))


def free_name(name: str, taken: Mapping[str, Any]) -> str:
    """Give a name for one of several things of the same name: the second has ``#2`` behind it.

    Args:
        name: Such as a component's id.
        taken: What has its name already.
    """
    same = sum(known.partition(" #")[0] == name for known in taken)
    return f"{name} #{same + 1}" if same else name


def _figure(value: Any) -> float | str:
    return float(value) if isinstance(value, Real) else str(value)
