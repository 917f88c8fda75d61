"""Who was served, who had to wait, who was turned away, and what that did to the load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from mdm_core import Observer, option

MINUTE_MS = 60_000


def check_instant(text: str) -> None:
    """Check that an instant names its time zone.

    Args:
        text: ISO 8601.

    Raises:
        ValueError: It does not.
    """
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"must name its time zone, such as 2010-12-01T00:00:00+00:00, got {text!r}")


@attrs.define
class Figures(Observer):
    """Counts what became of requests: of good ones and of abuse, of clients, and of the busiest minute.

    ``since`` keeps apart what limits were chosen on and what they are judged by.
    """

    since: str = option("2010-12-01T00:00:00+00:00", check=check_instant, help="earlier decisions are left out")
    client: str = option("client", help="field of the event that names the client")
    _since_ms: int = attrs.field(init=False, repr=False)
    _fates: Counter[tuple[bool | None, str]] = attrs.field(init=False, factory=Counter, repr=False)
    _clients: set[Any] = attrs.field(init=False, factory=set, repr=False)
    _waited: set[Any] = attrs.field(init=False, factory=set, repr=False)
    _offered: Counter[int] = attrs.field(init=False, factory=Counter, repr=False)
    _served: Counter[int] = attrs.field(init=False, factory=Counter, repr=False)

    def __attrs_post_init__(self) -> None:
        self._since_ms = int(datetime.fromisoformat(self.since).timestamp() * 1000)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        """Count a request.

        Args:
            packet: The packet; one without a time is left out.
        """
        external = packet["external"]
        now = external.get("now_ms", 0)
        if now < self._since_ms:
            return
        how, client, minute = fate(packet), packet["input"].get(self.client), now // MINUTE_MS
        self._fates[external.get("eval.outcome"), how] += 1
        self._clients.add(client)
        self._offered[minute] += 1
        if how == "served":
            self._served[minute] += 1
        elif how == "throttled":
            self._waited.add(client)

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up.

        Args:
            summary: Not needed.

        Returns:
            ``requests``; for ``good`` ones and ``abuse`` how many were served, throttled and turned away; how many had
            no outcome, which count for neither; the share of good ones that were not served (None without any);
            ``clients`` and those ``clients_throttled``; and the busiest minute as it would have been and as it was.
        """
        good, abuse, unknown = ({how: self._fates[which, how] for how in FATES} for which in (True, False, None))
        asked = sum(good.values())
        return {
            "since": self.since,
            "requests": self._fates.total(),
            "good": good,
            "abuse": abuse,
            "without_outcome": sum(unknown.values()),
            "good_not_served": 1 - good["served"] / asked if asked else None,
            "clients": len(self._clients),
            "clients_throttled": len(self._waited),
            "busiest_minute_offered": max(self._offered.values(), default=0),
            "busiest_minute_served": max(self._served.values(), default=0),
        }


FATES = ("served", "throttled", "turned_away")


def fate(packet: Mapping[str, Any]) -> str:
    """Tell what became of a request.

    Args:
        packet: Its packet.

    Returns:
        One of ``FATES``: turned away is what the model did not want to serve, or could not decide about.
    """
    final = packet["final_action"]
    if final["action"] == "ACT":
        return "served"
    return "turned_away" if packet["mdm"]["action"] == "HOLD" else "throttled"
