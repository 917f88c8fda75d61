"""The data source: sessions of all arms at the same time, fifty samples a second, with what may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from mdm_core import Build, DataSource, Position, Record, option

from mdm_robotics.packages import WATCH
from mdm_robotics.recordings import EXERCISES, Recording, read

FILE = Path("data", WATCH.file)
SAMPLE_MS = 20
BEGIN_MS = 1_514_764_800_000
"""The recordings have no date; all sessions begin with the year 2018."""
_CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")


@attrs.frozen
class Session:
    """A recording as an arm delivers it.

    Attributes:
        name: The arm and the exercise that is planned.
        planned: The exercise.
        samples: What the sensor measures.
        switch: Number of the first sample of another exercise, or that of samples if there is none.
        outage: Number of the first sample that is delayed, or None.
    """

    name: str
    planned: str
    samples: list[Any]
    switch: int
    outage: int | None

    def event(self, number: int) -> dict[str, Any]:
        """Make an event of a sample."""
        return {
            "id": f"{self.name}-{number}",
            "timestamp_ms": BEGIN_MS + number * SAMPLE_MS,
            "session": self.name,
            "plan": self.planned,
            **dict(zip(_CHANNELS, self.samples[number], strict=True)),
            "as_planned": number < self.switch,
        }

    def arrival(self, number: int, delayed: int) -> int:
        """Tell with which sample one arrives, when ``delayed`` samples of an outage come together at its end."""
        late = self.outage is not None and self.outage <= number < self.outage + delayed
        return self.outage + delayed if late and self.outage is not None else number


@attrs.define
class Sessions(DataSource):
    """Streams the recordings of some people, all sessions at once, as events of 50 Hz in the order of their arrival.

    The label is ``as_planned``. Two things are added to what was recorded, and nothing is left to chance: in every
    second session the person goes over, half-way, to another exercise, which is the recording of it from half-way on;
    and in every sixth the link of the sensor is out, and the samples of that time come together at its end.
    """

    path: Path = option(FILE, help="the package with the recordings, as fetched by python -m mdm_robotics.fetch")
    subjects: list[int] = option([8, 9, 10], ge=1, le=10, help="numbers of the people whose recordings are given")
    outage_ms: int = option(1000, ge=0, help="how long a link is out, in milliseconds")
    _sessions: list[Session] = attrs.field(init=False, factory=list, repr=False, eq=False)
    _order: list[tuple[int, int, int]] = attrs.field(init=False, factory=list, repr=False, eq=False)
    _after: int = attrs.field(init=False, default=0, repr=False)

    def open(self, build: Build) -> None:
        """Read the recordings and put their samples in order.

        Raises:
            ConfigError: The package is not there, or another version.
        """
        self._sessions = sessions(read(WATCH.check(build.base_dir / self.path), self.subjects))
        delayed = self.outage_ms // SAMPLE_MS
        self._order = sorted(
            (session.arrival(number, delayed), at, number)
            for at, session in enumerate(self._sessions)
            for number in range(len(session.samples))
        )

    def close(self) -> None:
        """Let go of the recordings."""
        self._sessions, self._order = [], []

    def records(self) -> Iterator[Record]:
        """Yield the samples; positions count from 1."""
        for position in range(self._after + 1, len(self._order) + 1):
            _, at, number = self._order[position - 1]
            yield Record(self._sessions[at].event(number), position)

    def seek(self, position: Position) -> None:
        """Make ``records`` go on after a sample.

        Args:
            position: The number of a sample, from 1; 0 for the beginning.
        """
        self._after = int(position)

    @property
    def length(self) -> int | None:
        """How many samples there are, once they are read."""
        return len(self._order) or None

    def identity(self) -> dict[str, Any]:
        """Say which data these are: package, version and hash of the file."""
        return {"package": WATCH.name, "version": WATCH.version, "sha256": WATCH.sha256}


def sessions(recordings: list[Recording]) -> list[Session]:
    """Make sessions of recordings: every second switches the exercise, every sixth has an outage.

    Args:
        recordings: All exercises of each arm.

    Returns:
        One for each recording.
    """
    by_arm = {(one.arm, one.exercise): one for one in recordings}
    found = []
    for number, one in enumerate(recordings):
        half = len(one.samples) // 2
        other = by_arm[one.arm, EXERCISES[(EXERCISES.index(one.exercise) + 1 + number % 6) % 7]]
        samples = [*one.samples[:half], *other.samples[len(other.samples) // 2 :]] if number % 2 else list(one.samples)
        outage = half // 2 if number % 6 == 3 else None
        switch = half if number % 2 else len(samples)
        found.append(Session(f"{one.arm}-{one.exercise}", one.exercise, samples, switch, outage))
    return found
