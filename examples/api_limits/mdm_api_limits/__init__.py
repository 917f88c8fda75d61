"""API limits: who is served, who has to wait, and who is turned away, on the requests of real clients."""

# Not the sources: a plugin that is only listed imports nothing but itself and mdm.
from mdm_api_limits.figures import Figures
from mdm_api_limits.ledger import Ledger
from mdm_api_limits.middleware import LimitMiddleware
from mdm_api_limits.reputation import Reputation
from mdm_api_limits.suspects import Suspects

__all__ = ["Figures", "Ledger", "LimitMiddleware", "Reputation", "Suspects"]
