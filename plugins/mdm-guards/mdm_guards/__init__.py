"""Guards: what a model wants is checked, limited or denied before it is carried out."""

from mdm_guards.budget import Budget
from mdm_guards.circuit_breaker import CircuitBreaker
from mdm_guards.clamp import Clamp
from mdm_guards.confidence import Confidence
from mdm_guards.cooldown import Cooldown
from mdm_guards.error_rate import ErrorRate
from mdm_guards.ops_health import OpsHealth
from mdm_guards.policy import Policy
from mdm_guards.rate_limit import RateLimit
from mdm_guards.staleness import Staleness
from mdm_guards.standard import StandardGuards, standard

__all__ = [
    "Budget",
    "CircuitBreaker",
    "Clamp",
    "Confidence",
    "Cooldown",
    "ErrorRate",
    "OpsHealth",
    "Policy",
    "RateLimit",
    "Staleness",
    "StandardGuards",
    "standard",
]
