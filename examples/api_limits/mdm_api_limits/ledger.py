"""What is known of clients: how many of their requests turned out to be good, and how many abuse, and since when."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any


class Ledger:
    """Counts what is reported of clients and of their networks.

    A report counts from a certain time on, so that nobody who asks earlier knows of it. Only so many clients and
    networks are remembered; then the one that was reported on least recently is forgotten.

    Args:
        max_clients: How many.
    """

    def __init__(self, max_clients: int = 100_000) -> None:
        self._max = max_clients
        self._pending: deque[tuple[int, str, bool]] = deque()
        self._counts: OrderedDict[str, list[int]] = OrderedDict()

    def report(self, client: str, good: bool, known_ms: int) -> None:
        """Say how a request turned out.

        Args:
            client: Whose it was.
            good: Whether it was good, or else abuse.
            known_ms: When that becomes known; no earlier than that of the last report.
        """
        self._pending.append((known_ms, client, good))

    def known(self, client: str, now_ms: int) -> dict[str, Any]:
        """Tell what is known of a client.

        Args:
            client: The client; the network of an IPv4 address is its first three numbers, and nobody else has one.
            now_ms: When it is asked; no earlier than the last time.

        Returns:
            ``good`` and ``abuse``, counts of the client's requests, and the same under ``network`` for its neighbours.
        """
        while self._pending and self._pending[0][0] <= now_ms:
            _, reported, was_good = self._pending.popleft()
            for name in (reported, network(reported)):
                if name:
                    self._count(name, was_good)
        abuse, good = self._counts.get(client, (0, 0))
        around_abuse, around_good = self._counts.get(network(client), (abuse, good))
        return {"good": good, "abuse": abuse, "network": {"good": around_good - good, "abuse": around_abuse - abuse}}

    def forget(self, client: str) -> None:
        """Give a client a fresh start; what was reported of its network stays.

        Args:
            client: The client.
        """
        self._pending = deque(report for report in self._pending if report[1] != client)
        self._counts.pop(client, None)

    def _count(self, name: str, good: bool) -> None:
        counts = self._counts.setdefault(name, [0, 0])
        counts[good] += 1
        self._counts.move_to_end(name)
        if len(self._counts) > self._max:
            self._counts.popitem(last=False)


def network(client: str) -> str:
    """Give the network of an IPv4 address, ``192.0.2.`` for ``192.0.2.7``, and an empty text for any other client."""
    parts = client.split(".")
    return ".".join(parts[:3]) + "." if len(parts) == 4 and all(part.isdecimal() for part in parts) else ""
