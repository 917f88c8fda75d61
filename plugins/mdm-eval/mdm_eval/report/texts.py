"""A column of texts that do not repeat, such as the ids of events."""

from __future__ import annotations

from array import array


class Texts:
    """Texts, kept in one buffer: a tenth of what as many objects would take."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> str:
        return self._buffer[self._ends[place] : self._ends[place + 1]].decode("utf-8", "surrogatepass")

    def append(self, text: str) -> None:
        """Take the next text."""
        self._buffer += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._buffer))
