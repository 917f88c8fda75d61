"""Trading on paper: bars of EURUSD as a data source, what they say, a two-sided model, and a broker with costs."""

# Not the source: a plugin that is only listed imports nothing but itself and mdm.
from mdm_trading.broker import PaperAccount
from mdm_trading.figures import Figures
from mdm_trading.market import Market
from mdm_trading.sides import Sides

__all__ = ["Figures", "Market", "PaperAccount", "Sides"]
