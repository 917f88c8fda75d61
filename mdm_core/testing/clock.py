"""A clock that stands still until a test moves it."""

from __future__ import annotations

from typing import Any

import attrs

from mdm_core.testing.material import START_MS


@attrs.define
class FakeClock:
    """Time as a test wants it; the fixture ``mdm_clock`` puts it in the place of ``time.time`` and ``time.time_ns``.

    Attributes:
        now_ms: The time, in milliseconds since 1970.
    """

    now_ms: int = START_MS

    def advance(self, ms: int) -> int:
        """Let time pass; it never goes back.

        Args:
            ms: Milliseconds.

        Returns:
            The time.

        Raises:
            ValueError: The number is negative.
        """
        if ms < 0:
            raise ValueError(f"time does not go back, got {ms} ms")
        self.now_ms += ms
        return self.now_ms

    def time_ns(self) -> int:
        """The time, as ``time.time_ns`` tells it."""
        return self.now_ms * 1_000_000

    def time(self) -> float:
        """The time, as ``time.time`` tells it."""
        return self.now_ms / 1000

    def event(self, timestamp: str = "timestamp_ms", **fields: Any) -> dict[str, Any]:
        """Make an event that happens now.

        Args:
            timestamp: The field of the time.
            fields: The other fields.
        """
        return {timestamp: self.now_ms, **fields}
