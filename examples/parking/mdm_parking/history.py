"""The feature extractor: how full a car park is, how fast it fills, and how it usually goes on from here."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from mdm_core import Build, ConfigError, Context, Event, FeatureExtractor, Features, KeyedState, keyed_state, option

MINUTE_MS = 60_000
HALF_HOUR_MS = 30 * MINUTE_MS
DAY_MS = 48 * HALF_HOUR_MS
THURSDAY = 3  # the first day of 1970
SLOTS = 96
"""The half hours of a working day, and those of a day of the weekend."""


@attrs.define
class Lot:
    """What is known of one car park.

    Attributes:
        times: When it was read in the last hour and a half, in milliseconds since 1970.
        shares: What share of its places was taken then.
        rises: By how much the share usually rises in the hour after each half hour of the day.
        counts: From how many days that is known.
    """

    times: list[int] = attrs.field(factory=list)
    shares: list[float] = attrs.field(factory=list)
    rises: list[float] = attrs.field(factory=lambda: [0.0] * SLOTS)
    counts: list[int] = attrs.field(factory=lambda: [0] * SLOTS)

    def share_at(self, time: int, near_ms: int) -> int | None:
        """Find the reading nearest to a time, as its number; None if there is none within ``near_ms``."""
        found = min(range(len(self.times)), key=lambda at: abs(self.times[at] - time), default=None)
        return None if found is None or abs(self.times[found] - time) > near_ms else found


@attrs.define
class LotHistory(FeatureExtractor):
    """Keeps the history of each car park, and learns from every reading how the hour before it went.

    ``lot.share`` is the share of places taken, ``lot.places`` how many there are, ``lot.rise`` and ``lot.rise_hour`` by
    how much the share rose in half an hour and in one, and ``lot.usual`` by how much it usually rises in the hour that
    follows, on days of this kind; what is not known is None. Negative readings count as 0.
    """

    memory: int = option(10, ge=1, help="about how many days of a kind the usual course is a mean of")
    states: KeyedState[Lot] = keyed_state(Lot, max_keys=10_000)

    def open(self, build: Build) -> None:
        """Refuse to work without the time.

        Raises:
            ConfigError: The pipeline has none.
        """
        if build.clock is None:
            raise ConfigError("the history needs the time; set timestamp in [pipeline]")

    def extract(self, event: Event, context: Context) -> Features:
        """Learn from a reading, and tell what is known of the hour to come."""
        share, places = _taken(event)
        if share is None:
            return {"lot.share": None, "lot.places": None, "lot.rise": None, "lot.rise_hour": None, "lot.usual": None}
        lot, now = self.states[context.key], context["now_ms"]
        self._learn(lot, share, now)
        slot = slot_of(now)
        features: Features = {
            "lot.share": share,
            "lot.places": places,
            "lot.rise": _rise(lot, share, now - HALF_HOUR_MS, 15 * MINUTE_MS),
            "lot.rise_hour": _rise(lot, share, now - 2 * HALF_HOUR_MS, 20 * MINUTE_MS),
            "lot.usual": lot.rises[slot] if lot.counts[slot] else None,
        }
        _keep(lot, share, now)
        return features

    def _learn(self, lot: Lot, share: float, now: int) -> None:
        before = lot.share_at(now - 2 * HALF_HOUR_MS, 20 * MINUTE_MS)
        if before is None:
            return
        slot = slot_of(lot.times[before])
        lot.counts[slot] = min(lot.counts[slot] + 1, self.memory)
        lot.rises[slot] += (share - lot.shares[before] - lot.rises[slot]) / lot.counts[slot]


def slot_of(time: int) -> int:
    """Tell the nearest half hour of a time, apart for working days and weekends.

    Args:
        time: Milliseconds since 1970.

    Returns:
        A number below ``SLOTS``.
    """
    halves = (time + HALF_HOUR_MS // 2) // HALF_HOUR_MS
    weekend = (halves // 48 + THURSDAY) % 7 >= 5
    return halves % 48 + 48 * weekend


def _taken(event: Mapping[str, object]) -> tuple[float | None, int | None]:
    places, taken = event.get("places"), event.get("taken")
    if type(places) is not int or type(taken) is not int or places <= 0:
        return None, None
    return max(taken, 0) / places, places


def _rise(lot: Lot, share: float, time: int, near_ms: int) -> float | None:
    before = lot.share_at(time, near_ms)
    return None if before is None else share - lot.shares[before]


def _keep(lot: Lot, share: float, now: int) -> None:
    lot.times.append(now)
    lot.shares.append(share)
    old = sum(time < now - 3 * HALF_HOUR_MS for time in lot.times)
    del lot.times[:old], lot.shares[:old]
