"""Car parks that fill up: readings as a data source, what a lot's history says, and how full it will be."""

# Not the source: a plugin that is only listed imports nothing but itself and mdm.
from mdm_parking.figures import Figures
from mdm_parking.history import LotHistory
from mdm_parking.outlook import Outlook

__all__ = ["Figures", "LotHistory", "Outlook"]
