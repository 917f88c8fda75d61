"""Car parks that fill up: readings as a data source, what a lot's history says, and how full it will be."""

from mdm_parking.figures import Figures
from mdm_parking.history import LotHistory
from mdm_parking.outlook import Outlook
from mdm_parking.readings import LotReadings

__all__ = ["Figures", "LotHistory", "LotReadings", "Outlook"]
