"""What the package registers; it imports nothing heavy."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    """Register ``flights.departures``."""
    register("departures", "mdm_flights.source:FlightsSource")


@hookimpl
def mdm_register_observers(register: Register) -> None:
    """Register ``flights.figures``."""
    register("figures", "mdm_flights.figures:Figures")
