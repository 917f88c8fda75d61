"""Broken where a run is written down or watched: sinks, redactors, observers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from exhibits import broken
from sound import SoundObserver, SoundRedactor, SoundSink

from mdm_core import Failure


@broken("accepts")
@attrs.define
class AcceptsMetrics(SoundSink):
    """Accepts what core never gives."""

    accepts = "metrics"  # type: ignore[assignment]


@broken("reads-back")
@attrs.define
class ReadsAllButTheLast(SoundSink):
    """Leaves out the last record when a run is read."""

    def read(self, run_dir: Path) -> Iterator[Mapping[str, Any]]:
        return iter(self.lines(run_dir / self.path)[:-1])


@broken("flush")
@attrs.define
class NothingToFlush(SoundSink):
    """Raises if there is nothing to flush."""

    _written: int = attrs.field(init=False, default=0)

    def write(self, record: Mapping[str, Any]) -> None:
        super().write(record)
        self._written += 1

    def flush(self, durable: bool = False) -> None:
        if not self._written:
            raise ValueError("nothing was written")
        super().flush(durable)


@broken("goes-on", also={"mark-since": "what stands behind the mark is gone as well"})
@attrs.define
class BeginsAnew(SoundSink):
    """Begins the file anew whenever it is opened."""

    def mode(self) -> str:
        return "w+"


@broken("mark-since")
@attrs.define
class MarksOneTooFar(SoundSink):
    """Marks the record after the next."""

    def mark(self) -> dict[str, Any] | None:
        mark = super().mark()
        return mark and {"lines": mark["lines"] + 1}


@broken("odd-records")
@attrs.define
class KeepsStrictJson(SoundSink):
    """Raises at what JSON cannot hold."""

    def write(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")


@broken("input-unchanged")
@attrs.define
class StampsRecords(SoundSink):
    """Writes into the record that it is given."""

    def write(self, record: Mapping[str, Any]) -> None:
        record["external" if "external" in record else "details"]["written"] = True
        super().write({name: value for name, value in record.items() if name != "written"})

    def since(self, mark: dict[str, Any] | None) -> Iterator[Mapping[str, Any]]:
        raise NotImplementedError

    def read(self, run_dir: Path) -> Iterator[Mapping[str, Any]]:
        raise NotImplementedError


@broken("never-raises")
@attrs.define
class KeysAreTexts(SoundRedactor):
    """Believes that every key is text."""

    def value(self, key: Any, value: Any, depth: int) -> Any:
        return super().value(key.strip(), value, depth)


@broken("redacts-once")
@attrs.define
class HashesAgain(SoundRedactor):
    """Hashes a value, and its hash, and the hash of that."""

    hides = None  # type: ignore[assignment]

    def value(self, key: Any, value: Any, depth: int) -> Any:
        if str(key) in self.keys:
            return hashlib.sha256(ascii(value).encode()).hexdigest()
        return value


@broken("hides-agrees")
@attrs.define
class HidesLess(SoundRedactor):
    """Tells core of fewer keys than it masks."""

    def value(self, key: Any, value: Any, depth: int) -> Any:
        return "[REDACTED]" if key == "authorization" else super().value(key, value, depth)


@broken("keeps-packets", also={"hides-agrees": "it leaves out what hides says is shown"})
@attrs.define
class DropsWholeSections(SoundRedactor):
    """Leaves out everything that is recorded as external."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value for name, value in super().redact(data).items() if name != "external"}


@broken("input-unchanged")
@attrs.define
class MasksInPlace(SoundRedactor):
    """Masks in the packet itself."""

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        inner = data.get("input")
        if isinstance(inner, dict) and "password" in inner:
            inner["password"] = "[REDACTED]"
        return super().redact(data)


@broken("empty-run")
@attrs.define
class SharesOfNothing(SoundObserver):
    """Divides by the number of decisions."""

    def share(self) -> float | None:
        return self.acts / self.decisions


@broken("whole-run", also={"figures": "which are given at the end of such a run"})
@attrs.define
class WantsAMessage(SoundObserver):
    """Looks for the message of a failure, which has none."""

    def on_error(self, failure: Failure) -> None:
        failure.message.lower()  # type: ignore[attr-defined]


@broken("figures")
@attrs.define
class FiguresOfAnyType(SoundObserver):
    """Gives figures that cannot be written down."""

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return {"seen": {self.decisions, self.acts}}


@broken("bare-packets")
@attrs.define
class WantsTheTime(SoundObserver):
    """Believes that every packet has a time."""

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        packet["external"]["now_ms"]
        super().on_decision(packet)


@broken("input-unchanged")
@attrs.define
class TakesFromPackets(SoundObserver):
    """Takes the features out of a packet that others see, too."""

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        packet["mdm"]["features"].clear()
        super().on_decision(packet)
