"""What the package registers; it imports nothing heavy."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    """Register ``api-limits.relays`` and ``api-limits.orders``."""
    register("relays", "mdm_api_limits.relays:RelayRequests")
    register("orders", "mdm_api_limits.orders:OrderLines")


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register ``api-limits.reputation``."""
    register("reputation", "mdm_api_limits.reputation:Reputation")


@hookimpl
def mdm_register_modulators(register: Register) -> None:
    """Register ``api-limits.suspects``."""
    register("suspects", "mdm_api_limits.suspects:Suspects")


@hookimpl
def mdm_register_observers(register: Register) -> None:
    """Register ``api-limits.figures``."""
    register("figures", "mdm_api_limits.figures:Figures")
