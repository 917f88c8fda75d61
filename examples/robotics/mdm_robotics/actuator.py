"""The broker: a simulated drive for each arm, which can be stopped whatever else is ordered."""

from __future__ import annotations

from typing import ClassVar

import attrs
from mdm_core import Action, Broker, Commanded, Fact, Order, Receipt, option
from mdm_core.state import Key

_DONE = Receipt("done")
_REFUSED = Receipt("failed", "rejected")


@attrs.define
class Drive:
    """The drive of one arm.

    Attributes:
        speed: The speed that it goes with, in rad/s; 0 while it stands.
        latched: Whether it was stopped, and not released since.
    """

    speed: float = 0.0
    latched: bool = False


@attrs.define
class Actuator(Broker):
    """Sets the speed of drives, one per key, and stands in for a machine: a new process finds all of them at rest.

    ACT sets the speed, at most ``fastest``; EXIT and CANCEL let the drive stand. STOP lets it stand and latches: every
    ACT is refused until an operator's ``release``. An order sets and does not add, so that repeating one changes
    nothing.

    Attributes:
        drives: The drives, by key.
        refused: How many orders came while they were latched.
    """

    idempotent: ClassVar[bool] = True

    fastest: float = option(6.0, gt=0, help="highest speed of a drive, in rad/s")
    drives: dict[Key, Drive] = attrs.field(init=False, factory=dict, repr=False)
    refused: int = attrs.field(init=False, default=0)

    def execute(self, order: Order) -> Receipt:
        """Set a drive.

        Args:
            order: ``params["drive"]`` of ACT is the speed, in rad/s.

        Returns:
            ``done``, or ``failed`` if the drive is latched or the speed is none.
        """
        drive = self.drives.setdefault(order.key, Drive())
        if order.action is not Action.ACT:
            drive.speed, drive.latched = 0.0, drive.latched or order.action is Action.STOP
            return _DONE
        speed = order.params.get("drive")
        if drive.latched or not isinstance(speed, float) or not speed >= 0:
            self.refused += 1
            return _REFUSED
        drive.speed = min(speed, self.fastest)
        return _DONE

    def observe(self, fact: Fact) -> None:
        """Let all drives go again when an operator releases them; they stand until the next ACT."""
        if isinstance(fact, Commanded) and fact.name == "release":
            for drive in self.drives.values():
                drive.latched = False

    def counts(self) -> dict[str, int]:
        """Tell how many drives move, how many are latched, and how many orders were refused."""
        drives = self.drives.values()
        moving, latched = sum(d.speed > 0 for d in drives), sum(d.latched for d in drives)
        return {"moving": moving, "latched": latched, "refused": self.refused}
