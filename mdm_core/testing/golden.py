"""Comparing decisions with those of a file, which says what they were when somebody last looked at them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from mdm_core.decision import Decision, packet_dict
from mdm_core.schema import PacketV2
from mdm_core.testing.plain import difference, plain

_CHANGING: Final = re.compile(r"run_id|latency_ms|mdm\.latency_us|exec\..*latency.*")
FLAG: Final = "--mdm-update-golden"


class GoldenMismatch(AssertionError):
    """Decisions are others than in the file."""


@attrs.frozen
class Golden:
    """Golden files in a directory.

    Attributes:
        directory: Where they are.
        name: Name of the file if none is given.
        update: Whether to write them anew instead of comparing.
    """

    directory: Path
    name: str
    update: bool = False

    def check(self, decisions: Iterable[Decision | PacketV2 | Mapping[str, Any]], name: str | None = None) -> None:
        """Compare decisions or packets with a file; run ids and latencies do not count.

        Args:
            decisions: The decisions or packets.
            name: Name of the file, without its ending.

        Raises:
            GoldenMismatch: One is another, or there is no file.
        """
        path = self.directory / f"{name or self.name}.jsonl"
        lines = [_line(decision) for decision in decisions]
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            return
        for problem in _problems(lines, path):
            raise GoldenMismatch(
                f"{path.name}: {problem}; if it is meant to be so, run pytest {FLAG} and look at the diff"
            )


def _problems(lines: list[str], path: Path) -> Iterator[str]:
    if not path.exists():
        yield "there is no such file yet"
        return
    kept = path.read_text(encoding="utf-8").splitlines()
    for number, (line, before) in enumerate(zip(lines, kept, strict=False), 1):
        changed = difference(json.loads(before), json.loads(line))
        if changed:
            yield f"line {number}, {changed}"
    if len(lines) != len(kept):
        yield f"{len(lines)} decisions, and the file has {len(kept)}"


def _line(decision: Decision | PacketV2 | Mapping[str, Any]) -> str:
    packet: Any = decision
    if isinstance(decision, Decision):
        packet = packet_dict(decision, "golden")
    elif isinstance(decision, PacketV2):
        packet = decision.to_dict()
    return json.dumps(_steady(plain(packet)), sort_keys=True, default=repr)


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _steady(item) for name, item in value.items() if not _CHANGING.fullmatch(str(name))}
    return [_steady(item) for item in value] if isinstance(value, list) else value
