"""Real departures from New York as a data source, and how well their late arrivals were foreseen."""

from mdm_flights.figures import Figures
from mdm_flights.source import FlightsSource

__all__ = ["Figures", "FlightsSource"]
