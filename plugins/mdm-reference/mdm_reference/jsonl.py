"""Events as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs
import msgspec
from mdm_core import Idle, Record, Reject

from mdm_reference.files import FileSource, excerpt

MAX_DEPTH: Final = 64
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@attrs.define
class JsonlSource(FileSource):
    """Reads one JSON object per line; the position of an event is the number of its line, from 1.

    A line that is no event is yielded as ``Reject`` with one of the reasons ``invalid_json``, ``not_an_object``,
    ``not_utf8``, ``line_too_long``, ``number_out_of_range`` (such as 1e400, or a whole number of more than 4,300
    digits) and ``too_deep`` (objects and lists more than 64 deep in each other). ``NaN``, ``Infinity``, a lone
    surrogate escape and a raw control character in a string are ``invalid_json``. A byte order mark is ignored. Of a
    name given twice the last value counts. Whole numbers are exact.
    """

    def records(self) -> Iterator[Record | Reject | Idle]:
        """Yield the events in the order of their lines, and ``Idle`` when a pipe has nothing at the moment.

        Raises:
            OSError: Reading failed, a ``.gz`` file is damaged, or the file is shorter than the position to go on from.
        """
        decode = msgspec.json.Decoder(dict).decode
        limit, number = self.max_line_bytes, self._after
        for lines in self._opened().lines(limit, number):
            if not lines:
                yield Idle()
            for line in lines:
                number += 1
                if not line:
                    self.skipped += 1
                    continue
                if len(line) > limit:
                    yield Reject("line_too_long", number, excerpt(line))
                    continue
                try:
                    event = decode(line)
                except _UNREADABLE as error:
                    if line.strip():
                        yield Reject(_reason(line, error), number, excerpt(line))
                    else:
                        self.skipped += 1
                    continue
                # Without so many brackets it cannot be deep, and few events have them.
                if line.count(b"{") + line.count(b"[") > MAX_DEPTH and _is_deep(event):
                    yield Reject("too_deep", number, excerpt(line))
                else:
                    yield Record(event, number)


def _is_deep(event: dict[str, Any]) -> bool:
    """Whether objects and lists stand in each other more than ``MAX_DEPTH`` deep, the event itself counted."""
    level: list[Any] = [event]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in (outer.values() if type(outer) is dict else outer)]
        level = [inner for inner in level if type(inner) in (dict, list)]
        if not level:
            return False
    return True


def _reason(line: bytes, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too_deep"
    if isinstance(error, msgspec.ValidationError):
        return "number_out_of_range" if line.lstrip().startswith(b"{") else "not_an_object"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return "invalid_json"
