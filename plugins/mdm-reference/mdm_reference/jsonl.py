"""Events as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import msgspec
from mdm_core import Idle, Record, Reject

from mdm_reference.files import FileSource, excerpt

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@attrs.define
class JsonlSource(FileSource):
    """Reads one JSON object per line; the position of an event is the number of its line, from 1.

    A line that is no event is yielded as ``Reject`` with one of the reasons ``invalid_json``, ``not_an_object``,
    ``not_utf8``, ``line_too_long``, ``number_out_of_range`` (such as 1e400) and ``too_deep``. ``NaN``, ``Infinity``,
    a lone surrogate escape and a raw control character in a string are ``invalid_json``. A byte order mark is ignored.
    Of a name given twice the last value counts. Whole numbers are exact, whatever their size.
    """

    def records(self) -> Iterator[Record | Reject | Idle]:
        """Yield the events in the order of their lines, and ``Idle`` when a pipe has nothing at the moment.

        Raises:
            OSError: Reading failed, a ``.gz`` file is damaged, or the file is shorter than the position to go on from.
        """
        decode = msgspec.json.Decoder(dict).decode
        limit, number = self.max_line_bytes, 0
        for lines in self._opened().lines(limit):
            if not lines:
                yield Idle()
            if number < self._after:
                passed = lines[: self._after - number]
                number += len(passed)
                del lines[: len(passed)]
            for line in lines:
                number += 1
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
                yield Record(event, number)
        self._check_reached(number)


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
